//! What is reported of judgements of single lines.

use super::*;
use crate::event::{Action, Alarm, Category, Entity, EventId, Happened, Times};
use crate::layer::CAMPAIGN;
use crate::layer::testing::soc_events;
use crate::limits;

/// A judgement of Layer 3.
#[derive(Clone, Copy)]
struct Said<'a> {
    at: u64,
    reasons: &'a [&'a str],
    score: f64,
    user: Option<&'a str>,
    address: Option<&'a str>,
    host: &'a str,
    outcome: bool,
}

const SAID: Said<'static> = Said {
    at: 0,
    reasons: &["sql_injection"],
    score: 0.6,
    user: None,
    address: Some("203.0.113.9"),
    host: "web1",
    outcome: true,
};

impl Said<'_> {
    fn event(&self) -> Event {
        let ts = Timestamp::from_millis(1_700_000_000_000 + self.at * 1000);
        let own = |text: Option<&str>| text.map(str::to_owned);
        let entity = Entity {
            user: own(self.user),
            src_ip: own(self.address),
            host: Some(self.host.to_owned()),
            ..Entity::default()
        };
        let decision = Decision {
            verdict: crate::layer::verdict(self.score),
            score: self.score,
            entity,
            category: Category::App,
            happened: Happened { action: Action::HttpRequest, outcome: Some(self.outcome), ..Happened::default() },
            reasons: self.reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..Decision::benign("web".into(), 19, "ops".into(), EventId::ZERO)
        };
        let id = EventId::new(ts.millis(), 0);
        Event { id, stream: Stream::L3Out, times: Times::at(ts), root: id, body: Body::Decision(Box::new(decision)) }
    }
}

fn reported(events: &[Event]) -> Vec<Soc> {
    let mut stage = (prepare(&config::Fusion::default(), None, KnownRules::default()).make)();
    soc_events(&mut *stage, events)
}

fn ticks(from_s: u64, to_s: u64) -> impl Iterator<Item = Event> {
    (from_s..to_s).step_by(60).map(|at| {
        let event = Said { at, ..SAID }.event();
        Event { stream: Stream::Tick, body: Body::Tick, ..event }
    })
}

#[test]
fn another_technique_is_reported_at_once_however_much_noise_came_before_it() {
    let noise = |at| Said { at, ..SAID }.event();
    let others = [
        (300, &["path_traversal", "refused_request"][..]),
        (301, &["command_injection"][..]),
        // Named behind what is known, in one request with it.
        (302, &["sql_injection", "lookup_injection"][..]),
    ];
    let mut events: Vec<Event> = (0..20).map(noise).collect();
    events.extend(others.map(|(at, reasons)| Said { at, reasons, ..SAID }.event()));
    let reasons: Vec<Vec<String>> = reported(&events).into_iter().map(|soc| soc.reasons).collect();
    assert_eq!(reasons.len(), 3 + 3, "{reasons:?}");
    for name in ["path_traversal", "command_injection", "lookup_injection"] {
        assert!(reasons.iter().any(|reasons| reasons.iter().any(|reason| reason == name)), "{name}");
    }
}

#[test]
fn another_machine_and_another_source_are_reported_at_once_whatever_the_user_is() {
    let root = Said { reasons: &["Login Of Root By Password"], user: Some("root"), ..SAID };
    let mut events: Vec<Event> = (0..20).map(|at| Said { at, host: "test1", ..root }.event()).collect();
    let before = reported(&events).len();
    events.push(Said { at: 30, host: "bank", ..root }.event());
    events.push(Said { at: 31, host: "test1", address: Some("192.0.2.7"), ..root }.event());
    assert_eq!(reported(&events).len(), before + 2);
    let local = |at, host| Said { at, host, user: Some("root"), address: None, ..SAID }.event();
    let mut events: Vec<Event> = (0..20).map(|at| local(at, "test1")).collect();
    let before = reported(&events).len();
    events.push(local(30, "bank"));
    assert_eq!(reported(&events).len(), before + 1);
}

#[test]
fn names_that_an_attacker_chooses_make_no_flood() {
    let names: Vec<String> = (0..400).map(|n| format!("a{n}")).collect();
    let events: Vec<Event> = (0..400).map(|n| Said { at: n, user: Some(&names[n as usize]), ..SAID }.event()).collect();
    assert_eq!(reported(&events).len(), 7, "at powers of two");
}

#[test]
fn a_thousand_sources_of_the_same_attack_are_one_campaign_and_those_of_one_customer_one_source() {
    let names: Vec<String> = (0..1000).map(|n| format!("198.18.{}.{}", n / 250, n % 250)).collect();
    let from = |names: &[String]| {
        let events = names.iter().zip(0..).map(|(name, at)| Said { at, address: Some(name), ..SAID }.event());
        reported(&events.chain(ticks(1000, 9000)).collect::<Vec<_>>())
    };
    let campaign = from(&names);
    assert!(campaign.len() <= 45, "{}", campaign.len());
    let over = campaign.last().unwrap();
    let alarm = over.alarm.as_ref().unwrap();
    assert_eq!((over.reasons[0].as_str(), alarm.is_over, alarm.count), ("campaign", true, 1000));
    let named: std::collections::BTreeSet<&str> = campaign
        .iter()
        .flat_map(|soc| {
            let members = soc.alarm.iter().flat_map(|alarm| alarm.members.iter().map(String::as_str));
            members.chain(soc.entity.src_ip.as_deref())
        })
        .collect();
    assert_eq!(named.len(), 1000, "everybody is named");
    assert!(campaign.iter().all(|soc| soc.entity.src_ip.is_some()), "each names the one whose line made it due");
    let customer: Vec<String> = (0..1000).map(|n| format!("2001:db8:1:2::{n:x}")).collect();
    assert_eq!(from(&customer).len(), 8 + 1, "at powers of two, and that it is over");
}

#[test]
fn those_that_are_worse_are_reported_each_for_itself_until_they_are_many_as_well() {
    let names: Vec<String> = (0..200).map(|n| format!("198.18.{}.{}", n / 250, n % 250)).collect();
    let mut events: Vec<Event> =
        names.iter().zip(0..).map(|(name, at)| Said { at, address: Some(name), ..SAID }.event()).collect();
    let before = reported(&events).len();
    events.push(Said { at: 300, address: Some("203.0.113.66"), score: 0.85, ..SAID }.event());
    events.push(Said { at: 301, address: Some(&names[150]), score: 0.85, ..SAID }.event());
    let reported_then = reported(&events);
    assert_eq!(reported_then.len(), before + 2);
    assert!(reported_then.iter().skip(before).all(|soc| soc.entity.src_ip.is_some() && soc.severity == Severity::High));
    let worse = names.iter().zip(400..).map(|(name, at)| Said { at, address: Some(name), score: 0.85, ..SAID }.event());
    events.extend(worse);
    assert!(reported(&events).len() <= before + 2 + 32 + 5);
}

#[test]
fn what_a_known_source_tries_in_vain_is_no_news_unless_it_weighs_more_or_succeeds() {
    let probe =
        |at, reason: &'static [&'static str], score| Said { at, reasons: reason, score, outcome: false, ..SAID };
    let first = probe(0, &["secret_file_probed"], 0.4);
    let heard = |second: Said<'_>| reported(&[first.event(), second.event()]).len() == 2;
    let another = probe(10, &["scanner_agent"], 0.4);
    assert!(!heard(another));
    assert!(heard(Said { outcome: true, ..another }), "it succeeded");
    assert!(heard(Said { score: 0.6, ..another }), "it weighs more");
    let worse = Said { score: 0.7, ..first };
    assert_eq!(reported(&[worse.event(), Said { score: 0.6, ..another }.event()]).len(), 2, "it is of some weight");
    let mut counted = another.event();
    let Body::Decision(decision) = &mut counted.body else { unreachable!() };
    decision.model = "rates".into();
    assert_eq!(reported(&[first.event(), counted]).len(), 2, "many lines show it");
    assert!(heard(Said { address: Some("198.51.100.7"), ..another }), "another source");
    assert!(heard(Said { at: 3601, ..another }), "an hour later");
    let many = (0..20).map(|at| Said { at, ..another }.event());
    let events: Vec<Event> = std::iter::once(first.event()).chain(many).collect();
    assert_eq!(reported(&events).len(), 1, "nor that it goes on");
    let unproven = Said { reasons: &["port_scan", "source_not_proven"], ..first };
    assert_eq!(reported(&[unproven.event(), another.event()]).len(), 2, "whom anybody can accuse is not known");
}

#[test]
fn an_order_of_things_whose_last_line_was_reported_as_bad_is_no_news_whomever_it_names() {
    let line =
        Said { reasons: &["User Added To An Administrators' Group"], user: Some("deploy"), address: None, ..SAID };
    let order = |score: f64, model: &str| {
        let mut event = Said { user: Some("svc-sync"), score, ..line }.event();
        event.stream = Stream::L4Out;
        let Body::Decision(decision) = &mut event.body else { unreachable!() };
        decision.model = model.into();
        decision.alarm = Some(Box::new(Alarm { id: "a".into(), count: 2, ..Alarm::default() }));
        reported(&[line.event(), event]).len() == 2
    };
    assert!(!order(0.6, "sequence"));
    assert!(order(0.8, "sequence"), "worse");
    assert!(order(0.6, "rates"), "about another");
}

#[test]
fn what_both_layers_say_of_one_line_and_doer_is_reported_once_unless_layer_4_says_worse() {
    let line = Said { score: 0.8, ..SAID }.event();
    let of_layer_4 = |change: &dyn Fn(&mut Event, &mut Decision)| {
        let mut event = Said { score: 0.8, ..SAID }.event();
        event.stream = Stream::L4Out;
        let Body::Decision(mut decision) = event.body.clone() else { unreachable!() };
        decision.model = "sequence".into();
        decision.alarm = Some(Box::new(Alarm { id: "a".into(), count: 1, ..Alarm::default() }));
        change(&mut event, &mut decision);
        event.body = Body::Decision(decision);
        event
    };
    let heard = |second: &Event| reported(&[line.clone(), second.clone()]).len() == 2;
    assert!(!heard(&of_layer_4(&|_, _| {})));
    assert!(heard(&of_layer_4(&|_, decision| decision.score = 0.95)), "worse");
    assert!(heard(&of_layer_4(&|event, _| event.root = EventId::new(7, 0))), "another line");
    assert!(heard(&of_layer_4(&|_, decision| decision.entity.src_ip = Some("198.51.100.7".into()))), "another doer");
    let over = of_layer_4(&|_, decision| {
        decision.alarm = Some(Box::new(Alarm { id: "a".into(), is_over: true, ..Alarm::default() }));
    });
    let begun = of_layer_4(&|_, _| {});
    assert_eq!(reported(&[line.clone(), begun.clone(), over.clone()]).len(), 1, "nobody was told that it began");
    assert_eq!(reported(&[begun, over]).len(), 2);
}

#[test]
fn what_nobody_was_told_of_and_what_has_not_grown_since_it_was_reported_needs_no_end() {
    let over = |lines: Vec<Event>| {
        let reported = reported(&lines.into_iter().chain(ticks(100, 9000)).collect::<Vec<_>>());
        reported
            .into_iter()
            .filter_map(|soc| soc.alarm)
            .filter(|alarm| alarm.is_over)
            .map(|alarm| alarm.count)
            .collect::<Vec<_>>()
    };
    let two = &["sql_injection", "path_traversal"];
    let of = |lines: u64| (0..lines).map(|at| Said { at, reasons: two, ..SAID }.event()).collect();
    assert_eq!([1, 2, 7, 8].map(|lines| over(of(lines))), [const { Vec::<u64>::new() }; 4]);
    assert_eq!(over(of(12)), [12], "of the first meaning alone: the other was never reported under a name of its own");
    let vain = |at| Said { at, reasons: &["scanner_agent"], score: 0.4, outcome: false, ..SAID }.event();
    let unheard = std::iter::once(SAID.event()).chain((1..8).map(vain)).collect();
    assert_eq!(over(unheard), [0; 0]);
}

#[test]
fn of_users_and_machines_that_anybody_can_name_many_are_one_campaign_that_hides_nobody_known_by_address() {
    let named = |n: u64| {
        let (user, host) = (format!("u{n}"), format!("h{n}"));
        Said { at: n * 7, address: None, user: Some(&user), host: &host, outcome: false, ..SAID }.event()
    };
    let by_address = |at, address| Said { at, address: Some(address), ..SAID }.event();
    let mut events: Vec<Event> = (0..500).map(named).collect();
    events.insert(400, by_address(2800, "192.0.2.7"));
    let reported = reported(&events);
    let campaign: Vec<&Soc> = reported.iter().filter(|soc| soc.reasons[0] == CAMPAIGN).collect();
    assert_eq!(campaign.iter().map(|soc| soc.alarm.as_ref().unwrap().count).collect::<Vec<_>>(), [33, 64, 128, 256]);
    assert!(campaign[3].alarm.as_ref().unwrap().members.contains(&"u255 on h255".to_owned()));
    assert_eq!(reported.len(), limits::CAMPAIGN_SINGLE_MAX + 4 + 1);
    assert!(reported.iter().any(|soc| soc.entity.src_ip.as_deref() == Some("192.0.2.7")));
}

#[test]
fn alerts_of_another_product_that_have_each_a_name_of_its_own_are_a_campaign_that_names_them() {
    let alert = |n: u64| {
        let rule = format!("rule {n}");
        let mut event = Said { at: n * 7, reasons: &[&rule], ..SAID }.event();
        if let Body::Decision(decision) = &mut event.body {
            decision.happened.action = Action::Alert;
        }
        event
    };
    let reported = reported(&(0..500).map(alert).collect::<Vec<_>>());
    assert_eq!(reported.len(), limits::CAMPAIGN_SINGLE_MAX + 4);
    let last = reported.last().unwrap();
    assert!(last.alarm.as_ref().unwrap().members.contains(&"203.0.113.9: rule 255".to_owned()), "{last:?}");
}
