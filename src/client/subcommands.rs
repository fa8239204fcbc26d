//! What can be asked of incidents and proposals.

use clap::{Subcommand, ValueEnum};

use crate::event::EventId;

#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    /// Those that something was last heard of come first
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<IncidentState>,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one
    Show {
        id: String,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// Say that somebody looks after it
    Acknowledge {
        id: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Say what it turned out to be
    Close {
        id: String,
        /// An attack, nothing of the kind, or something that was allowed
        #[arg(long = "as", value_name = "WHAT")]
        resolution: Resolution,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Write something down about it
    Note { id: String, text: String },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum IncidentState {
    Open,
    Acknowledged,
    Closed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Resolution {
    True,
    False,
    Benign,
}

impl Resolution {
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "true_positive",
            Self::False => "false_positive",
            Self::Benign => "benign_true_positive",
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// The newest first
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<ProposalState>,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// The commands of one, why they are proposed, and how they are taken back
    Show {
        /// Like 1763856000123-4
        id: EventId,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// Approve it; what that leads to is in the list and in the answer, and respond.mode says it
    Approve {
        id: EventId,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Record that it is not to be done
    Reject {
        id: EventId,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Take back what was carried out
    Undo {
        id: EventId,
        #[arg(long, default_value = "")]
        note: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProposalState {
    Pending,
    Approved,
    Rejected,
    Expired,
}
