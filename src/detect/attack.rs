//! ATT&CK technique ids, and where in an intrusion a technique belongs.

/// `attack.t1110.001`, the way Sigma tags it, as `T1110.001`; `None` for tags of tactics, groups and other name spaces.
pub fn technique_of_tag(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.").or_else(|| tag.strip_prefix("ATTACK."))?;
    let digits = id.strip_prefix(['t', 'T'])?;
    let well_formed =
        digits.len() >= 4 && digits.chars().all(|character| character.is_ascii_digit() || character == '.');
    well_formed.then(|| format!("T{digits}"))
}

/// The phases of the Unified Kill Chain (P. Pols, 2017), coarse: what an intruder may do in any order shares a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Reconnaissance, resource development.
    Preparation,
    /// Initial access, guessing credentials from outside.
    Entry,
    Execution,
    /// Persistence, privilege escalation.
    Foothold,
    /// Defence evasion, credential access, discovery.
    Spread,
    /// Lateral movement, command and control, collection.
    Control,
    /// Exfiltration, impact.
    Objective,
}

impl Phase {
    pub const COUNT: usize = Self::Objective as usize + 1;

    /// The phase of a technique or sub-technique, after the tactic that ATT&CK (Enterprise, Linux and network) lists it
    /// under; where it lists several, the one it mostly serves in logs of one machine. `None`: not in the table.
    pub fn of(technique: &str) -> Option<Self> {
        let number: u16 = technique.strip_prefix('T')?.split('.').next()?.parse().ok()?;
        PHASES.iter().find(|(_, numbers)| numbers.contains(&number)).map(|(phase, _)| *phase)
    }
}

const PHASES: [(Phase, &[u16]); Phase::COUNT] = [
    (
        Phase::Preparation,
        &[
            1583, 1584, 1585, 1586, 1587, 1588, 1589, 1590, 1591, 1592, 1593, 1594, 1595, 1596, 1597, 1598, 1608, 1650,
            1651,
        ],
    ),
    (Phase::Entry, &[1078, 1091, 1110, 1133, 1189, 1190, 1195, 1199, 1200, 1566, 1659, 1669]),
    (Phase::Execution, &[1047, 1053, 1059, 1072, 1106, 1129, 1203, 1204, 1559, 1569, 1609, 1610, 1648, 1674, 1675]),
    (
        Phase::Foothold,
        &[
            1037, 1055, 1068, 1098, 1134, 1136, 1137, 1176, 1205, 1484, 1505, 1525, 1542, 1543, 1546, 1547, 1548, 1554,
            1556, 1574, 1611, 1653,
        ],
    ),
    (
        Phase::Spread,
        &[
            1003, 1006, 1007, 1010, 1012, 1014, 1016, 1018, 1027, 1033, 1036, 1040, 1046, 1049, 1056, 1057, 1069, 1070,
            1082, 1083, 1087, 1111, 1112, 1120, 1124, 1135, 1140, 1187, 1201, 1202, 1207, 1211, 1212, 1217, 1218, 1220,
            1222, 1480, 1497, 1518, 1526, 1528, 1539, 1552, 1553, 1555, 1557, 1558, 1562, 1564, 1578, 1580, 1600, 1601,
            1606, 1612, 1613, 1614, 1615, 1619, 1620, 1621, 1622, 1647, 1649, 1652, 1654, 1656, 1673, 1678, 1679,
        ],
    ),
    (
        Phase::Control,
        &[
            1001, 1005, 1008, 1021, 1025, 1039, 1071, 1074, 1080, 1090, 1092, 1095, 1102, 1104, 1105, 1113, 1114, 1115,
            1119, 1123, 1125, 1132, 1185, 1210, 1213, 1219, 1530, 1534, 1550, 1560, 1563, 1568, 1570, 1571, 1572, 1573,
            1602, 1665,
        ],
    ),
    (
        Phase::Objective,
        &[
            1011, 1020, 1029, 1030, 1041, 1048, 1052, 1485, 1486, 1489, 1490, 1491, 1495, 1496, 1498, 1499, 1529, 1531,
            1537, 1561, 1565, 1567, 1657, 1667,
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn technique_ids_are_read_from_sigma_tags_and_tactics_are_not() {
        assert_eq!(technique_of_tag("attack.t1110.001").as_deref(), Some("T1110.001"));
        for tag in ["attack.credential-access", "attack.g0016", "attack.t", "car.2013-01-002", "cve.2021-4034"] {
            assert_eq!(technique_of_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn a_technique_has_one_phase_and_intrusions_pass_through_them_in_order() {
        let mut all: Vec<u16> = PHASES.iter().flat_map(|(_, numbers)| numbers.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        let story = ["T1595", "T1110.001", "T1059.004", "T1136.001", "T1562.001", "T1071.004", "T1048"];
        let phases: Vec<Phase> = story.iter().filter_map(|technique| Phase::of(technique)).collect();
        assert!(phases.len() == story.len() && phases.is_sorted_by(|left, right| left < right), "{phases:?}");
    }
}
