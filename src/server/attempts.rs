//! Wrong tokens: how often each peer showed one, and how long it is not listened to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::detect::client_network;
use crate::limits;

/// So many wrong tokens are taken for mistakes.
const FREE: u32 = 5;
/// After the first one too many; twice that after the next.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// Without another one for so long, it is all forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Bounded: of more peers than it can hold, the one that failed least recently is forgotten.
#[derive(Debug, Default)]
pub struct Attempts(BTreeMap<IpAddr, Failures>);

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn pause(&self) -> Duration {
        match self.count.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(over) => FIRST_PAUSE.saturating_mul(1 << (over - 1).min(8)).min(LONGEST_PAUSE),
        }
    }
}

impl Attempts {
    /// How long a token of this peer is not looked at; `None`: it is.
    pub fn pause(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.0.get(&client_network::peer(peer))?;
        failures.pause().checked_sub(now.duration_since(failures.last)).filter(|rest| !rest.is_zero())
    }

    /// The peer showed a wrong token.
    pub fn fail(&mut self, peer: IpAddr, now: Instant) {
        let peer = client_network::peer(peer);
        if self.0.len() >= limits::HTTP_PEERS_MAX && !self.0.contains_key(&peer) {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        let failures = self.0.entry(peer).or_insert(Failures { count: 0, last: now });
        if now.duration_since(failures.last) >= FORGOTTEN_AFTER {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Guesses as fast as they are looked at; returns how many were, in an hour.
    fn guesses_in_an_hour(attempts: &mut Attempts, peer: IpAddr, start: Instant) -> u32 {
        let (mut now, mut guesses) = (start, 0);
        while now < start + Duration::from_secs(3600) {
            match attempts.pause(peer, now) {
                Some(rest) => now += rest,
                None => {
                    attempts.fail(peer, now);
                    guesses += 1;
                    now += Duration::from_micros(200);
                }
            }
        }
        guesses
    }

    #[test]
    fn who_guesses_gets_few_guesses_and_nobody_else_waits_for_it() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        let guesses = guesses_in_an_hour(&mut attempts, address("192.0.2.1"), start);
        assert!((100..150).contains(&guesses), "{guesses}");
        assert_eq!(attempts.pause(address("192.0.2.2"), start), None);
    }

    #[test]
    fn a_few_mistakes_cost_nothing_and_are_forgotten() {
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        let peer = address("192.0.2.1");
        for _ in 0..4 {
            for _ in 0..FREE {
                attempts.fail(peer, now);
                assert_eq!(attempts.pause(peer, now), None);
            }
            now += FORGOTTEN_AFTER;
        }
    }

    #[test]
    fn all_addresses_of_a_network_and_both_forms_of_one_are_the_same_peer() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..=FREE {
            attempts.fail(address(&format!("2001:db8:0:1:{number}::{number}")), now);
            attempts.fail(address("::ffff:192.0.2.7"), now);
        }
        assert!(attempts.pause(address("2001:db8:0:1:ffff::"), now).is_some());
        assert!(attempts.pause(address("192.0.2.7"), now).is_some());
        assert_eq!(attempts.pause(address("2001:db8:0:2::1"), now), None);
    }

    #[test]
    fn all_of_loopback_is_one_peer_and_those_behind_a_translator_are_many() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..=FREE {
            attempts.fail(address(&format!("127.{number}.7.{number}")), now);
            attempts.fail(address("64:ff9b::192.0.2.7"), now);
        }
        assert!(attempts.pause(address("127.99.1.2"), now).is_some() && attempts.pause(address("::1"), now).is_some());
        assert!(attempts.pause(address("64:ff9b::192.0.2.7"), now).is_some());
        assert_eq!(attempts.pause(address("64:ff9b::192.0.2.8"), now), None);
    }

    #[test]
    fn many_peers_take_no_more_memory_than_is_meant_for_them() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        for number in 0..2 * limits::HTTP_PEERS_MAX as u32 {
            attempts.fail(IpAddr::from(number.to_be_bytes()), start + Duration::from_millis(number.into()));
        }
        assert_eq!(attempts.0.len(), limits::HTTP_PEERS_MAX);
    }
}
