//! What is proposed, and never is.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn protected() -> Protected {
    Protected {
        nets: vec!["192.0.2.0/24".parse().unwrap()],
        users: vec!["operator".to_owned()],
        ..Protected::default()
    }
}

fn is_refused(response: &Response) -> bool {
    response.steps.is_empty() && response.refused.as_ref().is_some_and(|why| why.starts_with("no safe command: "))
}

#[test]
fn an_address_is_blocked_for_a_time_and_can_be_let_in_again() {
    let response = block_address("::ffff:203.0.113.5", &protected(), HOUR);
    assert_eq!(
        response.steps,
        [Step::Command("nft add element inet dsmil blocked4 '{ 203.0.113.5 timeout 3600s }'".to_owned())]
    );
    assert_eq!(response.undo, ["nft delete element inet dsmil blocked4 '{ 203.0.113.5 }'"]);
    assert!(format!("{:?}", block_address("2001:db8::5", &protected(), HOUR).steps).contains("blocked6"));
}

#[test]
fn all_addresses_of_one_customer_are_one_target_but_never_with_something_protected_in_it() {
    let mut protected = protected();
    let target = |protected: &Protected, address: &str| block_address(address, protected, HOUR).target;
    assert_eq!(target(&protected, "2001:db8::5"), "2001:db8::/64");
    assert_eq!(target(&protected, "2001:db8::6:5"), "2001:db8::/64");
    protected.machine = vec!["2001:db8::1".parse().unwrap()];
    assert_eq!(target(&protected, "2001:db8::5"), "2001:db8::5");
    protected.nets = vec!["2001:db8:1:1::8/125".parse().unwrap()];
    assert_eq!(target(&protected, "2001:db8:1:1::5"), "2001:db8:1:1::5");
    assert_eq!(target(&protected, "203.0.113.5"), "203.0.113.5");
}

#[test]
fn who_comes_through_a_translator_is_blocked_alone_and_what_is_protected_is_so_behind_it_as_well() {
    let protected = protected();
    let target = |address: &str| block_address(address, &protected, HOUR).target;
    assert_eq!(target("64:ff9b::203.0.113.5"), "64:ff9b::cb00:7105");
    assert_eq!(target("64:ff9b:1::203.0.113.5"), "64:ff9b:1::cb00:7105");
    assert_eq!(target("2001:0:4136:e378:8000:63bf:34ff:8efa"), "2001:0:4136:e378:8000:63bf:34ff:8efa");
    assert_eq!(target("2002:cb00:7105::1"), "2002:cb00:7105::/48");
    for written in ["::ffff:203.0.113.5", "::203.0.113.5", "::ffff:0:203.0.113.5"] {
        let response = block_address(written, &protected, HOUR);
        assert_eq!(response.target, "203.0.113.5", "{written}");
        assert!(format!("{:?}", response.steps).contains("blocked4"), "{written}");
    }
    for address in ["64:ff9b::192.0.2.7", "2002:c000:207::1", "2002:7f00:1::1"] {
        assert!(is_refused(&block_address(address, &protected, HOUR)), "{address}");
    }
    let machine = Protected { machine: vec!["203.0.113.5".parse().unwrap()], ..Protected::default() };
    assert!(is_refused(&block_address("64:ff9b::203.0.113.5", &machine, HOUR)));
}

#[test]
fn the_machine_s_own_network_and_sessions_of_protected_users_are_never_blocked() {
    let protected = Protected {
        machine: vec!["198.51.100.1".parse().unwrap()],
        sessions: vec!["2001:db8::7".parse().unwrap()],
        ..Protected::default()
    };
    for address in ["198.51.100.1", "::ffff:198.51.100.1", "2001:db8::7"] {
        assert!(is_refused(&block_address(address, &protected, HOUR)), "{address}");
    }
    assert!(!is_refused(&block_address("198.51.100.2", &protected, HOUR)));
}

#[test]
fn the_machine_itself_and_what_is_protected_is_never_blocked() {
    for address in [
        "127.0.0.1",
        "::1",
        "127.8.9.10",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "169.254.1.1",
        "fe80::1",
        "0.1.2.3",
        "100.64.0.1",
        "240.0.0.1",
        "100::1",
        "fec0::1",
        "192.0.2.254",
        "::ffff:192.0.2.254",
    ] {
        assert!(is_refused(&block_address(address, &protected(), HOUR)), "{address}");
    }
}

#[test]
fn text_of_an_attacker_never_becomes_part_of_a_command() {
    for text in [
        "203.0.113.5; reboot",
        "203.0.113.5 timeout 1s }'; id; '",
        "$(id)",
        "`id`",
        "",
        " ",
        "-h",
        "--help",
        "alice\nroot",
        "alice bob",
        "../../etc",
        "alice'",
        "a;b",
        "é",
        "a\u{0}b",
        "alice$(id)",
        "evil.example;id",
        "-x.example.com",
        "*.example.com",
        "a/b.example.com",
    ] {
        for response in [
            block_address(text, &protected(), HOUR),
            lock_user(text, &protected()),
            end_sessions(text),
            block_domain(text),
            isolate_host(text),
        ] {
            let harmless =
                response.measure == Measure::IsolateHost && matches!(text, "-h" | "--help" | "-x.example.com");
            assert!(is_refused(&response) || harmless, "{text:?}: {response:?}");
            assert!(!response.steps.iter().any(|step| matches!(step, Step::Command(_))), "{text:?}");
        }
    }
}

#[test]
fn root_and_protected_users_are_never_locked() {
    assert!(is_refused(&lock_user("root", &protected())));
    assert!(is_refused(&lock_user("operator", &protected())));
    let response = lock_user("alice", &protected());
    assert_eq!((response.steps.len(), response.reversible), (2, true));
}

#[test]
fn a_name_that_many_owners_share_is_not_blocked() {
    for name in ["com", "co.uk", "github.io"] {
        assert!(is_refused(&block_domain(name)), "{name}");
    }
    assert!(!is_refused(&block_domain("Evil.Example.")));
}
