//! The overview and the page of the system in a real browser: what is not well is in words, plots have axes and a table, and
//! what others name is text.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::break_in::break_in;
use crate::browser::Browser;
use crate::harness::{Site, free_port, request, wait_for};

/// A folder where a file is expected, called like a script.
const HOSTILE: &str = "<img src=x onerror=hit()>\u{202e}.log";

/// SHRINK, as long as it is to be well.
fn shrink(is_well: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_well = Arc::clone(is_well);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let body = match is_well.load(Ordering::Relaxed) {
                true => "{\"risk_acute_stress\":0.42,\"anomaly_score\":3.5,\"zeal\":7}",
                false => "<html>",
            };
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            if request(&mut stream).is_some() {
                let _ = stream.write_all((head + body).as_bytes()); // who asked may be gone
            }
        }
    });
    port
}

#[test]
fn the_overview_says_how_it_went_what_changed_and_what_is_not_well_and_the_system_page_where() {
    let Some(browser) = Browser::start() else { return };
    let is_well = Arc::new(AtomicBool::new(true));
    let files = ["in.log", HOSTILE].map(|name| format!("[[intake.file]]\npath = \"{{dir}}/{name}\"\n"));
    let outside = format!(
        "[loki]\nurl = \"http://127.0.0.1:{}\"\n[shrink]\nurl = \"http://127.0.0.1:{}/api/v1/metrics\"\nevery = \"200ms\"\n\
         timeout = \"100ms\"\nstale_after = \"1s\"\n",
        free_port(),
        shrink(&is_well)
    );
    let site = Site::new(&(files.concat() + &outside));
    std::fs::create_dir(site.path(HOSTILE)).unwrap();
    break_in(&site, "atlas", ("eve", "203.0.113.5"), (0, ""), &[]);
    let daemon = site.start_ready();
    wait_for("the source to be down", || {
        let status = daemon.status();
        status["sources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|source| source["state"] == "down" && source["since"].is_string())
    });

    browser.open(&format!("http://127.0.0.1:{}/", site.port));
    browser.until(
        "what is down",
        "/DOWN.*<img src=x onerror=hit/.test(at('unwell').textContent) && /DOWN loki/.test(at('unwell').textContent)",
    );
    browser.until(
        "what changed",
        "/incident opened/.test(at('changes').textContent) && /daemon started/.test(at('changes').textContent)",
    );
    browser.until(
        "the rate",
        "document.querySelector('#rate-plot svg[aria-label*=\"in a second\"] .line, #rate-plot svg .dot')",
    );
    browser.until("alarms by severity", "document.querySelector('#alarms-plot .block') && /HIGH [1-9]|CRITICAL [1-9]/.test(at('alarms-plot').textContent)");
    browser.until("the latency", "/half within/.test(at('latency-plot').textContent)");
    browser.click("the table of the rate", "document.querySelector('#rate-plot details:not([open]) summary')");
    browser.until("a row for each minute", "document.querySelectorAll('#rate-plot tbody tr').length === 60");
    browser.until(
        "minutes before the start to be a gap",
        "/did not run/.test(at('rate-plot').textContent) && document.querySelector('#rate-plot .unknown')",
    );
    browser.click("the day", "document.querySelector('#spans a[data-span=\"24h\"]')");
    browser.until("the day in the address", "location.search === '?span=24h'");
    browser.until(
        "ten minutes each, in the table that stays open",
        "document.querySelectorAll('#rate-plot tbody tr').length === 144",
    );

    browser.until("scores as gauges", "document.querySelectorAll('#shrink [role=meter]').length === 3 && /^● fresh/.test(at('shrink-state').textContent)");
    browser.until("what raises severities, in words", "/3.5.*raises to MEDIUM/.test(at('shrink').textContent)");
    browser.until("how they went", "document.querySelector('#shrink .spark .line, #shrink .spark .dot')");
    is_well.store(false, Ordering::Relaxed);
    browser.until(
        "that SHRINK does not answer as it should",
        "/stale|down.*HTML|down.*web page/.test(at('shrink-state').textContent)",
    );
    browser.until("the values known last", "/0.42.*last known/.test(at('shrink').textContent)");
    browser.click(
        "the incident that was opened",
        "[...document.querySelectorAll('#changes a')].find(node => node.textContent === 'incident opened')",
    );
    browser.until("its chain", "at('chain').open && location.search.includes('open=incident')");
    browser.run("at('leave').click()");

    std::fs::write(site.path("dsmil.toml"), "[store]\nmax_size = \"<img src=x onerror=hit()>\"\n").unwrap();
    daemon.reload();
    browser.click("the system", "document.querySelector('nav a[href=\"?page=system\"]')");
    browser.until("the way of the data", "document.querySelectorAll('#way > li').length === 7");
    browser.until(
        "what the reload found",
        "/max_size/.test(at('findings').textContent) && /refused/.test(at('configuration').textContent)",
    );
    browser.until("the source and its error", "[...document.querySelectorAll('#sources-table tr')].some(row => /<img src=x.*down.*regular file/s.test(row.textContent))");
    browser.until("the outlet and its error", "/loki.*down/s.test(at('outlets-table').textContent)");
    browser.until("the actors", "/device-58.*up/s.test(at('actors-table').textContent)");
    browser.until("the audit log", "/verified/.test(at('audit').textContent)");
    let is_text =
        browser.run("return !document.querySelector('img') && !document.body.textContent.includes('\\u202e')");
    assert_eq!(is_text, true, "what others name is text, and what it turns around is shown");
    assert_eq!(browser.errors(), [""; 0], "the page has no errors of its own");
}
