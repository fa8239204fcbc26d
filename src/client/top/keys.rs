//! What keys mean. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Quit,
    /// Keys move in the other list from now on.
    Other,
    /// So many lines on; before the first with a minus.
    By(i64),
    /// So many pages.
    Pages(i64),
    First,
    Last,
}

impl Key {
    pub fn of(key: KeyEvent) -> Option<Self> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
        Some(match key.code {
            KeyCode::Char('c') if with_control => Self::Quit,
            KeyCode::Char('q') | KeyCode::Esc => Self::Quit,
            KeyCode::Tab | KeyCode::BackTab => Self::Other,
            KeyCode::Down | KeyCode::Char('j') => Self::By(1),
            KeyCode::Up | KeyCode::Char('k') => Self::By(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => Self::Pages(1),
            KeyCode::PageUp => Self::Pages(-1),
            KeyCode::Home | KeyCode::Char('g') => Self::First,
            KeyCode::End | KeyCode::Char('G') => Self::Last,
            _ => return None,
        })
    }
}
