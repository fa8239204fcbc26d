use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::event::Entity;

/// Half of them root's, each with a line beside it.
fn commit_many(gateway: &FakeGateway, count: usize) -> Vec<EventId> {
    let ids = (0..count).map(|number| {
        gateway.commit_line(Stream::L3In, "of another stream");
        let user = if number.is_multiple_of(2) { "root" } else { "alice" };
        let entity = Entity { user: Some(user.into()), ..Entity::default() };
        gateway.commit(Stream::SocEvents, Body::Soc(Box::new(Soc { entity, ..Soc::default() })))
    });
    ids.collect()
}

fn ids_of(page: &Value) -> Vec<EventId> {
    page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// The ids of all pages, and the last page.
async fn all_pages(daemon: &Daemon, query: &str) -> (Vec<EventId>, Value) {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("/api/v1/events?{query}{after}")).await.json();
        ids.extend(ids_of(&page));
        let Some(next) = page["next"].as_str() else { return (ids, page) };
        after = format!("&after={next}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_search_goes_on_into_the_archive_and_finds_every_event_once_in_order_whenever_retention_runs(
        retention in vec(proptest::option::weighted(0.4, 0..80_usize), 0..60),
        begins_at in 0..40_usize,
        count in 1..30_usize,
        newest in any::<bool>(),
        of_root in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let daemon = Daemon::start().await;
            let mut expected = commit_many(&daemon.gateway, 40);
            let all: Vec<EventId> = daemon.gateway.events.lock().unwrap().iter().map(|event| event.id).collect();
            *daemon.gateway.oldest.lock().unwrap() = expected[begins_at.min(39)];
            *daemon.gateway.archive_answers.lock().unwrap() = Some(true);
            // The newest event is never taken.
            let moves = retention.into_iter().map(|place| place.map_or(EventId::ZERO, |place| all[place.min(79)]));
            daemon.gateway.retention.lock().unwrap().extend(moves);
            let (order, filter) = (if newest { "newest" } else { "oldest" }, if of_root { "user%3Droot" } else { "" });
            let (found, _) = all_pages(&daemon, &format!("order={order}&count={count}&where={filter}")).await;
            if of_root {
                expected = expected.into_iter().step_by(2).collect();
            }
            if newest {
                expected.reverse();
            }
            assert_eq!(found, expected);
        });
    }
}

#[tokio::test]
async fn a_page_says_that_the_archive_was_searched_only_where_it_had_to_be() {
    let daemon = Daemon::start().await;
    let ids = commit_many(&daemon.gateway, 20);
    *daemon.gateway.archive_answers.lock().unwrap() = Some(true);
    *daemon.gateway.oldest.lock().unwrap() = ids[10];
    assert!(daemon.get("/api/v1/events?count=5").await.json().get("archive").is_none());
    let (found, last) = all_pages(&daemon, "order=oldest").await;
    assert_eq!((found, &last["archive"]), (ids, &serde_json::json!({ "searched": true })));
}

#[tokio::test]
async fn an_archive_that_is_down_leaves_what_the_hot_store_has_and_the_page_says_so() {
    let daemon = Daemon::start().await;
    let ids = commit_many(&daemon.gateway, 20);
    *daemon.gateway.oldest.lock().unwrap() = ids[10];
    *daemon.gateway.archive_answers.lock().unwrap() = Some(false);
    let page = daemon.get("/api/v1/events?order=oldest").await.json();
    assert_eq!((ids_of(&page), page["next"].as_str()), (ids[10..].to_vec(), None), "{page}");
    assert_eq!(page["archive"]["searched"], false);
    assert!(page["archive"]["why"].as_str().unwrap().contains("it is down"), "{page}");
    let page = daemon.get("/api/v1/events").await.json();
    let mut newest = ids[10..].to_vec();
    newest.reverse();
    assert_eq!(
        (ids_of(&page), page["next"].as_str(), &page["archive"]["searched"]),
        (newest, None, &Value::from(false))
    );
    // When it is back, the rest is asked for from there.
    *daemon.gateway.archive_answers.lock().unwrap() = Some(true);
    let rest = daemon.get(&format!("/api/v1/events?after={}", page["archive"]["after"].as_str().unwrap())).await.json();
    let mut older = ids[..10].to_vec();
    older.reverse();
    assert_eq!(ids_of(&rest), older);
}

#[tokio::test]
async fn one_event_that_retention_has_taken_comes_from_the_archive() {
    let daemon = Daemon::start().await;
    let ids = commit_many(&daemon.gateway, 4);
    *daemon.gateway.oldest.lock().unwrap() = ids[2];
    let path = format!("/api/v1/events/{}", ids[0]);
    daemon.get(&path).await.problem(404);
    *daemon.gateway.archive_answers.lock().unwrap() = Some(true);
    assert_eq!(daemon.get(&path).await.json()["id"], ids[0].to_string());
    assert_eq!(daemon.get(&format!("{path}/explain")).await.json()["id"], ids[0].to_string());
    daemon.get("/api/v1/events/1-1").await.problem(404);
    *daemon.gateway.archive_answers.lock().unwrap() = Some(false);
    assert!(daemon.get(&path).await.problem(503).contains("it is down"));
    assert_eq!(daemon.get(&format!("/api/v1/events/{}", ids[3])).await.status, 200);
}
