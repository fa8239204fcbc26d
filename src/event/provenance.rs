//! Where an event was read, so that whoever doubts it can look there.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::limits::PROVENANCE_BYTES_MAX;

/// As it is stored: a letter for the kind, then what finds the place again. A line of a file costs about 20 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    File(InFile),
    /// The cursor of the journal's entry.
    Journal(Box<str>),
    /// The id of the entry in its Redis stream.
    Redis {
        ms: u64,
        n: u64,
    },
    Syslog(IpAddr),
    /// Who sent the request, and the number of the line in its body, from 1.
    Http {
        peer: Box<str>,
        line: u64,
    },
}

/// Bytes of a file, without the end of the last line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InFile {
    /// `None` for standard input.
    pub inode: Option<u64>,
    /// Of the first byte, in the unpacked text of a packed file.
    pub offset: u64,
    pub length: u64,
    pub is_packed: bool,
    /// Its last lines stand at the beginning of the file that came after this one.
    pub is_carried: bool,
    /// Under which it was opened, where its source names another.
    pub path: Option<Arc<str>>,
}

const PACKED: char = 'z';
const CARRIED: char = '>';

impl fmt::Display for Provenance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => place.fmt(formatter),
            Self::Journal(cursor) => write!(formatter, "j {cursor}"),
            Self::Redis { ms, n } => write!(formatter, "r {ms}-{n}"),
            Self::Syslog(peer) => write!(formatter, "s {peer}"),
            Self::Http { peer, line } => write!(formatter, "h {line} {peer}"),
        }
    }
}

impl fmt::Display for InFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "f ")?;
        if let Some(inode) = self.inode {
            write!(formatter, "{inode}")?;
        }
        write!(formatter, ":{}+{}", self.offset, self.length)?;
        let marks = [(self.is_packed, PACKED), (self.is_carried, CARRIED)];
        marks.into_iter().filter(|(holds, _)| *holds).try_for_each(|(_, mark)| write!(formatter, "{mark}"))?;
        self.path.iter().try_for_each(|path| write!(formatter, " {path}"))
    }
}

impl Provenance {
    /// The place in a file. A path too long to be kept is left out: the source and the inode are named all the same.
    pub fn in_file(place: InFile) -> Self {
        let path = place.path.filter(|path| path.len() < PROVENANCE_BYTES_MAX / 2);
        Self::File(InFile { path, ..place })
    }

    /// `None` for what is no cursor that journald writes.
    pub fn in_journal(cursor: &str) -> Option<Self> {
        (cursor.len() < PROVENANCE_BYTES_MAX / 2).then(|| Self::Journal(cursor.into()))
    }

    /// Reads what `to_string` gave; `None` for anything else, as anybody may have written it.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > PROVENANCE_BYTES_MAX {
            return None;
        }
        let (kind, rest) = text.split_once(' ')?;
        Some(match kind {
            "f" => Self::File(read_place(rest)?),
            "j" => Self::Journal(rest.into()),
            "r" => {
                let (ms, n) = rest.split_once('-')?;
                Self::Redis { ms: ms.parse().ok()?, n: n.parse().ok()? }
            }
            "s" => Self::Syslog(rest.parse().ok()?),
            "h" => {
                let (line, peer) = rest.split_once(' ')?;
                Self::Http { peer: peer.into(), line: line.parse().ok()? }
            }
            _ => return None,
        })
    }
}

fn read_place(text: &str) -> Option<InFile> {
    let (place, path) = text.split_once(' ').map_or((text, None), |(place, path)| (place, Some(Arc::from(path))));
    let (inode, rest) = place.split_once(':')?;
    let (offset, rest) = rest.split_once('+')?;
    let length = rest.trim_end_matches([PACKED, CARRIED]);
    let marks = rest.get(length.len()..)?;
    Some(InFile {
        inode: if inode.is_empty() { None } else { Some(inode.parse().ok()?) },
        offset: offset.parse().ok()?,
        length: length.parse().ok()?,
        is_packed: marks.contains(PACKED),
        is_carried: marks.contains(CARRIED),
        path,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_a_file_costs_a_row_no_more_than_some_twenty_bytes() {
        let place = InFile { inode: Some(1_835_021), offset: 123_456_789, length: 98, ..InFile::default() };
        assert_eq!(Provenance::in_file(place).to_string(), "f 1835021:123456789+98");
    }

    #[test]
    fn a_cursor_or_path_without_end_is_not_kept() {
        let long = "x".repeat(PROVENANCE_BYTES_MAX);
        assert_eq!(Provenance::in_journal(&long), None);
        let place = InFile { path: Some(long.as_str().into()), ..InFile::default() };
        assert_eq!(Provenance::in_file(place), Provenance::File(InFile::default()));
        assert_eq!(Provenance::read(&format!("j {long}")), None);
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(
            inode: Option<u64>, offset: u64, length: u64, is_packed: bool, is_carried: bool,
            path in proptest::option::of("[a-z/ :+>é]{1,40}"), peer: [u8; 16], cursor in "[ -~]{0,200}",
        ) {
            let path = path.map(Arc::from);
            let file = InFile { inode, offset, length, is_packed, is_carried, path };
            for place in [
                Provenance::in_file(file),
                Provenance::Journal(cursor.into()),
                Provenance::Redis { ms: offset, n: length },
                Provenance::Syslog(IpAddr::from(peer)),
                Provenance::Http { peer: "user 0 on the socket".into(), line: length },
            ] {
                prop_assert_eq!(Provenance::read(&place.to_string()), Some(place));
            }
        }

        #[test]
        fn whatever_stands_in_the_column_is_read_or_refused(text in "[fjrsh] .{0,60}|.{0,60}") {
            let _ = Provenance::read(&text);
        }
    }
}
