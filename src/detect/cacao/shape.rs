//! How the objects of a playbook are described, and what of a JSON value is not as described.

use std::fmt::Display;

use serde_json::{Map, Value};

/// A property of an object.
pub struct Field {
    pub name: &'static str,
    pub is_needed: bool,
    pub kind: Kind,
}

/// The properties of an object; what a group does not name may be there and is not looked at.
pub type Shape = &'static [&'static [Field]];

/// What a value has to be.
pub enum Kind {
    Text,
    TextOrNull,
    OneOf(&'static [&'static str]),
    Switch,
    /// Between these, the ends among them.
    Whole(i64, i64),
    /// A text that passes a test, and what the test is for.
    Like(fn(&str) -> bool, &'static str),
    LikeOrNull(fn(&str) -> bool, &'static str),
    /// With at least so many elements.
    List(usize, &'static Kind),
    Object(Shape),
    /// An object with anything in it.
    Any,
    /// An object of any names, with at least so many of them.
    Map(usize, &'static Kind),
    /// An object whose names say what each value has to be; what a name is for, if it is of no known kind.
    Named(usize, fn(&str) -> Option<Shape>, &'static str),
}

/// A property that the object cannot do without.
macro_rules! needs {
    ($name:literal, $kind:expr $(,)?) => {
        Field { name: $name, is_needed: true, kind: $kind }
    };
}
pub(super) use needs;

/// A property that may be absent.
macro_rules! may {
    ($name:literal, $kind:expr $(,)?) => {
        Field { name: $name, is_needed: false, kind: $kind }
    };
}
pub(super) use may;

/// Everything that is wrong, as `place: what`, up to a number of findings.
pub struct Problems {
    found: Vec<String>,
    max: usize,
}

/// Characters shown of a place; a playbook may have keys of any length.
const PLACE_CHARS_MAX: usize = 160;

impl Problems {
    pub fn new(max: usize) -> Self {
        Self { found: Vec::new(), max }
    }

    pub fn say(&mut self, place: &str, problem: impl Display) {
        if self.found.len() < self.max {
            let place: String = place.chars().take(PLACE_CHARS_MAX).flat_map(char::escape_debug).collect();
            self.found.push(format!("{place}: {problem}"));
        }
    }

    pub fn found(self) -> Vec<String> {
        self.found
    }

    /// The value has to be an object of this shape.
    pub fn object(&mut self, place: &str, value: &Value, shape: Shape) {
        let Value::Object(object) = value else { return self.say(place, "expected an object") };
        for field in shape.iter().copied().flatten() {
            let place = under(place, field.name);
            match object.get(field.name) {
                Some(value) => self.value(&place, value, &field.kind),
                None if field.is_needed => {
                    self.say(&place, format!("it is missing; expected {}", expected(&field.kind)))
                }
                None => {}
            }
        }
    }

    fn value(&mut self, place: &str, value: &Value, kind: &Kind) {
        let holds = match (kind, value) {
            (Kind::Text | Kind::TextOrNull, Value::String(_))
            | (Kind::TextOrNull | Kind::LikeOrNull(..), Value::Null)
            | (Kind::Switch, Value::Bool(_))
            | (Kind::Any, Value::Object(_)) => true,
            (Kind::OneOf(allowed), Value::String(text)) => allowed.contains(&text.as_str()),
            (Kind::Like(test, _) | Kind::LikeOrNull(test, _), Value::String(text)) => test(text),
            (Kind::Whole(min, max), Value::Number(number)) => whole(number).is_some_and(|n| (*min..=*max).contains(&n)),
            (Kind::Object(shape), Value::Object(_)) => return self.object(place, value, shape),
            (Kind::List(min, kind), Value::Array(elements)) if elements.len() >= *min => {
                for (index, element) in elements.iter().enumerate() {
                    self.value(&format!("{place}[{index}]"), element, kind);
                }
                return;
            }
            (Kind::Map(min, kind), Value::Object(object)) if object.len() >= *min => {
                return object.iter().for_each(|(name, value)| self.value(&under(place, name), value, kind));
            }
            (Kind::Named(min, shape, what), Value::Object(object)) if object.len() >= *min => {
                return self.named(place, object, *shape, what);
            }
            _ => false,
        };
        if !holds {
            self.say(place, format!("expected {}", expected(kind)));
        }
    }

    fn named(&mut self, place: &str, object: &Map<String, Value>, shape: fn(&str) -> Option<Shape>, what: &str) {
        for (name, value) in object {
            match shape(name) {
                Some(shape) => self.object(&under(place, name), value, shape),
                None => self.say(&under(place, name), format!("its name is not {what}")),
            }
        }
    }
}

fn under(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// JSON does not tell `1.0` from `1`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| number.as_f64().filter(|value| value.fract() == 0.0).map(|value| value as i64))
}

/// `a` or `b`, in words.
pub fn any_of(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ")
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Text => "a text".to_owned(),
        Kind::TextOrNull => "a text, or null".to_owned(),
        Kind::OneOf(allowed) => any_of(allowed),
        Kind::Switch => "true or false".to_owned(),
        Kind::Whole(min, max) if *max == i64::MAX => format!("a whole number from {min}"),
        Kind::Whole(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Like(_, what) => (*what).to_owned(),
        Kind::LikeOrNull(_, what) => format!("{what}, or null"),
        Kind::List(0, _) => "a list".to_owned(),
        Kind::List(min, _) => format!("a list of at least {min}"),
        Kind::Object(_) | Kind::Any | Kind::Map(0, _) | Kind::Named(0, ..) => "an object".to_owned(),
        Kind::Map(..) | Kind::Named(..) => "an object that is not empty".to_owned(),
    }
}
