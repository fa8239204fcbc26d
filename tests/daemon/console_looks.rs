//! How the page looks: pictures of every page where `DSMIL_PICTURES` names a folder, and what axe-core says of it where `DSMIL_AXE`
//! names its script (`axe.min.js` of the npm package `axe-core`).

use std::path::Path;
use std::process::{Command, Stdio};

use crate::browser::Browser;
use crate::console_pages::opened;

/// With what is there when it is full.
const PAGES: [(&str, &str, &str); 5] = [
    ("overview", "?", "#incidents .incident"),
    ("events", "?page=events", ".event"),
    ("rules", "?page=rules", "#rules-rows tr"),
    ("system", "?page=system", "#way li"),
    ("entity", "?page=entity&kind=address&value=203.0.113.5", "#entity li"),
];

/// What is opened on which page, and how it is closed.
const OPENED: [(&str, &str, &str); 5] = [
    (
        "unfolded",
        "?page=events",
        "const row = document.querySelector('.event'); if (row) row.click(); return Boolean(row)",
    ),
    ("keys", "?page=events", "showKeys(); return true"),
    (
        "chain",
        "?page=events",
        "const row = document.querySelector('.event'); if (row) row.item.explain(); return Boolean(row)",
    ),
    (
        "silence",
        "?page=events",
        "const row = document.querySelector('.event'); if (row) row.item.silence(); return Boolean(row)",
    ),
    (
        "act",
        "?",
        "const row = document.querySelector('.incident'); if (row) row.item.acknowledge(); return Boolean(row)",
    ),
];

/// axe-core, or `None` and a word about it.
fn axe() -> Option<String> {
    let Some(path) = std::env::var_os("DSMIL_AXE") else {
        eprintln!("skipped: DSMIL_AXE names no axe.min.js");
        return None;
    };
    Some(std::fs::read_to_string(path).unwrap())
}

struct Look<'test> {
    browser: &'test Browser,
    axe: Option<String>,
    violations: Vec<String>,
}

impl Look<'_> {
    fn at(&mut self, name: &str, width: u32, scheme: &str) {
        self.browser.looks(width, scheme);
        let name = format!("{name}-{width}-{scheme}");
        let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(self.browser.run(fits), true, "{name} fits the width of the screen");
        self.picture(&name);
        let Some(axe) = &self.axe else { return };
        self.browser.run(axe);
        let script = "const done = arguments[0]; axe.run().then(found => done(found.violations.map(it => it.id + ': ' + it.nodes.map(node => node.html).join(' | '))))";
        let found = self.browser.answer(script);
        self.violations.extend(found.as_array().unwrap().iter().map(|violation| format!("{name}: {violation}")));
    }

    fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("DSMIL_PICTURES") else { return };
        let target = std::fs::File::create(Path::new(&folder).join(format!("{name}.png"))).unwrap();
        let mut decode = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(target).spawn().unwrap();
        std::io::Write::write_all(&mut decode.stdin.take().unwrap(), self.browser.picture().as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
    }

    fn everywhere(&mut self, name: &str) {
        for (width, scheme) in [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")] {
            self.at(name, width, scheme);
        }
    }
}

#[test]
fn every_page_fits_wide_and_narrow_screens_in_light_and_dark_and_axe_finds_no_violation() {
    let Some(browser) = Browser::start() else { return };
    let (site, _daemon) = opened(&browser, "");
    let is_full = |what: &str| {
        format!(
            "me.signed_in && /incident/.test(at('verdict').textContent) && drawn && document.querySelector('{what}')"
        )
    };
    browser.until("the page", &is_full(".incident"));
    let mut look = Look { browser: &browser, axe: axe(), violations: Vec::new() };
    for (name, path, what) in PAGES {
        browser.open(&format!("http://127.0.0.1:{}/{path}", site.port));
        browser.until(name, &is_full(what));
        look.everywhere(name);
    }
    for (name, path, open) in OPENED {
        browser.open(&format!("http://127.0.0.1:{}/{path}", site.port));
        crate::harness::wait_for(name, || browser.run(open) == true);
        browser
            .until(name, "document.querySelector('dialog[open], .unfolded') && !/^…$/.test(at('steps').textContent)");
        look.everywhere(name);
    }
    browser.open(&format!("http://127.0.0.1:{}/?page=events&where=user+%3D+nobody", site.port));
    browser.until("nothing to be found", "me.signed_in && found && !asking && !at('no-events').hidden");
    look.everywhere("empty");
    browser.run("signOut()");
    browser.until("nobody", "me.roles.length === 0 && /sign in/.test(at('verdict').textContent)");
    look.everywhere("signed-out");
    assert_eq!(look.violations, [""; 0]);
    assert_eq!(browser.errors(), [""; 0]);
}
