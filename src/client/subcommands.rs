//! What can be asked of incidents, proposals, bans and silences.

use clap::{Args, Subcommand, ValueEnum};

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
    /// The same was proposed again before anybody decided
    Superseded,
}

#[derive(Debug, Subcommand)]
pub enum BansCommand {
    /// Each address or network once, with until when and by which proposal
    List {
        /// One address or network a line, and nothing else
        #[arg(long, conflicts_with = "json")]
        plain: bool,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Those in force first, and of these the one that ends first
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<SilenceState>,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
    /// Silence what all that is named covers, until a time that must be named
    Add(Box<Wanted>),
    /// End one before its time
    #[command(visible_alias = "remove")]
    End {
        id: String,
        #[arg(long, default_value = "")]
        note: String,
        /// The answer as it came
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub struct Wanted {
    /// The name of a rule or detector, as in the reasons of an event, or a flag
    #[arg(long)]
    pub rule: Option<String>,
    /// Like user=backup; a kind is user, host, ip, src_ip, dst_ip, process, domain or file
    #[arg(long, value_name = "KIND=VALUE")]
    pub entity: Option<String>,
    /// Of an address on either side, like 192.0.2.0/28
    #[arg(long)]
    pub network: Option<String>,
    /// In the language of `dsmild events --where`, without times
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
    /// How long, like 8h or 7d
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until", conflicts_with = "until")]
    pub span: Option<String>,
    /// Until when, like 2026-11-18T02:00Z
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// From when; without it from now on
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    #[arg(long, default_value = "")]
    pub comment: String,
    /// The answer as it came
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SilenceState {
    Active,
    Pending,
    Expired,
    Ended,
}
