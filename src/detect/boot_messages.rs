//! Messages of the kernel and its security modules that put the integrity of the machine in doubt.

use std::sync::LazyLock;

use super::phrases::{self, Phrase, Phrases};

/// One kind of sign of tampering, with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sign {
    pub flag: &'static str,
    /// 0 to 1.
    pub score: f64,
    pub attack: &'static [&'static str],
}

const KERNEL: &[&str] = &["kernel", "audit", "auditd", "audispd", "boot"];
const AUDIT: &[&str] = &["kernel", "audit", "auditd", "audispd", "dbus-daemon", "dbus-broker", "systemd"];
const ANY: &[&str] = &[];

const fn sign(flag: &'static str, score: f64, attack: &'static [&'static str]) -> Sign {
    Sign { flag, score, attack }
}

const SECURE_BOOT: Sign = sign("SECURE_BOOT_VIOLATION", 0.92, &["T1542.003"]);
const LOCKDOWN: Sign = sign("LOCKDOWN_VIOLATION", 0.7, &["T1547.006", "T1014"]);
const UNSIGNED_MODULE: Sign = sign("UNSIGNED_MODULE", 0.6, &["T1547.006"]);
const MODULE_REFUSED: Sign = sign("MODULE_REFUSED", 0.7, &["T1547.006"]);
const IMA: Sign = sign("IMA_APPRAISAL_FAILED", 0.92, &["T1565.001", "T1554"]);
const VERITY: Sign = sign("VERITY_CORRUPTION", 0.92, &["T1565.001", "T1542"]);
const TPM: Sign = sign("TPM_ERROR", 0.55, &["T1542"]);
const TPM_UNSEAL: Sign = sign("TPM_UNSEAL_FAILED", 0.8, &["T1542"]);
const TPM_LOCKOUT: Sign = sign("TPM_LOCKOUT", 0.8, &["T1110"]);
const ENCLAVE: Sign = sign("ENCLAVE_ERROR", 0.7, &["T1542"]);
const ATTESTATION: Sign = sign("ATTESTATION_FAILED", 0.92, &["T1542"]);
const MAC_DISABLED: Sign = sign("MAC_DISABLED", 0.85, &["T1562.001"]);
const AUDIT_DISABLED: Sign = sign("AUDITING_DISABLED", 0.92, &["T1562.012"]);
const RAW_MEMORY: Sign = sign("RAW_MEMORY_ACCESS", 0.7, &["T1014"]);
const FIRMWARE: Sign = sign("FIRMWARE_TAMPERING", 0.85, &["T1542.001"]);

macro_rules! phrases {
    ($( $programs:ident $meaning:ident [$($all:literal),+] $(not [$($none:literal),+])? ; )+) => {
        &[$( Phrase { all: &[$($all),+], none: &[$($($none),+)?], programs: $programs, meaning: $meaning } ),+]
    };
}

static PHRASES: &[Phrase<Sign>] = phrases! {
    ANY SECURE_BOOT ["secure boot violation"];
    ANY SECURE_BOOT ["bad shim signature"];
    ANY SECURE_BOOT ["security violation", "verification failed"];
    KERNEL SECURE_BOOT ["pefile", "digest mismatch"];
    KERNEL SECURE_BOOT ["is revoked", "kexec"];
    KERNEL LOCKDOWN ["lockdown:", "is restricted"];
    KERNEL MODULE_REFUSED ["loading of", "module", "is rejected"];
    KERNEL MODULE_REFUSED ["module signature verification failed"];
    KERNEL MODULE_REFUSED ["module has invalid", "signature"];
    KERNEL UNSIGNED_MODULE ["module verification failed", "tainting kernel"];
    AUDIT IMA ["type=integrity_data", "res=0"];
    AUDIT IMA ["type=integrity_metadata", "res=0"];
    AUDIT IMA ["type=integrity_evm_xattr", "res=0"];
    AUDIT IMA ["type=integrity_hash", "res=0"];
    AUDIT IMA ["type=integrity_pcr", "cause=\"open_writers\""] not ["res=1"];
    AUDIT IMA ["type=1800 audit", "res=0"];
    AUDIT IMA ["type=1801 audit", "res=0"];
    AUDIT IMA ["type=1806 audit", "res=0"];
    KERNEL IMA ["ima", "signature verification failed"];
    KERNEL VERITY ["verity:", "is corrupted"];
    KERNEL VERITY ["dm-verity device", "corrupted"];
    KERNEL VERITY ["device-mapper: integrity", "checksum failed"];
    KERNEL VERITY ["integrity aead error"];
    KERNEL VERITY ["fs-verity", "file corrupted"];
    KERNEL VERITY ["fs-verity", "signature verification failed"];
    ANY TPM_LOCKOUT ["da lockout mode"];
    ANY TPM_LOCKOUT ["tpm", "dictionary attack", "lockout"];
    KERNEL TPM ["a tpm error"];
    KERNEL TPM ["tpm", "field failure mode"];
    KERNEL TPM ["tpm tpm0", "selftest failed"];
    KERNEL TPM ["tpm", "self test failed"];
    ANY TPM_UNSEAL ["failed to unseal", "tpm"];
    ANY TPM_UNSEAL ["tpm2 unseal", "failed"];
    ANY TPM_UNSEAL ["tpm", "policy check failed"];
    ANY TPM_UNSEAL ["pcr values have changed"];
    ANY TPM_UNSEAL ["pcr value", "mismatch"];
    KERNEL ENCLAVE ["sgx:", "error"];
    ANY ENCLAVE ["sgx_error_enclave_crashed"];
    ANY ENCLAVE ["sgx_error_enclave_lost"];
    ANY ENCLAVE ["sgx_error_invalid_signature"];
    ANY ENCLAVE ["sgx_error_mac_mismatch"];
    KERNEL ENCLAVE ["sev", "failed", "error"];
    KERNEL ENCLAVE ["sev-es guest requested termination"];
    KERNEL ENCLAVE ["sev-snp", "rmp", "fault"];
    KERNEL ENCLAVE ["tdx", "seamcall", "failed"];
    KERNEL ENCLAVE ["tdx", "fatal error"];
    ANY ATTESTATION ["attestation failed"];
    ANY ATTESTATION ["attestation report", "invalid"];
    ANY ATTESTATION ["quote verification", "failed"];
    ANY ATTESTATION ["invalid quote", "agent"];
    KERNEL MAC_DISABLED ["apparmor disabled by boot time parameter"];
    KERNEL MAC_DISABLED ["selinux:", "disabled at"];
    AUDIT MAC_DISABLED ["enforcing=0", "old_enforcing=1"];
    AUDIT MAC_DISABLED ["setenforce notice (enforcing=0)"];
    AUDIT MAC_DISABLED ["op=setenforce", "enforcing=0"];
    AUDIT AUDIT_DISABLED ["audit_enabled=0"] not ["old=0", "res=0"];
    KERNEL AUDIT_DISABLED ["audit: disabled", "until reboot"];
    KERNEL RAW_MEMORY ["tried to access /dev/mem"];
    KERNEL FIRMWARE ["bios write protect", "disabled"];
    ANY FIRMWARE ["firmware", "signature verification failed"];
    ANY FIRMWARE ["firmware", "downgraded"];
};

static TABLE: LazyLock<Option<Phrases<Sign>>> = LazyLock::new(|| Phrases::new(PHRASES).ok());

/// Switches on the kernel's command line that take a protection away.
const WEAKENING_SWITCHES: &[&str] = &[
    "selinux=0",
    "enforcing=0",
    "apparmor=0",
    "audit=0",
    "lockdown=none",
    "module.sig_enforce=0",
    "ima_appraise=off",
    "ima_appraise=log",
    "ima_appraise=fix",
    "evm=fix",
    "init=/bin/sh",
    "init=/bin/bash",
    "mitigations=off",
    "efi=noruntime",
];

/// What stands before the switches of the kernel's command line.
const SWITCHES_FOLLOW: &str = "ommand line: ";

/// One of these stands in every message that [`of_message`] finds something in.
pub fn needed_words() -> impl Iterator<Item = &'static str> {
    phrases::needed_words(PHRASES).chain([SWITCHES_FOLLOW])
}

/// The sign of tampering in a message, if there is one.
pub fn of_message(program: Option<&str>, message: &str) -> Option<Sign> {
    if let Some(found) = TABLE.as_ref()?.find(program, message) {
        return Some(*found);
    }
    let from_kernel = program.is_none_or(|program| program == "kernel");
    let weakened = from_kernel && weakening_switch(message).is_some();
    weakened.then_some(sign("PROTECTION_SWITCHED_OFF_AT_BOOT", 0.6, &["T1562.001", "T1542"]))
}

/// The first switch of a kernel's `Command line:` that takes a protection away.
pub fn weakening_switch(message: &str) -> Option<&str> {
    let (_, switches) = message.split_once(SWITCHES_FOLLOW)?;
    switches.split_ascii_whitespace().find(|switch| WEAKENING_SWITCHES.contains(switch))
}

/// The sign of tampering in a command line that was run, if it takes a protection of the machine away.
pub fn of_command(command: &str) -> Option<Sign> {
    let words: Vec<&str> = command
        .split(|character: char| character.is_ascii_whitespace() || matches!(character, ';' | '|' | '&' | '\'' | '"'))
        .filter(|word| !word.is_empty())
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    let has = |name: &str| words.contains(&name);
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let one = |flag, score, attack| Some(sign(flag, score, attack));
    if has("setenforce") && any(&["0", "Permissive", "permissive"]) {
        Some(MAC_DISABLED)
    } else if any(&["aa-teardown", "aa-disable", "aa-complain"])
        || (has("systemctl") && any(&["stop", "disable", "mask"]) && any(&["apparmor", "apparmor.service"]))
    {
        one("MAC_DISABLED", 0.75, &["T1562.001"])
    } else if has("mokutil") && has("--disable-validation") {
        one("SECURE_BOOT_DISABLED", 0.85, &["T1542.003", "T1553.006"])
    } else if any(&["tpm2_clear", "tpm_clear"]) {
        one("TPM_CLEARED", 0.8, &["T1542"])
    } else if (has("flashrom") && any(&["-w", "--write", "-E", "--erase"])) || (has("fwupdmgr") && has("downgrade")) {
        one("FIRMWARE_TAMPERING", 0.7, &["T1542.001"])
    } else if has("insmod") && ["/tmp/", "/dev/shm/", "/var/tmp/"].iter().any(|place| command.contains(place)) {
        one("MODULE_FROM_TEMPORARY_PLACE", 0.85, &["T1547.006", "T1014"])
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(program: &str, message: &str) -> Option<&'static str> {
        of_message(Some(program), message).map(|sign| sign.flag)
    }

    #[test]
    fn messages_of_tampering_are_recognised() {
        for (program, message, expected) in [
            (
                "kernel",
                "rk: module verification failed: signature and/or required key missing - tainting kernel",
                "UNSIGNED_MODULE",
            ),
            ("kernel", "Loading of unsigned module is rejected", "MODULE_REFUSED"),
            (
                "kernel",
                "Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7",
                "LOCKDOWN_VIOLATION",
            ),
            (
                "audit",
                "type=INTEGRITY_DATA msg=audit(1.2:3): pid=1 op=appraise_data cause=invalid-hash comm=\"sh\" res=0",
                "IMA_APPRAISAL_FAILED",
            ),
            (
                "kernel",
                "audit: type=1800 audit(1.2:3): pid=9 op=appraise_data cause=invalid-signature res=0",
                "IMA_APPRAISAL_FAILED",
            ),
            ("kernel", "device-mapper: verity: 254:0: data block 771 is corrupted", "VERITY_CORRUPTION"),
            ("kernel", "tpm tpm0: A TPM error (2309) occurred attempting to read a pcr value", "TPM_ERROR"),
            ("audit", "type=MAC_STATUS msg=audit(1.2:3): enforcing=0 old_enforcing=1 auid=0", "MAC_DISABLED"),
            ("kernel", "AppArmor: AppArmor disabled by boot time parameter", "MAC_DISABLED"),
            (
                "kernel",
                "Command line: BOOT_IMAGE=/vmlinuz root=/dev/sda1 selinux=0 quiet",
                "PROTECTION_SWITCHED_OFF_AT_BOOT",
            ),
        ] {
            assert_eq!(flag(program, message), Some(expected), "{message}");
        }
    }

    #[test]
    fn an_ordinary_boot_and_text_of_other_programs_are_left_alone() {
        for (program, message) in [
            ("kernel", "Kernel is locked down from EFI Secure Boot; see man kernel_lockdown.7"),
            ("kernel", "Command line: BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet splash"),
            ("kernel", "integrity: Loaded X.509 cert 'Debian Secure Boot CA: 6ccece7e4c6c0d1f'"),
            ("kernel", "ima: No TPM chip found, activating TPM-bypass!"),
            ("kernel", "SELinux:  Initializing."),
            ("kernel", "AppArmor: AppArmor initialized"),
            ("kernel", "tpm_tis 00:05: 2.0 TPM (device-id 0x1, rev-id 1)"),
            ("audit", "type=MAC_STATUS msg=audit(1.2:3): enforcing=1 old_enforcing=0 auid=0"),
            ("nginx", "GET /?q=module verification failed tainting kernel"),
            ("sshd", "Invalid user data block is corrupted verity: from 192.0.2.1"),
        ] {
            assert_eq!(flag(program, message), None, "{message}");
        }
    }

    #[test]
    fn commands_that_take_protections_away_are_recognised() {
        for (command, expected) in [
            ("/usr/sbin/setenforce 0", Some("MAC_DISABLED")),
            ("mokutil --disable-validation", Some("SECURE_BOOT_DISABLED")),
            ("tpm2_clear -c p", Some("TPM_CLEARED")),
            ("insmod /tmp/.x/rk.ko", Some("MODULE_FROM_TEMPORARY_PLACE")),
            ("systemctl stop apparmor", Some("MAC_DISABLED")),
            ("setenforce 1", None),
            ("getenforce", None),
            ("systemctl restart apparmor", None),
            ("insmod /lib/modules/6.1.0/kernel/drivers/net/dummy.ko", None),
        ] {
            assert_eq!(of_command(command).map(|sign| sign.flag), expected, "{command}");
        }
    }
}
