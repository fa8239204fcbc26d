//! Arguments of the commands, for `main` to embed.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::subcommands::{IncidentCommand, ProposalCommand};
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
    /// Follow a stream, one line an event
    Tail {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// L3_IN, L3_OUT, L4_IN, L4_OUT, SHRINK, SOC_EVENTS or TICK
        stream: Stream,
        /// Begin after this event instead of with the next one; 0-0 is the oldest kept
        #[arg(long)]
        after: Option<EventId>,
        /// One JSON object an event
        #[arg(long)]
        json: bool,
    },
    /// Show the chain from an event back to its raw line
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
    /// Check the hash chain of the audit log, and that it ends as the daemon remembers; --url asks a running one
    Verify {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Another file than audit.log in daemon.state_dir
        file: Option<PathBuf>,
    },
    /// Watch actors, rates and SOC events on a live screen; q quits
    Top {
        #[command(flatten)]
        connection: ConnectionArgs,
    },
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
        | Self::Tail { connection, .. }
        | Self::Explain { connection, .. }
        | Self::Incidents { connection, .. }
        | Self::Proposals { connection, .. }
        | Self::Verify { connection, .. }
        | Self::Top { connection }) = self;
        connection.config.as_deref()
    }
}
