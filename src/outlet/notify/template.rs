//! Makes a body of a message. Templates are Jinja without files and loops without end; in one whose name ends in `.json` every value is
//! written as JSON, and what comes out is one JSON value or an error. Pure but for reading the file.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};

use super::config::Notify;
use crate::detect::deceptive::escaped_json;
use crate::limits::{NOTIFY_BODY_BYTES_MAX, NOTIFY_TEMPLATE_BYTES_MAX, NOTIFY_TEMPLATE_STEPS_MAX};
use crate::named_files;

/// Those that are compiled in, by name.
pub static SHIPPED: &[(&str, &str)] = &[
    ("message", "{{ message }}"),
    ("slack", include_str!("../../../config/notify/slack.json")),
    ("mattermost", include_str!("../../../config/notify/mattermost.json")),
    ("teams", include_str!("../../../config/notify/teams.json")),
    ("pagerduty", include_str!("../../../config/notify/pagerduty.json")),
    ("ntfy", include_str!("../../../config/notify/ntfy.json")),
    ("matrix", include_str!("../../../config/notify/matrix.json")),
];

pub struct Template {
    environment: Environment<'static>,
    source: String,
    is_json: bool,
    params: Value,
}

impl Template {
    /// Reads it: a name of those that are shipped, or the path of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(notify: &Notify) -> Result<Self, String> {
        let name = notify.template.as_str();
        let (source, is_json) = match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            Some((_, source)) => ((*source).to_owned(), true),
            None if name.contains('/') => {
                let read = named_files::text(Path::new(name), NOTIFY_TEMPLATE_BYTES_MAX);
                (
                    read.map_err(|error| format!("`{}` cannot be read: {error}", name.escape_debug()))?,
                    name.ends_with(".json"),
                )
            }
            None => return Err(format!("`{}` is no template that is shipped", name.escape_debug())),
        };
        let template = Self { environment: environment(is_json), source, is_json, params: json!(notify.params) };
        Ok(template)
    }

    pub fn content_type(&self) -> &'static str {
        if self.is_json { "application/json" } else { "text/plain; charset=utf-8" }
    }

    /// The body for a message's context. `secret`: the text of `secret_file`.
    ///
    /// # Errors
    /// What is wrong, and in which line of the template.
    pub fn render(&self, context: &Value, secret: Option<&str>) -> Result<String, String> {
        let mut all = context.clone();
        if let Value::Object(object) = &mut all {
            object.insert("message".to_owned(), context.clone());
            object.insert("params".to_owned(), self.params.clone());
            object.extend(secret.map(|secret| ("secret".to_owned(), Value::from(secret))));
        }
        let name = if self.is_json { "body.json" } else { "body.txt" };
        let rendered = self.environment.render_named_str(name, &self.source, Serde(&all));
        let body = rendered.map_err(|error| {
            let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{line}{}{detail}", error.kind())
        })?;
        if body.len() > NOTIFY_BODY_BYTES_MAX {
            return Err(format!("what it makes is longer than {NOTIFY_BODY_BYTES_MAX} bytes"));
        }
        if !self.is_json {
            return Ok(body);
        }
        let value: Value = serde_json::from_str(&body)
            .map_err(|error| format!("what it makes is no JSON: {error}; `{{{{ name }}}}` writes the quotes itself"))?;
        Ok(escaped_json(&value.to_string()).into_owned())
    }
}

fn environment(is_json: bool) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(move |_| if is_json { AutoEscape::Json } else { AutoEscape::None });
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(NOTIFY_TEMPLATE_STEPS_MAX));
    environment.add_filter("cut", |text: String, chars: usize| cut(&text, chars));
    environment.add_filter("cut_bytes", |text: String, bytes: usize| cut_bytes(&text, bytes));
    environment.add_filter("slack", |text: String| slack(&text));
    environment.add_filter("markdown", |text: String| markdown(&text));
    environment
}

/// The first characters of a text; where it goes on, the last of them is `…`.
fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

/// The same by bytes of UTF-8.
fn cut_bytes(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub('…'.len_utf8()));
    text.chars().take(text.get(..end).map_or(0, |kept| kept.chars().count())).chain(['…']).collect()
}

/// As Slack wants text: nothing in it links, or calls a channel.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text that Markdown shows as it is, and that calls nobody by name.
fn markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '@' => shown.push('＠'),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '<' | '>' | '~' => {
                shown.extend(['\\', character]);
            }
            '\n' => shown.push_str("  \n"),
            other => shown.push(other),
        }
    }
    shown
}
