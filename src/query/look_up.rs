//! What an index can find of what passes a filter. Pure.

use super::expr::{Expr, Test};
use super::field::{Field, Name};
use super::kind::Kind;
use super::value::Value;

/// A field that has exactly this text; an address may be written in another way as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub field: Name,
    pub text: String,
}

/// Sets of which each is enough: every event that passes has one of the values of the set. None: the filter asks for no certain value.
pub fn sets(expr: &Expr) -> Vec<Vec<Wanted>> {
    match expr {
        Expr::All(parts) => parts.iter().flat_map(sets).collect(),
        // Each part may be what an event passes by, so one set of each is needed.
        Expr::Any(parts) => {
            let smallest = |part: &Expr| sets(part).into_iter().min_by_key(Vec::len);
            let each: Option<Vec<Vec<Wanted>>> = parts.iter().map(smallest).collect();
            each.map(|each| each.concat()).into_iter().collect()
        }
        Expr::Is(field, Test::OneOf(values)) => {
            let all: Option<Vec<Wanted>> = values.iter().map(|value| wanted(field, value)).collect();
            all.into_iter().collect()
        }
        Expr::Is(_, Test::Order(..) | Test::Contains(_))
        | Expr::Not(_)
        | Expr::Since(_)
        | Expr::Until(_)
        | Expr::Anywhere(_) => Vec::new(),
    }
}

fn wanted(field: &Field, value: &Value) -> Option<Wanted> {
    let text = match (field.kind, value) {
        (Kind::Text, Value::Text(text)) => text.clone(),
        (Kind::Address, Value::Address(address)) => address.to_string(),
        _ => return None,
    };
    // SQLite's texts end there.
    (!text.contains('\0')).then_some(Wanted { field: field.name, text })
}

#[cfg(test)]
mod tests {
    use crate::query::Filter;

    fn sets(filter: &str) -> Vec<Vec<String>> {
        let filter: Filter = filter.parse().unwrap();
        let text = |set: Vec<super::Wanted>| {
            set.into_iter().map(|wanted| format!("{:?} {}", wanted.field, wanted.text)).collect()
        };
        filter.look_ups().into_iter().map(text).collect()
    }

    #[test]
    fn what_every_event_that_passes_has_one_of_is_looked_up() {
        assert_eq!(sets("user = root and severity >= HIGH"), [["User root"]]);
        assert_eq!(sets("user in (a, b) host = c"), [vec!["User a", "User b"], vec!["Host c"]]);
        assert_eq!(
            sets("src_ip = ::ffff:192.0.2.1 or (dst_ip = 2001:DB8::1 and score > 0.5)"),
            [["SrcIp 192.0.2.1", "DstIp 2001:db8::1"]]
        );
        for filter in [
            "",
            "user != root",
            "not user = root",
            "user = root or severity = HIGH",
            "user ~ root",
            "src_ip in 192.0.2.0/24",
            "src_ip in (192.0.2.1, 198.51.100.0/24)",
            "user in 192.0.2.0/24",
            "device = 52",
            "since 2h",
        ] {
            assert!(sets(filter).is_empty(), "{filter}");
        }
    }
}
