//! Names of files with `*` and `?`.

/// Whether this is a pattern rather than a name.
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// `*` stands for any bytes, `?` for one. A leading dot has to be written, as in a shell.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // The last `*` seen may take one byte more whenever the rest fails: linear in practice, never exponential.
    let (mut at, mut matched, mut star) = (0, 0, None);
    while let Some(byte) = name.get(matched) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, matched));
                at += 1;
            }
            Some(expected) if *expected == b'?' || expected == byte => {
                at += 1;
                matched += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                matched = taken + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_any_bytes_and_a_question_mark_one() {
        for (pattern, name, expected) in [
            ("*.log", "auth.log", true),
            ("*.log", "auth.log.1", false),
            ("*.log", ".hidden.log", false),
            (".*", ".hidden", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("app-?.log", "app-1.log", true),
            ("app-?.log", "app-10.log", false),
            ("*", "", true),
            ("**a**", "a", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        let name = vec![b'a'; 255];
        assert!(!matches(b"*a*a*a*a*a*a*a*a*a*b", &name), "comes to an end on a hostile name");
    }
}
