//! The parser that a configuration comes to.

use std::sync::Arc;

use super::files;
use crate::config::{Finding, Parse};
use crate::formats::{Library, builtin};
use crate::parse::{Parser, built_in};

/// The built-in formats and those of the configured paths, and what is wrong with single files: those are left out.
///
/// # Errors
/// A path cannot be read, or holds no file of formats.
pub fn parser(config: &Parse) -> Result<(Arc<Parser>, Vec<Finding>), Vec<Finding>> {
    if config.formats.is_empty() {
        let parser = match config.trusted_proxies.as_slice() {
            [] => built_in(),
            proxies => Arc::new(built_in().behind(proxies)),
        };
        return Ok((parser, Vec::new()));
    }
    let (mut texts, mut findings) = (builtin::texts(), Vec::new());
    for (index, path) in config.formats.iter().enumerate() {
        match files::read(std::slice::from_ref(path)) {
            Ok(more) => texts.extend(more),
            Err(problem) => findings.push(Finding::new(
                format!("parse.formats[{index}]"),
                problem,
                "name a readable .toml file of formats, or a folder of them",
            )),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let (library, diagnostics) = Library::new(&texts);
    let left_out = |diagnostic: &crate::formats::Diagnostic| {
        Finding::new("parse.formats", diagnostic.to_string(), "correct the file; until then it is left out")
    };
    Ok((Arc::new(Parser::new(library).behind(&config.trusted_proxies)), diagnostics.iter().map(left_out).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Format};

    const GOOD: &str = "name = \"own\"\nabout = \"test\"\nprograms = [\"own\"]\n[[message]]\nis = \"entry of {user:word}\"\naction = \"login\"\noutcome = \"failure\"\n";

    #[test]
    fn behind_a_trusted_proxy_the_client_is_whom_the_proxy_names() {
        let line =
            br#"10.0.0.1 - - [31/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 404 5 "-" "curl" "203.0.113.6, 192.0.2.7""#;
        let source = |proxies: &[&str]| {
            let trusted_proxies = proxies.iter().map(|network| network.parse().unwrap()).collect();
            let (parser, _) = parser(&Parse { trusted_proxies, ..Parse::default() }).unwrap();
            parser.parse(line, Format::Auto, &[]).record.entity.src_ip.unwrap()
        };
        assert_eq!((source(&[]).as_str(), source(&["10.0.0.0/8"]).as_str()), ("10.0.0.1", "192.0.2.7"));
    }

    #[test]
    fn a_broken_file_is_left_out_and_its_neighbour_is_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("broken.toml"), GOOD.replace("{user:word}", "{user:wrd}")).unwrap();
        std::fs::write(folder.path().join("good.toml"), GOOD).unwrap();
        let (parser, findings) =
            parser(&Parse { formats: vec![folder.path().to_owned()], ..Parse::default() }).unwrap();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("broken.toml:5: template"), "{}", findings[0]);
        let record = parser.parse(b"Jan  2 03:04:05 h own[1]: entry of eve", Format::Auto, &[]).record;
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
        assert_eq!(record.entity.user.as_deref(), Some("eve"));
    }

    #[test]
    fn a_path_that_cannot_be_read_is_a_finding_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = Parse { formats: vec![folder.path().to_owned(), "/nonexistent".into()], ..Parse::default() };
        let keys: Vec<_> = parser(&config).unwrap_err().into_iter().map(|finding| finding.key).collect();
        assert_eq!(keys, ["parse.formats[0]", "parse.formats[1]"]);
    }
}
