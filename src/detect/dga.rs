//! Names made by an algorithm: how unlike names that people register a name is, and which kind of generator it is like.
//!
//! A logistic regression over several classes: registered names against kinds of generators, over hashed character n-grams, shapes (length,
//! digits, vowels, runs), the suffix under which it is registered, and the common words that it consists of (`dga_features.rs`). The table is its
//! weights. `tests/evaluate/dga_weights.rs` trains it on registered names against names that it makes itself, as malware families do.

pub use super::dga_features::{TABLE_SIZE, features};
use super::public_suffix::{registrable, suffix};

/// What a name can be like: one that people have registered, or one of a generator that draws or joins these.
pub const KINDS: [&str; 9] = [
    "registered",
    "random letters",
    "random letters and digits",
    "hexadecimal digits",
    "a few letters of the alphabet",
    "syllables",
    "joined words",
    "joined Latin words",
    "joined names",
];

/// Weights in units of [`WEIGHT_UNIT`]: one for each kind, by hash of the feature.
static WEIGHTS: &[u8; TABLE_SIZE * KINDS.len()] = include_bytes!("dga_weights.bin");
/// Of the logit.
pub const WEIGHT_UNIT: f64 = 1.0 / 32.0;

/// Names shorter than this are not judged: every combination of so few letters is registered.
const LABEL_BYTES_MIN: usize = 4;
/// Providers of names for machines whose address changes that are no public suffixes: what is below them is as good as registered.
const PROVIDERS: [&str; 3] = ["dynserv.com", "yi.org", "mooo.com"];

/// How likely it is that an algorithm made the registrable part of this name: 0 to 1, about even odds at 0.5 if half of
/// all names were made so. 0 for what is no registrable name.
pub fn score(domain: &str) -> f64 {
    judge(domain).map_or(0.0, |(score, _)| score)
}

/// Which kind of generator makes names like this, of [`KINDS`].
pub fn likeness(domain: &str) -> Option<&'static str> {
    judge(domain).map(|(_, kind)| kind)
}

fn judge(domain: &str) -> Option<(f64, &'static str)> {
    let (label, suffix) = registered_part(domain)?;
    // Punycode looks random and is not.
    if label.len() < LABEL_BYTES_MIN || label.starts_with("xn--") {
        return None;
    }
    let mut sums = [0_i32; KINDS.len()];
    features(label, suffix, |index| {
        let weights = WEIGHTS.get(index * KINDS.len()..).unwrap_or_default();
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += i32::from(weight.cast_signed());
        }
    });
    let [registered, made @ ..] = sums.map(|sum| f64::from(sum) * WEIGHT_UNIT);
    let (kind, highest) = KINDS.into_iter().skip(1).zip(made).max_by(|left, right| left.1.total_cmp(&right.1))?;
    let all = highest + made.iter().map(|logit| (logit - highest).exp()).sum::<f64>().ln();
    Some((1.0 / (1.0 + (registered - all).exp()), kind))
}

/// The label under which a name is registered, and the suffix behind it: `example` and `co.uk` of `www.example.co.uk`, `host` and
/// `dyndns.org` of `host.dyndns.org`.
pub fn registered_part(domain: &str) -> Option<(&str, &str)> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    for provider in PROVIDERS {
        if let Some(below) = domain.strip_suffix(provider).and_then(|below| below.strip_suffix('.')) {
            return Some((below.rsplit('.').next()?, provider));
        }
    }
    let name = registrable(domain)?;
    Some((name.split('.').next()?, suffix(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_score_high_and_everyday_names_low() {
        for name in ["xqzvkwpjrtbn.com", "kq3v9zx7wj2p4hd.org", "a8f3e1c09b7d42aa.net", "qwjxkzvbptlm.ddns.net"] {
            assert!(score(name) > 0.9, "{name} {}", score(name));
        }
        for name in ["www.wikipedia.org", "example.com", "debian.org", "stackoverflow.com", "openstreetmap.org"] {
            assert!(score(name) < 0.5, "{name} {}", score(name));
        }
    }

    #[test]
    fn joined_words_of_a_generator_are_told_from_names_of_people() {
        let made = [
            "pressurestrengthforgetbalance.com",
            "therefore-remember.yt",
            "yesterdaycaughtunderstood.com",
            "againstbelieve.net",
            "severaltraining.net",
            "picturebeside.net",
            "rathercountry.ru",
            "increaselanguage.net",
            "windowcontinue.net",
            "boxnegotiatediscussheight.com",
            "trainrestorepointcamera.com",
            "winterhappendiscovermachine.com",
        ];
        let told: Vec<&str> = made.into_iter().filter(|name| score(name) > 0.8).collect();
        assert!(told.len() * 3 > made.len() * 2, "{told:?}");
        assert!(told.iter().all(|name| likeness(name).is_some_and(|kind| kind.starts_with("joined"))), "{told:?}");
        for name in ["booking.com", "bookshop.org", "thehomedepot.com", "weatherchannel.com", "goodhousekeeping.com"] {
            assert!(score(name) < 0.5, "{name} {}", score(name));
        }
        assert_eq!(likeness("kq3v9zx7wj2p4hd.org"), Some("random letters and digits"));
    }

    #[test]
    fn only_the_registered_part_is_judged() {
        assert_eq!(registered_part("d111abcdef8.assets.example.co.uk"), Some(("example", "co.uk")));
        assert_eq!(registered_part("a.host.dyndns.org."), Some(("host", "dyndns.org")));
        assert_eq!(registered_part("a.cgdwbgc.dynserv.com"), Some(("cgdwbgc", "dynserv.com")));
        assert_eq!(score("com"), 0.0);
        assert_eq!(score("xn--bcher-kva.example"), 0.0);
    }

    #[test]
    fn no_name_of_any_bytes_breaks_it() {
        for name in
            ["", ".", "..", "é.com", "\u{0}.com", ".mooo.com", &"a".repeat(300), &format!("{}.com", "é".repeat(63))]
        {
            assert!((0.0..=1.0).contains(&score(name)), "{name}");
        }
    }
}
