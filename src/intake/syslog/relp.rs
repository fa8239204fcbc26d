//! RELP, the protocol by which rsyslog hands messages on and hears that they are safe. Pure.
//!
//! A command is `NUMBER NAME LENGTH[ DATA]` and a newline; its answer has the same number. Numbers are the client's, and are
//! given back as they came.

use bytes::{Buf, Bytes, BytesMut};

use crate::limits::LINE_BYTES_MAX;

const NUMBER_DIGITS_MAX: usize = 9;
const NAME_BYTES_MAX: usize = 32;
/// Of a command in front of its data.
const HEAD_BYTES_MAX: usize = 2 * (NUMBER_DIGITS_MAX + 1) + NAME_BYTES_MAX + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Open,
    Syslog,
    Close,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub number: u32,
    pub name: Name,
    pub data: Bytes,
    /// It had more data.
    pub cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not RELP: {0}")]
pub struct RelpError(&'static str);

#[derive(Debug, Default)]
pub struct Commands {
    buffer: BytesMut,
    /// Of a command whose data was cut: so many bytes are still to be passed over.
    begun: Option<(Command, usize)>,
}

impl Commands {
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next command that is whole.
    ///
    /// # Errors
    /// The bytes are no commands; nothing behind them can be understood.
    pub fn next_command(&mut self) -> Result<Option<Command>, RelpError> {
        if self.begun.is_none() {
            let Some(head) = head(&self.buffer)? else { return Ok(None) };
            let taken = head.length.min(LINE_BYTES_MAX);
            if self.buffer.len() < head.bytes + taken {
                return Ok(None);
            }
            self.buffer.advance(head.bytes);
            let data = Bytes::copy_from_slice(&self.buffer.split_to(taken));
            let rest = head.length - taken;
            self.begun = Some((Command { number: head.number, name: head.name, data, cut: rest > 0 }, rest));
        }
        let Some((_, rest)) = &mut self.begun else { return Ok(None) };
        let here = (*rest).min(self.buffer.len());
        self.buffer.advance(here);
        *rest -= here;
        match (self.buffer.first(), *rest) {
            (None, _) | (_, 1..) => Ok(None),
            (Some(b'\n'), 0) => {
                self.buffer.advance(1);
                Ok(self.begun.take().map(|(command, _)| command))
            }
            (Some(_), 0) => Err(RelpError("no newline ends the data of a command")),
        }
    }
}

struct Head {
    number: u32,
    name: Name,
    length: usize,
    bytes: usize,
}

fn head(buffer: &[u8]) -> Result<Option<Head>, RelpError> {
    let text = buffer.get(..HEAD_BYTES_MAX).unwrap_or(buffer);
    let Some((number, rest)) = word(text, NUMBER_DIGITS_MAX)? else { return Ok(None) };
    let number = digits(number)?;
    let Some((name, rest)) = word(rest, NAME_BYTES_MAX)? else { return Ok(None) };
    let name = match name {
        b"open" => Name::Open,
        b"syslog" => Name::Syslog,
        b"close" => Name::Close,
        _ => Name::Other,
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.get(count) {
        None if rest.len() <= NUMBER_DIGITS_MAX => Ok(None),
        // The newline that ends a command without data is seen by the caller.
        Some(end @ (b' ' | b'\n')) => {
            let length = digits(rest.get(..count).unwrap_or_default())? as usize;
            let behind = usize::from(*end == b' ');
            let bytes = text.len() - rest.len() + count + behind;
            if length > 0 && behind == 0 {
                return Err(RelpError("a command has less data than it says"));
            }
            Ok(Some(Head { number, name, length, bytes }))
        }
        None | Some(_) => Err(RelpError("no length follows the name of a command")),
    }
}

/// A word and what follows it.
type Split<'text> = (&'text [u8], &'text [u8]);

/// Up to the next blank; `None` if it has not come yet.
fn word(text: &[u8], bytes_max: usize) -> Result<Option<Split<'_>>, RelpError> {
    match memchr::memchr(b' ', text) {
        Some(end) if (1..=bytes_max).contains(&end) => {
            let (word, rest) = text.split_at_checked(end).unwrap_or_default();
            Ok(Some((word, rest.get(1..).unwrap_or_default())))
        }
        None if text.len() <= bytes_max => Ok(None),
        _ => Err(RelpError("a command does not begin with its number and its name")),
    }
}

fn digits(text: &[u8]) -> Result<u32, RelpError> {
    let is_number = (1..=NUMBER_DIGITS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    number.ok_or(RelpError("a number is not one"))
}

/// What is said to a client that opens a session.
pub const WELCOME: &str = "200 OK\nrelp_version=0\nrelp_software=dsmild\ncommands=syslog";
pub const DONE: &str = "200 OK";
pub const UNKNOWN: &str = "500 only the command syslog is understood here";
/// The session is over, whoever ended it.
pub const GOODBYE: &str = "0 serverclose 0\n";

pub fn answer(number: u32, text: &str) -> String {
    if text.is_empty() { format!("{number} rsp 0\n") } else { format!("{number} rsp {} {text}\n", text.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], size: usize) -> Result<Vec<Command>, RelpError> {
        let (mut commands, mut found) = (Commands::default(), Vec::new());
        for chunk in text.chunks(size) {
            commands.put(chunk);
            while let Some(command) = commands.next_command()? {
                found.push(command);
            }
            assert!(commands.buffer.len() <= LINE_BYTES_MAX + HEAD_BYTES_MAX, "memory is bounded");
        }
        Ok(found)
    }

    fn command(number: u32, name: Name, data: &'static str) -> Command {
        Command { number, name, data: Bytes::from_static(data.as_bytes()), cut: false }
    }

    #[test]
    fn a_session_is_read_whatever_the_sizes_of_its_pieces() {
        let text = b"1 open 14 relp_version=0\n2 syslog 7 <13>a\nb\n3 starttls 0\n999999999 close 0\n";
        let expected = [
            command(1, Name::Open, "relp_version=0"),
            command(2, Name::Syslog, "<13>a\nb"),
            command(3, Name::Other, ""),
            command(999_999_999, Name::Close, ""),
        ];
        for size in 1..=text.len() {
            assert_eq!(read(text, size).unwrap(), expected, "{size}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let text = format!("1 syslog {} {}\n2 syslog 1 b\n", 3 * LINE_BYTES_MAX, "x".repeat(3 * LINE_BYTES_MAX));
        for size in [100, LINE_BYTES_MAX, text.len()] {
            let found = read(text.as_bytes(), size).unwrap();
            let shapes: Vec<_> =
                found.iter().map(|command| (command.number, command.data.len(), command.cut)).collect();
            assert_eq!(shapes, [(1, LINE_BYTES_MAX, true), (2, 1, false)]);
        }
    }

    #[test]
    fn what_is_no_relp_is_refused_before_it_is_collected() {
        for text in [
            "<13>Nov 10 10:00:00 web sshd[7]: x\n",
            "GET / HTTP/1.1\r\n",
            "1 syslog 3 abcd\n",
            "1 syslog 3\n",
            "1  3 abc\n",
            "x syslog 3 abc\n",
            "1 syslog x abc\n",
            "1 syslog -1 abc\n",
            "99999999999999999999 syslog 3 abc\n",
            "1 syslog 99999999999 abc\n",
            "1 aNameThatIsLongerThanAnyCommandHas 3 abc\n",
        ] {
            for size in [1, text.len()] {
                assert!(read(text.as_bytes(), size).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn an_answer_has_the_number_of_its_command() {
        assert_eq!(answer(7, DONE), "7 rsp 6 200 OK\n");
        assert_eq!(answer(7, ""), "7 rsp 0\n");
    }
}
