//! How much own machines send out: a day's bytes to one server, and to all of them together, against the days before.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use crate::event::Timestamp;

const PAIRS_MAX: usize = 8192;
const CLIENTS_MAX: usize = 2048;
const DAY_MS: u64 = 86_400_000;
/// Days against which one is held.
const DAYS_KEPT: usize = 7;
/// A day is unusual from so many times the highest of the days before.
const TIMES_USUAL: u64 = 4;
/// Who uploads sends so many times what it gets; calls and games are even.
const TIMES_RECEIVED: u64 = 4;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Days {
    day: u64,
    sent: u64,
    received: u64,
    /// Of the days before, the newest last.
    earlier: VecDeque<u64>,
    is_reported: bool,
}

/// More than usual within a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    pub bytes: u64,
    /// The most of the days before.
    pub usual: u64,
    /// To one server; otherwise to all together.
    pub is_to_one: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uploads {
    pairs: Recent<Days>,
    clients: Recent<Days>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { pairs: Recent::new(PAIRS_MAX), clients: Recent::new(CLIENTS_MAX) }
    }
}

impl Uploads {
    /// Takes in what an own machine has sent to a server outside and got from it. Returns what is to be reported now. On the first day of a machine
    /// nothing is: whether it is a backup's is not known yet. `bytes_min`: what is always too little to be worth a word.
    pub fn sent(
        &mut self,
        client: &str,
        server: &str,
        (sent, received): (u64, u64),
        now: Timestamp,
        bytes_min: u64,
    ) -> Option<Upload> {
        let of_client = self.clients.touch(client, Days::default);
        of_client.add(sent, received, now);
        let is_known = !of_client.earlier.is_empty();
        let to_all = of_client.unusual(bytes_min.saturating_mul(TIMES_USUAL)).filter(|_| is_known);
        of_client.is_reported |= to_all.is_some();
        let all = to_all.map(|usual| Upload { bytes: of_client.sent, usual, is_to_one: false });
        let of_pair = self.pairs.touch(&format!("{client}>{server}"), Days::default);
        of_pair.add(sent, received, now);
        let to_one = of_pair.unusual(bytes_min).filter(|_| is_known);
        of_pair.is_reported |= to_one.is_some();
        to_one.map(|usual| Upload { bytes: of_pair.sent, usual, is_to_one: true }).or(all)
    }
}

impl Days {
    fn add(&mut self, sent: u64, received: u64, now: Timestamp) {
        let day = now.millis() / DAY_MS;
        if self.day == 0 {
            self.day = day;
        }
        // A time that goes back belongs to the newest day.
        if day > self.day {
            self.earlier.push_back(self.sent);
            // Days without anything count as nothing.
            for _ in 1..(day - self.day).min(DAYS_KEPT as u64) {
                self.earlier.push_back(0);
            }
            while self.earlier.len() > DAYS_KEPT {
                self.earlier.pop_front();
            }
            *self = Self { day, earlier: std::mem::take(&mut self.earlier), ..Self::default() };
        }
        self.sent = self.sent.saturating_add(sent);
        self.received = self.received.saturating_add(received);
    }

    /// The most of the days before, where this day is far above it and has not been reported.
    fn unusual(&self, bytes_min: u64) -> Option<u64> {
        let usual = self.earlier.iter().copied().max().unwrap_or(0);
        let is_upload = self.sent >= self.received.saturating_mul(TIMES_RECEIVED);
        let is_far = self.sent >= bytes_min.max(usual.saturating_mul(TIMES_USUAL));
        (is_far && is_upload && !self.is_reported).then_some(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn at(day: u64, minute: u64) -> Timestamp {
        Timestamp::from_millis(1_700_006_400_000 + day * DAY_MS + minute * 60_000)
    }

    /// A day of small flows to a server, of so many bytes together, and what is reported.
    fn day(uploads: &mut Uploads, day: u64, server: &str, bytes: u64) -> Vec<Upload> {
        let sent = |minute| uploads.sent("192.168.1.5", server, (bytes / 1000, bytes / 100_000), at(day, minute), GIB);
        (0..1000).filter_map(sent).collect()
    }

    #[test]
    fn what_is_sent_out_in_a_day_of_small_flows_is_said_once() {
        let mut uploads = Uploads::default();
        assert_eq!(day(&mut uploads, 0, "203.0.113.9", 10_000_000), []);
        let said = day(&mut uploads, 1, "203.0.113.66", 3 * GIB);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].is_to_one && said[0].bytes >= GIB && said[0].usual == 0, "{said:?}");
    }

    #[test]
    fn what_goes_to_many_servers_a_little_each_is_said_as_a_sum() {
        let mut uploads = Uploads::default();
        day(&mut uploads, 0, "203.0.113.9", 10_000_000);
        let said: Vec<Upload> =
            (0..50).flat_map(|server| day(&mut uploads, 1, &format!("203.0.113.{server}"), GIB / 5)).collect();
        assert_eq!(said.iter().map(|upload| upload.is_to_one).collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn a_backup_each_night_a_call_and_the_first_day_are_none() {
        let mut uploads = Uploads::default();
        let nights: Vec<Upload> = (0..9).flat_map(|night| day(&mut uploads, night, "203.0.113.9", 8 * GIB)).collect();
        assert_eq!(nights, []);
        let call = uploads.sent("192.168.1.5", "203.0.113.80", (3 * GIB, 2 * GIB), at(9, 0), GIB);
        assert_eq!(call, None);
    }

    #[test]
    fn a_clock_that_goes_back_or_far_ahead_breaks_nothing() {
        let mut uploads = Uploads::default();
        for days in [0, 400_000, 3, 1] {
            uploads.sent("a", "b", (u64::MAX, 0), at(days, 0), GIB);
        }
    }
}
