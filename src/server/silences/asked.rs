//! What somebody asks for who makes a silence.

use ipnet::IpNet;
use serde::Deserialize;

use crate::config::Span;
use crate::event::Timestamp;
use crate::limits::SILENCE_SPAN_MAX;
use crate::query::Moment;
use crate::silence::entity::Named;
use crate::silence::matcher::Matcher;
use crate::silence::spec::Silence;

pub const SHAPE: &str = "{\"rule\":\"brute_force\",\"entity\":{\"kind\":\"user\",\"value\":\"backup\"},\"network\":\"192.0.2.0/28\",\
    \"where\":\"severity < HIGH\",\"for\":\"8h\",\"comment\":\"…\"}, of rule, entity, network and where at least one, and in the place of \
    `for` an `until` and a `from` where they are known,";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    rule: Option<String>,
    entity: Option<Named>,
    network: Option<IpNet>,
    r#where: Option<String>,
    from: Option<String>,
    until: Option<String>,
    r#for: Option<Span>,
    comment: String,
}

impl Asked {
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn silence(self, id: String, who: &str, now: Timestamp) -> Result<Silence, String> {
        let from = self.from.as_deref().map(|text| time("from", text)).transpose()?;
        let until = match (self.until.as_deref(), self.r#for) {
            (Some(text), None) => time("until", text)?,
            (None, Some(span)) if span.get() <= SILENCE_SPAN_MAX => from.unwrap_or(now).plus(span.get()),
            (None, Some(_)) => return Err(too_long("for")),
            (None, None) => {
                return Err("it has no end: say for how long with `for`, or until when with `until`".to_owned());
            }
            (Some(_), Some(_)) => return Err("it has two ends: say `for` or `until`".to_owned()),
        };
        if until <= now {
            return Err(format!("until: {until} is over; name a time that is still to come"));
        }
        if until.since(now) > SILENCE_SPAN_MAX {
            return Err(too_long("until"));
        }
        let silence = Silence {
            id,
            rule: self.rule,
            entity: self.entity,
            network: self.network,
            r#where: self.r#where,
            from,
            until: Some(until),
            comment: self.comment,
            who: who.to_owned(),
            created: Some(now),
        };
        let matcher = Matcher::new(silence);
        let matcher = matcher.map_err(|fault| format!("{}: {}; {}", fault.key, fault.problem, fault.remedy))?;
        Ok(matcher.silence().clone())
    }
}

fn time(name: &str, text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(Moment::At(time)) => Ok(time),
        Ok(Moment::Ago(_)) => Err(format!("{name}: a duration is no time; say for how long with `for`")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn too_long(name: &str) -> String {
    let days = SILENCE_SPAN_MAX.as_secs() / 86_400;
    format!("{name}: it ends later than {days} days from now; what is to last is for [[silence]] in the configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: &str) -> Result<Silence, String> {
        let asked: Asked = serde_json::from_str(body).unwrap();
        asked.silence("1-0".into(), "alice", Timestamp::from_millis(1_700_000_000_000))
    }

    #[test]
    fn what_somebody_makes_has_an_end_that_is_not_too_far() {
        let hour = made(r#"{"rule":"x","for":"1h"}"#).unwrap();
        assert_eq!(hour.until, Some(Timestamp::from_millis(1_700_003_600_000)));
        let later = made(r#"{"rule":"x","from":"2023-11-20","for":"1d"}"#).unwrap();
        assert_eq!(later.until.unwrap().to_string(), "2023-11-21T00:00:00Z");
        for (body, said) in [
            (r#"{"rule":"x"}"#, "no end"),
            (r#"{"rule":"x","for":"91d"}"#, "[[silence]]"),
            (r#"{"rule":"x","until":"2024-11-20"}"#, "90 days"),
            (r#"{"rule":"x","until":"2023-11-01"}"#, "is over"),
            (r#"{"rule":"x","until":"2h"}"#, "`for`"),
            (r#"{"rule":"x","until":"2023-11-20","for":"1h"}"#, "two ends"),
            (r#"{"rule":"x","from":"2023-11-21","until":"2023-11-20"}"#, "until: is not after from"),
            (r#"{"for":"1h"}"#, "rule, entity, network or where"),
            (r#"{"where":"since 2h","for":"1h"}"#, "from and until"),
        ] {
            let error = made(body).unwrap_err();
            assert!(error.contains(said), "{body}: {error}");
        }
    }
}
