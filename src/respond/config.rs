//! `[respond]`: what approving a proposal does, and within which bounds.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::executor::Executor;
use crate::config::{Judge, Span};
use crate::event::Severity;
use crate::limits;

/// What approving a proposal leads to; each does more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is recorded, and nothing else: whoever approves carries it out.
    #[default]
    Propose,
    /// The kernel is asked whether it would take it, and nothing changes.
    Simulate,
    /// It is carried out.
    Approve,
    /// As `approve`; and what `[respond.automatic]` names is approved by the daemon itself.
    Automatic,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Simulate => "simulate",
            Self::Approve => "approve",
            Self::Automatic => "automatic",
        }
    }
}

/// `[respond]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Respond {
    pub mode: Mode,
    /// Networks of which nothing is ever blocked, besides those of `[device.58]`.
    pub protected: Vec<IpNet>,
    /// Actions in any hour. The helper counts for itself.
    pub budget: u64,
    /// The largest networks that are blocked, as lengths of their prefixes.
    pub prefix_v4: u8,
    pub prefix_v6: u8,
    /// No block lasts longer.
    pub ttl_max: Span,
    /// Whether this machine's kernel blocks. Without it, whoever reads the ban list does.
    pub nftables: bool,
    /// Where the helper listens.
    pub socket: PathBuf,
    /// A file with all that is blocked now, for firewalls of other machines.
    pub ban_list: Option<PathBuf>,
    pub accounts: Accounts,
    pub runner: Runner,
    pub automatic: Automatic,
    /// What the kernel calls this machine; no key.
    #[serde(skip)]
    pub host: Option<String>,
}

/// `[respond.accounts]`: whether `lock_user` is carried out, and of whom.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    pub enabled: bool,
    /// Accounts with smaller numbers are of programs.
    pub uid_min: u32,
    /// Whether who is locked is thrown out as well.
    pub end_sessions: bool,
    /// Where the helper for accounts listens.
    pub socket: PathBuf,
    /// What logs call this machine, besides its own name.
    pub hosts: Vec<String>,
}

/// `[respond.automatic]`: what needs nobody's approval in the mode `automatic`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Automatic {
    /// Of this severity or worse.
    pub severity: Severity,
    pub actions: Vec<Action>,
}

/// `[respond.runner]`: who is handed playbooks, and of which proposals.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runner {
    /// Where a playbook is posted. Without it nobody is handed any.
    pub url: Option<String>,
    pub token_file: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM.
    pub tls_ca_file: Option<PathBuf>,
    /// For the answer to begin.
    pub timeout: Span,
    /// What it does and nobody here.
    pub actions: Vec<Action>,
}

/// What a proposal may be to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    BlockAddress,
    LockUser,
    BlockDomain,
    EndSessions,
    IsolateHost,
    SnapshotEvidence,
    RotateKey,
}

impl Action {
    const ALL: [Self; 7] = [
        Self::BlockAddress,
        Self::LockUser,
        Self::BlockDomain,
        Self::EndSessions,
        Self::IsolateHost,
        Self::SnapshotEvidence,
        Self::RotateKey,
    ];

    /// As a proposal calls it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::BlockAddress => "block_address",
            Self::LockUser => "lock_user",
            Self::BlockDomain => "block_domain",
            Self::EndSessions => "end_sessions",
            Self::IsolateHost => "isolate_host",
            Self::SnapshotEvidence => "snapshot_evidence",
            Self::RotateKey => "rotate_key",
        }
    }
}

impl Respond {
    /// Who carries this out; `None` where nobody does.
    pub fn executor(&self, action: Action) -> Option<Executor> {
        match action {
            action if self.runner.url.is_some() && self.runner.actions.contains(&action) => Some(Executor::Runner),
            Action::BlockAddress if self.nftables => Some(Executor::Nftables),
            Action::BlockAddress => Some(Executor::BanList),
            Action::LockUser => self.accounts.enabled.then_some(Executor::Accounts),
            _ => None,
        }
    }
}

impl Default for Respond {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            protected: Vec::new(),
            budget: 20,
            prefix_v4: 32,
            prefix_v6: 64,
            ttl_max: Span::from_millis(24 * 3600 * 1000),
            nftables: true,
            socket: PathBuf::from("/run/dsmil-respond.sock"),
            ban_list: None,
            accounts: Accounts::default(),
            runner: Runner::default(),
            automatic: Automatic::default(),
            host: None,
        }
    }
}

impl Default for Runner {
    fn default() -> Self {
        use Action::{BlockDomain, EndSessions, IsolateHost, RotateKey, SnapshotEvidence};
        Self {
            url: None,
            token_file: None,
            tls_ca_file: None,
            timeout: Span::from_millis(10_000),
            actions: vec![BlockDomain, EndSessions, IsolateHost, SnapshotEvidence, RotateKey],
        }
    }
}

impl Default for Accounts {
    fn default() -> Self {
        let socket = PathBuf::from("/run/dsmil-respond-accounts.sock");
        Self { enabled: false, uid_min: 1000, end_sessions: false, socket, hosts: Vec::new() }
    }
}

impl Default for Automatic {
    fn default() -> Self {
        Self { severity: Severity::Critical, actions: vec![Action::BlockAddress] }
    }
}

/// Every relation that does not hold.
pub fn check(respond: &Respond, judge: &mut Judge<'_>) {
    let budget = 1..=limits::RESPOND_BUDGET_MAX;
    judge.expect(
        budget.contains(&respond.budget),
        &["respond.budget"],
        "is no number of actions in an hour",
        format!("from 1 to {}; with mode = \"propose\" there are none", limits::RESPOND_BUDGET_MAX),
    );
    let lengths = [
        ("respond.prefix_v4", respond.prefix_v4, limits::RESPOND_PREFIX_V4_MIN, 32),
        ("respond.prefix_v6", respond.prefix_v6, limits::RESPOND_PREFIX_V6_MIN, 128),
    ];
    for (key, length, shortest, longest) in lengths {
        let remedy = format!("from {shortest} to {longest}: with less, many who did nothing are blocked along");
        judge.expect((shortest..=longest).contains(&length), &[key], "is no such length of a prefix", remedy);
    }
    judge.expect(
        respond.ttl_max.get() <= limits::RESPOND_TTL_MAX && respond.ttl_max.get().as_secs() >= 1,
        &["respond.ttl_max"],
        "is not how long a block may last",
        "from \"1s\" to \"30d\"",
    );
    for (key, socket, unit) in [
        ("respond.socket", &respond.socket, "dsmil-respond.socket"),
        ("respond.accounts.socket", &respond.accounts.socket, "dsmil-respond-accounts.socket"),
    ] {
        judge.expect_path(key, socket);
        let is_whole = socket.is_absolute() || socket == Path::new("");
        judge.expect(is_whole, &[key], "is relative", format!("write where {unit} listens, from the root on"));
    }
    judge.expect(
        respond.accounts.uid_min > 0,
        &["respond.accounts.uid_min"],
        "is root's number",
        "1000 on most machines: smaller ones are of programs",
    );
    check_runner(&respond.runner, judge);
    if let Some(path) = &respond.ban_list {
        judge.expect(
            path.is_absolute() && path.file_name().is_some(),
            &["respond.ban_list"],
            "is no path of a file from the root on",
            "write one in a folder that the daemon may write, as \"/run/dsmil/bans.txt\"",
        );
    }
    judge.expect(
        respond.mode != Mode::Automatic || !respond.automatic.actions.is_empty(),
        &["respond.automatic.actions", "respond.mode"],
        "is empty although the mode is \"automatic\"",
        "name what needs nobody's approval, as [\"block_address\"], or write mode = \"approve\"",
    );
    judge.expect(
        respond.mode != Mode::Automatic || respond.automatic.severity >= Severity::High,
        &["respond.automatic.severity", "respond.mode"],
        "is too little to act on without anybody",
        "HIGH or CRITICAL",
    );
}

fn check_runner(runner: &Runner, judge: &mut Judge<'_>) {
    let Some(url) = &runner.url else { return };
    let key = "respond.runner.url";
    judge.expect_url(key, url, &["http", "https"], "write a token to a file and name it in respond.runner.token_file");
    let is_here = ["http://127.0.0.1", "http://[::1]", "http://localhost"]
        .iter()
        .any(|here| url.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    judge.expect(
        url.starts_with("https://") || is_here,
        &[key],
        "sends playbooks and the token where everybody on the way can read them",
        "write https://…; http is for a runner on this machine",
    );
    judge.expect(
        runner.tls_ca_file.is_none() || url.starts_with("https://"),
        &["respond.runner.tls_ca_file", key],
        "is set although respond.runner.url does not use TLS",
        "write https://…, or remove it",
    );
    judge.expect(
        (1..=limits::RESPOND_RUNNER_TIMEOUT_MAX.as_millis()).contains(&runner.timeout.get().as_millis()),
        &["respond.runner.timeout"],
        "is not how long to wait for an answer",
        "from \"1ms\" to \"25s\"",
    );
    judge.expect(
        !runner.actions.is_empty(),
        &["respond.runner.actions", key],
        "is empty although there is a runner",
        "name what it is to do, as [\"isolate_host\"], or remove respond.runner.url",
    );
}
