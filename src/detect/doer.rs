//! Who has done something, as far as that cannot be chosen.

use super::scenario::customer;
use crate::event::Entity;

/// The source address where there is one (of IPv6 all that one customer has), else the user, whose name whoever tries it can
/// choose; and on which machine.
pub fn doer(entity: &Entity) -> String {
    let who = match (&entity.src_ip, &entity.user, &entity.process) {
        (Some(address), ..) => format!("src_ip:{}", customer(address)),
        (None, Some(user), _) => format!("user:{user}"),
        (None, None, Some(process)) => format!("process:{process}"),
        (None, None, None) => String::new(),
    };
    format!("{who} {}", entity.host.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_machine_tell_apart_and_a_name_only_where_there_is_no_address() {
        let of = |user: &str, address: Option<&str>, host: &str| {
            let (user, host) = (Some(user.to_owned()), Some(host.to_owned()));
            doer(&Entity { user, src_ip: address.map(str::to_owned), host, ..Entity::default() })
        };
        assert_eq!(of("a", Some("203.0.113.9"), "m"), of("b", Some("203.0.113.9"), "m"));
        assert_eq!(of("a", Some("2001:db8::1"), "m"), of("a", Some("2001:db8::2:2"), "m"));
        assert_ne!(of("root", Some("203.0.113.9"), "m"), of("root", Some("192.0.2.9"), "m"));
        assert_ne!(of("root", None, "m"), of("root", None, "n"));
        assert_ne!(of("a", None, "m"), of("b", None, "m"));
    }
}
