//! `/`: the console page. It holds no data and no secret; its script asks the API for both.

use std::hash::{BuildHasher, RandomState};

use axum::http::header;
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("console.css");
const SCRIPT: &str = concat!(
    include_str!("console.js"),
    include_str!("session.js"),
    include_str!("live.js"),
    include_str!("events.js"),
    include_str!("histogram.js"),
    include_str!("silences.js"),
    include_str!("state.js"),
    include_str!("rules.js"),
    include_str!("plot.js"),
    include_str!("entity.js"),
    include_str!("overview.js"),
    include_str!("system.js"),
    include_str!("export.js"),
    include_str!("keys.js"),
    include_str!("begin.js"),
);

pub async fn page() -> Response {
    let nonce = nonce();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_FRAME_OPTIONS, "DENY".to_owned()),
    ];
    let page = PAGE.replace("{{nonce}}", &nonce).replace("{{style}}", STYLE).replace("{{script}}", SCRIPT);
    (headers, page).into_response()
}

/// 128 bits; each `RandomState` has keys of its own, from the system's randomness.
fn nonce() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8))
}
