//! Bans in the form that CrowdSec's bouncers read: decisions of its Local API. Which fields there are, and what they may hold, is in
//! its swagger document and in what go-cs-bouncer and the bouncers for nginx and HAProxy read.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::bans::{Ban, Bans};
use super::target::Target;
use crate::event::Timestamp;

const ORIGIN: &str = "dsmild";
const SCENARIO: &str = "dsmild/block_address";
const KIND: &str = "ban";

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    id: i64,
    origin: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    scope: &'static str,
    value: Target,
    /// How long it still lasts, as Go writes it; negative of one that is over.
    duration: String,
    scenario: &'static str,
}

/// The answer of `decisions/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub new: Vec<Decision>,
    pub deleted: Vec<Decision>,
}

/// What a bouncer wants of all decisions. Of a list in it, separated by commas, one has to fit.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    scopes: Option<String>,
    origins: Option<String>,
    scenarios: Option<String>,
    not_scenarios: Option<String>,
    kind: Option<String>,
    value: Option<String>,
    /// It is about this network, and so is what contains it.
    within: Option<IpNet>,
    /// It is about what this network contains.
    is_contained: bool,
}

impl Wanted {
    /// Reads the parameters of a request. Those of newer versions are passed over: what they ask for, there is not.
    ///
    /// # Errors
    /// What should be an address or a network is none.
    pub fn read(parameters: &[(String, String)]) -> Result<Self, String> {
        let mut wanted = Self::default();
        let has_value = |(name, value): &&(String, String)| !value.is_empty() || name == "ip" || name == "range";
        for (name, value) in parameters.iter().filter(has_value) {
            let net = || {
                let address = value.parse::<IpAddr>().map(IpNet::from);
                address.or_else(|_| value.parse()).map_err(|_| format!("{name}: this is no address or network"))
            };
            match name.as_str() {
                "scopes" | "scope" => wanted.scopes = Some(value.to_lowercase()),
                "origins" => wanted.origins = Some(value.clone()),
                "scenarios_containing" => wanted.scenarios = Some(value.clone()),
                "scenarios_not_containing" => wanted.not_scenarios = Some(value.clone()),
                "type" => wanted.kind = Some(value.to_lowercase()),
                "value" => wanted.value = Some(value.clone()),
                "ip" | "range" => wanted.within = Some(net()?),
                "contains" => wanted.is_contained = value == "false",
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn takes(&self, ban: &Ban) -> bool {
        let one_of = |list: &Option<String>, fits: &dyn Fn(&str) -> bool| {
            list.as_ref().is_none_or(|list| list.split(',').any(|one| fits(one.trim())))
        };
        let net = ban.target.net();
        one_of(&self.scopes, &|scope| scope.eq_ignore_ascii_case(scope_of(ban.target)))
            && one_of(&self.origins, &|origin| origin == ORIGIN)
            && one_of(&self.scenarios, &|word| SCENARIO.contains(word))
            && self
                .not_scenarios
                .as_ref()
                .is_none_or(|words| !words.split(',').any(|word| SCENARIO.contains(word.trim())))
            && one_of(&self.kind, &|kind| kind == KIND)
            && self.value.as_ref().is_none_or(|value| *value == ban.target.to_string())
            && self
                .within
                .as_ref()
                .is_none_or(|within| if self.is_contained { within.contains(&net) } else { net.contains(within) })
    }

    /// What is in force, and what a bouncer may still have and should have no longer. Nothing is kept of who has asked for what: who asks
    /// again is told again, and has it already.
    pub fn changes(&self, bans: &Bans, now: Timestamp) -> Changes {
        Changes { new: self.decisions(&bans.in_force, now), deleted: self.decisions(&bans.ended, now) }
    }

    pub fn decisions(&self, bans: &[Ban], now: Timestamp) -> Vec<Decision> {
        bans.iter().filter(|ban| self.takes(ban)).map(|ban| decision(ban, now)).collect()
    }
}

fn scope_of(target: Target) -> &'static str {
    if target.is_one() { "Ip" } else { "Range" }
}

fn decision(ban: &Ban, now: Timestamp) -> Decision {
    let left = if now < ban.ends { duration(ban.ends.since(now), "") } else { duration(now.since(ban.ends), "-") };
    let (origin, kind, scope, scenario) = (ORIGIN, KIND, scope_of(ban.target), SCENARIO);
    Decision { id: ban.id.packed(), origin, kind, scope, value: ban.target, duration: left, scenario }
}

/// As Go's `time.Duration` reads it, such as `3h59m58.1s`.
fn duration(time: Duration, sign: &str) -> String {
    let (seconds, rest) = (time.as_secs(), time.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = sign.to_owned();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if hours > 0 || minutes > 0 {
        text += &format!("{minutes}m");
    }
    let fraction = if rest > 0 { format!(".{rest:03}") } else { String::new() };
    text + &format!("{seconds}{}s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::EventId;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn ban(target: &str, ends: u64) -> Ban {
        Ban { target: target.parse().unwrap(), id: EventId::new(1, 0), since: at(0), ends: at(ends) }
    }

    fn wanted(parameters: &[(&str, &str)]) -> Wanted {
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Wanted::read(&pairs).unwrap()
    }

    #[test]
    fn a_decision_has_the_fields_of_the_local_api_and_a_duration_that_go_reads() {
        let bans = Bans { in_force: vec![ban("203.0.113.7", 14_398_200)], ended: vec![ban("2001:db8::/64", 100)] };
        let changes = Wanted::default().changes(&bans, at(100));
        let id = EventId::new(1, 0).packed();
        assert_eq!(
            json!(changes),
            json!({
                "new": [{"id": id, "origin": "dsmild", "type": "ban", "scope": "Ip", "value": "203.0.113.7",
                    "duration": "3h59m58.1s", "scenario": "dsmild/block_address"}],
                "deleted": [{"id": id, "origin": "dsmild", "type": "ban", "scope": "Range", "value": "2001:db8::/64",
                    "duration": "-0s", "scenario": "dsmild/block_address"}],
            })
        );
        for (millis, text) in [(0, "0s"), (50, "0.05s"), (59_000, "59s"), (60_000, "1m0s"), (3_600_001, "1h0m0.001s")] {
            assert_eq!(duration(Duration::from_millis(millis), ""), text);
        }
    }

    #[test]
    fn a_bouncer_gets_what_it_asks_for() {
        let bans = [ban("203.0.113.0/24", 9), ban("203.0.113.7", 9), ban("2001:db8::/64", 9)];
        let found = |parameters: &[(&str, &str)]| {
            let decisions = wanted(parameters).decisions(&bans, at(1));
            decisions.iter().map(|decision| decision.value.to_string()).collect::<Vec<_>>().join(" ")
        };
        let all = "203.0.113.0/24 203.0.113.7 2001:db8::/64";
        for (parameters, expected) in [
            (&[][..], all),
            (&[("scopes", "ip,range"), ("startup", "true"), ("community_pull", "true")], all),
            (&[("scopes", "Ip")], "203.0.113.7"),
            (&[("scope", "range")], "203.0.113.0/24 2001:db8::/64"),
            (&[("scopes", "country")], ""),
            (&[("ip", "203.0.113.7")], "203.0.113.0/24 203.0.113.7"),
            (&[("ip", "203.0.113.8")], "203.0.113.0/24"),
            (&[("ip", "198.51.100.1")], ""),
            (&[("range", "203.0.113.0/24"), ("contains", "false")], "203.0.113.0/24 203.0.113.7"),
            (&[("value", "203.0.113.7"), ("scope", "ip"), ("type", "ban")], "203.0.113.7"),
            (&[("type", "captcha")], ""),
            (&[("origins", "crowdsec, dsmild")], all),
            (&[("origins", "cscli")], ""),
            (&[("scenarios_containing", "ssh,block")], all),
            (&[("scenarios_not_containing", "ssh")], all),
            (&[("scenarios_not_containing", "dsmild")], ""),
        ] {
            assert_eq!(found(parameters), expected, "{parameters:?}");
        }
        for name in ["ip", "range"] {
            assert!(Wanted::read(&[(name.to_owned(), "203.0.113".to_owned())]).unwrap_err().contains(name));
        }
    }
}
