//! All that an event follows from, back to the lines: a tree that has grown level by level, so that one branch cannot take the room
//! of all others.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::causes::Causes;
use super::line::line;
use super::words::because;
use crate::event::{Body, Event, EventId};
use crate::limits::{EXPLAIN_DEPTH_MAX, EXPLAIN_NODES_MAX};
use crate::server::event_json::event_json;
use crate::server::gateway::{Gateway, GatewayError};

/// What the tree has, and has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Extent {
    /// Events in it, those that are there again counted each time.
    pub nodes: usize,
    /// Lines and messages from outside.
    pub lines: usize,
    /// Events that are named and not shown, for there is no room, or they are too far back.
    pub left_out: usize,
    /// Events that are not in the store any more.
    pub missing: usize,
}

struct Node {
    id: EventId,
    depth: usize,
    found: Found,
    causes: Causes,
    children: Vec<usize>,
    left_out: usize,
}

enum Found {
    Event(Box<Event>),
    /// It stands elsewhere in the tree.
    Above,
    Missing,
}

/// The events of the tree; the first is its root.
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// # Errors
    /// The store cannot be read.
    pub async fn of(root: Event, gateway: &dyn Gateway) -> Result<Self, GatewayError> {
        let mut seen = BTreeSet::from([root.id]);
        let mut tree = Self { nodes: Vec::new() };
        tree.add(root.id, 0, Found::Event(Box::new(root)));
        let mut next = VecDeque::from([0]);
        while let Some(place) = next.pop_front() {
            let Some(node) = tree.nodes.get(place) else { continue };
            let (depth, causes) = (node.depth + 1, node.causes.events.clone());
            let mut children = Vec::new();
            let count = causes.len();
            for cause in causes {
                if tree.nodes.len() >= EXPLAIN_NODES_MAX || depth > EXPLAIN_DEPTH_MAX {
                    break;
                }
                let found = match seen.insert(cause) {
                    true => gateway.event(cause).await?.map_or(Found::Missing, |event| Found::Event(Box::new(event))),
                    false => Found::Above,
                };
                let child = tree.add(cause, depth, found);
                children.push(child);
                next.push_back(child);
            }
            if let Some(node) = tree.nodes.get_mut(place) {
                node.left_out = count - children.len();
                node.children = children;
            }
        }
        Ok(tree)
    }

    fn add(&mut self, id: EventId, depth: usize, found: Found) -> usize {
        let causes = if let Found::Event(event) = &found { Causes::of(event) } else { Causes::default() };
        self.nodes.push(Node { id, depth, found, causes, children: Vec::new(), left_out: 0 });
        self.nodes.len() - 1
    }

    pub fn extent(&self) -> Extent {
        let is_line = |node: &&Node| matches!(&node.found, Found::Event(event) if matches!(event.body, Body::Raw(_)));
        Extent {
            nodes: self.nodes.len(),
            lines: self.nodes.iter().filter(is_line).count(),
            left_out: self.nodes.iter().map(|node| node.left_out).sum(),
            missing: self.nodes.iter().filter(|node| matches!(node.found, Found::Missing)).count(),
        }
    }

    pub fn to_json(&self) -> Value {
        self.branch(0)
    }

    /// It calls itself no deeper than the tree is.
    fn branch(&self, place: usize) -> Value {
        let Some(node) = self.nodes.get(place) else { return Value::Null };
        let mut object = Map::from_iter([("id".to_owned(), json!(node.id))]);
        let mut say = |name: &str, value: Value| object.insert(name.to_owned(), value);
        match &node.found {
            Found::Missing => drop(say("missing", json!("it is not in the store any more"))),
            Found::Above => drop(say("above", json!(true))),
            Found::Event(event) => {
                say("stream", json!(event.stream));
                say("ts", json!(event.ts().seconds()));
                because(event).map(|because| say("because", json!(because)));
                match &event.body {
                    Body::Raw(raw) => say("line", line(raw)),
                    _ => say("event", event_json(event)),
                };
            }
        }
        for (name, count) in [("left_out", node.left_out as u64), ("unnamed", node.causes.unnamed)] {
            if count > 0 {
                say(name, json!(count));
            }
        }
        if !node.causes.unknown.is_empty() {
            say("unknown", json!(node.causes.unknown));
        }
        if !node.children.is_empty() {
            say("children", node.children.iter().map(|child| self.branch(*child)).collect());
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Evidence, Soc, Stream};
    use crate::server::tests::{FakeGateway, soc};

    /// Events that each name any others, earlier and later ones and ones that there are not; the last of them.
    fn committed(gateway: &FakeGateway, references: &[Vec<u64>]) -> Event {
        let mut last = gateway.commit_line(Stream::L3In, "line");
        for named in references {
            let events = named.iter().map(|n| EventId::new(1000, *n as u32)).collect();
            let Body::Soc(event) = soc(&last.to_string()) else { panic!("a SOC event") };
            let evidence = Some(Box::new(Evidence { events, ..Evidence::default() }));
            last = gateway.commit(Stream::SocEvents, Body::Soc(Box::new(Soc { evidence, ..*event })));
        }
        futures_util::FutureExt::now_or_never(gateway.event(last)).unwrap().unwrap().unwrap()
    }

    fn deepest(node: &Value) -> usize {
        let children = node["children"].as_array().into_iter().flatten();
        children.map(|child| 1 + deepest(child)).max().unwrap_or_default()
    }

    proptest! {
        #[test]
        fn whatever_names_whatever_the_tree_is_bounded_and_nothing_is_passed_over_in_silence(
            references in vec(vec(0..60_u64, 0..40), 0..50),
        ) {
            let gateway = FakeGateway::new();
            let root = committed(&gateway, &references);
            let tree = futures_util::FutureExt::now_or_never(Tree::of(root, &*gateway)).unwrap().unwrap();
            let extent = tree.extent();
            prop_assert!(extent.nodes <= EXPLAIN_NODES_MAX && deepest(&tree.to_json()) <= EXPLAIN_DEPTH_MAX);
            for node in &tree.nodes {
                prop_assert_eq!(node.children.len() + node.left_out, node.causes.events.len());
            }
            let events: BTreeSet<EventId> = tree.nodes.iter().filter(|node| !matches!(node.found, Found::Above)).map(|node| node.id).collect();
            let above = tree.nodes.iter().filter(|node| matches!(node.found, Found::Above)).count();
            prop_assert_eq!(events.len() + above, extent.nodes, "no event is shown twice");
        }
    }
}
