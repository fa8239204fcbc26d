//! EFI variables: as measured boot logs them, as efivarfs has them, and the lists of keys and of digests that Secure Boot keeps in
//! them. All bytes are taken for hostile.

use std::collections::BTreeSet;

use super::boot_digest::Bank;
use crate::event::hex;
use crate::limits::SIGNATURES_MAX;

const GUID_BYTES: usize = 16;
/// `EFI_GLOBAL_VARIABLE`, whose variables are the firmware's own.
pub const GLOBAL: [u8; GUID_BYTES] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// Of the digest by which an entry of a list is remembered.
const ENTRY_BYTES: usize = 8;

/// A `UEFI_VARIABLE_DATA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable<'a> {
    pub vendor: [u8; GUID_BYTES],
    pub name: String,
    pub value: &'a [u8],
    /// Bytes of the whole structure.
    pub size: usize,
}

impl<'a> Variable<'a> {
    /// Reads what an event of measured boot has as its data; there may be more behind it.
    pub fn measured(data: &'a [u8]) -> Option<Self> {
        let (vendor, rest) = data.split_first_chunk()?;
        let (name_units, rest) = rest.split_first_chunk()?;
        let (value_bytes, rest) = rest.split_first_chunk()?;
        let name_units = usize::try_from(u64::from_le_bytes(*name_units)).ok()?;
        let value_bytes = usize::try_from(u64::from_le_bytes(*value_bytes)).ok()?;
        let (name, rest) = rest.split_at_checked(name_units.checked_mul(2)?)?;
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        let (units, _) = name.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        Some(Self { vendor: *vendor, name: String::from_utf16_lossy(&units), value, size: data.len() - rest.len() })
    }
}

/// The value of an EFI variable as efivarfs has it: four bytes of attributes, then the data.
pub fn efi_value(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split_first_chunk::<4>().map(|(_, value)| value)
}

/// `Some(true)` for a variable that is one byte of 1, as efivarfs has it.
pub fn efi_switch(bytes: &[u8]) -> Option<bool> {
    match efi_value(bytes)? {
        [value] => Some(*value == 1),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureListError {
    #[error("a list in it ends after the variable does")]
    CutShort,
    #[error("the sizes that a list in it states do not fit each other")]
    Sizes,
    #[error("it has more than {SIGNATURES_MAX} entries")]
    TooMany,
}

/// The entries of a variable that is a row of `EFI_SIGNATURE_LIST`, each by a digest of its kind and content: certificates and
/// digests alike. Whoever put an entry in is not part of it, so that another owner's copy is the same entry.
///
/// # Errors
/// The bytes are not such lists.
pub fn signatures(mut value: &[u8]) -> Result<BTreeSet<String>, SignatureListError> {
    let mut entries = BTreeSet::new();
    while !value.is_empty() {
        let (list, rest) = signature_list(value)?;
        value = rest;
        for data in list.entries.chunks_exact(list.entry_bytes) {
            let content = data.get(GUID_BYTES..).ok_or(SignatureListError::Sizes)?;
            let digest = Bank::Sha256.digest(&[list.kind, content].concat());
            entries.insert(hex::encode(digest.get(..ENTRY_BYTES).unwrap_or_default()));
            if entries.len() > SIGNATURES_MAX {
                return Err(SignatureListError::TooMany);
            }
        }
    }
    Ok(entries)
}

struct SignatureList<'a> {
    kind: &'a [u8],
    entry_bytes: usize,
    entries: &'a [u8],
}

/// The first list, and what stands behind it.
fn signature_list(bytes: &[u8]) -> Result<(SignatureList<'_>, &[u8]), SignatureListError> {
    const HEAD_BYTES: usize = GUID_BYTES + 3 * 4;
    let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(SignatureListError::CutShort)?;
    let (kind, sizes) = head.split_at(GUID_BYTES);
    let (sizes, _) = sizes.as_chunks::<4>();
    let [list_bytes, header_bytes, entry_bytes] = sizes else { return Err(SignatureListError::Sizes) };
    let [list_bytes, header_bytes, entry_bytes] =
        [list_bytes, header_bytes, entry_bytes].map(|size| u32::from_le_bytes(*size) as usize);
    let (list, rest) = bytes.split_at_checked(list_bytes).ok_or(SignatureListError::CutShort)?;
    let entries = list.get(HEAD_BYTES..).and_then(|rest| rest.get(header_bytes..)).ok_or(SignatureListError::Sizes)?;
    if entry_bytes <= GUID_BYTES || !entries.len().is_multiple_of(entry_bytes) {
        return Err(SignatureListError::Sizes);
    }
    Ok((SignatureList { kind, entry_bytes, entries }, rest))
}

#[cfg(test)]
pub mod testing {
    use super::GLOBAL;

    /// A variable of the firmware's own as measured boot logs it.
    pub fn measured(name: &str, value: &[u8]) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let lengths = [name.len() as u64 / 2, value.len() as u64].map(u64::to_le_bytes).concat();
        [&GLOBAL[..], &lengths, &name, value].concat()
    }

    /// An `EFI_SIGNATURE_LIST` of entries of the same length, each of the owner.
    pub fn list(kind: u8, owner: u8, entries: &[&[u8]]) -> Vec<u8> {
        let entry_bytes = 16 + entries.first().map_or(0, |entry| entry.len());
        let sizes = [28 + entry_bytes * entries.len(), 0, entry_bytes].map(|size| (size as u32).to_le_bytes()).concat();
        let entries = entries.iter().flat_map(|entry| [&[owner; 16][..], entry].concat());
        [kind; 16].into_iter().chain(sizes).chain(entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{list, measured};
    use super::*;

    #[test]
    fn a_measured_variable_has_its_name_and_value() {
        let data = [measured("SecureBoot", &[1]), vec![0; 3]].concat();
        let variable = Variable::measured(&data).unwrap();
        assert_eq!((&*variable.name, variable.value, variable.size), ("SecureBoot", &[1][..], data.len() - 3));
        assert_eq!(variable.vendor, GLOBAL);
        assert_eq!(Variable::measured(&data[..50]), None);
        assert_eq!(efi_switch(&[6, 0, 0, 0, 1]), Some(true));
        assert_eq!(efi_switch(&[6, 0, 0, 0]), None);
    }

    #[test]
    fn an_entry_is_its_kind_and_content_and_not_its_owner() {
        let both = [list(1, 7, &[b"aa", b"bb"]), list(2, 7, &[b"ccc"])].concat();
        let all = signatures(&both).unwrap();
        assert_eq!(all.len(), 3);
        assert!(signatures(&list(1, 9, &[b"bb"])).unwrap().is_subset(&all));
        assert!(!signatures(&list(2, 7, &[b"bb"])).unwrap().is_subset(&all), "another kind");
        assert_eq!(signatures(&[]), Ok(BTreeSet::new()));
    }

    #[test]
    fn lists_that_are_broken_or_too_long_are_refused() {
        let good = list(1, 7, &[b"aa", b"bb"]);
        assert_eq!(signatures(&good[..good.len() - 1]), Err(SignatureListError::CutShort));
        assert_eq!(signatures(&good[..20]), Err(SignatureListError::CutShort));
        for (at, size) in [(20, 1), (24, 0), (24, 16), (24, 17)] {
            let mut broken = good.clone();
            broken[at] = size;
            assert_eq!(signatures(&broken), Err(SignatureListError::Sizes), "{at}: {size}");
        }
        let many: Vec<[u8; 2]> = (0..=SIGNATURES_MAX as u16).map(u16::to_le_bytes).collect();
        let many: Vec<&[u8]> = many.iter().map(|entry| &entry[..]).collect();
        assert_eq!(signatures(&list(1, 7, &many)), Err(SignatureListError::TooMany));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..80, byte in any::<u8>()) {
            let _ = (signatures(&bytes), Variable::measured(&bytes), efi_switch(&bytes));
            for mut good in [list(1, 7, &[b"aa", b"bb"]), measured("db", &list(1, 7, &[b"aa"]))] {
                if let Some(flipped) = good.get_mut(at) {
                    *flipped = byte;
                }
                let _ = (signatures(&good), Variable::measured(&good));
            }
        }
    }
}
