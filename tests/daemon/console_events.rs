//! The page of events: keys, what was missed, floods, the histogram, files.

use std::io::Write;

use crate::browser::Browser;
use crate::console_pages::{TOKEN, opened};
use crate::harness::Daemon;

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

fn post(daemon: &Daemon, user: &str) {
    let line = format!(
        "Nov 28 10:00:00 atlas sudo:   {user} : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow"
    );
    daemon.post_as(TOKEN, "/api/v1/streams/L3_IN", &format!("{}\n", serde_json::json!({ "payload": line })));
}

#[test]
fn the_page_is_used_by_keys_alone_and_a_line_keeps_the_focus_while_others_come() {
    let Some(browser) = Browser::start() else { return };
    let (_site, daemon) = opened(&browser, "?page=events");
    browser.until("some events", "drawn && document.querySelectorAll('.event').length > 2");
    browser.press(&["j", "j"]);
    browser.until(
        "the second line to have the focus",
        "document.activeElement === document.querySelectorAll('.event')[1]",
    );
    let key = browser.run("return document.activeElement.dataset.key");
    post(&daemon, "newcomer");
    browser.until("another line before it", "/newcomer/.test(document.querySelector('.event').textContent)");
    assert_eq!(browser.run("return document.activeElement.dataset.key"), key, "it is where it was");
    browser.press(&[ENTER]);
    browser.until("it to be open", "document.activeElement.nextElementSibling.classList.contains('unfolded')");
    browser.press(&["e"]);
    browser.until("its explanation", "at('chain').open");
    browser.press(&["j", ESCAPE]);
    browser.until("it to be closed", "!at('chain').open");
    assert_eq!(browser.run("return document.activeElement.dataset.key"), key);
    browser.press(&["s"]);
    browser.until("its silence to be asked for", "at('hush').open && at('hush-rule').value");
    browser.press(&[ESCAPE]);
    browser.until("it not to be", "!at('hush').open");
    browser.press(&["?"]);
    browser.until("all keys", "at('keys').open && /acknowledge/.test(at('keys-list').textContent)");
    browser.press(&[ESCAPE]);
    browser.until("them to be gone", "!at('keys').open");
    browser.press(&["/", "g", "e", "?"]);
    assert_eq!(browser.run("return at('where').value"), "ge?", "who types, types");
    browser.press(&[ESCAPE, "g", "r"]);
    browser.until("the rules", "state.page === 'rules' && document.activeElement === at('rules-head')");
    browser.press(&["g", "i"]);
    browser.until("the incidents", "state.page === 'overview' && document.querySelector('.incident')");
    browser.press(&["j", "a"]);
    browser.until("the acknowledgement", "at('act').open && /acknowledge/.test(at('act-head').textContent)");
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn what_came_while_nobody_answered_is_asked_for_and_a_row_says_from_when_to_when() {
    let Some(browser) = Browser::start() else { return };
    let (site, daemon) = opened(&browser, "?page=events");
    browser.until("some events", "drawn && document.querySelectorAll('.event').length > 2");
    let before = browser.run("return last");
    daemon.kill();
    browser.until("the page to notice", "cut && /as of/.test(at('verdict').textContent)");
    let mut log = std::fs::File::options().append(true).open(site.path("in.log")).unwrap();
    writeln!(
        log,
        "Nov 28 10:00:00 atlas sudo:   meanwhile : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow"
    )
    .unwrap();
    let daemon = site.start_ready();
    crate::harness::wait_for("what came meanwhile to be in the store", || {
        daemon.get_as(TOKEN, "/api/v1/events?where=user+%3D+meanwhile").1.contains("meanwhile")
    });
    browser.until("it to be asked to sign in", "!me.signed_in && !at('login').hidden");
    browser.run(&format!("at('token').value = '{TOKEN}'; at('login').requestSubmit()"));
    browser.until("a row of the gap", "/gap .* that came meanwhile .* follow/.test((document.querySelector('#events .gap') || at('count')).textContent)");
    browser.until(
        "what was missed",
        "[...document.querySelectorAll('.event')].some(it => it.textContent.includes('meanwhile'))",
    );
    let once = browser.run("const ids = events.filter(it => !it.is).map(it => it.id); return ids.length === new Set(ids).size && ids.every((id, at) => !at || isAfter(id, ids[at - 1]))");
    assert_eq!(once, true, "each event stands there once, in its order");
    let is_between = format!(
        "const row = events.findIndex(it => it.is === 'gap'); return !isAfter(events[row - 1].id, {before}) && events[row].after === {before}"
    );
    assert_eq!(browser.run(&is_between), true);
    post(&daemon, "afterwards");
    browser.until(
        "the stream to go on",
        "[...document.querySelectorAll('.event')].some(it => it.textContent.includes('afterwards'))",
    );
    // What retention has taken is said as well, and can be asked for where there is an archive.
    browser.run("take('event: gap\\ndata: {\"after\":\"1000-0\",\"oldest\":\"2000-0\"}')");
    browser.until(
        "what the store has no more",
        "/has nothing of that time/.test(document.querySelector('#events .gap').textContent)",
    );
    browser.click("the question for it", "document.querySelector('#events .gap a')");
    browser.until("it to be asked", "state.after === '1000-0' && state.through === '2000-0' && !asking && found && !found.length && !at('no-events').hidden");
}

/// Of so many events in one second, most are counted.
const FLOOD: usize = 20_000;

#[test]
fn a_flood_is_counted_by_the_second_and_the_page_goes_on_answering() {
    let Some(browser) = Browser::start() else { return };
    let (_site, daemon) = opened(&browser, "?page=events");
    browser.until("some events", "drawn && document.querySelectorAll('.event').length > 2");
    // What judges each line says so of each: SOC events are bounded by the daemon itself.
    browser.run("cutLive(); STREAM = 'L3_OUT'; cut = null; window.taken_before = taken; window.begun = performance.now(), window.frames_before = frames");
    browser.run(&format!("window.flood_over = () => taken - taken_before >= {FLOOD}"));
    let lines: String =
        (0..FLOOD).map(|n| format!("{{\"payload\":\"Nov 28 10:00:00 atlas app: line {n}\"}}\n")).collect();
    for part in lines.split_inclusive('\n').collect::<Vec<_>>().chunks(4000) {
        assert_eq!(daemon.post_as(TOKEN, "/api/v1/streams/L3_IN", &part.concat()).0, 200);
        let answered = "const was = state.paused; at('pause').click(); return was !== state.paused";
        assert_eq!(browser.run(answered), true, "a click in the middle of it is answered");
    }
    browser.until("all of it to have come, or to be told of", "flood_over() || events.some(it => it.is === 'gap')");
    browser.run("if (state.paused) at('pause').click()");
    browser.until("it to be drawn", "drawn && document.querySelector('#events .gap')");
    let rows = browser.run("return document.querySelectorAll('#events tr').length").as_u64().unwrap();
    let kept = browser.run("return events.length").as_u64().unwrap();
    assert!(rows <= 201 && kept <= 1000, "{rows} rows, {kept} kept");
    let counted = browser
        .run("return events.some(it => it.is === 'more' && it.count > 100) || events.some(it => it.is === 'gap')");
    assert_eq!(counted, true, "more than can be read is counted by the second");
    // Clicks draw at once; all else is drawn by the clock, however many there are.
    let by_clock = browser.run("return frames - frames_before <= (performance.now() - begun) / 300 + 2 + 2 * 6");
    assert_eq!(by_clock, true, "frames follow the clock and not the events");

    // All at once, as a fast network brings it: other work has its turn in between.
    let script = "const done = arguments[0]; let ticked = 0; \
        const timer = setInterval(() => { ticked += 1; }, 1), parts = [], ms = Date.now(); \
        for (let n = 0; n < 200000; n++) parts.push('id: ' + (ms + Math.floor(n / 20)) + '-' + n % 20 + '\\ndata: {\"id\":\"' + n + '\",\"severity\":\"LOW\",\"ts\":1,\"summary\":\"one of a flood\"}\\n\\n'); \
        newestKnown = ''; const before = taken; \
        readAll(new Response(parts.join('')).body, new AbortController().signal).then(() => { clearInterval(timer); done([taken - before, ticked]); });";
    let answer = browser.answer(script);
    assert_eq!(answer[0], 200_000, "each is taken");
    assert!(answer[1].as_u64().unwrap() >= 5, "a timer ran {} times while they were", answer[1]);
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn a_span_of_the_histogram_narrows_what_is_shown_and_what_is_shown_becomes_a_file() {
    let Some(browser) = Browser::start() else { return };
    let (_site, daemon) = opened(&browser, "?page=events");
    post(&daemon, "=cmd|calc");
    browser.until(
        "the events",
        "drawn && [...document.querySelectorAll('.event')].some(it => it.textContent.includes('=cmd|calc'))",
    );
    let all = browser.run("return listed.length").as_u64().unwrap();
    browser.until("their histogram", "document.querySelectorAll('#histogram button').length > 1");
    browser.run("document.querySelector('#histogram button').focus()");
    browser.press(&[ENTER]);
    browser
        .until("the span in the address", "/since=.*until=/.test(location.search) && !asking && found && found.length");
    browser.until(
        "what is in it alone",
        &format!("drawn && listed.length && listed.length < {all} && counted && counted.counted === found.length"),
    );
    browser.run("history.back()");
    browser.until("all of them again", &format!("drawn && !found && listed.length >= {all}"));

    let csv = browser.run("return csvOf(rowsShown())");
    let csv = csv.as_str().unwrap();
    let cells = |line: &str| line.split("\",\"").map(|cell| cell.trim_matches('"').to_owned()).collect::<Vec<_>>();
    let user = cells(csv.lines().next().unwrap()).iter().position(|name| name == "user").unwrap();
    let users: Vec<String> = csv.lines().map(|line| cells(line)[user].clone()).collect();
    assert!(users.iter().any(|user| user == "'=cmd|calc"), "no formula: {users:?}");
    let dangerous = browser.run("return ['=1+1', '+1', '-1', '@x', '\\t=1', ' =1', '\\r=1', '|x'].map(csvCell)");
    for cell in dangerous.as_array().unwrap() {
        let inner = cell.as_str().unwrap().trim_matches('"');
        assert!(!inner.trim_start().starts_with(['=', '+', '-', '@', '|']), "{cell}");
    }
    let is_the_same = "const rows = rowsShown(); return ndjsonOf(rows) === rows.map(row => JSON.stringify(row) + '\\n').join('') && rows.some(row => row.entity.user === '=cmd|calc')";
    assert_eq!(browser.run(is_the_same), true, "NDJSON is what the daemon said");

    browser.run("at('where').focus()");
    browser.press(&["s", "e", "v"]);
    browser.until("names of fields", "[...at('where-words').children].some(it => it.value === 'severity ')");
    browser.run("at('where').value = 'user = eve and severity >= '; at('where').dispatchEvent(new Event('input', { bubbles: true }))");
    browser.until(
        "values of a field",
        "[...at('where-words').children].some(it => it.value === 'user = eve and severity >= HIGH ')",
    );
    assert_eq!(browser.errors(), [""; 0]);
}
