//! An event as STIX writes it: cyber observable objects (STIX 2.1, section 6) that refer to each other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::observable::{Observable, find_in_record};
use super::sigma::normal::field;
use crate::event::Record;
use crate::limits::STIX_OBJECTS_MAX;

/// What the record names, without what `is_left_out`. Ids are names that only mean something among these objects.
pub fn objects(record: &Record, is_left_out: impl Fn(&Observable) -> bool) -> BTreeMap<String, Value> {
    let mut objects = Objects { by_id: BTreeMap::new(), is_left_out: &is_left_out };
    let entity = &record.entity;
    let source = entity.src_ip.as_deref().and_then(|ip| objects.text(ip));
    let target = entity.dst_ip.as_deref().and_then(|ip| objects.text(ip));
    let name = entity.domain.as_deref().and_then(|name| objects.text(name));
    let user = entity
        .user
        .as_deref()
        .map(|user| objects.add("user", json!({"type": "user-account", "user_id": user, "account_login": user})));
    objects.traffic(record, source, target.or(name));
    let file = entity.file.as_deref().map(|path| objects.file("file", path, &BTreeMap::new()));
    objects.process(record, user);
    objects.found(record, file.as_deref());
    objects.by_id
}

struct Objects<'a> {
    by_id: BTreeMap<String, Value>,
    is_left_out: &'a dyn Fn(&Observable) -> bool,
}

impl Objects<'_> {
    fn add(&mut self, id: &str, object: Value) -> String {
        if self.by_id.len() < STIX_OBJECTS_MAX {
            self.by_id.entry(id.to_owned()).or_insert(object);
        }
        id.to_owned()
    }

    fn text(&mut self, text: &str) -> Option<String> {
        self.observable(&Observable::read(text)?)
    }

    /// Its id is its value, so that it is there once.
    fn observable(&mut self, value: &Observable) -> Option<String> {
        let kind = match value {
            Observable::Ip(IpAddr::V4(_)) => "ipv4-addr",
            Observable::Ip(IpAddr::V6(_)) => "ipv6-addr",
            Observable::Domain(_) => "domain-name",
            Observable::Url(_) => "url",
            Observable::Email(_) => "email-addr",
            Observable::Endpoint(_) | Observable::Net(_) | Observable::Hash(_) | Observable::Fingerprint(_) => {
                return None;
            }
        };
        let text = value.to_string();
        let id = format!("{kind}--{text}");
        (!(self.is_left_out)(value)).then(|| self.add(&id, json!({"type": kind, "value": text})))
    }

    fn traffic(&mut self, record: &Record, source: Option<String>, target: Option<String>) {
        let ports = [("src_port", record.src_port), ("dst_port", record.entity.dst_port)];
        let request = request(record);
        let has_ports = ports.iter().any(|(_, port)| port.is_some());
        if !has_ports && request.is_none() && (source.is_none() || target.is_none()) {
            return;
        }
        let mut traffic = Map::from_iter([("type".to_owned(), "network-traffic".into())]);
        for (key, id) in [("src_ref", source), ("dst_ref", target)] {
            traffic.extend(id.map(|id| (key.to_owned(), id.into())));
        }
        traffic.extend(ports.into_iter().filter_map(|(key, port)| Some((key.to_owned(), port?.into()))));
        let transport = record.first_of(&["protocol", "proto", "network.transport"]).map(str::to_ascii_lowercase);
        let protocols: Vec<Value> =
            transport.into_iter().chain(request.is_some().then(|| "http".to_owned())).map(Value::from).collect();
        traffic.insert("protocols".to_owned(), protocols.into());
        if let Some(request) = request {
            traffic.insert("extensions".to_owned(), json!({"http-request-ext": request}));
        }
        self.add("traffic", traffic.into());
    }

    fn process(&mut self, record: &Record, user: Option<String>) {
        let name = record.entity.process.as_deref().or(record.program.as_deref());
        if record.command.is_none() && record.entity.process.is_none() {
            return;
        }
        let mut process = Map::from_iter([("type".to_owned(), "process".into())]);
        process.extend(record.pid.map(|pid| ("pid".to_owned(), pid.into())));
        process.extend(record.command.as_ref().map(|command| ("command_line".to_owned(), command.as_str().into())));
        process.extend(user.map(|user| ("creator_user_ref".to_owned(), user.into())));
        if let Some(name) = name {
            // STIX 2.0 has the name at the process itself.
            process.insert("name".to_owned(), name.rsplit('/').next().unwrap_or(name).into());
            process.insert("image_ref".to_owned(), self.file("image", name, &BTreeMap::new()).into());
        }
        self.add("process", process.into());
    }

    fn file(&mut self, id: &str, path: &str, hashes: &BTreeMap<&'static str, String>) -> String {
        let mut file = Map::from_iter([("type".to_owned(), "file".into())]);
        if !path.is_empty() {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            file.insert("name".to_owned(), name.into());
            if !folder.is_empty() {
                let folder = self.add(&format!("{id}-folder"), json!({"type": "directory", "path": folder}));
                file.insert("parent_directory_ref".to_owned(), folder.into());
            }
        }
        if !hashes.is_empty() {
            file.insert("hashes".to_owned(), json!(hashes));
        }
        self.add(id, file.into())
    }

    /// What the text and the other fields name. Hashes are those of the file, where there is one and only one of each kind.
    fn found(&mut self, record: &Record, file: Option<&str>) {
        let mut hashes: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        find_in_record(record, |value| match value {
            Observable::Hash(hash) => hashes.entry(hash_name(&hash)).or_default().push(hash),
            value => drop(self.observable(&value)),
        });
        hashes.values_mut().for_each(|values| values.dedup());
        if hashes.values().all(|values| values.len() == 1) && !hashes.is_empty() {
            let hashes: BTreeMap<&'static str, String> =
                hashes.into_iter().filter_map(|(name, values)| Some((name, values.into_iter().next()?))).collect();
            match file.and_then(|file| self.by_id.get_mut(file)) {
                Some(Value::Object(file)) => drop(file.insert("hashes".to_owned(), json!(hashes))),
                _ => drop(self.file("file", "", &hashes)),
            }
            return;
        }
        for (name, hash) in
            hashes.into_iter().flat_map(|(name, hashes)| hashes.into_iter().map(move |hash| (name, hash)))
        {
            self.file(&format!("file--{hash}"), "", &BTreeMap::from([(name, hash)]));
        }
    }
}

fn hash_name(hash: &str) -> &'static str {
    match hash.len() {
        32 => "MD5",
        40 => "SHA-1",
        _ => "SHA-256",
    }
}

/// `http-request-ext`
fn request(record: &Record) -> Option<Value> {
    let method = field(record, "http.request.method")?;
    let target = field(record, "url.original")?;
    let mut request = json!({"request_method": method.to_ascii_lowercase(), "request_value": target});
    if let (Some(agent), Some(request)) = (field(record, "user_agent.original"), request.as_object_mut()) {
        request.insert("request_header".to_owned(), json!({"User-Agent": agent}));
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::stix::Pattern;
    use crate::event::Entity;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn record() -> Record {
        let fields = [
            ("proto", "TCP"),
            ("cs-method", "POST"),
            ("c-uri", "/login.php?a=1"),
            ("cs-user-agent", "bad-agent/1"),
            ("sha256", "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"),
        ];
        let entity = Entity {
            user: text("root"),
            src_ip: text("192.0.2.7"),
            dst_ip: text("2001:db8::1"),
            dst_port: Some(443),
            process: text("/usr/bin/curl"),
            file: text("/tmp/.x/dropper"),
            ..Entity::default()
        };
        Record {
            message: "fetched https://evil.example/a for x@mail.example".into(),
            fields: fields.map(|(name, value)| (name.into(), value.into())).to_vec(),
            command: text("curl -s https://evil.example/a"),
            pid: Some(42),
            src_port: Some(5555),
            entity,
            ..Record::default()
        }
    }

    #[test]
    fn everything_that_an_event_tells_is_an_object_of_stix() {
        let objects = objects(&record(), |_| false);
        for pattern in [
            "[ipv4-addr:value = '192.0.2.7']",
            "[ipv6-addr:value ISSUBSET '2001:db8::/32']",
            "[url:value MATCHES '^https://evil[.]example/']",
            "[domain-name:value LIKE '%.example']",
            "[email-addr:value = 'x@mail.example']",
            "[user-account:account_login = 'root']",
            "[network-traffic:src_ref.value = '192.0.2.7' AND network-traffic:dst_port = 443 \
              AND network-traffic:protocols[*] = 'tcp' AND network-traffic:src_port > 1024]",
            "[network-traffic:extensions.'http-request-ext'.request_value LIKE '/login.php%' \
              AND network-traffic:extensions.'http-request-ext'.request_method = 'post' \
              AND network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'bad-agent/1']",
            "[file:name = 'dropper' AND file:parent_directory_ref.path = '/tmp/.x' AND file:hashes.'SHA-256' = \
              'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855']",
            "[process:command_line LIKE 'curl %' AND process:image_ref.name = 'curl' AND process:pid = 42 \
              AND process:creator_user_ref.user_id = 'root']",
            "[process:name = 'curl']",
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().holds(&objects), Ok(1), "{pattern}: {objects:#?}");
        }
    }

    #[test]
    fn what_is_allowed_is_no_object() {
        let is_allowed = |value: &Observable| matches!(value, Observable::Ip(_));
        let objects = objects(&record(), is_allowed);
        assert_eq!(Pattern::parse("[ipv4-addr:value LIKE '%']").unwrap().holds(&objects), Ok(0));
        assert_eq!(Pattern::parse("[network-traffic:dst_port = 443]").unwrap().holds(&objects), Ok(1));
    }

    #[test]
    fn a_line_that_names_very_much_gives_no_more_than_so_many_objects() {
        let message: Vec<String> = (0..10_000).map(|number| format!("a{number}.example")).collect();
        let objects = objects(&Record { message: message.join(" "), ..Record::default() }, |_| false);
        assert_eq!(objects.len(), STIX_OBJECTS_MAX);
    }
}
