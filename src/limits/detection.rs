//! What detectors remember and look at.

/// Entities, windows and groups that one detector remembers; the least recently seen go first.
pub const ENTITIES_PER_DETECTOR_MAX: usize = 10_000;
/// Addresses of one header that proxies pass on, read from the right.
pub const PROXY_HOPS_MAX: usize = 32;
/// Lines that may be about one attempt to log in, and bytes kept of how each begins.
pub const LINES_PER_ATTEMPT_MAX: usize = 8;
pub const LINE_BEGINNING_BYTES_MAX: usize = 64;
/// Attempts to log in that one session may take back.
pub const ATTEMPTS_PER_SESSION_MAX: usize = 32;
/// Events of one window of the rate detectors.
pub const BURST_EVENTS_MAX: usize = 64;
/// Different values remembered of one entity.
pub const HABITS_PER_ENTITY_MAX: usize = 128;
/// Reasons, and techniques, remembered and named with one decision.
pub const REASONS_MAX: usize = 16;
/// Characters of a summary.
pub const SUMMARY_CHARS_MAX: usize = 240;

/// Short texts whose fingerprints a thread keeps at hand, in 64 bytes each.
pub const FINGERPRINTS_KEPT: usize = 4096;
/// Keywords of all rules together that are looked for in one pass, in bytes: a table of 4 MiB at most.
pub const KEYWORD_BYTES_MAX: usize = 16 * 1024;
/// Scenarios of one configuration.
pub const SCENARIOS_MAX: usize = 512;
/// Groups of one scenario that are counted exactly; the rest is in a sketch.
pub const SCENARIO_GROUPS_MAX: usize = 4096;
/// And of all scenarios: with more than 64 of them, each has fewer.
pub const SCENARIO_GROUPS_ALL_MAX: usize = 64 * SCENARIO_GROUPS_MAX;
const _: () =
    assert!(SCENARIO_GROUPS_ALL_MAX / SCENARIOS_MAX >= 256, "a group is not forgotten before its second line");
/// Scenarios that have a sketch of the groups that had to go, 1 MiB each, and half of one for sources that were too many; of those
/// after them in the order of ids such a group is forgotten.
pub const SCENARIO_SKETCHES_MAX: usize = 64;
/// Lines remembered of one group, and the largest count that can be asked for.
pub const SCENARIO_OBSERVATIONS_MAX: usize = 256;
/// Events named as what one judgement follows from, about 20 bytes each, and bytes of the names of its rule.
pub const EVIDENCE_EVENTS_MAX: usize = 64;
pub const EVIDENCE_NAME_BYTES_MAX: usize = 1024;
/// Of the risk of one entity: the events that it has risen through last.
pub const RISK_EVENTS_MAX: usize = 16;
/// Of one alarm of many judgements.
pub const FOLDED_EVENTS_MAX: usize = 16;
/// Of a group of many sources, those that are named because they have most of its count.
pub const SCENARIO_SOURCES_NAMED_MAX: usize = 16;
/// Alarms of Layer 4 that were reported and whose end will be.
pub const ALARMS_GOING_ON_MAX: usize = 1024;
/// So many who do the same within an hour are reported each for itself; the others as one campaign. The few: of those of whom that says
/// little that is not said elsewhere, or whose names anybody can write.
pub const CAMPAIGN_SINGLE_MAX: usize = 32;
pub const CAMPAIGN_SINGLE_FEW_MAX: usize = 8;
/// Members of one campaign that are named.
pub const CAMPAIGN_MEMBERS_MAX: usize = 256;
/// Incidents that later ones are compared with.
pub const EARLIER_INCIDENTS_MAX: usize = 256;
/// Addresses of which it is known who logs in from there, and users of one.
pub const SHARED_ADDRESSES_MAX: usize = 4096;
pub const USERS_OF_AN_ADDRESS_MAX: usize = 16;
/// The longest time that a scenario looks back.
pub const SCENARIO_TIMESPAN_MAX: std::time::Duration = std::time::Duration::from_secs(31 * 24 * 3600);

/// Bytes of each part of a request that are looked at for attacks.
pub const WEB_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of one rule file, files of one configuration, and bytes that the regular expressions of a set of rules take.
pub const RULE_FILE_BYTES_MAX: u64 = 1024 * 1024;
pub const RULE_FILES_MAX: usize = 20_000;
pub const RULE_PATTERNS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rules whose hits are counted, and as many scenarios.
pub const RULE_HITS_MAX: usize = 16_384;
const _: () = assert!(RULE_HITS_MAX > SCENARIOS_MAX, "each scenario has a counter");
/// Decisions since fusion has saved its state that who asks for hits waits to be counted.
pub const RULE_HITS_CAUGHT_UP_MAX: usize = 50_000;
/// Good samples of SHRINK that fusion can look back on.
pub const SHRINK_SAMPLES_MAX: usize = 64;
/// Accounts whose habits are learnt; each keeps some kilobytes.
pub const OPERATORS_MAX: usize = 1000;

/// Hits reported of one line; more than these are one list of indicators being logged.
pub const INDICATOR_HITS_PER_LINE_MAX: usize = 4;
/// Indicators of all lists together.
pub const INDICATORS_MAX: usize = 2_000_000;
/// Bytes of one playbook that a site brings.
pub const PLAYBOOK_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of one list of indicators.
pub const INDICATOR_LIST_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Lines behind the first of one record of a DNS zone in parentheses: more are an end that is missing.
pub const ZONE_RECORD_LINES_MAX: u32 = 64;
/// Bytes read, and entries taken, of one measurement log of the boot.
pub const BOOT_LOG_BYTES_MAX: usize = 16 * 1024 * 1024;
pub const BOOT_LOG_ENTRIES_MAX: usize = 200_000;
/// Bytes that shim may log behind a variable, of which not all are hashed.
pub const BOOT_VARIABLE_PADDING_MAX: usize = 8;
/// Certificates and digests in a variable of Secure Boot that are compared with those of the last boot.
pub const SIGNATURES_MAX: usize = 2048;
/// Patterns of paths that a policy of file measurements leaves out, and bytes of what they are compiled to; bytes of its file.
pub const EXCLUDED_FILES_MAX: usize = 1000;
pub const EXCLUDED_FILES_BYTES_MAX: usize = 16 * 1024 * 1024;
pub const ALLOWED_FILES_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of a TPM's quote, of its signature, and of an attestation key; machines whose keys and clocks are kept.
pub const QUOTE_BYTES_MAX: usize = 16 * 1024;
pub const ATTESTED_MACHINES_MAX: usize = 1024;

/// Bytes of a line that are searched for texts that speak to a language model.
pub const PROMPT_BYTES_MAX: usize = 8 * 1024;
/// Servers of which it is kept who vouches for them, organisations of each, and pairs of client and server whose key exchange is kept.
pub const TLS_SERVERS_MAX: usize = 4096;
pub const ISSUERS_PER_SERVER_MAX: usize = 8;
pub const TLS_PAIRS_MAX: usize = 8192;
/// Flows of which it is kept that they were judged, each by some two hundred bytes.
pub const FLOWS_JUDGED_MAX: usize = 8192;
/// Groups that came near the threshold of a scenario, and periods of each in which they did.
pub const PACED_GROUPS_MAX: usize = 16_384;
pub const PACED_PERIODS_MAX: usize = 32;
/// Certificates of which it is kept that it was told what is wrong with them.
pub const CERTIFICATES_TOLD_MAX: usize = 8192;

/// Of what programs elsewhere measure: the largest value, keys of one text typed, and values kept of a sample of it (dwell, flight, press to
/// press, pressure, area).
pub const MEASURED_ABS_MAX: f64 = 1e15;
pub const KEYS_PER_SAMPLE_MAX: usize = 64;
/// Texts, by who types them, whose typing is learnt; each keeps some ten kilobytes.
pub const TYPED_TEXTS_MAX: usize = 400;
/// Of system calls: of one event, names, rows and sets that are remembered of one program, and programs, by machine. A program takes at most
/// about two megabytes.
pub const CALLS_PER_EVENT_MAX: usize = 8192;
pub const CALL_NAMES_MAX: usize = 512;
pub const CALL_GRAMS_MAX: usize = 40_960;
pub const CALL_SETS_MAX: usize = 640;
pub const CALL_PROGRAMS_MAX: usize = 32;
/// Of flows: of one event, kinds that are remembered of one machine, at most half a megabyte, and machines.
pub const FLOWS_PER_EVENT_MAX: usize = 1024;
pub const FLOW_KINDS_MAX: usize = 4096;
pub const FLOW_MACHINES_MAX: usize = 64;
const _: () = assert!(FLOW_KINDS_MAX > FLOWS_PER_EVENT_MAX, "one event makes nothing else be forgotten");

/// Events of one MISP feed.
pub const MISP_FEED_EVENTS_MAX: usize = 20_000;
/// Lines of one record of CSV: more are a quotation mark that is missing.
pub const CSV_RECORD_LINES_MAX: usize = 64;

/// Of templates of log messages: pieces of one message that are looked at, and bytes of one; templates of one program, masked messages
/// whose template is remembered, pairs of words that a value stands behind; and programs, the most of which take a few kilobytes each.
pub const LOG_TOKENS_MAX: usize = 64;
pub const LOG_TOKEN_BYTES_MAX: usize = 64;
pub const LOG_TEMPLATES_MAX: usize = 512;
pub const LOG_SHAPES_MAX: usize = 1024;
pub const LOG_CONTEXTS_MAX: usize = 256;
pub const LOG_PROGRAMS_MAX: usize = 64;

/// Of numbers measured again and again: series, by machine and name, each of about 20 kilobytes; numbers of one event; values that are
/// remembered of one series, judgements that one is compared with, and steps of how far off a value can be.
pub const SERIES_MAX: usize = 128;
pub const METRICS_PER_EVENT_MAX: usize = 64;
pub const SERIES_VALUES_MAX: usize = 1000;
pub const SERIES_PEAKS_MAX: usize = 400;
pub const TAIL_BINS: usize = 100;
const _: () = assert!(METRICS_PER_EVENT_MAX <= SERIES_MAX / 2, "one event does not push out all that is known");
