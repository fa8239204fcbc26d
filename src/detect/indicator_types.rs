//! The types that lists give their values: those of MISP attributes, and of the CSV that others publish.

use super::indicator_item::excerpt;
use super::observable::Observable;

/// The observables of a value of this type. `None` where lines are not searched for values of that type.
///
/// # Errors
/// The value is none of its type.
pub fn observables(kind: &str, value: &str) -> Option<Result<Vec<Observable>, String>> {
    let first = |separator: char| value.split(separator).next().unwrap_or_default();
    let last = |separator: char| value.rsplit(separator).next().unwrap_or_default();
    let one = |observable: Result<Observable, String>| observable.map(|observable| vec![observable]);
    Some(match kind.to_ascii_lowercase().as_str() {
        "ip-src" | "ip-dst" | "ip" | "ipv4" | "ipv6" | "cidr" => one(address(value)),
        "ip-src|port" | "ip-dst|port" | "ip:port" => one(endpoint(value)),
        "domain" | "hostname" => one(read(value, value, "name", |read| matches!(read, Observable::Domain(_)))),
        "hostname|port" => one(read(value, first('|'), "name", |read| matches!(read, Observable::Domain(_)))),
        "domain|ip" => {
            let name = read(value, first('|'), "name", |read| matches!(read, Observable::Domain(_)));
            name.and_then(|name| Ok(vec![name, address(last('|'))?]))
        }
        "url" => one(read(value, value, "url", |read| matches!(read, Observable::Url(_)))),
        "md5"
        | "sha1"
        | "sha256"
        | "md5_hash"
        | "sha1_hash"
        | "sha256_hash"
        | "filehash-md5"
        | "filehash-sha1"
        | "filehash-sha256"
        | "x509-fingerprint-md5"
        | "x509-fingerprint-sha1"
        | "x509-fingerprint-sha256" => one(hash(value, value)),
        "filename|md5" | "filename|sha1" | "filename|sha256" | "malware-sample" => one(hash(value, last('|'))),
        "email" | "email-src" | "email-dst" | "email-reply-to" => {
            one(read(value, value, "e-mail address", |read| matches!(read, Observable::Email(_))))
        }
        "ja3-fingerprint-md5" | "hassh-md5" | "hasshserver-md5" | "jarm-fingerprint" | "ja3" | "ja3s" | "ja4" => {
            let read = Observable::fingerprint(value.trim());
            one(read.ok_or_else(|| format!("`{}` is no fingerprint", excerpt(value))))
        }
        _ => return None,
    })
}

fn read(shown: &str, value: &str, what: &str, is_it: impl Fn(&Observable) -> bool) -> Result<Observable, String> {
    Observable::read(value).filter(is_it).ok_or_else(|| format!("`{}` is no {what}", excerpt(shown)))
}

fn address(value: &str) -> Result<Observable, String> {
    read(value, value, "address", |read| matches!(read, Observable::Ip(_) | Observable::Net(_)))
}

fn hash(shown: &str, value: &str) -> Result<Observable, String> {
    read(shown, value, "hash (MD5, SHA-1, SHA-256)", |read| matches!(read, Observable::Hash(_)))
}

/// `203.0.113.9|443` or `203.0.113.9:443`
fn endpoint(value: &str) -> Result<Observable, String> {
    let parts = value.rsplit_once('|').or_else(|| value.rsplit_once(':'));
    let read = parts.and_then(|(address, port)| {
        let Observable::Ip(address) = Observable::read(address.trim_matches(['[', ']']))? else { return None };
        Some(Observable::endpoint(address, port.trim().parse().ok()?))
    });
    read.ok_or_else(|| format!("`{}` is no address with a port", excerpt(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_gives_what_lines_are_searched_for() {
        let md5 = "abababababababababababababababab";
        for (kind, value, gives) in [
            ("ip-dst", "203[.]0[.]113[.]9", "address 203.0.113.9"),
            ("ip-src", "203.0.113.0/24", "network 203.0.113.0/24"),
            ("ip-dst|port", "203.0.113.9|443", "endpoint 203.0.113.9:443"),
            ("ip-dst|port", "2001:db8::1|443", "endpoint [2001:db8::1]:443"),
            ("ip:port", "203.0.113.9:8080", "endpoint 203.0.113.9:8080"),
            ("domain|ip", "evil.example|203.0.113.9", "domain evil.example, address 203.0.113.9"),
            ("hostname", "a.evil.example", "domain a.evil.example"),
            ("URL", "hxxp://evil.example/a", "url http://evil.example/a"),
            ("filename|md5", &format!("a|b.exe|{md5}"), &format!("hash {md5}")),
            ("FileHash-MD5", md5, &format!("hash {md5}")),
            ("ja3-fingerprint-md5", md5, &format!("fingerprint {md5}")),
            ("email-src", "X@evil.example", "e-mail address x@evil.example"),
        ] {
            let read = observables(kind, value).unwrap().unwrap();
            let said: Vec<String> = read.iter().map(|value| format!("{} {value}", value.kind())).collect();
            assert_eq!(said.join(", "), gives, "{kind}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_a_mistake_and_an_unknown_type_nothing() {
        for (kind, value) in [
            ("ip-dst", "evil.example"),
            ("domain", "203.0.113.9"),
            ("ip-dst|port", "203.0.113.9"),
            ("ip-dst|port", "203.0.113.9|x"),
            ("domain|ip", "evil.example"),
            ("sha256", "abab"),
            ("url", "evil.example"),
            ("ja3-fingerprint-md5", "abab"),
        ] {
            assert!(observables(kind, value).unwrap().is_err(), "{kind}");
        }
        assert!(observables("comment", "203.0.113.9").is_none());
    }
}
