//! Who scans and who does not.

use super::*;
use crate::detect::flow::Transport;

const SETTINGS: ScanSettings = ScanSettings { targets: 10, sources: 20, window: Duration::from_secs(3600) };

fn flow(client: [u8; 4], server: &str, port: u16, answered: bool) -> Flow<'_> {
    Flow {
        client: IpAddr::from(client),
        server,
        port,
        transport: Transport::Tcp,
        answered: Some(answered),
        domain: None,
        begun: Side::Unknown,
        proves_client: answered,
        conversation: crate::detect::conversation::Conversation::default(),
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + second * 1000)
}

#[test]
fn a_port_scan_is_said_once_and_again_when_it_is_ten_times_as_large() {
    let mut scans = Scans::default();
    let reported: Vec<Scan> = (0..1000_u16)
        .flat_map(|port| scans.contact(&flow([203, 0, 113, 5], "192.0.2.1", port, false), at(port.into()), &SETTINGS))
        .flatten()
        .collect();
    assert_eq!(
        reported.iter().map(|scan| (scan.shape, scan.count)).collect::<Vec<_>>(),
        [(Shape::Ports, 5), (Shape::Ports, 50), (Shape::Ports, 500)]
    );
}

#[test]
fn who_was_never_answered_may_be_another() {
    let mut scans = Scans::default();
    let mut tries = |client: [u8; 4], port: u16, answered| {
        scans.contact(&flow(client, "192.0.2.1", port, answered), at(port.into()), &SETTINGS)[0].clone()
    };
    let spoofed: Vec<bool> = (0..9).filter_map(|port| Some(tries([9, 9, 9, 9], port, false)?.is_proven)).collect();
    assert_eq!(spoofed, [false]);
    tries([203, 0, 113, 5], 443, true);
    let real: Vec<bool> = (0..40).filter_map(|port| Some(tries([203, 0, 113, 5], port, false)?.is_proven)).collect();
    assert_eq!(real, [true]);
}

#[test]
fn a_flood_of_made_up_sources_makes_no_source_that_has_spoken_be_forgotten() {
    let mut scans = Scans::default();
    let mut tries = |client: [u8; 4], port: u16, answered, second: u64| {
        scans.contact(&flow(client, "192.0.2.1", port, answered), at(second), &SETTINGS)[0].clone()
    };
    let mut reported = 0;
    for step in 0..12_u8 {
        let second = u64::from(step) * 60;
        reported += usize::from(tries([203, 0, 113, 5], step.into(), step == 0, second).is_some());
        for [high, low] in (0..5000_u16).map(u16::to_be_bytes) {
            tries([20, step, high, low], 7777, false, second);
        }
    }
    assert_eq!(reported, 1);
    assert!(scans.sources.len() + scans.strangers.len() <= 2 * SOURCES_MAX);
}

#[test]
fn the_addresses_of_one_customer_are_one_source_and_no_distributed_scan() {
    let mut scans = Scans::default();
    let reported: Vec<Shape> = (0..40_u16)
        .flat_map(|port| {
            let client = IpAddr::from([0x2001, 0xdb8, 1, 2, 0, 0, 0, port + 1]);
            let flow = Flow { client, ..flow([0; 4], "2001:db8:9::1", port, false) };
            scans.contact(&flow, at(port.into()), &SETTINGS)
        })
        .flatten()
        .map(|scan| scan.shape)
        .collect();
    assert_eq!(reported, [Shape::Ports]);
    let of = |page: u64| scans.page(&format!("2001:db8:1:2::{page}"), &format!("/{page}"), false, at(page), &SETTINGS);
    assert_eq!((0..40).filter_map(of).count(), 1);
}

#[test]
fn one_port_of_many_machines_is_a_sweep() {
    let mut scans = Scans::default();
    let servers: Vec<String> = (1..40).map(|host| format!("192.0.2.{host}")).collect();
    let reported: Vec<Scan> = servers
        .iter()
        .flat_map(|server| scans.contact(&flow([10, 0, 0, 9], server, 445, false), at(0), &SETTINGS))
        .flatten()
        .collect();
    assert_eq!(reported.iter().map(|scan| scan.shape).collect::<Vec<_>>(), [Shape::Hosts]);
}

#[test]
fn a_busy_client_with_some_dead_servers_is_no_scanner() {
    let mut scans = Scans::default();
    for host in 0..200_u8 {
        let server = format!("198.51.100.{host}");
        let answered = host % 3 != 0;
        assert_eq!(
            scans.contact(&flow([10, 0, 0, 9], &server, 443, answered), at(host.into()), &SETTINGS),
            [None, None]
        );
    }
}

#[test]
fn whoever_is_answered_again_and_again_is_no_scanner() {
    let mut scans = Scans::default();
    for host in 0..200_u8 {
        let server = format!("198.51.100.{host}");
        for _ in 0..2 {
            let contact = scans.contact(&flow([10, 0, 0, 9], &server, 443, true), at(host.into()), &SETTINGS);
            assert_eq!(contact, [None, None], "{server}");
        }
    }
}

#[test]
fn knocking_at_one_shut_door_is_no_scan_but_said_when_nobody_ever_answers() {
    let mut scans = Scans::default();
    let mut knock = |server: &str, second: u64, answered| {
        scans.contact(&flow([10, 0, 0, 9], server, 443, answered), at(second), &SETTINGS)[0].clone()
    };
    let reported: Vec<Scan> = (0..200).filter_map(|second| knock("192.0.2.1", second, false)).collect();
    assert_eq!(reported.iter().map(|scan| (scan.shape, scan.count)).collect::<Vec<_>>(), [(Shape::Persistent, 30)]);
    assert_eq!(knock("192.0.2.2", 200, true), None);
    assert_eq!((201..2000).filter_map(|second| knock("192.0.2.1", second, false)).count(), 0);
}

#[test]
fn a_scan_slower_than_the_window_is_below_the_bound() {
    let mut scans = Scans::default();
    for port in 0..100_u16 {
        let now = at(u64::from(port) * 1000);
        assert_eq!(scans.contact(&flow([203, 0, 113, 5], "192.0.2.1", port, false), now, &SETTINGS), [None, None]);
    }
}

#[test]
fn many_pages_that_are_not_there_are_a_web_scan_but_a_site_with_dead_links_is_not() {
    let mut scans = Scans::default();
    let mut visit =
        |client: &str, page: u64, is_there| scans.page(client, &format!("/page/{page}"), is_there, at(page), &SETTINGS);
    assert_eq!((0..50).filter_map(|page| visit("203.0.113.5", page, false)).collect::<Vec<_>>(), [10]);
    assert_eq!((0..200).filter_map(|page| visit("198.51.100.7", page, page % 3 != 0)).count(), 0);
}

#[test]
fn many_sources_on_many_ports_of_one_machine_are_a_distributed_scan_but_an_outage_is_not() {
    let mut scans = Scans::default();
    let mut reported = Vec::new();
    for source in 0..60_u8 {
        let outage = flow([198, 51, source, 1], "192.0.2.80", 443, false);
        assert_eq!(scans.contact(&outage, at(source.into()), &SETTINGS), [None, None]);
        let probe = flow([203, 0, source, 1], "192.0.2.1", u16::from(source) * 7, false);
        reported.extend(scans.contact(&probe, at(source.into()), &SETTINGS).into_iter().flatten());
    }
    assert_eq!(reported.iter().map(|scan| scan.shape).collect::<Vec<_>>(), [Shape::Distributed]);
}
