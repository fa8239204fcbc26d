//! What the hot store's indexes find of the events that pass a filter. What they find passes the filter afterwards, so that an index
//! decides how long a search takes and never what it finds.

use super::gateway::{Gateway, GatewayError};
use crate::limits::{FILTER_COUNTED_MAX, FILTER_LOOK_UPS_MAX, FILTER_SETS_MAX};
use crate::query::{Filter, Name, Wanted};
use crate::store::entities::{LookUp, Part, YES};

/// The look-ups of which every event that passes has one: of those that the filter gives, the ones that find the fewest events. `None`:
/// the filter asks for nothing that there is an index of.
pub async fn fewest(filter: &Filter, gateway: &dyn Gateway) -> Result<Option<Vec<LookUp>>, GatewayError> {
    let sets = filter.look_ups().into_iter().filter_map(|set| look_ups(&set)).take(FILTER_SETS_MAX);
    let mut sets: Vec<Vec<LookUp>> = sets.collect();
    if sets.len() < 2 {
        return Ok(sets.pop());
    }
    let mut least: Option<(u64, Vec<LookUp>)> = None;
    for set in sets {
        let mut events = 0;
        for look_up in &set {
            events += gateway.extent(look_up.clone(), FILTER_COUNTED_MAX).await?.events;
        }
        if least.as_ref().is_none_or(|(fewest, _)| events < *fewest) {
            least = Some((events, set));
        }
    }
    Ok(least.map(|(_, set)| set))
}

fn look_ups(set: &[Wanted]) -> Option<Vec<LookUp>> {
    let mut all: Vec<LookUp> = Vec::new();
    for Wanted { field, text } in set {
        for part in parts(*field)? {
            let is_unusual = matches!(part, Part::UnusualSrcIp | Part::UnusualDstIp);
            let look_up = LookUp { part: *part, value: if is_unusual { YES.to_owned() } else { text.clone() } };
            if !all.contains(&look_up) {
                all.push(look_up);
            }
        }
    }
    (all.len() <= FILTER_LOOK_UPS_MAX).then_some(all)
}

/// An address is also what is written in another way.
fn parts(field: Name) -> Option<&'static [Part]> {
    Some(match field {
        Name::User => &[Part::User],
        Name::Host => &[Part::Host],
        Name::SrcIp => &[Part::SrcIp, Part::UnusualSrcIp],
        Name::DstIp => &[Part::DstIp, Part::UnusualDstIp],
        Name::Process => &[Part::Process],
        Name::Domain => &[Part::Domain],
        Name::File => &[Part::File],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::event::{Body, Entity, Event, EventId, Interest, Severity, Soc, Stream, Times, Timestamp};
    use crate::store::tests::{new_store, transaction};
    use crate::store::{HotStore, IdSpan, Order};

    const USERS: &[&str] = &["a", "b", "ä", "a\0b", "A", "a' OR 1", ""];
    const ADDRESSES: &[&str] = &[
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "::FFFF:c000:201",
        "0:0:0:0:0:ffff:c000:201",
        "2001:db8::1",
        "2001:DB8::1",
        "2001:0db8:0:0::1",
        "1:2:3:4:5:6::8",
        "1:2:3:4:5:6:0:8",
        "192.0.2.1.",
    ];
    const TERMS: &[&str] = &[
        "user = a",
        "user in (a, b)",
        "user = \"ä\"",
        "user = \"\"",
        "host in (b, \"a' OR 1\")",
        "src_ip = 192.0.2.1",
        "dst_ip = 2001:db8::1",
        "src_ip in (1:2:3:4:5:6:0:8, 192.0.2.1)",
        "src_ip in 2001:db8::/32",
        "user != a",
        "severity >= HIGH",
        "not host = a",
    ];

    fn filters() -> impl Strategy<Value = String> {
        let term = select(TERMS).prop_map(str::to_owned);
        term.prop_recursive(3, 8, 3, |inner| {
            (vec(inner, 2..4), select(&[" and ", " or "][..]))
                .prop_map(|(parts, word)| format!("({})", parts.join(word)))
        })
    }

    fn socs() -> impl Strategy<Value = Soc> {
        let of = |texts: &'static [&'static str]| proptest::option::of(select(texts).prop_map(str::to_owned));
        (of(USERS), of(USERS), of(ADDRESSES), of(ADDRESSES), any::<bool>()).prop_map(
            |(user, host, src_ip, dst_ip, is_high)| {
                let severity = if is_high { Severity::High } else { Severity::Low };
                let entity = Entity { user, host, src_ip, dst_ip, ..Entity::default() };
                Soc { src_device: 51, severity, entity, ..Soc::default() }
            },
        )
    }

    /// What passes, in pieces of `count`, of what is looked up, or without that of all.
    async fn found(
        store: &HotStore,
        filter: &Filter,
        set: Option<&[LookUp]>,
        order: Order,
        count: usize,
    ) -> Vec<EventId> {
        let socs = Interest::NONE.stream(Stream::SocEvents);
        let mut rest = Some(IdSpan { after: EventId::ZERO, through: EventId::MAX });
        let mut passed = Vec::new();
        while let Some(span) = rest {
            let piece = match set {
                Some(set) => store.search_about(set, span, order, count).await.unwrap(),
                None => store.search(span, order, socs, count).await.unwrap(),
            };
            let passes = |event: &&Event| filter.passes(event, Timestamp::default());
            passed.extend(piece.events.iter().filter(passes).map(|event| event.id));
            rest = piece.rest;
        }
        passed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_found_by_an_index_is_what_is_found_by_looking_through_all(
            socs in vec(socs(), 0..40), filters in vec(filters(), 1..12), count in 1_usize..20
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (_folder, store) = new_store().await;
                let events = (1..).zip(socs).map(|(ms, soc)| {
                    let (id, body) = (EventId::new(ms, 0), Body::Soc(Box::new(soc)));
                    Event { id, stream: Stream::SocEvents, times: Times::default(), root: id, body }
                });
                store.commit(&[transaction("any", None, events.collect())]).await.unwrap();
                for text in filters {
                    let filter: Filter = text.parse().unwrap();
                    let sets: Vec<_> = filter.look_ups().iter().filter_map(|set| look_ups(set)).collect();
                    for order in [Order::Newest, Order::Oldest] {
                        let walked = found(&store, &filter, None, order, count).await;
                        for set in &sets {
                            let indexed = found(&store, &filter, Some(set), order, count).await;
                            prop_assert_eq!(&indexed, &walked, "{} by {:?}", text, set);
                        }
                    }
                }
                store.close().await;
                Ok(())
            })?;
        }
    }
}
