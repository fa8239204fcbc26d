//! The console page in a real browser.

use crate::browser::Browser;
use crate::harness::Site;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TOKEN: &str = "token-of-this-test-alone";

/// Of a user who is called like a script and turns the line around.
const HOSTILE: &str = "{\"payload\":\"Nov 28 10:00:00 atlas sudo:   <img src=x onerror=hit()>\u{202e} : TTY=pts/1 ; PWD=/ ; \
                       USER=root ; COMMAND=/usr/bin/cat /etc/shadow\"}\n";

#[test]
fn a_person_sees_what_is_wrong_acknowledges_closes_and_approves_and_an_attackers_text_is_text() {
    let Some(browser) = Browser::start() else { return };
    let site = Site::new(&format!("[[intake.file]]\npath = \"{ROOT}/config/demo/auth.log\"\n"));
    let roles = ["read", "ingest", "respond"].map(|role| format!("{role} {TOKEN} carol\n"));
    site.write_tokens(&roles.concat());
    site.name_tokens();
    let daemon = site.start_ready();

    browser.open(&format!("http://127.0.0.1:{}/#token={TOKEN}", site.port));
    browser.until(
        "the first line to say what is wrong",
        "/incident.* needs? you.*CRITICAL/.test(at('verdict').textContent)",
    );
    browser.until("the token to be gone from the address", "location.hash === ''");
    browser.until("the events of the log", "document.querySelectorAll('.event').length > 5");
    browser.until("the incident with its tactics", "at('incidents').textContent.includes('initial-access')");

    browser.run("window.hit = () => { window.was_hit = true; }");
    daemon.post_as(TOKEN, "/api/v1/streams/L3_IN", HOSTILE);
    browser.until("the new event, live", "events.length && [...document.querySelectorAll('#events tr')].some(row => row.textContent.includes('<img src=x onerror=hit()>'))");
    let is_text = browser.run(
        "return !document.querySelector('img') && !window.was_hit && !document.body.textContent.includes('\\u202e')",
    );
    assert_eq!(is_text, true, "an attacker's text is text, and what it turns around is shown");

    // The worst comes first.
    let press = |name: &str| {
        let first = "[...document.querySelectorAll('#incidents .incident:first-child button')]";
        browser.click(name, &format!("{first}.find(button => button.textContent === '{name}')"));
    };
    press("acknowledge");
    browser.run("at('note').value = 'mine'; at('act-do').click()");
    browser.until(
        "the incident to be acknowledged",
        "/acknowledged.*acknowledge by carol from 127.0.0.1: mine/.test(at('incidents').textContent)",
    );
    press("close");
    browser.run("at('resolution').value = 'benign_true_positive'; at('act-do').click()");
    browser.run("at('closed').open = true");
    browser.until("the incident to be closed", "at('closed-incidents').textContent.includes('benign_true_positive')");

    browser.click(
        "approve",
        "[...at('proposals').querySelectorAll('button')].find(button => button.textContent === 'approve')",
    );
    browser.accept();
    browser.until("the proposal to be approved", "/approved by carol/.test(at('proposals').textContent)");
    browser.until("the page to leave it to her", "at('proposals').textContent.includes('do it yourself')");
    browser.click("an event", "document.querySelector('.event')");
    browser.click(
        "its explanation",
        "[...document.querySelectorAll('.unfolded button')].find(it => it.textContent === 'explain')",
    );
    browser.until("the chain of an event", "at('steps').textContent.includes('L3_IN')");
    assert_eq!(browser.errors(), [""; 0], "the page has no errors of its own");
    assert!(browser.picture().len() > 10_000);

    daemon.kill();
    browser
        .until("the page to say that nobody answers", "at('verdict').textContent.includes('what is shown is as of')");
    let _daemon = site.start_ready();
    browser.until(
        "the page to say that a restart has ended the session",
        "/Sign in again/.test(at('login-failed').textContent) && !at('login').hidden",
    );
    browser.run(&format!("at('token').value = '{TOKEN}'; at('login').requestSubmit()"));
    browser.until("the page to be well again", "me.signed_in && !at('verdict').textContent.includes('what is shown')");
    browser.until(
        "what was closed to be closed still",
        "at('closed-incidents').textContent.includes('benign_true_positive')",
    );
}
