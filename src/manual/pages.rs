//! What the manual page of each command has beside its options: exit codes, files and examples. Pure.

/// An exit code and what it means.
pub type Exit = (u8, &'static str);
/// A command line and what it is for.
pub type Example = (&'static str, &'static str);

pub struct Page {
    /// As the page is called, `dsmild-tail`.
    pub name: &'static str,
    pub exits: &'static [Exit],
    pub files: &'static [(&'static str, &'static str)],
    pub examples: &'static [Example],
}

const USAGE: Exit = (2, "The command line is wrong.");
const CONFIG: Exit = (78, "The configuration cannot be used; every reason is on standard error.");
const NO_DAEMON: Exit = (69, "No daemon answers.");
const INPUT: Exit = (65, "A file cannot be read.");

const ASKS: &[Exit] = &[(0, "It is done."), (1, "The daemon refuses, or its answer is bad."), USAGE, NO_DAEMON, CONFIG];
const STATUS: &[Exit] =
    &[(0, "The daemon is ready."), (1, "It is not ready, or its answer is bad."), USAGE, NO_DAEMON, CONFIG];
const SOURCES: &[Exit] =
    &[(0, "Every source is read."), (1, "A source is down, or the answer is bad."), USAGE, NO_DAEMON, CONFIG];
const VERIFY: &[Exit] = &[
    (0, "The file is whole, and ends as every place that could be asked remembers it."),
    (1, "It was changed, cut or replaced, or cannot be read."),
    USAGE,
    (69, "--url names a daemon, and none answers there."),
    CONFIG,
];
const RUN: &[Exit] = &[
    (0, "It was ended by SIGTERM or SIGINT."),
    (1, "It could not start, or a part that it cannot be without failed for good."),
    USAGE,
    CONFIG,
];
const CHECK: &[Exit] = &[(0, "Nothing is wrong."), USAGE, CONFIG];
const REPLAY: &[Exit] = &[(0, "Everything was read."), (1, "The output cannot be written."), USAGE, INPUT, CONFIG];
const SAMPLES: &[Exit] =
    &[(0, "Every sample is as it says."), (1, "A sample fails."), USAGE, INPUT, (78, "A file is broken.")];
const LINES: &[Exit] =
    &[(0, "The line has a template."), (1, "It has none."), USAGE, INPUT, (78, "A file of formats is broken.")];
const COVERAGE: &[Exit] = &[
    (0, "The lines were counted."),
    (1, "The output cannot be written."),
    USAGE,
    INPUT,
    (78, "A file of formats is broken."),
];
const LOCAL: &[Exit] = &[(0, "It is done."), (1, "The output cannot be written."), USAGE, CONFIG];
const NOTIFY: &[Exit] =
    &[(0, "The other side took the message."), (1, "It did not; why is on standard error."), USAGE, CONFIG];
const ALL: &[Exit] = &[
    (0, "It is done."),
    (1, "It failed, or the answer is bad; each command's page says more."),
    USAGE,
    INPUT,
    NO_DAEMON,
    CONFIG,
];

const CONFIG_FILE: (&str, &str) =
    ("/etc/dsmil/dsmil.toml", "The configuration, unless -c or $DSMIL_CONFIG names another one.");
const SOCKET: (&str, &str) = ("/run/dsmil/api.sock", "Where the daemon is asked, for members of the group dsmil.");
const STATE: (&str, &str) =
    ("/var/lib/dsmil/", "daemon.state_dir: positions.json, audit.log, history.json, fetched lists.");
const STORE: (&str, &str) = ("/mnt/dsmil-ram/hotpath.db", "store.path: the hot store.");
const HERE: &[(&str, &str)] = &[CONFIG_FILE];
const ASKED: &[(&str, &str)] = &[CONFIG_FILE, SOCKET];
const OWN: &[(&str, &str)] = &[CONFIG_FILE, SOCKET, STATE, STORE];

const fn asks(name: &'static str, examples: &'static [Example]) -> Page {
    Page { name, exits: ASKS, files: ASKED, examples }
}

const fn page(name: &'static str, exits: &'static [Exit], examples: &'static [Example]) -> Page {
    Page { name, exits, files: HERE, examples }
}

const FORMATS: &[Example] = &[
    ("dsmild formats test /etc/dsmil/formats", "Run the samples of every format there."),
    ("dsmild formats coverage /var/log/syslog", "See which lines have no template yet."),
];
const INCIDENTS: &[Example] = &[
    ("dsmild incidents list --state open", "What is to be looked at."),
    ("dsmild incidents show 1763856000123-4", "All that is known of one."),
    ("dsmild incidents close 1763856000123-4 --as false --note 'the backup'", "Say what it turned out to be."),
];
const PROPOSALS: &[Example] = &[
    ("dsmild proposals list --state pending", "What waits for a decision."),
    ("dsmild proposals approve 1763856000123-4 --note 'seen by two'", "Decide on one."),
];
const BANS: &[Example] = &[("dsmild bans list", "Who is blocked, since when, and until when.")];
const SILENCES: &[Example] = &[
    (
        "dsmild silence add --entity user=backup --for 8h --comment 'moves tonight'",
        "Nobody is told of this user for eight hours.",
    ),
    ("dsmild silence list --state active", "What is silenced now."),
];
const RULES: &[Example] = &[
    ("dsmild rules", "What each rule needs of a line, and what of it no format fills."),
    ("dsmild rules hits", "How often each has matched, of a running daemon."),
    ("dsmild rules test /etc/dsmil/scenarios", "Run the samples of scenarios."),
];

/// A page for each command that is not hidden.
pub const PAGES: &[Page] = &[
    Page {
        name: "dsmild",
        exits: ALL,
        files: OWN,
        examples: &[
            ("dsmild check", "Is anything wrong with the configuration?"),
            ("dsmild status", "How is the daemon?"),
            ("dsmild events --where 'severity >= HIGH' --since 2h", "What was severe in the last two hours?"),
        ],
    },
    Page {
        name: "dsmild-run",
        exits: RUN,
        files: OWN,
        examples: &[("dsmild run -c ./dsmil.toml", "In the foreground, with another configuration.")],
    },
    page("dsmild-check", CHECK, &[("dsmild check -c ./dsmil.toml", "Before it is put into its place and reloaded.")]),
    page(
        "dsmild-replay",
        REPLAY,
        &[
            ("dsmild replay /var/log/auth.log*", "What would have been seen in the logs of the last weeks."),
            ("zcat old.gz | dsmild replay --stream L3_OUT - | head", "Every judgement of Layer 3."),
        ],
    ),
    page("dsmild-formats", SAMPLES, FORMATS),
    page("dsmild-formats-test", SAMPLES, FORMATS),
    page(
        "dsmild-formats-explain",
        LINES,
        &[(
            "dsmild formats explain --program sshd 'Connection closed by 192.0.2.1 port 22'",
            "How a message is understood.",
        )],
    ),
    page(
        "dsmild-formats-coverage",
        COVERAGE,
        &[("dsmild formats coverage --top 5 /var/log/*.log", "The five most frequent shapes without a template.")],
    ),
    page("dsmild-rules", LOCAL, RULES),
    page("dsmild-rules-list", LOCAL, &[("dsmild rules list -c ./dsmil.toml", "Those of another configuration.")]),
    page(
        "dsmild-rules-test",
        SAMPLES,
        &[("dsmild rules test ./my-scenario.yml", "Run the samples of one that is being written.")],
    ),
    page(
        "dsmild-rules-explain",
        LOCAL,
        &[(
            "dsmild rules explain 'sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2'",
            "Which rules match it.",
        )],
    ),
    asks("dsmild-rules-hits", &[("dsmild rules hits --json", "The numbers, for another program.")]),
    page("dsmild-notify", NOTIFY, &[("dsmild notify test webhook1", "Does a message reach the people on call?")]),
    page("dsmild-notify-test", NOTIFY, &[("dsmild notify test webhook1", "Does a message reach the people on call?")]),
    Page {
        name: "dsmild-status",
        exits: STATUS,
        files: ASKED,
        examples: &[
            ("dsmild status", "The first sentence says how it is; the tables say why."),
            ("dsmild status --json | jq .store", "How full the hot store is."),
        ],
    },
    Page {
        name: "dsmild-sources",
        exits: SOURCES,
        files: ASKED,
        examples: &[("dsmild sources || echo 'something is not read'", "In a script.")],
    },
    asks(
        "dsmild-events",
        &[
            ("dsmild events -n 20", "The newest twenty."),
            (
                "dsmild events --where 'src_ip in 203.0.113.0/24 and not device = 51' --since 7d",
                "Of a network, within a week.",
            ),
            (
                "dsmild events --where 'technique = T1110' --json --oldest -n 100000",
                "For another program, the oldest first.",
            ),
        ],
    ),
    asks(
        "dsmild-entity",
        &[
            ("dsmild entity address 203.0.113.7", "All that is known of one address."),
            ("dsmild entity user root --json", "The same of a user, for another program."),
        ],
    ),
    asks(
        "dsmild-tail",
        &[
            ("dsmild tail SOC_EVENTS -n 20 --where 'severity >= MEDIUM'", "The last twenty, and whatever comes."),
            ("dsmild tail L3_IN --json | head -n 1", "One line as it came in."),
        ],
    ),
    asks("dsmild-explain", &[("dsmild explain 1763856000123-4", "Why it is there, down to each line.")]),
    asks("dsmild-incidents", INCIDENTS),
    asks("dsmild-incidents-list", &[("dsmild incidents list --state open", "What is to be looked at.")]),
    asks("dsmild-incidents-show", &[("dsmild incidents show 1763856000123-4", "All that is known of one.")]),
    asks(
        "dsmild-incidents-acknowledge",
        &[("dsmild incidents acknowledge 1763856000123-4 --note 'on it'", "Say that somebody looks after it.")],
    ),
    asks("dsmild-incidents-close", &[("dsmild incidents close 1763856000123-4 --as true", "It was an attack.")]),
    asks(
        "dsmild-incidents-note",
        &[("dsmild incidents note 1763856000123-4 'called the owner'", "Write something down about it.")],
    ),
    asks("dsmild-proposals", PROPOSALS),
    asks("dsmild-proposals-list", &[("dsmild proposals list --state pending", "What waits for a decision.")]),
    asks(
        "dsmild-proposals-show",
        &[("dsmild proposals show 1763856000123-4", "What would be done, and how it is taken back.")],
    ),
    asks(
        "dsmild-proposals-approve",
        &[("dsmild proposals approve 1763856000123-4 --note 'seen by two'", "Let it be done, as respond.mode says.")],
    ),
    asks(
        "dsmild-proposals-reject",
        &[("dsmild proposals reject 1763856000123-4 --note 'our scanner'", "It is not to be done.")],
    ),
    asks("dsmild-proposals-undo", &[("dsmild proposals undo 1763856000123-4", "Take back what was done.")]),
    asks("dsmild-bans", BANS),
    asks("dsmild-bans-list", BANS),
    asks("dsmild-silence", SILENCES),
    asks("dsmild-silence-list", &[("dsmild silence list --state active", "What is silenced now.")]),
    asks("dsmild-silence-add", SILENCES),
    asks("dsmild-silence-end", &[("dsmild silence end 1763856000123-4", "End it before its time.")]),
    Page {
        name: "dsmild-verify",
        exits: VERIFY,
        files: OWN,
        examples: &[
            (
                "dsmild verify",
                "Compare the audit log with the daemon and with every other place that remembers where it ends.",
            ),
            ("dsmild verify ./audit.log.copy", "The hashes of a copy alone."),
            ("journalctl MESSAGE_ID=15d2ed3d61f9492ea7e67b9f4d7550ec", "The heads that the journal keeps."),
        ],
    },
    asks("dsmild-top", &[("dsmild top", "Watch; q quits."), ("NO_COLOR=1 dsmild top", "Without colours.")]),
];
