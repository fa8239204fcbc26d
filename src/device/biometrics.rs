//! Device 55, behavioural biometrics: an account used at hours, from places, with commands or by hands that are not its owner's.

use serde::{Deserialize, Serialize};

use super::common::{Finding, quote};
use super::keystrokes::Keyboards;
use super::{DeviceSpec, settings};
use crate::detect::burst::Bursts;
use crate::detect::command_habits::{CommandHabits, UNUSUAL_DEVIATIONS, command_name};
use crate::detect::habits::{Hours, Places, network_of};
use crate::detect::recent::Recent;
use crate::event::{Action, Body, Category, Event, Interest, Raw, Record, Soc, Stream};
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, OPERATORS_MAX};

const NUMBER: u16 = 55;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-55",
    identifier: "dsmil-soc-biometrics",
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::L4In),
    prepare: |table| settings::factory(table, Biometrics::new),
};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Commands that are judged together.
    commands_per_block: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { commands_per_block: 100 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    users: Recent<Profile>,
    bursts: Bursts,
    #[serde(default)]
    keyboards: Keyboards,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Profile {
    hours: Hours,
    networks: Places,
    hosts: Places,
    commands: CommandHabits,
}

struct Biometrics {
    settings: Settings,
    state: State,
}

impl Biometrics {
    fn new(settings: Settings) -> Self {
        let (bursts, keyboards) = (Bursts::new(ENTITIES_PER_DETECTOR_MAX), Keyboards::default());
        let state = State { users: Recent::new(OPERATORS_MAX), bursts, keyboards };
        Self { settings, state }
    }

    fn line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let record = raw.record();
        let Some(user) = record.entity.user.as_deref().filter(|_| is_the_users_own_doing(record)) else { return };
        let profile = self.state.users.touch(user, Profile::default);
        let mut findings = Vec::new();
        if record.action == Action::Login {
            findings.extend(login(profile, event, record));
        }
        if let Some(name) = record.command.as_deref().and_then(command_name)
            && let Some(unusual) = profile.commands.see(&name, self.settings.commands_per_block.max(1))
        {
            findings.push(Finding {
                flag: "UNUSUAL_COMMANDS",
                score: (0.5 + unusual.deviations / 40.0).min(0.9),
                summary: format!(
                    "the last {} commands of {} are unlike the account's own, such as {}: {:.1} standard deviations from what is usual, \
                     {UNUSUAL_DEVIATIONS} are too many",
                    self.settings.commands_per_block.max(1),
                    quote(user),
                    quote(&unusual.commands.join(", ")),
                    unusual.deviations
                ),
                attack: &["T1078", "T1059"],
                reasons: vec!["command-habits".to_owned()],
                ..Finding::default()
            });
        }
        for mut finding in findings {
            let key = format!("{}\0{user}", finding.flag);
            if self.state.bursts.count(&key, event.time()).is_some() {
                finding.entity = record.entity.clone();
                out.emit_soc(finding.into_soc(NUMBER, Category::Operator, &raw.compartment));
            }
        }
    }
}

impl Biometrics {
    fn typed(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let Some((finding, evidence)) = self.state.keyboards.see(raw) else { return };
        let key = format!("{}\0{}", finding.flag, finding.entity.user.as_deref().unwrap_or_default());
        if self.state.bursts.count(&key, event.time()).is_some() {
            let soc = finding.into_soc(NUMBER, Category::Operator, &raw.compartment);
            out.emit_soc(Soc { evidence: Some(Box::new(evidence)), ..soc });
        }
    }
}

/// What is unusual, with what is known of the user.
fn unusual(profile: &Profile, parts: &[&str]) -> String {
    let new = |places: &Places, where_from: &str| {
        let (known, uses) = (places.known().saturating_sub(1), places.uses().saturating_sub(1));
        format!("{where_from} that is none of the {known} of {uses} logins before")
    };
    let words = |part: &&str| match *part {
        "hour" => {
            let active = profile.hours.active().saturating_sub(1);
            format!("at an hour of the week that is hardly ever among the {active} at which it was active before")
        }
        "source" => new(&profile.networks, "from a network"),
        _ => new(&profile.hosts, "on a machine"),
    };
    parts.iter().map(words).collect::<Vec<_>>().join(", and ")
}

/// What a login has that is unlike the earlier ones: together they weigh more than one by one.
fn login(profile: &mut Profile, event: &Event, record: &Record) -> Option<Finding> {
    let hour = profile.hours.see(event.time());
    let source = record.entity.src_ip.as_deref();
    let network = source.is_some_and(|source| profile.networks.see(&network_of(source), event.time()));
    let host = record.entity.host.as_deref().is_some_and(|host| profile.hosts.see(host, event.time()));
    let parts: Vec<&str> = [(hour, "hour"), (network, "source"), (host, "host")]
        .iter()
        .filter(|(odd, _)| *odd)
        .map(|(_, name)| *name)
        .collect();
    let (flag, score) = match parts.as_slice() {
        [] => return None,
        ["hour"] => ("UNUSUAL_HOUR", 0.52),
        ["source"] => ("UNUSUAL_SOURCE", 0.55),
        ["host"] => ("UNUSUAL_HOST", 0.52),
        _ => ("UNUSUAL_LOGIN", 0.78),
    };
    let user = record.entity.user.as_deref().unwrap_or_default();
    let from = source.map(|source| format!(" from {}", quote(source))).unwrap_or_default();
    Some(Finding {
        flag,
        score,
        summary: format!("login of {}{from} at {}: {}", quote(user), event.time(), unusual(profile, &parts)),
        attack: &["T1078"],
        reasons: parts.iter().map(|part| format!("unusual-{part}")).collect(),
        ..Finding::default()
    })
}

/// Whether the user did it: failed attempts may be a stranger's, and must not become the user's habits.
fn is_the_users_own_doing(record: &Record) -> bool {
    record.outcome != Some(false)
        && matches!(record.action, Action::Login | Action::PrivilegeUse | Action::ProcessStart)
}

impl Stateful for Biometrics {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        match &event.body {
            Body::Raw(raw) if event.stream == Stream::L3In => self.line(event, raw, out),
            Body::Raw(raw) if event.stream == Stream::L4In => self.typed(event, raw, out),
            _ => {}
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::testing::{Line, at, event, flags};
    use super::*;
    use crate::event::Format;
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;
    use crate::limits::SUMMARY_CHARS_MAX;
    use crate::parse::built_in;

    const DAY: u64 = 86_400;

    fn device() -> Box<dyn Stage> {
        (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
    }

    fn login(second: u64, src_ip: &'static str, outcome: bool) -> Line {
        let (user, program) = (Some("alice"), "sshd");
        Line {
            second,
            user,
            program,
            src_ip: Some(src_ip),
            host: Some("web"),
            action: Action::Login,
            outcome: Some(outcome),
            ..Line::default()
        }
    }

    fn office_weeks(weeks: u64) -> Vec<Line> {
        (0..weeks * 7)
            .filter(|day| day % 7 < 5)
            .flat_map(|day| (9..17).map(move |hour| login(day * DAY + hour * 3600, "198.51.100.7", true)))
            .collect()
    }

    #[test]
    fn a_login_at_night_from_elsewhere_weighs_more_than_either() {
        for (second, src_ip, expected) in [
            (28 * DAY + 3 * 3600, "203.0.113.9", "UNUSUAL_LOGIN"),
            (28 * DAY + 3 * 3600, "198.51.100.9", "UNUSUAL_HOUR"),
            (28 * DAY + 10 * 3600, "203.0.113.9", "UNUSUAL_SOURCE"),
        ] {
            let mut lines = office_weeks(4);
            lines.push(login(second, src_ip, true));
            assert_eq!(flags(&mut *device(), &lines), [expected]);
        }
    }

    #[test]
    fn somebody_elses_failed_attempts_are_neither_judged_nor_learnt() {
        let mut lines = office_weeks(4);
        lines.extend((0..100).map(|attempt| login(28 * DAY + attempt, "203.0.113.9", false)));
        lines.push(login(28 * DAY + 3 * 3600, "203.0.113.9", true));
        assert_eq!(flags(&mut *device(), &lines), ["UNUSUAL_LOGIN"]);
    }

    #[test]
    fn nothing_is_said_of_an_account_that_is_hardly_known() {
        let mut lines = office_weeks(1);
        lines.push(login(7 * DAY + 3 * 3600, "203.0.113.9", true));
        lines.retain(|line| line.second > 4 * DAY);
        assert_eq!(flags(&mut *device(), &lines), [""; 0]);
    }

    #[test]
    fn another_hand_on_the_keyboard_is_told_with_what_is_unlike_the_owner() {
        let sample = |second: u64, slower: u64| {
            let keys: Vec<u64> =
                (0..8).map(|key| 80 + slower * (key % 3 + 1) * 15 + (second * 7 + key * 5) % 11).collect();
            let flights: Vec<u64> = keys.iter().take(7).map(|key| key * 2).collect();
            let text = format!(
                r#"{{"kind":"keystrokes","user":"alice","host":"desk","text":"login","dwell_ms":{keys:?},"flight_ms":{flights:?}}}"#
            );
            let raw = Raw::new("kbd".into(), "ops".into(), Format::Auto, text.into(), Vec::new(), built_in());
            event(at(second), Stream::L4In, Body::Raw(raw))
        };
        let events: Vec<Event> = (0..60).map(|turn| sample(turn * 3600, u64::from(turn >= 50))).collect();
        let said = soc_events(&mut *device(), &events);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].flags, ["UNUSUAL_TYPING"]);
        assert_eq!((said[0].entity.user.as_deref(), said[0].entity.host.as_deref()), (Some("alice"), Some("desk")));
        let evidence = said[0].evidence.as_ref().unwrap();
        assert!(evidence.value > evidence.threshold && said[0].summary.contains("dwell"), "{}", said[0].summary);
        assert!(said[0].summary.chars().count() <= SUMMARY_CHARS_MAX, "{}", said[0].summary);
    }

    #[test]
    fn a_block_of_another_hands_commands_is_noticed() {
        let command = |turn: u64, names: &[&str]| Line {
            second: turn * 60,
            user: Some("alice"),
            action: Action::PrivilegeUse,
            command: Some(format!("/usr/bin/{}", names[(turn * 7 % 11) as usize % names.len()])),
            ..Line::default()
        };
        let own = ["vim", "make", "ls", "cd", "grep", "cat", "less", "man", "find", "ssh", "top"];
        let other = ["id", "nmap", "wget", "chmod", "nc", "base64", "ps", "ss", "crontab", "dd", "tar"];
        let mut lines: Vec<Line> = (0..2500).map(|turn| command(turn, &own)).collect();
        lines.extend((2500..2600).map(|turn| command(turn, &other)));
        assert_eq!(flags(&mut *device(), &lines), ["UNUSUAL_COMMANDS"]);
    }
}
