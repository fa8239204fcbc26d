//! What approved proposals may do to the machine, and what the helper that does it reads and says.

use std::time::Duration;

/// Actions that `respond.budget` may allow in an hour.
pub const RESPOND_BUDGET_MAX: u64 = 1000;
/// The longest that `respond.ttl_max` may be.
pub const RESPOND_TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// The largest networks that `respond.prefix_v4` and `respond.prefix_v6` may allow to block.
pub const RESPOND_PREFIX_V4_MIN: u8 = 16;
pub const RESPOND_PREFIX_V6_MIN: u8 = 32;
/// Bytes of one request to the helper, and requests over one connection.
pub const RESPOND_REQUEST_BYTES_MAX: usize = 1024;
pub const RESPOND_REQUESTS_MAX: usize = 64;
/// Networks that a set of nftables holds; the kernel refuses one more.
pub const RESPOND_BLOCKED_MAX: usize = 4096;
/// Proposals that are kept beside the newest because something of them is in force.
pub const RESPONSES_IN_FORCE_MAX: usize = 4096;
/// How long firewalls of other machines are told that a block is over, after it would have ended by itself: longer than any of them
/// should be without an answer.
pub const BAN_ENDED_TOLD: Duration = Duration::from_secs(3600);
/// Bytes of one answer of the helper.
pub const RESPOND_ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read of what nft says.
pub const RESPOND_NFT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of what a runner answers, and the longest that `respond.runner.timeout` may be.
pub const RESPOND_RUNNER_ANSWER_BYTES_MAX: usize = 64 * 1024;
pub const RESPOND_RUNNER_TIMEOUT_MAX: Duration = Duration::from_secs(25);
/// Accounts that are locked at once.
pub const RESPOND_LOCKED_MAX: usize = 256;
/// Bytes of `/etc/passwd` and of `/etc/shadow`.
pub const RESPOND_PASSWD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Characters of what a step tells of why it went as it did.
pub const RESPOND_SAID_CHARS_MAX: usize = 400;
/// Sessions of logged-in users that are looked at.
pub const RESPOND_SESSIONS_MAX: usize = 1024;
/// Bytes of one file about a session, and of the file that says what the last hour's actions were.
pub const RESPOND_FILE_BYTES_MAX: u64 = 256 * 1024;

// Both sets, each network with how long it stays blocked, as JSON.
const _: () = assert!(2 * RESPOND_BLOCKED_MAX * 112 < RESPOND_ANSWER_BYTES_MAX);
const _: () = assert!(super::PROPOSALS_MAX < RESPONSES_IN_FORCE_MAX);
const _: () = assert!(RESPOND_ANSWER_BYTES_MAX < RESPOND_NFT_BYTES_MAX);
// A locked account with several proposals takes less than 1 KiB in the helper's state.
const _: () = assert!(RESPOND_LOCKED_MAX as u64 * 1024 <= RESPOND_FILE_BYTES_MAX);
// An entry of the last hour's actions is far shorter than 200 bytes.
const _: () = assert!(RESPOND_BUDGET_MAX * 200 <= RESPOND_FILE_BYTES_MAX);
