//! One envelope taken off a line, and what it leaves to open.

use super::super::time::LogTime;
use crate::event::Record;
use crate::limits;

/// What may stand in the message of a layer, by who wrote it. A program's message holds words of strangers, so a second
/// header in it is never believed; what passes lines on has whole lines as its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// A whole line with an envelope of its own.
    Line,
    /// The message of a program that is known: an object or a list of keys, but no header.
    Payload,
    /// Text and nothing else.
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub time: LogTime,
    pub record: Record,
    pub inside: Inside,
}

impl Layer {
    pub fn new(time: LogTime, record: Record, inside: Inside) -> Self {
        Self { time, record, inside }
    }

    /// Takes over what was found inside. The outer layer was written by who is trusted more: its time, host, program and
    /// fields stay, and what it leaves out is filled in.
    pub fn take_inside(&mut self, inner: Self) {
        let Self { time, record, inside } = inner;
        if self.time == LogTime::Absent {
            self.time = time;
        }
        self.inside = inside;
        let mine = &mut self.record;
        if mine.program.is_none() {
            mine.program = record.program;
            mine.pid = mine.pid.or(record.pid);
        }
        mine.level = mine.level.or(record.level);
        if mine.entity.host.is_none() {
            mine.entity.host = record.entity.host;
        }
        mine.repeated = mine.repeated.or(record.repeated);
        mine.message = record.message;
        let known = mine.fields.len();
        for (key, value) in record.fields {
            let is_known = mine.fields.iter().take(known).any(|(other, _)| *other == key);
            if !is_known && mine.fields.len() < limits::FIELDS_PER_RECORD_MAX {
                mine.fields.push((key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_outer_layer_leaves_out_is_filled_in() {
        let time = LogTime::Instant(crate::event::Timestamp::from_millis(7_000));
        let mut inner = Record {
            program: Some("sshd".into()),
            pid: Some(7),
            level: Some(3),
            repeated: Some(2),
            fields: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            ..Record::default()
        };
        inner.entity.host = Some("vault".into());
        let mut outer = Layer::new(LogTime::Absent, Record::default(), Inside::Line);
        outer.take_inside(Layer::new(time, inner.clone(), Inside::Payload));
        assert!(outer.time == time);
        assert_eq!(outer.record, inner, "also what the inner one says twice");
        let later = LogTime::Instant(crate::event::Timestamp::from_millis(8_000));
        let other = Record { pid: Some(8), level: Some(4), repeated: Some(3), ..Record::default() };
        outer.take_inside(Layer::new(later, other, Inside::Payload));
        assert!(outer.time == time);
        let Record { pid, level, repeated, .. } = outer.record;
        assert_eq!((pid, level, repeated), (Some(7), Some(3), Some(2)));
        let mut named = Layer::new(time, Record { program: Some("cron".into()), ..Record::default() }, Inside::Line);
        named.take_inside(Layer::new(time, Record { pid: Some(9), ..Record::default() }, Inside::Payload));
        assert_eq!(named.record.pid, None, "it is that of another program");
    }

    #[test]
    fn a_record_of_several_layers_has_a_bounded_number_of_fields() {
        let many = |from: usize| {
            let fields =
                (from..from + limits::FIELDS_PER_RECORD_MAX).map(|n| (format!("k{n}"), "v".to_owned())).collect();
            Layer::new(LogTime::Absent, Record { fields, ..Record::default() }, Inside::Payload)
        };
        let mut outer = many(0);
        outer.record.fields.pop();
        outer.take_inside(many(1000));
        assert_eq!(outer.record.fields.len(), limits::FIELDS_PER_RECORD_MAX);
    }

    #[test]
    fn what_the_outer_layer_says_stays() {
        let record = |program: &str, host: &str, fields: &[(&str, &str)]| {
            let mut record = Record { program: Some(program.to_owned()), pid: Some(1), ..Record::default() };
            record.entity.host = Some(host.to_owned());
            record.fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            record
        };
        let mut outer = Layer::new(LogTime::Absent, record("relay", "gate", &[("src", "192.0.2.1")]), Inside::Payload);
        let inner = record("sshd", "vault", &[("src", "203.0.113.6"), ("dst", "192.0.2.2")]);
        outer.take_inside(Layer::new(LogTime::Absent, Record { message: "x".into(), ..inner }, Inside::Text));
        assert_eq!(outer.record.program.as_deref(), Some("relay"));
        assert_eq!(outer.record.entity.host.as_deref(), Some("gate"));
        assert_eq!((outer.record.field("src"), outer.record.field("dst")), (Some("192.0.2.1"), Some("192.0.2.2")));
        assert_eq!((outer.record.message.as_str(), outer.inside), ("x", Inside::Text));
    }
}
