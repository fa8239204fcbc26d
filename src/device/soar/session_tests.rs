//! Device 58 and the logins of protected users.

use std::collections::BTreeMap;

use serde_json::json;

use super::tests::{attack_from, event, stage, written};
use super::*;
use crate::event::{Action, Entity, Format, Raw, Record};
use crate::parse::built_in;

/// Of the protected user, by the word of the journal.
fn login(second: u64, action: Action, outcome: Option<bool>) -> Event {
    told_by("journal", "0", second, action, outcome)
}

fn told_by(source: &str, uid: &str, second: u64, action: Action, outcome: Option<bool>) -> Event {
    let entity = Entity { user: Some("op".into()), src_ip: Some("203.0.113.5".into()), ..Entity::default() };
    let record = Record { action, outcome, entity, ..Record::default() };
    let beside = vec![("_UID".to_owned(), uid.to_owned())];
    let raw = Raw::new(source.into(), "ops".into(), Format::Text, "".into(), beside, built_in());
    let at = event(second, Soc::default());
    Event { stream: Stream::L3In, body: Body::Raw(raw.with_record(record)), ..at }
}

/// What is proposed with one protected user, by measure.
fn proposed_with_protected_user(events: &[Event]) -> BTreeMap<String, Value> {
    let (proposed, _) = written(stage("protected_users = [\"op\"]").as_mut(), events);
    proposed.into_iter().map(|one| (one["action"].as_str().unwrap().to_owned(), one)).collect()
}

#[test]
fn a_login_that_is_itself_part_of_the_alarm_protects_nobody_and_who_approves_is_told_of_it() {
    let alarm = Soc {
        severity: Severity::Critical,
        attack: vec!["T1110.001".into(), "T1078".into()],
        entity: Entity { user: Some("op".into()), ..attack_from("203.0.113.5").entity },
        ..attack_from("203.0.113.5")
    };
    let proposed = proposed_with_protected_user(&[login(1, Action::Login, Some(true)), event(2, alarm)]);
    assert!(proposed["block_address"]["refused"].is_null(), "{proposed:?}");
    assert!(proposed["block_address"]["caution"].as_str().unwrap().contains("protected user op"), "{proposed:?}");
    assert_eq!(proposed["end_sessions"]["commands"], json!(["loginctl terminate-user op"]));
    assert!(!proposed.contains_key("lock_user"));
}

#[test]
fn a_login_from_where_somebody_attacks_protects_nobody() {
    let accused = event(1, attack_from("203.0.113.5"));
    // The first proposal lapses; what is proposed then is of an attack by the web.
    let later = event(4000, attack_from("203.0.113.5"));
    let proposed = proposed_with_protected_user(&[accused, login(2, Action::Login, Some(true)), later]);
    assert!(proposed["block_address"]["refused"].is_null(), "{proposed:?}");
    assert!(proposed["block_address"]["caution"].is_string(), "{proposed:?}");
}

#[test]
fn a_login_that_the_journal_contradicts_or_a_sender_forges_protects_nobody_and_who_approves_is_told_of_it() {
    let attack = event(100, attack_from("203.0.113.5"));
    let by_sender = |event: Event| {
        let Body::Raw(raw) = event.body else { panic!("a line") };
        Event { body: Body::Raw(raw.named_by_sender(true)), ..event }
    };
    for told in
        [told_by("journal", "1000", 1, Action::Login, Some(true)), by_sender(login(1, Action::Login, Some(true)))]
    {
        let proposed = proposed_with_protected_user(&[told, attack.clone()]);
        assert!(proposed["block_address"]["refused"].is_null(), "{proposed:?}");
        assert!(proposed["block_address"]["caution"].is_string(), "{proposed:?}");
    }
    let forged = by_sender(login(2, Action::Logout, None));
    let proposed = proposed_with_protected_user(&[login(1, Action::Login, Some(true)), forged, attack.clone()]);
    assert!(proposed["block_address"]["refused"].is_string(), "{proposed:?}");
    let of_user = told_by("journal", "1000", 2, Action::Logout, None);
    let proposed = proposed_with_protected_user(&[login(1, Action::Login, Some(true)), of_user, attack]);
    assert!(proposed["block_address"]["refused"].is_null(), "{proposed:?}");
}

#[test]
fn where_a_protected_user_is_logged_in_from_is_not_blocked_until_the_user_has_gone() {
    let refused = |events: &[Event]| {
        let mut all = events.to_vec();
        all.push(event(100, attack_from("203.0.113.5")));
        let (proposed, _) = written(stage("protected_users = [\"op\"]").as_mut(), &all);
        proposed[0]["refused"].is_string()
    };
    assert!(refused(&[login(1, Action::Login, Some(true))]));
    let of_file = |second, action| told_by("file:/var/log/auth.log", "", second, action, Some(true));
    assert!(refused(&[of_file(1, Action::Login)]), "nobody contradicts it");
    assert!(!refused(&[of_file(1, Action::Login), of_file(2, Action::Logout)]));
    assert!(!refused(&[login(1, Action::Login, Some(false))]), "guessing at the name protects nobody");
    assert!(!refused(&[login(1, Action::Login, Some(true)), login(2, Action::Logout, None)]));
}
