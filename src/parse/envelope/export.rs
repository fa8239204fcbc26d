//! The journal's export format: one field a line, `NAME=value`. A value with newlines stands behind its name and a length, and
//! is left out here: nothing that a header needs has one.

use super::super::fields;
use super::super::time::Parsed;
use super::layer::{Inside, Layer};
use crate::limits;

/// What every entry begins with.
const FIRST: &str = "__CURSOR=";

pub(crate) fn begins(text: &str) -> bool {
    text.starts_with(FIRST)
}

pub(super) fn read(text: &str) -> Option<Layer> {
    let is_name = |name: &str| {
        (1..=limits::KEY_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let pairs: Vec<(String, String)> = text
        .split('\n')
        .filter_map(|line| line.split_once('=').filter(|(name, _)| is_name(name)))
        .take(limits::FIELDS_PER_RECORD_MAX)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let message = pairs.iter().find(|(name, _)| name == "MESSAGE").map(|(_, value)| value.clone()).unwrap_or_default();
    let Parsed { time, mut record } = fields::header(pairs, "");
    record.message = message;
    Some(Layer::new(time, record, Inside::Payload))
}

#[cfg(test)]
mod tests {
    use super::super::super::time::LogTime;
    use super::*;

    #[test]
    fn only_upper_case_names_of_a_bounded_length_are_fields() {
        assert!(begins("__CURSOR=s=1") && !begins("MESSAGE=x") && !begins(""));
        let long = "A".repeat(limits::KEY_BYTES_MAX);
        let text = format!("__CURSOR=1\nlower=x\n=x\nA-B=x\nA_1=y\n{long}=z\n{long}A=x\nbare\nMESSAGE=m");
        let Layer { record, .. } = read(&text).unwrap();
        let names: Vec<&str> = record.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["__CURSOR", "A_1", long.as_str(), "MESSAGE"]);
    }

    #[test]
    fn an_entry_is_its_fields() {
        let text = "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1763856000000001\n_HOSTNAME=web\nSYSLOG_IDENTIFIER=sshd\n_PID=7\nMESSAGE=a=b \nPRIORITY=6";
        let Layer { time, record, .. } = read(text).unwrap();
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!((record.program.as_deref(), record.pid, record.level), (Some("sshd"), Some(7), Some(6)));
        assert_eq!((record.entity.host.as_deref(), record.message.as_str()), (Some("web"), "a=b "));
    }
}
