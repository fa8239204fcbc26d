//! Numbered lines (audit serials, journal sequence numbers, RFC 5424 `sequenceId`): numbers that are missing or come
//! twice. A source whose numbers are never contiguous (a filtered one) is learnt to be so and not judged.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

/// Numbers in a row that make a source contiguous.
const CONTIGUOUS_AFTER: u64 = 100;
/// A number may come this much later than its successors before it counts as missing.
const REORDER_MAX: u64 = 64;
/// A step back by more than the reordering is a counter that started again (a boot, a rotated journal).
const JUMP_MAX: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// So many numbers never came; `after` is the last before them.
    Missing { after: u64, count: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogSequence {
    highest: Option<u64>,
    /// Numbers in a row without one missing.
    run: u64,
    /// Jumped over and still within the reordering distance.
    awaited: BTreeSet<u64>,
}

impl LogSequence {
    /// Takes in the number of the next line. Returns the numbers that are missing for good, if there are any now. The
    /// same number again belongs to the same event.
    pub fn line(&mut self, number: u64) -> Option<Break> {
        let Some(highest) = self.highest else {
            self.highest = Some(number);
            return None;
        };
        if number <= highest {
            if highest - number > REORDER_MAX {
                *self = Self { highest: Some(number), ..Self::default() };
            } else {
                self.awaited.remove(&number);
            }
            return None;
        }
        self.highest = Some(number);
        let skipped = number - highest - 1;
        if skipped == 0 {
            self.run += 1;
        } else if skipped > REORDER_MAX {
            let contiguous = self.contiguous();
            self.run = 0;
            self.awaited.clear();
            return (contiguous && skipped <= JUMP_MAX).then_some(Break::Missing { after: highest, count: skipped });
        } else {
            self.awaited.extend(highest + 1..number);
        }
        self.overdue(number)
    }

    fn contiguous(&self) -> bool {
        self.run >= CONTIGUOUS_AFTER
    }

    /// The first hole, once even its last number is too late to come.
    fn overdue(&mut self, number: u64) -> Option<Break> {
        let first = *self.awaited.first()?;
        let last = (first..).take_while(|next| self.awaited.contains(next)).last()?;
        if number - last <= REORDER_MAX {
            return None;
        }
        self.awaited = self.awaited.split_off(&(last + 1));
        let contiguous = self.contiguous();
        self.run = 0;
        contiguous.then_some(Break::Missing { after: first.saturating_sub(1), count: last - first + 1 })
    }
}

/// The serial of an audit record: `msg=audit(1700000000.123:4567):`, also behind the kernel's `audit:` prefix.
pub fn audit_serial(line: &[u8]) -> Option<u64> {
    const BEGINNING: &str = "audit(";
    static AUDIT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGINNING));
    let at = AUDIT.find(line)?;
    let rest = std::str::from_utf8(line).ok()?.get(at + BEGINNING.len()..)?;
    let (stamp, _) = rest.split_once(')')?;
    let (seconds, serial) = stamp.split_once(':')?;
    let is_time = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_time.then(|| serial.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaks(numbers: impl IntoIterator<Item = u64>) -> Vec<Break> {
        let mut sequence = LogSequence::default();
        numbers.into_iter().filter_map(|number| sequence.line(number)).collect()
    }

    #[test]
    fn numbers_missing_from_a_contiguous_source_are_noticed_once() {
        let numbers = (1..=1000).filter(|number| !(200..210).contains(number));
        assert_eq!(breaks(numbers), [Break::Missing { after: 199, count: 10 }]);
        let far = (1..=200).chain(5000..5100);
        assert_eq!(breaks(far), [Break::Missing { after: 200, count: 4799 }]);
    }

    #[test]
    fn reordered_and_repeated_numbers_are_not_missing() {
        let mut numbers: Vec<u64> = (1..=400).collect();
        numbers.swap(250, 255);
        numbers.insert(300, 299);
        assert_eq!(breaks(numbers), []);
    }

    #[test]
    fn a_filtered_source_and_a_counter_that_begins_anew_are_not_judged() {
        assert_eq!(breaks((1..2000).map(|number| number * 3)), []);
        assert_eq!(breaks((1000..1200).chain(1..200)), []);
    }

    #[test]
    fn audit_serials_are_read_and_other_text_is_not() {
        assert_eq!(audit_serial(b"type=SYSCALL msg=audit(1700000000.123:4567): arch=c000003e"), Some(4567));
        assert_eq!(audit_serial(b"audit: type=1400 audit(1.5:7): apparmor"), Some(7));
        assert_eq!(audit_serial(b"audit: type=1400 audit(1.5:7): \xff"), None);
        for text in ["", "audit(", "audit(:)", "audit(x:1)", "audit(1.2:99999999999999999999999)"] {
            assert_eq!(audit_serial(text.as_bytes()), None, "{text}");
        }
    }
}
