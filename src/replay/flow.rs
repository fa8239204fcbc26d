//! The pipeline on all cores: one thread reads and orders the lines, one runs the stages that remember, and a pool parses, judges what needs
//! no memory, and writes what is printed. Pieces go from one to the next in their order, so what is printed does not depend on how
//! many threads there are.

use std::fmt::Write;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::detect::deceptive::escaped_json;
use crate::event::{Draft, Event, Stream};
use crate::intake::clock::ReplayTicks;
use crate::intake::replay::{Replay, ReplayError, ReplayInput, merged_on};
use crate::layer::foresight::{Foreseen, Foresight};
use crate::layer::pipeline::Pipeline;
use crate::layer::stage::StageSpec;
use crate::limits::REPLAY_BATCH_LINES;
use crate::pool::{Pending, Pool};
use crate::server::event_json;

/// The inputs on their way through the stages.
pub struct Flow {
    printed: Receiver<Pending<Printed>>,
    reader: JoinHandle<()>,
    stages: JoinHandle<u64>,
}

/// What comes of a piece of the inputs.
#[derive(Debug, Default)]
pub struct Printed {
    /// NDJSON.
    pub text: String,
    /// What of it could not be used.
    pub errors: Vec<ReplayError>,
    /// Bytes of the inputs up to its end.
    pub bytes_given: u64,
}

/// A piece of the inputs in the order of the merge.
struct Piece<T> {
    events: Vec<T>,
    errors: Vec<ReplayError>,
    bytes_given: u64,
}

/// # Errors
/// A thread cannot be started.
pub fn start(inputs: Vec<ReplayInput>, stages: Vec<StageSpec>, stream: Stream, pool: Pool) -> io::Result<Flow> {
    let pool = Arc::new(pool);
    let (read, to_stages) = sync_channel(pool.ahead());
    let (written, printed) = sync_channel(pool.ahead());
    let (foresight, own) = (Foresight::new(&stages), Arc::clone(&pool));
    let reader = thread::Builder::new()
        .name("replay-read".to_owned())
        .spawn(move || read_pieces(merged_on(inputs, &own), &own, &foresight, &read))?;
    let stages = thread::Builder::new()
        .name("replay-stages".to_owned())
        .spawn(move || run_stages(Pipeline::new(stages), stream, &pool, &to_stages, &written))?;
    Ok(Flow { printed, reader, stages })
}

impl Flow {
    /// What comes of the next piece; `None` at the end.
    pub fn next(&mut self) -> Option<Printed> {
        self.printed.recv().ok().map(Pending::wait)
    }

    /// To be called at the end: how many outputs of stages were refused. If a thread has panicked, so does this.
    pub fn refused(self) -> u64 {
        drop(self.printed);
        self.reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        self.stages.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Ends with the inputs, or when nobody wants what is read.
fn read_pieces(mut lines: Replay, pool: &Pool, foresight: &Foresight, to: &SyncSender<Pending<Piece<Foreseen>>>) {
    let mut ticks = ReplayTicks::default();
    loop {
        let piece = piece(&mut lines, &mut ticks);
        if piece.events.is_empty() && piece.errors.is_empty() {
            return;
        }
        let foresight = foresight.clone();
        let Piece { events, errors, bytes_given } = piece;
        let foreseen = pool.start(move || Piece { events: foresight.of(events), errors, bytes_given });
        if to.send(foreseen).is_err() {
            return;
        }
    }
}

fn piece(lines: &mut Replay, ticks: &mut ReplayTicks) -> Piece<Draft> {
    let mut piece = Piece { events: Vec::with_capacity(REPLAY_BATCH_LINES), errors: Vec::new(), bytes_given: 0 };
    while piece.events.len() + piece.errors.len() < REPLAY_BATCH_LINES {
        match lines.next() {
            Some(Ok(draft)) => {
                piece.events.extend(ticks.before(draft.times.believed));
                piece.events.push(draft);
            }
            Some(Err(error)) => piece.errors.push(error),
            None => break,
        }
    }
    piece.bytes_given = lines.bytes_given();
    piece
}

/// Returns how many outputs were refused.
fn run_stages(
    mut pipeline: Pipeline,
    stream: Stream,
    pool: &Pool,
    from: &Receiver<Pending<Piece<Foreseen>>>,
    to: &SyncSender<Pending<Printed>>,
) -> u64 {
    while let Ok(piece) = from.recv() {
        let Piece { events, errors, bytes_given } = piece.wait();
        let events: Vec<Vec<Event>> = events.into_iter().map(|event| pipeline.push_foreseen(event)).collect();
        let printed = pool.start(move || Printed { text: lines_of(&events, stream), errors, bytes_given });
        if to.send(printed).is_err() {
            break;
        }
    }
    pipeline.refused()
}

/// The events of a stream in the shape that `/api/v1/streams/…` serves.
fn lines_of(events: &[Vec<Event>], stream: Stream) -> String {
    let mut text = String::new();
    for event in events.iter().flatten().filter(|event| event.stream == stream) {
        let json = event_json(event).to_string();
        // A text can be written to.
        let _ = writeln!(text, "{}", escaped_json(&json));
    }
    text
}
