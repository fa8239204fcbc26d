//! What the digest of an event of measured boot is the hash of, for the kinds of events whose data the log holds (TCG PC Client
//! Platform Firmware Profile, and what shim, GRUB and systemd-boot add).

use super::boot_digest::Bank;
use super::efi_variable::Variable;
use crate::limits::BOOT_VARIABLE_PADDING_MAX;

const EV_SEPARATOR: u32 = 0x4;
const EV_ACTION: u32 = 0x5;
const EV_S_CRTM_VERSION: u32 = 0x8;
const EV_IPL: u32 = 0xd;
const EV_OMIT_BOOT_DEVICE_EVENTS: u32 = 0x12;
pub const EV_EFI_VARIABLE_DRIVER_CONFIG: u32 = 0x8000_0001;
const EV_EFI_VARIABLE_BOOT: u32 = 0x8000_0002;
const EV_EFI_GPT_EVENT: u32 = 0x8000_0006;
const EV_EFI_ACTION: u32 = 0x8000_0007;
const EV_EFI_VARIABLE_BOOT2: u32 = 0x8000_000c;
pub const EV_EFI_VARIABLE_AUTHORITY: u32 = 0x8000_00e0;

/// The register of the Secure Boot policy. There is no firmware that measures it by another rule than the profile's.
pub const POLICY_REGISTER: u32 = 7;
/// GRUB measures its commands and the kernel's command line into this one, the event being a label and the text.
const COMMANDS_REGISTER: u32 = 8;
const COMMAND_LABELS: [&[u8]; 2] = [b"grub_cmd: ", b"kernel_cmdline: "];
/// systemd-boot measures the kernel's command line into this one.
const COMMAND_LINE_REGISTER: u32 = 12;
/// A separator that stands for an error is the digest of this, whatever the event says of the error.
const ERROR: [u8; 4] = 1_u32.to_le_bytes();

/// Whether `digest` is what the event's data lead to; true for kinds of events whose digest is of something that the log does
/// not hold, such as a program or a table of the firmware.
pub fn is_of_its_data(register: u32, kind: u32, data: &[u8], bank: Bank, digest: &[u8]) -> bool {
    let is = |bytes: &[u8]| bank.digest(bytes) == digest;
    match kind {
        EV_SEPARATOR => is(data) || is(&ERROR),
        EV_ACTION | EV_EFI_ACTION | EV_OMIT_BOOT_DEVICE_EVENTS => is(data) || is(without_end(data)),
        EV_S_CRTM_VERSION => data.is_empty() || is(data) || is(without_end(data)),
        EV_EFI_GPT_EVENT => is(data),
        EV_EFI_VARIABLE_DRIVER_CONFIG | EV_EFI_VARIABLE_AUTHORITY if register == POLICY_REGISTER => is_whole(data, is),
        EV_EFI_VARIABLE_DRIVER_CONFIG | EV_EFI_VARIABLE_AUTHORITY | EV_EFI_VARIABLE_BOOT | EV_EFI_VARIABLE_BOOT2 => {
            // What boots is hashed without the variable's name by the older versions of the profile.
            is_whole(data, is) || Variable::measured(data).is_some_and(|variable| is(variable.value))
        }
        EV_IPL => boot_loader_text(register, data).is_none_or(is),
        _ => true,
    }
}

/// Some versions of shim log a few bytes behind the variable, of which not all are hashed.
fn is_whole(data: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
    is(data)
        || Variable::measured(data).is_some_and(|variable| {
            data.len() - variable.size <= BOOT_VARIABLE_PADDING_MAX
                && (variable.size..data.len()).any(|end| data.get(..end).is_some_and(&is))
        })
}

/// The text that a boot loader hashes, where the event holds it and not only a name for it.
fn boot_loader_text(register: u32, data: &[u8]) -> Option<&[u8]> {
    match register {
        COMMANDS_REGISTER => COMMAND_LABELS.iter().find_map(|label| data.strip_prefix(*label)).map(without_end),
        COMMAND_LINE_REGISTER => is_command_line(data).then_some(data),
        _ => None,
    }
}

/// UTF-16 with its end, and a setting in it: systemd names everything else by words alone.
fn is_command_line(data: &[u8]) -> bool {
    let (units, rest) = data.as_chunks::<2>();
    rest.is_empty() && units.ends_with(&[[0, 0]]) && units.contains(&[b'=', 0])
}

fn without_end(mut text: &[u8]) -> &[u8] {
    while let Some(shorter) = text.strip_suffix(b"\0") {
        text = shorter;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::efi_variable::testing::measured;
    use super::*;

    fn is(register: u32, kind: u32, data: &[u8], hashed: &[u8]) -> bool {
        let all = Bank::ALL.map(|bank| is_of_its_data(register, kind, data, bank, &bank.digest(hashed)));
        assert_eq!(all, [all[0]; 4], "the same in every bank");
        all[0]
    }

    #[test]
    fn each_flipped_byte_of_a_variable_of_the_policy_is_found() {
        let data = measured("SecureBoot", &[1]);
        for kind in [EV_EFI_VARIABLE_DRIVER_CONFIG, EV_EFI_VARIABLE_AUTHORITY] {
            assert!(is(7, kind, &data, &data));
            for at in 0..data.len() {
                let mut flipped = data.clone();
                flipped[at] ^= 1;
                assert!(!is(7, kind, &flipped, &data), "byte {at}");
            }
            assert!(!is(7, kind, &measured("Other", &data), &data), "the variable hidden in the value of another");
        }
    }

    #[test]
    fn what_boots_is_hashed_with_its_name_or_without() {
        let data = measured("BootOrder", &[0, 0, 1, 0]);
        assert!(is(1, EV_EFI_VARIABLE_BOOT, &data, &data));
        assert!(is(1, EV_EFI_VARIABLE_BOOT, &data, &[0, 0, 1, 0]));
        assert!(!is(1, EV_EFI_VARIABLE_BOOT, &data, &[1, 0, 0, 0]));
    }

    #[test]
    fn bytes_behind_a_variable_are_hashed_in_part() {
        let whole = measured("Shim", &[9; 40]);
        let logged = [whole.as_slice(), &[0; 6]].concat();
        assert!(is(7, EV_EFI_VARIABLE_AUTHORITY, &logged, &logged[..logged.len() - 1]));
        assert!(is(7, EV_EFI_VARIABLE_AUTHORITY, &logged, &whole));
        assert!(!is(7, EV_EFI_VARIABLE_AUTHORITY, &logged, &whole[..whole.len() - 1]), "a part of the variable");
        let long = [whole.as_slice(), &[0; 1 + BOOT_VARIABLE_PADDING_MAX]].concat();
        assert!(!is(7, EV_EFI_VARIABLE_AUTHORITY, &long, &whole));
    }

    #[test]
    fn commands_of_the_boot_loader_are_hashed_without_their_label() {
        assert!(is(8, EV_IPL, b"grub_cmd: set timeout=5\0", b"set timeout=5"));
        assert!(!is(8, EV_IPL, b"grub_cmd: set timeout=6\0", b"set timeout=5"));
        assert!(!is(8, EV_IPL, b"kernel_cmdline: /vmlinuz init=/bin/sh\0", b"/vmlinuz ro"));
        assert!(is(9, EV_IPL, b"(hd0,gpt1)/grub.cfg\0", b"what the file holds"));
        let line: Vec<u8> = "ro quiet root=x\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(is(12, EV_IPL, &line, &line));
        assert!(!is(12, EV_IPL, &line, b"rw"));
        let name: Vec<u8> = "Credentials initrd\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(is(12, EV_IPL, &name, b"what the archive holds"));
    }

    #[test]
    fn a_separator_may_stand_for_an_error_and_programs_are_not_in_the_log() {
        assert!(is(4, EV_SEPARATOR, &[0; 4], &[0; 4]));
        assert!(is(4, EV_SEPARATOR, b"out of resources", &ERROR));
        assert!(!is(4, EV_SEPARATOR, &[0; 4], &[0xff; 4]));
        assert!(is(4, EV_EFI_ACTION, b"Calling\0", b"Calling"));
        assert!(is(4, 0x8000_0003, b"where it lies", b"a program"));
    }
}
