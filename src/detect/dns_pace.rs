//! Names that keep a tunnel alive: short, encoded, a new one each time, below one registrable name at a steady pace. While nothing is sent,
//! dnscat2 asks for a name of some eighteen hexadecimal digits every second.
//!
//! People and programs that have such names (content networks, measurements of pages) ask for them in bursts, or for the same ones again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use crate::event::Timestamp;

/// Registrable names remembered of one client.
const DOMAINS_MAX: usize = 32;
/// Different names in a row that are no chance.
const NAMES: usize = 64;
/// Digits that carry a session, a sequence number and its acknowledgement.
const CHARS_MIN: usize = 12;
/// Longer ones carry data, which `dns_tunnel` looks for.
const CHARS_MAX: usize = 30;
/// Standard deviation of the pauses as a share of their mean.
const STEADY: f64 = 0.5;
/// A longer pause begins anew.
const PAUSE_MAX: Duration = Duration::from_secs(600);
const REPORTED_AGAIN_AFTER: Duration = Duration::from_secs(86_400);

/// By registrable name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SteadyNames(BTreeMap<String, Pace>);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Pace {
    names: BTreeSet<u64>,
    latest: Timestamp,
    /// Pauses, their mean, and the sum of squares of how far each is from it (Welford, 1962); in seconds.
    pauses: u32,
    mean: f64,
    squares: f64,
    reported: Option<Timestamp>,
}

/// Names of this number came one after the other, each so long after the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    pub names: usize,
    pub every_s: f64,
}

impl SteadyNames {
    /// Takes in the question for `name`, which is `domain` or below it.
    pub fn take(&mut self, domain: &str, name: &str, now: Timestamp) -> Option<Steady> {
        let below = name.strip_suffix(domain)?.trim_end_matches('.');
        if !is_encoded(below) {
            return None;
        }
        if !self.0.contains_key(domain) && self.0.len() >= DOMAINS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, pace)| pace.latest).map(|(name, _)| name.clone());
            self.0.remove(&oldest?);
        }
        let pace = self.0.entry(domain.to_owned()).or_insert_with(|| Pace { latest: now, ..Pace::default() });
        pace.take(fingerprint(below), now)
    }
}

impl Pace {
    fn take(&mut self, hash: u64, now: Timestamp) -> Option<Steady> {
        let pause = now.apart(std::mem::replace(&mut self.latest, now));
        // Whoever asks for a name again is no tunnel: its server has answered it. A client and its resolver ask for one at once.
        let is_known = self.names.contains(&hash);
        if pause > PAUSE_MAX || (is_known && pause > Duration::from_secs(1)) {
            *self = Self { latest: now, reported: self.reported, ..Self::default() };
        } else if is_known {
            return None;
        } else if !self.names.is_empty() {
            self.pauses += 1;
            let off = pause.as_secs_f64() - self.mean;
            self.mean += off / f64::from(self.pauses);
            self.squares += off * (pause.as_secs_f64() - self.mean);
        }
        self.names.insert(hash);
        if self.names.len() < NAMES {
            return None;
        }
        let deviation = (self.squares / f64::from(self.pauses.max(1))).sqrt();
        let steady = Steady { names: self.names.len(), every_s: self.mean };
        let is_steady = deviation <= STEADY * self.mean;
        let is_due = self.reported.is_none_or(|reported| now.apart(reported) >= REPORTED_AGAIN_AFTER);
        let reported = if is_steady && is_due { Some(now) } else { self.reported };
        *self = Self { latest: now, reported, ..Self::default() };
        (is_steady && is_due).then_some(steady)
    }
}

/// Digits and letters alone, some of each, in labels that are no words.
fn is_encoded(below: &str) -> bool {
    let is_of_length = (CHARS_MIN..CHARS_MAX).contains(&below.len());
    let digits = below.bytes().filter(u8::is_ascii_digit).count();
    let letters = below.bytes().filter(u8::is_ascii_lowercase).count();
    is_of_length && digits + letters + below.matches('.').count() == below.len() && digits >= 2 && letters >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(step: u64, length: usize) -> String {
        blake3::hash(&step.to_le_bytes()).to_hex()[..length].to_owned()
    }

    /// What is told of names, each so many milliseconds after the one before.
    fn told(names: impl IntoIterator<Item = (String, u64)>) -> Vec<Steady> {
        let mut steady = SteadyNames::default();
        let mut now = Timestamp::from_millis(1_700_000_000_000);
        let mut told = Vec::new();
        for (name, pause) in names {
            now = now.plus(Duration::from_millis(pause));
            told.extend(steady.take("example.org", &format!("{name}.example.org"), now));
        }
        told
    }

    #[test]
    fn a_tunnel_that_is_kept_alive_is_told_once_a_day() {
        let alive =
            |every: u64, count: u64| (0..count).map(move |step| (hex(step, 18), every + step * 37 % (every / 4)));
        let told_of_a_second = told(alive(1000, 3000));
        assert_eq!(told_of_a_second.len(), 1);
        assert!((told_of_a_second[0].every_s - 1.1).abs() < 0.1, "{told_of_a_second:?}");
        assert_eq!(told(alive(60_000, 2 * 1200)).len(), 2, "about one a minute for 45 hours");
    }

    #[test]
    fn names_in_bursts_names_asked_for_again_and_words_are_none() {
        let bursts = (0..3000).map(|step| (hex(step, 16), if step % 12 == 0 { 60_000 } else { 40 }));
        assert_eq!(told(bursts), []);
        let again = (0..3000).map(|step| (hex(step % 50, 16), 5000));
        assert_eq!(told(again), []);
        let words = (0..3000).map(|step| (format!("server-{step}-frankfurt"), 5000));
        assert_eq!(told(words), []);
        let addresses = (0..3000).map(|step| (format!("{}.{}.113.203", step % 250, step / 250), 5000));
        assert_eq!(told(addresses), []);
    }
}
