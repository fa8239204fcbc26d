//! Words for severity, as syslog numbers.

/// 0 (emergency) to 7 (debug). Numbers above 7 are those of bunyan and pino, in tens.
pub(super) fn read(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return match number {
            0..=7 => Some(number),
            60.. => Some(2),
            50.. => Some(3),
            40.. => Some(4),
            30.. => Some(6),
            _ => Some(7),
        };
    }
    let mut lower = [0; 13];
    let lower = lower.get_mut(..text.len())?;
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    match &*lower {
        b"emerg" | b"emergency" | b"panic" => Some(0),
        b"alert" => Some(1),
        b"crit" | b"critical" | b"fatal" | b"ftl" => Some(2),
        b"err" | b"error" | b"severe" => Some(3),
        b"warn" | b"warning" | b"wrn" => Some(4),
        b"notice" | b"note" => Some(5),
        b"info" | b"inf" | b"information" | b"informational" => Some(6),
        b"debug" | b"dbg" | b"trace" | b"verbose" => Some(7),
        _ => None,
    }
}

/// Of a syslog priority: facility times eight plus severity.
pub(super) fn of_priority(priority: u16) -> Option<u8> {
    u8::try_from(priority & 7).ok().filter(|_| priority <= 191)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_of_all_dialects_become_syslog_levels() {
        assert_eq!(["ERROR", "Warning", "informational", "3", "50", "trace"].map(read), [3, 4, 6, 3, 3, 7].map(Some));
        assert_eq!(["", "errors", "loud", "-1", "very informational"].map(read), [None; 5]);
        assert_eq!((of_priority(34), of_priority(192)), (Some(2), None));
    }
}
