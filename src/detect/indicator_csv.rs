//! CSV whose first line says in which column the indicator stands: MISP's export and what others publish.

use super::indicator_item::{Item, Taken, Terms, excerpt};
use super::misp::{is_yes, read_value};
use super::observable::Observable;
use crate::limits::CSV_RECORD_LINES_MAX;

/// Where the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    value: usize,
    kind: Kind,
    to_ids: Option<usize>,
}

/// What tells the type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Column(usize),
    Always(&'static str),
    /// How it looks.
    Unsaid,
}

const VALUES: &[&str] = &["value", "ioc_value", "indicator", "ioc"];
const KINDS: &[&str] = &["type", "ioc_type", "indicator_type", "indicator type"];
/// Columns whose name tells the type.
const TYPED: &[(&str, &str)] = &[("ja3_md5", "ja3"), ("ja3", "ja3"), ("ja4", "ja4"), ("dst_ip", "ip"), ("dstip", "ip")];

/// The columns, if a line before the first value names them. In some lists that line is a comment.
pub fn columns(content: &str) -> Option<Columns> {
    for line in content.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let is_comment = line.starts_with('#');
        let columns = columns_of(line.trim_start_matches(['#', ' ']));
        if columns.is_some() || !is_comment {
            return columns;
        }
    }
    None
}

fn columns_of(line: &str) -> Option<Columns> {
    let names: Vec<String> = fields(line).into_iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    let find = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    let to_ids = find(&["to_ids"]);
    if names.len() < 2 {
        return None;
    }
    let typed = TYPED.iter().find_map(|(name, kind)| Some((find(&[name])?, Kind::Always(kind))));
    let (value, kind) = match (find(VALUES), find(KINDS)) {
        (Some(value), Some(kind)) => (value, Kind::Column(kind)),
        // In the first column it stands in lists without names as well.
        (Some(value), None) if value > 0 => (value, Kind::Unsaid),
        _ => typed?,
    };
    Some(Columns { value, kind, to_ids })
}

/// Calls `take` with the line of each record (from 1) and what it gives.
pub fn read(content: &str, columns: Columns, mut take: impl FnMut(u32, Taken)) {
    let mut lines = content.lines().zip(1_u32..);
    while let Some((line, number)) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') || columns_of(trimmed) == Some(columns) {
            continue;
        }
        let mut record = trimmed.to_owned();
        let mut more = 0;
        while has_open_quote(&record) && more < CSV_RECORD_LINES_MAX {
            let Some((line, _)) = lines.next() else { break };
            record.push('\n');
            record.push_str(line);
            more += 1;
        }
        if has_open_quote(&record) {
            take(number, Err(format!("a quotation mark has no end within {CSV_RECORD_LINES_MAX} lines")));
        } else {
            read_record(&fields(&record), columns, |taken| take(number, taken));
        }
    }
}

fn read_record(fields: &[String], columns: Columns, mut take: impl FnMut(Taken)) {
    let field = |column: usize| fields.get(column).map(|field| field.trim());
    let Some(value) = field(columns.value).filter(|value| !value.is_empty()) else {
        return take(Err(format!("the column of the values (number {}) is empty", columns.value + 1)));
    };
    let is_for_detection = columns.to_ids.and_then(field).is_none_or(is_yes);
    match columns.kind {
        Kind::Column(column) => read_value(field(column).unwrap_or_default(), value, is_for_detection, take),
        Kind::Always(kind) => read_value(kind, value, is_for_detection, take),
        Kind::Unsaid => take(match Observable::read(value) {
            Some(value) => Ok(Item::Value(value, Terms::default())),
            None => Err(format!("`{}` is no indicator that lines are searched for", excerpt(value))),
        }),
    }
}

fn has_open_quote(text: &str) -> bool {
    !text.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2)
}

/// RFC 4180: a field in quotation marks may hold commas, and a doubled mark is one.
fn fields(record: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = record.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            // Between a comma and a quotation mark.
            ' ' if !is_quoted && field.is_empty() => {}
            _ => field.push(character),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(content: &str) -> Vec<String> {
        let mut said = Vec::new();
        read(content, columns(content).unwrap(), |line, taken| {
            said.push(match taken {
                Ok(Item::Value(value, _)) => format!("{line} {} {value}", value.kind()),
                Ok(Item::LeftOut(why)) => format!("{line} {why}"),
                Ok(Item::Pattern { name, .. }) => format!("{line} {name}"),
                Err(problem) => format!("{line} {problem}"),
            });
        });
        said
    }

    #[test]
    fn an_export_of_misp_is_read_by_its_columns() {
        let export = "uuid,event_id,category,type,value,comment,to_ids,date\n\
            1,7,\"Network activity\",ip-dst|port,203.0.113.9|443,\"one,\n\"\"two\"\"\",1,20260101\n\
            2,7,\"Network activity\",domain,a.example,,0,20260101\n\
            3,7,\"Other\",\"domain\",\"evil.example\",\"\",1,20260101\n\
            4,7,Other,domain,,,1,x\n\
            5,7,Other,domain,x.example,\"no end,1,x\n";
        let expected = [
            "2 endpoint 203.0.113.9:443",
            "4 are not meant for detection (`to_ids`)",
            "5 domain evil.example",
            "6 the column of the values (number 5) is empty",
            "7 a quotation mark has no end within 64 lines",
        ];
        assert_eq!(said(export), expected);
    }

    #[test]
    fn names_of_columns_in_a_comment_count_and_may_tell_the_type() {
        let fox = "# a list\n# \"first_seen\", \"ioc_value\", \"ioc_type\"\n\"2026\", \"203.0.113.9:443\", \"ip:port\"\n# end\n";
        assert_eq!(said(fox), ["3 endpoint 203.0.113.9:443"]);
        let ja3 = "#\n# ja3_md5,Firstseen\n6734f37431670b3ab4292b8f60f29984,2026\n";
        assert_eq!(said(ja3), ["3 fingerprint 6734f37431670b3ab4292b8f60f29984"]);
        assert_eq!(said("seen,indicator\n2026,evil.example\n2026,?\n")[0], "2 domain evil.example");
    }

    #[test]
    fn other_lists_have_no_such_columns() {
        for list in ["203.0.113.9\n", "ioc,first_seen\nevil.example,2026\n", "# a comment\nevil.example\n", "", "a,b\n"]
        {
            assert_eq!(columns(list), None, "{list}");
        }
    }
}
