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
    /// As it is shown: a long line is not held as a whole.
    shown: Map<String, Value>,
    causes: Causes,
    children: Vec<usize>,
    left_out: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Event,
    /// A line or message from outside.
    Line,
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
        tree.add_event(0, &root);
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
                let found = if seen.insert(cause) { Some(gateway.event(cause).await?) } else { None };
                let child = match found {
                    Some(Some(event)) => tree.add_event(depth, &event),
                    Some(None) => tree.add(cause, depth, Found::Missing, Map::new(), Causes::default()),
                    None => tree.add(cause, depth, Found::Above, Map::new(), Causes::default()),
                };
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

    fn add_event(&mut self, depth: usize, event: &Event) -> usize {
        let mut shown = Map::new();
        shown.insert("stream".to_owned(), json!(event.stream));
        shown.insert("ts".to_owned(), json!(event.ts().seconds()));
        because(event).map(|because| shown.insert("because".to_owned(), json!(because)));
        let found = match &event.body {
            Body::Raw(raw) => {
                shown.insert("line".to_owned(), line(raw));
                Found::Line
            }
            _ => {
                shown.insert("event".to_owned(), event_json(event));
                Found::Event
            }
        };
        self.add(event.id, depth, found, shown, Causes::of(event))
    }

    fn add(&mut self, id: EventId, depth: usize, found: Found, shown: Map<String, Value>, causes: Causes) -> usize {
        self.nodes.push(Node { id, depth, found, shown, causes, children: Vec::new(), left_out: 0 });
        self.nodes.len() - 1
    }

    pub fn extent(&self) -> Extent {
        let count = |found: Found| self.nodes.iter().filter(|node| node.found == found).count();
        Extent {
            nodes: self.nodes.len(),
            lines: count(Found::Line),
            left_out: self.nodes.iter().map(|node| node.left_out).sum(),
            missing: count(Found::Missing),
        }
    }

    pub fn to_json(&self) -> Value {
        self.branch(0)
    }

    /// It calls itself no deeper than the tree is.
    fn branch(&self, place: usize) -> Value {
        let Some(node) = self.nodes.get(place) else { return Value::Null };
        let mut object = Map::from_iter([("id".to_owned(), json!(node.id))]);
        object.extend(node.shown.clone());
        let mut say = |name: &str, value: Value| object.insert(name.to_owned(), value);
        match node.found {
            Found::Missing => drop(say("missing", json!("it is not in the store any more"))),
            Found::Above => drop(say("above", json!(true))),
            Found::Event | Found::Line => {}
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
