//! MITRE ATT&CK: the tactic that a technique mostly serves.

use serde::{Deserialize, Serialize};

/// Tactics of the enterprise matrix, in the order in which an intrusion passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tactic {
    Reconnaissance,
    ResourceDevelopment,
    InitialAccess,
    Execution,
    Persistence,
    PrivilegeEscalation,
    DefenseEvasion,
    CredentialAccess,
    Discovery,
    LateralMovement,
    Collection,
    CommandAndControl,
    Exfiltration,
    Impact,
}

use Tactic::{
    Collection, CommandAndControl, CredentialAccess, DefenseEvasion, Discovery, Execution, Exfiltration, Impact,
    InitialAccess, LateralMovement, Persistence, PrivilegeEscalation, Reconnaissance, ResourceDevelopment,
};

/// By technique number. Of several tactics the one that a log of a Linux machine mostly shows.
const TACTICS: &[(Tactic, &[u16])] = &[
    (Reconnaissance, &[1589, 1590, 1591, 1592, 1593, 1594, 1595, 1596, 1597, 1598]),
    (ResourceDevelopment, &[1583, 1584, 1585, 1586, 1587, 1588, 1608, 1650]),
    (InitialAccess, &[1078, 1091, 1133, 1189, 1190, 1195, 1199, 1200, 1566, 1659]),
    (Execution, &[1047, 1059, 1072, 1106, 1129, 1203, 1204, 1559, 1569, 1609, 1610, 1648, 1651]),
    (
        Persistence,
        &[1037, 1053, 1098, 1136, 1137, 1176, 1197, 1205, 1505, 1525, 1542, 1543, 1546, 1547, 1554, 1574, 1653],
    ),
    (PrivilegeEscalation, &[1055, 1068, 1134, 1484, 1548, 1611]),
    (
        DefenseEvasion,
        &[
            1006, 1014, 1027, 1036, 1070, 1112, 1140, 1202, 1207, 1211, 1216, 1218, 1220, 1221, 1222, 1480, 1497, 1535,
            1550, 1553, 1562, 1564, 1578, 1599, 1600, 1601, 1612, 1620, 1622, 1647, 1656,
        ],
    ),
    (
        CredentialAccess,
        &[1003, 1040, 1056, 1110, 1111, 1187, 1212, 1528, 1539, 1552, 1555, 1556, 1557, 1558, 1606, 1621, 1649],
    ),
    (
        Discovery,
        &[
            1007, 1010, 1012, 1016, 1018, 1033, 1046, 1049, 1057, 1069, 1082, 1083, 1087, 1120, 1124, 1135, 1201, 1217,
            1482, 1518, 1526, 1538, 1580, 1613, 1614, 1615, 1619, 1652, 1654,
        ],
    ),
    (LateralMovement, &[1021, 1080, 1210, 1534, 1563, 1570]),
    (Collection, &[1005, 1025, 1039, 1074, 1113, 1114, 1115, 1119, 1123, 1125, 1185, 1213, 1530, 1560, 1602]),
    (CommandAndControl, &[1001, 1008, 1071, 1090, 1092, 1095, 1102, 1104, 1105, 1132, 1219, 1568, 1571, 1572, 1573]),
    (Exfiltration, &[1011, 1020, 1029, 1030, 1041, 1048, 1052, 1537, 1567]),
    (Impact, &[1485, 1486, 1489, 1490, 1491, 1495, 1496, 1498, 1499, 1529, 1531, 1561, 1565, 1657]),
];

impl Tactic {
    /// Of a technique id like `T1110` or `T1110.001`; `None` for one that is not in the table.
    pub fn of(technique: &str) -> Option<Self> {
        let number = technique.strip_prefix('T')?.split('.').next()?.parse::<u16>().ok()?;
        TACTICS.iter().find(|(_, techniques)| techniques.contains(&number)).map(|(tactic, _)| *tactic)
    }

    /// In their order.
    pub fn all() -> impl Iterator<Item = Self> {
        TACTICS.iter().map(|(tactic, _)| *tactic)
    }

    /// The one of this name, as the matrix writes it.
    pub fn named(name: &str) -> Option<Self> {
        TACTICS.iter().map(|(tactic, _)| *tactic).find(|tactic| tactic.name() == name)
    }

    /// Somebody looks, or prepares: nothing of what is looked at has been touched yet.
    pub fn is_preparation(self) -> bool {
        self <= ResourceDevelopment
    }

    /// As the matrix writes it.
    pub fn name(self) -> &'static str {
        match self {
            Reconnaissance => "reconnaissance",
            ResourceDevelopment => "resource-development",
            InitialAccess => "initial-access",
            Execution => "execution",
            Persistence => "persistence",
            PrivilegeEscalation => "privilege-escalation",
            DefenseEvasion => "defense-evasion",
            CredentialAccess => "credential-access",
            Discovery => "discovery",
            LateralMovement => "lateral-movement",
            Collection => "collection",
            CommandAndControl => "command-and-control",
            Exfiltration => "exfiltration",
            Impact => "impact",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_technique_has_the_tactic_of_its_technique() {
        assert_eq!(Tactic::of("T1110.001"), Some(CredentialAccess));
        assert_eq!(Tactic::of("T1110"), Some(CredentialAccess));
        assert_eq!(Tactic::named("credential-access"), Some(CredentialAccess));
    }

    #[test]
    fn what_is_no_technique_has_no_tactic() {
        for text in ["", "T", "1110", "T99999", "T9999", "TA0001", "T1110x"] {
            assert_eq!(Tactic::of(text), None, "{text}");
        }
    }

    #[test]
    fn no_technique_is_listed_under_two_tactics() {
        let mut all: Vec<u16> = TACTICS.iter().flat_map(|(_, techniques)| techniques.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
