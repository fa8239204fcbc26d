//! `[redis]`: its keys, and what must hold between them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Judge;
use crate::event::Stream;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamRole {
    /// Others write, we read by consumer group.
    Ingest,
    /// We write.
    Mirror,
    Off,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://`, `rediss://` (TLS), `redis+unix://`, `redis-cluster://`; no password in it: see `password_file`.
    pub url: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    #[serde(default)]
    pub key_prefix: String,
    /// Entries kept of each mirrored stream, approximately.
    #[serde(default = "Redis::maxlen")]
    pub maxlen: u64,
    #[serde(default)]
    pub streams: BTreeMap<Stream, StreamRole>,
}

impl Redis {
    fn maxlen() -> u64 {
        1_000_000
    }

    /// The key of a stream.
    pub fn key(&self, stream: Stream) -> String {
        format!("{}{stream}", self.key_prefix)
    }

    /// The role of a stream; without an entry, inputs are ingested and outputs mirrored.
    pub fn role(&self, stream: Stream) -> StreamRole {
        self.streams.get(&stream).copied().unwrap_or(match stream {
            Stream::L3In | Stream::L4In => StreamRole::Ingest,
            Stream::L3Out | Stream::L4Out | Stream::SocEvents => StreamRole::Mirror,
            Stream::Shrink | Stream::Tick => StreamRole::Off,
        })
    }
}

/// Every relation that does not hold.
pub fn check(redis: &Redis, judge: &mut Judge<'_>) {
    let schemes = ["redis", "rediss", "redis-cluster", "rediss-cluster", "redis+unix"];
    judge.expect_url(
        "redis.url",
        &redis.url,
        &schemes,
        "write the password to a file and name it in redis.password_file",
    );
    judge.expect_name("redis.key_prefix", &redis.key_prefix);
    judge.expect(redis.maxlen > 0, &["redis.maxlen"], "0 would keep nothing", "at least 1");
    judge.expect(
        redis.username.is_none() || redis.password_file.is_some(),
        &["redis.username", "redis.password_file"],
        "is set without redis.password_file",
        "name the file with its password",
    );
    judge.expect(
        redis.tls_ca_file.is_none() || redis.url.starts_with("rediss"),
        &["redis.tls_ca_file", "redis.url"],
        "is set although redis.url does not use TLS",
        "write rediss://…, or remove it",
    );
    for stream in [Stream::SocEvents, Stream::Shrink, Stream::Tick] {
        judge.expect(
            redis.role(stream) != StreamRole::Ingest,
            &[&format!("redis.streams.{stream}")],
            "is written by this daemon and cannot be ingested",
            "\"mirror\" or \"off\"",
        );
    }
}
