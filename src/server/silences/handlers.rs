//! `/api/v1/silences`: lists silences, makes and ends them. Each change is a line of the audit log and an event on `SOC_EVENTS`, from
//! which on it holds.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State as Given};
use axum::http::{StatusCode, Uri};
use serde::Serialize;

use super::asked::{Asked, SHAPE};
use super::book::{ADD, Book, END, Recorded};
use super::heard::Heard;
use super::view::{State, View};
use crate::event::{EventId, Timestamp};
use crate::limits::SILENCES_MAX;
use crate::locked::locked;
use crate::server::note::{Noted, small_body};
use crate::server::problem::Problem;
use crate::server::proposals::{on_record, remember, to_its_end};
use crate::server::request::{MayRead, MayRespond, parameters};
use crate::server::seen::FOLD_PATIENCE;
use crate::server::shared::{Shared, stopped};
use crate::silence::change::Change;
use crate::silence::config::CONFIGURATION;
use crate::silence::spec::Silence;

/// Between two attempts at what was not taken.
const RESTORE_EVERY: Duration = Duration::from_secs(1);

/// Those in force first, and of these the one that ends first.
#[derive(Serialize)]
pub struct List {
    /// False while the log is still read after a start: what it alone tells of is missing, and hits are not all counted.
    complete: bool,
    silences: Vec<View>,
}

pub async fn list(_: MayRead, Given(shared): Given<Arc<Shared>>, uri: Uri) -> Result<Json<List>, Problem> {
    let [wanted] = parameters(&uri, ["state"])?;
    let wanted = match wanted.as_deref() {
        None => None,
        Some(name) => Some(State::named(name).ok_or_else(|| {
            let name: String = name.chars().take(32).collect();
            Problem::bad_request(format!("state: `{name}` is not active, pending, expired or ended"))
        })?),
    };
    let (heard, complete) = shared.heard.within(&*shared.gateway, FOLD_PATIENCE).await?;
    let mut silences = shared.silences_by(&heard);
    drop(heard);
    silences.retain(|view| wanted.is_none_or(|wanted| view.state == wanted));
    Ok(Json(List { complete, silences }))
}

pub async fn add(
    MayRespond(who): MayRespond,
    Given(shared): Given<Arc<Shared>>,
    body: Body,
) -> Result<(StatusCode, Json<View>), Problem> {
    let asked: Option<Asked> = small_body(body, SHAPE).await?;
    let asked = asked.ok_or_else(|| Problem::bad_request(format!("the body is missing; send {SHAPE}")))?;
    let added = to_its_end("change", async move { shared.add_silence(asked, &who).await }).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

pub async fn end(
    MayRespond(who): MayRespond,
    Path(id): Path<String>,
    Given(shared): Given<Arc<Shared>>,
    body: Body,
) -> Result<Json<View>, Problem> {
    let Noted { note } = small_body(body, Noted::SHAPE).await?.unwrap_or_default();
    to_its_end("change", async move { shared.end_silence(id, who, note.0).await }).await.map(Json)
}

impl Shared {
    /// All that are known.
    pub async fn silences(&self) -> Result<Vec<View>, Problem> {
        let heard = self.heard.whole(&*self.gateway).await?;
        Ok(self.silences_by(&heard))
    }

    /// By what is known of the log.
    fn silences_by(&self, heard: &Heard) -> Vec<View> {
        let (now, recorded) = (Timestamp::now(), self.recorded());
        let configured = (self.configured_silences)();
        let configured = configured.iter().map(|one| Recorded { silence: one.silence(), ended: None });
        let made = recorded.with(&heard.book);
        let all = configured.chain(made.iter().cloned());
        let view = |recorded: Recorded| View::of(&recorded, heard.hits(&recorded.silence.id), now);
        let mut views: Vec<View> = all.map(view).collect();
        views.sort_by_cached_key(|view| {
            (view.state, view.silence.until.unwrap_or(Timestamp::MAX), view.silence.id.clone())
        });
        views
    }

    /// Those that the audit log tells of.
    fn recorded(&self) -> Book {
        let Ok(ledger) = &self.proposals.ledger else { return Book::default() };
        locked(ledger).silences.clone()
    }

    async fn silence(&self, id: &str) -> Result<View, Problem> {
        let found = self.silences().await?.into_iter().find(|view| view.silence.id == id);
        found.ok_or_else(|| {
            let id: String = id.chars().take(64).collect();
            Problem::not_found(format!("there is no silence `{id}`; GET /api/v1/silences lists them"))
        })
    }

    async fn add_silence(self: Arc<Self>, asked: Asked, who: &str) -> Result<View, Problem> {
        let deciding = Arc::clone(&self.proposals.deciding).lock_owned().await;
        let known = self.silences().await?;
        let is_made = |view: &&View| view.silence.who != CONFIGURATION;
        let in_force = known.iter().filter(is_made).filter(|view| matches!(view.state, State::Active | State::Pending));
        if in_force.count() >= SILENCES_MAX / 2 {
            let detail = format!("{} silences are in force, as many as there may be; end one first", SILENCES_MAX / 2);
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let now = Timestamp::now();
        let free = |id: &EventId| known.iter().all(|view| view.silence.id != id.text());
        let id = (0..).map(|number| EventId::new(now.millis(), number)).find(free).unwrap_or_default();
        let silence = asked.silence(id.text(), who, now).map_err(Problem::bad_request)?;
        self.record_silence(Change::Add(silence), now).await?;
        drop(deciding);
        remember(Arc::clone(&self)).await;
        self.silence(&id.text()).await
    }

    async fn end_silence(self: Arc<Self>, id: String, who: String, note: String) -> Result<View, Problem> {
        let deciding = Arc::clone(&self.proposals.deciding).lock_owned().await;
        let View { state, silence, .. } = self.silence(&id).await?;
        if silence.who == CONFIGURATION {
            let detail = format!("silence {id} is of the configuration: take its [[silence]] out, and reload");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        if !matches!(state, State::Active | State::Pending) {
            return Err(Problem::new(StatusCode::CONFLICT, format!("silence {id} is {} already", state.name())));
        }
        self.record_silence(Change::End { id: id.clone(), who, note }, Timestamp::now()).await?;
        drop(deciding);
        remember(Arc::clone(&self)).await;
        self.silence(&id).await
    }

    /// In the audit log first, then on the event log.
    async fn record_silence(&self, change: Change, now: Timestamp) -> Result<(), Problem> {
        let recorded = change.clone();
        let (action, id, who, note) = match &change {
            Change::Add(silence) => (ADD, silence.id.clone(), silence.who.clone(), text_of(silence)),
            Change::End { id, who, note } => (END, id.clone(), who.clone(), note.clone()),
        };
        on_record(self, move |ledger| {
            ledger.record(action, &id, &who, &note)?;
            ledger.silences.step(recorded, now);
            Ok(())
        })
        .await?;
        self.say(vec![change.event()]).await
    }

    /// What is on record and in force, and not on the event log: the daemon was killed in between, or the log is another one since.
    async fn say_silences_again(&self) -> Result<(), Problem> {
        let _deciding = self.proposals.deciding.lock().await;
        let (now, recorded) = (Timestamp::now(), self.recorded());
        let mut missing = Vec::new();
        {
            let heard = self.heard.whole(&*self.gateway).await?;
            for Recorded { silence, ended } in recorded.iter().filter(|it| !it.silence.is_over(now)) {
                match (heard.book.get(&silence.id), ended) {
                    (None, None) => missing.push(Change::Add(silence.clone()).event()),
                    (Some(Recorded { ended: None, .. }), Some((who, note))) => {
                        let end = Change::End { id: silence.id.clone(), who: who.clone(), note: note.clone() };
                        missing.push(end.event());
                    }
                    _ => {}
                }
            }
        }
        if missing.is_empty() { Ok(()) } else { self.say(missing).await }
    }
}

/// Has the log say what is on record about silences and it does not say. Tried until it is done.
pub async fn restore(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.clone();
    while let Err(problem) = shared.say_silences_again().await {
        shared.warn("silences", &format!("silences on record do not hold yet: {}", problem.detail()));
        tokio::select! {
            () = tokio::time::sleep(RESTORE_EVERY) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

/// All of it, for the audit log.
fn text_of(silence: &Silence) -> String {
    serde_json::to_string(silence).unwrap_or_default() // texts and nothing else
}
