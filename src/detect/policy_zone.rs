//! Response policy zones (RPZ): DNS zones whose records tell a resolver which names and addresses not to give out. The
//! text is that of RFC 1035, section 5; what the records mean stands in draft-vixie-dnsop-dns-rpz.

use super::deceptive::excerpt;
use super::master_file::{Record, records};
use super::observable::{Observable, normal_domain};

/// Longest name there is in DNS, written out.
const NAME_BYTES_MAX: usize = 255;

/// What a record tells the resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Anything but the truth: that there is no such name, no answer, another answer.
    Withhold,
    /// The truth, whatever other records say.
    LetThrough,
}

/// One record that is about a name or an address.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub about: Observable,
    /// `*.evil.example`: it is about the names below.
    pub is_below: bool,
    pub policy: Policy,
}

/// Whether the text begins as zones do: with `$TTL`, `$ORIGIN` or the SOA record.
pub fn is_policy_zone(content: &str) -> bool {
    let Some(first) =
        content.lines().map(str::trim_ascii).find(|line| !line.is_empty() && !line.starts_with([';', '#']))
    else {
        return false;
    };
    let mut words = first.split_ascii_whitespace();
    let keyword = words.next().unwrap_or_default();
    ["$TTL", "$ORIGIN"].iter().any(|name| keyword.eq_ignore_ascii_case(name))
        || words.take(3).any(|word| word.eq_ignore_ascii_case("SOA"))
}

/// Calls `take` with the line (from 1) of each record that is a rule, and of each that is to be one and cannot be read.
pub fn rules(content: &str, mut take: impl FnMut(u32, Result<Rule, String>)) {
    let mut zone = Zone { origin: Some(Name::default()), ..Zone::default() };
    for record in records(content) {
        let (line, read) = match record {
            Ok(record) => (record.line, zone.rule(&record)),
            Err(damaged) => {
                zone.owner = None;
                (damaged.line, Err(damaged.text))
            }
        };
        if let Some(rule) = read.transpose() {
            take(line, rule);
        }
    }
}

/// A name of the zone, in lower case and without the final dot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Name {
    text: String,
    /// Whether it ends at the root. A file need not say what its zone is called: then its names are relative to that.
    is_absolute: bool,
}

/// Where the reading of a file stands.
#[derive(Default)]
struct Zone {
    /// What relative names are relative to; `None` behind an `$ORIGIN` that is no name.
    origin: Option<Name>,
    /// The owner of the last record, which a line that begins with a blank has as well; `None` where that is unreadable.
    owner: Option<Name>,
    /// The name of the zone, below which all rules lie.
    apex: Option<Name>,
}

impl Zone {
    /// `None` for records that are no rules.
    fn rule(&mut self, record: &Record<'_>) -> Result<Option<Rule>, String> {
        let mut words = record.words.iter().copied();
        if !record.has_owner_before {
            let owner = words.next().unwrap_or_default();
            if owner.starts_with('$') {
                return self.directive(owner, words.next().unwrap_or_default()).map(|()| None);
            }
            self.owner = None;
            self.owner = Some(self.name(owner)?);
        }
        let owner = self.owner.clone().ok_or("it is about the name of the record before, which cannot be read")?;
        let mut words = words.skip_while(|word| is_class_or_ttl(word));
        let kind = words.next().unwrap_or_default().to_ascii_uppercase();
        if kind == "SOA" {
            self.apex = Some(owner);
            return Ok(None);
        }
        if is_about_the_zone(&kind) {
            return Ok(None);
        }
        let apex = self.apex.clone().or_else(|| self.origin.clone()).unwrap_or_default();
        let Some(trigger) = below(&owner, &apex)? else { return Ok(None) };
        let Some(policy) = policy(trigger, &kind, words.next().unwrap_or_default())? else { return Ok(None) };
        observed(trigger).map(|(about, is_below)| Some(Rule { about, is_below, policy }))
    }

    fn directive(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name.to_ascii_uppercase().as_str() {
            "$TTL" => {}
            "$ORIGIN" => {
                let origin = self.name(value);
                self.origin = origin.as_ref().ok().cloned();
                return origin.map(drop);
            }
            _ => return Err(format!("`{}` is not followed: name the file with the records instead", shown(name))),
        }
        Ok(())
    }

    fn name(&self, word: &str) -> Result<Name, String> {
        let origin = || self.origin.clone().ok_or("the `$ORIGIN` before it cannot be read");
        if word == "@" {
            return Ok(origin()?);
        }
        let name = if let Some(text) = word.strip_suffix('.') {
            Name { text: text.to_ascii_lowercase(), is_absolute: true }
        } else {
            let Name { text, is_absolute } = origin()?;
            let dot = if text.is_empty() { "" } else { "." };
            Name { text: format!("{}{dot}{text}", word.to_ascii_lowercase()), is_absolute }
        };
        // Each `$ORIGIN` may go on from the one before it: without a bound a file could make names as long as itself.
        if word.is_empty() || name.text.len() > NAME_BYTES_MAX {
            return Err(format!("`{}` is no name of at most {NAME_BYTES_MAX} bytes", shown(word)));
        }
        Ok(name)
    }
}

/// `None` for what leaves the answer as it is.
fn policy(trigger: &str, kind: &str, data: &str) -> Result<Option<Policy>, String> {
    match kind {
        "CNAME" if data.is_empty() => Err("the record has no target: the line is cut off".to_owned()),
        "CNAME" => match data.strip_suffix('.').unwrap_or(data).to_ascii_lowercase().as_str() {
            "rpz-passthru" => Ok(Some(Policy::LetThrough)),
            // The answer is the true one, asked for in another way.
            "rpz-tcp-only" => Ok(None),
            // As it was written before `rpz-passthru`.
            target if target == trigger => Ok(Some(Policy::LetThrough)),
            _ => Ok(Some(Policy::Withhold)),
        },
        "A" | "AAAA" | "TXT" | "MX" | "SRV" | "PTR" | "HTTPS" | "SVCB" => Ok(Some(Policy::Withhold)),
        _ => Err(format!("`{}` is no type of record that a policy has", shown(kind))),
    }
}

/// `3600`, `1h`, `IN`.
fn is_class_or_ttl(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        || ["IN", "CH", "HS"].iter().any(|class| word.eq_ignore_ascii_case(class))
}

/// What every zone has, and what resolvers pass over in these.
fn is_about_the_zone(kind: &str) -> bool {
    matches!(kind, "NS" | "DNAME" | "DNSKEY" | "DS" | "RRSIG" | "NSEC" | "NSEC3" | "NSEC3PARAM" | "CDS" | "CDNSKEY")
}

/// The part of the name in front of the zone's; `None` for the zone itself.
fn below<'a>(name: &'a Name, apex: &Name) -> Result<Option<&'a str>, String> {
    let outside = || {
        let remedy = "begin the file with `$ORIGIN` and the name of the zone";
        format!("`{}.` is not below the zone's own name: {remedy}", shown(&name.text))
    };
    if name.is_absolute != apex.is_absolute {
        return Err(outside());
    }
    if name.text == apex.text {
        return Ok(None);
    }
    if apex.text.is_empty() {
        return Ok(Some(&name.text));
    }
    let before = name.text.strip_suffix(apex.text.as_str()).and_then(|before| before.strip_suffix('.'));
    before.map(Some).ok_or_else(outside)
}

/// What a trigger is about, and whether about the names below alone.
fn observed(trigger: &str) -> Result<(Observable, bool), String> {
    if let Some(labels) = trigger.strip_suffix(".rpz-ip") {
        let address = address(labels).ok_or_else(|| format!("`{}` is no address in reverse", shown(trigger)))?;
        return Ok((address, false));
    }
    for (suffix, what) in [
        (".rpz-client-ip", "who may ask"),
        (".rpz-nsip", "name servers, which are in no line"),
        (".rpz-nsdname", "name servers, which are in no line"),
    ] {
        if trigger.ends_with(suffix) {
            return Err(format!("`{}` is about {what}", shown(trigger)));
        }
    }
    let (name, is_below) = trigger.strip_prefix("*.").map_or((trigger, false), |name| (name, true));
    let domain = normal_domain(name).ok_or_else(|| format!("`{}` is no name of a domain", shown(trigger)))?;
    Ok((Observable::Domain(domain), is_below))
}

/// `24.0.2.0.192` is 192.0.2.0/24, `128.1.zz.db8.2001` is 2001:db8::1.
fn address(labels: &str) -> Option<Observable> {
    let (length, rest) = labels.split_once('.')?;
    let parts: Vec<&str> = rest.rsplit('.').collect();
    let text = if parts.len() == 4 && !parts.contains(&"zz") {
        parts.join(".")
    } else {
        let joined = parts.iter().map(|part| if *part == "zz" { "" } else { part }).collect::<Vec<_>>().join(":");
        let before = if parts.first() == Some(&"zz") { ":" } else { "" };
        let behind = if parts.last() == Some(&"zz") { ":" } else { "" };
        format!("{before}{joined}{behind}")
    };
    Observable::read(&format!("{text}/{length}")).filter(|read| matches!(read, Observable::Ip(_) | Observable::Net(_)))
}

fn shown(text: &str) -> String {
    excerpt(text, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<(u32, String)> {
        let mut read = Vec::new();
        rules(content, |line, rule| {
            let shown = match rule {
                Ok(Rule { about, is_below, policy }) => {
                    format!("{policy:?} {}{about}", if is_below { "below " } else { "" })
                }
                Err(problem) => problem,
            };
            read.push((line, shown));
        });
        read
    }

    #[track_caller]
    fn assert_rules(content: &str, expected: &[(u32, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(line, rule)| (*line, (*rule).to_owned())).collect();
        assert_eq!(read(content), expected, "{content}");
    }

    #[test]
    fn every_way_to_withhold_a_name_is_a_rule_and_the_zones_own_records_are_none() {
        assert_rules(
            "$TTL 30\n@ SOA ns.zone. hm.zone. 1 300 1800 604800 30\n NS localhost.\n\
             Evil.example 300 IN CNAME . ; why\n*.evil.example IN 1h CNAME *.\ndropped.example CNAME rpz-drop.\n\
             garden.example A 192.0.2.1\n AAAA 2001:db8::1\nslow.example CNAME rpz-tcp-only.\n",
            &[
                (4, "Withhold evil.example"),
                (5, "Withhold below evil.example"),
                (6, "Withhold dropped.example"),
                (7, "Withhold garden.example"),
                (8, "Withhold garden.example"),
            ],
        );
    }

    #[test]
    fn what_is_let_through_is_no_accusation_in_the_old_form_either() {
        assert_rules(
            "@ SOA a. b. 1\ngood.example CNAME rpz-passthru.\n*.fine.example CNAME rpz-passthru\nold.example CNAME old.example.\n",
            &[(2, "LetThrough good.example"), (3, "LetThrough below fine.example"), (4, "LetThrough old.example")],
        );
    }

    #[test]
    fn addresses_in_reverse_are_networks() {
        assert_rules(
            "@ SOA a. b. 1\n24.0.2.0.192.rpz-ip CNAME .\n32.7.100.51.198.rpz-ip CNAME .\n128.1.zz.db8.2001.rpz-ip CNAME .\n\
             48.zz.db8.2001.RPZ-IP CNAME .\n64.0.0.0.0.0.bc.db8.2001.rpz-ip CNAME .\n",
            &[
                (2, "Withhold 192.0.2.0/24"),
                (3, "Withhold 198.51.100.7"),
                (4, "Withhold 2001:db8::1"),
                (5, "Withhold 2001:db8::/48"),
                (6, "Withhold 2001:db8:bc::/64"),
            ],
        );
    }

    #[test]
    fn a_transferred_zone_has_its_name_taken_off() {
        let rules = [(2, "Withhold evil.example"), (3, "LetThrough good.example")];
        assert_rules(
            "RPZ.test. 300 IN SOA a. b. 1\nevil.example.rpz.test. 300 IN CNAME .\ngood.example.rpz.test. 300 IN CNAME rpz-passthru.\n",
            &rules,
        );
        let rules = rules.map(|(line, rule)| (line + 2, rule));
        for begins in ["$ORIGIN rpz.test.\n@ SOA a. b. 1\n", "$ORIGIN .\nrpz.test SOA a. b. 1\n"] {
            let zone = "$ORIGIN example.rpz.test.\nevil CNAME .\ngood CNAME rpz-passthru.\n";
            assert_rules(&format!("{begins}{zone}"), &rules);
        }
    }

    #[test]
    fn what_cannot_be_compared_is_said_with_its_line() {
        let read = read(
            "@ SOA a. b. 1\nevil.example CNAME\n32.1.2.0.192.rpz-client-ip CNAME .\nns.example.rpz-nsdname CNAME .\n\
             99.1.2.0.192.rpz-ip CNAME .\nevil.example.other. CNAME .\n$INCLUDE more\nplain text\ncom CNAME .\n",
        );
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8, 9]);
        for (problem, (line, text)) in
            ["cut off", "who may ask", "name servers", "in reverse", "$ORIGIN", "not followed", "no type", "no name"]
                .iter()
                .zip(&read)
        {
            assert!(text.contains(problem), "{line}: {text}");
        }
    }

    #[test]
    fn a_record_without_a_name_of_its_own_behind_one_that_is_damaged_accuses_nobody() {
        let long = "x".repeat(300);
        let damaged = ["(".to_owned() + &" \n".repeat(70), format!("{long} A 192.0.2.1\n")];
        for damaged in damaged {
            let read = read(&format!("@ SOA a. b. 1\ngood.example CNAME rpz-passthru.\n{damaged} A 192.0.2.1\n"));
            let rules: Vec<_> = read.iter().filter(|(_, rule)| rule.contains("example")).collect();
            assert_eq!(rules, [&(2, "LetThrough good.example".to_owned())]);
            assert_eq!(read.len(), 3, "{read:?}");
        }
    }

    #[test]
    fn names_that_grow_with_every_origin_have_an_end() {
        for label in ["a", "ab", "abc"] {
            let zone = format!("@ SOA a. b. 1\n{}evil.example CNAME .\n", format!("$ORIGIN {label}\n").repeat(1000));
            let read = read(&zone);
            assert!(read.iter().all(|(_, problem)| problem.contains("255") || problem.contains("$ORIGIN")), "{read:?}");
            assert_eq!(read.last().map(|(line, _)| *line), Some(1002));
        }
    }

    #[test]
    fn a_zone_is_known_by_how_it_begins() {
        for zone in ["; c\n\n$ttl 30\n", "$ORIGIN x.\n", "@ IN SOA a. b. 1", "x. 300 IN SOA a. b. 1"] {
            assert!(is_policy_zone(zone), "{zone}");
        }
        for other in ["", "evil.example\n", "203.0.113.9 ; SBL1\n", "# $TTL\nevil.example\n", "{}", "soa.example"] {
            assert!(!is_policy_zone(other), "{other}");
        }
    }
}
