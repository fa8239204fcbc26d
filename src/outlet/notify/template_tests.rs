//! The templates that are shipped: what they make has the form that each service documents, whatever stands in the fields.

use serde_json::Value;

use super::config::Notify;
use super::examples;
use super::message::{Kind, Message, Sender};
use super::template::{SHIPPED, Template};
use crate::detect::deceptive::is_deceptive;

fn notify(more: &str) -> Notify {
    toml::from_str(&format!("kind = \"webhook\"\n{more}")).unwrap()
}

fn sender() -> Sender {
    Sender {
        notifier: "n".into(),
        instance: "atlas".into(),
        link: Some("https://soc.example".into()),
        is_of_incidents: true,
    }
}

const HOSTILE: [&str; 8] = [
    "plain",
    "\"quotes\" \\ and 'more' \u{1b}[2J\r\n\t\0",
    "{{ secret }} {% raw %} }} ${x} %s",
    "\u{202e}gnp.exe\u{2066}\u{feff}\u{e0041}",
    "<!channel> <@U1> @channel @all @room [x](http://evil) </script>",
    "🙂𝕏é",
    "postgres://u:hunter2@db/x?password=hunter2",
    "",
];

fn texts() -> Vec<String> {
    let long = ["x".repeat(64 * 1024), "🙂".repeat(16 * 1024), "\"\\\u{1}".repeat(20_000), "<&>@*_".repeat(11_000)];
    HOSTILE.into_iter().map(str::to_owned).chain(long).collect()
}

/// Every body that a template makes of hostile messages.
fn bodies(template: &str) -> Vec<(Message, Value)> {
    let notify = notify(&format!("template = \"{template}\"\nparams = {{ topic = \"soc\" }}"));
    let template = Template::of(&notify).unwrap();
    let mut bodies = Vec::new();
    for text in texts() {
        for message in examples::messages(&text) {
            let body = template.render(&message.context(&sender()), Some("R-KEY")).unwrap();
            assert!(!body.chars().any(is_deceptive), "{body}");
            assert!(!body.contains("hunter2"), "{body}");
            let value: Value = serde_json::from_str(&body).unwrap();
            bodies.push((message, value));
        }
    }
    bodies
}

fn chars(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

#[test]
fn slack_gets_blocks_within_its_limits_and_nothing_in_them_calls_a_channel() {
    for (_, body) in bodies("slack") {
        assert!(body["text"].is_string());
        let [header, section] = body["blocks"].as_array().unwrap().as_slice() else { panic!("{body}") };
        assert_eq!((&header["type"], &header["text"]["type"]), (&"header".into(), &"plain_text".into()));
        assert!((1..=150).contains(&chars(&header["text"]["text"])));
        assert_eq!((&section["type"], &section["text"]["type"]), (&"section".into(), &"mrkdwn".into()));
        assert!((1..=3000).contains(&chars(&section["text"]["text"])));
        for text in [&body["text"], &section["text"]["text"]] {
            assert!(!text.as_str().unwrap().contains(['<', '>']), "{text}");
        }
    }
}

#[test]
fn mattermost_gets_an_attachment_that_mentions_nobody() {
    for (_, body) in bodies("mattermost") {
        let attachment = &body["attachments"][0];
        assert!(attachment["color"].as_str().unwrap().starts_with('#'));
        assert!(attachment["title_link"].as_str().unwrap().starts_with("https://soc.example/"));
        for name in ["fallback", "title", "text"] {
            let text = attachment[name].as_str().unwrap();
            assert!(!text.contains('@') && text.chars().count() <= 12_000, "{text}");
        }
    }
}

#[test]
fn teams_gets_a_card_that_is_small_enough() {
    for (_, body) in bodies("teams") {
        assert_eq!(body["type"], "message");
        assert_eq!(body["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &body["attachments"][0]["content"];
        assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
        assert!(card["body"].as_array().unwrap().iter().all(|block| block["type"] == "TextBlock"));
        assert_eq!(card["actions"][0]["type"], "Action.OpenUrl");
        // Teams takes 28 KB.
        assert!(body.to_string().len() <= 28_000, "{}", body.to_string().len());
    }
}

#[test]
fn pagerduty_is_triggered_and_resolved_under_the_id_of_the_incident() {
    for (message, body) in bodies("pagerduty") {
        assert_eq!(body["routing_key"], "R-KEY");
        let action = if message.kind == Kind::Closed { "resolve" } else { "trigger" };
        assert_eq!(body["event_action"], action);
        assert!(chars(&body["dedup_key"]) <= 255);
        let payload = &body["payload"];
        assert!(chars(&payload["summary"]) <= 1024 && payload["source"] == "atlas");
        assert!(["critical", "error", "warning", "info"].iter().any(|severity| payload["severity"] == *severity));
        assert!(payload["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert_eq!(body["links"][0]["text"], "Open");
        assert!(body.to_string().len() <= 512_000);
    }
}

#[test]
fn ntfy_gets_a_message_that_is_no_attachment() {
    for (_, body) in bodies("ntfy") {
        assert_eq!(body["topic"], "soc");
        assert!(body["message"].as_str().unwrap().len() <= 4096 && body["title"].as_str().unwrap().len() <= 250);
        assert!((1..=5).contains(&body["priority"].as_u64().unwrap()));
        assert!(body["tags"].as_array().unwrap().iter().all(Value::is_string));
    }
    let template = Template::of(&notify("template = \"ntfy\"")).unwrap();
    let error = template.render(&examples::messages("x")[0].context(&sender()), None).unwrap_err();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn matrix_gets_an_event_that_mentions_nobody_and_is_small_enough() {
    for (_, body) in bodies("matrix") {
        assert_eq!((&body["msgtype"], &body["m.mentions"]), (&"m.text".into(), &serde_json::json!({})));
        // An event has 64 KiB.
        assert!(body.to_string().len() < 65_000, "{}", body.to_string().len());
    }
}

#[test]
fn without_a_template_the_whole_message_is_sent() {
    for (message, body) in bodies("message") {
        assert_eq!((&body["id"], &body["key"]), (&message.case.id.as_str().into(), &message.key().into()));
    }
}

#[test]
fn every_template_that_is_shipped_works_without_a_link_too() {
    let quiet = Sender { link: None, ..sender() };
    for (name, _) in SHIPPED {
        let template = Template::of(&notify(&format!("template = \"{name}\"\nparams = {{ topic = \"t\" }}"))).unwrap();
        for message in examples::messages("x") {
            template.render(&message.context(&quiet), Some("s")).unwrap();
        }
    }
}

#[test]
fn a_template_that_cannot_be_used_says_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let tried = |name: &str, source: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, source).unwrap();
        let notify = notify(&format!("url = \"http://h\"\ntemplate = \"{}\"", path.display()));
        let findings = super::findings(&[notify]);
        findings.first().map(|finding| (finding.key.clone(), finding.problem.clone()))
    };
    assert_eq!(tried("a.json", "{ \"a\": {{ title }} }"), None);
    assert_eq!(tried("a.txt", "{{ title }}\n{{ text }}"), None);
    for (source, expected) in [
        ("{\n{{ titel }} }", "line 2"),
        ("{{ title", "syntax error"),
        ("{ \"a\": \"{{ title }}\" }", "no JSON"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", "fuel"),
        ("{% include \"/etc/passwd\" %}", "line 1"),
    ] {
        let (key, problem) = tried("b.json", source).unwrap();
        assert_eq!(key, "notify[0].template");
        assert!(problem.contains(expected), "{problem}");
    }
    let missing = super::findings(&[notify("url = \"http://h\"\ntemplate = \"/nowhere/x.json\"")]);
    assert!(missing[0].problem.contains("cannot be read"));
    let unknown = super::findings(&[notify("url = \"http://h\"\ntemplate = \"slak\"")]);
    assert!(unknown[0].problem.contains("no template that is shipped"));
}
