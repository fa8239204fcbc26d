//! Tries notifiers out: their templates with `dsmild check`, the whole way with `dsmild notify test`.

use super::answer::Failure;
use super::config::{How, Notify, named};
use super::examples;
use super::message::{Sender, test};
use super::outlet::sender;
use super::template::Template;
use super::way::Way;
use crate::config::{Config, Finding};
use crate::event::Timestamp;

/// Everything that is wrong with the templates.
pub fn findings(list: &[Notify]) -> Vec<Finding> {
    let problem = |(index, notify): (usize, &Notify)| {
        let problem = (notify.kind == How::Webhook).then(|| tried(notify))?.err()?;
        let remedy = "config/notify/README.md says what a template can use";
        Some(Finding::new(format!("notify[{index}].template"), problem, remedy))
    };
    list.iter().enumerate().filter_map(problem).collect()
}

fn tried(notify: &Notify) -> Result<(), String> {
    let template = Template::of(notify)?;
    let sender = Sender { link: notify.link.clone(), ..Sender::default() };
    let secret = notify.secret_file.as_ref().map(|_| "secret");
    for message in examples::messages("an \"example\"") {
        template.render(&message.context(&sender), secret).map_err(|error| format!("cannot be used: {error}"))?;
    }
    Ok(())
}

/// Sends a test by the notifier of this name. Returns what the other side answered.
///
/// # Errors
/// There is no such notifier, or it did not take the message; the text says why.
pub async fn trial(name: &str, config: &Config) -> Result<String, String> {
    let all = named(&config.notify);
    let names = || all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let Some((name, notify)) = all.iter().find(|(known, _)| known == name) else {
        let known =
            if all.is_empty() { "the configuration has none".to_owned() } else { format!("there are {}", names()) };
        return Err(format!("no notifier is called `{}`: {known}", name.escape_debug()));
    };
    let mut way = Way::new(notify, sender(name, notify, config)).map_err(|error| error.to_string())?;
    match way.send(&test(Timestamp::now())).await {
        Ok(said) => Ok(said),
        Err(Failure::Refused(said)) => Err(format!("{name} will never take it: {said}")),
        Err(Failure::PutOff(error) | Failure::Down(error)) => Err(error.to_string()),
    }
}
