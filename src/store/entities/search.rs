//! Looking through the SOC events that have one of some values, in either direction, as [`HotStore::search`] looks through all.

use std::collections::BTreeMap;

use super::index::Part;
use crate::event::{Event, EventId};
use crate::store::error::StoreError;
use crate::store::read::Page;
use crate::store::{HotStore, IdSpan, Order, Searched};

/// One value of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookUp {
    pub part: Part,
    pub value: String,
}

impl HotStore {
    /// Looks through a span of ids for SOC events that have one of these values, each event once: at most `count`. How long it takes
    /// does not depend on how many others there are.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn search_about(
        &self,
        look_ups: &[LookUp],
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> Result<Searched, StoreError> {
        let Some(span) = span.up_to(self.committed()) else { return Ok(Searched::default()) };
        let (mut wanted, mut is_cut) = (span, false);
        let mut found: BTreeMap<EventId, Event> = BTreeMap::new();
        for look_up in look_ups {
            let mut page = Page::new(self.parser());
            let cut = self.read_about(look_up, wanted, order, count, &mut page).await?;
            found.extend(page.events.into_iter().map(|event| (event.id, event)));
            // What this one has beyond the last of its events is not known, so nothing there is wanted of the others.
            if let Some(last) = cut {
                (wanted, is_cut) = (wanted.through_to(last, order), true);
            }
        }
        found.retain(|id, _| wanted.has(*id));
        let mut events: Vec<Event> = found.into_values().collect();
        if order == Order::Newest {
            events.reverse();
        }
        if events.len() > count {
            events.truncate(count);
            is_cut = true;
            wanted = events.last().map_or(wanted, |last| wanted.through_to(last.id, order));
        }
        Ok(Searched { events, rest: span.behind(wanted, order).filter(|_| is_cut) })
    }

    /// Reads at most `count` rows. When there may be more, returns the id of the last one.
    async fn read_about(
        &self,
        look_up: &LookUp,
        span: IdSpan,
        order: Order,
        count: usize,
        page: &mut Page,
    ) -> Result<Option<EventId>, StoreError> {
        let statements = look_up.part.statements();
        let sql = match order {
            Order::Newest => statements.newest,
            Order::Oldest => statements.oldest,
        };
        let query = sqlx::query(sql)
            .bind(span.after.packed())
            .bind(span.through.packed())
            .bind(look_up.value.as_str())
            .bind(i64::try_from(count).unwrap_or(i64::MAX));
        let last = self.take_rows("reading events about one", query, count, page).await?;
        Ok(last.map(EventId::from_packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::stream::OPERATORS;
    use crate::event::{Body, Entity, Soc, Stream, Times};
    use crate::store::entities::{YES, is_told_of};
    use crate::store::tests::{new_store, transaction};

    const ALL: IdSpan = IdSpan { after: EventId::ZERO, through: EventId::MAX };

    fn event(ms: u64, soc: Soc) -> Event {
        let (id, body) = (EventId::new(ms, 0), Body::Soc(Box::new(soc)));
        Event { id, stream: Stream::SocEvents, times: Times::default(), root: id, body }
    }

    fn look_up(part: Part, value: &str) -> LookUp {
        LookUp { part, value: value.to_owned() }
    }

    /// All that is found in pieces of `count`.
    async fn searched(store: &HotStore, look_ups: &[LookUp], span: IdSpan, order: Order, count: usize) -> Vec<u64> {
        let (mut rest, mut found) = (Some(span), Vec::new());
        while let Some(span) = rest {
            let piece = store.search_about(look_ups, span, order, count).await.unwrap();
            assert!(piece.events.len() <= count);
            found.extend(piece.events.iter().map(|event| event.id.ms()));
            rest = piece.rest;
        }
        found
    }

    #[tokio::test]
    async fn what_has_one_of_some_values_is_found_once_in_either_direction_in_pieces_of_any_size() {
        let (_folder, store) = new_store().await;
        let of = |ms: u64, user: &str, host: &str| {
            let entity = Entity { user: Some(user.into()), host: Some(host.into()), ..Entity::default() };
            event(ms, Soc { entity, ..Soc::default() })
        };
        let users = ["a", "b", "c", "a", "a", "b", "c", "c", "b", "a"];
        let events = (1..).zip(users).map(|(ms, user)| of(ms, user, if ms % 3 == 0 { "x" } else { "y" })).collect();
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        let look_ups = [look_up(Part::User, "a"), look_up(Part::Host, "x"), look_up(Part::User, "nobody")];
        let span = IdSpan { after: EventId::new(1, 0), through: EventId::new(9, 0) };
        for count in 1..12 {
            let oldest = searched(&store, &look_ups, ALL, Order::Oldest, count).await;
            assert_eq!(oldest, [1, 3, 4, 5, 6, 9, 10], "{count}");
            let newest = searched(&store, &look_ups, ALL, Order::Newest, count).await;
            assert_eq!(newest, [10, 9, 6, 5, 4, 3, 1], "{count}");
            assert_eq!(searched(&store, &look_ups, span, Order::Newest, count).await, [9, 6, 5, 4, 3], "{count}");
        }
    }

    #[tokio::test]
    async fn rows_that_cannot_be_read_hide_none_that_can() {
        let (_folder, store) = new_store().await;
        let entity = Entity { user: Some("a".into()), ..Entity::default() };
        let events = (1..=6).map(|ms| event(ms, Soc { entity: entity.clone(), ..Soc::default() })).collect();
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        for damage in [
            "UPDATE model_outputs_fast SET output_json = '{\"entity\":{\"user\":\"a\"}}' WHERE id >> 20 IN (2, 3)",
            "UPDATE model_outputs_fast SET believed = 'x' WHERE id >> 20 = 5",
        ] {
            store.change(damage).await;
        }
        for count in 1..4 {
            assert_eq!(searched(&store, &[look_up(Part::User, "a")], ALL, Order::Oldest, count).await, [1, 4, 6]);
            assert_eq!(searched(&store, &[look_up(Part::User, "a")], ALL, Order::Newest, count).await, [6, 4, 1]);
        }
    }

    #[tokio::test]
    async fn what_tells_of_incidents_proposals_and_silences_is_what_the_index_has() {
        let (_folder, store) = new_store().await;
        let mut events = Vec::new();
        for (src_layer, silence) in [("8", None), ("8", Some("1-0")), ("3", None), ("4", Some("ours"))] {
            for src_device in [0, 15, 50, 51, 52, 53, 57, 58, 59, OPERATORS] {
                let silence_id = silence.map(str::to_owned);
                let soc = Soc { src_layer: src_layer.into(), src_device, silence_id, ..Soc::default() };
                events.push(event(events.len() as u64 + 1, soc));
            }
        }
        let told: Vec<u64> = events.iter().filter(|event| is_told_of(event)).map(|event| event.id.ms()).collect();
        assert!(told.len() > 20 && told.len() < events.len());
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        assert_eq!(searched(&store, &[look_up(Part::Told, YES)], ALL, Order::Oldest, 7).await, told);
    }

    /// In all the ways in which an address in IPv6 may be written.
    fn spellings(groups: [u16; 8]) -> Vec<String> {
        let text = |groups: &[u16]| groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":");
        let padded: Vec<String> = groups.iter().map(|group| format!("{group:04x}")).collect();
        let [.., high, low] = groups.map(u16::to_be_bytes);
        let dotted = format!("{}:{}.{}.{}.{}", text(&groups[..6]), high[0], high[1], low[0], low[1]);
        let mut all = vec![text(&groups), text(&groups).to_uppercase(), padded.join(":"), dotted];
        for from in 0..8 {
            for to in from + 1..=8 {
                if groups[from..to].iter().all(|group| *group == 0) {
                    all.push(format!("{}::{}", text(&groups[..from]), text(&groups[to..])));
                }
            }
        }
        all
    }

    #[tokio::test]
    async fn every_address_that_is_not_written_as_it_is_printed_is_among_those_that_may_be_unusual() {
        let (_folder, store) = new_store().await;
        let mut texts = Vec::new();
        for bits in 0..256_u16 {
            let groups = std::array::from_fn(|group| (bits >> group & 1) * 0xa);
            texts.extend(spellings(groups));
        }
        texts.extend(spellings([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201]));
        texts.extend(["192.0.2.1", "no address", "", "2001:db8::12"].map(str::to_owned));
        let entity =
            |text: &String| Entity { src_ip: Some(text.clone()), dst_ip: Some(text.clone()), ..Entity::default() };
        let events = (1..).zip(&texts).map(|(ms, text)| event(ms, Soc { entity: entity(text), ..Soc::default() }));
        store.commit(&[transaction("any", None, events.collect())]).await.unwrap();
        for part in [Part::UnusualSrcIp, Part::UnusualDstIp] {
            let found = searched(&store, &[look_up(part, YES)], ALL, Order::Oldest, 1000).await;
            for (ms, text) in (1..).zip(&texts) {
                let address = text.parse::<std::net::IpAddr>().ok().map(|address| address.to_canonical().to_string());
                let is_usual = address.is_none_or(|address| address == *text);
                assert!(is_usual || found.binary_search(&ms).is_ok(), "{text}");
            }
            for usual in ["192.0.2.1", "2001:db8::12", "a:a:a:a:a:a:a:a"] {
                let ms = texts.iter().position(|text| text == usual).unwrap() as u64 + 1;
                assert!(found.binary_search(&ms).is_err(), "{usual}");
            }
        }
    }
}
