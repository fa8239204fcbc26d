//! A table on a terminal: each row on one line where it fits, else on as few as it needs. Pure.

use ratatui::text::Span;

const GAP: &str = "  ";
/// Where a row goes on.
const INDENT: usize = 4;
/// Less room than this is not worth beginning the last column in.
const LAST_MIN: usize = 20;

/// The rows, with the heads above them; nothing at all when there are no rows. `width` is the terminal's, `None` where it is none: then
/// nothing is left out.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]], width: Option<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads = heads.map(str::to_owned);
    let all = || [&heads].into_iter().chain(rows);
    let cell = |row: &[String; N], index: usize| row.get(index).cloned().unwrap_or_default();
    let widest = |index: usize| all().map(|row| columns(&cell(row, index))).max().unwrap_or_default();
    // On a terminal, what nobody has a value for takes no room.
    let is_shown = |index: &usize| width.is_none() || rows.iter().any(|row| !cell(row, *index).is_empty());
    let shown: Vec<(usize, usize)> = (0..N).filter(is_shown).map(|index| (index, widest(index))).collect();
    let lines = lines_of(&shown, width);
    let mut text = String::new();
    for row in all() {
        for (number, line) in lines.iter().enumerate() {
            let indent = if number == 0 { 0 } else { INDENT };
            let cells = line.iter().map(|(index, room)| {
                let shown = fitted(&cell(row, *index), *room);
                let padding = " ".repeat(room.saturating_sub(columns(&shown)));
                shown + &padding
            });
            let whole = cells.collect::<Vec<_>>().join(GAP);
            let whole = whole.trim_end();
            // A line with nothing on it says nothing.
            if number == 0 || !whole.is_empty() {
                text.push_str(&format!("{:indent$}{whole}\n", ""));
            }
        }
    }
    text
}

/// Which columns stand on which line of a row, each with its room.
fn lines_of(shown: &[(usize, usize)], width: Option<usize>) -> Vec<Vec<(usize, usize)>> {
    let Some(width) = width else { return vec![shown.to_vec()] };
    let mut lines = vec![Vec::new()];
    let mut left = width;
    for (number, (index, wanted)) in shown.iter().enumerate() {
        let least = if number + 1 == shown.len() { LAST_MIN.min(*wanted) } else { *wanted };
        if least > left && lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(Vec::new());
            left = width.saturating_sub(INDENT);
        }
        let room = (*wanted).min(left);
        left = left.saturating_sub(room + GAP.len());
        if let Some(line) = lines.last_mut() {
            line.push((*index, room));
        }
    }
    lines
}

/// How many columns of a terminal it takes.
pub fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, or as much of its beginning as there is room for, with `…` behind it.
pub fn fitted(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut shown, mut used) = (String::new(), 0);
    for character in text.chars() {
        used += columns(character.encode_utf8(&mut [0; 4]));
        if used + 1 > width {
            break;
        }
        shown.push(character);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 4]> {
        let row = |id: &str, what: &str| [id, "open", "", what].map(str::to_owned);
        vec![row("1763856000123-4", &"long ".repeat(30)), row("1763856000123-5", "宽宽"), row("7-0", "")]
    }

    fn shown(width: Option<usize>) -> String {
        table(["INCIDENT", "STATE", "LAST ERROR", "WHAT"], &rows(), width)
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_id_is_cut_that_fits() {
        for width in 1..=200 {
            let text = shown(Some(width));
            assert!(text.lines().all(|line| columns(line) <= width.max(INDENT + 1)), "{width}:\n{text}");
            assert!(
                width < 15 || text.contains("1763856000123-4") && text.contains("1763856000123-5"),
                "{width}:\n{text}"
            );
        }
        assert_eq!(shown(Some(80)).lines().count(), 4, "one line each where that is enough");
        assert!(shown(Some(30)).contains("\n    long long"), "{}", shown(Some(30)));
        assert!(!shown(Some(80)).contains("LAST ERROR"), "nobody has one");
    }

    #[test]
    fn what_is_no_terminal_gets_everything_on_one_line_each() {
        let text = shown(None);
        assert!(text.contains(&"long ".repeat(29)) && text.contains("LAST ERROR"), "{text}");
        assert_eq!((text.lines().count(), table::<1>(["X"], &[], None)), (4, String::new()));
    }
}
