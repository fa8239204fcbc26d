//! Where the weights of `src/detect/dga.rs` come from: registered names (see `dga/README.md`, and the CC0 lists `tranco10k` and `cisco_top20k` of the
//! MISP warninglists) against names that `dga_families.rs` makes. No name of a corpus of malware's names is used. The training is repeated and
//! must give the weights in the repository; with `DSMIL_WRITE=1` they are written anew, with `DSMIL_LEAVE_OUT=FAMILY` the training goes
//! without that family and says how well it is found all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use dsmild::detect::dga::{self, KINDS, TABLE_SIZE, WEIGHT_UNIT};

use crate::data;
use crate::dga_families::{FAMILIES, Family, Numbers, Words, label};
use crate::network::auroc;

const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/detect/dga_weights.bin");
const TRAINING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/evaluate/dga/training.txt.gz");
const EPOCHS: usize = 3;
const RATE: f32 = 0.1;
const DECAY: f32 = 1e-6;
/// Of a hundred made names, so many are under a suffix of another family; of words, so many are rare ones.
const OTHER_SUFFIX: usize = 20;
const RARE: usize = 20;
const COMMON_SUFFIXES: [&str; 14] =
    ["com", "net", "org", "info", "biz", "ru", "eu", "cc", "tv", "top", "xyz", "in", "me", "pw"];

fn sections() -> BTreeMap<String, Vec<String>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(TRAINING).unwrap()).read_to_string(&mut text).unwrap();
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(section) => name = section.to_owned(),
            None => sections.entry(name.clone()).or_default().push(line.to_owned()),
        }
    }
    sections
}

/// Registered names, long enough to say anything.
fn registered(data: &Path, more: &[String]) -> BTreeSet<(String, String)> {
    let mut names = more.to_vec();
    for list in ["tranco10k", "cisco_top20k"] {
        let path = data.join("misp-warninglists/lists").join(list).join("list.json");
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        names.extend(json["list"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_ascii_lowercase()));
    }
    let parts = names.iter().filter_map(|name| dga::registered_part(name));
    let long_enough = parts.filter(|(label, _)| label.len() >= 4 && !label.starts_with("xn--"));
    long_enough.map(|(label, suffix)| (label.to_owned(), suffix.to_owned())).collect()
}

type Row = (Vec<u32>, usize);

fn row(label: &str, suffix: &str, kind: usize) -> Row {
    let mut features = Vec::new();
    dga::features(label, suffix, |feature| features.push(feature as u32));
    (features, kind)
}

fn rows(families: &[&Family], numbers: &mut Numbers) -> Vec<Row> {
    let mut sections = sections();
    let mut take = |name: &str| sections.remove(name).unwrap();
    let registered = registered(&data(""), &take("registered"));
    let (common, rare) = (take("common"), take("rare"));
    let mut word = || {
        let list = if is_one_of_a_hundred(numbers, RARE) { &rare } else { &common };
        numbers.one(list).clone()
    };
    let english = (0..20_000).map(|_| word()).collect();
    let words: Words = [english, take("names"), take("latin")];
    let mut rows: Vec<Row> = registered.iter().map(|(label, suffix)| row(label, suffix, 0)).collect();
    let of_each = registered.len() / families.len();
    for family in families {
        for _ in 0..of_each {
            let name = label(numbers.one(family.shapes), numbers, &words);
            let own = *numbers.one(family.suffixes);
            let suffix = if is_one_of_a_hundred(numbers, OTHER_SUFFIX) { *numbers.one(&COMMON_SUFFIXES) } else { own };
            if name.len() >= 4 {
                rows.push(row(&name, suffix, family.kind));
            }
        }
    }
    rows
}

fn is_one_of_a_hundred(numbers: &mut Numbers, so_many: usize) -> bool {
    numbers.below(100) < so_many
}

/// Logistic regression by AdaGrad: J. Duchi et al., Journal of Machine Learning Research 12, 2011.
fn train(mut rows: Vec<Row>, numbers: &mut Numbers) -> Vec<f32> {
    const KIND_COUNT: usize = KINDS.len();
    let mut weights = vec![0.0_f32; TABLE_SIZE * KIND_COUNT];
    let mut squares = vec![1e-3_f32; TABLE_SIZE * KIND_COUNT];
    for _ in 0..EPOCHS {
        for at in (1..rows.len()).rev() {
            let other = numbers.below(at + 1);
            rows.swap(at, other);
        }
        for (features, kind) in &rows {
            let mut errors = chances(&weights, features);
            errors[*kind] -= 1.0;
            for feature in features {
                let from = *feature as usize * KIND_COUNT;
                let weights = &mut weights[from..from + KIND_COUNT];
                let squares = &mut squares[from..from + KIND_COUNT];
                for ((weight, square), error) in weights.iter_mut().zip(squares).zip(errors) {
                    let slope = error + DECAY * *weight;
                    *square += slope * slope;
                    *weight -= RATE * slope / square.sqrt();
                }
            }
        }
    }
    weights
}

/// Of each kind, 0 to 1.
fn chances(weights: &[f32], features: &[u32]) -> [f32; KINDS.len()] {
    let mut logits = [0.0_f32; KINDS.len()];
    for feature in features {
        let from = *feature as usize * KINDS.len();
        for (logit, weight) in logits.iter_mut().zip(&weights[from..from + KINDS.len()]) {
            *logit += weight;
        }
    }
    let highest = logits.iter().copied().fold(f32::MIN, f32::max);
    let raised = logits.map(|logit| (logit - highest).exp());
    let all: f32 = raised.iter().sum();
    raised.map(|chance| chance / all)
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn the_weights_are_what_the_training_gives() {
    let mut numbers = Numbers(7);
    let families: Vec<&Family> = FAMILIES.iter().collect();
    let rows = rows(&families, &mut numbers);
    let trained: Vec<i8> = train(rows, &mut numbers)
        .iter()
        .map(|weight| (f64::from(*weight) / WEIGHT_UNIT).round().clamp(-127.0, 127.0) as i8)
        .collect();
    if std::env::var_os("DSMIL_WRITE").is_some() {
        std::fs::write(WEIGHTS, trained.iter().map(|weight| weight.cast_unsigned()).collect::<Vec<u8>>()).unwrap();
    }
    let kept = std::fs::read(WEIGHTS).unwrap();
    // Another processor may round the last bit otherwise.
    let apart = kept.iter().zip(&trained).map(|(kept, trained)| (kept.cast_signed() - trained).abs()).max();
    assert_eq!(kept.len(), trained.len());
    assert!(apart <= Some(1), "weights differ by {apart:?}");
}

#[test]
#[ignore = "needs DSMIL_DATA and DSMIL_LEAVE_OUT=FAMILY; says how well a family is found that the training has not seen"]
fn a_family_that_was_left_out_is_found() {
    let Ok(left_out) = std::env::var("DSMIL_LEAVE_OUT") else { return };
    let mut numbers = Numbers(7);
    let families: Vec<&Family> = FAMILIES.iter().filter(|family| !family.name.starts_with(&left_out)).collect();
    let rows = rows(&families, &mut numbers);
    let weights = train(rows, &mut numbers);
    let (mut made, mut registered) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(data("dga-chrmor").join("dga_domains_sample.csv")).unwrap().lines() {
        let columns: Vec<&str> = line.split(',').collect();
        let part = dga::registered_part(columns[2]).filter(|(label, _)| label.len() >= 4);
        let of = |(label, suffix)| 1.0 - f64::from(chances(&weights, &row(label, suffix, 0).0)[0]);
        let score = part.map_or(0.0, of);
        match columns[1] {
            "alexa" => registered.push(score),
            family if family.starts_with(&left_out) => made.push(score),
            _ => {}
        }
    }
    eprintln!(
        "dga: {left_out} was left out of the training; AUROC {:.4} of {} names",
        auroc(&made, &registered),
        made.len()
    );
}
