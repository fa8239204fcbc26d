//! Lines and logs that hold no attack: nothing is to be said of them.

use serde_json::Value;

use crate::replayed::{Decided, decisions_with};
use crate::table::{Goal, Table};
use crate::{data, fail2ban, loghub, wazuh};

/// Of the hub's tests that expect no attacker nearly all try a parser and run no scenario at all, so that their logs may well hold an
/// attack. Those that do, and what it is.
const ATTACKS: [(&str, &str); 18] = [
    ("bunkerweb-logs", "asks for /etc/passwd in a parameter"),
    ("caddy-coraza", "all of its lines are alerts of a web application firewall"),
    ("envoy-logs", "asks for /.env by curl"),
    ("exim-syslog-logs", "a sender on a block list, limited for its rate, tries one recipient after the other"),
    ("gotify-logs", "one client is refused nine times in minutes at the place where one logs in"),
    ("mailu-admin-logs", "addresses of one network, each limited for the rate of its logins"),
    ("modsecurity-logs", "a web application firewall refuses path traversal"),
    ("odoo-logs", "six users in six seconds"),
    ("paperless-ngx-logs", "four series of wrong passwords, some with one in a few seconds"),
    ("postfix-honeypot-users", "nine addresses of one network try one user each; its scenario is for other users"),
    ("postfix-logs", "asks to relay for spammer@domain.tld"),
    ("pureftpd-logs", "fifteen wrong passwords of root, then a login from the same address"),
    ("radarr-logs", "six wrong passwords in six seconds"),
    ("sabnzbd-logs", "four wrong passwords in eight seconds"),
    ("sonarr-logs", "six wrong passwords in six seconds"),
    ("suricata-logs-evelog", "a sensor reports the exploit of a known vulnerability"),
    ("traefik_json", "a scanner that names itself asks for files of random names"),
    ("vaultwarden-logs", "six wrong passwords in half a minute, and a token tried again and again"),
];

/// What attack a test that expects none holds.
pub fn attack_in(test: &str) -> Option<&'static str> {
    ATTACKS.iter().find(|(name, _)| *name == test).map(|(_, attack)| *attack)
}

/// Layer 8 speaks of the log itself, whose times make no sense in a test.
pub fn is_false_alarm(event: &Value) -> bool {
    event["src_layer"] != "8" && event["over"] != true
}

/// Lines that are no attack, with the public rules loaded that most people load: what others say matches no failure, what they say
/// matters to nobody, and two logs of servers.
#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn quiet_lines_lead_to_no_alarm_with_all_public_rules() {
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.extend(loghub::lines().into_iter().map(|line| ("loghub", line)));
    lines.extend(wazuh::harmless().into_iter().map(|line| ("wazuh", line)));
    lines.extend(fail2ban::no_failures().into_iter().map(|line| ("fail2ban", line)));
    let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    let rules = format!("[l3]\nrules = [{:?}]\n", data("sigma"));
    let judged: Vec<((&str, String), Decided)> =
        decisions_with(&rules, &texts).into_iter().zip(lines.clone()).map(|(decided, line)| (line, decided)).collect();
    let is_quiet = |(_, decided): &((&str, String), Decided)| decided.verdict == "benign";
    let show = |((corpus, line), decided): &((&str, String), Decided)| {
        format!("{corpus}: {} {:?}: {line}", decided.verdict, decided.reasons)
    };
    let mut table = Table::default();
    table.share(
        ("all", "quiet lines without an alarm, public Sigma rules", Goal::AtLeast(0.98)),
        &judged,
        is_quiet,
        show,
    );
    let of = |corpus: &str| judged.iter().filter(|((of, _), _)| *of == corpus).cloned().collect::<Vec<_>>();
    table.share(("fail2ban", "… of lines that are no failure", Goal::AtLeast(0.98)), &of("fail2ban"), is_quiet, show);
    table.share(("wazuh", "… of level 0 to 3", Goal::Shown), &of("wazuh"), is_quiet, show);
    table.finish();
}
