//! `[[silence]]`.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::entity::Named;
use super::matcher::Matcher;
use super::moment;
use super::spec::Silence;
use crate::config::Judge;
use crate::event::{EventId, Timestamp};
use crate::limits::SILENCES_MAX;

/// Who made the silences of the configuration.
pub const CONFIGURATION: &str = "configuration";

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    pub id: String,
    #[serde(default)]
    pub rule: Option<String>,
    #[serde(default)]
    pub entity: Option<Named>,
    #[serde(default)]
    pub network: Option<IpNet>,
    #[serde(default)]
    pub r#where: Option<String>,
    #[serde(default, with = "moment")]
    pub from: Option<Timestamp>,
    #[serde(default, with = "moment")]
    pub until: Option<Timestamp>,
    #[serde(default)]
    pub comment: String,
}

impl Configured {
    pub fn silence(&self) -> Silence {
        Silence {
            id: self.id.clone(),
            rule: self.rule.clone(),
            entity: self.entity.clone(),
            network: self.network,
            r#where: self.r#where.clone(),
            from: self.from,
            until: self.until,
            comment: self.comment.clone(),
            who: CONFIGURATION.to_owned(),
            created: None,
        }
    }
}

/// What it comes to. What cannot be understood, the check has found; then it is as if it were not there.
pub fn matchers(list: &[Configured]) -> Vec<Matcher> {
    list.iter().filter_map(|configured| Matcher::new(configured.silence()).ok()).collect()
}

/// Every relation that does not hold.
pub fn check(list: &[Configured], judge: &mut Judge<'_>) {
    let most = SILENCES_MAX / 2;
    judge.expect(list.len() <= most, &["silence"], format!("{} are too many", list.len()), format!("at most {most}"));
    let mut ids = BTreeSet::new();
    for (index, configured) in list.iter().enumerate() {
        let key = |key: &str| format!("silence[{index}].{key}");
        judge.expect_name(&key("id"), &configured.id);
        let id = &configured.id;
        let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let is_made = id.parse::<EventId>().is_ok();
        judge.expect(plain && !is_made, &[&key("id")], "is not an id", "letters, digits, - and _, not digits alone");
        judge.expect(ids.insert(id), &[&key("id")], format!("`{id}` is another one's too"), "give each its own");
        if let Err(fault) = Matcher::new(configured.silence()) {
            judge.expect(false, &[&key(fault.key)], fault.problem, fault.remedy);
        }
    }
}
