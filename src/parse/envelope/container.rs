//! What container runtimes put round a line of a program's output.

use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use super::stamp;
use crate::event::{Record, named};

/// The name of a container with the blanks behind it.
const NAME_BYTES_MAX: usize = 80;

/// A line of CRI-O or containerd: `2025-03-26T10:41:00.19327046+01:00 stdout F …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub stream: &'a str,
    /// The program's line ends here; a part of it that others follow has `P`.
    pub is_last: bool,
    pub message: &'a str,
}

pub(crate) fn part(line: &str) -> Option<Part<'_>> {
    cut(line).map(|(_, part)| part)
}

fn cut(line: &str) -> Option<(LogTime, Part<'_>)> {
    let (time, after) = stamp::iso(line)?;
    let (stream, rest) = after.strip_prefix(' ')?.split_once(' ')?;
    let (tags, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_last = match tags.split(':').next() {
        Some("F") => true,
        Some("P") => false,
        _ => return None,
    };
    matches!(stream, "stdout" | "stderr").then_some((time, Part { stream, is_last, message }))
}

pub(super) fn cri(line: &str) -> Option<Layer> {
    let (time, part) = cut(line)?;
    Some(Layer::new(time, line_of(part.message), Inside::Line))
}

/// `bitwarden    | [2021-12-05 21:33:00.147]…`, as `docker compose logs` prints: a line behind the name of its container.
pub(super) fn compose(line: &str) -> Option<Layer> {
    let (name, message) = line.split_once('|').filter(|(name, _)| name.len() <= NAME_BYTES_MAX)?;
    let name = name.trim_end_matches(' ');
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let message = message.strip_prefix(' ').filter(|message| is_name && stamp::any(message).is_some())?;
    let mut record = line_of(message);
    record.push("container.name", name);
    Some(Layer::new(LogTime::Absent, record, Inside::Line))
}

/// Docker's `{"log":"…\n","stream":"stdout","time":"…"}`: the keys are of the runtime, the line is the program's.
pub(super) fn docker(fields: &[(String, String)], time: LogTime) -> Option<Layer> {
    let message = named(fields, "log")?;
    if !matches!(named(fields, "stream"), Some("stdout" | "stderr")) {
        return None;
    }
    let is_of_runtime = |key: &str| matches!(key, "log" | "stream" | "time" | "_p") || key.starts_with("attrs.");
    let mut record = line_of(message);
    record.fields = fields.iter().filter(|(key, _)| !is_of_runtime(key)).cloned().collect();
    Some(Layer::new(time, record, Inside::Line))
}

fn line_of(message: &str) -> Record {
    Record { message: message.trim_end_matches(['\n', '\r']).to_owned(), ..Record::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_behind_the_name_of_its_container_is_a_line() {
        let layer = compose("web-1    | 2023-04-06T09:13:34,820Z WARN x | y").unwrap();
        assert_eq!(
            (layer.record.message.as_str(), layer.inside),
            ("2023-04-06T09:13:34,820Z WARN x | y", Inside::Line)
        );
        for line in ["2023 | 401 | 1ms", "a b | 2023-04-06T09:13:34Z x", "web | text", "| 2023-04-06T09:13:34Z x"] {
            assert_eq!(compose(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_of_a_container_runtime_holds_a_whole_line() {
        for (line, message) in [
            ("2025-03-26T10:41:00.19327046+01:00 stdout F {\"a\": 1}", "{\"a\": 1}"),
            ("2025-03-26T09:41:00.193Z stderr P half", "half"),
            ("2025-03-26T09:41:00.193Z stdout F:x whole", "whole"),
            ("2025-03-26T09:41:00.193Z stdout F", ""),
        ] {
            let layer = cri(line).unwrap();
            assert_eq!((layer.record.message.as_str(), layer.inside), (message, Inside::Line));
            assert!(matches!(layer.time, LogTime::Instant(_)));
            assert_eq!((layer.record.program, layer.record.entity.host), (None, None));
        }
        assert_eq!(cri("2025-03-26T09:41:00.193Z stdout is full"), None);
    }
}
