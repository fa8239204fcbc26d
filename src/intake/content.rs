//! What a file holds, by its first bytes: lines, something packed, or nothing that has lines.

use super::unpack::Packing;
use super::utf16::Utf16;

/// How to get at the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Lines,
    Packed(Packing),
    /// The lines are out of reach; what the person who replays can do instead.
    Unreadable(&'static str),
}

/// Beginnings that tell what a file is.
const MARKS: &[(&[u8], Content)] = &[
    (b"BZh", Content::Unreadable("it is compressed with bzip2: `bzip2 -dc FILE | dsmild replay -` reads it")),
    (b"\x04\x22\x4d\x18", Content::Unreadable("it is compressed with lz4: `lz4 -dc FILE | dsmild replay -` reads it")),
    (b"PK\x03\x04", Content::Unreadable("it is a zip archive: unpack it first")),
    (b"LPKSHHRH", Content::Unreadable("it is a journal: `journalctl --file=FILE -o json | dsmild replay -` reads it")),
];

const BINARY: Content = Content::Unreadable("it is binary and has no lines");

/// One control character in so many bytes makes it binary.
const BYTES_PER_CONTROL: usize = 10;

/// `head`: the beginning, some kilobytes of it.
pub fn of(head: &[u8]) -> Content {
    if let Some(packing) = Packing::of(head) {
        return Content::Packed(packing);
    }
    if let Some((_, content)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
        return *content;
    }
    if Utf16::of(head).is_some() {
        return Content::Lines;
    }
    // A hole at the beginning is what a writer leaves that goes on behind a truncation.
    let start = head.iter().position(|byte| *byte != 0).unwrap_or(head.len());
    let text = head.get(start..).unwrap_or_default();
    let is_control = |byte: &&u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b);
    if text.iter().filter(is_control).count() * BYTES_PER_CONTROL > text.len() { BINARY } else { Content::Lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_and_binary_files_are_told_from_lines() {
        for (head, expected) in [
            (&b"\x1f\x8b\x08\0\0"[..], Content::Packed(Packing::Gzip)),
            (b"\x28\xb5\x2f\xfd\x24", Content::Packed(Packing::Zstd)),
            (b"\xfd7zXZ\0\0", Content::Packed(Packing::Xz)),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0", BINARY),
            (b"h\0e\0l\0l\0o\0\n\0", BINARY),
            (b"", Content::Lines),
            (b"\0\0\0\0Jan  2 03:04:05 web sshd[7]: hello\n", Content::Lines),
            ("grüß dich \u{1b}[31m \x07\n".as_bytes(), Content::Lines),
            (b"\xff\xfe\xe9 latin\n", Content::Lines),
            (b"\xff\xfeh\0e\0l\0l\0o\0\n\0", Content::Lines),
        ] {
            assert_eq!(of(head), expected, "{head:?}");
        }
        for mark in [&b"BZh9"[..], b"\x04\x22\x4d\x18", b"LPKSHHRH"] {
            assert!(matches!(of(mark), Content::Unreadable(why) if why.contains("dsmild replay -")), "{mark:?}");
        }
    }
}
