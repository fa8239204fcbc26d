//! Numbers over time against the Numenta Anomaly Benchmark: its standard profile, one threshold for all series.
//!
//! As the benchmark scores (A. Lavin and S. Ahmad, ICMLA 2015): within a window the first detection counts, the more the earlier; a window
//! without one costs 1, a detection outside 0.11, less just behind a window; the first 15 % of a series (750 rows at most) do not count; the
//! threshold is the one that is best for all. 0 is what comes of no detection at all, 100 of each window found at its first row and nothing else.

use std::fs;

use dsmild::detect::series_habits::SeriesHabits;
use dsmild::event::Timestamp;
use serde_json::Value;

use crate::data;
use crate::table::{Bound, figure};

const FALSE_ALARM: f64 = 0.11;

struct Series {
    rows: Vec<(Timestamp, f64)>,
    /// First and last row.
    windows: Vec<(usize, usize)>,
}

fn time(text: &str) -> Timestamp {
    let text = text.get(..19).unwrap_or(text);
    let moment: jiff::civil::DateTime = text.replace(' ', "T").parse().unwrap();
    Timestamp::from_millis(moment.in_tz("UTC").unwrap().timestamp().as_millisecond() as u64)
}

fn all() -> Vec<Series> {
    let labels = fs::read_to_string(data("nab/labels/combined_windows.json")).unwrap();
    let labels: Value = serde_json::from_str(&labels).unwrap();
    let mut found = Vec::new();
    for (name, windows) in labels.as_object().unwrap() {
        let Ok(text) = fs::read_to_string(data("nab/data").join(name)) else { continue };
        let row = |line: &str| line.split_once(',').map(|(at, value)| (time(at), value.trim().parse::<f64>().unwrap()));
        let rows: Vec<(Timestamp, f64)> = text.lines().skip(1).filter_map(row).collect();
        let place = |at: &Value| rows.iter().position(|row| row.0 == time(at.as_str().unwrap())).unwrap();
        let windows = windows.as_array().unwrap().iter().map(|window| (place(&window[0]), place(&window[1]))).collect();
        found.push(Series { rows, windows });
    }
    found
}

/// From nearly 1 a window's length before its end to nearly -1 as much behind it.
fn sigmoid(place: f64) -> f64 {
    if place >= 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * place).exp()) - 1.0 }
}

/// A row that was scored: how unusual it was, in which window it is, and what a detection there is worth.
type Scored = (f64, Option<usize>, f64);

fn scored(series: &Series, scores: &[f64], windows_before: usize) -> Vec<Scored> {
    let rows = series.rows.len();
    let worth = |row: usize| {
        if let Some(at) = series.windows.iter().position(|(first, last)| (*first..=*last).contains(&row)) {
            let (first, last) = series.windows[at];
            let place = -((last - row + 1) as f64) / (last - first + 1) as f64;
            return (Some(windows_before + at), sigmoid(place) / sigmoid(-1.0));
        }
        let behind = series.windows.iter().rev().find(|(_, last)| *last < row);
        let place = behind.map_or(3.0, |(first, last)| (row - last) as f64 / (last - first) as f64);
        (None, FALSE_ALARM * sigmoid(place))
    };
    let first = (rows * 15 / 100).min(750);
    (first..rows).map(|row| (scores[row], worth(row))).map(|(score, (window, worth))| (score, window, worth)).collect()
}

/// The score with the threshold that is best, and that threshold.
fn standard_score(all: &[(&Series, &Vec<f64>)]) -> (f64, f64) {
    let (mut rows, mut windows) = (Vec::new(), 0);
    for (series, scores) in all {
        rows.extend(scored(series, scores, windows));
        windows += series.windows.len();
    }
    rows.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut worth = vec![-1.0_f64; windows];
    let (mut false_alarms, mut best) = (0.0, (0.0, f64::INFINITY));
    for (at, (score, window, value)) in rows.iter().enumerate() {
        match window {
            Some(window) => worth[*window] = worth[*window].max(*value),
            None => false_alarms += value,
        }
        if rows.get(at + 1).is_none_or(|next| next.0 != *score) {
            let gained = worth.iter().sum::<f64>() + false_alarms + windows as f64;
            let scaled = 100.0 * gained / (2.0 * windows as f64);
            if scaled > best.0 {
                best = (scaled, *score);
            }
        }
    }
    best
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn what_is_wrong_with_servers_and_towns_is_seen_in_their_numbers() {
    let all = all();
    let judge = |series: &Series| {
        let mut habits = SeriesHabits::default();
        series.rows.iter().map(|(at, value)| habits.see(*value, *at).map_or(0.0, |it| it.score)).collect::<Vec<f64>>()
    };
    let scores: Vec<Vec<f64>> = all.iter().map(judge).collect();
    let judged: Vec<(&Series, &Vec<f64>)> = all.iter().zip(&scores).collect();
    let half = |which: usize| judged.iter().copied().skip(which).step_by(2).collect::<Vec<_>>();
    let (score, threshold) = standard_score(&judged);
    eprintln!(
        "series: at {threshold:.2}, where HTM reaches 70.1 and a windowed Gaussian 39.6; halves {:.1}, {:.1}; {} series",
        standard_score(&half(0)).0,
        standard_score(&half(1)).0,
        all.len()
    );
    figure("NAB", "numbers over time: standard score", score, Bound::AtLeast(55.0));
}
