//! What the helper reads by itself before it does anything: the configuration, the machine's network, who is logged in.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ipnet::IpNet;

use super::guard::Guard;
use super::sessions::Session;
use crate::config::{self, Config};
use crate::device::machine;
use crate::{limits, named_files};

const SESSIONS: &str = "/run/systemd/sessions";
/// Permissions of others to write.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// The configuration, which the daemon must not be able to write.
///
/// # Errors
/// It cannot be read, has findings, or others than root and this process may write it.
fn configuration(path: &Path) -> Result<Config, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let found = fs::metadata(path).map_err(|error| named(format!("it cannot be read: {error}")))?;
    let me = rustix::process::getuid().as_raw();
    if (found.uid() != 0 && found.uid() != me) || found.mode() & WRITTEN_BY_OTHERS != 0 {
        return Err(named("others than root may write it: chown root, chmod go-w".to_owned()));
    }
    config::load(Some(path)).map(|loaded| loaded.config).map_err(|error| error.to_string())
}

/// The configuration, and what must not be acted against by it.
///
/// # Errors
/// As [`configuration`] and [`guard`].
pub fn read(path: &Path) -> Result<(Config, Guard), String> {
    let config = configuration(path)?;
    let guard = guard(&config)?;
    Ok((config, guard))
}

/// What must not be blocked, as of now.
///
/// # Errors
/// The configuration says it in a way that cannot be read.
pub fn guard(config: &Config) -> Result<Guard, String> {
    let respond = &config.respond;
    let device = config.device.get("58");
    let of_device = |key: &str| device.and_then(|table| table.get(key)).cloned();
    let mut protected = respond.protected.clone();
    if let Some(nets) = of_device("protected") {
        let nets: Vec<IpNet> = nets.try_into().map_err(|error| format!("device.58.protected: {error}"))?;
        protected.extend(nets);
    }
    let users = of_device("protected_users").map(toml::Value::try_into).transpose();
    let mut addresses = machine::addresses();
    if let Some(named) = of_device("machine") {
        let named: Vec<_> = named.try_into().map_err(|error| format!("device.58.machine: {error}"))?;
        addresses.extend::<Vec<std::net::IpAddr>>(named);
    }
    Ok(Guard {
        protected,
        protected_users: users.map_err(|error| format!("device.58.protected_users: {error}"))?.unwrap_or_default(),
        machine: addresses,
        sessions: sessions(),
        prefix_v4: respond.prefix_v4,
        prefix_v6: respond.prefix_v6,
        ttl_max: respond.ttl_max.get(),
    })
}

/// None where there is no systemd-logind.
fn sessions() -> Vec<Session> {
    let files = fs::read_dir(SESSIONS).into_iter().flatten().take(limits::RESPOND_SESSIONS_MAX);
    let texts = files.filter_map(|file| named_files::text(&file.ok()?.path(), limits::RESPOND_FILE_BYTES_MAX).ok());
    texts.filter_map(|text| Session::read(&text)).collect()
}

/// The number of a user: itself, or as `/etc/passwd` has it.
pub fn user_id(user: &str) -> Option<u32> {
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
    };
    let known = || fs::read_to_string("/etc/passwd").ok()?.lines().find_map(of_line);
    user.parse().ok().or_else(known)
}
