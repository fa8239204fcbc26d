//! What memory the process holds, against `daemon.memory_max`: sources wait while it holds more.

use super::metrics;

/// Sources go on when the process holds less than this share of the bound, in tenths.
const RELAXED_TENTHS: u64 = 9;

/// What the process holds for itself, as the kernel counts it: neither the program nor files, nor what is on a tmpfs.
pub fn own_bytes() -> Option<u64> {
    of_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `RssAnon:     123 kB`, see proc_pid_status(5).
fn of_status(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
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
        assert_eq!(of_status("Name:\tx\nRssAnon:\t     123 kB\nRssFile:\t 7 kB\n"), Some(123 * 1024));
        assert_eq!(of_status("RssAnon:\t many kB\n"), None);
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
