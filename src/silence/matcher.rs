//! Whether a silence covers an event.

use ipnet::IpNet;

use super::entity::address;
use super::spec::Silence;
use crate::event::{Body, Entity, Event, Severity, Soc, Timestamp};
use crate::limits::SILENCE_TEXT_BYTES_MAX;
use crate::query::Filter;

/// Techniques of who blinds what watches: impaired defences, and removed traces.
const BLINDING: [&str; 2] = ["T1562", "T1070"];

/// A silence that has been understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    silence: Silence,
    filter: Option<Filter>,
}

/// What of a silence cannot be: the key that is at fault, what is wrong with it, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub key: &'static str,
    pub problem: String,
    pub remedy: &'static str,
}

impl Matcher {
    /// # Errors
    /// It covers everything, or one of its parts is nothing that can be compared.
    pub fn new(silence: Silence) -> Result<Self, Fault> {
        check_texts(&silence)?;
        let filter = silence.r#where.as_deref().map(filter).transpose()?;
        let has_own = silence.rule.is_some() || silence.entity.is_some() || filter.is_some();
        if !has_own && silence.network.is_none() {
            return Err(fault("rule", "is missing, and so is everything else", "name rule, entity, network or where"));
        }
        if silence.network.is_some_and(|network| network.prefix_len() == 0) && !has_own {
            return Err(fault("network", "is every address there is", "name a smaller network, or a rule beside it"));
        }
        if let (Some(from), Some(until)) = (silence.from, silence.until)
            && from >= until
        {
            return Err(fault("until", "is not after from", "write a later time"));
        }
        Ok(Self { silence, filter })
    }

    pub fn silence(&self) -> &Silence {
        &self.silence
    }

    /// Whether it covers this SOC event. What people have done, incidents and proposals are never covered: of what is silenced there
    /// are none.
    pub fn covers(&self, event: &Event) -> bool {
        let Body::Soc(soc) = &event.body else { return false };
        let silence = &self.silence;
        let is_in_time = silence.has_begun(event.time()) && !silence.is_over(event.time());
        is_in_time
            && is_alarm(soc)
            && (silence.rule.is_some() || !blinds(soc))
            && silence.rule.as_ref().is_none_or(|rule| soc.reasons.contains(rule) || soc.flags.contains(rule))
            && silence.entity.as_ref().is_none_or(|named| named.is_in(&soc.entity))
            && silence.network.is_none_or(|network| is_within(&soc.entity, network))
            && self.filter.as_ref().is_none_or(|filter| filter.passes(event, Timestamp::ZERO))
    }
}

/// Neither an incident, which is made of alarms, nor what follows from one or what somebody has done about it.
fn is_alarm(soc: &Soc) -> bool {
    soc.silence.is_none() && soc.proposal.is_none() && soc.incident_id.is_none()
}

/// Who switches off what watches is silenced by the name of the rule alone: not along with a user, a network or a host.
fn blinds(soc: &Soc) -> bool {
    let is_blinding = |id: &String| BLINDING.contains(&id.split('.').next().unwrap_or(id));
    soc.severity == Severity::Critical && soc.attack.iter().any(is_blinding)
}

fn is_within(entity: &Entity, network: IpNet) -> bool {
    [&entity.src_ip, &entity.dst_ip]
        .into_iter()
        .flatten()
        .filter_map(|text| address(text))
        .any(|address| network.contains(&address))
}

fn fault(key: &'static str, problem: impl Into<String>, remedy: &'static str) -> Fault {
    Fault { key, problem: problem.into(), remedy }
}

fn check_texts(silence: &Silence) -> Result<(), Fault> {
    const REMEDY: &str = "write between 1 and 512 bytes";
    const _: () = assert!(SILENCE_TEXT_BYTES_MAX == 512);
    let named = silence.entity.as_ref().map(|named| &named.value);
    for (key, text) in [("rule", silence.rule.as_ref()), ("entity", named), ("where", silence.r#where.as_ref())] {
        let Some(text) = text else { continue };
        if text.trim().is_empty() || text.len() > SILENCE_TEXT_BYTES_MAX {
            return Err(fault(key, format!("has {} bytes", text.trim().len()), REMEDY));
        }
    }
    if silence.comment.len() > SILENCE_TEXT_BYTES_MAX {
        return Err(fault("comment", format!("has {} bytes", silence.comment.len()), "write at most 512 bytes"));
    }
    if let Some(named) = silence.entity.as_ref().filter(|named| named.kind.is_address())
        && address(&named.value).is_none()
    {
        return Err(fault("entity", "is no address", "write one like 203.0.113.7, or name a network"));
    }
    Ok(())
}

fn filter(text: &str) -> Result<Filter, Fault> {
    let remedy = "`dsmild events --where` takes the same language";
    let filter = text.parse::<Filter>().map_err(|error| fault("where", format!("is no filter: {error}"), remedy))?;
    if filter.is_of_a_moment() {
        return Err(fault("where", "asks for a time or an id", "say when with from and until"));
    }
    Ok(filter)
}
