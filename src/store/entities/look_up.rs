//! How many SOC events there are about one user, address or machine: how long it takes does not depend on how many others there are.

use super::search::LookUp;
use crate::event::EventId;
use crate::store::HotStore;
use crate::store::error::StoreError;

/// How much is known of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Events, of which at most so many were counted as was asked for.
    pub events: u64,
    pub oldest: Option<EventId>,
}

impl HotStore {
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn extent(&self, look_up: &LookUp, counted_max: usize) -> Result<Extent, StoreError> {
        let query = sqlx::query_as(look_up.part.statements().count).bind(&look_up.value);
        let query = query.bind(i64::try_from(counted_max).unwrap_or(i64::MAX));
        let (events, oldest): (i64, Option<i64>) =
            self.in_time("counting events about one", query.fetch_one(&self.inner.readers)).await?;
        Ok(Extent { events: u64::try_from(events).unwrap_or_default(), oldest: oldest.map(EventId::from_packed) })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection, Row};

    use super::*;
    use crate::event::{Body, Entity, Event, Soc, Stream, Times, Timestamp};
    use crate::store::entities::{Part, YES};
    use crate::store::tests::{config, ids, new_store, transaction};
    use crate::store::{IdSpan, Order};

    const ALL: IdSpan = IdSpan { after: EventId::ZERO, through: EventId::MAX };

    fn about(ms: u64, entity: Entity, device: u16, reasons: &[&str]) -> Event {
        let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        let soc = Soc { src_layer: "8".into(), src_device: device, entity, reasons, ..Soc::default() };
        let id = EventId::new(ms, 0);
        Event {
            id,
            stream: Stream::SocEvents,
            times: Times::default(),
            root: id.before(),
            body: Body::Soc(Box::new(soc)),
        }
    }

    fn look_up(part: Part, value: &str) -> LookUp {
        LookUp { part, value: value.to_owned() }
    }

    async fn newest(store: &HotStore, look_up: LookUp, span: IdSpan, count: usize) -> Vec<(u64, u32)> {
        ids(&store.search_about(&[look_up], span, Order::Newest, count).await.unwrap().events)
    }

    fn all() -> Vec<Event> {
        let of = |user: &str, src_ip: &str| Entity {
            user: Some(user.into()),
            src_ip: Some(src_ip.into()),
            ..Entity::default()
        };
        vec![
            about(1, of("alice", "192.0.2.1"), 51, &[]),
            about(2, of("bob", "192.0.2.1"), 52, &["indicator:192.0.2.1"]),
            about(3, of("alice", "192.0.2.2"), 54, &["indicator:192.0.2.2", "list:a.txt"]),
            about(4, Entity::default(), 51, &[]),
        ]
    }

    #[tokio::test]
    async fn events_are_found_by_whom_they_are_about_and_by_the_indicator_of_a_list() {
        let (_folder, store) = new_store().await;
        store.commit(&[transaction("any", None, all())]).await.unwrap();
        let found = async |part, value: &str, count| newest(&store, look_up(part, value), ALL, count).await;
        assert_eq!(found(Part::User, "alice", 9).await, [(3, 0), (1, 0)]);
        assert_eq!(found(Part::User, "alice", 1).await, [(3, 0)]);
        assert_eq!(found(Part::SrcIp, "192.0.2.1", 9).await, [(2, 0), (1, 0)]);
        assert_eq!(found(Part::Indicator, "indicator:192.0.2.2", 9).await, [(3, 0)]);
        assert!(found(Part::Indicator, "indicator:192.0.2.1", 9).await.is_empty(), "no list says so");
        assert!(found(Part::Host, "' OR 1", 9).await.is_empty());
        let before = IdSpan { after: EventId::ZERO, through: EventId::new(2, 9) };
        assert_eq!(newest(&store, look_up(Part::User, "alice"), before, 9).await, [(1, 0)]);
        let extent = store.extent(&look_up(Part::User, "alice"), 9).await.unwrap();
        assert_eq!(extent, Extent { events: 2, oldest: Some(EventId::new(1, 0)) });
        assert_eq!(store.extent(&look_up(Part::User, "eve"), 9).await.unwrap(), Extent::default());
    }

    #[tokio::test]
    async fn each_part_is_looked_up_in_its_index_and_a_row_that_is_damaged_stands_in_nobodys_way() {
        let (_folder, store) = new_store().await;
        store.commit(&[transaction("any", None, all())]).await.unwrap();
        for part in [
            Part::User,
            Part::Host,
            Part::SrcIp,
            Part::DstIp,
            Part::Process,
            Part::Domain,
            Part::File,
            Part::Indicator,
            Part::UnusualSrcIp,
            Part::UnusualDstIp,
            Part::Told,
        ] {
            for sql in [part.statements().newest, part.statements().oldest, part.statements().count] {
                let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                let rows = sqlx::query(plan).fetch_all(&store.inner.readers).await.unwrap();
                let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>("detail")).collect();
                assert!(
                    plan.iter().any(|step| step.contains("USING") && step.contains("INDEX idx_soc_about_")),
                    "{plan:?}"
                );
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "in the order of the index: {plan:?}");
            }
        }
        let damaged = EventId::new(3, 0).packed();
        store.change(&format!("UPDATE model_outputs_fast SET output_json = '{{' WHERE id = {damaged}")).await;
        assert_eq!(newest(&store, look_up(Part::User, "alice"), ALL, 9).await, [(1, 0)]);
        store.commit(&[transaction("any", None, vec![about(9, Entity::default(), 51, &[])])]).await.unwrap();
    }

    #[tokio::test]
    async fn what_an_earlier_version_kept_is_found_by_whom_it_is_about() {
        let (folder, store) = new_store().await;
        let mut silenced = about(5, Entity::default(), 51, &[]);
        if let Body::Soc(soc) = &mut silenced.body {
            soc.silence_id = Some("1-0".into());
        }
        let events = all().into_iter().chain([silenced]).collect();
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        let all_parts = [
            (Part::User, "alice"),
            (Part::SrcIp, "192.0.2.1"),
            (Part::Indicator, "indicator:192.0.2.2"),
            (Part::Told, YES),
        ];
        let mut before = Vec::new();
        for (part, value) in all_parts {
            before.push(newest(&store, look_up(part, value), ALL, 9).await);
        }
        assert!(before.iter().all(|found| !found.is_empty()), "{before:?}");
        store.close().await;
        let mut earlier = SqliteConnectOptions::new().filename(config(&folder).path).connect().await.unwrap();
        for sql in [
            "DROP TABLE soc_about",
            "CREATE INDEX idx_soc_user ON model_outputs_fast(json_extract(output_json, '$.entity.user')) WHERE layer = 8",
        ] {
            sqlx::query(sql).execute(&mut earlier).await.unwrap();
        }
        earlier.close().await.unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        for ((part, value), before) in all_parts.into_iter().zip(before) {
            assert_eq!(newest(&store, look_up(part, value), ALL, 9).await, before, "{part:?}");
        }
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'idx_soc_user'")
            .fetch_one(&store.inner.readers)
            .await
            .unwrap();
        assert_eq!(left, 0, "what it had instead takes room");
    }

    #[tokio::test]
    async fn what_is_too_old_is_about_nobody_any_more() {
        let (_folder, store) = new_store().await;
        let now = Timestamp::now();
        let old =
            about(now.millis() - 100_000_000, Entity { user: Some("alice".into()), ..Entity::default() }, 51, &[]);
        let new = about(now.millis(), Entity::default(), 51, &[]);
        store.commit(&[transaction("any", None, vec![old, new])]).await.unwrap();
        assert_eq!(store.extent(&look_up(Part::User, "alice"), 9).await.unwrap().events, 1);
        store.prune(now, EventId::MAX).await.unwrap();
        assert_eq!(store.extent(&look_up(Part::User, "alice"), 9).await.unwrap(), Extent::default());
    }
}
