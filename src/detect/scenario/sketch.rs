//! Counts of what there is no room for: a Count-Min sketch over two panes of time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::event::Timestamp;

const ROWS: usize = 4;
/// A power of two; sixteen bits of the fingerprint choose the cell of each row.
const WIDTH: usize = 1 << BITS;
const BITS: usize = 16;

/// Counters by fingerprint. An estimate is the least that the cells hold, which is exact unless strangers share all of them; in a
/// flood, less what strangers have put into a cell, so that it gives nobody a count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    current: Pane,
    before: Pane,
    /// When the current pane was begun.
    since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pane {
    #[serde(with = "cells")]
    cells: Vec<u8>,
    sum: u64,
}

impl Pane {
    fn new() -> Self {
        Self { cells: vec![0; ROWS * WIDTH], sum: 0 }
    }

    fn cell(&self, index: usize) -> f64 {
        f64::from(self.cells.get(index).copied().unwrap_or_default())
    }
}

impl Sketch {
    pub fn new(now: Timestamp) -> Self {
        Self { current: Pane::new(), before: Pane::new(), since: now }
    }

    pub fn add(&mut self, fingerprint: u64, count: u32, now: Timestamp, timespan: Duration) {
        self.turn(now, timespan);
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        for index in places(fingerprint) {
            if let Some(cell) = self.current.cells.get_mut(index) {
                *cell = cell.saturating_add(count);
            }
        }
        self.current.sum += u64::from(count);
    }

    /// How often, within about the timespan.
    pub fn estimate(&mut self, fingerprint: u64, now: Timestamp, timespan: Duration) -> u32 {
        self.turn(now, timespan);
        let elapsed = now.since(self.since).as_secs_f64() / timespan.as_secs_f64().max(1.0);
        let share = (1.0 - elapsed).clamp(0.0, 1.0);
        let noise = noise((self.current.sum as f64 + share * self.before.sum as f64) / WIDTH as f64);
        let least = places(fingerprint)
            .map(|index| self.current.cell(index) + share * self.before.cell(index))
            .fold(f64::INFINITY, f64::min);
        // A part of a line is none.
        (least - noise).clamp(0.0, f64::from(u16::MAX)).round() as u32
    }

    /// Nothing that it holds counts any more.
    pub fn is_over(&self, now: Timestamp, timespan: Duration) -> bool {
        now.since(self.since) >= timespan * 2
    }

    fn turn(&mut self, now: Timestamp, timespan: Duration) {
        let elapsed = now.since(self.since);
        if elapsed < timespan {
            return;
        }
        self.since = now;
        let old = std::mem::replace(&mut self.current, Pane::new());
        self.before = if elapsed < timespan * 2 { old } else { Pane::new() };
    }
}

/// What to take off where strangers have put so much into each cell on average. With little, one of four cells is nearly always free of
/// them; with much, chance alone puts the least of four well above the average of none.
fn noise(average: f64) -> f64 {
    const LITTLE: f64 = 1.0;
    const MUCH: f64 = 4.0;
    match average {
        little if little <= LITTLE => 0.0,
        some if some <= MUCH => some,
        much => much + much.sqrt(),
    }
}

/// One cell of each row.
fn places(fingerprint: u64) -> impl Iterator<Item = usize> {
    (0..ROWS).map(move |row| row * WIDTH + (fingerprint >> (row * BITS)) as usize % WIDTH)
}

/// As bytes, since most of them are zero or small and there are many.
mod cells {
    use serde::{Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(cells: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(cells)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("the cells of a sketch")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                if bytes.len() == super::ROWS * super::WIDTH {
                    Ok(bytes.to_vec())
                } else {
                    Err(E::invalid_length(bytes.len(), &self))
                }
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fingerprint::fingerprint;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    #[test]
    fn one_among_many_strangers_keeps_its_count_and_they_get_none() {
        for strangers in [100_u32, 11_000, 60_000] {
            let mut sketch = Sketch::new(at(0));
            let known = fingerprint("203.0.113.7");
            for number in 0..strangers {
                sketch.add(fingerprint(&number.to_string()), 1, at(1), HOUR);
                if number % (strangers / 20) == 0 {
                    sketch.add(known, 1, at(1), HOUR);
                }
            }
            let estimate = sketch.estimate(known, at(2), HOUR);
            assert!((20..=22).contains(&estimate), "{estimate} of 20 among {strangers}");
            let taken_for_many =
                (0..1000).filter(|number| sketch.estimate(fingerprint(&format!("new {number}")), at(2), HOUR) >= 4);
            assert_eq!(taken_for_many.count(), 0, "among {strangers}");
        }
    }

    #[test]
    fn the_more_strangers_have_put_into_the_cells_the_more_is_taken_off() {
        let noises = [0.0, 1.0, 1.1, 4.0, 4.1, 9.0].map(noise);
        assert!(noises.is_sorted(), "{noises:?}");
        assert_eq!(noises.map(|noise| (noise * 10.0).round() as u32), [0, 0, 11, 40, 61, 120]);
    }

    #[test]
    fn a_flood_gives_nobody_a_count() {
        for strangers in [200_000_u32, 1_000_000] {
            let mut sketch = Sketch::new(at(0));
            (0..u64::from(strangers)).for_each(|number| sketch.add(mixed(number), 1, at(1), HOUR));
            let counted = (0..1000).filter(|number| sketch.estimate(mixed(1 << 40 | number), at(2), HOUR) >= 4).count();
            assert_eq!(counted, 0, "among {strangers}");
        }
    }

    /// As a fingerprint would be, only faster.
    fn mixed(number: u64) -> u64 {
        let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    #[test]
    fn what_is_older_than_the_timespan_fades_and_is_gone_after_two() {
        let mut sketch = Sketch::new(at(0));
        sketch.add(7, 100, at(0), HOUR);
        let mut left = |second| sketch.estimate(7, at(second), HOUR);
        assert_eq!(left(3599), 100);
        assert_eq!(left(3600), 100);
        assert!((40..=60).contains(&left(5400)));
        assert_eq!(left(7200), 0);
        assert!(!sketch.is_over(at(10_000), HOUR) && sketch.is_over(at(20_000), HOUR));
    }

    #[test]
    fn a_line_from_the_past_takes_nothing_away() {
        let mut sketch = Sketch::new(at(10_000));
        sketch.add(7, 5, at(10_000), HOUR);
        sketch.add(8, 1, at(0), HOUR);
        assert_eq!(sketch.estimate(7, at(10_001), HOUR), 5);
    }
}
