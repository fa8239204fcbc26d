//! What is said to nftables and what it answers, as JSON (libnftables-json). One document is one transaction: all of it or nothing.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::protocol::Blocked;
use super::target::Target;
use crate::limits;

const FAMILY: &str = "inet";
/// The table is the daemon's alone.
const TABLE: &str = "dsmil";
/// The sets, and what packets are compared with them by.
const SETS: [(&str, &str, &str); 2] = [("blocked4", "ipv4_addr", "ip"), ("blocked6", "ipv6_addr", "ip6")];
/// The chains, and of which addresses of a packet: whom it comes from, whom it goes to.
const CHAINS: [(&str, &[&str]); 3] = [("input", &["saddr"]), ("forward", &["saddr", "daddr"]), ("output", &["daddr"])];
/// Before the filters of others, which may accept.
const PRIORITY: i32 = -10;

/// The table as it is to be, whatever it was before: sets keep what is in them.
fn table() -> Vec<Value> {
    let mut commands = vec![json!({"add": {"table": {"family": FAMILY, "name": TABLE}}})];
    for (set, kind, _) in SETS {
        commands.push(json!({"add": {"set": {
            "family": FAMILY, "table": TABLE, "name": set, "type": kind, "flags": ["interval", "timeout"],
            "size": limits::RESPOND_BLOCKED_MAX,
        }}}));
    }
    for (chain, addresses) in CHAINS {
        commands.push(json!({"add": {"chain": {
            "family": FAMILY, "table": TABLE, "name": chain, "type": "filter", "hook": chain, "prio": PRIORITY,
            "policy": "accept",
        }}}));
        commands.push(json!({"flush": {"chain": {"family": FAMILY, "table": TABLE, "name": chain}}}));
        for (set, _, protocol) in SETS {
            commands.extend(addresses.iter().map(|field| {
                let left = json!({"payload": {"protocol": protocol, "field": field}});
                let right = format!("@{set}");
                json!({"add": {"rule": {"family": FAMILY, "table": TABLE, "chain": chain, "expr": [
                    {"match": {"op": "==", "left": left, "right": right}}, {"counter": null}, {"drop": null},
                ]}}})
            }));
        }
    }
    commands
}

fn document(commands: &[Value]) -> String {
    json!({ "nftables": commands }).to_string()
}

/// Makes the table.
pub fn prepare() -> String {
    document(&table())
}

/// Makes the table, and blocks the target for so long: also where it is blocked already, for longer or shorter.
pub fn block(target: Target, ttl_s: u64) -> String {
    let add = |ttl_s: u64| element("add", target, &json!([{"elem": {"val": value(target), "timeout": ttl_s}}]));
    let mut commands = table();
    // The kernel keeps the time of what is there already; and deletes only what is there.
    commands.extend([add(ttl_s), element("delete", target, &json!([value(target)])), add(ttl_s)]);
    document(&commands)
}

/// Makes the table, and takes the block away, if there is one.
pub fn unblock(target: Target) -> String {
    let mut commands = table();
    commands.push(element("add", target, &json!([{"elem": {"val": value(target), "timeout": 1}}])));
    commands.push(element("delete", target, &json!([value(target)])));
    document(&commands)
}

/// Each has one set listed. By itself: nft 1.0.6 finds one of two sets only, and without what is in it where the document changes something.
pub fn lists() -> [String; 2] {
    SETS.map(|(set, ..)| document(&[json!({"list": {"set": {"family": FAMILY, "table": TABLE, "name": set}}})]))
}

fn element(command: &str, target: Target, elements: &Value) -> Value {
    let set = if matches!(target.net(), IpNet::V4(_)) { "blocked4" } else { "blocked6" };
    json!({command: {"element": {"family": FAMILY, "table": TABLE, "name": set, "elem": elements}}})
}

fn value(target: Target) -> Value {
    let net = target.net();
    if target.is_one() {
        return json!(net.addr());
    }
    json!({"prefix": {"addr": net.network(), "len": net.prefix_len()}})
}

/// What is blocked, by an answer to one of [`lists`]. What others have put into the sets in another form is left out.
pub fn blocked(answer: &Value) -> Vec<Blocked> {
    let objects = answer.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let sets = objects.filter_map(|object| object.get("set"));
    sets.filter_map(|set| set.get("elem")?.as_array()).flatten().filter_map(one_blocked).collect()
}

fn one_blocked(element: &Value) -> Option<Blocked> {
    let element = element.get("elem")?;
    let value = element.get("val")?;
    let target = match value.get("prefix") {
        Some(prefix) => format!("{}/{}", prefix.get("addr")?.as_str()?, prefix.get("len")?.as_u64()?),
        None => value.as_str()?.to_owned(),
    };
    Some(Blocked { target: target.parse().ok()?, remaining_s: element.get("expires")?.as_u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stands_in_the_document_once_as_a_value_and_nowhere_else() {
        let text = block("203.0.113.7".parse().unwrap(), 60);
        assert_eq!(text.matches("203.0.113.7").count(), 3);
        assert_eq!(text.matches("\"timeout\":60").count(), 2);
        let text = block("2001:db8::/64".parse().unwrap(), 60);
        assert!(
            text.contains(r#""name":"blocked6","elem":[{"elem":{"val":{"prefix":{"addr":"2001:db8::","len":64}}"#),
            "{text}"
        );
    }

    #[test]
    fn what_is_blocked_is_read_from_what_nft_lists() {
        let answer = json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"set": {"name": "blocked4", "elem": [
                {"elem": {"val": "203.0.113.7", "timeout": 50, "expires": 49}},
                {"elem": {"val": {"range": ["203.0.113.8", "203.0.113.9"]}, "timeout": 50, "expires": 49}},
                "203.0.113.1",
            ]}},
            {"set": {"name": "blocked6", "elem": [
                {"elem": {"val": {"prefix": {"addr": "2001:db8::", "len": 64}}, "timeout": 50, "expires": 7}},
            ]}},
            {"set": {"name": "empty"}},
        ]});
        let texts: Vec<String> = blocked(&answer).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["203.0.113.7 for 49 s more", "2001:db8::/64 for 7 s more"]);
        assert_eq!(blocked(&Value::Null), []);
    }
}
