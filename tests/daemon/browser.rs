//! A real browser, driven over WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{free_port, memory_dir, send, wait_for};

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`, and a word about it, where there is no browser or nothing that drives it.
    pub fn start() -> Option<Self> {
        let port = free_port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(driver) = driver.spawn() else {
            eprintln!("skipped: chromedriver is not installed");
            return None;
        };
        let profile = tempfile::Builder::new().prefix("dsmild-browser").tempdir_in(memory_dir()).unwrap();
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        wait_for("the driver of the browser to answer", || {
            browser.send("GET", "/status", &Value::Null).is_some_and(|status| status["ready"] == true)
        });
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        // Nobody but the page is to be talked to; root has no sandbox to give it.
        let arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"];
        let quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
        let arguments: Vec<&str> = arguments.into_iter().chain(quiet).chain([folder.as_str()]).collect();
        let wanted = json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } });
        let opened = browser.send("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        let opened = opened.expect("the driver answers");
        browser.session = opened["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {opened}")).to_owned();
        Some(browser)
    }

    /// The `value` of the answer.
    fn send(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (_, body) = send(self.port, &format!("{method} {path}"), "Content-Type: application/json", &body)?;
        serde_json::from_str::<Value>(&body).ok().map(|mut answer| answer["value"].take())
    }

    fn of_session(&self, path: &str, body: &Value) -> Value {
        let answer = self.send("POST", &format!("/session/{}{path}", self.session), body).expect("the driver answers");
        assert!(answer["error"].is_null(), "{path}: {answer}");
        answer
    }

    pub fn open(&self, url: &str) {
        self.of_session("/url", &json!({ "url": url }));
    }

    /// What the body of a function returns in the page.
    pub fn run(&self, script: &str) -> Value {
        self.of_session("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page.
    pub fn until(&self, what: &str, expression: &str) {
        wait_for(what, || self.run(&format!("return Boolean({expression})")) == true);
    }

    /// Clicks the element that an expression finds, as soon as there is one. It is found and clicked in one step, for the page draws its
    /// lists anew whenever it likes.
    pub fn click(&self, what: &str, expression: &str) {
        let script = format!("const found = {expression}; if (found) found.click(); return Boolean(found)");
        // A click that opens a question of the page has no answer until that is answered.
        wait_for(what, || self.run(&script) != false);
    }

    /// Presses keys one after the other, as a person does. Letters are themselves; others are named as in WebDriver.
    pub fn press(&self, keys: &[&str]) {
        let each = keys.iter().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": each.collect::<Vec<_>>() }]);
        self.of_session("/actions", &json!({ "actions": actions }));
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.of_session("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// As on a screen of this width, `light` or `dark`.
    pub fn looks(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
    }

    /// What a script gives to the function that is its last argument.
    pub fn answer(&self, script: &str) -> Value {
        self.of_session("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Says yes to what the page asks with `confirm`.
    pub fn accept(&self) {
        self.of_session("/alert/accept", &json!({}));
    }

    /// Errors on the page's own console since the last time.
    pub fn errors(&self) -> Vec<String> {
        let log = self.of_session("/se/log", &json!({ "type": "browser" }));
        let errors = log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        errors.map(|entry| entry["message"].to_string()).collect()
    }

    /// The page as it looks, as PNG in base64.
    pub fn picture(&self) -> String {
        let path = format!("/session/{}/screenshot", self.session);
        self.send("GET", &path, &Value::Null).and_then(|it| it.as_str().map(str::to_owned)).expect("a picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.send("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
