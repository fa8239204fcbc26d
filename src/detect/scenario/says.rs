//! What an alarm says to people.

use super::group::masked;
use super::model::Masks;
use crate::detect::sigma::normal;
use crate::event::Record;

/// Characters of one value.
const VALUE_CHARS_MAX: usize = 80;

/// The text with `{count}`, `{distinct}` and the fields of the newest line put in; a field that it has not is `unknown`. Of
/// where lines come from the network is named, where networks are counted: the newest line's address is one of many.
pub fn filled(template: &str, record: &Record, (count, distinct): (u64, usize), masks: Masks) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            out.push('{');
            rest = behind;
            continue;
        };
        match name {
            "count" => out.push_str(&count.to_string()),
            "distinct" => out.push_str(&distinct.to_string()),
            field => {
                let value = normal::field(record, field).filter(|value| !value.is_empty());
                let is_network = masks != Masks::default() && field.starts_with("source.");
                let value =
                    value.map(|value| if is_network { masked(&value, masks).into_owned() } else { value.into_owned() });
                out.extend(value.as_deref().unwrap_or("unknown").chars().take(VALUE_CHARS_MAX));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;

    #[test]
    fn values_are_put_in_and_what_is_no_field_stays() {
        let entity = Entity { user: Some("a{count}".into()), ..Entity::default() };
        let record = Record { entity, ..Record::default() };
        let text = filled("{count} of {distinct}: {user.name} from {source.ip} {", &record, (7, 2), Masks::default());
        assert_eq!(text, "7 of 2: a{count} from unknown {");
    }

    #[test]
    fn of_a_network_the_network_is_named() {
        let entity = Entity { src_ip: Some("198.51.100.77".into()), ..Entity::default() };
        let record = Record { entity, ..Record::default() };
        let text = |v4| filled("from {source.ip}", &record, (7, 2), Masks { v4, v6: 64 });
        assert_eq!((text(24).as_str(), text(32).as_str()), ("from 198.51.100.0/24", "from 198.51.100.77"));
    }
}
