//! What Redis answers.

use bytes::Bytes;

/// One value of an answer, in the shapes of RESP2; what a command answers as a map is a list of names and values in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Number(i64),
    Text(Bytes),
    List(Vec<Reply>),
}

impl Reply {
    /// Text that is UTF-8.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The elements; none for everything that is not a list.
    pub fn into_list(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            _ => Vec::new(),
        }
    }

    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }

    /// The value beside a name in a list of names and values.
    pub fn named(&self, name: &str) -> Option<&Self> {
        self.list().chunks_exact(2).find_map(|pair| match pair {
            [key, value] if key.text() == Some(name) => Some(value),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_value_is_found_in_its_place_and_not_among_the_values() {
        let text = |text: &'static str| Reply::Text(Bytes::from_static(text.as_bytes()));
        let info = Reply::List(vec![text("name"), text("lag"), text("lag"), Reply::Number(7), text("odd")]);
        assert_eq!(info.named("lag").and_then(Reply::number), Some(7));
        assert_eq!(info.named("odd"), None);
        assert_eq!(Reply::Nil.named("lag"), None);
    }
}
