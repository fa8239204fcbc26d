//! Layer 3: judges each line. One decision for every event of `L3_IN`.
//!
//! Sigma rules, patterns of web attacks and the alerts of other products say what a single line means. It has no memory: what lines
//! mean together is for Layer 4. The decision has the score of the strongest of these detections and names them all.

mod alert;
pub(crate) mod config;
mod detection;
mod web_attack;

use std::sync::Arc;

use self::detection::{Detection, Model};
use super::reasons::{SOURCE_NOT_PROVEN, TIME_NOT_BELIEVED, left_before_login, reason};
use super::row::PreparedStage;
use super::stage::{Outbox, Stage, Stateful};
use super::{one_line, rule_files, verdict};
use crate::config::Finding;
use crate::detect::packet;
use crate::detect::sigma::{Problem, RuleMatch, RuleSet};
use crate::detect::{web, web_login};
use crate::event::{Action, Body, Category, Decision, Event, Evidence, Happened, Raw, Record, Stream, Verdict};
use crate::limits;

/// Reads and compiles the rules; which bad ones are errors [`RuleFiles::judge`](rule_files::RuleFiles::judge) says.
///
/// # Errors
/// A path cannot be read, holds no rule file, or is a file with a bad rule.
pub fn prepare(config: &config::L3) -> Result<PreparedStage, Vec<Finding>> {
    let files = rule_files::read(config)?;
    let (rules, problems) = RuleSet::compile(&files.texts);
    let mut warnings = files.judge(rule_files::RULES, problems)?;
    let rules = Arc::new(rules);
    let (patterns, more) = patterns(config)?;
    warnings.extend(more);
    let make = move || -> Box<dyn Stage> {
        let (rules, web) = (Arc::clone(&rules), Arc::clone(&patterns));
        Box::new(L3 { rules, web, models: Models::new(), state: () })
    };
    Ok(PreparedStage { make: Arc::new(make), warnings })
}

/// Of the files of patterns in the configuration.
const WEB: &str = "l3.web";

/// The patterns of web attacks. Those that come with the daemon alone are compiled once.
fn patterns(config: &config::L3) -> Result<(Arc<web::Patterns>, Vec<Finding>), Vec<Finding>> {
    if config.builtin_web && config.web.is_empty() {
        return Ok((Arc::clone(&web::builtin::patterns().0), Vec::new()));
    }
    let wanted = rule_files::Wanted { key: WEB, endings: rule_files::TOML, builtin: Vec::new(), paths: &config.web };
    let files = wanted.read()?;
    let mut texts = if config.builtin_web { web::builtin::texts() } else { Vec::new() };
    let own = files.texts.iter();
    texts.extend(own.map(|text| web::WebText::new(&text.file, &text.yaml)));
    let (patterns, mistakes) = web::Patterns::compile(&texts);
    let problems = mistakes.into_iter().map(|mistake| Problem::not_loaded(&mistake.file, mistake.problem)).collect();
    let warnings = files.judge(WEB, problems)?;
    Ok((Arc::new(patterns), warnings))
}

struct L3 {
    rules: Arc<RuleSet>,
    web: Arc<web::Patterns>,
    models: Models,
    state: (),
}

/// The names as decisions share them.
struct Models {
    sigma: Arc<str>,
    formats: Arc<str>,
    web: Arc<str>,
}

impl Stateful for L3 {
    type State = ();

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let Body::Raw(raw) = &event.body else { return };
        let matches = self.rules.matches(raw.record());
        let decision = self.judge(event, raw, matches);
        out.emit(Stream::L3Out, Body::Decision(Box::new(decision)));
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

impl L3 {
    /// A function of the line alone.
    fn judge(&self, event: &Event, raw: &Raw, matches: Vec<RuleMatch>) -> Decision {
        let record = raw.record();
        let mut detections = Vec::with_capacity(matches.len() + 2);
        let (action, outcome) = match web_login::is_failed(record) {
            true => (Action::Login, Some(false)),
            false => (record.action, record.outcome),
        };
        let happened = reason(action, outcome).or_else(|| left_before_login(record));
        detections.extend(happened.map(|(reason, score)| Detection::of_format(reason, score)));
        let matched = matches.into_iter().map(|hit| of_rule(hit, record));
        let requests = web_attack::detections(&self.web, record);
        detections.extend(matched.chain(alert::detection(record)).chain(requests));
        // Stable: of equal scores the earlier detection leads.
        detections.sort_by(|left, right| right.score.total_cmp(&left.score));
        detections.truncate(limits::REASONS_MAX);

        let (score, model) =
            detections.first().map_or((0.0, Model::Sigma), |detection| (detection.score, detection.model));
        let verdict = verdict(score);
        let summary = match detections.first() {
            Some(detection) if verdict != Verdict::Benign => one_line(&detection.summary),
            _ => String::new(),
        };
        let mut entity = record.entity.clone();
        if detections.first().is_some_and(|detection| detection.is_of_address) {
            entity.user = None;
        }
        let rule = detections.first().and_then(|it| it.rule.clone()).filter(|_| verdict != Verdict::Benign);
        let evidence = rule.map(|rule| Box::new(Evidence { rule: Some(rule), ..Evidence::default() }));
        let mut attack: Vec<String> =
            detections.iter().flat_map(|detection| detection.techniques.iter().cloned()).collect();
        attack.sort();
        attack.dedup();
        let mut reasons: Vec<String> = detections.into_iter().map(|detection| detection.reason).collect();
        if verdict != Verdict::Benign && entity.src_ip.is_some() && !packet::proves_source(record) {
            reasons.push(SOURCE_NOT_PROVEN.to_owned());
        }
        if event.times.is_doubted() {
            reasons.push(TIME_NOT_BELIEVED.to_owned());
        }
        Decision {
            verdict,
            score,
            model: self.models.name(model),
            device_id: model as u16,
            compartment: Arc::clone(&raw.compartment),
            input_ref: String::new(),
            entity,
            category: category(record),
            happened: Happened {
                program: record.program.clone(),
                action: record.action,
                outcome: record.outcome,
                times: record.times(),
            },
            reasons,
            attack,
            summary,
            alarm: None,
            evidence,
        }
    }
}

impl Models {
    fn new() -> Self {
        Self { sigma: "sigma".into(), formats: "formats".into(), web: "web".into() }
    }

    fn name(&self, model: Model) -> Arc<str> {
        Arc::clone(match model {
            Model::Sigma => &self.sigma,
            Model::Formats => &self.formats,
            Model::Web => &self.web,
        })
    }
}

fn of_rule(hit: RuleMatch, record: &Record) -> Detection {
    let summary = format!("{}: {}", hit.rule.title, record.message.trim_start());
    Detection {
        model: Model::Sigma,
        score: hit.score,
        reason: hit.rule.title.clone(),
        techniques: hit.techniques,
        summary,
        is_of_address: false,
        rule: Some(hit.rule),
    }
}

fn category(record: &Record) -> Category {
    match record.action {
        Action::Login | Action::Logout | Action::Session | Action::PrivilegeUse | Action::AccountChange => {
            Category::Auth
        }
        Action::Connection | Action::DnsQuery | Action::Mail => Category::Network,
        Action::Alert if record.entity.src_ip.is_some() || record.entity.dst_ip.is_some() => Category::Network,
        Action::HttpRequest => Category::App,
        Action::Other if matches!(record.program.as_deref(), Some("sshd" | "sshd-session" | "sudo" | "su")) => {
            Category::Auth
        }
        _ => Category::System,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::{Entity, EventId, Format, Times, Timestamp};
    use crate::layer::testing::decisions;
    use crate::parse::built_in;

    fn event(record: Record) -> Event {
        let raw =
            Raw::new("test".into(), "ops".into(), Format::Auto, "".into(), Vec::new(), built_in()).with_record(record);
        let id = EventId::new(1_700_000_000_000, 0);
        Event {
            id,
            stream: Stream::L3In,
            times: Times::at(Timestamp::from_millis(id.ms())),
            root: id,
            body: Body::Raw(raw),
        }
    }

    fn decide(record: Record) -> Decision {
        decide_all([record]).remove(0)
    }

    #[test]
    fn an_alert_about_an_address_is_of_the_network_and_another_of_the_system() {
        let of = |src_ip: Option<&str>, dst_ip: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let entity = Entity { src_ip: own(src_ip), dst_ip: own(dst_ip), ..Entity::default() };
            category(&Record { action: Action::Alert, entity, ..Record::default() })
        };
        let about = [of(Some("192.0.2.1"), None), of(None, Some("192.0.2.1")), of(None, None)];
        assert_eq!(about, [Category::Network, Category::Network, Category::System]);
    }

    #[test]
    fn an_ordinary_line_gets_a_benign_decision_about_its_entity() {
        let entity = Entity { host: Some("atlas".into()), ..Entity::default() };
        let decision = decide(Record { message: "Started Daily apt download.".into(), entity, ..Record::default() });
        assert_eq!((decision.verdict, decision.score, decision.summary.as_str()), (Verdict::Benign, 0.0, ""));
        assert_eq!(decision.input_ref, "1700000000000-0");
        assert_eq!(decision.entity.host.as_deref(), Some("atlas"));
    }

    #[test]
    fn patterns_of_ones_own_are_loaded_and_take_the_place_of_those_with_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let own = |name: &str, text: &str| {
            format!(
                "[[technique]]\nname = {name:?}\ntitle = \"Own\"\nattack = \"T1190\"\nlevel = \"low\"\n[[technique.pattern]]\nin = \"path\"\nany = [{text:?}]\n"
            )
        };
        let reasons = |config: &config::L3, url: &str| {
            let fields = [("method", "GET"), ("url", url), ("status", "404")];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let record = Record { action: Action::HttpRequest, fields, ..Record::default() };
            let mut stage = prepare(config).unwrap().stage();
            decisions(&mut *stage, &[event(record)]).remove(0).reasons
        };
        let config = config::L3 { web: vec![folder.path().to_owned()], ..config::L3::default() };
        std::fs::write(folder.path().join("a.toml"), own("own_probe", "/our-bait")).unwrap();
        assert_eq!(reasons(&config, "/our-bait/x"), ["own_probe"]);
        assert_eq!(reasons(&config, "/?f=../../etc/passwd"), reasons(&config::L3::default(), "/?f=../../etc/passwd"));
        let name = reasons(&config, "/?f=../../etc/passwd").remove(0);
        std::fs::write(folder.path().join("a.toml"), own(&name, "/our-bait")).unwrap();
        assert!(!reasons(&config, "/?f=../../etc/passwd").contains(&name));
        std::fs::write(folder.path().join("a.toml"), own("own_probe", "UPPER")).unwrap();
        assert_eq!(prepare(&config).unwrap().warnings.len(), 1, "a folder warns");
        let named = config::L3 { web: vec![folder.path().join("a.toml")], ..config };
        assert!(prepare(&named).is_err(), "a file that is named is an error");
    }

    #[test]
    fn an_attackers_text_is_shown_escaped() {
        let record = Record {
            program: Some("sudo".into()),
            action: Action::PrivilegeUse,
            message: "eve : COMMAND=/usr/bin/cat /etc/shadow \u{1b}[2J".into(),
            command: Some("/usr/bin/cat /etc/shadow \u{1b}[2J".into()),
            outcome: Some(true),
            ..Record::default()
        };
        let decision = decide(record);
        assert_eq!((decision.verdict, decision.category), (Verdict::Malicious, Category::Auth));
        assert!(decision.summary.contains("\\u{1b}") && !decision.summary.contains('\u{1b}'), "{}", decision.summary);
        assert!(decision.attack.contains(&"T1003.008".to_owned()), "{:?}", decision.attack);
    }

    fn decide_all(records: impl IntoIterator<Item = Record>) -> Vec<Decision> {
        let mut stage = prepare(&config::L3::default()).unwrap().stage();
        let events: Vec<Event> = records.into_iter().map(event).collect();
        decisions(&mut *stage, &events)
    }

    #[test]
    fn a_line_is_judged_alike_whatever_came_before_it() {
        let record = Record { message: "audit log cleared".into(), repeated: Some(9), ..Record::default() };
        let decisions = decide_all(std::iter::repeat_n(record, 99));
        assert!(decisions.iter().all(|decision| *decision == decisions[0] && decision.verdict == Verdict::Malicious));
        assert_eq!(
            (decisions[0].happened.times, &*decisions[0].reasons),
            (9, &["Log Reported As Cleared".to_owned()][..])
        );
    }

    #[test]
    fn a_bad_rule_is_a_warning_in_a_folder_and_an_error_in_a_named_file() {
        let folder = tempfile::tempdir().unwrap();
        let bad = folder.path().join("bad.yml");
        std::fs::write(&bad, "title: Bad\nlogsource: {product: linux}\n").unwrap();
        let of = |path: &Path| config::L3 { rules: vec![path.to_owned()], ..config::L3::default() };
        let warnings = prepare(&of(folder.path())).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].problem.contains("bad.yml"), "{warnings:?}");
        assert!(prepare(&of(&bad)).is_err());
        assert!(prepare(&of(&folder.path().join("absent"))).is_err());
    }

    #[test]
    fn every_rule_of_a_public_pack_loads_or_is_reported() {
        let Some(data) = std::env::var_os("DSMIL_DATA") else {
            eprintln!("skipped: DSMIL_DATA is not set");
            return;
        };
        let pack = Path::new(&data).join("sigma");
        let config = config::L3 { rules: vec![pack], builtin_rules: false, ..config::L3::default() };
        let prepared = prepare(&config).unwrap();
        let texts = rule_files::read(&config).unwrap().texts;
        let (files, rules) = (texts.len(), RuleSet::compile(&texts).0.len());
        let unreadable: Vec<&Finding> =
            prepared.warnings.iter().filter(|warning| !warning.problem.contains("log source")).collect();
        eprintln!("{files} files, {rules} rules loaded, not loaded: {unreadable:?}");
        assert!(rules + unreadable.len() >= files);
    }
}
