//! From a score to a verdict, and from an attacker's text to one that can be shown.

use super::reasons::{CAMPAIGN, SOURCE_NOT_PROVEN, says};
use super::severity::grade;
use crate::detect::campaign::{Begun, Campaigns, Report};
use crate::detect::deceptive::excerpt;
use crate::detect::scenario::customer;
use crate::detect::sigma;
use crate::event::{Alarm, Decision, Entity, EventId, Evidence, Timestamp, Verdict};
use crate::limits;

/// The score of a Sigma rule of level `low`.
pub const SUSPICIOUS_FROM: f64 = sigma::LOW;
/// The score of a Sigma rule of level `high`: whose author says that one match needs a person at once. What a detector
/// scores lower (passwords being guessed, an unusual login) may still have an innocent cause. It is not the bound of
/// severity HIGH, which is 0.75: severity says what to look at first, the verdict says what it is.
pub const MALICIOUS_FROM: f64 = sigma::HIGH;

/// The verdict on a score between 0 and 1; NaN is benign.
pub fn verdict(score: f64) -> Verdict {
    if score >= MALICIOUS_FROM {
        Verdict::Malicious
    } else if score >= SUSPICIOUS_FROM {
        Verdict::Suspicious
    } else {
        Verdict::Benign
    }
}

/// The summary of a decision or of a SOC event: one line of at most [`limits::SUMMARY_CHARS_MAX`] characters of the
/// text, without what could deceive a terminal or a reader.
pub fn one_line(text: &str) -> String {
    excerpt(text.trim(), limits::SUMMARY_CHARS_MAX)
}

/// The summary of what is said of an alarm that is over: what it was, of whom, and how much of it there was.
pub fn over_summary(reasons: &[String], about: Option<&str>, alarm: &Alarm) -> String {
    let of = about.map(|name| format!(" of {name}")).unwrap_or_default();
    let minutes = (alarm.last_ts - alarm.first_ts).max(0.0) / 60.0;
    one_line(&format!("over: {}{of}, {} in all within {minutes:.0} min", reasons.join(", "), alarm.count))
}

/// A decision as it is to be reported: of one who does what many others do, that of all of them, or none. `id`: of its alarm. Who it
/// is about is the address; where there is none, user and machine, of which whoever writes the lines can name thousands.
pub fn gathered(campaigns: &mut Campaigns, what: (&str, &str), decision: Decision, now: Timestamp) -> Option<Decision> {
    // In whose name anybody can write is many at will.
    let is_of_nobody = says(&decision.reasons, SOURCE_NOT_PROVEN);
    let single_max = if is_of_nobody { limits::CAMPAIGN_SINGLE_FEW_MAX } else { limits::CAMPAIGN_SINGLE_MAX };
    gathered_beyond(single_max, campaigns, what, decision, now)
}

/// The same, where so many are reported each for itself in an hour.
pub fn gathered_beyond(
    single_max: usize,
    campaigns: &mut Campaigns,
    (what, id): (&str, &str),
    decision: Decision,
    now: Timestamp,
) -> Option<Decision> {
    let Some(address) = &decision.entity.src_ip else {
        let who = name(&decision.entity);
        return gathered_by_name((campaigns, single_max), (what, id), &who, decision, now);
    };
    let (who, grade) = (customer(address).into_owned(), grade(decision.verdict, decision.score));
    let event = event_of(&decision);
    let report = Report { what, grade, who: &who, id, now, event, single_max, is_by_name: false };
    match campaigns.report(&report) {
        Begun::Alone => Some(decision),
        Begun::Silent => None,
        Begun::Reported(alarm) => {
            let summary = campaign_summary(what, decision.entity.src_ip.as_deref().unwrap_or(&who), &alarm);
            Some(of_campaign(decision, summary, alarm, campaigns.events(&report)))
        }
    }
}

/// The same, where `who` is known by a name that whoever writes the line can choose.
pub fn gathered_by_name(
    (campaigns, single_max): (&mut Campaigns, usize),
    (what, id): (&str, &str),
    who: &str,
    decision: Decision,
    now: Timestamp,
) -> Option<Decision> {
    if who.is_empty() {
        return Some(decision);
    }
    let grade = grade(decision.verdict, decision.score);
    let event = event_of(&decision);
    let report = Report { what, grade, who, id, now, event, single_max, is_by_name: true };
    match campaigns.report(&report) {
        Begun::Alone => Some(decision),
        Begun::Silent => None,
        Begun::Reported(alarm) => {
            let summary = names_summary(what, who, &alarm);
            Some(of_campaign(decision, summary, alarm, campaigns.events(&report)))
        }
    }
}

/// That it judges, where its writer has named it.
fn event_of(decision: &Decision) -> EventId {
    decision.input_ref.parse().unwrap_or_default()
}

/// User and machine, or what else is known.
pub fn name(entity: &Entity) -> String {
    let known = [&entity.user, &entity.process, &entity.host].map(Option::as_deref);
    match known {
        [Some(user), _, Some(host)] => format!("{user} on {host}"),
        [None, Some(process), Some(host)] => format!("{process} on {host}"),
        [user, process, host] => user.or(process).or(host).unwrap_or_default().to_owned(),
    }
}

/// The decision about all of them. It names the one whose alarm made it due, who has been counted himself.
fn of_campaign(decision: Decision, summary: String, alarm: Alarm, events: Vec<EventId>) -> Decision {
    let mut reasons = decision.reasons;
    reasons.insert(0, CAMPAIGN.to_owned());
    let evidence = Some(Box::new(Evidence::of(events, alarm.count)));
    Decision { reasons, summary, alarm: Some(Box::new(alarm)), evidence, ..decision }
}

/// Of many who do the same.
pub fn campaign_summary(what: &str, last: &str, alarm: &Alarm) -> String {
    one_line(&format!("{what} by {} sources one after the other, last {last}{}", alarm.count, named_before(alarm)))
}

/// Of many that are known by names.
pub fn names_summary(what: &str, last: &str, alarm: &Alarm) -> String {
    one_line(&format!("{what} in the name of {} one after the other, last {last}{}", alarm.count, named_before(alarm)))
}

fn named_before(alarm: &Alarm) -> String {
    let unnamed = alarm.count.saturating_sub(alarm.members.len() as u64);
    if unnamed > 0 { format!(", {unnamed} of them named before") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_an_end() {
        assert_eq!(one_line(&"ä".repeat(10_000)).chars().count(), limits::SUMMARY_CHARS_MAX + 1);
    }
}
