//! `/api/v1/rules`: what is looked for, how often it was found, and what a line would match of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::note::small_body;
use super::problem::Problem;
use super::request::MayRead;
use super::shared::Shared;
use crate::detect::catalog::Listed;
use crate::detect::tactic::Tactic;
use crate::event::EventId;
use crate::knowledge::loaded_rules::LoadedRules;

#[derive(Serialize)]
pub struct List {
    rules: Vec<Rule>,
    /// What of the files is not loaded, or never matches, and why.
    problems: Vec<String>,
    /// Of ATT&CK, in the order in which an intrusion passes them.
    tactics: Vec<&'static str>,
    /// Of each technique the tactic that it mostly serves.
    tactic_of: BTreeMap<String, &'static str>,
    /// Up to which event hits were counted; null before the first state was saved, or where fusion does not run.
    counted_up_to: Option<EventId>,
}

#[derive(Serialize)]
struct Rule {
    #[serde(flatten)]
    listed: Listed,
    /// Of a Sigma rule: product, category and service, as far as it names them.
    log_source: Option<String>,
    /// Of a Sigma rule: `false` where no line here is ever of its log source.
    can_match: bool,
    /// The fields that it compares.
    fields: Vec<String>,
    /// Those of them that no format fills: only a line with a key of that name has them.
    never: Vec<String>,
    /// Lines that have matched; of a scenario the reports of its alarms.
    hits: u64,
    last_hit: Option<EventId>,
    /// Epoch seconds.
    last_hit_ts: Option<f64>,
}

pub async fn list(_: MayRead, State(shared): State<Arc<Shared>>) -> Result<Json<List>, Problem> {
    let loaded = shared.loaded_rules()?;
    let counted = shared.gateway.rule_hits(Arc::clone(&loaded)).await?;
    let (hits, counted_up_to) = counted.unzip();
    let hits = hits.unwrap_or_default();
    let listed = &loaded.catalog().listed;
    let rule = |(listed, never): (&Listed, &Vec<String>)| {
        let hits = hits.of(listed);
        let last = (hits.count > 0).then_some(hits.last);
        let needs = listed.needs.as_ref();
        Rule {
            listed: listed.clone(),
            log_source: needs.map(|needs| needs.source.clone()),
            can_match: needs.is_none_or(|needs| needs.is_possible),
            fields: needs.map(|needs| needs.fields.iter().cloned().collect()).unwrap_or_default(),
            never: never.clone(),
            hits: hits.count,
            last_hit: last,
            last_hit_ts: last.map(|id| id.ms() as f64 / 1000.0),
        }
    };
    Ok(Json(List {
        rules: listed.iter().zip(loaded.never()).map(rule).collect(),
        problems: loaded.problems.clone(),
        tactic_of: listed.iter().flat_map(|it| &it.techniques).filter_map(|technique| tactic_of(technique)).collect(),
        tactics: Tactic::all().map(Tactic::name).collect(),
        counted_up_to,
    }))
}

fn tactic_of(technique: &str) -> Option<(String, &'static str)> {
    Tactic::of(technique).map(|tactic| (technique.to_owned(), tactic.name()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    line: String,
}

/// Asks what a line would match. It changes nothing.
pub async fn test(_: MayRead, State(shared): State<Arc<Shared>>, body: Body) -> Result<Json<Value>, Problem> {
    const SHAPE: &str = "{\"line\":\"…\"}";
    let line: Option<Line> = small_body(body, SHAPE).await?;
    let Line { line } = line.ok_or_else(|| Problem::bad_request(format!("the body is missing; send {SHAPE}")))?;
    let loaded = shared.loaded_rules()?;
    // Compiling what counts lines takes a while, once; and it is work to match one.
    let _one_at_a_time = shared.reading.acquire().await;
    let tried = tokio::task::spawn_blocking(move || json!(loaded.try_line(&line))).await;
    tried.map(Json).map_err(|error| Problem::busy(format!("the line could not be tested: {error}"), 5))
}

impl Shared {
    fn loaded_rules(&self) -> Result<Arc<LoadedRules>, Problem> {
        (self.rules)().ok_or_else(|| Problem::busy("the daemon is starting: no rules are loaded yet", 5))
    }
}
