//! What a device finds of many at once is one campaign that grows, as alarms of Layer 3 and Layer 4 are: whoever writes in the name of
//! a thousand addresses gets no thousand events.

use serde::{Deserialize, Serialize};

use super::common::{quote, reason_of};
use crate::detect::campaign::{Begun, Campaigns, Report};
use crate::detect::campaign_ends::CampaignEnds;
use crate::event::{Alarm, Category, Event, Evidence, Soc, Verdict};
use crate::layer::severity::grade;
use crate::layer::stage::Outbox;
use crate::layer::{CAMPAIGN, campaign_summary, names_summary, over_summary};
use crate::limits;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gathered {
    campaigns: Campaigns,
    ends: CampaignEnds<About>,
}

/// What is said of a campaign when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct About {
    input_ref: String,
    device: u16,
    category: Category,
    compartment: String,
    flags: Vec<String>,
}

impl Gathered {
    /// Reports what was found of `who`: for itself, as that of all of whom the same was found, or not at all. Those that are worse
    /// are kept apart, so that none of them hides among many that are harmless.
    pub fn report(&mut self, soc: Soc, who: &str, event: &Event, out: &mut Outbox) {
        if let Some(soc) = self.reported(soc, who, event, false) {
            out.emit_soc(soc);
        }
    }

    /// The same of what has been counted already, so that whoever is told again is news, and of those whose names and addresses
    /// whoever writes the lines can choose.
    pub fn report_by_name(&mut self, soc: Soc, who: &str, event: &Event, out: &mut Outbox) {
        if let Some(soc) = self.reported(soc, &quote(who), event, true) {
            out.emit_soc(soc);
        }
    }

    fn reported(&mut self, soc: Soc, who: &str, event: &Event, is_by_name: bool) -> Option<Soc> {
        let what = soc.flags.first().cloned().unwrap_or_default();
        let grade = grade(soc.decision, soc.score);
        let id = match &soc.alarm {
            Some(alarm) => alarm.id.clone(),
            None => format!("{what} {who} {}", event.time().millis()),
        };
        let single_max = if is_by_name { limits::CAMPAIGN_SINGLE_MAX } else { limits::CAMPAIGN_SINGLE_FEW_MAX };
        let report =
            Report { what: &what, grade, who, id: &id, now: event.time(), event: event.id, single_max, is_by_name };
        let alarm = match self.campaigns.report(&report) {
            Begun::Alone => return Some(soc),
            Begun::Silent => return None,
            Begun::Reported(alarm) => alarm,
        };
        let about = About {
            input_ref: event.id.to_string(),
            device: soc.src_device,
            category: soc.category,
            compartment: soc.compartment.clone(),
            flags: soc.flags.clone(),
        };
        self.ends.reported(&alarm, (&what, grade), event.times.taken_in(), about);
        let summary = if is_by_name { names_summary } else { campaign_summary };
        let summary = summary(&reason_of(&what), who, &alarm);
        let evidence = Some(Box::new(Evidence::of(self.campaigns.events(&report), alarm.count)));
        Some(Soc { evidence, ..of_campaign(soc, summary, alarm) })
    }

    /// Says which campaigns are over at this tick.
    pub fn tick(&mut self, tick: &Event, out: &mut Outbox) {
        for (about, alarm) in self.ends.over(&self.campaigns, tick.times.taken_in()) {
            out.emit_soc(ended(about, alarm));
        }
    }
}

/// About all of them. It names the one of whom it was found last, who is one of them.
fn of_campaign(soc: Soc, summary: String, alarm: Alarm) -> Soc {
    let mut reasons = soc.reasons;
    reasons.insert(0, CAMPAIGN.to_owned());
    Soc { reasons, summary, alarm: Some(alarm), ..soc }
}

fn ended(about: About, alarm: Alarm) -> Soc {
    let mut reasons = vec![CAMPAIGN.to_owned()];
    reasons.extend(about.flags.first().map(|flag| reason_of(flag)));
    Soc {
        decision: Verdict::Benign,
        input_ref: about.input_ref,
        src_device: about.device,
        category: about.category,
        compartment: about.compartment,
        summary: over_summary(&reasons, None, &alarm),
        flags: about.flags,
        reasons,
        alarm: Some(alarm),
        ..Soc::default()
    }
}
