//! Signing in on the page: once a session, with a token of any role, and what the role may not do is not offered.

use crate::browser::Browser;
use crate::console_pages::{READER, TOKEN, opened};

const DECIDES: &str = "[...document.querySelectorAll('main button')].some(it => ['acknowledge', 'close', 'note', 'approve', 'reject', 'silence…', 'end', 'undo'].includes(it.textContent))";

#[test]
fn who_signed_in_stays_signed_in_after_a_reload_and_no_script_has_what_opens_the_door() {
    let Some(browser) = Browser::start() else { return };
    let (_site, _daemon) = opened(&browser, "?page=events");
    browser.until("her name", "/carol .read, ingest, respond/.test(at('who').textContent)");
    browser.run("location.reload()");
    browser.until(
        "the same page without a token",
        "me.signed_in && state.page === 'events' && document.querySelector('.event')",
    );
    let kept = browser.run("return JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }])");
    assert!(!kept.as_str().unwrap().contains(TOKEN), "the token is nowhere: {kept}");
    let cookies = browser.run("return document.cookie");
    assert_eq!(cookies, "", "no script reads the cookie");
    let without_key = browser.answer(
        "const done = arguments[0]; fetch('/api/v1/session').then(it => it.json()).then(it => done(it.signed_in))",
    );
    assert_eq!(without_key, false, "the cookie alone, as other ports of this machine see it, opens nothing");

    browser.click("the button to sign out", "at('sign-out')");
    browser.until("nothing of it to be shown", "!me.signed_in && !at('login').hidden && /sign in/.test(at('verdict').textContent) && !document.querySelector('.event') && document.querySelector('main').classList.contains('closed')");
    browser.run("location.reload()");
    browser.until("it to stay so", "/sign in/.test(at('verdict').textContent) && !at('login').hidden");
    assert_eq!(browser.errors(), [""; 0]);
    browser.run("at('token').value = 'a-guess-of-this-test'; at('login').requestSubmit()");
    browser.until("what is wrong with a guess", "/not known/.test(at('login-failed').textContent)");
}

#[test]
fn what_a_role_may_not_do_is_not_offered_and_follows_the_tokens_file() {
    let Some(browser) = Browser::start() else { return };
    let (site, daemon) = opened(&browser, "");
    browser.until("what she may do", &format!("document.querySelector('.incident') && {DECIDES}"));
    browser.click("the button to sign out", "at('sign-out')");
    browser.until("the page without her", "!me.signed_in && at('login') && !at('login').hidden");
    browser.run(&format!("location.hash = 'token={READER}'"));
    browser.until(
        "who may look",
        "me.who === 'bob' && document.querySelector('.incident') && document.querySelector('#proposals [data-key]')",
    );
    assert_eq!(browser.run(&format!("return {DECIDES}")), false);
    browser.run("document.querySelector('.incident').focus()");
    browser.press(&["a", "s"]);
    browser.press(&["e"]);
    browser.until("the explanation, which he may see", "at('chain').open && !at('act').open && !at('hush').open");
    browser.click("the way back", "at('leave')");
    // The file gives him more, and the page offers it without signing in again.
    site.write_tokens(&format!("read {READER} bob\nrespond {READER} bob\n"));
    daemon.reload();
    browser.until("what he may do now", &format!("may('respond') && {DECIDES}"));
    assert_eq!(browser.errors(), [""; 0]);
}
