//! Observables: addresses, names, URLs and file hashes, in one normal form each, and where they stand in a text.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::event::Record;

/// Longest URL that is compared; longer ones are left out.
const URL_BYTES_MAX: usize = 2048;
const DOMAIN_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// In normal form: names and hashes in lower case, names without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Observable {
    Ip(IpAddr),
    Net(IpNet),
    /// One port of an address.
    Endpoint(SocketAddr),
    Domain(String),
    Url(String),
    /// MD5, SHA-1 or SHA-256 in hexadecimal.
    Hash(String),
    Email(String),
    /// How a program greets in TLS or SSH: JA3, JA4, HASSH, JARM.
    Fingerprint(String),
}

impl Observable {
    /// Reads one value as feeds write it, defanged (`hxxp://evil[.]example`) or not.
    pub fn read(text: &str) -> Option<Self> {
        let text = refang(text.trim());
        if let Some(url) = normal_url(&text) {
            return Some(Self::Url(url));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Ip(unmapped(address)));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            let whole = net.prefix_len() == net.max_prefix_len();
            return Some(if whole { Self::Ip(net.addr()) } else { Self::Net(net.trunc()) });
        }
        if let Ok(endpoint) = text.parse::<SocketAddr>() {
            return Some(Self::endpoint(endpoint.ip(), endpoint.port()));
        }
        if is_hash(&text) {
            return Some(Self::Hash(text.to_ascii_lowercase()));
        }
        if is_ja4(&text) {
            return Some(Self::Fingerprint(text));
        }
        normal_email(&text).map(Self::Email).or_else(|| normal_domain(&text).map(Self::Domain))
    }

    pub fn endpoint(address: IpAddr, port: u16) -> Self {
        Self::Endpoint(SocketAddr::new(unmapped(address), port))
    }

    /// A fingerprint by what holds it: JA3 and HASSH look like any MD5.
    pub fn fingerprint(text: &str) -> Option<Self> {
        let is_jarm = text.len() == 62 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_fingerprint = is_ja4(text) || is_jarm || (text.len() == 32 && is_hash(text));
        is_fingerprint.then(|| Self::Fingerprint(text.to_ascii_lowercase()))
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ip(_) => "address",
            Self::Net(_) => "network",
            Self::Domain(_) => "domain",
            Self::Url(_) => "url",
            Self::Hash(_) => "hash",
            Self::Endpoint(_) => "endpoint",
            Self::Email(_) => "e-mail address",
            Self::Fingerprint(_) => "fingerprint",
        }
    }
}

impl std::fmt::Display for Observable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Net(net) => net.fmt(formatter),
            Self::Endpoint(endpoint) => endpoint.fmt(formatter),
            Self::Domain(text) | Self::Url(text) | Self::Hash(text) | Self::Email(text) | Self::Fingerprint(text) => {
                formatter.write_str(text)
            }
        }
    }
}

/// The value as it was before it was made harmless to click on.
pub fn refang(text: &str) -> String {
    let mut plain = text.to_owned();
    for (defanged, character) in
        [("[.]", "."), ("(.)", "."), ("{.}", "."), ("[dot]", "."), ("(dot)", "."), ("[:]", ":"), ("[://]", "://")]
    {
        if plain.contains(defanged) {
            plain = plain.replace(defanged, character);
        }
    }
    match plain.get(..4).map(str::to_ascii_lowercase).as_deref() {
        Some("hxxp") => format!("http{}", plain.get(4..).unwrap_or_default()),
        _ => plain,
    }
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn is_hash(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `t13d1516h2_8daaf6152771_02713d6af862`
fn is_ja4(text: &str) -> bool {
    let is_hex = |part: &str| part.len() == 12 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_first = |part: &str| {
        part.len() == 10
            && part.starts_with(['t', 'q', 'd'])
            && matches!(part.as_bytes().get(3), Some(b'd' | b'i'))
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let mut parts = text.split('_');
    parts.next().is_some_and(is_first)
        && parts.next().is_some_and(is_hex)
        && parts.next().is_some_and(is_hex)
        && parts.next().is_none()
}

/// In lower case; without display name and angle brackets.
fn normal_email(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let is_local = (1..=LABEL_BYTES_MAX + 1).contains(&local.len())
        && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte));
    is_local.then_some(())?;
    Some(format!("{}@{}", local.to_lowercase(), normal_domain(domain)?))
}

/// Lower case, no final dot. `None` for what is no name of at least two labels.
pub fn normal_domain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || byte >= 0x80)
    };
    let last_is_name = text.rsplit('.').next().is_some_and(|label| !label.bytes().all(|byte| byte.is_ascii_digit()));
    let is_name = text.len() <= DOMAIN_BYTES_MAX && text.contains('.') && last_is_name && text.split('.').all(is_label);
    is_name.then(|| text.to_lowercase())
}

/// Scheme and host in lower case, no default port, no user, no fragment, `/` for an empty path.
pub fn normal_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    if !is_scheme || text.len() > URL_BYTES_MAX {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = (rest.get(..split)?, rest.get(split..)?);
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        "ftp" => ":21",
        _ => "",
    };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (!host.is_empty()).then(|| format!("{scheme}://{host}{slash}{path}"))
}

/// The host of a URL in normal form, without port and brackets.
pub fn url_host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    if let Some(v6) = authority.strip_prefix('[') {
        return v6.split(']').next();
    }
    authority.split(':').next()
}

/// Calls `take` for each observable in the text, in order. Not for networks: logs name machines.
pub fn find_in(text: &str, mut take: impl FnMut(Observable)) {
    for word in text.split(|character: char| character.is_whitespace() || "\"'`<>(){},;|\\".contains(character)) {
        in_word(word, &mut take);
    }
}

/// Everything in the message of a record, and in its fields as far as the message does not hold them.
pub fn find_in_record(record: &Record, mut take: impl FnMut(Observable)) {
    find_in(&record.message, &mut take);
    for (_, value) in record.fields.iter().filter(|(_, value)| !record.message.contains(value.as_str())) {
        find_in(value, &mut take);
    }
}

fn in_word(word: &str, take: &mut impl FnMut(Observable)) {
    if let Some(scheme_end) = word.find("://") {
        let start = word.get(..scheme_end).and_then(|before| before.rfind(['=', '[', ':'])).map_or(0, |at| at + 1);
        let url = word.get(start..).and_then(|url| normal_url(url.trim_end_matches(['.', ']', ':'])));
        if let Some(url) = url {
            if let Some(host) = url_host(&url) {
                in_word(host, take);
            }
            take(Observable::Url(url));
        }
        return;
    }
    if word.contains('@') {
        let address = word.rsplit(['=', ':']).next().unwrap_or_default();
        normal_email(address.trim_end_matches(['.', '?', '!'])).map(Observable::Email).into_iter().for_each(&mut *take);
    }
    if let Some(endpoint) =
        word.rsplit('=').next().and_then(|word| word.trim_end_matches('.').parse::<SocketAddr>().ok())
    {
        take(Observable::endpoint(endpoint.ip(), endpoint.port()));
    }
    for part in word.split(['=', '@', '/', '[', ']']) {
        let part = part.trim_matches(['.', ':', '?', '!', '*']);
        if part.len() < 3 {
            continue;
        }
        if let Some(observable) = single(part) {
            take(observable);
        } else if let Some((before, after)) = part.split_once(':') {
            // `192.0.2.1:443`, `example.com:443`, `sha256:…`
            [before, after].into_iter().filter_map(single).for_each(&mut *take);
        }
    }
}

fn single(part: &str) -> Option<Observable> {
    let first = part.bytes().next()?;
    let may_be_address = first.is_ascii_hexdigit() || first == b':';
    if may_be_address && let Ok(address) = part.parse::<IpAddr>() {
        return Some(Observable::Ip(unmapped(address)));
    }
    if is_hash(part) {
        return Some(Observable::Hash(part.to_ascii_lowercase()));
    }
    if is_ja4(part) {
        return Some(Observable::Fingerprint(part.to_owned()));
    }
    normal_domain(part).map(Observable::Domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        find_in(text, |observable| found.push(format!("{} {observable}", observable.kind())));
        found
    }

    #[test]
    fn defanged_and_plain_values_are_the_same() {
        for (defanged, plain) in [
            ("hxxp://evil[.]example/a", "http://evil.example/a"),
            ("hXXps[://]evil(.)example", "https://evil.example/"),
            ("203[.]0[.]113[.]9", "203.0.113.9"),
            ("EVIL[dot]example.", "evil.example"),
            ("2001[:]db8[:][:]1", "2001:db8::1"),
        ] {
            assert_eq!(Observable::read(defanged), Observable::read(plain), "{defanged}");
            assert!(Observable::read(plain).is_some(), "{plain}");
        }
    }

    #[test]
    fn urls_that_mean_the_same_have_one_form() {
        for url in ["HTTP://Evil.Example:80", "http://evil.example/", "http://user:pw@evil.example/#top"] {
            assert_eq!(normal_url(url).as_deref(), Some("http://evil.example/"), "{url}");
        }
        assert_ne!(normal_url("http://evil.example/A"), normal_url("http://evil.example/a"));
    }

    #[test]
    fn every_kind_is_found_where_log_lines_put_it() {
        assert_eq!(found("Failed password for root from 203.0.113.9 port 22 ssh2"), ["address 203.0.113.9"]);
        assert_eq!(
            found("SRC=203.0.113.9 DST=[2001:db8::1]:443"),
            ["address 203.0.113.9", "endpoint [2001:db8::1]:443", "address 2001:db8::1"]
        );
        assert_eq!(found("query[A] Evil.Example. from ::ffff:192.0.2.7"), ["domain evil.example", "address 192.0.2.7"]);
        assert_eq!(
            found(r#""GET http://evil.example/x?y=1 HTTP/1.1" 200"#),
            ["domain evil.example", "url http://evil.example/x?y=1"]
        );
        assert_eq!(
            found("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"),
            ["hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
        );
        assert_eq!(
            found("connect to 192.0.2.1:8080, mail from x@evil.example"),
            ["endpoint 192.0.2.1:8080", "address 192.0.2.1", "e-mail address x@evil.example", "domain evil.example"]
        );
        assert_eq!(found("from=<X@Evil.example>,"), ["e-mail address x@evil.example", "domain evil.example"]);
        assert_eq!(
            found("ja4=t13d1516h2_8daaf6152771_02713d6af862"),
            ["fingerprint t13d1516h2_8daaf6152771_02713d6af862"]
        );
    }

    #[test]
    fn endpoints_mail_addresses_and_fingerprints_are_read() {
        let kind = |text: &str| Observable::read(text).map(|value| (value.kind(), value.to_string()));
        for (text, kind_of, normal) in [
            ("203.0.113.9:4444", "endpoint", "203.0.113.9:4444"),
            ("[2001:DB8::1]:443", "endpoint", "[2001:db8::1]:443"),
            ("Bad.Actor@Evil[.]example", "e-mail address", "bad.actor@evil.example"),
            ("q13d0310h3_55b375c5d22e_cd85d2d88918", "fingerprint", "q13d0310h3_55b375c5d22e_cd85d2d88918"),
        ] {
            assert_eq!(kind(text), Some((kind_of, normal.to_owned())), "{text}");
        }
        assert_eq!(Observable::fingerprint("6734f37431670b3ab4292b8f60f29984").unwrap().kind(), "fingerprint");
        for text in ["203.0.113.9:70000", "a b@evil.example", "@evil.example", "x@evil", "t13d1516h2_8daaf6152771"] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn text_of_no_meaning_gives_nothing_and_breaks_nothing() {
        for text in ["", "://", "http://", "a=b=c", "::", "....", "1.2.3", "[[[]]]", "é.é=://é", "user@", "12:34:56"]
        {
            for observable in found(text) {
                assert!(!observable.starts_with("url"), "{text}: {observable}");
            }
        }
    }
}
