//! The event log of measured boot (TCG PC Client Platform Firmware Profile), read from bytes that are not trusted,
//! and replayed into the registers that the TPM should hold.

use std::collections::{BTreeMap, BTreeSet};

use super::boot_digest::{Bank, Register};
use super::efi_variable::{GLOBAL, Variable};
use super::tcg_digest::{EV_EFI_VARIABLE_AUTHORITY, EV_EFI_VARIABLE_DRIVER_CONFIG, POLICY_REGISTER, is_of_its_data};
use crate::limits::BOOT_LOG_ENTRIES_MAX;

const EV_NO_ACTION: u32 = 0x3;
/// What shim names the owner's own keys and forbidden digests by, in the register that it measures them into.
const OWNER_REGISTER: u32 = 14;
const OWNER_LISTS: [&str; 2] = ["MokList", "MokListX"];

const REGISTERS: u32 = 24;
const ALGORITHMS_MAX: u32 = 16;
const SHA1_BYTES: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TcgLogError {
    #[error("the event log is empty")]
    Empty,
    #[error("event {event} ends after the log does")]
    CutShort { event: usize },
    #[error("event {event} is for register {register}; a TPM has {REGISTERS}")]
    NoSuchRegister { event: usize, register: u32 },
    #[error("event {event} has a digest of algorithm {algorithm:#06x}, which the log's head does not announce")]
    UnknownAlgorithm { event: usize, algorithm: u16 },
    #[error("the log's head announces {count} algorithms")]
    Algorithms { count: u32 },
    #[error("the log has more than {BOOT_LOG_ENTRIES_MAX} events")]
    TooLong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcgEvent {
    pub register: u32,
    pub kind: u32,
    /// By TCG algorithm number.
    pub digests: Vec<(u16, Vec<u8>)>,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TcgLog {
    pub events: Vec<TcgEvent>,
}

impl TcgLog {
    /// # Errors
    /// The bytes are not such a log. Nothing of it is to be trusted then.
    pub fn parse(bytes: &[u8]) -> Result<Self, TcgLogError> {
        let mut reader = Reader { rest: bytes, event: 0 };
        if bytes.is_empty() {
            return Err(TcgLogError::Empty);
        }
        let head = reader.sha1_event()?;
        let algorithms = algorithms(&head)?;
        let mut events = vec![head];
        while !reader.rest.is_empty() && !reader.only_padding() {
            if events.len() == BOOT_LOG_ENTRIES_MAX {
                return Err(TcgLogError::TooLong);
            }
            reader.event = events.len();
            events.push(match &algorithms {
                Some(algorithms) => reader.agile_event(algorithms)?,
                None => reader.sha1_event()?,
            });
        }
        Ok(Self { events })
    }

    /// What the registers hold after these measurements, by bank and register. Banks that cannot be computed are left
    /// out.
    pub fn replay(&self) -> BTreeMap<Bank, BTreeMap<u32, Register>> {
        let locality = self.startup_locality();
        let mut banks: BTreeMap<Bank, BTreeMap<u32, Register>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.kind != EV_NO_ACTION) {
            for (algorithm, digest) in &event.digests {
                let Some(bank) = Bank::from_tcg(*algorithm) else { continue };
                let start = if event.register == 0 { locality } else { 0 };
                let registers = banks.entry(bank).or_default();
                registers.entry(event.register).or_insert_with(|| Register::new(bank, start)).extend(digest);
            }
        }
        banks
    }

    /// Whether the firmware enforced Secure Boot, by its own account; `None` where the log does not tell.
    pub fn secure_boot(&self) -> Option<bool> {
        let mut variables = self.policy().filter(|variable| variable.vendor == GLOBAL);
        variables.find(|variable| variable.name == "SecureBoot").map(|variable| variable.value == [1])
    }

    /// The variables of the Secure Boot policy that the firmware measured, in their order.
    pub fn policy(&self) -> impl Iterator<Item = Variable<'_>> {
        let of_policy =
            |event: &&TcgEvent| event.register == POLICY_REGISTER && event.kind == EV_EFI_VARIABLE_DRIVER_CONFIG;
        self.events.iter().filter(of_policy).filter_map(|event| Variable::measured(&event.data))
    }

    /// Whether shim was told to let everything boot: its owner switched its checks off.
    pub fn shim_is_off(&self) -> bool {
        let variables = self.events.iter().filter(|event| event.kind == EV_EFI_VARIABLE_AUTHORITY);
        variables
            .filter_map(|event| Variable::measured(&event.data))
            .any(|variable| variable.name == "MokSBState" && variable.value == [1])
    }

    /// Digests of the lists that the machine's owner added by way of shim, by the name of the list. Their content is not in the
    /// log.
    pub fn owner_lists(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let events = self.events.iter().filter(|event| event.register == OWNER_REGISTER);
        events.filter_map(|event| {
            let name = OWNER_LISTS.into_iter().find(|name| event.data.strip_suffix(b"\0") == Some(name.as_bytes()))?;
            Some((name, event.digests.last()?.1.as_slice()))
        })
    }

    /// Events whose digest is not that of their data although their kind demands it: the log was edited.
    pub fn inconsistent(&self) -> Vec<usize> {
        let mut events: Vec<usize> = self.inconsistencies().map(|(index, _)| index).collect();
        events.dedup();
        events
    }

    /// The same, each with the bank whose digest is at fault.
    pub fn inconsistencies(&self) -> impl Iterator<Item = (usize, Bank)> {
        self.events.iter().enumerate().filter(|(_, event)| event.kind != EV_NO_ACTION).flat_map(|(index, event)| {
            event.digests.iter().filter_map(move |(algorithm, digest)| {
                let bank = Bank::from_tcg(*algorithm)?;
                let holds = is_of_its_data(event.register, event.kind, &event.data, bank, digest);
                (!holds).then_some((index, bank))
            })
        })
    }

    fn startup_locality(&self) -> u8 {
        let of = |event: &TcgEvent| event.data.strip_prefix(b"StartupLocality\0")?.first().copied();
        self.events.iter().filter(|event| event.kind == EV_NO_ACTION).find_map(of).unwrap_or(0)
    }
}

/// Algorithm numbers and digest sizes that the head announces; `None` for a log of TPM 1.2, which knows SHA-1 only.
fn algorithms(head: &TcgEvent) -> Result<Option<BTreeMap<u16, usize>>, TcgLogError> {
    if head.kind != EV_NO_ACTION {
        return Ok(None);
    }
    let Some(rest) = head.data.strip_prefix(b"Spec ID Event03\0") else { return Ok(None) };
    let mut reader = Reader { rest, event: 0 };
    reader.take(8)?; // platform class, version, errata, size of UINTN
    let count = reader.u32()?;
    if count == 0 || count > ALGORITHMS_MAX {
        return Err(TcgLogError::Algorithms { count });
    }
    let sizes =
        (0..count).map(|_| Ok((reader.u16()?, usize::from(reader.u16()?)))).collect::<Result<_, TcgLogError>>()?;
    Ok(Some(sizes))
}

struct Reader<'a> {
    rest: &'a [u8],
    event: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], TcgLogError> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(TcgLogError::CutShort { event: self.event })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TcgLogError> {
        let event = self.event;
        self.take(N)?.try_into().map_err(|_| TcgLogError::CutShort { event })
    }

    fn u16(&mut self) -> Result<u16, TcgLogError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, TcgLogError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Some firmware fills the rest of its buffer with zeros or ones.
    fn only_padding(&self) -> bool {
        self.rest.iter().all(|byte| *byte == 0) || self.rest.iter().all(|byte| *byte == 0xff)
    }

    fn head(&mut self) -> Result<(u32, u32), TcgLogError> {
        let (register, kind) = (self.u32()?, self.u32()?);
        if register >= REGISTERS && kind != EV_NO_ACTION {
            return Err(TcgLogError::NoSuchRegister { event: self.event, register });
        }
        Ok((register, kind))
    }

    fn data(&mut self) -> Result<Vec<u8>, TcgLogError> {
        let size = self.u32()? as usize;
        Ok(self.take(size)?.to_vec())
    }

    fn sha1_event(&mut self) -> Result<TcgEvent, TcgLogError> {
        let (register, kind) = self.head()?;
        let digests = vec![(0x0004, self.take(SHA1_BYTES)?.to_vec())];
        Ok(TcgEvent { register, kind, digests, data: self.data()? })
    }

    fn agile_event(&mut self, sizes: &BTreeMap<u16, usize>) -> Result<TcgEvent, TcgLogError> {
        let (register, kind) = self.head()?;
        let count = self.u32()?;
        if count > ALGORITHMS_MAX {
            return Err(TcgLogError::Algorithms { count });
        }
        let mut digests = Vec::new();
        let mut banks = BTreeSet::new();
        for _ in 0..count {
            let algorithm = self.u16()?;
            let size = sizes.get(&algorithm).filter(|_| banks.insert(algorithm));
            let size = size.ok_or(TcgLogError::UnknownAlgorithm { event: self.event, algorithm })?;
            digests.push((algorithm, self.take(*size)?.to_vec()));
        }
        Ok(TcgEvent { register, kind, digests, data: self.data()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::efi_variable::testing::measured;
    use super::*;

    const EV_IPL: u32 = 0xd;

    fn spec_id() -> Vec<u8> {
        let mut data = b"Spec ID Event03\0".to_vec();
        data.extend([0; 8]);
        data.extend(1_u32.to_le_bytes());
        data.extend(0x000b_u16.to_le_bytes());
        data.extend(32_u16.to_le_bytes());
        data.push(0);
        let mut event = [0_u32.to_le_bytes(), EV_NO_ACTION.to_le_bytes()].concat();
        event.extend([0; SHA1_BYTES]);
        event.extend((data.len() as u32).to_le_bytes());
        event.extend(data);
        event
    }

    fn event(register: u32, kind: u32, digest: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = [register.to_le_bytes(), kind.to_le_bytes(), 1_u32.to_le_bytes()].concat();
        bytes.extend(0x000b_u16.to_le_bytes());
        bytes.extend(digest);
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn policy(variable: &str, value: &[u8]) -> Vec<u8> {
        let data = measured(variable, value);
        event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, &Bank::Sha256.digest(&data), &data)
    }

    fn log(events: &[Vec<u8>]) -> Vec<u8> {
        [vec![spec_id()], events.to_vec()].concat().concat()
    }

    #[test]
    fn measurements_are_replayed_in_order_and_remarks_are_not() {
        let (first, second) = (Bank::Sha256.digest(b"a"), Bank::Sha256.digest(b"b"));
        let bytes =
            log(&[event(4, 1, &first, b"x"), event(4, EV_NO_ACTION, &second, b"y"), event(4, 1, &second, b"z")]);
        let mut expected = Register::new(Bank::Sha256, 0);
        expected.extend(&first);
        expected.extend(&second);
        assert_eq!(TcgLog::parse(&bytes).unwrap().replay()[&Bank::Sha256][&4], expected);
    }

    #[test]
    fn the_locality_of_the_start_is_where_register_zero_begins() {
        let digest = Bank::Sha256.digest(b"a");
        let bytes = log(&[event(0, EV_NO_ACTION, &[0; 32], b"StartupLocality\0\x03"), event(0, 1, &digest, b"")]);
        let mut expected = Register::new(Bank::Sha256, 3);
        expected.extend(&digest);
        assert_eq!(TcgLog::parse(&bytes).unwrap().replay()[&Bank::Sha256][&0], expected);
    }

    #[test]
    fn secure_boot_is_read_from_the_firmwares_measured_variable() {
        for (value, on) in [(1, true), (0, false)] {
            let mut by_another = policy("SecureBoot", &[1]);
            let vendor = by_another.windows(16).position(|bytes| bytes == GLOBAL).unwrap();
            by_another[vendor] ^= 1;
            let bytes = log(&[by_another, policy("SecureBoot", &[value])]);
            assert_eq!(TcgLog::parse(&bytes).unwrap().secure_boot(), Some(on));
        }
        assert_eq!(TcgLog::parse(&log(&[])).unwrap().secure_boot(), None);
    }

    #[test]
    fn what_the_owner_told_shim_is_read() {
        let off = measured("MokSBState", &[1]);
        let bytes = log(&[
            event(14, EV_IPL, &[7; 32], b"MokList\0"),
            event(7, EV_EFI_VARIABLE_AUTHORITY, &Bank::Sha256.digest(&off), &off),
            event(9, EV_IPL, &[8; 32], b"MokList\0"),
        ]);
        let log = TcgLog::parse(&bytes).unwrap();
        assert_eq!(log.owner_lists().collect::<Vec<_>>(), [("MokList", &[7; 32][..])]);
        assert!(log.shim_is_off());
    }

    #[test]
    fn a_flipped_byte_in_an_event_makes_the_log_inconsistent_in_the_bank_at_fault() {
        let mut bytes = log(&[event(9, EV_IPL, &[7; 32], b"/grub.cfg\0"), policy("SecureBoot", &[1])]);
        assert_eq!(TcgLog::parse(&bytes).unwrap().inconsistent(), Vec::<usize>::new());
        *bytes.last_mut().unwrap() = 0;
        let log = TcgLog::parse(&bytes).unwrap();
        assert_eq!(log.inconsistencies().collect::<Vec<_>>(), [(2, Bank::Sha256)]);
        assert_eq!((log.inconsistent(), log.secure_boot()), (vec![2], Some(false)));
    }

    #[test]
    fn what_is_no_log_is_refused_with_a_reason() {
        assert_eq!(TcgLog::parse(b""), Err(TcgLogError::Empty));
        assert!(TcgLog::parse(b"bogus\ninvalid\nevent\nlog\nfile\nhere\n").is_err());
        let whole = log(&[event(4, 1, &[1; 32], b"x")]);
        assert_eq!(TcgLog::parse(&whole[..whole.len() - 1]), Err(TcgLogError::CutShort { event: 1 }));
        let register = log(&[event(99, 1, &[1; 32], b"x")]);
        assert_eq!(TcgLog::parse(&register), Err(TcgLogError::NoSuchRegister { event: 1, register: 99 }));
        assert!(TcgLog::parse(&[whole, vec![0; 64]].concat()).is_ok());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), whole in any::<bool>()) {
            if whole {
                bytes = [log(&[event(4, 1, &[1; 32], b"x")]), bytes].concat();
            }
            if let Ok(log) = TcgLog::parse(&bytes) {
                log.replay();
                log.secure_boot();
                log.inconsistent();
            }
        }

        #[test]
        fn a_flipped_byte_never_panics(at in 0_usize..200, value in any::<u8>()) {
            let mut bytes = log(&[policy("SecureBoot", &[1])]);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            if let Ok(log) = TcgLog::parse(&bytes) {
                log.replay();
                log.secure_boot();
                log.inconsistent();
                log.owner_lists().count();
            }
        }
    }
}
