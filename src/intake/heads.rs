//! The next records of one file: read, and not handed out yet.

use std::collections::VecDeque;

use super::clock::CONFIRMING_LINES;
use super::context::Context;
use super::lines::Line;
use super::multiline::{Multiline, Rest};
use super::raw::ParsedAhead;
use super::{LineTime, Origin};
use crate::event::{Body, Draft, InFile, Provenance, Timestamp};
use crate::parse::Calendar;

pub struct Head {
    pub draft: Draft,
    /// The time that it tells.
    pub time: LineTime,
    /// Where its first line begins.
    pub start: u64,
    /// Of the file, from there to the end of its last line.
    pub bytes: u64,
    /// Where its text stands in its own file.
    text: (u64, u64),
    /// It was there when the file was opened.
    pub is_backlog: bool,
    /// Its last lines stand at the beginning of the file that came after its own.
    pub is_carried: bool,
    /// It may go on.
    rest: Option<Rest>,
}

impl Head {
    /// Of a line that stands for itself.
    pub fn whole(draft: Draft, claim: Timestamp, line: &Line) -> Self {
        let time = LineTime { claim: Some(claim), stated: Some(claim), is_before_host: false };
        let (start, bytes) = (line.start, line.end - line.start);
        Self { draft, time, start, bytes, text: line.text, is_backlog: false, is_carried: false, rest: None }
    }

    /// With where it was read, in this file.
    fn of(mut self, file: &InFile) -> Self {
        if let Body::Raw(raw) = &mut self.draft.body {
            let (offset, end) = self.text;
            let place = InFile { offset, length: end - offset, is_carried: self.is_carried, ..file.clone() };
            raw.provenance = Some(Box::new(Provenance::in_file(place)));
        }
        self
    }
}

/// As many as it takes to judge the time of the first. The last of them may still go on.
pub struct Heads {
    rule: Multiline,
    heads: VecDeque<Head>,
    context: Context,
    /// What they are read from.
    file: InFile,
}

impl Heads {
    pub fn new(rule: Multiline, context: Context, file: InFile) -> Self {
        Self { rule, heads: VecDeque::with_capacity(CONFIRMING_LINES), context, file }
    }

    /// They stand at the same places in a copy.
    pub fn move_to(&mut self, file: InFile) {
        self.file = file;
    }

    /// The first is whole, and so many follow that its time can be judged.
    pub fn is_full(&self) -> bool {
        self.heads.len() >= CONFIRMING_LINES && self.is_ready()
    }

    pub fn is_ready(&self) -> bool {
        self.first().is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// No line can confirm the first one that is not here.
    pub fn are_few(&self) -> bool {
        self.heads.len() < CONFIRMING_LINES
    }

    /// Where the first begins, whole or not.
    pub fn start(&self) -> Option<u64> {
        self.heads.front().map(|head| head.start)
    }

    /// The first, if it is whole.
    pub fn first(&self) -> Option<&Head> {
        self.heads.front().filter(|head| head.rest.is_none())
    }

    pub fn first_mut(&mut self) -> Option<&mut Head> {
        self.heads.front_mut().filter(|head| head.rest.is_none())
    }

    /// Those after the first.
    pub fn later(&self) -> impl Iterator<Item = &Head> {
        self.heads.iter().skip(1)
    }

    pub fn pop(&mut self) -> Option<Head> {
        if self.is_ready() { self.heads.pop_front().map(|head| head.of(&self.file)) } else { None }
    }

    /// Takes the next line, as part of the last record or as the first of another.
    pub fn take(&mut self, line: Line, origin: &Origin, calendar: &Calendar, is_backlog: bool) {
        self.take_line(line, None, origin, calendar, is_backlog);
    }

    /// The same of a line that has been parsed.
    pub fn take_parsed(&mut self, line: Line, ahead: Option<ParsedAhead>, origin: &Origin, calendar: &Calendar) {
        self.take_line(line, ahead, origin, calendar, false);
    }

    fn take_line(
        &mut self,
        line: Line,
        ahead: Option<ParsedAhead>,
        origin: &Origin,
        calendar: &Calendar,
        is_backlog: bool,
    ) {
        if let Some(Head { rest: Some(rest), bytes, start, text, .. }) = self.heads.back_mut()
            && rest.take(&line.payload)
        {
            (*bytes, text.1) = (line.end - *start, line.text.1);
            return;
        }
        let (draft, time) = origin.line_parsed(line.payload, ahead, &mut self.context, calendar);
        let rest = Rest::of(self.rule, origin.format, &draft, time);
        let bytes = line.end - line.start;
        let (start, text) = (line.start, line.text);
        self.push(Head { draft, time, start, bytes, text, is_backlog, is_carried: false, rest });
    }

    /// Takes the first line of the file that came after this one, if it belongs to the last record here.
    pub fn carry(&mut self, line: &Line) -> bool {
        let Some(Head { rest: Some(rest), bytes, is_carried, .. }) = self.heads.back_mut() else { return false };
        let goes_on = rest.take(&line.payload);
        if goes_on {
            *bytes += line.end - line.start;
            *is_carried = true;
        }
        goes_on
    }

    pub fn push(&mut self, head: Head) {
        self.close();
        self.heads.push_back(head);
    }

    /// Nothing more comes for the last record.
    pub fn close(&mut self) {
        let Some(last) = self.heads.back_mut() else { return };
        if let Some(rest) = last.rest.take()
            && let Some((text, lines)) = rest.text()
        {
            Origin::go_on(&mut last.draft, text, lines);
        }
    }
}
