//! The samples of a library are its tests.

use super::file::{Diagnostic, Format, Input, Message, Record, Sample};
use super::library::{Answer, Library, Line};
use super::meaning::{Meaning, Outcome};
use super::nearest::Misses;
use super::understood::Understood;

/// What an envelope reader makes of a whole line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    pub program: Option<String>,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// The outcome of a run over all samples.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub samples: usize,
    pub templates: usize,
    pub failures: Vec<Diagnostic>,
    /// Messages and records that have no sample.
    pub untested: Vec<Diagnostic>,
}

/// Runs every sample. `envelope` reads whole lines.
pub fn check(library: &Library, envelope: impl Fn(&str) -> Envelope) -> Report {
    let mut run = Run { library, envelope, report: Report::default() };
    for (number, format) in library.formats().iter().enumerate() {
        for (index, message) in format.messages.iter().enumerate() {
            run.message(number, format, index, message);
        }
        for (index, record) in format.records.iter().enumerate() {
            run.record(number, format, index, record);
        }
    }
    run.report
}

struct Run<'l, F> {
    library: &'l Library,
    envelope: F,
    report: Report,
}

/// Where a sample stands: in which format, and in which of its messages or records.
#[derive(Clone, Copy)]
struct Place<'a> {
    number: usize,
    format: &'a Format,
    message: Option<usize>,
    record: Option<usize>,
    meaning: &'a Meaning,
}

impl<F: Fn(&str) -> Envelope> Run<'_, F> {
    fn message(&mut self, number: usize, format: &Format, index: usize, message: &Message) {
        self.report.templates += message.templates.len();
        if message.samples.is_empty() {
            self.untested(format, message.line, "message");
        }
        let place = Place { number, format, message: Some(index), record: None, meaning: &message.meaning };
        for sample in &message.samples {
            self.sample(place, sample);
        }
    }

    fn record(&mut self, number: usize, format: &Format, index: usize, record: &Record) {
        if record.samples.is_empty() {
            self.untested(format, record.line, "record");
        }
        let place = Place { number, format, message: None, record: Some(index), meaning: &record.meaning };
        for sample in &record.samples {
            self.sample(place, sample);
        }
    }

    fn untested(&mut self, format: &Format, line: usize, what: &str) {
        let text = format!("this {what} has no sample");
        self.report.untested.push(Diagnostic { file: format.file.clone(), line, text });
    }

    fn sample(&mut self, place: Place<'_>, sample: &Sample) {
        self.report.samples += 1;
        let envelope = self.envelope(place.format, sample);
        let line = Line { program: envelope.program.as_deref(), message: &envelope.message, fields: &envelope.fields };
        let answer = self.library.understand(line);
        let mut problems = self.problems(place, sample, line, &answer);
        problems.extend(self.unmet(place, sample));
        let file = &place.format.file;
        self.report.failures.extend(problems.into_iter().map(|text| Diagnostic {
            file: file.clone(),
            line: sample.line,
            text,
        }));
    }

    fn envelope(&self, format: &Format, sample: &Sample) -> Envelope {
        match &sample.input {
            Input::Message(message) => Envelope {
                program: sample.program.clone().or_else(|| first_program(format)),
                message: message.clone(),
                fields: Vec::new(),
            },
            Input::Whole(line) => {
                let envelope = (self.envelope)(line);
                Envelope { program: sample.program.clone().or(envelope.program), ..envelope }
            }
        }
    }

    fn problems(&self, place: Place<'_>, sample: &Sample, line: Line<'_>, answer: &Answer<'_>) -> Vec<String> {
        let Some(understood) = &answer.understood else { return vec![self.miss(place, line, answer)] };
        let mut problems = Vec::new();
        let is_own = understood.format.name == place.format.name
            && place.message.is_none_or(|message| understood.message == Some(message))
            && place.record.is_none_or(|record| understood.record == Some(record));
        if !is_own {
            problems.push(format!("is taken for {}", described(understood)));
        }
        if !sample.ambiguous {
            problems.extend(self.rivals(place, answer));
        }
        problems.extend(differences(place, sample, understood));
        problems
    }

    /// Before the message of a format without programs stands nothing that a reader of lines would take off: a sample of which
    /// it takes something off tests what no template ever meets.
    fn unmet(&self, place: Place<'_>, sample: &Sample) -> Option<String> {
        let Input::Message(text) = &sample.input else { return None };
        let Envelope { program, message, fields } =
            Some((self.envelope)(text)).filter(|_| place.format.programs.is_empty())?;
        let line = Line { program: program.as_deref(), message: &message, fields: &fields };
        let is_met = self.library.understand(line).understood.is_some_and(|understood| {
            understood.format.name == place.format.name && understood.message == place.message
        });
        (!is_met).then(|| {
            let program = program.as_deref().unwrap_or("none");
            format!("is never met so in a log: read as a whole line, it is of program {program} with the message `{message}`; write it as `raw`")
        })
    }

    fn miss(&self, place: Place<'_>, line: Line<'_>, answer: &Answer<'_>) -> String {
        let program = line.program.unwrap_or("none");
        if answer.is_exhausted {
            return format!("has too many readings (program {program})");
        }
        if place.record.is_some() {
            let keys: Vec<_> = line.fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
            return format!("fits no record; program {program}, fields: {}", keys.join(" "));
        }
        match Misses::of([place.format]).nearest(line.message, |_| true) {
            Some(near) => {
                let (before, after) = line.message.split_at_checked(near.at).unwrap_or((line.message, ""));
                format!(
                    "fits no template (program {program}); nearest is line {}: `{}`, which stopped at column {}: `{before}` ⟂ `{after}`; expected {}",
                    near.line,
                    near.template,
                    before.chars().count() + 1,
                    near.expected.join(" or "),
                )
            }
            None => format!("fits no template, none even begins so (program {program}, message `{}`)", line.message),
        }
    }

    /// Others that the line fits as well and that mean something else.
    fn rivals(&self, place: Place<'_>, answer: &Answer<'_>) -> Vec<String> {
        let other =
            |meaning: &Meaning| (meaning.action, &meaning.outcome) != (place.meaning.action, &place.meaning.outcome);
        let mut rivals = Vec::new();
        let own_message = place.message.map(|message| (place.number, message));
        for (format, index) in answer.fitting.iter().filter(|found| Some(**found) != own_message) {
            if let (Some(format), Some(message)) =
                (self.library.formats().get(*format), self.library.message(*format, *index))
                && place.message.is_some()
                && other(&message.meaning)
            {
                rivals.push(format!(
                    "also fits the message at {}:{}, which means {}",
                    format.file,
                    message.line,
                    shown(&message.meaning)
                ));
            }
        }
        rivals
    }
}

fn first_program(format: &Format) -> Option<String> {
    format.programs.first().map(|program| program.example().unwrap_or_else(|| "any-program".to_owned()))
}

fn shown(meaning: &Meaning) -> String {
    match &meaning.outcome {
        super::meaning::OutcomeRule::Always(outcome) => format!("{} {outcome}", meaning.action),
        super::meaning::OutcomeRule::By { field, .. } => format!("{} by `{field}`", meaning.action),
    }
}

fn described(understood: &Understood<'_>) -> String {
    let format = understood.format;
    let message = understood.message.and_then(|index| format.messages.get(index)).map(|message| message.line);
    let record = understood.record.and_then(|index| format.records.get(index)).map(|record| record.line);
    let line = message.or(record).unwrap_or(1);
    format!("{}:{line}: {} {}", format.file, understood.action, understood.outcome)
}

/// Fields that are wrong where a sample does not list them.
const NAMED_OR_ABSENT: [&str; 4] = ["user", "src_ip", "src_host", "dst_ip"];

fn differences(place: Place<'_>, sample: &Sample, understood: &Understood<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |what: &str, expected: &str, found: &str| {
        if expected != found {
            problems.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let action = sample.action.unwrap_or(place.meaning.action);
    expect("action", action.name(), understood.action.name());
    let outcome = match &place.meaning.outcome {
        super::meaning::OutcomeRule::Always(outcome) => Some(*outcome),
        super::meaning::OutcomeRule::By { .. } => None,
    };
    if let Some(outcome) =
        sample.outcome.or(outcome.filter(|_| place.message.is_some() || understood.message.is_none()))
    {
        expect("outcome", Outcome::name(outcome), understood.outcome.name());
    }
    let quoted = |value: Option<&str>| value.map_or("nothing".to_owned(), |value| format!("`{value}`"));
    for (name, value) in &sample.fields {
        expect(name, &quoted(Some(value)), &quoted(understood.field(name)));
    }
    for name in NAMED_OR_ABSENT {
        if sample.fields.iter().all(|(listed, _)| listed != name) {
            expect(name, "nothing", &quoted(understood.field(name)));
        }
    }
    let ambiguous = |is: bool| if is { "ambiguous" } else { "one reading" };
    expect("readings", ambiguous(sample.ambiguous), ambiguous(understood.is_ambiguous));
    problems
}
