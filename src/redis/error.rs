//! What can go wrong with Redis, and what a person can do about it.

use crate::retry::{OutsideError, Retry};

/// Start of what Redis or the system says, the word for it, and what to do. The first that is found counts.
const KNOWN: &[(&str, &str, &str)] = &[
    ("WRONGPASS", "password", "check redis.username and the file that redis.password_file names"),
    ("without any password configured", "password", "this Redis asks for no password: remove redis.password_file"),
    ("NOAUTH", "password", "this Redis asks for a password: write it to a file and name that in redis.password_file"),
    (
        "NOPERM",
        "permission",
        "let the ACL user do it: `+@stream +eval ~KEY`, with a database number `+select`, in a cluster `+cluster|info`; with `+multi +exec +watch` each entry costs Redis half as much",
    ),
    ("OOM", "full", "Redis is at its maxmemory: raise it, lower redis.maxlen, or remove other keys"),
    ("MISCONF", "misconf", "Redis cannot save to its disk and refuses writes: its log says why"),
    ("NOREPLICAS", "noreplicas", "Redis has fewer replicas than its min-replicas-to-write"),
    ("READONLY", "readonly", "this Redis is a read-only replica: point redis.url to the primary"),
    ("LOADING", "loading", "Redis is reading its data set and will be there when it is done"),
    ("MASTERDOWN", "masterdown", "this replica has lost its primary: point redis.url to the primary"),
    ("CLUSTERDOWN", "clusterdown", "the cluster does not cover all slots: `redis-cli cluster info` says more"),
    ("cluster support disabled", "cluster", "this Redis is no cluster: write redis:// in redis.url"),
    ("MOVED", "cluster", "this Redis is part of a cluster: write redis-cluster:// in redis.url"),
    ("WRONGTYPE", "wrongtype", "the key holds something that is not a stream: rename it, or set redis.key_prefix"),
    ("NOGROUP", "nogroup", "the consumer group is gone and is made again"),
    ("no longer exists", "nogroup", "the stream is gone and is made again"),
    ("unknown command", "old", "this needs Redis 5 or newer with streams and scripts"),
    ("DB index is out of range", "database", "the database number in redis.url does not exist there"),
    ("onnection refused", "refused", "is Redis running, and is redis.url right?"),
    ("No such file", "refused", "is Redis running, and is redis.url right?"),
    ("ermission denied", "permission", "let the daemon's user open the socket or file"),
    ("no answer within", "silent", SILENT),
    ("onnection reset", "closed", CLOSED),
    ("onnection closed", "closed", CLOSED),
    (
        "lookup address",
        "name",
        "the host in redis.url, or one that the cluster names, cannot be resolved; a node that has met no other names none without its cluster-announce-ip",
    ),
    ("ertificate", "tls", "name the authority of its certificate in redis.tls_ca_file"),
    ("no TLS", "tls", "redis.url names TLS: does that port speak it?"),
    ("protocol of Redis", "protocol", ALIEN),
    ("nests lists deeper", "protocol", ALIEN),
    ("longer than any", "protocol", ALIEN),
];

const SILENT: &str =
    "Redis is frozen, overloaded or out of reach, or redis.url names TLS and that port does not speak it";
const CLOSED: &str = "Redis has ended or ended the connection, its log may say why; or that port speaks TLS and redis.url does not name it";

const ALIEN: &str =
    "is redis.url right? What answers there is no Redis, or it speaks TLS and redis.url does not name that";

/// Redis answered with a refusal.
pub fn refused(tried: &str, answer: &str) -> OutsideError {
    let mut error = of(tried, answer);
    // Where a primary has become a replica, another connection may lead to the new primary.
    if !matches!(error.kind, "readonly" | "password" | "masterdown" | "clusterdown" | "loading") {
        error.retry = Retry::Here;
    }
    error
}

/// Redis could not be asked, or did not answer: the connection is of no more use.
pub(super) fn lost(tried: &str, cause: &str) -> OutsideError {
    of(tried, cause)
}

fn of(tried: &str, cause: &str) -> OutsideError {
    let known = KNOWN.iter().find(|(found, ..)| cause.contains(found));
    let (kind, remedy) = known.map_or(("error", "its log may say more"), |(_, kind, remedy)| (*kind, *remedy));
    OutsideError::new(kind, Retry::Soon, tried, cause, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_comes_with_what_to_do() {
        for (answer, kind, remedy) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", "password", "redis.password_file"),
            ("NOAUTH Authentication required.", "password", "redis.password_file"),
            ("OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:7.", "full", "maxlen"),
            ("READONLY You can't write against a read only replica.", "readonly", "primary"),
            ("LOADING Redis is loading the dataset in memory", "loading", "will be there"),
            ("ERR something new", "error", "log"),
        ] {
            let error = refused("writing to SOC_EVENTS", answer);
            assert_eq!(error.kind, kind);
            assert!(error.text.contains(remedy) && error.text.contains(answer), "{error}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_connection_unless_another_one_may_do_better() {
        assert_eq!(refused("x", "OOM command not allowed").retry, Retry::Here);
        assert_eq!(refused("x", "READONLY You can't write").retry, Retry::Soon);
        assert_eq!(lost("x", "no answer within 5s").retry, Retry::Soon);
    }

    #[test]
    fn a_secret_in_an_error_is_not_shown() {
        let error = lost("connecting", "cannot parse redis://u:hunter2@h");
        assert!(!error.text.contains("hunter2"), "{error}");
    }
}
