//! What memory the process holds, against `daemon.memory_max`: sources wait while it holds more.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use super::metrics;

/// Sources go on when the process holds less than this share of the bound, in tenths.
const RELAXED_TENTHS: u64 = 9;

/// Seven numbers.
const STATM_BYTES_MAX: usize = 256;

/// What the process holds for itself, as the kernel counts it: neither the program nor files, nor what is on a tmpfs.
pub fn own_bytes() -> Option<u64> {
    // Kept open: this is asked several times a second, also of a daemon that has nothing to do.
    static STATM: LazyLock<Option<File>> = LazyLock::new(|| File::open("/proc/self/statm").ok());
    let mut text = [0; STATM_BYTES_MAX];
    let length = STATM.as_ref()?.read_at(&mut text, 0).ok()?;
    let pages = of_statm(std::str::from_utf8(text.get(..length)?).ok()?)?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// Pages: what is resident (the second number) and not shared (the third), see proc_pid_statm(5).
fn of_statm(text: &str) -> Option<u64> {
    let mut numbers = text.split_ascii_whitespace().skip(1).map(|number| number.parse::<u64>().ok());
    numbers.next()??.checked_sub(numbers.next()??)
}

/// What is wrong, while sources wait.
#[derive(Debug, Default)]
pub struct Memory {
    error: Option<String>,
}

impl Memory {
    /// To be called several times a second. Returns why sources have to wait.
    pub fn look(&mut self, max: u64) -> Option<String> {
        let own = own_bytes()?;
        metrics::memory_bytes().set(own as f64);
        self.judge(own, max);
        self.error.clone()
    }

    fn judge(&mut self, own: u64, max: u64) {
        if own > max && self.error.is_none() {
            let text = format!(
                "the process holds {} MiB, daemon.memory_max is {} MiB: sources wait; raise it if this stays so",
                own >> 20,
                max >> 20
            );
            log::warn!(target: "dsmild", "{text}");
            self.error = Some(text);
        } else if own < max / 10 * RELAXED_TENTHS && self.error.take().is_some() {
            log::info!(target: "dsmild", "the process holds {} MiB: sources go on", own >> 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_and_there_is_something_to_read() {
        assert_eq!(of_statm("9000 5000 4877 2000 0 3000 0\n"), Some(123));
        assert_eq!(of_statm("9000 many 4877"), None);
        assert_eq!(of_statm("9000 5000"), None);
        assert!(own_bytes().is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn sources_wait_above_the_bound_and_go_on_well_below_it() {
        let mut memory = Memory::default();
        let mut waits = |own| {
            memory.judge(own, 1000);
            memory.error.is_some()
        };
        assert_eq!([999, 1001, 950, 899, 999, 1001].map(&mut waits), [false, true, true, false, false, true]);
    }
}
