//! When and from where a user usually works. Nothing is unusual until enough is known; old habits fade.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client_network::behind;
use super::recent::Recent;
use crate::event::Timestamp;

const HOURS_PER_DAY: usize = 24;
const HOURS_PER_WEEK: usize = 7 * HOURS_PER_DAY;
/// A habit has lost half its weight after this time.
const HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// One line fades what is known by at most this much time, whatever time it claims.
const FADE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Different hours with activity, on different days, before an hour can be unusual.
pub const ACTIVE_HOURS_MIN: u32 = 40;
pub const ACTIVE_DAYS_MIN: u32 = 7;
/// An hour is unusual when its share is below this part of an even spread over the week.
const UNUSUAL_SHARE: f64 = 0.05;
/// Share of an hour that comes from the same hour of the other days.
const OTHER_DAYS: f64 = 0.1;
/// Weights of the hours at a distance of 0, 1 and 2.
const KERNEL: [f64; 3] = [0.4, 0.2, 0.1];

/// Uses before a place can be new.
pub const PLACE_USES_MIN: u32 = 20;
pub const PLACE_DAYS_MIN: u32 = 5;
const PLACES_MAX: usize = 64;
/// By Good and Turing, the share of places seen once estimates how often a new one is to be expected.
const NEW_PLACE_EXPECTED: f64 = 0.05;

/// Hours of the week, in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hours {
    weights: Vec<f64>,
    days: Days,
    active_hours: u32,
    last_hour: u64,
}

impl Default for Hours {
    fn default() -> Self {
        Self { weights: vec![0.0; HOURS_PER_WEEK], days: Days::default(), active_hours: 0, last_hour: 0 }
    }
}

impl Hours {
    /// Takes in one activity. Returns true when it comes at an unusual hour. Many in one hour count once.
    pub fn see(&mut self, ts: Timestamp) -> bool {
        let hour = ts.millis() / 3_600_000;
        if hour == self.last_hour {
            return false;
        }
        let slot = (hour % HOURS_PER_WEEK as u64) as usize;
        let known = self.active_hours >= ACTIVE_HOURS_MIN && self.days.count >= ACTIVE_DAYS_MIN;
        let unusual = known && self.share(slot) < UNUSUAL_SHARE / HOURS_PER_WEEK as f64;
        let fade = self.days.see(ts);
        self.weights.iter_mut().for_each(|weight| *weight *= fade);
        if let Some(weight) = self.weights.get_mut(slot) {
            *weight += 1.0;
        }
        self.active_hours = self.active_hours.saturating_add(1);
        self.last_hour = hour;
        unusual
    }

    /// Different hours with activity, the latest among them.
    pub fn active(&self) -> u32 {
        self.active_hours
    }

    /// The smoothed share of the activity that falls into this hour of the week.
    fn share(&self, slot: usize) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let around = |centre: usize| -> f64 {
            let at = |offset: usize| self.weights.get((centre + offset) % HOURS_PER_WEEK).copied().unwrap_or(0.0);
            let [same, next, second] = KERNEL;
            same * at(0) + next * (at(1) + at(HOURS_PER_WEEK - 1)) + second * (at(2) + at(HOURS_PER_WEEK - 2))
        };
        let every_day: f64 = (0..7).map(|day| around((slot + day * HOURS_PER_DAY) % HOURS_PER_WEEK)).sum();
        ((1.0 - OTHER_DAYS) * around(slot) + OTHER_DAYS * every_day / 7.0) / total.max(f64::MIN_POSITIVE)
    }
}

/// Where a user comes from: networks of source addresses, or machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Places {
    seen: Recent<f64>,
    uses: u32,
    days: Days,
}

impl Default for Places {
    fn default() -> Self {
        Self { seen: Recent::new(PLACES_MAX), uses: 0, days: Days::default() }
    }
}

impl Places {
    /// Uses, the latest among them.
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// Places that are remembered, that of the latest use among them.
    pub fn known(&self) -> usize {
        self.seen.len()
    }

    /// Takes in one use. Returns true when the place is new for a user who keeps to few places.
    pub fn see(&mut self, place: &str, ts: Timestamp) -> bool {
        let known = self.uses >= PLACE_USES_MIN && self.days.count >= PLACE_DAYS_MIN;
        let (mut total, mut once) = (0.0, 0.0);
        for (_, weight) in self.seen.iter() {
            total += weight;
            once += if *weight <= 1.0 { *weight } else { 0.0 };
        }
        let new = self.seen.get(place).is_none_or(|weight| *weight < 0.01);
        let fade = self.days.see(ts);
        if fade < 1.0 {
            self.seen.select_mut(|_| true).for_each(|(_, weight)| *weight *= fade);
        }
        *self.seen.touch(place, || 0.0) += 1.0;
        self.uses = self.uses.saturating_add(1);
        known && new && once < NEW_PLACE_EXPECTED * total
    }
}

/// Counts days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Days {
    count: u32,
    last_day: u64,
    faded_at: Timestamp,
}

impl Days {
    /// Takes in one time. Returns the factor, 0 to 1, by which what was known before has faded.
    fn see(&mut self, ts: Timestamp) -> f64 {
        let day = ts.millis() / 86_400_000;
        if day == self.last_day {
            return 1.0;
        }
        self.count = self.count.saturating_add(1);
        self.last_day = day;
        let passed = ts.since(std::mem::replace(&mut self.faded_at, ts)).min(FADE_MAX);
        0.5_f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64())
    }
}

/// The network of an address: /24 of IPv4, /48 of IPv6; anything else is its own place.
pub fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(behind) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: u64 = 1_735_516_800; // 2024-12-30T00:00:00Z

    fn at(day: u64, hour: u64) -> Timestamp {
        Timestamp::from_millis((MONDAY + day * 86_400 + hour * 3600) * 1000)
    }

    /// Monday to Friday, 9 to 17.
    fn office_worker(weeks: u64) -> Hours {
        let mut hours = Hours::default();
        for day in (0..weeks * 7).filter(|day| day % 7 < 5) {
            for hour in 9..17 {
                assert!(!hours.see(at(day, hour)), "day {day} hour {hour}");
            }
        }
        hours
    }

    #[test]
    fn the_middle_of_the_night_is_unusual_for_an_office_worker() {
        let hours = office_worker(4);
        for (hour, unusual) in [(3, true), (23, true), (10, false), (8, false), (18, false)] {
            assert_eq!(hours.clone().see(at(28, hour)), unusual, "{hour}");
        }
    }

    #[test]
    fn nothing_is_unusual_before_enough_is_known() {
        assert!(!office_worker(1).see(at(8, 3)));
        assert!(!Hours::default().see(at(0, 3)));
    }

    #[test]
    fn a_new_habit_is_learnt_and_an_old_one_fades() {
        let mut hours = office_worker(4);
        let unusual = (0..60).filter(|day| hours.see(at(28 + day, 3))).count();
        assert!((1..=10).contains(&unusual), "{unusual}");
        assert!(hours.clone().see(at(28 + 400, 22)));
        let mut later = hours;
        for day in 0..400 {
            later.see(at(88 + day, 3));
        }
        assert!(later.see(at(490, 14)));
    }

    #[test]
    fn a_new_network_is_noticed_for_who_keeps_to_few_and_not_for_a_traveller() {
        let mut steady = Places::default();
        let mut traveller = Places::default();
        for day in 0..30 {
            assert!(!steady.see("198.51.100.0/24", at(day, 9)));
            traveller.see(&format!("203.0.{day}.0/24"), at(day, 9));
        }
        assert!(steady.see("192.0.2.0/24", at(31, 9)));
        assert!(!steady.see("192.0.2.0/24", at(31, 10)));
        assert!(!traveller.see("192.0.2.0/24", at(31, 9)));
    }

    #[test]
    fn a_place_that_was_not_used_for_a_year_is_new_again() {
        let mut places = Places::default();
        places.see("192.0.2.0/24", at(0, 9));
        for day in 1..400 {
            places.see("198.51.100.0/24", at(day, 9));
        }
        assert!(places.see("192.0.2.0/24", at(400, 9)));
    }

    #[test]
    fn no_place_is_new_before_enough_uses_on_enough_days_are_known() {
        let is_noticed = |uses: u64, days: u64| {
            let mut places = Places::default();
            for time in 0..uses {
                places.see("198.51.100.0/24", at(time % days, 9));
            }
            places.see("192.0.2.0/24", at(days, 9))
        };
        let (uses, days) = (u64::from(PLACE_USES_MIN), u64::from(PLACE_DAYS_MIN));
        assert!(is_noticed(uses, days));
        assert!(!is_noticed(uses - 1, days), "too few uses");
        assert!(!is_noticed(100, 1), "all of one day");
    }

    #[test]
    fn addresses_of_one_network_are_one_place() {
        assert_eq!(network_of("198.51.100.7"), network_of("::ffff:198.51.100.200"));
        assert_eq!(network_of("2001:db8:1:2::3"), "2001:db8:1::/48");
        assert_eq!(network_of("office.example"), "office.example");
    }
}
