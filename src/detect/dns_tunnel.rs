//! Names that carry data: many different long ones of high entropy below one registrable name, within minutes or over a day.
//!
//! Services that are asked by hash, by address or for a measurement have such names as well. Those that are widely used are known here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use crate::event::Timestamp;

/// Registrable names remembered of one client.
const DOMAINS_MAX: usize = 64;
/// Different names below one registrable name, in a window and in a day, that are a tunnel.
const NAMES_OF_A_WINDOW: usize = 32;
const NAMES_OF_A_DAY: usize = 64;
const DAY: Duration = Duration::from_secs(86_400);
/// Characters below the registrable name from which a name can carry enough data to be worth it.
pub const PAYLOAD_BYTES_MIN: usize = 30;
/// Bits a character of what is below the registrable name; words have about 3 at this length.
pub const PAYLOAD_ENTROPY_MIN: f64 = 3.4;

/// Reputation of files, addresses and mail, block lists, measurements and frames of advertisements: the name that is asked for is the hash of a
/// file or an address, made anew for each question.
const ASKED_BY_HASH: [&str; 32] = [
    "abuseat.org",
    "avast.com",
    "barracudacentral.org",
    "bitdefender.net",
    "cloudmark.com",
    "ctmail.com",
    "cymru.com",
    "dnswl.org",
    "e5.sk",
    "esetsoftware.com",
    "fireeye.com",
    "footprintdns.com",
    "fortiguard.net",
    "googlesyndication.com",
    "gstatic.com",
    "habeas.com",
    "kaspersky-labs.com",
    "mailshell.net",
    "mcafee.com",
    "nsone.net",
    "senderbase.org",
    "senderscore.com",
    "sophosxl.net",
    "sorbs.net",
    "spamcop.net",
    "spamhaus.net",
    "spamhaus.org",
    "surbl.org",
    "trendmicro.com",
    "uribl.com",
    "webcfs00.com",
    "zvelo.com",
];

/// By registrable name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LongNames(BTreeMap<String, Below>);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Below {
    /// Hashes of long names of the window.
    names: BTreeSet<u64>,
    since: Timestamp,
    #[serde(rename = "said")]
    reported: bool,
    #[serde(default)]
    of_day: BTreeSet<u64>,
    #[serde(default)]
    day_since: Timestamp,
    #[serde(default)]
    day_reported: bool,
}

impl LongNames {
    /// Takes in the question for `name`, which is `domain` or below it. Returns how many names there are when they are a tunnel that is to be
    /// reported now.
    pub fn take(&mut self, domain: &str, name: &str, now: Timestamp, window: Duration) -> Option<usize> {
        let below = name.strip_suffix(domain)?.trim_end_matches('.');
        if below.len() < PAYLOAD_BYTES_MIN || entropy(below) < PAYLOAD_ENTROPY_MIN || is_asked_by_hash(domain) {
            return None;
        }
        if !self.0.contains_key(domain) && self.0.len() >= DOMAINS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, below)| below.since).map(|(name, _)| name.clone());
            self.0.remove(&oldest?);
        }
        let fresh = || Below { since: now, day_since: now, ..Below::default() };
        self.0.entry(domain.to_owned()).or_insert_with(fresh).take(fingerprint(name), now, window)
    }
}

impl Below {
    fn take(&mut self, hash: u64, now: Timestamp, window: Duration) -> Option<usize> {
        if now.apart(self.since) > window {
            self.names.clear();
            self.since = now;
            self.reported = false;
        }
        if now.apart(self.day_since) > DAY {
            self.of_day.clear();
            self.day_since = now;
            self.day_reported = false;
        }
        if self.names.len() < NAMES_OF_A_WINDOW {
            self.names.insert(hash);
        }
        if self.of_day.len() < NAMES_OF_A_DAY {
            self.of_day.insert(hash);
        }
        let is_fast = self.names.len() >= NAMES_OF_A_WINDOW && !self.reported;
        let is_slow = self.of_day.len() >= NAMES_OF_A_DAY && !self.day_reported;
        // What was said of the window is not said of the day as well.
        self.reported |= is_fast;
        self.day_reported |= is_fast || is_slow;
        match (is_fast, is_slow) {
            (true, _) => Some(self.names.len()),
            (_, true) => Some(self.of_day.len()),
            _ => None,
        }
    }
}

/// Whether names below this one are hashes or addresses that are asked about.
pub fn is_asked_by_hash(domain: &str) -> bool {
    let is_upkeep = [".arpa", ".local"].iter().any(|end| domain.ends_with(end)) || matches!(domain, "arpa" | "local");
    is_upkeep || ASKED_BY_HASH.contains(&domain)
}

/// Shannon entropy in bits a character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    /// How often a tunnel is reported of `count` names, each `every_s` seconds after the one before.
    fn reported(domain: &str, count: u64, every_s: u64, name: impl Fn(u64) -> String) -> usize {
        let mut names = LongNames::default();
        let asked = (0..count).filter_map(|step| {
            let now = Timestamp::from_millis(1_000_000_000 + step * every_s * 1000);
            names.take(domain, &format!("{}.{domain}", name(step)), now, WINDOW)
        });
        asked.count()
    }

    fn hex(step: u64) -> String {
        blake3::hash(&step.to_le_bytes()).to_hex().to_string()
    }

    /// Letters and digits of an alphabet of 32.
    fn base32(step: u64, length: usize) -> String {
        let digits = b"abcdefghijklmnopqrstuvwxyz234567";
        let bytes = (0..length).map(|place| blake3::hash(&[step.to_le_bytes(), (place as u64).to_le_bytes()].concat()));
        bytes.map(|hash| char::from(digits[usize::from(hash.as_bytes()[0]) % 32])).collect()
    }

    #[test]
    fn the_shapes_of_known_tunnels_are_found_fast_and_slow() {
        for every_s in [1, 10, 120, 600, 1200] {
            let dnscat = |step: u64| format!("{}.{}", hex(step), &hex(step + 1_000_000)[..20]);
            let iodine = |step: u64| format!("0{}.{}.t", base32(step, 57), base32(step + 1_000_000, 57));
            let exfiltrator = |step: u64| format!("{step}.{}.{}", base32(step, 63), base32(step + 1_000_000, 40));
            assert!(reported("example.com", 80, every_s, dnscat) > 0, "dnscat2 each {every_s} s");
            assert!(reported("example.com", 80, every_s, iodine) > 0, "iodine each {every_s} s");
            assert!(reported("example.com", 80, every_s, exfiltrator) > 0, "dnsexfiltrator each {every_s} s");
        }
    }

    #[test]
    fn a_slow_tunnel_is_said_once_a_day() {
        assert_eq!(reported("example.com", 3 * 288, 300, hex), 3);
    }

    #[test]
    fn reputation_block_lists_mail_policies_and_what_is_asked_for_again_are_none() {
        assert_eq!(reported("sophosxl.net", 2000, 5, hex), 0);
        assert_eq!(reported("cymru.com", 2000, 5, |step| format!("{}.malware.hash", hex(step))), 0);
        assert_eq!(
            reported("ip6.arpa", 2000, 5, |step| hex(step).chars().flat_map(|nibble| [nibble, '.']).take(63).collect()),
            0
        );
        let block_list = |step: u64| format!("{}.{}.{}.{}.dnsbl", step % 251, step % 241, step % 239, step % 233);
        assert_eq!(reported("example.org", 2000, 5, block_list), 0);
        let policy = |step: u64| format!("selector{}._domainkey", step % 900);
        assert_eq!(reported("example.org", 2000, 5, policy), 0);
        assert_eq!(reported("example.org", 2000, 5, |step| hex(step % 20)), 0, "the same few names of a CDN");
    }
}
