//! The kernel's list of measured files (IMA, `ascii_runtime_measurements`): each entry's template hash against its
//! content, and the register that all of them extend.

use super::boot_digest::{Bank, Register};
use crate::event::hex;

/// Bytes of a file name in the first template (`ima`), which has no lengths.
const OLD_NAME_BYTES: usize = 256;

/// Whether one entry can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    /// The template hash is that of the content.
    Intact,
    /// It is not: the list was edited.
    Forged,
    /// The kernel could not measure reliably (a file open for writing was read or the other way round).
    Violation,
    /// The template or its hash is not known here.
    Unverifiable,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    pub register: u32,
    pub template_hash: Vec<u8>,
    pub integrity: Integrity,
    /// `sha256:…`, as the line has it.
    pub file_digest: String,
    pub path: String,
    template_data: Option<Vec<u8>>,
    buffer: Option<Vec<u8>>,
}

impl Measurement {
    /// What was measured, where it was no file: a key, or another buffer of the kernel.
    pub fn buffer(&self) -> Option<&[u8]> {
        self.buffer.as_deref()
    }
}

/// Reads one line; `None` where it is not a measurement.
pub fn measurement(line: &str) -> Option<Measurement> {
    let mut parts = line.splitn(4, ' ');
    let register = parts.next()?.parse().ok()?;
    let template_hash = hex::decode(parts.next()?)?;
    let (template, rest) = (parts.next()?, parts.next()?);
    if template_hash.is_empty() {
        return None;
    }
    let (digest, path) = rest.split_once(' ')?;
    let buffer = path.rsplit_once(' ').filter(|_| template == "ima-buf").and_then(|(_, buffer)| hex::decode(buffer));
    let (path, template_data) = content(template, digest, path);
    let integrity = if template_hash.iter().all(|byte| *byte == 0) {
        Integrity::Violation
    } else {
        integrity(&template_hash, template_data.as_deref())
    };
    let file_digest = digest.to_owned();
    Some(Measurement { register, template_hash, integrity, file_digest, path, template_data, buffer })
}

fn integrity(template_hash: &[u8], data: Option<&[u8]>) -> Integrity {
    let (Some(data), Some(bank)) = (data, Bank::from_size(template_hash.len())) else { return Integrity::Unverifiable };
    if bank.digest(data) == template_hash { Integrity::Intact } else { Integrity::Forged }
}

/// The path, and the bytes that the template hash is over.
fn content(template: &str, digest: &str, rest: &str) -> (String, Option<Vec<u8>>) {
    let (path, extra) = match template {
        "ima" | "ima-ng" | "ima-ngv2" => (rest, None),
        _ => rest.rsplit_once(' ').map_or((rest, None), |(path, extra)| (path, Some(extra))),
    };
    let data = match template {
        "ima" => old_template(digest, path),
        "ima-ng" | "ima-ngv2" => fields(digest, path, None),
        // Without a signature the last field is empty, and the line ends after the path or in a blank.
        "ima-sig" | "ima-sigv2" => match extra.map(hex::decode) {
            Some(Some(signature)) => return (path.to_owned(), fields(digest, path, Some(&signature))),
            _ => return (rest.trim_end().to_owned(), fields(digest, rest.trim_end(), Some(&[]))),
        },
        "ima-buf" => extra.and_then(hex::decode).and_then(|buffer| fields(digest, path, Some(&buffer))),
        _ => None,
    };
    (path.to_owned(), data)
}

/// `d-ng`, `n-ng` and perhaps a third field, each with its length before it.
fn fields(digest: &str, path: &str, third: Option<&[u8]>) -> Option<Vec<u8>> {
    let (algorithm, value) = digest.rsplit_once(':')?;
    let digest = [algorithm.as_bytes(), b":\0", &hex::decode(value)?].concat();
    let name = [path.as_bytes(), b"\0"].concat();
    let mut data = Vec::new();
    for field in [Some(digest.as_slice()), Some(name.as_slice()), third].into_iter().flatten() {
        data.extend(u32::try_from(field.len()).ok()?.to_le_bytes());
        data.extend(field);
    }
    Some(data)
}

fn old_template(digest: &str, path: &str) -> Option<Vec<u8>> {
    let mut data = hex::decode(digest)?;
    let mut name = path.as_bytes().to_vec();
    name.resize(OLD_NAME_BYTES, 0);
    data.extend(name);
    Some(data)
}

/// Whether the register holds what these entries, or the first of them, extend it to: the list grows while the register
/// is read, so read the register first.
pub fn replays_to(measurements: &[Measurement], bank: Bank, actual: &[u8]) -> bool {
    let mut register = Register::new(bank, 0);
    let mut reached = register.value() == actual;
    for measurement in measurements {
        register.extend(&extension(measurement, bank));
        reached = reached || register.value() == actual;
    }
    reached
}

/// What an entry extends a bank with: its template hash; for other banks the hash of the content by that bank's
/// algorithm; for a violation all ones.
fn extension(measurement: &Measurement, bank: Bank) -> Vec<u8> {
    if measurement.integrity == Integrity::Violation {
        return vec![0xff; bank.size()];
    }
    if measurement.template_hash.len() == bank.size() {
        return measurement.template_hash.clone();
    }
    measurement.template_data.as_ref().map(|data| bank.digest(data)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(bank: Bank, path: &str) -> String {
        let digest = format!("sha256:{}", hex::encode(&Bank::Sha256.digest(path.as_bytes())));
        let data = fields(&digest, path, None).unwrap();
        format!("10 {} ima-ng {digest} {path}", hex::encode(&bank.digest(&data)))
    }

    /// As the kernel's `ima_calc_field_array_hash` hashes them.
    #[test]
    fn a_template_is_its_fields_each_behind_its_length() {
        let name_and_digest = b"\x07\0\0\0sha1:\0\xab\x03\0\0\0/b\0";
        assert_eq!(fields("sha1:ab", "/b", None).as_deref(), Some(&name_and_digest[..]));
        let signed = [&name_and_digest[..], b"\x02\0\0\0\x03\x02"].concat();
        assert_eq!(fields("sha1:ab", "/b", Some(&[3, 2])), Some(signed));
        assert_eq!(fields("no digest", "/b", None), None);
        assert_eq!(fields("sha1:xy", "/b", None), None);
        let old = old_template("ab", "/b").unwrap();
        assert_eq!((old.len(), &old[..5]), (1 + OLD_NAME_BYTES, &b"\xab/b\0\0"[..]));
    }

    #[test]
    fn an_entry_is_intact_until_its_path_or_digest_is_edited() {
        for bank in [Bank::Sha1, Bank::Sha256] {
            let line = line(bank, "/usr/bin/my tool");
            let entry = measurement(&line).unwrap();
            assert_eq!((entry.integrity, entry.path.as_str()), (Integrity::Intact, "/usr/bin/my tool"));
            let edited = measurement(&line.replace("tool", "fool")).unwrap();
            assert_eq!(edited.integrity, Integrity::Forged);
        }
    }

    #[test]
    fn signatures_are_part_of_the_entry_and_may_be_absent() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (signature, shown) in [(vec![3, 2, 4], " 030204"), (vec![], " "), (vec![], "")] {
            let data = fields(&digest, "/bin/x", Some(&signature)).unwrap();
            let line = format!("10 {} ima-sig {digest} /bin/x{shown}", hex::encode(&Bank::Sha1.digest(&data)));
            let entry = measurement(&line).unwrap();
            assert_eq!((entry.integrity, entry.path.as_str()), (Integrity::Intact, "/bin/x"), "{shown:?}");
        }
    }

    #[test]
    fn the_register_is_reached_by_the_whole_list_or_its_beginning_and_not_by_an_edited_one() {
        let lines: Vec<String> = ["/a", "/b", "/c"].map(|path| line(Bank::Sha1, path)).to_vec();
        let entries: Vec<Measurement> = lines.iter().filter_map(|line| measurement(line)).collect();
        for bank in [Bank::Sha1, Bank::Sha256] {
            let mut register = Register::new(bank, 0);
            entries.iter().take(2).for_each(|entry| register.extend(&extension(entry, bank)));
            assert!(replays_to(&entries, bank, register.value()));
            assert!(!replays_to(&entries[1..], bank, register.value()));
        }
    }

    #[test]
    fn violations_and_unknown_templates_are_told_apart() {
        let zero = format!("10 {} ima-ng sha1:{} /x", "0".repeat(40), "0".repeat(40));
        assert_eq!(measurement(&zero).unwrap().integrity, Integrity::Violation);
        let unknown = format!("10 {} own-template sha1:{} /x", "1".repeat(40), "0".repeat(40));
        assert_eq!(measurement(&unknown).unwrap().integrity, Integrity::Unverifiable);
        assert_eq!(measurement("10 xyz ima-ng sha1:00 /x"), None);
    }

    proptest! {
        #[test]
        fn hostile_lines_never_panic(text in ".{0,200}") {
            let _ = measurement(&text);
            let _ = measurement(&format!("10 00ff ima-sig sha1:{text} {text}"));
        }
    }
}
