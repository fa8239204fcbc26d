//! Where the weights of `src/detect/dga.rs` come from: popular names (the CC0 lists `tranco10k` and `cisco_top20k` of the
//! MISP warninglists) against names drawn from the kinds of generators that malware uses. No name of a malware family
//! is used. The training is repeated and must give the weights in the repository; with `DSMIL_WRITE=1` they are written anew.

use std::collections::BTreeSet;
use std::path::Path;

use dsmild::detect::dga;

use crate::data;

const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/detect/dga_weights.bin");
const EPOCHS: u32 = 6;
const RATE: f64 = 0.05;
const DECAY: f64 = 1e-5;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const LETTERS_AND_DIGITS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const VOWELS: &[u8] = b"aeiouy";
const CONSONANTS: &[u8] = b"bcdfghjklmnpqrstvwxz";

/// Knuth's linear congruential generator: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn draw(&mut self, alphabet: &[u8], length: usize) -> Vec<u8> {
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

/// One name as an algorithm makes them.
fn made(numbers: &mut Numbers) -> String {
    let name = match numbers.below(16) {
        0..=5 => {
            let length = 5 + numbers.below(18);
            numbers.draw(LETTERS, length)
        }
        6 | 7 => {
            let length = 8 + numbers.below(18);
            numbers.draw(LETTERS_AND_DIGITS, length)
        }
        8 => {
            let length = 8 + numbers.below(25);
            numbers.draw(b"0123456789abcdef", length)
        }
        9 | 10 => {
            let size = 6 + numbers.below(8);
            let alphabet = numbers.draw(LETTERS, size);
            let length = 8 + numbers.below(12);
            numbers.draw(&alphabet, length)
        }
        11..=13 => {
            let (length, first) = (5 + numbers.below(9), numbers.below(2));
            (0..length)
                .flat_map(|at| numbers.draw(if (at + first) % 2 == 0 { CONSONANTS } else { VOWELS }, 1))
                .collect()
        }
        _ => {
            let mut name = Vec::new();
            for _ in 0..2 + numbers.below(4) {
                let syllable = [&b"cv"[..], b"vc", b"cvc", b"cvv", b"ccv"][numbers.below(5)];
                for sound in syllable {
                    name.extend(numbers.draw(if *sound == b'c' { CONSONANTS } else { VOWELS }, 1));
                }
            }
            name
        }
    };
    if name.len() < 5 { made(numbers) } else { String::from_utf8(name).unwrap() }
}

/// Registrable labels of popular names, long enough to say anything.
fn registered(data: &Path) -> Vec<String> {
    let mut labels = BTreeSet::new();
    for list in ["tranco10k", "cisco_top20k"] {
        let path = data.join("misp-warninglists/lists").join(list).join("list.json");
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let names = json["list"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let long_enough = |label: &&str| label.len() >= 5 && !label.starts_with("xn--");
        labels.extend(names.filter_map(dga::registrable_label).filter(long_enough).map(str::to_owned));
    }
    labels.into_iter().collect()
}

fn train(registered: &[String]) -> Vec<i8> {
    let mut numbers = Numbers(7);
    let is_word =
        |label: &&String| (5..=8).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<&String> = registered.iter().filter(is_word).collect();
    let features = |name: &str| {
        let mut features = Vec::new();
        dga::features(name, |feature| features.push(feature));
        features
    };
    let mut rows: Vec<(Vec<usize>, f64)> = registered.iter().map(|name| (features(name), 0.0)).collect();
    for _ in 0..registered.len() * 2 {
        // A few of several words: families that join words differ from people in how many they join.
        let joins_words = numbers.below(100) < 3;
        let name = if joins_words {
            (0..2 + numbers.below(3)).map(|_| words[numbers.below(words.len())].as_str()).collect()
        } else {
            made(&mut numbers)
        };
        rows.push((features(&name), 1.0));
    }
    let mut weights = vec![0.0_f64; dga::TABLE_SIZE];
    for epoch in 0..EPOCHS {
        for at in (1..rows.len()).rev() {
            let other = numbers.below(at + 1);
            rows.swap(at, other);
        }
        let rate = RATE / f64::from(1 + epoch);
        for (features, is_made) in &rows {
            let logit: f64 = features.iter().map(|feature| weights[*feature]).sum();
            // There are twice as many made names.
            let importance = if *is_made > 0.5 { 0.5 } else { 1.0 };
            let error = (dga::sigmoid(logit) - is_made) * importance;
            for feature in features {
                weights[*feature] -= rate * (error + DECAY * weights[*feature]);
            }
        }
    }
    weights.iter().map(|weight| (weight / dga::WEIGHT_UNIT).round().clamp(-127.0, 127.0) as i8).collect()
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn the_weights_are_what_the_training_gives() {
    let trained = train(&registered(&data("")));
    if std::env::var_os("DSMIL_WRITE").is_some() {
        std::fs::write(WEIGHTS, trained.iter().map(|weight| weight.cast_unsigned()).collect::<Vec<u8>>()).unwrap();
    }
    let kept = std::fs::read(WEIGHTS).unwrap();
    // Another processor may round the last bit otherwise.
    let apart = kept.iter().zip(&trained).map(|(kept, trained)| (kept.cast_signed() - trained).abs()).max();
    assert_eq!(kept.len(), trained.len());
    assert!(apart <= Some(1), "weights differ by {apart:?}");
}
