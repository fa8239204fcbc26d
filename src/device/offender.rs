//! Who is to blame for an event: what a response would be against.

use crate::detect::observable::Observable;
use crate::detect::tactic::Tactic;
use crate::event::{Category, Soc};
use crate::layer::{SOURCE_NOT_COUNTED, SOURCE_NOT_PROVEN, says};

pub enum Offender<'a> {
    Address(&'a str),
    Domain(&'a str),
}

/// What to keep out. Where a machine here reaches out, the other end, not the machine that was made to do it.
pub fn offender(soc: &Soc) -> Option<Offender<'_>> {
    let entity = &soc.entity;
    if let Some(indicator) = soc.reasons.iter().find_map(|reason| reason.strip_prefix("indicator:")) {
        match Observable::read(indicator) {
            Some(Observable::Ip(_)) => return Some(Offender::Address(indicator)),
            Some(Observable::Domain(_)) => return Some(Offender::Domain(indicator)),
            Some(Observable::Endpoint(_)) => {
                let address = indicator.rsplit_once(':').map(|(address, _)| address.trim_matches(['[', ']']));
                return address.map(Offender::Address);
            }
            // Many programs greet like the one that is listed, and who writes a mail is not where it comes from.
            Some(Observable::Fingerprint(_) | Observable::Email(_)) => return None,
            _ => {}
        }
    }
    // An incident names many addresses; which one attacked is among its reasons.
    if is_incident(soc) {
        return soc.reasons.iter().find_map(|reason| reason.strip_prefix("attacker:")).map(Offender::Address);
    }
    // The next name that the algorithm makes is another one. Nor does a pattern say which of those that it is about is the bad one.
    if soc.flags.iter().any(|flag| matches!(flag.as_str(), "DGA_NAME" | "IOC_PATTERN")) {
        return None;
    }
    let reaches_out =
        soc.flags.iter().any(|flag| matches!(flag.as_str(), "BEACON" | "DNS_TUNNEL" | "LARGE_UPLOAD" | "IOC_URL"));
    if reaches_out {
        let address = entity.dst_ip.as_deref().map(Offender::Address);
        return address.or(entity.domain.as_deref().map(Offender::Domain));
    }
    if says(&soc.reasons, SOURCE_NOT_COUNTED) {
        return None;
    }
    let from_outside = matches!(soc.category, Category::Auth | Category::Network | Category::Intel | Category::App);
    entity.src_ip.as_deref().filter(|_| from_outside).map(Offender::Address)
}

/// Whether anybody at all can have sent what it tells of, in the name of the address: nothing follows from it alone.
pub fn is_of_nobody(soc: &Soc) -> bool {
    says(&soc.reasons, SOURCE_NOT_PROVEN)
}

/// Whether an intruder is in rather than at the door.
pub fn is_compromised(soc: &Soc) -> bool {
    let is_inside = |tactic: Tactic| {
        tactic >= Tactic::LateralMovement || matches!(tactic, Tactic::Persistence | Tactic::PrivilegeEscalation)
    };
    // An incident knows which of its techniques were only tried.
    if is_incident(soc) {
        return soc.reasons.iter().filter_map(|reason| Tactic::named(reason.strip_prefix("tactic:")?)).any(is_inside);
    }
    !was_refused(soc) && soc.attack.iter().filter_map(|id| Tactic::of(id)).any(is_inside)
}

/// Whether it was tried from outside and did not succeed.
pub fn was_refused(soc: &Soc) -> bool {
    soc.outcome == Some(false) && soc.entity.src_ip.is_some()
}

fn is_incident(soc: &Soc) -> bool {
    soc.flags.iter().any(|flag| flag == "INCIDENT")
}
