//! Who is blocked now, for firewalls of other machines: out of what was carried out and is not over.

use std::collections::BTreeMap;

use serde::Serialize;

use super::deed::Deed;
use super::executor::Executor;
use super::history::Progress;
use super::step::Step;
use super::target::Target;
use crate::event::{EventId, Soc, Timestamp};

/// One network that is blocked, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ban {
    pub target: Target,
    /// The proposal that it follows from.
    pub id: EventId,
    #[serde(serialize_with = "as_text")]
    pub since: Timestamp,
    /// When it ends by itself; of one that is over, when it ended.
    #[serde(serialize_with = "as_text")]
    pub ends: Timestamp,
}

/// All of them, by network, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bans {
    /// Of several against one network, the one that ends last.
    pub in_force: Vec<Ban>,
    /// Those that a firewall may still have: see [`Progress::is_past`].
    pub ended: Vec<Ban>,
}

impl Bans {
    /// Out of every proposal that was carried out, in any order.
    pub fn of<'a>(responses: impl Iterator<Item = (EventId, &'a Soc, &'a Progress)>, now: Timestamp) -> Self {
        let (mut in_force, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for (id, proposed, progress) in responses {
            let (Ok(Deed::Block(target)), Some(since), Some(ends)) =
                (Deed::of(proposed), progress.requested, progress.ends)
            else {
                continue;
            };
            // What a runner has blocked, it blocks elsewhere and ends by itself.
            if !progress.was_executed || progress.executor == Executor::Runner || progress.is_past(now) {
                continue;
            }
            let is_in_force = progress.is_in_force(now);
            let ends = if progress.last.step == Step::Undone { ends.min(progress.at) } else { ends };
            let by_target = if is_in_force { &mut in_force } else { &mut ended };
            let ban = by_target.entry(target).or_insert(Ban { target, id, since, ends });
            if (ban.ends, ban.id) < (ends, id) {
                *ban = Ban { target, id, since, ends };
            }
        }
        ended.retain(|target, _| !in_force.contains_key(target));
        Self { in_force: in_force.into_values().collect(), ended: ended.into_values().collect() }
    }

    /// One address or network a line.
    pub fn plain(&self) -> String {
        self.in_force.iter().map(|ban| format!("{}\n", ban.target)).collect()
    }
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::BAN_ENDED_TOLD;
    use crate::respond::history::History;
    use crate::respond::step::Told;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn proposed(target: &str) -> Soc {
        let proposal = json!({"action": "block_address", "target": target, "refused": null});
        Soc { src_layer: "8".into(), src_device: 58, proposal: Some(proposal), ..Soc::default() }
    }

    #[derive(Default)]
    struct World {
        proposals: Vec<(EventId, Soc)>,
        history: History,
    }

    impl World {
        /// One that is carried out at this second, and lasts so long.
        fn blocked(&mut self, target: &str, second: u64, ttl_s: u64) -> EventId {
            let id = EventId::new(second * 1000, self.proposals.len() as u32);
            self.proposals.push((id, proposed(target)));
            self.tell(id, second, Step::Requested, Some(at(second + ttl_s)));
            self.tell(id, second, Step::Executed, None);
            id
        }

        fn tell(&mut self, id: EventId, second: u64, step: Step, ends: Option<Timestamp>) {
            let told = Told { ends, ..Told::new(id, step, "", "") };
            self.history.step(at(second), &told.event(&Soc::default()));
        }

        fn bans(&self, second: u64) -> Bans {
            let known = self.proposals.iter();
            Bans::of(known.filter_map(|(id, soc)| Some((*id, soc, self.history.of(*id)?))), at(second))
        }
    }

    #[test]
    fn what_is_blocked_is_listed_until_it_ends_and_then_named_as_ended_for_a_while() {
        let mut world = World::default();
        world.blocked("203.0.113.7", 10, 100);
        world.blocked("2001:db8::/64", 10, 50);
        let taken_back = world.blocked("198.51.100.9", 10, 100);
        assert_eq!(world.bans(11).plain(), "198.51.100.9\n203.0.113.7\n2001:db8::/64\n");
        world.tell(taken_back, 20, Step::Undone, None);
        assert_eq!(world.bans(21).plain(), "203.0.113.7\n2001:db8::/64\n");
        // By the clock, before anybody has written down that it is over.
        let bans = world.bans(60);
        assert_eq!(bans.plain(), "203.0.113.7\n");
        let ended = |bans: &Bans| bans.ended.iter().map(|ban| ban.target.to_string()).collect::<Vec<_>>();
        assert_eq!(ended(&bans), ["198.51.100.9", "2001:db8::/64"]);
        // One that was taken back is named so until it would have ended by itself, and as long as the others then.
        assert_eq!(ended(&world.bans(60 + BAN_ENDED_TOLD.as_secs())), ["198.51.100.9", "203.0.113.7"]);
        assert_eq!(world.bans(110 + BAN_ENDED_TOLD.as_secs()), Bans::default());
    }

    #[test]
    fn what_is_blocked_again_is_not_named_as_ended_and_ends_with_the_last() {
        let mut world = World::default();
        world.blocked("203.0.113.7", 10, 50);
        let longest = world.blocked("203.0.113.7", 20, 100);
        world.blocked("203.0.113.7", 30, 60);
        for second in [31, 70] {
            let Bans { in_force, ended } = world.bans(second);
            assert_eq!(in_force.iter().map(|ban| (ban.id, ban.ends)).collect::<Vec<_>>(), [(longest, at(120))]);
            assert_eq!(ended, []);
        }
    }

    #[test]
    fn what_was_only_asked_for_or_did_not_work_is_not_listed() {
        let mut world = World::default();
        let id = EventId::new(10_000, 0);
        world.proposals.push((id, proposed("203.0.113.7")));
        world.tell(id, 10, Step::Requested, Some(at(100)));
        assert_eq!(world.bans(11), Bans::default());
        world.tell(id, 12, Step::Failed, None);
        assert_eq!(world.bans(13), Bans::default());
        // That it could not be taken back does not end it.
        let id = world.blocked("203.0.113.8", 20, 100);
        world.tell(id, 21, Step::Failed, None);
        assert_eq!(world.bans(22).plain(), "203.0.113.8\n");
    }

    #[test]
    fn what_a_runner_has_blocked_is_neither_listed_nor_named_as_ended() {
        let mut world = World::default();
        let id = EventId::new(10_000, 0);
        world.proposals.push((id, proposed("203.0.113.7")));
        let asked = Told::new(id, Step::Requested, "", "");
        let asked = Told { ends: Some(at(100)), executor: Some(Executor::Runner), ..asked };
        world.history.step(at(10), &asked.event(&Soc::default()));
        world.tell(id, 10, Step::Executed, None);
        assert_eq!((world.bans(11), world.bans(101)), (Bans::default(), Bans::default()));
    }
}
