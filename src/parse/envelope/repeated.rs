//! A line that stands for several of its kind.

use crate::event::Record;
use crate::limits;

/// rsyslog folds repeated lines into one: `message repeated 9 times: [ … ]`.
pub(super) fn unfold(record: &mut Record) {
    let Some((times, inner)) = folded(&record.message) else { return };
    record.message = inner.to_owned();
    record.repeated = Some(times);
}

fn folded(message: &str) -> Option<(u32, &str)> {
    let rest = message.strip_prefix("message repeated ")?;
    let (times, inner) = rest.split_once(" times: [")?;
    Some((count(times)?, inner.strip_suffix(']')?.trim_start()))
}

/// `last message repeated 9 times`, of daemons that do not say which; how many.
pub fn of_last(message: &str) -> Option<u32> {
    count(message.trim_end().strip_prefix("last message repeated ")?.strip_suffix(" times")?)
}

/// A line counts no more often than the bound, whatever it says of itself.
fn count(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some(digits.parse::<u32>().ok().filter(|_| is_number)?.clamp(1, limits::REPEATED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(message: &str) -> (Option<u32>, String) {
        let mut record = Record { message: message.to_owned(), ..Record::default() };
        unfold(&mut record);
        (record.repeated, record.message)
    }

    #[test]
    fn a_folded_line_is_its_message_and_how_often_it_came() {
        assert_eq!(unfolded("message repeated 9 times: [ closed [preauth]]"), (Some(9), "closed [preauth]".into()));
        assert_eq!(unfolded("message repeated 4000000000 times: [ x]").0, None);
        assert_eq!(unfolded("message repeated 99999999 times: [ x]").0, Some(limits::REPEATED_MAX));
        assert_eq!(of_last("last message repeated 9 times"), Some(9));
    }

    #[test]
    fn a_quoted_fold_is_text() {
        let quoted = "user x: message repeated 9 times: [ y]";
        assert_eq!(unfolded(quoted), (None, quoted.to_owned()));
        assert_eq!(of_last("the last message repeated 9 times"), None);
        assert_eq!(of_last("last message repeated 9 times from 192.0.2.1"), None);
    }
}
