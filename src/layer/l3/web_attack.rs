//! Requests that are attacks by themselves.

use super::detection::{Detection, Model};
use crate::detect::web::{Patterns, Request};
use crate::event::Record;

/// What of a request the summary shows.
const URL_CHARS_MAX: usize = 100;

/// What the request of this line is found to be, strongest first.
pub fn detections(patterns: &Patterns, record: &Record) -> Vec<Detection> {
    let Some(request) = Request::of(record) else { return Vec::new() };
    let detection = |attack: crate::detect::web::WebAttack| {
        let from = record.entity.src_ip.as_deref().unwrap_or("an unnamed address");
        let url: String = request.url.chars().take(URL_CHARS_MAX).collect();
        let status = request.status.map(|status| format!(", answered {status}")).unwrap_or_default();
        Detection {
            model: Model::Web,
            score: attack.score,
            summary: format!("{} from {from}: {} {url}{status}", attack.title, request.method),
            reason: attack.name,
            techniques: vec![attack.attack],
            is_of_address: record.entity.src_ip.is_some(),
        }
    };
    patterns.find(&request).into_iter().map(detection).collect()
}
