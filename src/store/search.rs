//! Looking through committed events in either direction, a bounded piece of the log at a time.

use std::time::{Duration, Instant};

use super::HotStore;
use super::error::StoreError;
use super::masks::Masks;
use super::read::{FIRST_STRETCH, Page, next_stretch};
use super::schema;
use crate::event::{Event, EventId, Interest};

/// After this long a search says how far it is; its last statement may take longer.
const SEARCH_GOAL: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Newest,
    Oldest,
}

/// The ids with `after < id <= through`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdSpan {
    pub after: EventId,
    pub through: EventId,
}

impl IdSpan {
    fn of(low: i64, high: i64) -> Option<Self> {
        (low < high).then(|| Self { after: EventId::from_packed(low), through: EventId::from_packed(high) })
    }

    /// What is left of it for who has come to this id in this order; `None`: nothing.
    #[must_use]
    pub fn beyond(self, id: EventId, order: Order) -> Option<Self> {
        let (low, high) = (self.after.packed(), self.through.packed());
        match order {
            Order::Newest => Self::of(low, high.min(id.before().packed())),
            Order::Oldest => Self::of(low.max(id.packed()), high),
        }
    }

    /// The first part of it in this order, of so many ids at most.
    #[must_use]
    pub fn first(self, ids: i64, order: Order) -> Self {
        let (low, high) = (self.after.packed(), self.through.packed());
        let (low, high) = match order {
            Order::Newest => (high.saturating_sub(ids).max(low), high),
            Order::Oldest => (low, low.saturating_add(ids).min(high)),
        };
        Self { after: EventId::from_packed(low), through: EventId::from_packed(high) }
    }

    /// What follows on such a first part; `None`: nothing.
    #[must_use]
    pub fn behind(self, first: Self, order: Order) -> Option<Self> {
        match order {
            Order::Newest => Self::of(self.after.packed(), first.after.packed()),
            Order::Oldest => Self::of(first.through.packed(), self.through.packed()),
        }
    }

    /// What of it is up to an id, and what is beyond that.
    pub fn cut(self, at: EventId) -> [Option<Self>; 2] {
        let (low, high, at) = (self.after.packed(), self.through.packed(), at.packed());
        [Self::of(low, high.min(at)), Self::of(low.max(at), high)]
    }

    /// What of it is up to an id.
    pub fn up_to(self, id: EventId) -> Option<Self> {
        Self::of(self.after.packed(), self.through.min(id).packed())
    }

    /// The first part of it in this order, with this id as its last.
    #[must_use]
    pub fn through_to(self, id: EventId, order: Order) -> Self {
        match order {
            Order::Newest => Self { after: self.after.max(id.before()), ..self },
            Order::Oldest => Self { through: self.through.min(id), ..self },
        }
    }

    pub fn has(self, id: EventId) -> bool {
        self.after < id && id <= self.through
    }

    /// How many ids it has.
    pub fn ids(self) -> i64 {
        self.through.packed().saturating_sub(self.after.packed())
    }

    /// The id that [`beyond`](Self::beyond) leaves this of all ids for.
    pub fn come_to(self, order: Order) -> EventId {
        match order {
            Order::Newest => EventId::from_packed(self.through.packed().saturating_add(1)),
            Order::Oldest => self.after,
        }
    }
}

/// A piece of the log that was looked through.
#[derive(Debug, Default)]
pub struct Searched {
    /// All events of it that the interest covers, in the order that was asked for.
    pub events: Vec<Event>,
    /// What was not looked through; `None`: it was everything that is committed.
    pub rest: Option<IdSpan>,
}

impl HotStore {
    /// The oldest event that is kept; `None`: there is none. Retention takes the oldest first, so everything that was committed from this
    /// one on was there when this was asked, and before.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn oldest(&self) -> Result<Option<EventId>, StoreError> {
        let query = sqlx::query_scalar(schema::OLDEST).fetch_one(&self.inner.readers);
        let found: Option<i64> = self.in_time("looking for the oldest event", query).await?;
        Ok(found.map(EventId::from_packed))
    }

    /// Looks through a span of ids until there are `count` events or it has taken its time: how long it takes does not depend
    /// on how rare such events are.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn search(
        &self,
        span: IdSpan,
        order: Order,
        interest: Interest,
        count: usize,
    ) -> Result<Searched, StoreError> {
        let masks = Masks::from(interest);
        let (mut low, mut high) = (span.after.packed(), span.through.min(self.committed()).packed());
        let mut found = Page::new(self.parser());
        let (all_begun, mut stretch) = (Instant::now(), FIRST_STRETCH);
        while low < high && found.has_room(count) && all_begun.elapsed() < SEARCH_GOAL {
            let (begun, limit) = (Instant::now(), count - found.events.len());
            let cut = match order {
                Order::Newest => {
                    let from = high.saturating_sub(stretch).max(low);
                    let cut = self.read(schema::SELECT_BACK, (from, high), masks, limit, &mut found).await?;
                    high = cut.map_or(from, |last| last.saturating_sub(1));
                    cut
                }
                Order::Oldest => {
                    let to = low.saturating_add(stretch).min(high);
                    let cut = self.read(schema::SELECT_RANGE, (low, to), masks, limit, &mut found).await?;
                    low = cut.unwrap_or(to);
                    cut
                }
            };
            stretch = if cut.is_some() { stretch } else { next_stretch(stretch, begun.elapsed()) };
        }
        Ok(Searched { events: found.events, rest: IdSpan::of(low, high) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stream;
    use crate::store::tests::{control, ids, new_store, raw, soc, transaction};

    const ALL: IdSpan = IdSpan { after: EventId::ZERO, through: EventId::MAX };
    const DAY: u64 = 24 * 3600 * 1000;

    /// All that is found in pieces of `count`.
    async fn searched(
        store: &HotStore,
        span: IdSpan,
        order: Order,
        interest: Interest,
        count: usize,
    ) -> Vec<(u64, u32)> {
        let (mut rest, mut found) = (Some(span), Vec::new());
        while let Some(span) = rest {
            let piece = store.search(span, order, interest, count).await.unwrap();
            assert!(piece.events.len() <= count);
            found.extend(ids(&piece.events));
            rest = piece.rest;
        }
        found
    }

    #[tokio::test]
    async fn a_search_finds_every_event_once_in_either_direction() {
        let (_folder, store) = new_store().await;
        let events = vec![
            raw(1, 0),
            soc(1, 1, 51),
            control(2, Stream::Tick),
            soc(2, 1, 50),
            raw(3, 0),
            soc(DAY, 0, 57),
            raw(DAY, 1),
        ];
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        let socs = Interest::NONE.stream(Stream::SocEvents);
        for count in [1, 2, 10] {
            let oldest = searched(&store, ALL, Order::Oldest, socs, count).await;
            assert_eq!(oldest, [(1, 1), (2, 1), (DAY, 0)], "{count}");
            let mut newest = searched(&store, ALL, Order::Newest, socs, count).await;
            newest.reverse();
            assert_eq!(newest, oldest, "{count}");
            let all = searched(&store, ALL, Order::Newest, Interest::ALL, count).await;
            assert_eq!(all, [(DAY, 1), (DAY, 0), (3, 0), (2, 1), (2, 0), (1, 1), (1, 0)]);
        }
        let span = IdSpan { after: EventId::new(1, 1), through: EventId::new(3, 0) };
        assert_eq!(searched(&store, span, Order::Newest, Interest::ALL, 1).await, [(3, 0), (2, 1), (2, 0)]);
    }

    #[tokio::test]
    async fn rows_that_cannot_be_read_hide_none_that_can() {
        let (_folder, store) = new_store().await;
        let events = vec![soc(1, 0, 51), soc(1, 1, 51), soc(1, 2, 51), soc(DAY, 0, 51)];
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        let damaged = EventId::new(1, 1).packed();
        store.change(&format!("UPDATE model_outputs_fast SET output_json = '{{}}' WHERE id = {damaged}")).await;
        let readable = [(1, 0), (1, 2), (DAY, 0)];
        assert_eq!(ids(&store.after(EventId::ZERO, Interest::ALL, 2).await.unwrap()), readable[..2]);
        for count in [1, 2] {
            assert_eq!(searched(&store, ALL, Order::Oldest, Interest::ALL, count).await, readable);
            let mut newest = searched(&store, ALL, Order::Newest, Interest::ALL, count).await;
            newest.reverse();
            assert_eq!(newest, readable);
        }
    }

    #[tokio::test]
    async fn the_oldest_event_is_one_of_the_log_and_no_row_of_another_program() {
        let (_folder, store) = new_store().await;
        assert_eq!(store.oldest().await.unwrap(), None);
        store
            .commit(&[transaction("any", None, vec![soc(5, 1, 51), control(4, Stream::Tick), raw(6, 0)])])
            .await
            .unwrap();
        let foreign =
            "INSERT INTO model_outputs_fast(id, ts, layer, model, output_json) VALUES (7, 1.5, 8, 'mine', '{}')";
        store.change(foreign).await;
        assert_eq!(store.oldest().await.unwrap(), Some(EventId::new(4, 0)));
    }

    #[test]
    fn a_span_is_cut_into_parts_that_have_each_id_once() {
        let id = EventId::from_packed;
        let span = IdSpan { after: id(10), through: id(20) };
        for order in [Order::Newest, Order::Oldest] {
            for ids in [1, 3, 10, i64::MAX] {
                let (mut rest, mut seen) = (Some(span), Vec::new());
                while let Some(left) = rest {
                    let first = left.first(ids, order);
                    assert!(first.ids() <= ids);
                    seen.extend(first.after.packed() + 1..=first.through.packed());
                    rest = left.behind(first, order);
                }
                seen.sort_unstable();
                assert_eq!(seen, (11..=20).collect::<Vec<_>>(), "{ids}");
            }
        }
        assert_eq!(span.cut(id(9)), [None, Some(span)]);
        assert_eq!(span.cut(id(20)), [Some(span), None]);
        let [low, high] = span.cut(id(15));
        assert_eq!((low.unwrap().through, high.unwrap().after), (id(15), id(15)));
    }

    #[test]
    fn where_one_search_ends_the_next_begins() {
        let [a, b, c] = [1, 5, 9].map(|ms| EventId::new(ms, 0));
        let span = IdSpan { after: a, through: c };
        for order in [Order::Newest, Order::Oldest] {
            let rest = span.beyond(b, order).unwrap();
            assert_eq!(span.beyond(rest.come_to(order), order), Some(rest));
        }
        assert_eq!(span.beyond(a, Order::Newest), None);
        assert_eq!(span.beyond(c, Order::Oldest), None);
    }
}
