//! `dsmild formats explain`: which bytes of a line are what.

use std::io::{self, BufRead, Write};

use super::envelope::envelope;
use super::exit::EXIT_BAD;
use crate::formats::{Action, Envelope, Explained, Format, Library, Line, Misses, Understood, ecs};

/// Explains one line, or every line of standard input.
pub fn explain(library: &Library, line: &str, program: Option<&str>, out: &mut impl Write) -> io::Result<u8> {
    let misses = Misses::of(library.formats());
    if line != "-" {
        return one(library, &misses, line, program, out);
    }
    let mut code = 0;
    for line in io::stdin().lock().split(b'\n') {
        code = code.max(one(library, &misses, &String::from_utf8_lossy(&line?), program, out)?);
        writeln!(out)?;
    }
    Ok(code)
}

fn one(
    library: &Library,
    misses: &Misses<'_>,
    line: &str,
    program: Option<&str>,
    out: &mut impl Write,
) -> io::Result<u8> {
    let read = match program {
        Some(program) => Envelope { program: Some(program.to_owned()), message: line.to_owned(), fields: Vec::new() },
        None => envelope(line),
    };
    writeln!(out, "program    {}", read.program.as_deref().unwrap_or("none"))?;
    writeln!(out, "message    {}", read.message)?;
    for (key, value) in &read.fields {
        writeln!(out, "  {key} = {value}")?;
    }
    let line = Line { program: read.program.as_deref(), message: &read.message, fields: &read.fields };
    let answer = library.understand(line);
    match &answer.understood {
        Some(understood) => {
            found(understood, library.explain(line).as_ref(), out)?;
            Ok(0)
        }
        None => {
            if answer.is_exhausted {
                writeln!(out, "ambiguous  it has more readings than are looked at")?;
            }
            missed(library, misses, line, out)?;
            Ok(EXIT_BAD)
        }
    }
}

fn found(understood: &Understood<'_>, explained: Option<&Explained<'_>>, out: &mut impl Write) -> io::Result<()> {
    let format = understood.format;
    let record = understood.record.and_then(|index| format.records.get(index)).map(|record| record.line);
    let message = understood.message.and_then(|index| format.messages.get(index)).map(|message| message.line);
    for line in record.iter().chain(&message) {
        writeln!(out, "format     {} ({}:{line})", format.name, format.file)?;
    }
    write!(out, "meaning    {}, {}", understood.action, understood.outcome)?;
    match understood.severity {
        Some(severity) => writeln!(out, ", severity {severity}")?,
        None => writeln!(out)?,
    }
    if let Some(explained) = explained {
        for template in &explained.templates {
            writeln!(out, "template   {template}")?;
        }
        for (name, start, end, text) in &explained.bytes {
            writeln!(out, "  {start:>4}..{end:<4} {name:<14} {text}")?;
        }
        if explained.readings > 1 {
            writeln!(out, "templates that fit: {}", explained.readings)?;
        }
    }
    if understood.is_ambiguous {
        let disagreed = explained.map(|explained| explained.disagreed.join(", ")).unwrap_or_default();
        writeln!(out, "ambiguous  readings disagree in {disagreed}: left out")?;
    }
    let is_request = understood.action == Action::Request;
    for (name, value) in &understood.fields {
        writeln!(out, "field      {name} ({}) = {value}", ecs(name, is_request))?;
    }
    Ok(())
}

fn missed(library: &Library, misses: &Misses<'_>, line: Line<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "template   none")?;
    let is_asked = |format: &Format| library.asks(format, line.program);
    let near = misses.nearest(line.message, is_asked).or_else(|| misses.nearest(line.message, |_| true));
    let Some(near) = near else {
        return writeln!(out, "nearest    none: no template begins like this message");
    };
    let (before, after) = line.message.split_at_checked(near.at).unwrap_or((line.message, ""));
    writeln!(out, "nearest    {}:{}: {}", near.format.file, near.line, near.template)?;
    if !is_asked(near.format) {
        writeln!(out, "           which is not asked: it does not name this program")?;
    }
    writeln!(out, "fits       {before}")?;
    writeln!(out, "stops at   {after}")?;
    writeln!(out, "expected   {}", near.expected.join(" or "))
}
