//! The pages of the console in a real browser: the address says what is shown, and what can be done is done.

use crate::break_in::break_in;
use crate::browser::Browser;
use crate::harness::{Daemon, Site};

pub const TOKEN: &str = "token-of-this-test-alone";
/// Of somebody who may look and nothing else.
pub const READER: &str = "token-of-a-reader-of-this-test";

/// A daemon to which somebody has just broken in, and its page with the right to decide.
pub fn opened(browser: &Browser, path: &str) -> (Site, Daemon) {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    break_in(&site, "atlas", ("eve", "203.0.113.5"), (0, ""), &[]);
    let roles = ["read", "ingest", "respond"].map(|role| format!("{role} {TOKEN} carol\n"));
    site.write_tokens(&(roles.concat() + &format!("read {READER} bob\n")));
    site.name_tokens();
    let daemon = site.start_ready();
    browser.open(&format!("http://127.0.0.1:{}/{path}#token={TOKEN}", site.port));
    (site, daemon)
}

fn set(browser: &Browser, id: &str, value: &str, event: &str) {
    browser.run(&format!(
        "at('{id}').value = {value:?}; at('{id}').dispatchEvent(new Event('{event}', {{ bubbles: true }}))"
    ));
}

#[test]
fn the_address_says_what_the_page_shows_and_back_leads_back() {
    let Some(browser) = Browser::start() else { return };
    let (_site, _daemon) = opened(&browser, "?page=events&severity=HIGH");
    browser.until("the page that the address names", "at('severity').value === 'HIGH' && at('incidents-part').hidden");
    browser.until("its events", "document.querySelectorAll('.event').length > 0");
    let high =
        "[...document.querySelectorAll('.event .word')].every(it => ['HIGH', 'CRITICAL'].includes(it.textContent))";
    browser.until("those of the severity alone", high);

    set(&browser, "where", "user = eve", "change");
    browser.until("the search in the address", "location.search.includes('where=user+%3D+eve')");
    browser.until("what was found", "found && found.length && found.every(event => event.entity.user === 'eve')");
    set(&browser, "order", "oldest", "change");
    browser.until(
        "the oldest first",
        "found.length > 1 && found[0].ts <= found[found.length - 1].ts && question.includes('oldest')",
    );
    set(&browser, "since", "not a time", "change");
    browser.until("what is wrong with it", "at('search-failed').textContent.includes('since')");
    browser.run("history.back()");
    browser.until("the question before", "state.since === '' && at('since').value === '' && found.length");
    browser.click("an event that was found", "drawn && document.querySelector('.event')");
    browser.click(
        "its explanation",
        "[...document.querySelectorAll('.unfolded button')].find(it => it.textContent === 'explain')",
    );
    browser.until("the chain of the event", "at('chain').open && at('steps').textContent.includes('L3_IN')");
    browser.until("the opened event in the address", "/open=[0-9]+-[0-9]+/.test(location.search)");
    let address = browser.run("return location.search");
    browser.run("history.back()");
    browser.until("the chain to be closed", "!at('chain').open && !location.search.includes('open=')");
    browser.run("history.forward()");
    browser.until("it to be open again", "at('chain').open");
    browser.run("at('leave').click()");
    browser.until("it to be closed by its button", "!location.search.includes('open=')");

    set(&browser, "where", "", "change");
    set(&browser, "order", "newest", "change");
    browser.run("at('pause').click()");
    browser.until("that it is paused, in the address", "location.search.includes('paused=1') && held");
    browser.run("history.back()");
    browser.until("it to go on", "!state.paused && at('pause').textContent === 'pause'");
    let port = browser.run("return location.origin");
    browser.open(&format!("{}/{}#token={TOKEN}", port.as_str().unwrap(), address.as_str().unwrap()));
    browser.until(
        "the same page from its address alone",
        "at('chain').open && state.where === 'user = eve' && state.order === 'oldest' && found && found.length",
    );
    assert_eq!(browser.errors().iter().filter(|error| !error.contains("400")).count(), 0, "{:?}", browser.errors());
}

#[test]
fn what_was_nothing_is_silenced_from_the_page_listed_and_ended() {
    let Some(browser) = Browser::start() else { return };
    let (_site, daemon) = opened(&browser, "");
    browser.until("an incident", "document.querySelector('#incidents .incident')");
    let press = |place: &str, name: &str| {
        let buttons = format!("[...document.querySelectorAll('{place} button')]");
        browser.click(name, &format!("{buttons}.find(button => button.textContent === '{name}')"));
    };
    press("#incidents .incident", "close");
    browser.run("at('resolution').value = 'false_positive'; at('act-do').click()");
    browser.until("a silence to be offered", "at('hush').open && at('hush-rule').value && at('hush-value').value");
    browser.run("at('hush-comment').value = 'an exercise'; at('hush-do').click()");
    browser.until("the silence in the list", "!at('hush').open && /an exercise/.test(at('silences').textContent)");
    let (_, body) = daemon.get_as(TOKEN, "/api/v1/silences?state=active");
    assert!(body.contains("an exercise") && body.contains("carol"), "{body}");
    press("#silences", "end");
    browser.accept();
    browser.until("it to be over", "!/an exercise/.test(at('silences').textContent)");
    let (_, body) = daemon.get_as(TOKEN, "/api/v1/silences?state=ended");
    assert!(body.contains("an exercise"), "{body}");
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn the_pages_of_rules_and_of_an_attacker_show_what_is_known() {
    let Some(browser) = Browser::start() else { return };
    let (_site, _daemon) = opened(&browser, "?page=rules");
    browser.until("the rules", "document.querySelectorAll('#rules-rows tr').length > 20");
    browser.until(
        "what has fired",
        "document.querySelector('.technique.fired') && /fired/.test(at('matrix-body').textContent)",
    );
    browser.until("all tactics in their order", "document.querySelectorAll('#matrix-head th').length === 14");
    set(&browser, "sort", "title", "input");
    browser.until("the order in the address", "location.search.includes('sort=title')");
    let line = "Nov 28 10:00:00 atlas sudo: eve : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow";
    browser.run(&format!("at('line').value = {line:?}; at('try').requestSubmit()"));
    browser.until(
        "what the line matches",
        "/matches/.test(at('tried').textContent) && /malicious/.test(at('tried').textContent)",
    );

    browser.run("document.querySelector('nav a[href=\"?page=events\"]').click()");
    browser.click("an event, which opens", "document.querySelector('#events .event')");
    browser.click(
        "the attacker in an event",
        "[...document.querySelectorAll('#events .unfolded .who a')].find(node => node.textContent === '203.0.113.5')",
    );
    browser.until("the address of the attacker", "/kind=address.*value=203.0.113.5/.test(location.search)");
    browser.until("what is known of him", "/Incidents.*What it touched.*atlas/s.test(at('entity').textContent)");
    browser.until("his risk", "document.querySelectorAll('#entity svg line').length > 1");
    set(&browser, "look-kind", "user", "change");
    browser.run("at('look-value').value = '<img src=x onerror=hit()>'; at('look-up').requestSubmit()");
    browser.until(
        "nobody",
        "/no SOC event/.test(at('entity').textContent) && at('entity-head').textContent.includes('<img src=x')",
    );
    browser.run("history.back()");
    browser.until(
        "the attacker again",
        "at('entity-head').textContent.includes('203.0.113.5') && at('entity').textContent.includes('atlas')",
    );
    assert_eq!(browser.errors(), [""; 0]);
}
