//! Which entries are wanted, by the name that the sender goes by in its logs.

use super::export::Entry;

/// Whether the entry's identifier is among these; `*` at the end matches any rest, no identifiers match all.
pub fn is_wanted(entry: &Entry, identifiers: &[String]) -> bool {
    let identifier = entry.text("SYSLOG_IDENTIFIER").unwrap_or_default();
    identifiers.is_empty()
        || identifiers.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => identifier.starts_with(beginning),
            None => identifier == wanted,
        })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(fields: &[(&str, &'static str)]) -> Entry {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Bytes::from_static(value.as_bytes())));
        let mut entry = Entry::default();
        entry.fields = fields.collect();
        entry
    }

    #[test]
    fn identifiers_match_whole_or_by_their_beginning() {
        let wanted = ["sshd".to_owned(), "dsmil-*".to_owned()];
        for (identifier, expected) in [("sshd", true), ("sshd2", false), ("dsmil-l3", true), ("dsmil", false)] {
            assert_eq!(is_wanted(&entry(&[("SYSLOG_IDENTIFIER", identifier)]), &wanted), expected, "{identifier}");
        }
        assert!(is_wanted(&entry(&[]), &[]));
        assert!(!is_wanted(&entry(&[]), &wanted));
    }
}
