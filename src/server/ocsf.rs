//! SOC events and incidents as the Open Cybersecurity Schema Framework has them (<https://schema.ocsf.io/1.3.0/classes/detection_finding>):
//! class 2004, Detection Finding. Pure.

use serde_json::{Map, Value, json};

use super::incidents::fold::{Incident, State};
use crate::detect::tactic::Tactic;
use crate::event::{Body, Entity, Event, Severity};

/// The version of the schema that this is of.
const SCHEMA_VERSION: &str = "1.3.0";
const CATEGORY_FINDINGS: u32 = 2;
const CLASS_DETECTION_FINDING: u32 = 2004;

/// What is done with the finding.
#[derive(Clone, Copy)]
enum Activity {
    Create = 1,
    Update = 2,
    Close = 3,
}

impl Activity {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Close => "Close",
        }
    }
}

/// A SOC event as a finding; `None` for an event of another stream.
pub fn of_event(event: &Event) -> Option<Value> {
    let Body::Soc(soc) = &event.body else { return None };
    let alarm = soc.alarm.as_ref();
    let activity = match alarm {
        Some(alarm) if alarm.is_over => Activity::Close,
        Some(alarm) if alarm.count > 1 => Activity::Update,
        _ => Activity::Create,
    };
    let id = event.id.to_string();
    let uid = alarm.map(|alarm| alarm.id.clone()).filter(|uid| !uid.is_empty()).unwrap_or_else(|| id.clone());
    let times = alarm.map(|alarm| (alarm.first_ts, alarm.last_ts));
    let mut info = finding_info(&uid, title(&soc.summary, &soc.reasons, &soc.flags), times);
    info.insert("attacks".into(), attacks(&soc.attack));
    info.insert("types".into(), json!(soc.flags));
    let status = if soc.silence_id.is_some() { (3, "Suppressed") } else { (1, "New") };
    let mut finding = finding(activity, millis(event.ts().seconds()), soc.severity, &info, &id);
    finding.insert("message".into(), json!(soc.summary));
    finding.insert("status_id".into(), json!(status.0));
    finding.insert("status".into(), json!(status.1));
    finding.insert("confidence_score".into(), json!((soc.score * 100.0).round() as i64));
    finding.insert("evidences".into(), json!([evidence(&soc.entity)]));
    finding.insert("observables".into(), observables(&soc.entity));
    let unmapped = json!({ "reasons": soc.reasons, "input_ref": soc.input_ref, "compartment": soc.compartment,
        "src_device": soc.src_device, "incident_id": soc.incident_id });
    finding.insert("unmapped".into(), unmapped);
    Some(Value::Object(finding))
}

/// An incident as a finding: the same from its first report to its end.
pub fn of_incident(incident: &Incident) -> Value {
    let activity = match incident.state {
        State::Closed => Activity::Close,
        State::Acknowledged => Activity::Update,
        State::Open => Activity::Create,
    };
    let status = match incident.state {
        State::Open => (1, "New"),
        State::Acknowledged => (2, "In Progress"),
        State::Closed => (4, "Resolved"),
    };
    let times = Some((incident.first_ts, incident.last_ts));
    let mut info = finding_info(&incident.id, title(&incident.summary, &[], &[]), times);
    info.insert("attacks".into(), attacks(&incident.attack));
    let related = incident.events.iter().map(|id| json!({ "uid": id }));
    info.insert("related_events".into(), related.collect());
    let mut finding = finding(activity, millis(incident.last_ts), incident.severity, &info, &incident.id);
    finding.insert("message".into(), json!(incident.summary));
    finding.insert("status_id".into(), json!(status.0));
    finding.insert("status".into(), json!(status.1));
    finding.insert("count".into(), json!(incident.count));
    finding.insert("confidence_score".into(), json!((incident.score * 100.0).round() as i64));
    finding.insert("evidences".into(), json!([evidence(&incident.entity)]));
    finding.insert("observables".into(), observables(&incident.entity));
    finding.insert("unmapped".into(), json!({ "resolution": incident.resolution, "attacker": incident.attacker }));
    Value::Object(finding)
}

/// What every finding must have. `time` is in milliseconds since the epoch, as the schema wants it.
fn finding(
    activity: Activity,
    time: u64,
    severity: Severity,
    info: &Map<String, Value>,
    uid: &str,
) -> Map<String, Value> {
    let activity_id = activity as u32;
    let (severity_id, severity) = match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let product = json!({ "name": "dsmild", "vendor_name": "dsmild", "version": env!("CARGO_PKG_VERSION") });
    let all = json!({
        "activity_id": activity_id,
        "activity_name": activity.name(),
        "category_uid": CATEGORY_FINDINGS,
        "category_name": "Findings",
        "class_uid": CLASS_DETECTION_FINDING,
        "class_name": "Detection Finding",
        "type_uid": CLASS_DETECTION_FINDING * 100 + activity_id,
        "type_name": format!("Detection Finding: {}", activity.name()),
        "time": time,
        "severity_id": severity_id,
        "severity": severity,
        "metadata": { "version": SCHEMA_VERSION, "product": product, "uid": uid },
        "finding_info": info,
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

fn finding_info(uid: &str, title: String, times: Option<(f64, f64)>) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("uid".into(), uid.into());
    info.insert("title".into(), title.into());
    if let Some((first, last)) = times.filter(|(first, _)| *first > 0.0) {
        info.insert("first_seen_time".into(), millis(first).into());
        info.insert("last_seen_time".into(), millis(last).into());
    }
    info
}

/// A finding has to have one.
fn title(summary: &str, reasons: &[String], flags: &[String]) -> String {
    let first =
        [summary].into_iter().chain(reasons.iter().chain(flags).map(String::as_str)).find(|text| !text.is_empty());
    first.unwrap_or("a SOC event without words").to_owned()
}

fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).max(0.0).round() as u64
}

fn attacks(techniques: &[String]) -> Value {
    let attack = |technique: &String| {
        let mut attack = json!({ "technique": { "uid": technique } });
        if let (Some(tactic), Some(attack)) = (Tactic::of(technique), attack.as_object_mut()) {
            attack.insert("tactic".into(), json!({ "name": tactic.name() }));
        }
        attack
    };
    techniques.iter().map(attack).collect()
}

fn evidence(entity: &Entity) -> Value {
    let mut evidence = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            evidence.insert(name.to_owned(), value);
        }
    };
    put("src_endpoint", entity.src_ip.as_ref().map(|ip| json!({ "ip": ip })));
    put("dst_endpoint", entity.dst_ip.as_ref().map(|ip| json!({ "ip": ip, "port": entity.dst_port })));
    put("actor", entity.user.as_ref().map(|user| json!({ "user": { "name": user } })));
    put("device", entity.host.as_ref().map(|host| json!({ "hostname": host, "type_id": 0 })));
    put("process", entity.process.as_ref().map(|process| json!({ "name": process })));
    put("query", entity.domain.as_ref().map(|domain| json!({ "hostname": domain })));
    put("file", entity.file.as_ref().map(|file| json!({ "name": file, "type_id": 0 })));
    Value::Object(evidence)
}

fn observables(entity: &Entity) -> Value {
    let known = [
        ("evidences[].src_endpoint.ip", 2, "IP Address", &entity.src_ip),
        ("evidences[].dst_endpoint.ip", 2, "IP Address", &entity.dst_ip),
        ("evidences[].actor.user.name", 4, "User Name", &entity.user),
        ("evidences[].device.hostname", 1, "Hostname", &entity.host),
        ("evidences[].query.hostname", 1, "Hostname", &entity.domain),
        ("evidences[].process.name", 9, "Process Name", &entity.process),
        ("evidences[].file.name", 7, "File Name", &entity.file),
    ];
    let observable = |(name, type_id, kind, value): (&str, u32, &str, &Option<String>)| {
        let value = value.as_ref()?;
        Some(json!({ "name": name, "type_id": type_id, "type": kind, "value": value }))
    };
    known.into_iter().filter_map(observable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Alarm, EventId, Soc, Stream, Times, Timestamp};

    type Is = fn(&Value) -> bool;

    /// What class 2004 of version 1.3.0 requires, with what it has to be.
    const REQUIRED: [(&str, Is); 12] = [
        ("/activity_id", Value::is_u64),
        ("/category_uid", Value::is_u64),
        ("/class_uid", Value::is_u64),
        ("/type_uid", Value::is_u64),
        ("/severity_id", Value::is_u64),
        ("/time", Value::is_u64),
        ("/finding_info", Value::is_object),
        ("/finding_info/title", Value::is_string),
        ("/finding_info/uid", Value::is_string),
        ("/metadata/version", Value::is_string),
        ("/metadata/product", Value::is_object),
        ("/metadata/product/vendor_name", Value::is_string),
    ];

    fn event(soc: Soc) -> Event {
        let (id, times) = (EventId::new(7, 0), Times::at(Timestamp::from_millis(1_700_000_000_500)));
        Event { id, stream: Stream::SocEvents, times, root: id, body: Body::Soc(Box::new(soc)) }
    }

    #[test]
    fn every_finding_has_what_the_schema_requires_of_the_type_that_it_requires() {
        let alarm = |count, is_over| {
            Some(Alarm { id: "5-0".into(), count, is_over, first_ts: 1.5, last_ts: 2.0, ..Alarm::default() })
        };
        let socs = [
            Soc::default(),
            Soc { alarm: alarm(1, false), severity: Severity::Critical, ..Soc::default() },
            Soc { alarm: alarm(9, false), attack: vec!["T1110".into()], ..Soc::default() },
            Soc { alarm: alarm(9, true), summary: "over".into(), ..Soc::default() },
        ];
        for (soc, activity) in socs.into_iter().zip([1, 1, 2, 3]) {
            let finding = of_event(&event(soc)).unwrap();
            for (path, is) in REQUIRED {
                assert!(finding.pointer(path).is_some_and(is), "{path}: {finding:#}");
            }
            assert_eq!((&finding["class_uid"], &finding["type_uid"]), (&json!(2004), &json!(200_400 + activity)));
            assert!(!finding["finding_info"]["title"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn a_finding_says_whom_it_is_about_when_and_by_which_technique() {
        let entity = Entity { user: Some("eve".into()), src_ip: Some("203.0.113.5".into()), ..Entity::default() };
        let soc =
            Soc { entity, attack: vec!["T1110.001".into()], severity: Severity::High, score: 0.8, ..Soc::default() };
        let finding = of_event(&event(soc)).unwrap();
        assert_eq!((&finding["time"], &finding["severity_id"]), (&json!(1_700_000_000_500_u64), &json!(4)));
        assert_eq!(finding["observables"][0]["value"], "203.0.113.5");
        assert_eq!(finding["evidences"][0]["actor"]["user"]["name"], "eve");
        let attack = &finding["finding_info"]["attacks"][0];
        assert_eq!(
            (&attack["technique"]["uid"], &attack["tactic"]["name"]),
            (&json!("T1110.001"), &json!("credential-access"))
        );
        assert_eq!(finding["confidence_score"], 80);
    }
}
