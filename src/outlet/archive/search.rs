//! Reading what is older than the hot store: SOC events in either direction, a bounded piece at a time, and one event by its id. It has a
//! connection of its own, which only reads, so that a search holds up neither the outlet nor, for long, who searches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{Connection, FromRow, PgConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::Config;
use super::errors;
use super::link::{connect_as, end, options};
use super::sql;
use crate::event::{Event, EventId, RecordParser};
use crate::limits;
use crate::retry::OutsideError;
use crate::store::rows::{Rebuilder, Stored};
use crate::store::{IdSpan, Order, Searched};

/// A search says how far it is after this long; its last statement may take longer.
const GOAL: Duration = Duration::from_secs(1);
/// A statement that is faster looks further the next time.
const FAST: Duration = Duration::from_millis(250);
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Longer than the server's own limit on a statement, which the session sets.
const ANSWER_PATIENCE: Duration = Duration::from_secs(4);
/// For the searches of others that are before this one.
const TURN_PATIENCE: Duration = Duration::from_secs(8);
/// A Postgres that did not answer is not asked again for this long: every page would wait for it.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// Times in a row that a statement may be broken off for being slow; each looks at much less than the one before.
const SLOW_MAX: u32 = 4;
const SHRINK_BY: i64 = 64;
const GROW_BY: i64 = 16;
/// One second of the log: less is not worth a statement.
const STRETCH_MIN: i64 = 1000 << 20;

/// No partition is ever sorted for it: the rows come in the order of an index, or the statement is broken off.
const SESSION: [(&str, &str); 5] = [
    ("statement_timeout", "2s"),
    ("lock_timeout", "1s"),
    ("default_transaction_read_only", "on"),
    ("enable_sort", "off"),
    ("jit", "off"),
];
const SEARCHING: &str = "searching in Postgres";

/// What is asked, and whose events.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub config: &'a Config,
    pub instance: &'a str,
    pub parser: &'a Arc<dyn RecordParser>,
}

/// Opens its connection when it is first asked. One search after the other.
#[derive(Default)]
pub struct Reader {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    opened: Option<Opened>,
    /// Why there is none, and since when.
    failed: Option<(Instant, OutsideError)>,
}

struct Opened {
    connection: PgConnection,
    config: Config,
    /// How many ids one statement looks at.
    stretch: i64,
}

impl Reader {
    /// SOC events of a span of ids, about `count` at most.
    ///
    /// # Errors
    /// Postgres cannot be asked, or does not answer in time.
    pub async fn search(
        &self,
        asked: Asked<'_>,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> Result<Searched, OutsideError> {
        let mut state = self.turn().await?;
        let mut opened = state.open(asked.config).await?;
        let found = opened.search(asked, span, order, count).await;
        state.keep(opened, found)
    }

    /// # Errors
    /// As [`search`](Self::search).
    pub async fn event(&self, asked: Asked<'_>, id: EventId) -> Result<Option<Event>, OutsideError> {
        let mut state = self.turn().await?;
        let mut opened = state.open(asked.config).await?;
        let found = opened.event(asked, id).await.map_err(Failure::into_error);
        state.keep(opened, found)
    }

    async fn turn(&self) -> Result<MutexGuard<'_, State>, OutsideError> {
        match tokio::time::timeout(TURN_PATIENCE, self.state.lock()).await {
            Ok(state) => Ok(state),
            Err(_) => Err(errors::silent("waiting for other searches in Postgres", TURN_PATIENCE)),
        }
    }
}

impl State {
    /// The connection that is there, if it still answers, or a new one. Whoever does not give it back has closed it.
    async fn open(&mut self, config: &Config) -> Result<Opened, OutsideError> {
        if let Some(mut opened) = self.opened.take().filter(|opened| opened.config == *config)
            && let Ok(Ok(())) = tokio::time::timeout(CONNECT_PATIENCE, opened.connection.ping()).await
        {
            return Ok(opened);
        }
        if let Some((_, error)) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < LEFT_ALONE) {
            return Err(error.clone());
        }
        let connected = match options(config) {
            Ok(options) => {
                let options = options.application_name("dsmild search").options(SESSION);
                connect_as(options, config, CONNECT_PATIENCE).await
            }
            Err(error) => Err(error),
        };
        let connection = connected.inspect_err(|error| self.failed = Some((Instant::now(), error.clone())))?;
        Ok(Opened { connection, config: config.clone(), stretch: i64::MAX })
    }

    fn keep<Found>(&mut self, opened: Opened, found: Result<Found, OutsideError>) -> Result<Found, OutsideError> {
        match &found {
            Ok(_) => (self.opened, self.failed) = (Some(opened), None),
            Err(error) => {
                self.failed = Some((Instant::now(), error.clone()));
                // In order where it can be; in nobody's time.
                tokio::spawn(end(opened.connection));
            }
        }
        found
    }
}

/// Why there are no rows.
enum Failure {
    /// The statement was broken off; the connection is good.
    Slow(OutsideError),
    Other(OutsideError),
}

impl Failure {
    fn of(error: &sqlx::Error) -> Self {
        const QUERY_CANCELED: &str = "57014";
        let is_slow =
            error.as_database_error().is_some_and(|error| error.code().is_some_and(|code| code == QUERY_CANCELED));
        let error = errors::of(SEARCHING, error);
        if is_slow { Self::Slow(error) } else { Self::Other(error) }
    }

    fn into_error(self) -> OutsideError {
        match self {
            Self::Slow(error) | Self::Other(error) => error,
        }
    }
}

/// Of one statement.
struct Piece {
    events: Vec<Event>,
    bytes: usize,
    /// The id of the last row, where there may be more.
    cut: Option<EventId>,
}

impl Opened {
    /// Looks at less at once where that takes too long: a partition of an earlier version has no index for it.
    async fn search(
        &mut self,
        asked: Asked<'_>,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> Result<Searched, OutsideError> {
        let (begun, mut bytes, mut slow) = (Instant::now(), 0, 0);
        let mut found = Searched { events: Vec::new(), rest: Some(span) };
        while let Some(left) = found.rest {
            let room = count.saturating_sub(found.events.len());
            if room == 0 || bytes > limits::READ_BYTES_MAX || begun.elapsed() > GOAL {
                break;
            }
            let (first, asked_at) = (left.first(self.stretch, order), Instant::now());
            match self.piece(asked, first, order, room).await {
                Ok(piece) => {
                    (bytes, slow) = (bytes + piece.bytes, 0);
                    found.rest = match piece.cut {
                        Some(last) => left.beyond(last, order),
                        None => left.behind(first, order),
                    };
                    found.events.extend(piece.events);
                    if asked_at.elapsed() < FAST {
                        self.stretch = self.stretch.saturating_mul(GROW_BY);
                    }
                }
                Err(Failure::Slow(_)) if slow < SLOW_MAX && first.ids() > STRETCH_MIN => {
                    slow += 1;
                    self.stretch = (first.ids() / SHRINK_BY).max(STRETCH_MIN);
                }
                // What follows is asked for again; what was found is good.
                Err(_) if found.rest != Some(span) => break,
                Err(failure) => return Err(failure.into_error()),
            }
        }
        Ok(found)
    }

    async fn piece(&mut self, asked: Asked<'_>, span: IdSpan, order: Order, count: usize) -> Result<Piece, Failure> {
        let text = match order {
            Order::Newest => sql::SOC_NEWEST,
            Order::Oldest => sql::SOC_OLDEST,
        };
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let query = sqlx::query(text).bind(asked.instance);
        let query = query.bind(span.after.packed()).bind(span.through.packed()).bind(limit);
        let connection = &mut self.connection;
        let read = async {
            let (mut rows, mut rebuilder) = (query.fetch(connection), Rebuilder::new(Arc::clone(asked.parser)));
            let (mut piece, mut seen) = (Piece { events: Vec::new(), bytes: 0, cut: None }, 0);
            let mut last = None;
            while let Some(row) = rows.try_next().await? {
                let stored = Stored::from_row(&row)?;
                let id = EventId::from_packed(stored.id);
                (seen, piece.bytes) = (seen + 1, piece.bytes + stored.body.len());
                // Of this instance it is one, whatever `ts_shift` says.
                if last.replace(id) != Some(id) {
                    match rebuilder.event(stored) {
                        Ok(event) => piece.events.push(event),
                        Err(error) => log::error!(target: "dsmil-archive", "left out of a search: {error}"),
                    }
                }
                if piece.bytes > limits::READ_BYTES_MAX {
                    break;
                }
            }
            piece.cut = last.filter(|_| seen >= count || piece.bytes > limits::READ_BYTES_MAX);
            Ok(piece)
        };
        in_time(read).await
    }

    async fn event(&mut self, asked: Asked<'_>, id: EventId) -> Result<Option<Event>, Failure> {
        let query = sqlx::query(sql::SELECT_ONE).bind(asked.instance).bind(id.packed());
        let Some(row) = in_time(query.fetch_optional(&mut self.connection)).await? else { return Ok(None) };
        let stored = Stored::from_row(&row).map_err(|error| Failure::of(&error))?;
        let event = Rebuilder::new(Arc::clone(asked.parser)).event(stored);
        Ok(event.inspect_err(|error| log::error!(target: "dsmil-archive", "{error}")).ok())
    }
}

async fn in_time<Answer>(query: impl Future<Output = Result<Answer, sqlx::Error>>) -> Result<Answer, Failure> {
    match tokio::time::timeout(ANSWER_PATIENCE, query).await {
        Ok(answer) => answer.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::Other(errors::silent(SEARCHING, ANSWER_PATIENCE))),
    }
}
