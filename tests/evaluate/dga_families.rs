//! Names as the generators of malware families make them, after what is published of their algorithms: from which letters, how long, of which words,
//! under which suffixes.

/// Knuth's linear congruential generator: the same numbers everywhere.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

pub enum Shape {
    /// Letters drawn from these, so many.
    Drawn(&'static str, usize, usize),
    /// From a part of these with so many different ones, drawn anew for each name.
    Part(&'static str, usize, usize, usize),
    /// Consonants and vowels by turns.
    Turns(usize, usize),
    /// Syllables after these patterns.
    Syllables(&'static [&'static str], usize, usize),
    /// The first, and so many hexadecimal digits.
    Hex(&'static str, usize, usize),
    /// Words of these: English, names, Latin; how many, what is between them, at least and at most so long.
    Joined(usize, usize, usize, &'static [&'static str], usize, usize),
    /// A long word of which the first letters change.
    Changed(&'static str, usize),
}
use Shape::*;

/// `kind` is a place in `dga::KINDS`.
pub struct Family {
    pub name: &'static str,
    pub kind: usize,
    pub shapes: &'static [Shape],
    pub suffixes: &'static [&'static str],
}

const AZ: &str = "abcdefghijklmnopqrstuvwxyz";
const AY: &str = "abcdefghijklmnopqrstuvwxy";
const ALNUM: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const SIX: &[&str] = &["com", "net", "biz", "ru", "org", "co.uk", "info"];
const FIVE: &[&str] = &["com", "net", "org", "info", "biz"];
const WORLD: &[&str] = &[
    "com", "net", "org", "info", "biz", "tj", "in", "jp", "tw", "ac", "cm", "la", "mn", "so", "sh", "sc", "nu", "nf",
    "mu", "ms", "mx", "ki", "im", "cx", "cc", "tv", "bz", "me", "eu", "de", "ru", "co", "su", "pw", "kz", "sx", "us",
    "ug", "ir", "to", "ga", "xxx", "pro", "ws", "at", "be", "ch", "cl", "cn", "cz", "dk", "es", "fr", "gr", "hk", "hn",
    "hu", "ie", "is", "kg", "kn", "lc", "lu", "ly", "md", "nl", "no", "pe", "pl", "pk", "ps", "pt", "ro", "sg", "sk",
    "tc", "tn", "vc", "vn", "com.ag", "com.ar", "com.br", "com.co", "com.mx", "com.ng", "com.pe", "com.pr", "com.py",
    "com.tr", "com.ua", "com.tw", "com.do", "com.gh", "com.gt", "com.hn", "com.jm", "com.ni", "com.pa", "com.sv",
    "com.uy", "co.cr", "co.id", "co.il", "co.in", "co.kr", "co.nz", "co.ug", "co.uk", "co.za", "gd", "gs", "gy", "ca",
    "ag", "as", "am", "fm", "in", "mobi", "name", "vu", "yt", "wtf", "bid", "click",
];
const DYN: &[&str] = &["ddns.net"];

pub const FAMILIES: &[Family] = &[
    Family { name: "conficker", kind: 1, shapes: &[Drawn(AZ, 4, 11)], suffixes: WORLD },
    Family { name: "cryptolocker", kind: 1, shapes: &[Drawn(AY, 11, 15)], suffixes: SIX },
    Family { name: "dircrypt", kind: 1, shapes: &[Drawn(AZ, 8, 20)], suffixes: &["com"] },
    Family { name: "emotet", kind: 1, shapes: &[Drawn(AY, 16, 16)], suffixes: &["eu"] },
    Family { name: "fobber", kind: 1, shapes: &[Drawn(AZ, 10, 10), Drawn(AZ, 17, 17)], suffixes: &["com", "net"] },
    Family {
        name: "murofet",
        kind: 1,
        shapes: &[Drawn(AZ, 8, 16), Drawn(AY, 20, 36)],
        suffixes: &["biz", "info", "org", "net", "com", "ru"],
    },
    Family {
        name: "murofet-2",
        kind: 2,
        shapes: &[Drawn("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890123456789", 30, 47)],
        suffixes: &["biz", "info", "org", "net", "com", "ru"],
    },
    Family { name: "necurs", kind: 1, shapes: &[Drawn(AY, 7, 21)], suffixes: WORLD },
    Family {
        name: "ramnit",
        kind: 1,
        shapes: &[Drawn(AY, 8, 19)],
        suffixes: &["com", "com", "com", "click", "eu", "bid"],
    },
    Family {
        name: "ranbyus",
        kind: 1,
        shapes: &[Drawn(AY, 14, 14), Drawn(AY, 17, 17)],
        suffixes: &["in", "me", "cc", "su", "tw", "net", "com", "pw", "org"],
    },
    Family {
        name: "tinba",
        kind: 1,
        shapes: &[Drawn(AY, 12, 12), Part(AY, 12, 12, 12)],
        suffixes: &[
            "com", "net", "pw", "ru", "biz", "space", "xyz", "org", "in", "cc", "site", "space", "online", "top", "us",
            "info", "life",
        ],
    },
    Family {
        name: "locky",
        kind: 1,
        shapes: &[Drawn(AY, 5, 17)],
        suffixes: &[
            "ru", "info", "biz", "click", "su", "work", "pl", "org", "pw", "xyz", "de", "eu", "tf", "be", "in", "fr",
            "it", "nl", "uk", "us", "yt", "pm",
        ],
    },
    Family { name: "shifu", kind: 1, shapes: &[Drawn(AY, 7, 7)], suffixes: &["info", "net", "eu"] },
    Family { name: "qakbot", kind: 1, shapes: &[Drawn(AZ, 8, 25)], suffixes: &["com", "net", "org", "info", "biz"] },
    Family { name: "bedep", kind: 1, shapes: &[Drawn(AZ, 12, 18)], suffixes: &["com"] },
    Family { name: "virut", kind: 1, shapes: &[Drawn(AZ, 6, 6)], suffixes: &["com"] },
    Family { name: "tempedreve", kind: 1, shapes: &[Drawn(AZ, 7, 11)], suffixes: &["com", "net", "org", "info"] },
    Family {
        name: "proslikefan",
        kind: 1,
        shapes: &[Drawn(AZ, 6, 12)],
        suffixes: &["eu", "biz", "se", "info", "com", "net", "org", "ru", "in", "name"],
    },
    Family { name: "zloader", kind: 1, shapes: &[Drawn(AY, 20, 20)], suffixes: &["com"] },
    Family { name: "flubot", kind: 1, shapes: &[Drawn(AY, 15, 15)], suffixes: &["ru", "su", "cn"] },
    Family {
        name: "mydoom",
        kind: 4,
        shapes: &[Drawn("aehpqrsvw", 10, 10)],
        suffixes: &["com", "biz", "us", "net", "org", "ws", "info", "in"],
    },
    Family { name: "sphinx", kind: 1, shapes: &[Drawn(AY, 16, 16)], suffixes: &["com"] },
    Family { name: "gameover", kind: 2, shapes: &[Drawn(ALNUM, 20, 28)], suffixes: &["com", "net", "org", "biz"] },
    Family {
        name: "chinad",
        kind: 2,
        shapes: &[Drawn(ALNUM, 16, 16)],
        suffixes: &["com", "org", "net", "biz", "info", "ru", "cn"],
    },
    Family { name: "shiotob", kind: 2, shapes: &[Drawn(ALNUM, 10, 15)], suffixes: &["com", "net"] },
    Family {
        name: "rovnix",
        kind: 2,
        shapes: &[Drawn("abcdefghijklmnopqrstuvwxyz12345678", 18, 18)],
        suffixes: &["com", "net", "ru", "cn", "biz", "in"],
    },
    Family { name: "corebot", kind: 2, shapes: &[Drawn("abcdefghijklmnopqrstuvwxy012345678", 12, 23)], suffixes: DYN },
    Family {
        name: "qadars",
        kind: 2,
        shapes: &[Drawn(ALNUM, 12, 12), Part(ALNUM, 18, 12, 12)],
        suffixes: &["com", "org", "net", "top"],
    },
    Family { name: "infy", kind: 2, shapes: &[Drawn(ALNUM, 8, 8)], suffixes: &["space", "net", "top"] },
    Family {
        name: "dyre",
        kind: 3,
        shapes: &[Hex("a", 33, 33)],
        suffixes: &["cc", "ws", "to", "in", "hk", "cn", "tk", "so"],
    },
    Family { name: "bamital", kind: 3, shapes: &[Hex("", 32, 32)], suffixes: &["co.cc", "cz.cc", "info", "org"] },
    Family {
        name: "monerodownloader",
        kind: 3,
        shapes: &[Hex("", 13, 16)],
        suffixes: &["org", "tickets", "blackfriday", "hosting", "feedback", "com", "net"],
    },
    Family {
        name: "padcrypt",
        kind: 4,
        shapes: &[Drawn("abcdefklmno", 16, 16)],
        suffixes: &["com", "co.uk", "de", "org", "net", "eu", "info", "online", "co", "cc", "website"],
    },
    Family { name: "ramdo", kind: 4, shapes: &[Drawn("acegikmoqsuwy", 16, 16)], suffixes: &["org"] },
    Family {
        name: "part",
        kind: 4,
        shapes: &[Part(AZ, 6, 8, 20), Part(AZ, 10, 8, 20), Part(AZ, 13, 8, 20)],
        suffixes: FIVE,
    },
    Family {
        name: "kraken",
        kind: 5,
        shapes: &[Drawn(AZ, 6, 12), Syllables(&["cv", "cvc", "vc", "v", "c"], 3, 5)],
        suffixes: &["com", "net", "tv", "cc", "dyndns.org", "yi.org", "dynserv.com", "mooo.com"],
    },
    Family {
        name: "pykspa",
        kind: 5,
        shapes: &[Syllables(&["cv", "v", "cvc", "c", "vc", "vv"], 3, 7), Drawn(AZ, 6, 13)],
        suffixes: &["com", "net", "org", "info", "cc", "biz"],
    },
    Family { name: "simda", kind: 5, shapes: &[Turns(5, 11)], suffixes: &["com", "info", "eu", "net"] },
    Family {
        name: "symmi",
        kind: 5,
        shapes: &[Turns(8, 15), Syllables(&["cv", "vc", "vv", "v", "cv"], 4, 7)],
        suffixes: DYN,
    },
    Family {
        name: "pushdo",
        kind: 5,
        shapes: &[Syllables(&["cvc"], 2, 4), Syllables(&["cv", "cvc", "vc"], 3, 4)],
        suffixes: &["ru", "kz", "com"],
    },
    Family {
        name: "vawtrak",
        kind: 5,
        shapes: &[Syllables(&["cv", "vc", "cvc", "v"], 3, 4)],
        suffixes: &["com", "top"],
    },
    Family {
        name: "unknown",
        kind: 5,
        shapes: &[Syllables(&["cv", "vc", "cvc", "cvv", "ccv"], 2, 5), Turns(5, 13)],
        suffixes: &["com", "net", "org", "info", "biz", "ru", "cc", "top", "xyz", "tv"],
    },
    Family {
        name: "banjori",
        kind: 6,
        shapes: &[
            Changed("earnestnessbiophysicalohax", 4),
            Changed("andersensinaix", 4),
            Changed("satformalisticirekb", 4),
        ],
        suffixes: &["com"],
    },
    Family {
        name: "matsnu",
        kind: 6,
        shapes: &[Joined(0, 3, 6, &[""], 24, 33), Joined(0, 2, 5, &["-"], 12, 32)],
        suffixes: &["com"],
    },
    Family {
        name: "suppobox",
        kind: 6,
        shapes: &[Joined(0, 2, 2, &[""], 8, 24)],
        suffixes: &["net", "net", "net", "ru", "com"],
    },
    Family {
        name: "suppobox-names",
        kind: 8,
        shapes: &[Joined(1, 2, 2, &["", "", "", "n"], 10, 26)],
        suffixes: &["net", "net", "net", "ru", "com"],
    },
    Family {
        name: "nymaim",
        kind: 6,
        shapes: &[Joined(0, 2, 2, &["", "-"], 8, 24)],
        suffixes: &[
            "com", "net", "org", "info", "biz", "ws", "yt", "de", "sg", "wtf", "ki", "ru", "me", "name", "cc", "us",
            "eu", "pw", "cx", "in", "tv", "sx", "ps", "sh", "mn", "ac", "bz", "am", "vg", "xyz", "top", "be", "it",
            "im", "la", "io", "pro", "re", "nu", "pm", "tf", "st", "co", "ga", "hm", "ms", "sc", "cm", "tk",
        ],
    },
    Family {
        name: "bigviktor",
        kind: 6,
        shapes: &[Joined(0, 3, 4, &[""], 12, 32)],
        suffixes: &[
            "art", "click", "club", "com", "fans", "futbol", "in", "info", "link", "net", "nl", "observer", "one",
            "org", "pictures", "realty", "rocks", "tel", "top", "xyz",
        ],
    },
    Family { name: "gozi", kind: 7, shapes: &[Joined(2, 2, 5, &[""], 12, 26)], suffixes: &["com"] },
    Family { name: "gozi-english", kind: 6, shapes: &[Joined(0, 3, 6, &[""], 12, 26)], suffixes: &["com", "ru", "at"] },
];

/// English, names, Latin.
pub type Words = [Vec<String>; 3];

const VOWELS: &[u8] = b"aeiouy";
const CONSONANTS: &[u8] = b"bcdfghjklmnpqrstvwxz";

pub fn label(shape: &Shape, numbers: &mut Numbers, words: &Words) -> String {
    let drawn = |numbers: &mut Numbers, from: &[u8], n: usize| {
        (0..n).map(|_| char::from(*numbers.one(from))).collect::<String>()
    };
    match *shape {
        Drawn(from, min, max) => {
            let n = min + numbers.below(max - min + 1);
            drawn(numbers, from.as_bytes(), n)
        }
        Part(from, size, min, max) => {
            let mut left = from.as_bytes().to_vec();
            while left.len() > size {
                let at = numbers.below(left.len());
                left.remove(at);
            }
            let n = min + numbers.below(max - min + 1);
            drawn(numbers, &left, n)
        }
        Turns(min, max) => {
            let n = min + numbers.below(max - min + 1);
            let first = numbers.below(2);
            (0..n)
                .map(|at| char::from(*numbers.one(if (at + first).is_multiple_of(2) { CONSONANTS } else { VOWELS })))
                .collect()
        }
        Syllables(of, min, max) => {
            let n = min + numbers.below(max - min + 1);
            let mut name = String::new();
            for _ in 0..n {
                for sound in numbers.one(of).bytes() {
                    name.push(char::from(*numbers.one(if sound == b'c' { CONSONANTS } else { VOWELS })));
                }
            }
            name
        }
        Hex(first, min, max) => {
            let n = min + numbers.below(max - min + 1) - first.len();
            let head = if first.is_empty() { String::new() } else { drawn(numbers, AZ.as_bytes(), 1) };
            head + &drawn(numbers, b"0123456789abcdef", n)
        }
        Joined(list, min, max, between, shortest, longest) => loop {
            let n = min + numbers.below(max - min + 1);
            let between = *numbers.one(between);
            let name = (0..n).map(|_| numbers.one(&words[list]).as_str()).collect::<Vec<_>>().join(between);
            if (shortest..=longest).contains(&name.len()) {
                return name;
            }
        },
        Changed(word, n) => drawn(numbers, AZ.as_bytes(), n) + &word[n..],
    }
}
