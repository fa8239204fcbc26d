//! The messages in what a Postgres server sends: each is a letter, a length that counts itself, and as many bytes as that
//! says. Pure.

use crate::limits::{POSTGRES_MESSAGE_BYTES_MAX, POSTGRES_SETTINGS_BYTES_MAX};

const HEADER_BYTES: usize = 5;
/// The length counts its own four bytes.
const LENGTH_BYTES: u32 = 4;
/// The client remembers each by its name for as long as the connection lasts.
const PARAMETER_STATUS: u8 = b'S';

/// Why nothing more is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server announced a message of {0} bytes, more than {POSTGRES_MESSAGE_BYTES_MAX}")]
    Long(u32),
    #[error("the server announced a message of {0} bytes, which is less than its own header has")]
    Short(u32),
    #[error("the server sent settings of more than {POSTGRES_SETTINGS_BYTES_MAX} bytes")]
    Settings,
}

/// How much of what came may be handed on: whole headers and what follows them.
#[derive(Debug, PartialEq, Eq)]
pub struct Passage {
    pub through: usize,
    /// What comes then may not, nor anything after it.
    pub refused: Option<Refusal>,
}

#[derive(Debug, Default)]
pub struct Messages {
    /// Of the message that has begun.
    rest: usize,
    settings: usize,
}

impl Messages {
    /// Looks at what follows what was handed on before.
    pub fn look(&mut self, bytes: &[u8]) -> Passage {
        let mut through = 0;
        loop {
            let part = self.rest.min(bytes.len() - through);
            self.rest -= part;
            through += part;
            let Some([kind, length @ ..]) = bytes.get(through..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>())
            else {
                return Passage { through, refused: None };
            };
            match self.begin(*kind, u32::from_be_bytes(*length)) {
                Ok(()) => through += HEADER_BYTES,
                Err(refusal) => return Passage { through, refused: Some(refusal) },
            }
        }
    }

    fn begin(&mut self, kind: u8, length: u32) -> Result<(), Refusal> {
        let rest = length.checked_sub(LENGTH_BYTES).ok_or(Refusal::Short(length))? as usize;
        if rest > POSTGRES_MESSAGE_BYTES_MAX {
            return Err(Refusal::Long(length));
        }
        if kind == PARAMETER_STATUS {
            self.settings += rest;
            if self.settings > POSTGRES_SETTINGS_BYTES_MAX {
                return Err(Refusal::Settings);
            }
        }
        self.rest = rest;
        Ok(())
    }
}

impl Refusal {
    /// As a message of the server that ends the session, for the client to say: protocol_violation.
    pub fn to_message(self) -> Vec<u8> {
        let fields = format!("SFATAL\0VFATAL\0C08P01\0M{self}\0\0");
        let length = u32::try_from(fields.len()).unwrap_or_default() + LENGTH_BYTES;
        [&b"E"[..], &length.to_be_bytes()[..], fields.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    #[test]
    fn whole_messages_are_handed_on_however_they_are_cut() {
        let sent = [message(b'R', &[0; 4]), message(b'Z', b"I"), message(b'D', &[7; 300]), message(b'1', &[])].concat();
        for size in [1, 2, 4, 5, 6, 9, 100, sent.len()] {
            let (mut messages, mut waiting, mut passed) = (Messages::default(), Vec::new(), Vec::new());
            for piece in sent.chunks(size) {
                waiting.extend_from_slice(piece);
                let Passage { through, refused } = messages.look(&waiting);
                assert_eq!(refused, None, "{size}");
                passed.extend(waiting.drain(..through));
                assert!(waiting.len() < HEADER_BYTES, "{size}");
            }
            assert_eq!(passed, sent, "{size}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_or_impossible_is_refused_by_its_header_and_what_was_before_it_is_not() {
        let before = message(b'Z', b"I");
        for (length, refusal) in
            [(1_500_000_000, Refusal::Long(1_500_000_000)), (u32::MAX, Refusal::Long(u32::MAX)), (3, Refusal::Short(3))]
        {
            let sent = [&before[..], b"E", &u32::to_be_bytes(length)[..], b"some of it"].concat();
            let refused = Some(refusal);
            assert_eq!(Messages::default().look(&sent), Passage { through: before.len(), refused });
        }
        let largest = [&b"D"[..], &(POSTGRES_MESSAGE_BYTES_MAX as u32 + 4).to_be_bytes()[..]].concat();
        assert_eq!(Messages::default().look(&largest), Passage { through: 5, refused: None });
    }

    #[test]
    fn settings_without_end_are_refused() {
        let mut messages = Messages::default();
        let one = message(PARAMETER_STATUS, &[b'x'; 1000]);
        let refused = (0..).find_map(|_| messages.look(&one).refused);
        assert_eq!(refused, Some(Refusal::Settings));
    }
}
