//! The requests that stand beside the patterns, and some of ordinary life.

use super::file::{Sample, WebText};
use super::{Patterns, Request, WebAttack, builtin};

fn find(patterns: &Patterns, sample: &Sample) -> Vec<WebAttack> {
    let Sample { method, url, agent, referrer } = sample;
    patterns.find(&Request { method, url, agent, referrer, status: Some(404) })
}

#[test]
fn every_attack_beside_its_patterns_is_found_and_nothing_that_only_looks_like_one() {
    let (patterns, mistakes) = builtin::patterns();
    assert_eq!(*mistakes, []);
    for (name, sample, is_attack) in patterns.samples() {
        let found = find(patterns, sample);
        if is_attack {
            assert!(found.iter().any(|attack| attack.name == name), "{name}: {sample:?} is {found:?}");
        } else {
            assert_eq!(found, [], "{name}: {sample:?}");
        }
    }
}

/// The daemon takes that for granted, and compiles them when it needs them.
#[test]
fn every_pattern_that_comes_with_the_daemon_compiles() {
    let texts: Vec<WebText> = builtin::texts().iter().map(|text| WebText::new(&text.file, &text.toml)).collect();
    assert_eq!(Patterns::compile(&texts).1, []);
}

#[test]
fn ordinary_requests_are_no_attacks() {
    let (patterns, _) = builtin::patterns();
    let urls = [
        "/",
        "/index.php?id=17&sort=name+desc",
        "/search?q=select+a+union+from+the+list&lang=en",
        "/search?q=how+to+drop+a+table+in+sql",
        "/search?q=O%27Reilly+books",
        "/blog/2026/01/what-is-etc-passwd-for",
        "/wp-login.php",
        "/wp-content/themes/x/style.css?ver=6.4.2",
        "/wp-admin/admin-ajax.php",
        "/api/v1/users?filter=%7B%22name%22%3A%22bob%22%7D",
        "/login?next=%2Fadmin%2Fusers%2F",
        "/redirect?url=https%3A%2F%2Fwww.example.org%2Fa%3Fb%3Dc",
        "/static/js/app.min.js.map",
        "/robots.txt",
        "/.well-known/acme-challenge/x-y_z",
        "/favicon.ico",
        "/a/b/../c.css",
        "/owncloud/remote.php/dav/files/bob/a%20(1).pdf",
        "/index.php/apps/files/?dir=/&fileid=12",
        "/phpmyadmin.html",
        "/docs/script.html",
        "/?q=%3Cb%3Ebold%3C%2Fb%3E",
        "/cgi-bin/printenv",
        "/download?file=report.pdf",
        "/img?path=photos/2026/01/x.jpg",
        "/q?a=1%20and%202&b=x%20or%20y",
        "/api/exec/list",
        "/healthz",
        "/metrics",
    ];
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "curl/8.5.0",
        "Go-http-client/1.1",
        "python-requests/2.31.0",
        "kube-probe/1.29",
        "Prometheus/2.50.0",
        "UptimeRobot/2.0",
        "-",
        "",
    ];
    for url in urls {
        for agent in agents {
            let request =
                Request { method: "GET", url, agent, referrer: "https://www.example.org/?q=a", status: Some(200) };
            assert_eq!(patterns.find(&request), [], "{url} {agent}");
        }
    }
}

#[test]
fn what_the_server_answered_weighs_more_than_what_it_did_not_find() {
    let (patterns, _) = builtin::patterns();
    let score = |status| {
        let request = Request { method: "GET", url: "/?x=../../../etc/passwd", status, ..Request::default() };
        patterns.find(&request)[0].score
    };
    assert!(score(Some(200)) > score(Some(404)) && score(Some(404)) == score(None));
}
