//! Who carries a playbook out and on what, and how they log in.

use super::basics::{EXTENSIONS, IDENTIFIER, TEXTS};
use super::shape::{Field, Kind, Shape, may, needs};
use super::text::{is_ipv4, is_ipv6, is_mac, is_url, kind_of};

const LOGIN: &[Field] = &[
    may!("name", Kind::Text),
    may!("description", Kind::Text),
    may!("authentication_info_extensions", EXTENSIONS),
    may!("password", Kind::Text),
    may!("kms", Kind::Switch),
    may!("kms_key_identifier", Kind::Text),
];

pub fn authentication(name: &str) -> Option<Shape> {
    Some(match kind_of(name)? {
        "http-basic" => &[LOGIN, &[needs!("type", Kind::OneOf(&["http-basic"])), may!("user_id", Kind::Text)]],
        "oauth2" => &[
            LOGIN,
            &[
                needs!("type", Kind::OneOf(&["oauth2"])),
                needs!("oauth_header", Kind::Text),
                needs!("token", Kind::Text),
            ],
        ],
        "user-auth" => &[LOGIN, &[needs!("type", Kind::OneOf(&["user-auth"])), may!("username", Kind::Text)]],
        _ => &[LOGIN, &[needs!("type", Kind::Text)]],
    })
}

const PARTY: &[Field] = &[
    needs!("name", Kind::Text),
    may!("description", Kind::Text),
    may!("location", Kind::Object(&[PLACE])),
    may!("agent_target_extensions", EXTENSIONS),
];

const CONTACT: &[Field] = &[may!(
    "contact",
    Kind::Object(&[&[
        may!("email", Kind::Map(0, &Kind::Text)),
        may!("phone", Kind::Map(0, &Kind::Text)),
        may!("contact_details", Kind::Text),
    ]]),
)];

const MACHINE: &[Field] = &[
    needs!(
        "address",
        Kind::Object(&[&[
            may!("url", Kind::List(0, &Kind::Like(is_url, "an address like https://example.org/x"))),
            may!("l2mac", Kind::List(0, &Kind::Like(is_mac, "a MAC address"))),
            may!("ipv4", Kind::List(0, &Kind::Like(is_ipv4, "an IPv4 address"))),
            may!("ipv6", Kind::List(0, &Kind::Like(is_ipv6, "an IPv6 address"))),
            may!("vlan", Kind::List(0, &Kind::Whole(0, 4095))),
            may!("dname", Kind::List(0, &Kind::Text)),
        ]]),
    ),
    may!("authentication_info", IDENTIFIER),
    may!("category", TEXTS),
];

const PORT: &[Field] = &[may!("port", Kind::Text)];

pub fn agent_or_target(name: &str) -> Option<Shape> {
    Some(match kind_of(name)? {
        "group" => &[PARTY, CONTACT, &[needs!("type", Kind::OneOf(&["group"]))]],
        "individual" => &[PARTY, CONTACT, &[needs!("type", Kind::OneOf(&["individual"]))]],
        "organization" => &[PARTY, CONTACT, &[needs!("type", Kind::OneOf(&["organization"]))]],
        "location" => &[PARTY, &[needs!("type", Kind::OneOf(&["location"])), may!("logical", TEXTS)]],
        "sector" => &[PARTY, &[needs!("type", Kind::OneOf(&["sector"])), needs!("sector", Kind::Text)]],
        "security-category" => {
            &[PARTY, &[needs!("type", Kind::OneOf(&["security-category"])), needs!("category", TEXTS)]]
        }
        "http-api" => &[PARTY, MACHINE, PORT, &[needs!("type", Kind::OneOf(&["http-api"]))]],
        "linux" => &[PARTY, MACHINE, PORT, &[needs!("type", Kind::OneOf(&["linux"]))]],
        "ssh" => &[PARTY, MACHINE, PORT, &[needs!("type", Kind::OneOf(&["ssh"]))]],
        "net-address" => &[PARTY, MACHINE, &[needs!("type", Kind::OneOf(&["net-address"]))]],
        _ => &[PARTY, &[needs!("type", Kind::Text)]],
    })
}

const PLACE: &[Field] = &[
    may!("name", Kind::Text),
    may!("description", Kind::Text),
    may!("building_details", Kind::Text),
    may!("network_details", Kind::Text),
    may!("region", Kind::OneOf(REGIONS)),
    may!("country", Kind::Text),
    may!("administrative_area", Kind::Text),
    may!("city", Kind::Text),
    may!("street_address", Kind::Text),
    may!("postal_code", Kind::Text),
    may!("latitude", Kind::Text),
    may!("longitude", Kind::Text),
    may!("precision", Kind::Text),
];

const REGIONS: &[&str] = &[
    "africa",
    "eastern-africa",
    "middle-africa",
    "northern-africa",
    "southern-africa",
    "western-africa",
    "americas",
    "caribbean",
    "central-america",
    "latin-america-caribbean",
    "northern-america",
    "south-america",
    "asia",
    "central-asia",
    "eastern-asia",
    "southern-asia",
    "south-eastern-asia",
    "western-asia",
    "europe",
    "eastern-europe",
    "northern-europe",
    "southern-europe",
    "western-europe",
    "oceania",
    "antarctica",
    "australia-new-zealand",
    "melanesia",
    "micronesia",
    "polynesia",
];
