//! Arguments of the commands, for `main` to embed.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::subcommands::{BansCommand, IncidentCommand, ProposalCommand, SilenceCommand};
use crate::event::{EventId, Stream};

#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Show the health of a running daemon; exit 1 when it is not ready, 69 when there is none
    Status {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// Show what is read, how much comes, and why something is not read; exit 1 when a source is down
    Sources {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// Search SOC events, the newest first; exit 69 when there is no daemon, 1 when the question is wrong
    Events {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        asked: EventsArgs,
    },
    /// Show all that is known of one user, address or machine: how bad it is, since when, what it touched, and what was done about it
    Entity {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// address, user, host, process, domain, file or hash
        kind: String,
        /// Like 203.0.113.7
        value: String,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// Follow a stream, one line an event
    Tail {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// L3_IN, L3_OUT, L4_IN, L4_OUT, SHRINK, SOC_EVENTS or TICK
        stream: Stream,
        /// Begin after this event instead of with the next one; 0-0 is the oldest kept
        #[arg(long, conflicts_with = "last")]
        after: Option<EventId>,
        /// Only events that pass, see `dsmild events --help`
        #[arg(long = "where", value_name = "FILTER")]
        filter: Option<String>,
        /// Begin with the last so many events (1 to 1000) instead of with the next one
        #[arg(short = 'n', long = "last", value_name = "N")]
        last: Option<usize>,
        /// One JSON object an event
        #[arg(long)]
        json: bool,
    },
    /// Tell why an event or an incident is there, down to each line that it follows from
    Explain {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Like 1763856000123-4
        id: EventId,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// List incidents, show one, and say what becomes of it
    Incidents {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(subcommand)]
        command: IncidentCommand,
    },
    /// List proposals, show one, and decide on it
    Proposals {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(subcommand)]
        command: ProposalCommand,
    },
    /// List who is blocked now: what firewalls of other machines are told
    Bans {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(subcommand)]
        command: BansCommand,
    },
    /// List what is silenced, silence something for a time, and end that: it is stored and counted, and nobody is told of it
    Silence {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(subcommand)]
        command: SilenceCommand,
    },
    /// Check the hash chain of the audit log, and that it ends as the daemon remembers; --url asks a running one
    Verify {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Another file than audit.log in daemon.state_dir
        file: Option<PathBuf>,
        /// What each place that remembers it says, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Watch actors, rates and SOC events on a live screen; q quits
    Top {
        #[command(flatten)]
        connection: ConnectionArgs,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub struct EventsArgs {
    /// Like 'severity >= HIGH and src_ip in 203.0.113.0/24 and not device = 51 and rule ~ "scan"'. Words that are no
    /// comparison are searched for anywhere in an event; a field that there is none of is answered with the list of those that there are
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
    /// Not before: a duration before now or a time, like 2h, 7d or 2026-11-18T02:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before: the same
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub count: usize,
    /// The oldest first
    #[arg(long)]
    pub oldest: bool,
    /// One JSON object an event
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionArgs {
    /// Configuration that names the daemon's address and files
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Like unix:/run/dsmil/api.sock or http://127.0.0.1:8600; default: http.socket of the configuration where it can be
    /// opened, else http.listen
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// File whose first line is a token with the role that is needed, read or respond; default: the first one in http.tokens_file, if readable
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// Certificates to trust, PEM: authorities, or the daemon's own; default: http.tls_cert_file
    #[arg(long, value_name = "FILE", global = true)]
    pub ca_file: Option<PathBuf>,
}

impl ClientCommand {
    /// `-c`, for whoever loads the configuration.
    pub fn config(&self) -> Option<&Path> {
        let (Self::Status { connection, .. }
        | Self::Sources { connection, .. }
        | Self::Events { connection, .. }
        | Self::Entity { connection, .. }
        | Self::Tail { connection, .. }
        | Self::Explain { connection, .. }
        | Self::Incidents { connection, .. }
        | Self::Proposals { connection, .. }
        | Self::Bans { connection, .. }
        | Self::Silence { connection, .. }
        | Self::Verify { connection, .. }
        | Self::Top { connection }) = self;
        connection.config.as_deref()
    }
}
