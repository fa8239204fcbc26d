//! The objects of CACAO Security Playbooks 2.0 (OASIS), in the order of the standard.

use super::basics::{EXTENSIONS, IDENTIFIER, IDENTIFIERS, PER_CENT, REFERENCE, REFERENCES, TEXTS, TIME, VARIABLES};
use super::markings::{SIGNATURE, extension_definition, marking};
use super::parties::{agent_or_target, authentication};
use super::shape::{Field, Kind, Shape, may, needs};
use super::text::kind_of;

pub const PLAYBOOK: Shape = &[&[
    needs!("type", Kind::OneOf(&["playbook"])),
    needs!("spec_version", Kind::OneOf(&["cacao-2.0"])),
    needs!("id", Kind::Like(is_of_playbook, "`playbook--` and a UUID")),
    needs!("name", Kind::Like(is_some, "a text")),
    may!("description", Kind::Text),
    may!("playbook_types", Kind::List(0, &Kind::Text)),
    may!("playbook_activities", TEXTS),
    may!("playbook_processing_summary", Kind::Object(&[SUMMARY])),
    needs!("created_by", Kind::Like(is_of_identity, "`identity--` and a UUID")),
    needs!("created", TIME),
    needs!("modified", TIME),
    may!("revoked", Kind::Switch),
    may!("valid_from", TIME),
    may!("valid_until", TIME),
    may!("derived_from", IDENTIFIERS),
    may!("related_to", IDENTIFIERS),
    may!("priority", PER_CENT),
    may!("severity", PER_CENT),
    may!("impact", PER_CENT),
    may!("industry_sectors", TEXTS),
    may!("labels", TEXTS),
    may!("external_references", REFERENCES),
    may!("markings", IDENTIFIERS),
    may!("playbook_variables", VARIABLES),
    needs!("workflow_start", IDENTIFIER),
    may!("workflow_exception", IDENTIFIER),
    needs!("workflow", Kind::Named(0, step, "a type of step, two hyphens and a UUID")),
    may!("playbook_extensions", EXTENSIONS),
    may!("authentication_info_definitions", Kind::Named(1, authentication, "an identifier")),
    may!("agent_definitions", Kind::Named(1, agent_or_target, "an identifier")),
    may!("target_definitions", Kind::Named(1, agent_or_target, "an identifier")),
    may!("extension_definitions", Kind::Named(0, extension_definition, "the identifier of an extension-definition")),
    may!("data_marking_definitions", Kind::Named(0, marking, "the identifier of a marking")),
    may!("signatures", Kind::List(1, &Kind::Object(&[SIGNATURE]))),
]];

const SUMMARY: &[Field] = &[
    may!("manual_playbook", Kind::Switch),
    may!("external_playbooks", Kind::Switch),
    may!("parallel_processing", Kind::Switch),
    may!("if_logic", Kind::Switch),
    may!("while_logic", Kind::Switch),
    may!("switch_logic", Kind::Switch),
    may!("temporal_logic", Kind::Switch),
    may!("data_markings", Kind::Switch),
    may!("digital_signatures", Kind::Switch),
    may!("countersigned_signatures", Kind::Switch),
    may!("extensions", Kind::Switch),
];

const STEP: &[Field] = &[
    may!("name", Kind::Text),
    may!("description", Kind::Text),
    may!("external_references", REFERENCES),
    may!("delay", Kind::Whole(1, i64::MAX)),
    may!("timeout", Kind::Whole(i64::MIN, i64::MAX)),
    may!("step_variables", VARIABLES),
    may!("owner", IDENTIFIER),
    may!("on_completion", IDENTIFIER),
    may!("on_success", IDENTIFIER),
    may!("on_failure", IDENTIFIER),
    may!("step_extensions", EXTENSIONS),
];

/// What goes in and comes out.
const ARGUMENTS: &[Field] = &[may!("in_args", TEXTS), may!("out_args", TEXTS)];

/// A step, by the type that its identifier begins with.
fn step(name: &str) -> Option<Shape> {
    Some(match kind_of(name)? {
        "start" => &[STEP, &[needs!("type", Kind::OneOf(&["start"])), needs!("on_completion", IDENTIFIER)]],
        "end" => &[STEP, &[needs!("type", Kind::OneOf(&["end"]))]],
        "action" => &[
            STEP,
            ARGUMENTS,
            &[
                needs!("type", Kind::OneOf(&["action"])),
                needs!("commands", Kind::List(1, &Kind::Object(&[COMMAND]))),
                needs!("agent", IDENTIFIER),
                may!("targets", IDENTIFIERS),
            ],
        ],
        "playbook-action" => &[
            STEP,
            ARGUMENTS,
            &[
                needs!("type", Kind::OneOf(&["playbook-action"])),
                needs!("playbook_id", IDENTIFIER),
                may!("playbook_version", TIME),
            ],
        ],
        "parallel" => {
            &[STEP, &[needs!("type", Kind::OneOf(&["parallel"])), needs!("next_steps", Kind::List(2, &IDENTIFIER))]]
        }
        "if-condition" => &[
            STEP,
            &[
                needs!("type", Kind::OneOf(&["if-condition"])),
                needs!("condition", Kind::Text),
                needs!("on_true", IDENTIFIER),
                may!("on_false", IDENTIFIER),
            ],
        ],
        "while-condition" => &[
            STEP,
            &[
                needs!("type", Kind::OneOf(&["while-condition"])),
                needs!("condition", Kind::Text),
                needs!("on_true", IDENTIFIER),
            ],
        ],
        "switch-condition" => &[
            STEP,
            &[
                needs!("type", Kind::OneOf(&["switch-condition"])),
                needs!("switch", Kind::Text),
                needs!("cases", Kind::Map(0, &IDENTIFIER)),
            ],
        ],
        _ => return None,
    })
}

const COMMAND: &[Field] = &[
    needs!("type", Kind::Text),
    may!("description", Kind::Text),
    may!("version", Kind::Text),
    may!("playbook_activity", Kind::Text),
    may!("external_references", Kind::List(0, &Kind::Object(&[REFERENCE]))),
];

/// Of the types of commands that the standard knows.
pub const COMMAND_OF_STANDARD: Shape = &[&[
    may!("command", Kind::Text),
    may!("command_b64", Kind::Text),
    may!("content", Kind::Text),
    may!("content_b64", Kind::Text),
    may!("headers", Kind::Map(0, &Kind::List(0, &Kind::Text))),
]];

/// Which properties a command cannot do without, of each group one; a type that the standard does not know has its own.
pub fn needed_of_command(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "manual" | "bash" | "ssh" | "powershell" | "caldera-cmd" => &[&["command", "command_b64"]],
        "http-api" => &[&["command"]],
        "openc2-http" => &[&["command"], &["content_b64"]],
        "elastic" | "jupyter" | "kestrel" | "sigma" | "yara" => &[&["command_b64"]],
        _ => &[],
    }
}

fn is_of_playbook(text: &str) -> bool {
    kind_of(text) == Some("playbook")
}

fn is_of_identity(text: &str) -> bool {
    kind_of(text) == Some("identity")
}

fn is_some(text: &str) -> bool {
    !text.is_empty()
}
