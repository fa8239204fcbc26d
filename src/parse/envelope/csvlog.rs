//! PostgreSQL's csvlog: columns by the names of its documentation.

use super::super::{level, time::LogTime};
use super::layer::{Inside, Layer};
use super::stamp;
use crate::event::Record;

const COLUMNS: [&str; 26] = [
    "log_time",
    "user_name",
    "database_name",
    "process_id",
    "connection_from",
    "session_id",
    "session_line_num",
    "command_tag",
    "session_start_time",
    "virtual_transaction_id",
    "transaction_id",
    "error_severity",
    "sql_state_code",
    "message",
    "detail",
    "hint",
    "internal_query",
    "internal_query_pos",
    "context",
    "query",
    "query_pos",
    "location",
    "application_name",
    "backend_type",
    "leader_pid",
    "query_id",
];
/// Columns of the oldest version in use.
const COLUMNS_MIN: usize = 22;

/// `2023-06-23 14:01:00.217 EDT,"bob","test",25987,…`. The text behind the time stays the message.
pub(super) fn read(line: &str) -> Option<Layer> {
    let (time, after) = stamp::iso(line).filter(|(time, _)| matches!(time, LogTime::Instant(_)))?;
    let rest = after.strip_prefix(',')?;
    let mut record = Record { message: rest.to_owned(), ..Record::default() };
    let mut columns = 1;
    let mut text = Some(rest);
    for name in COLUMNS.iter().skip(1) {
        let Some(from) = text else { break };
        let (value, next) = column(from)?;
        if !value.is_empty() {
            record.push(*name, value);
        }
        columns += 1;
        text = next;
    }
    let is_of_postgres = columns >= COLUMNS_MIN && text.is_none() && record.field("session_id").is_some();
    if !is_of_postgres {
        return None;
    }
    record.pid = record.field("process_id").and_then(|pid| pid.parse().ok());
    record.level = record.field("error_severity").and_then(level::read);
    Some(Layer::new(time, record, Inside::Text))
}

/// One column, and what follows its comma; in quotes, two quotes are one.
fn column(text: &str) -> Option<(String, Option<&str>)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(match text.split_once(',') {
            Some((value, rest)) => (value.to_owned(), Some(rest)),
            None => (text.to_owned(), None),
        });
    };
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            value.push('"');
            rest = more;
            continue;
        }
        return match after.strip_prefix(',') {
            Some(next) => Some((value, Some(next))),
            None if after.is_empty() => Some((value, None)),
            None => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"2023-06-23 14:01:00.217 EDT,"bob","test",25987,"192.0.2.1:50840",6495dddc.6583,3,"authentication",2023-06-23 14:01:00 EDT,22/235732,0,FATAL,28000,"PAM authentication failed for user ""bob, x""","Connection, x",,,,,,,,"","client backend",,0"#;

    #[test]
    fn columns_have_the_names_of_the_documentation() {
        let Layer { record, .. } = read(LINE).unwrap();
        assert_eq!(
            (record.field("user_name"), record.field("connection_from")),
            (Some("bob"), Some("192.0.2.1:50840"))
        );
        assert_eq!(record.field("message"), Some("PAM authentication failed for user \"bob, x\""));
        assert_eq!((record.pid, record.level), (Some(25987), Some(2)));
    }

    #[test]
    fn other_files_with_commas_are_none() {
        for line in ["2023-06-23T14:01:00Z,a,b", "2023-06-23 14:01:00.217 EDT,\"open", "a,b"] {
            assert_eq!(read(line), None, "{line}");
        }
        assert_eq!(read(&LINE.replace(",\"test\",", ",\"te\"st\",")), None);
    }
}
