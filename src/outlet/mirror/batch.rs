//! A batch of entries as the commands that write it in one transaction. The first entry of a batch of SOC events also says where the
//! audit log ends.

use super::Target;
use crate::event::{Event, EventId, Fields};
use crate::limits::{MIRROR_BATCH_BYTES_MAX, MIRROR_BATCH_EVENTS_MAX};
use crate::observe::audit::{HEAD_FIELD, Head};
use crate::outlet::driver;
use crate::redis::{Commands, Packed};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// A transaction; after it Redis watches the stream and tells where it ends.
    pub commands: Packed,
    pub events: usize,
    pub last: EventId,
}

impl Batch {
    /// As many of the events as fit; `None` when there are none.
    pub fn of<'a>(target: &Target, events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        Self::with_head(target, events, None)
    }

    /// The same, with where the audit log ends.
    pub fn with_head<'a>(
        target: &Target,
        events: impl IntoIterator<Item = &'a Event>,
        head: Option<&Head>,
    ) -> Option<Self> {
        let mut events = events.into_iter().take(MIRROR_BATCH_EVENTS_MAX).peekable();
        events.peek()?;
        let mut head = head.and_then(|head| serde_json::to_string(head).ok());
        let mut commands = Commands::with_capacity(MIRROR_BATCH_BYTES_MAX / 8);
        let (mut count, mut last) = (0, EventId::ZERO);
        commands.add(&[b"MULTI"]);
        for event in events {
            add(&mut commands, target, event, head.take().as_deref());
            count += 1;
            last = event.id;
            if commands.bytes() >= MIRROR_BATCH_BYTES_MAX {
                break;
            }
        }
        commands.add(&[b"XTRIM", target.key.as_bytes(), b"MAXLEN", b"~", target.maxlen.to_string().as_bytes()]);
        commands.add(&[b"EXEC"]);
        target.watch(&mut commands);
        Some(Self { commands: commands.packed(), events: count, last })
    }
}

fn add(commands: &mut Commands, target: &Target, event: &Event, head: Option<&str>) {
    let fields = Fields::of(event);
    let fields = fields.list();
    let head = head.map(|head| (HEAD_FIELD, head));
    commands.begin(3 + 2 * (fields.len() + usize::from(head.is_some())));
    for text in ["XADD", &target.key, &event.id.text()] {
        commands.text(text.as_bytes());
    }
    let fields = fields.iter().map(|(name, value)| (&**name, &**value));
    for (name, value) in fields.chain(head) {
        commands.text(name.as_bytes());
        commands.text(value.as_bytes());
    }
}

impl driver::Batch for Batch {
    fn events(&self) -> u64 {
        self.events as u64
    }

    fn through(&self) -> EventId {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Decision, Format, Raw, Stream, Times, Timestamp};
    use crate::parse::built_in;
    use crate::redis::{Decoder, Reply};

    fn event(n: u32, body: Body) -> Event {
        let id = EventId::new(7, n);
        Event { id, stream: Stream::L3Out, times: Times::at(Timestamp::from_millis(1500)), root: id, body }
    }

    fn target() -> Target {
        Target { key: "L3_OUT".to_owned(), maxlen: 7 }
    }

    /// The id, names and values of each entry. That an array is read which is no answer makes no difference to the decoder.
    fn entries(batch: &Batch) -> Vec<Vec<String>> {
        let mut decoder = Decoder::default();
        decoder.take(&batch.commands.bytes).unwrap();
        let answers = std::iter::from_fn(|| decoder.answer());
        let texts = |list: Reply| list.list().iter().map(|text| text.text().unwrap().to_owned()).collect::<Vec<_>>();
        let commands: Vec<Vec<String>> = answers.map(|list| texts(list.unwrap())).collect();
        assert_eq!(commands.len(), batch.commands.count);
        let (first, rest) = commands.split_first().unwrap();
        let (entries, after) = rest.split_at(batch.events);
        assert_eq!(first, &["MULTI"]);
        let after: Vec<String> = after.iter().map(|command| command.join(" ")).collect();
        assert_eq!(after, ["XTRIM L3_OUT MAXLEN ~ 7", "EXEC", "WATCH L3_OUT", "XINFO STREAM L3_OUT"]);
        assert!(entries.iter().all(|entry| entry[..2] == ["XADD", "L3_OUT"]));
        entries.iter().map(|entry| entry[2..].to_vec()).collect()
    }

    fn decision(n: u32) -> Event {
        event(n, Body::Decision(Box::new(Decision::benign("m".into(), 15, "ops".into(), EventId::new(1, 0)))))
    }

    #[test]
    fn a_batch_holds_each_entry_with_its_id_and_its_fields() {
        let events = [decision(1), decision(2)];
        let batch = Batch::of(&target(), &events).unwrap();
        assert_eq!((batch.events, batch.last), (2, EventId::new(7, 2)));
        let entries = entries(&batch);
        for (entry, event) in entries.iter().zip(&events) {
            let mut expected = vec![event.id.to_string()];
            let fields = Fields::of(event);
            expected
                .extend(fields.list().into_iter().flat_map(|(name, value)| [name.into_owned(), value.into_owned()]));
            assert_eq!(entry, &expected);
        }
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn the_first_entry_of_a_batch_says_where_the_audit_log_ends() {
        let head = Head { lines: 7, hash: "ab".to_owned() };
        let batch = Batch::with_head(&target(), &[decision(1), decision(2)], Some(&head)).unwrap();
        let entries = entries(&batch);
        let place = entries[0].iter().position(|name| name == HEAD_FIELD).unwrap();
        assert_eq!(serde_json::from_str::<Head>(&entries[0][place + 1]).unwrap(), head);
        assert!(!entries[1].contains(&HEAD_FIELD.to_owned()));
    }

    #[test]
    fn a_batch_is_bounded_in_events_and_in_bytes() {
        let many: Vec<_> = (0..2 * MIRROR_BATCH_EVENTS_MAX as u32).map(decision).collect();
        let batch = Batch::of(&target(), &many).unwrap();
        assert_eq!((batch.events, batch.last), (MIRROR_BATCH_EVENTS_MAX, many[MIRROR_BATCH_EVENTS_MAX - 1].id));
        let payload = bytes::Bytes::from(vec![b'x'; MIRROR_BATCH_BYTES_MAX / 2 + 1]);
        let large = |n| {
            event(n, Body::Raw(Raw::new("s".into(), "c".into(), Format::Auto, payload.clone(), Vec::new(), built_in())))
        };
        assert_eq!(Batch::of(&target(), &[large(1), large(2), large(3)]).unwrap().events, 2);
        assert_eq!(Batch::of(&target(), &[]), None);
    }
}
