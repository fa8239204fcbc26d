//! Text that was packed when it was rotated: gzip, zstd and xz, unpacked piece by piece with bounded memory.
//!
//! What is packed may be anybody's: a few kilobytes that unpack to more than any log is refused as soon as that is seen, so is
//! what needs more memory than a packer of logs takes, and a decoder that panics has found a damaged file.

use std::io::{self, BufRead, Error, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::limits::{UNPACK_WINDOW_BYTES_MAX, UNPACKED_FREE_BYTES, UNPACKED_HOLE_BYTES_MAX, UNPACKED_RATIO_MAX};

/// How text was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    const MARKS: [(&'static [u8], Self); 3] =
        [(b"\x1f\x8b", Self::Gzip), (b"\x28\xb5\x2f\xfd", Self::Zstd), (b"\xfd7zXZ\0", Self::Xz)];
    /// Of the longest mark.
    pub const MARK_BYTES: usize = 6;

    /// By the first bytes of a file.
    pub fn of(head: &[u8]) -> Option<Self> {
        Self::MARKS.iter().find(|(mark, _)| head.starts_with(mark)).map(|(_, packing)| *packing)
    }

    /// Whether its decoder may need a large window.
    pub fn needs_window(self) -> bool {
        self != Self::Gzip
    }
}

/// A file was refused: nothing can be read behind this, however often it is tried. The error's text says why.
pub fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::FileTooLarge | ErrorKind::OutOfMemory)
}

/// Reads what was packed.
pub struct Unpacked {
    reader: Box<dyn Read + Send>,
    packed: Arc<AtomicU64>,
    text: u64,
    holes: u64,
}

impl Unpacked {
    pub fn new(packing: Packing, packed: impl BufRead + Send + 'static) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let packed = Counted { inner: packed, count: Arc::clone(&count) };
        let reader: Box<dyn Read + Send> = match packing {
            Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Packing::Zstd => Box::new(Zstd::new(packed)),
            Packing::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_KIB_MAX)),
        };
        Self { reader, packed: count, text: 0, holes: 0 }
    }

    fn check(&mut self, fresh: &[u8]) -> io::Result<()> {
        // A writer that goes on behind a truncation leaves a hole, and a hole may be of any size.
        if fresh.iter().all(|byte| *byte == 0) {
            self.holes += fresh.len() as u64;
        } else {
            self.text += fresh.len() as u64;
        }
        let packed = self.packed.load(Ordering::Relaxed);
        let is_bomb = self.text > UNPACKED_FREE_BYTES && self.text > packed.saturating_mul(UNPACKED_RATIO_MAX);
        if !is_bomb && self.holes <= UNPACKED_HOLE_BYTES_MAX {
            return Ok(());
        }
        let text = format!(
            "it unpacks to more than {UNPACKED_RATIO_MAX} times its size ({packed} bytes to {} so far), as no log does: it \
             is not read any further",
            self.text + self.holes
        );
        Err(Error::new(ErrorKind::FileTooLarge, text))
    }
}

/// The memory that an xz decoder may take, beside its dictionary.
const XZ_KIB_MAX: u32 = (UNPACK_WINDOW_BYTES_MAX / 1024) as u32 + 1024;

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reader = &mut self.reader;
        let read = catch_unwind(AssertUnwindSafe(|| reader.read(buffer)));
        let count =
            read.unwrap_or_else(|_| Err(Error::new(ErrorKind::InvalidData, "its decoder gave up"))).map_err(told)?;
        self.check(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

/// In words that say what is wrong, where the decoder's own do not.
fn told(error: Error) -> Error {
    let text = match error.kind() {
        ErrorKind::OutOfMemory => {
            let most = UNPACK_WINDOW_BYTES_MAX / (1024 * 1024);
            format!("it was packed with a window of more than {most} MiB: pack it with a smaller one")
        }
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof | ErrorKind::Other => {
            format!("it is damaged, or ends too early: {error}")
        }
        _ => return error,
    };
    Error::new(error.kind(), text)
}

/// Counts the bytes that are taken of what is packed.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        self.inner.consume(count);
    }
}

/// Frames of zstd, one behind the other; those that carry no text are passed over.
struct Zstd<R> {
    packed: R,
    decoder: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(packed: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(UNPACK_WINDOW_BYTES_MAX);
        Self { packed, decoder, is_inside: false }
    }

    fn begin_frame(&mut self) -> io::Result<()> {
        match self.decoder.reset(&mut self.packed) {
            Ok(()) => self.is_inside = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                io::copy(&mut (&mut self.packed).take(u64::from(length)), &mut io::sink())?;
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(ErrorKind::OutOfMemory.into()),
            Err(error) => return Err(Error::other(error)),
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_inside {
                if self.packed.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.begin_frame()?;
                continue;
            }
            if self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.packed, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(Error::other)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.is_inside = !self.decoder.is_finished();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What the packer itself writes for a text, or `None` where it is not installed.
    pub fn packed(command: &[&str], text: &[u8]) -> Option<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, text).unwrap();
        let mut packer = Command::new(command[0]);
        packer.args(&command[1..]).stdin(std::fs::File::open(path).unwrap()).stderr(Stdio::null());
        let output = packer.output().ok()?;
        output.status.success().then_some(output.stdout)
    }

    fn unpacked(packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let packing = Packing::of(&packed).expect("its mark");
        let mut text = Vec::new();
        Unpacked::new(packing, io::Cursor::new(packed)).read_to_end(&mut text).map(|_| text)
    }

    const PACKERS: [&[&str]; 7] = [
        &["gzip", "-c"],
        &["gzip", "-1c"],
        &["zstd", "-qc"],
        &["zstd", "-19", "-qc"],
        &["zstd", "-q", "--long=24", "-c"],
        &["xz", "-c"],
        &["xz", "-9", "-T2", "-c"],
    ];

    fn log(lines: usize) -> Vec<u8> {
        let line =
            |n: usize| format!("2026-11-26T10:00:00 web app: line {n} {}\n", n.wrapping_mul(0x9E37_79B9) % 99_991);
        (0..lines).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn what_the_packers_write_is_read_and_so_is_one_behind_the_other() {
        let (one, two) = (log(20_000), log(3));
        for packer in PACKERS {
            let (Some(first), Some(second)) = (packed(packer, &one), packed(packer, &two)) else {
                eprintln!("skipped: {} is not here", packer[0]);
                continue;
            };
            assert!(unpacked(first.clone()).unwrap() == one, "{packer:?}");
            let both = [first, second].concat();
            assert!(unpacked(both).unwrap() == [&one[..], &two].concat(), "{packer:?}");
        }
    }

    #[test]
    fn what_is_cut_or_damaged_gives_its_beginning_and_an_error_and_never_a_panic() {
        let text = log(5_000);
        for packer in PACKERS {
            let Some(whole) = packed(packer, &text) else { continue };
            for length in [3, 10, whole.len() / 2, whole.len() - 1] {
                let error = unpacked(whole[..length.max(Packing::MARK_BYTES)].to_vec()).expect_err("cut");
                assert!(!is_refusal(&error), "{packer:?} {length}: {error}");
            }
            for at in (Packing::MARK_BYTES..whole.len()).step_by(whole.len() / 300 + 1) {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x55;
                let _ = unpacked(damaged);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_as_soon_as_it_is_seen_and_a_hole_is_none() {
        let line = b"the same line again and again\n".repeat(1024 * 1024);
        let holes = vec![0; 20 * 1024 * 1024];
        for packer in PACKERS {
            let Some(bomb) = packed(packer, &line) else { continue };
            if (line.len() as u64) < bomb.len() as u64 * UNPACKED_RATIO_MAX {
                continue;
            }
            let mut reader = Unpacked::new(Packing::of(&bomb).unwrap(), io::Cursor::new(bomb));
            let error = io::copy(&mut reader, &mut io::sink()).expect_err("a bomb");
            assert!(is_refusal(&error) && error.to_string().contains("times its size"), "{packer:?}: {error}");
            assert!(reader.text < UNPACKED_FREE_BYTES * 4, "{packer:?}: {}", reader.text);
            let text = [&holes[..], b"behind the hole\n"].concat();
            assert!(unpacked(packed(packer, &text).unwrap()).unwrap() == text, "{packer:?}");
        }
    }

    #[test]
    fn a_window_larger_than_logs_need_is_refused_with_what_to_do() {
        // The header alone: an xz block with a dictionary of 1 GiB, a zstd frame with a window of 1 GiB.
        let zstd = b"\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00".to_vec();
        let error = unpacked(zstd).expect_err("too large");
        assert!(is_refusal(&error) && error.to_string().contains("smaller"), "{error}");
        let Some(mut xz) = packed(&["xz", "--lzma2=dict=1GiB", "-c"], b"x\n") else { return };
        let error = unpacked(std::mem::take(&mut xz)).expect_err("too large");
        assert!(is_refusal(&error) && error.to_string().contains("smaller"), "{error}");
    }
}
