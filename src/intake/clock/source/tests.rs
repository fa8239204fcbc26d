use proptest::prelude::*;

use super::*;

const SKEW: Duration = Duration::from_secs(120);
const DAY: i64 = 86_400;
/// The second in which a backlog is read.
const NOW: i64 = 10 * DAY;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros((1_700_000_000 + second) * 1_000_000)
}

fn second_of(time: Timestamp) -> i64 {
    time.micros() / 1_000_000 - 1_700_000_000
}

/// Believed times of lines that come one by one, each a claim and an arrival.
fn live(clock: &mut SourceClock, lines: &[(i64, i64)]) -> Vec<i64> {
    let take = |(claim, arrival): &(i64, i64)| {
        let line = TimedLine {
            claim: Some(at(*claim)),
            arrival: Some(at(*arrival)),
            reference: at(*arrival),
            limit: at(*arrival).plus(SKEW),
            skew: SKEW,
            next: &[],
            is_end: false,
        };
        second_of(clock.take(&line))
    };
    lines.iter().map(take).collect()
}

/// Believed times of lines that are all there at once; `None`: a line without a time.
fn backlog(clock: &mut SourceClock, claims: &[Option<i64>], arrival: Option<i64>) -> Vec<i64> {
    let claims: Vec<Option<Timestamp>> = claims.iter().map(|claim| claim.map(at)).collect();
    let limit = arrival.map_or(at(NOW), |arrival| at(arrival).plus(SKEW));
    let take = |(index, claim): (usize, &Option<Timestamp>)| {
        let next = &claims[index + 1..claims.len().min(index + CONFIRMING_LINES)];
        let is_end = index + CONFIRMING_LINES > claims.len();
        let arrival = arrival.map(at);
        let line = TimedLine { claim: *claim, arrival, reference: at(NOW), limit, skew: SKEW, next, is_end };
        second_of(clock.take(&line))
    };
    claims.iter().enumerate().map(take).collect()
}

fn some(claims: &[i64]) -> Vec<Option<i64>> {
    claims.iter().copied().map(Some).collect()
}

fn every_ten_seconds(lines: i64) -> Vec<(i64, i64)> {
    (0..lines).map(|line| (line * 10, line * 10)).collect()
}

#[test]
fn a_line_dated_ahead_of_its_arrival_moves_nothing() {
    for ahead in [DAY, 23 * 3600, 200 * 365 * DAY, 300] {
        let mut clock = SourceClock::default();
        live(&mut clock, &every_ten_seconds(40));
        assert_eq!(live(&mut clock, &[(400 + ahead, 400)]), [400], "it is as late as its arrival");
        assert_eq!(live(&mut clock, &[(410, 410), (405, 411)]), [410, 405]);
    }
}

#[test]
fn a_first_line_dated_ahead_begins_at_its_arrival() {
    let mut clock = SourceClock::default();
    assert_eq!(live(&mut clock, &[(DAY, 0), (10, 10)]), [0, 10]);
}

#[test]
fn yesterdays_file_is_believed_at_its_own_times() {
    let sparse: Vec<i64> = vec![0, 5, 3600, 7200, 7201, 5 * 3600, DAY];
    for arrival in [None, Some(NOW)] {
        assert_eq!(backlog(&mut SourceClock::default(), &some(&sparse), arrival), sparse);
    }
}

#[test]
fn a_single_far_line_of_a_backlog_moves_nothing() {
    for arrival in [None, Some(NOW)] {
        let claims = some(&[0, 10, 20, 5 * DAY, 30, 40]);
        assert_eq!(backlog(&mut SourceClock::default(), &claims, arrival), [0, 10, 20, 20, 30, 40]);
        let first = some(&[5 * DAY, 30, 40]);
        assert_eq!(backlog(&mut SourceClock::default(), &first, arrival), [30, 30, 40]);
    }
}

#[test]
fn lines_far_back_tell_nothing_of_the_line_before_them() {
    let claims = some(&[5000, 5300, 100, 101, 102, 5301]);
    assert_eq!(backlog(&mut SourceClock::default(), &claims, None), [5000, 5300, 5300, 5300, 5300, 5301]);
}

#[test]
fn a_jump_of_a_source_that_is_behind_is_believed_when_three_lines_agree() {
    let mut clock = SourceClock::default();
    let behind = |claim: i64| (claim, NOW + claim);
    let believed = live(&mut clock, &[behind(0), behind(10), (7200, NOW + 20), (7201, NOW + 21), (7202, NOW + 22)]);
    assert_eq!(believed, [0, 10, 20, 21, 7202]);
}

#[test]
fn a_source_that_has_caught_up_is_believed_at_once() {
    let mut clock = SourceClock::default();
    backlog(&mut clock, &some(&[0, 10, 20]), Some(NOW));
    assert_eq!(live(&mut clock, &[(NOW + 5, NOW + 5)]), [NOW + 5]);
}

#[test]
fn a_pause_of_the_daemon_is_no_jump() {
    let mut clock = SourceClock::default();
    live(&mut clock, &every_ten_seconds(10));
    let saved = serde_json::to_value(clock).unwrap();
    let mut clock: SourceClock = serde_json::from_value(saved).unwrap();
    assert_eq!(live(&mut clock, &[(3600, 7200), (3601, 7201)]), [3600, 3601]);
}

#[test]
fn a_line_a_little_late_keeps_its_time_and_one_far_back_does_not() {
    let mut clock = SourceClock::default();
    live(&mut clock, &every_ten_seconds(1000));
    assert_eq!(live(&mut clock, &[(9900, 9991), (100, 9992), (9993, 9993)]), [9900, 9991, 9993]);
}

#[test]
fn a_clock_that_was_set_back_is_followed_after_fifty_lines_in_a_row() {
    let mut clock = SourceClock::default();
    live(&mut clock, &every_ten_seconds(1000));
    let set_back: Vec<(i64, i64)> = (0..60).map(|line| (5000 + line, 9990 + line)).collect();
    let believed = live(&mut clock, &set_back);
    assert_eq!(believed[..49], (0..49).map(|line| 9990 + line).collect::<Vec<_>>());
    assert_eq!(believed[49..], (49..60).map(|line| 5000 + line).collect::<Vec<_>>());
}

#[test]
fn a_backlog_of_one_machine_in_the_file_of_many_makes_no_line_of_the_others_one_of_the_past() {
    for (every, step) in [(20, -4000), (300, -4000), (20, 60), (300, 60)] {
        let mut claims: Vec<i64> = (0..10).map(|line| 5 * DAY - 100 + line).collect();
        let mut expected = Vec::new();
        for round in 0..20 {
            expected.push((claims.len(), 5 * DAY + round * every));
            claims.push(5 * DAY + round * every);
            claims.extend((0..50).map(|line| 2 * DAY + round * step + line / 10));
        }
        let believed = backlog(&mut SourceClock::default(), &some(&claims), None);
        for (index, claim) in expected {
            assert_eq!(believed[index], claim, "line {index}, each {every} s, backlog in steps of {step} s");
        }
        assert_eq!(believed.last(), Some(&(2 * DAY + 19 * step + 4)), "and the backlog is believed");
    }
}

#[test]
fn a_single_line_far_ahead_of_where_the_source_was_moves_nothing_after_it_was_set_back() {
    let mut clock = SourceClock::default();
    backlog(&mut clock, &some(&[5 * DAY, 5 * DAY + 1, 5 * DAY + 2]), None);
    backlog(&mut clock, &some(&[2 * DAY; 60]), None);
    let claims = some(&[5 * DAY + 3000, 2 * DAY, 5 * DAY + 20, 2 * DAY, 7 * DAY, 2 * DAY]);
    let believed = backlog(&mut clock, &claims, None);
    assert_eq!(believed, [5 * DAY + 3000, 2 * DAY, 5 * DAY + 20, 2 * DAY, 2 * DAY, 2 * DAY]);
}

#[test]
fn when_the_machines_clock_is_set_back_its_sources_follow_at_once() {
    let mut clock = SourceClock::default();
    live(&mut clock, &[(0, 0), (DAY, DAY), (DAY + 10, DAY + 10)]);
    assert_eq!(live(&mut clock, &[(20, 20), (30, 30)]), [20, 30]);
}

#[test]
fn lines_without_a_time_go_with_those_that_have_one() {
    for arrival in [None, Some(NOW)] {
        let claims = [None, Some(0), Some(10), None, None, None, Some(20)];
        assert_eq!(backlog(&mut SourceClock::default(), &claims, arrival), [0, 0, 10, 10, 10, 10, 20]);
        assert_eq!(backlog(&mut SourceClock::default(), &[None, None], arrival), [NOW, NOW]);
    }
}

proptest! {
    #[test]
    fn no_time_is_believed_that_is_later_than_the_arrival_and_the_skew(
        lines in prop::collection::vec((0..3 * DAY, 0..3 * DAY), 1..200),
    ) {
        let mut clock = SourceClock::default();
        for (claim, arrival) in lines {
            let believed = live(&mut clock, &[(claim, arrival)]);
            prop_assert!(believed[0] <= arrival + 120);
        }
    }

    #[test]
    fn one_line_moves_no_other(
        steps in prop::collection::vec(0..90_i64, 8..60),
        place in 0..60_usize,
        far in -5 * DAY..5 * DAY,
        lag in 0..3 * DAY,
        is_backlog: bool,
    ) {
        let times: Vec<i64> = steps.iter().scan(0, |now, step| { *now += step; Some(*now) }).collect();
        let place = place % (times.len() - 3);
        let far = if far >= 0 { times[place] + 200 + far } else { times[place] - 200 + far };
        let mut with = times.clone();
        with.insert(place, far);
        let believed = |claims: &[i64]| if is_backlog {
            backlog(&mut SourceClock::default(), &some(claims), None)
        } else {
            // A line that claims to be live in a source that is not is the one that could be believed.
            let arrivals = times.iter().map(|time| time + lag);
            let far_at = times[place] + lag;
            let mut lines: Vec<(i64, i64)> = times.iter().copied().zip(arrivals).collect();
            if claims.len() > times.len() && (far - far_at).abs() > 120 {
                lines.insert(place, (far, far_at));
            }
            live(&mut SourceClock::default(), &lines)
        };
        let (alone, mut together) = (believed(&times), believed(&with));
        if together.len() > alone.len() {
            together.remove(place);
        }
        // As the first line of a source that comes one by one, nothing tells yet that it is far.
        prop_assume!(is_backlog || place > 0);
        prop_assert_eq!(alone, together);
    }

    #[test]
    fn the_clock_goes_back_only_when_fifty_lines_in_a_row_tell_so(
        claims in prop::collection::vec(0..2 * DAY, 1..49),
    ) {
        let mut clock = SourceClock::default();
        live(&mut clock, &[(DAY, DAY)]);
        for (index, claim) in claims.into_iter().enumerate() {
            let before = clock.at;
            live(&mut clock, &[(claim, DAY + index as i64)]);
            prop_assert!(clock.at >= before);
        }
    }
}
