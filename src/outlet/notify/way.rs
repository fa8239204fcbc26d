//! The way that messages go.

use super::answer::Failure;
use super::command::Command;
use super::config::{How, Notify};
use super::email::Email;
use super::message::{Message, Sender};
use super::webhook::Webhook;
use crate::retry::OutsideError;

pub enum Way {
    Webhook(Box<Webhook>),
    Email(Box<Email>),
    Command(Command),
}

impl Way {
    /// Reads the files that the configuration names, and opens no connection yet.
    ///
    /// # Errors
    /// Something that the configuration names cannot be used.
    pub fn new(notify: &Notify, sender: Sender) -> Result<Self, OutsideError> {
        Ok(match notify.kind {
            How::Webhook => Self::Webhook(Box::new(Webhook::new(notify, sender)?)),
            How::Email => Self::Email(Box::new(Email::new(notify, sender)?)),
            How::Command => Self::Command(Command::new(notify, sender)),
        })
    }

    /// Whether somebody is there to take messages.
    ///
    /// # Errors
    /// Nobody is.
    pub async fn knock(&self) -> Result<(), OutsideError> {
        match self {
            Self::Webhook(webhook) => webhook.knock().await,
            Self::Email(email) => email.knock().await,
            Self::Command(command) => command.knock(),
        }
    }

    /// Returns what the other side answered.
    ///
    /// # Errors
    /// The message was not taken.
    pub async fn send(&mut self, message: &Message) -> Result<String, Failure> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Email(email) => Box::pin(email.send(message)).await,
            Self::Command(command) => Box::pin(command.send(message)).await,
        }
    }
}
