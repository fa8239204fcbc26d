//! What a server sent, judged before it takes the place of what is good. Pure.

use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::detect::allow_list::AllowList;
use crate::detect::indicator_list::{Unused, read_indicators};
use crate::detect::indicators::Indicators;

/// Bytes at the beginning that show whether it is text.
const LOOKED_AT: usize = 4096;

/// The bytes, unpacked where they are gzip: of a file that is kept packed, or packed on the way.
///
/// # Errors
/// They are damaged, or unpacked more than so many.
pub fn unpacked(bytes: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_slice()).take(bytes_max.saturating_add(1)).read_to_end(&mut plain);
    match read {
        Ok(_) if plain.len() as u64 > bytes_max => Err(too_large(bytes_max)),
        Ok(_) => Ok(plain),
        Err(error) => Err(format!("it is gzip that cannot be unpacked ({error})")),
    }
}

pub fn too_large(bytes_max: u64) -> String {
    format!("it has more than max_size = {}", bytesize::ByteSize::b(bytes_max))
}

/// How many indicators a list comes to by itself.
///
/// # Errors
/// It is no list, comes to nothing, or most of it cannot be read as one: then what was there before is better.
pub fn entries(name: &str, bytes: &[u8]) -> Result<u64, String> {
    let text = text(bytes)?;
    let mut set = Indicators::new(AllowList::default());
    let unused = read_indicators(&Arc::from(name), &text, &mut set);
    let (good, bad) = (set.len(), unused.problems.len());
    if good == 0 {
        return Err(format!("it adds no indicator{}", why(&unused)));
    }
    if bad > good {
        return Err(format!("it does not look like a list: {good} indicators, and{}", why(&unused)));
    }
    Ok(good as u64)
}

/// The bytes as text.
///
/// # Errors
/// They are a web page or no text.
pub fn text(bytes: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned();
    if text.trim_start().starts_with('<') {
        return Err("it is a web page or XML, not a list".to_owned());
    }
    if bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0) {
        return Err("it is not text".to_owned());
    }
    Ok(text)
}

/// ` (3 lines cannot be used, the first: …; 2 are revoked)`
fn why(unused: &Unused) -> String {
    let bad = unused.problems.first();
    let bad = bad.map(|first| format!("{} entries cannot be used, the first: {}", unused.problems.len(), first.text));
    let left_out = unused.left_out.iter().map(|(why, count)| format!("{count} {why}"));
    let parts: Vec<String> = bad.into_iter().chain(left_out).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_unpacked_to_its_bound_and_damage_is_said() {
        assert_eq!(unpacked(gzip(b"evil.example\n"), 100).unwrap(), b"evil.example\n");
        assert_eq!(unpacked(b"plain".to_vec(), 1).unwrap(), b"plain");
        assert!(unpacked(gzip(&[b'a'; 1_000_000]), 1000).unwrap_err().contains("max_size"));
        let whole = gzip(b"evil.example\n");
        assert!(unpacked(whole[..whole.len() - 9].to_vec(), 100).unwrap_err().contains("cannot be unpacked"));
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_reason() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "adds no indicator"),
            (b"# nothing today\n", "adds no indicator"),
            (b"\xef\xbb\xbf\n <!DOCTYPE html><p>evil.example", "web page"),
            (b"\x7fELF\x00\x00", "not text"),
            (b"{\"error\":\"rate limit\"}", "adds no indicator"),
            (b"evil.example\n!!\n??\n$$\n", "does not look like a list"),
        ];
        for (bytes, expected) in cases {
            let error = entries("x", bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(entries("x", b"# two\nevil.example\n203.0.113.9\n"), Ok(2));
    }
}
