//! Requests, answers, and what is found for them.

/// Bytes of one HTTP request, and events of one answer.
pub const HTTP_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
pub const HTTP_PAGE_EVENTS_MAX: usize = 1000;
/// Of the newest events, `dsmild top` keeps so many.
pub const EVENTS_SHOWN_MAX: usize = 200;
const _: () = assert!(EVENTS_SHOWN_MAX <= HTTP_PAGE_EVENTS_MAX);
/// Open HTTP connections, and those of one address, or of one /64 of IPv6; for a further one the longest idle is closed.
pub const HTTP_CONNECTIONS_MAX: usize = 256;
pub const HTTP_CONNECTIONS_PER_PEER_MAX: usize = 128;
/// Connections beside them when all are busy: for health, readiness and metrics.
pub const HTTP_CONNECTIONS_RESERVE: usize = 32;
/// Bytes of the head of a request, and about as many of an answer that wait for the client to take them.
pub const HTTP_BUFFER_BYTES: usize = 64 * 1024;
/// Open event streams, and those from one address; the rest of the connections stays free for scrapes and questions.
pub const HTTP_LIVE_STREAMS_MAX: usize = 64;
pub const HTTP_LIVE_STREAMS_PER_PEER_MAX: usize = 32;
/// Event streams open at once on the Unix socket, beside those of the network; and those of one user.
pub const HTTP_LOCAL_LIVE_STREAMS_MAX: usize = 16;
pub const HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX: usize = 8;
/// Bytes of bodies with events in memory at once; half of it from one address, and half as many on the Unix socket.
pub const HTTP_BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one line of a request with events: the longest payload, escaped, and its attributes.
pub const HTTP_LINE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of lines, and lines, of a request that are turned into events at once.
pub const HTTP_PORTION_BYTES_MAX: usize = 64 * 1024;
pub const HTTP_PORTION_LINES_MAX: usize = 64;
/// About as many bytes of an answer are made at once; the rest is read when the client has taken them.
pub const HTTP_CHUNK_BYTES: usize = 128 * 1024;
/// Chunks of answers that are made at the same time.
pub const HTTP_CHUNKS_MAX: usize = 8;
/// Lines of one request with events.
pub const HTTP_INGEST_LINES_MAX: usize = 32_768;
/// Connections to the Unix socket.
pub const HTTP_LOCAL_CONNECTIONS_MAX: usize = 64;
/// Peers whose wrong tokens are remembered.
pub const HTTP_PEERS_MAX: usize = 1024;
/// Bytes of a token that cannot be guessed.
pub const HTTP_TOKEN_BYTES_MIN: usize = 16;
/// Lines of the tokens file.
pub const HTTP_TOKENS_MAX: usize = 256;
/// Sessions of one token, and of all.
pub const HTTP_SESSIONS_PER_TOKEN_MAX: usize = 16;
pub const HTTP_SESSIONS_MAX: usize = 4096;
const _: () =
    assert!(HTTP_SESSIONS_PER_TOKEN_MAX * HTTP_TOKENS_MAX <= HTTP_SESSIONS_MAX, "no token takes another's place");
/// Bytes of a filter of events, its terms and values, and how deep its parentheses are.
pub const FILTER_BYTES_MAX: usize = 4096;
pub const FILTER_TERMS_MAX: usize = 128;
pub const FILTER_DEPTH_MAX: usize = 32;
/// Of what a filter asks for: values that are looked up in the hot store's indexes for one search, sets of them that are compared, and
/// events that are counted of each value for that.
pub const FILTER_LOOK_UPS_MAX: usize = 16;
pub const FILTER_SETS_MAX: usize = 8;
pub const FILTER_COUNTED_MAX: usize = 1000;
const _: () = assert!(FILTER_LOOK_UPS_MAX <= FILTER_TERMS_MAX && FILTER_SETS_MAX <= FILTER_TERMS_MAX);
/// Events that one answer of `/api/v1/events` looks through; the next one goes on from there.
pub const EVENTS_SEARCHED_MAX: usize = 20_000;
/// Spans of time in which they are counted.
pub const COUNTS_BUCKETS_MAX: usize = 120;
/// Steps followed from an event back to its line.
pub const EXPLAIN_STEPS_MAX: usize = 32;
/// Of all that an event follows from: events in one answer, how far back, and bytes that are shown of one line.
pub const EXPLAIN_NODES_MAX: usize = 512;
pub const EXPLAIN_DEPTH_MAX: usize = 12;
pub const EXPLAIN_LINE_BYTES_MAX: usize = 4096;
const _: () = assert!(EXPLAIN_DEPTH_MAX <= EXPLAIN_STEPS_MAX, "a tree is written by a function that calls itself");
/// Of one user, address or machine: SOC events that are looked at, and those that are counted; scores that are shown of them, and what
/// else is listed of each kind; bytes of its name.
pub const ENTITY_EVENTS_MAX: usize = 500;
pub const ENTITY_COUNTED_MAX: usize = 10_000;
pub const ENTITY_RISKS_MAX: usize = 200;
pub const ENTITY_LISTED_MAX: usize = 40;
pub const ENTITY_VALUE_BYTES_MAX: usize = 4096;
const _: () = assert!(ENTITY_RISKS_MAX <= ENTITY_EVENTS_MAX && ENTITY_EVENTS_MAX < ENTITY_COUNTED_MAX);
