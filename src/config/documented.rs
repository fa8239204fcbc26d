//! Tests of the commented configuration file against the schema, and that file as a configuration for other tests.

use toml::{Table, Value};

use super::Config;
use super::check::check;
use super::read::read;
use crate::device::DEVICES;

const FILE: &str = include_str!("../../config/dsmil.toml");

/// The file with every key in force: a line `#key = …` or `#[section]` is one, a line `# text` is prose.
pub fn uncommented() -> Table {
    let text: String = FILE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => key,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    text.parse().unwrap()
}

/// A configuration with every section and every key.
pub fn full() -> Config {
    uncommented().try_into().unwrap()
}

/// The configuration as read when every table has one key too many: each finding lists the keys of its table.
fn key_lists(tree: Table) -> Vec<(String, Vec<String>)> {
    fn spoil(value: &mut Value) {
        match value {
            Value::Table(table) => {
                table.iter_mut().for_each(|(_, value)| spoil(value));
                table.insert("qqqqqqqqqqqqqqqqqqqq".to_owned(), Value::from(0));
            }
            Value::Array(array) => array.iter_mut().for_each(spoil),
            _ => {}
        }
    }
    let mut tree = Value::Table(tree);
    spoil(&mut tree);
    let findings = read(tree.try_into().unwrap(), &[]).findings;
    let list = |remedy: &str| remedy.strip_prefix("the keys here are ").map(str::to_owned);
    findings
        .into_iter()
        .filter_map(|finding| Some((finding.key, list(&finding.remedy)?)))
        .map(|(key, keys)| (key, keys.split(", ").map(str::to_owned).collect()))
        .collect()
}

#[test]
fn the_file_as_it_is_installed_has_no_findings() {
    let reading = read(FILE.parse().unwrap(), &[]);
    assert_eq!(reading.findings, []);
    assert_eq!(check(&reading.config, &reading.broken), []);
}

#[test]
fn the_demo_needs_nothing_outside_the_checkout() {
    let reading = read(include_str!("../../config/demo.toml").parse().unwrap(), &[]);
    assert_eq!(reading.findings, []);
    let config = reading.config;
    assert_eq!(check(&config, &reading.broken), []);
    assert!(config.daemon.print_events && config.http.listen.ip().is_loopback());
    let outside = (config.redis, config.archive, config.shrink, config.loki, config.flat_log);
    assert_eq!(outside, (None, None, None, None, None));
    let files = config.intake.file.iter().map(|file| &file.path);
    let paths = files.chain(&config.l3.rules).chain([&config.store.path, &config.daemon.state_dir]);
    for path in paths {
        assert!(path.is_relative(), "{}", path.display());
    }
}

#[test]
fn every_example_in_the_file_can_be_uncommented() {
    assert_eq!(read(uncommented(), &[]).findings, []);
}

#[test]
fn every_key_of_the_schema_is_in_the_file() {
    let tree = uncommented();
    let lists = key_lists(tree.clone());
    assert!(lists.len() >= 17, "{lists:#?}");
    let tree = Value::Table(tree);
    for (spoiled, keys) in lists {
        // The last step is the key too many.
        let path = spoiled.rsplit_once('.').map_or("", |(path, _)| path);
        let table = path
            .split('.')
            .filter(|step| !step.is_empty())
            .fold(&tree, |value, step| step.strip_suffix("[0]").map_or_else(|| &value[step], |array| &value[array][0]));
        for key in keys {
            let missing = "is not in config/dsmil.toml: describe it there, with `#` in front unless it is the default";
            assert!(table.get(&key).is_some(), "{path}.{key} {missing}");
        }
    }
}

/// Each device reads its own table: the schema does not know these keys.
#[test]
fn every_key_of_a_device_is_in_the_file_with_a_value_that_the_device_takes() {
    let tables = uncommented();
    let mut keys_found = 0;
    for device in DEVICES {
        let table = tables["device"][&device.number.to_string()].as_table().unwrap();
        if let Err(findings) = (device.prepare)(table) {
            panic!("device.{}: {findings:#?}", device.number);
        }
        let spoiled = Table::from_iter([("qqqqqqqqqqqqqqqqqqqq".to_owned(), Value::from(0))]);
        let Err(findings) = (device.prepare)(&spoiled) else { panic!("device.{} takes any key", device.number) };
        // The remedy names the keys that there are: expected one of `a`, `b`.
        for key in findings.iter().flat_map(|finding| finding.remedy.split('`').skip(1).step_by(2)) {
            let missing = "is not in config/dsmil.toml: describe it there, with `#` in front unless it is the default";
            assert!(table.contains_key(key), "device.{}.{key} {missing}", device.number);
            keys_found += 1;
        }
    }
    assert!(keys_found > 15, "{keys_found} keys: do findings still name the keys that there are?");
}

/// What the file says about values that hold without it.
#[test]
fn the_file_shows_the_defaults() {
    let (full, default) = (full(), Config::default());
    assert_eq!(full.daemon, default.daemon);
    assert_eq!(full.log, default.log);
    assert_eq!(full.http.listen, default.http.listen);
    assert_eq!(full.store, default.store);
    assert_eq!(full.shrink, Some(super::Shrink::default()));
    assert_eq!(full.intake.http, default.intake.http);
    assert_eq!((full.l3, full.l4, full.fusion), (default.l3, default.l4, default.fusion));
    assert_eq!(full.supervisor, default.supervisor);
    let archive: super::Archive = toml::from_str("url = \"postgres://dsmil@127.0.0.1/dsmil\"").unwrap();
    assert_eq!(
        full.archive,
        Some(super::Archive { password_file: full.archive.clone().unwrap().password_file, ..archive })
    );
    let redis: super::Redis = toml::from_str("url = \"redis://h\"").unwrap();
    let written = full.redis.unwrap();
    assert_eq!((written.maxlen, &written.key_prefix), (redis.maxlen, &redis.key_prefix));
    for stream in crate::event::Stream::ALL {
        assert_eq!(written.role(stream), redis.role(stream), "{stream}");
    }
}
