//! What is said about a playbook: markings, extensions, signatures.

use super::basics::{EXTENSIONS, IDENTIFIER, REFERENCE, REFERENCES, TEXTS, TIME};
use super::shape::{Field, Kind, Shape, may, needs};
use super::text::{is_time, kind_of};

pub fn extension_definition(name: &str) -> Option<Shape> {
    (kind_of(name)? == "extension-definition").then_some(&[&[
        needs!("type", Kind::OneOf(&["extension-definition"])),
        needs!("name", Kind::Text),
        may!("description", Kind::Text),
        needs!("created_by", IDENTIFIER),
        needs!("schema", Kind::Text),
        needs!("version", Kind::Text),
        may!("external_references", Kind::List(0, &Kind::Object(&[REFERENCE]))),
    ]])
}

const MARKING: &[Field] = &[
    needs!("id", IDENTIFIER),
    may!("name", Kind::Text),
    may!("description", Kind::Text),
    needs!("created_by", IDENTIFIER),
    needs!("created", TIME),
    may!("revoked", Kind::Switch),
    may!("valid_from", TIME),
    may!("valid_until", TIME),
    may!("labels", TEXTS),
    may!("marking_extensions", EXTENSIONS),
];

const TLP: &[&str] = &["TLP:RED", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:GREEN", "TLP:CLEAR"];

pub fn marking(name: &str) -> Option<Shape> {
    Some(match kind_of(name)? {
        "marking-statement" => &[
            MARKING,
            &[
                needs!("type", Kind::OneOf(&["marking-statement"])),
                needs!("statement", Kind::Text),
                may!("external_references", REFERENCES),
            ],
        ],
        "marking-tlp" => &[
            MARKING,
            &[
                needs!("type", Kind::OneOf(&["marking-tlp"])),
                needs!("tlpv2_level", Kind::OneOf(TLP)),
                may!("external_references", REFERENCES),
            ],
        ],
        "marking-iep" => &[MARKING, IEP],
        _ => return None,
    })
}

const IEP: &[Field] = &[
    needs!("type", Kind::OneOf(&["marking-iep"])),
    needs!("name", Kind::Text),
    needs!("description", Kind::Text),
    needs!("tlp", Kind::Text),
    needs!("iep_version", Kind::Whole(i64::MIN, i64::MAX)),
    needs!("start_date", TIME),
    needs!("end_date", Kind::LikeOrNull(is_time, "a time")),
    needs!("encrypt_in_transit", Kind::Text),
    needs!("permitted_actions", Kind::Text),
    needs!("affected_party_notifications", Kind::Text),
    needs!("attribution", Kind::Text),
    needs!("unmodified_resale", Kind::Text),
    needs!("external_references", REFERENCES),
];

pub const SIGNATURE: &[Field] = &[
    needs!("type", Kind::OneOf(&["jss"])),
    needs!("id", IDENTIFIER),
    may!("created_by", IDENTIFIER),
    needs!("created", TIME),
    needs!("modified", TIME),
    may!("revoked", Kind::Switch),
    needs!("signee", Kind::Text),
    may!("valid_from", TIME),
    may!("valid_until", TIME),
    needs!("related_to", IDENTIFIER),
    needs!("related_version", TIME),
    needs!("hash_algorithm", Kind::Text),
    needs!("algorithm", Kind::Text),
    may!("public_key", Kind::Text),
    may!("public_cert_chain", TEXTS),
    may!("cert_url", Kind::Text),
    may!("thumbprint", Kind::Text),
    needs!("value", Kind::Text),
    // Of the same shape; a signature of a signature says nothing of the playbook.
    may!("signature", Kind::Any),
];

/// Of these a signature has one.
pub const KEYS_OF_SIGNATURE: &[&str] = &["public_key", "public_cert_chain", "cert_url", "thumbprint"];
