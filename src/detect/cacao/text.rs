//! The texts of a playbook that have a form: identifiers, times, addresses, names of variables.

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::Regex;

macro_rules! form {
    ($name:ident, $pattern:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
    };
}

// Of the standard: object type, two hyphens, a UUID of version 1 to 5.
form!(
    IDENTIFIER,
    "^([a-z][a-z0-9-]+[a-z0-9])--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$"
);
form!(TIME, r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?Z$");
form!(VARIABLE, "^__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__$");
form!(MAC, "^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$");
form!(IPV4, r"\b(25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})(\.(25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})){3}$");
form!(URL, r"[a-zA-Z0-9()?:/@%._+~#=]{2,256}\.[a-z]{2,6}\b");

fn fits(form: &LazyLock<Option<Regex>>, text: &str) -> bool {
    form.as_ref().is_some_and(|form| form.is_match(text))
}

pub fn is_identifier(text: &str) -> bool {
    fits(&IDENTIFIER, text)
}

/// The object type that an identifier begins with.
pub fn kind_of(identifier: &str) -> Option<&str> {
    IDENTIFIER.as_ref()?.captures(identifier)?.get(1).map(|kind| kind.as_str())
}

/// RFC 3339 in UTC, of a day that there is.
pub fn is_time(text: &str) -> bool {
    let day = TIME.as_ref().and_then(|form| form.captures(text)).and_then(|parts| parts.get(1));
    day.is_some_and(|day| day.as_str().parse::<jiff::civil::Date>().is_ok())
}

/// In the order of time, for two times of whatever precision; the digits stand in that order, but for zeros at the end.
pub fn in_order(first: &str, second: &str) -> bool {
    let key = |text: &str| text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.').to_owned();
    let whole = |text: &str| text.get(..19).map(str::to_owned);
    whole(first) < whole(second) || (whole(first) == whole(second) && key(first) <= key(second))
}

pub fn is_variable(text: &str) -> bool {
    fits(&VARIABLE, text)
}

pub fn is_mac(text: &str) -> bool {
    fits(&MAC, text)
}

pub fn is_ipv4(text: &str) -> bool {
    fits(&IPV4, text)
}

/// Something may stand in front of it, and a zone of the link behind it.
pub fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.char_indices().any(|(at, _)| address.get(at..).is_some_and(|rest| rest.parse::<Ipv6Addr>().is_ok()))
}

pub fn is_url(text: &str) -> bool {
    fits(&URL, text)
}
