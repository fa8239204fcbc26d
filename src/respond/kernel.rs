//! Runs nft, which speaks to the kernel.

use serde_json::Value;

use super::program::{self, Input};

pub const NFT: &str = "/usr/sbin/nft";

/// What nft says to a document: one value for each command that asks something.
///
/// # Errors
/// As [`program::run`]; where the kernel does not take it, in nft's words.
pub async fn nft(document: &str, is_dry_run: bool) -> Result<Vec<Value>, String> {
    let arguments: &[&str] = if is_dry_run { &["-j", "--check", "-f", "-"] } else { &["-j", "-f", "-"] };
    let out =
        program::run(NFT, arguments, Input::Text(document), "install nftables (apt-get install nftables)").await?;
    let values = serde_json::Deserializer::from_slice(&out).into_iter().collect::<Result<_, _>>();
    values.map_err(|error| format!("reading the answer of {NFT}: {error}"))
}
