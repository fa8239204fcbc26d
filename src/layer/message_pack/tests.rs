use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    One(i64),
    Two(u8, String),
    Named { left: Option<f64>, right: Vec<Shape> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Number(u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(i32, char);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct All {
    flag: bool,
    small: i8,
    number: Number,
    pair: Pair,
    unit: Unit,
    float: f64,
    text: String,
    by_number: BTreeMap<u64, (u16, String)>,
    by_pair: BTreeMap<(String, u32), BTreeSet<i64>>,
    shapes: Vec<Shape>,
    several: [u8; 4],
    perhaps: Option<Box<Shape>>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Nothing),
        any::<i64>().prop_map(Shape::One),
        (any::<u8>(), ".{0,40}").prop_map(|(number, text)| Shape::Two(number, text)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        (any::<Option<f64>>(), prop::collection::vec(inner, 0..4))
            .prop_map(|(left, right)| Shape::Named { left, right })
    })
}

fn all() -> impl Strategy<Value = All> {
    let plain = (any::<bool>(), any::<i8>(), any::<u64>(), any::<(i32, char)>(), any::<f64>(), ".{0,300}");
    let maps = (
        prop::collection::btree_map(any::<u64>(), (any::<u16>(), ".{0,5}".prop_map(String::from)), 0..20),
        prop::collection::btree_map((".{0,5}", any::<u32>()), prop::collection::btree_set(any::<i64>(), 0..5), 0..4),
    );
    let shapes = (prop::collection::vec(shape(), 0..20), any::<[u8; 4]>(), prop::option::of(shape()));
    (plain, maps, shapes).prop_map(|(plain, (by_number, by_pair), (shapes, several, perhaps))| {
        let (flag, small, number, (first, second), float, text) = plain;
        let (number, pair, perhaps) = (Number(number), Pair(first, second), perhaps.map(Box::new));
        All { flag, small, number, pair, unit: Unit, float, text, by_number, by_pair, shapes, several, perhaps }
    })
}

fn same(left: &All, right: &All) -> bool {
    // NaN is no number that equals itself.
    write(left).unwrap() == write(right).unwrap()
}

proptest! {
    #[test]
    fn what_was_written_is_read_back_to_the_bit(value in all()) {
        let bytes = write(&value).unwrap();
        prop_assert!(same(&read(&bytes).unwrap(), &value));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_what_the_writers_own_reader_makes_of_them(
        value in all(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()
    ) {
        let mut bytes = write(&value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(found) = read::<All>(bytes) {
                prop_assert!(same(&found, &rmp_serde::from_slice(bytes).unwrap()));
            }
        }
    }

    #[test]
    fn no_bytes_at_all_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read::<All>(&bytes));
        drop(read::<Vec<Shape>>(&bytes));
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newer {
    kept: u32,
    gone: BTreeMap<String, Vec<Shape>>,
    also: Option<bool>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Older {
    kept: u32,
    #[serde(default)]
    added: Vec<u8>,
}

#[test]
fn a_field_that_is_not_known_is_passed_over_and_one_that_is_missing_has_its_default() {
    let gone = BTreeMap::from([("a".to_owned(), vec![Shape::One(-1), Shape::Named { left: None, right: vec![] }])]);
    let bytes = write(&Newer { kept: 7, gone, also: Some(true) }).unwrap();
    assert_eq!(read::<Older>(&bytes).unwrap(), Older { kept: 7, added: Vec::new() });
}

#[test]
fn errors_say_what_was_expected() {
    let text = |result: Result<Older, Error>| result.unwrap_err().to_string();
    assert_eq!(text(read(&write(&"text").unwrap())), "a map is expected, not FixStr(4)");
    let kept = |kept: i64| write(&BTreeMap::from([("kept", kept)])).unwrap();
    assert!(text(read(&kept(-1))).contains("a number"), "{}", text(read(&kept(-1))));
    assert!(text(read(&kept(1 << 40))).contains("invalid value"), "{}", text(read(&kept(1 << 40))));
    let mut more = kept(1);
    more.push(0);
    assert_eq!(text(read(&more)), "something follows it");
    assert_eq!(text(read(&kept(1)[..3])), "it ends in the middle");
}

#[test]
fn values_within_values_end_somewhere() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0x90]].concat();
    let bytes = |depth| [&[0x82, 0xa4][..], b"kept", &[7, 0xa1], b"x", &nested(depth)].concat();
    assert!(read::<Older>(&bytes(60)).is_ok());
    assert!(read::<Older>(&bytes(100_000)).unwrap_err().to_string().contains("deep"));
}
