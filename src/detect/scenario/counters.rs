//! Counting: what the lines so far mean to each scenario.

use serde::{Deserialize, Deserializer, Serialize};

use super::count::{Count, Open, Reporter};
use super::group;
use super::item::{self, NOTHING};
use super::marks::Marked;
use super::model::{Masks, Measure, Scenario};
use super::pacing::Pacing;
use super::raised::{Grown, Observation, Raised};
use super::says::filled;
use super::set::{Role, ScenarioSet};
use super::table::{Line, Table};
use crate::detect::fingerprint::{alarm_id, fingerprint};
use crate::detect::fold::reported_again_at;
use crate::detect::sigma::normal;
use crate::detect::sorted;
use crate::event::{Evidence, Record, Timestamp};
use crate::hash_map::HashMap;

/// An alarm that has grown by this factor is a grade worse.
const GRADE: u64 = 10;
/// What each grade adds to the score of a scenario that is not malicious by itself, and how far that goes.
const GRADE_GAIN: f64 = 0.1;
const GROWN_MAX: f64 = 0.78;
/// So many lines leave no doubt, if one then succeeds.
const DOUBTLESS: u64 = 10;
/// A success of another user than the one that all the failures were of, or by a key: somebody beside whom somebody else fails, more
/// often than not.
const OF_ANOTHER: f64 = 0.7;

/// The groups of all scenarios. Bounded, and a function of the lines alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counters {
    /// By the numbers that stand for the ids of scenarios.
    #[serde(serialize_with = "sorted::serialize", deserialize_with = "by_number")]
    tables: HashMap<u64, Table>,
}

/// What a table was saved by.
#[derive(PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
enum SavedBy {
    Number(u64),
    /// As earlier versions did.
    Id(String),
}

fn by_number<'de, D: Deserializer<'de>>(saved: D) -> Result<HashMap<u64, Table>, D::Error> {
    let number = |saved_by| match saved_by {
        SavedBy::Number(number) => number,
        SavedBy::Id(id) => fingerprint(&id),
    };
    let tables = HashMap::<SavedBy, Table>::deserialize(saved)?;
    Ok(tables.into_iter().map(|(saved_by, table)| (number(saved_by), table)).collect())
}

impl Counters {
    /// Takes the line in. Returns what is to be reported.
    pub fn observe(&mut self, set: &ScenarioSet, line: &Observation<'_>, pacing: &mut Pacing) -> Vec<Raised> {
        let (mut reported, mut begun, mut paced): (Vec<Raised>, Vec<_>, Vec<_>) = (Vec::new(), Vec::new(), Vec::new());
        let concerned = set.concerned(line.record);
        if concerned.is_empty() {
            return reported;
        }
        let line = &Marked::new(line, set.sizes);
        for &(index, role) in &concerned {
            let Some(scenario) = set.scenarios.get(index) else { continue };
            match role {
                Role::Follows | Role::Cancels => {
                    // What it comes after may have been counted in several ways; it is one thing all the same.
                    let found = self.succeeded(scenario, role, line);
                    self.settle_pace(scenario, line, pacing);
                    let Some(found) = found else { continue };
                    match reported.iter_mut().find(|known| known.reason == found.reason) {
                        Some(known) if known.score >= found.score => {}
                        Some(known) => *known = found,
                        None => reported.push(found),
                    }
                }
                Role::Counts(_) if line.is_repeated => {}
                Role::Counts(step) => {
                    let Some(group) = line.group(scenario) else { continue };
                    let Some((measured, raised)) = counted(self.table(set, scenario), scenario, group, step, line)
                    else {
                        continue;
                    };
                    paced.extend(pacing.measured(scenario, group, measured, line).into_iter().map(|it| (scenario, it)));
                    begun.extend(raised.map(|raised| (scenario, raised)));
                }
            }
        }
        // Only when all have counted, since what one reports makes another silent.
        for (scenario, raised) in begun {
            let reporter = self.reporter_of(set, scenario, raised.group, line);
            if let Some(open) = self.table(set, scenario).alarm(raised.group) {
                open.reporter = reporter;
            }
            if reporter == Reporter::Itself {
                reported.push(raised);
            }
        }
        if !paced.is_empty() && !self.is_reported(set, &concerned, line) {
            // However it is looked at, it is one thing.
            let mut new = paced.into_iter().filter(|(scenario, paced)| pacing.tell(scenario, paced));
            reported.extend(new.next().map(|(scenario, paced)| paced.raised(scenario)));
            new.for_each(drop);
        }
        reported
    }

    /// Whether an alarm that counts this line goes on.
    fn is_reported(&self, set: &ScenarioSet, concerned: &[(usize, Role)], line: &Marked<'_>) -> bool {
        concerned.iter().any(|(index, role)| {
            let scenario = set.scenarios.get(*index).filter(|_| matches!(role, Role::Counts(_)));
            let group = scenario.and_then(|scenario| Some((scenario, line.group(scenario)?)));
            group.is_some_and(|(scenario, group)| self.reporter(scenario, group, line.ts) != Reporter::Nobody)
        })
    }

    /// What somebody got right in the end was no attempt to stay below.
    fn settle_pace(&self, scenario: &Scenario, line: &Marked<'_>, pacing: &mut Pacing) {
        // Of nearly every success there is nothing, and then it costs nothing.
        if !pacing.is_empty()
            && let Some(group) = line.group(scenario)
        {
            let count = || self.tables.get(&scenario.salt)?.get(group);
            pacing.settled(scenario, group, || count().map_or(0, |count| count.measure(scenario, line.ts)), line);
        }
    }

    /// A line that counts nothing: it takes back, or comes after what was counted. Where nothing was, it costs nothing.
    fn succeeded(&mut self, scenario: &Scenario, role: Role, line: &Marked<'_>) -> Option<Raised> {
        let table = self.tables.get_mut(&scenario.salt).filter(|table| !table.is_empty())?;
        let group = line.group(scenario).filter(|group| table.get(*group).is_some())?;
        if role == Role::Follows {
            return followed(table, scenario, group, line);
        }
        // Who gets in by a key says nothing of who has typed passwords from there, but for what failed in the same session.
        if !line.shows_password() {
            take_own_back(table, scenario, group, line);
            let is_own_value = !line.own.is_empty() && matches!(scenario.measure, Measure::Values { .. });
            is_own_value.then_some(())?;
        }
        let item = line.item(scenario).unwrap_or(NOTHING);
        table.take_back(scenario, group, line.ts, (item, usize::MAX));
        if scenario.tells_users() {
            table.take_back(scenario, group, line.ts, (item::of_nobody(scenario, item), usize::MAX));
        }
        None
    }

    /// How far an alarm that was reported has grown; nothing when it is over or another has begun since.
    pub fn grown(&self, scenario: &str, group: u64, id: &str) -> Option<(u64, Timestamp, Evidence)> {
        let count = self.tables.get(&fingerprint(scenario))?.get(group)?;
        let is_meant = count.alarm.as_ref().is_some_and(|open| alarm_id(group, open.first) == id);
        is_meant.then(|| (count.total, count.last, Evidence::of(count.lines.events(), count.total)))
    }

    /// Who reports this alarm: once it has reported itself, it goes on to.
    fn reporter_of(&self, set: &ScenarioSet, scenario: &Scenario, group: u64, line: &Marked<'_>) -> Reporter {
        if self.reporter(scenario, group, line.ts) == Reporter::Itself {
            return Reporter::Itself;
        }
        let mut asked = vec![scenario.id.as_str()];
        // What is said of another thing (of a machine, where this is of a user), and as less, does not say it.
        let says_it = |id: &String| set.named(id).is_some_and(|other| other.stands_for(scenario));
        let mut others = scenario.unless.iter().filter(|id| says_it(id));
        let is_reported = others.any(|id| self.is_reported_by(set, id, line, &mut asked));
        if is_reported { Reporter::Another } else { Reporter::Itself }
    }

    /// Whether somebody reports this line: this scenario, or the one because of which it is silent. Scenarios that are silent
    /// because of each other are asked once: when none of them goes on reporting, nobody does.
    fn is_reported_by<'set>(
        &self,
        set: &'set ScenarioSet,
        id: &'set str,
        line: &Marked<'_>,
        asked: &mut Vec<&'set str>,
    ) -> bool {
        if asked.contains(&id) {
            return false;
        }
        asked.push(id);
        let Some(scenario) = set.named(id) else { return false };
        let Some(group) = line.group(scenario) else { return false };
        match self.reporter(scenario, group, line.ts) {
            Reporter::Nobody => false,
            Reporter::Itself => true,
            Reporter::Another => scenario.unless.iter().any(|id| self.is_reported_by(set, id, line, asked)),
        }
    }

    /// Who reports the alarm of this group, as long as it goes on.
    fn reporter(&self, scenario: &Scenario, group: u64, ts: Timestamp) -> Reporter {
        let count = self.tables.get(&scenario.salt).and_then(|table| table.get(group));
        let count = count.filter(|count| ts.since(count.last) <= scenario.ends_after());
        let open = count.and_then(|count| count.alarm.as_ref()).filter(|open| open.rests_since.is_none());
        open.map_or(Reporter::Nobody, |open| open.reporter)
    }

    /// How many groups are counted exactly, over all scenarios.
    #[cfg(test)]
    pub fn groups(&self) -> usize {
        self.tables.values().map(Table::len).sum()
    }

    fn table(&mut self, set: &ScenarioSet, scenario: &Scenario) -> &mut Table {
        if self.tables.len() > set.count() {
            let known: Vec<u64> = set.iter().map(|scenario| scenario.salt).collect();
            self.tables.retain(|number, _| known.contains(number));
        }
        self.tables.entry(scenario.salt).or_default()
    }
}

/// One more line that the scenario counts: what it measures now, and what is to be reported.
fn counted(
    table: &mut Table,
    scenario: &Scenario,
    group: u64,
    step: u64,
    line: &Marked<'_>,
) -> Option<(usize, Option<Raised>)> {
    let (record, ts, times) = (line.record, line.ts, line.record.times());
    let item = match scenario.measure {
        Measure::All { .. } => step,
        Measure::Lines { .. } => line.item(scenario).unwrap_or(NOTHING),
        Measure::Values { .. } => line.item(scenario)?,
    };
    let (count, measured) = table.count(scenario, Line { id: line.id, group, item, ts, times })?;
    if let Some(source) = normal::field(record, "source.address").filter(|_| !scenario.is_of_one_source()) {
        count.name_source(&source);
    }
    if measured < scenario.at {
        return Some((measured, None));
    }
    let total = count.total;
    let is_resumed = count.alarm.as_mut().is_some_and(|open| open.resume(ts));
    let waits = |open: &Open| total < open.next && open.reporter != Reporter::Nobody && !is_resumed;
    if count.alarm.as_ref().is_some_and(waits) {
        return Some((measured, None));
    }
    let (distinct, first, sources) = (count.distinct(scenario, ts), count.first(scenario, ts), count.sources());
    let evidence = scenario.evidence(count.lines.events(), (total, measured));
    let open = count.alarm.get_or_insert_with(|| Open { first, ..Open::default() });
    // What another has reported is reported by this one when it is worse, or it would be reported twice.
    let grade = grade(scenario, total);
    let is_for_another = open.reporter == Reporter::Another && grade == open.grade;
    open.grade = grade;
    open.reports += 1;
    open.next = reported_again_at(total).min(worse_at(scenario, total));
    if is_for_another {
        return Some((measured, None));
    }
    let alarm =
        Grown { id: alarm_id(group, open.first), reports: open.reports, count: total, first: open.first, last: ts };
    let is_sequence = matches!(scenario.measure, Measure::All { .. });
    let is_of_many = !scenario.is_of_one_source() && !is_sequence && normal::field(record, "source.address").is_some();
    let raised =
        Raised { is_resumed, is_of_many, sources, evidence, ..report(scenario, group, record, distinct, alarm) };
    Some((measured, Some(raised)))
}

fn report(scenario: &Scenario, group: u64, record: &Record, distinct: usize, alarm: Grown) -> Raised {
    let score = grown(scenario.score, grade(scenario, alarm.count));
    let spread = scenario.spread.as_ref().filter(|spread| distinct >= spread.at);
    let summary = match spread.map_or(&scenario.says, |spread| &spread.says) {
        Some(says) => filled(says, record, (alarm.count, distinct), scenario.masks),
        None => format!("{}: {} lines, {distinct} different", scenario.title, alarm.count),
    };
    let found = Raised::of(scenario, group, scenario.reason.clone(), (score, summary), alarm);
    match spread {
        Some(spread) => Raised { reason: spread.reason.clone(), techniques: spread.techniques.clone(), ..found },
        None => found,
    }
}

/// What led to a line that comes after.
struct Led {
    lines: u64,
    distinct: usize,
    first: Timestamp,
    /// All of it was of one user, and the line is of another.
    is_of_another: bool,
}

fn led(scenario: &Scenario, count: &Count, line: &Marked<'_>) -> Option<Led> {
    if count.measure(scenario, line.ts) < scenario.at {
        return None;
    }
    let distinct = count.distinct(scenario, line.ts);
    let is_of_another = match &scenario.measure {
        Measure::Lines { item } => {
            let items = count.items();
            let own = group::item(line.record, item).unwrap_or(NOTHING);
            distinct == 1 && !items.contains(&NOTHING) && !items.contains(&own)
        }
        _ => false,
    };
    Some(Led { lines: count.unsettled(), distinct, first: count.first(scenario, line.ts), is_of_another })
}

/// How a source is known to be one of many that were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    Counted,
    /// There were too many to remember each.
    Likely,
}

fn source_among(table: &mut Table, scenario: &Scenario, group: u64, line: &Marked<'_>) -> Option<Among> {
    let item = line.item(scenario)?;
    if table.get(group)?.has_value(scenario, item) {
        return Some(Among::Counted);
    }
    let asked = Line { id: line.id, group, item, ts: line.ts, times: 1 };
    table.was_likely_counted(scenario, asked).then_some(Among::Likely)
}

/// What comes after a scenario whose count has been reached: what was counted has led to it.
fn followed(table: &mut Table, scenario: &Scenario, group: u64, line: &Marked<'_>) -> Option<Raised> {
    let then = scenario.then.as_ref()?;
    // Of many sources only one of those that were counted comes after itself; the others have nothing to do with it.
    let source = if scenario.asks_for_sources() { source_among(table, scenario, group, line)? } else { Among::Counted };
    let is_reached = |table: &Table| led(scenario, table.get(group)?, line);
    let before = is_reached(table);
    take_own_back(table, scenario, group, line);
    let after = is_reached(table);
    // What one session alone has guessed, it has guessed.
    let led = after.or(before.filter(|_| line.own.len() >= scenario.at))?;
    let Led { lines, distinct, first, is_of_another } = led;
    let counted = table.get(group).map(|count| count.lines.events()).unwrap_or_default();
    let evidence = scenario.evidence(counted, (lines, usize::try_from(lines).unwrap_or(usize::MAX)));
    table.settle(scenario, group, line.ts);
    let [doubtful, certain] = then.scores;
    let score = match () {
        () if is_of_another || !line.shows_password() => doubtful.min(OF_ANOTHER),
        () if source == Among::Likely => doubtful,
        () if lines >= DOUBTLESS || distinct > 1 => certain,
        () => doubtful,
    };
    let summary = match &then.says {
        Some(says) => filled(says, line.record, (lines, distinct), Masks::default()),
        None => format!("{}, and then it succeeded", scenario.title),
    };
    let is_likely = source == Among::Likely;
    let summary = if is_likely { format!("{summary}; that the address is one of them is likely") } else { summary };
    let alarm = Grown { id: alarm_id(!group, first), reports: 1, count: lines, first, last: line.ts };
    let found = Raised::of(scenario, group, then.reason.clone(), (score, summary), alarm);
    let techniques = if then.techniques.is_empty() { found.techniques.clone() } else { then.techniques.clone() };
    Some(Raised { is_of_source: false, is_after: true, is_likely, techniques, ends_after: None, evidence, ..found })
}

/// The failures of a session that ends in a login were the user's own.
fn take_own_back(table: &mut Table, scenario: &Scenario, group: u64, line: &Marked<'_>) {
    for user in line.own {
        let user = if user.is_empty() { NOTHING } else { group::value_of(user) };
        table.take_back(scenario, group, line.ts, (user, 1));
    }
}

/// How many times it has grown by [`GRADE`] since it began.
fn grade(scenario: &Scenario, count: u64) -> u32 {
    (count / scenario.at.max(1) as u64).checked_ilog(GRADE).unwrap_or(0)
}

/// The count from which it is a grade worse than now.
fn worse_at(scenario: &Scenario, count: u64) -> u64 {
    (scenario.at.max(1) as u64).saturating_mul(GRADE.saturating_pow(grade(scenario, count) + 1))
}

fn grown(score: f64, grade: u32) -> f64 {
    if score >= GROWN_MAX {
        return score;
    }
    (score + GRADE_GAIN * f64::from(grade)).min(GROWN_MAX)
}
