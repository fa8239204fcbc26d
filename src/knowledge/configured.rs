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
        return Ok((built_in(), Vec::new()));
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
    Ok((Arc::new(Parser::new(library)), diagnostics.iter().map(left_out).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Format};

    const GOOD: &str = "name = \"own\"\nabout = \"test\"\nprograms = [\"own\"]\n[[message]]\nis = \"entry of {user:word}\"\naction = \"login\"\noutcome = \"failure\"\n";

    #[test]
    fn a_broken_file_is_left_out_and_its_neighbour_is_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("broken.toml"), GOOD.replace("{user:word}", "{user:wrd}")).unwrap();
        std::fs::write(folder.path().join("good.toml"), GOOD).unwrap();
        let (parser, findings) = parser(&Parse { formats: vec![folder.path().to_owned()] }).unwrap();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("broken.toml:5: template"), "{}", findings[0]);
        let record = parser.parse(b"Jan  2 03:04:05 h own[1]: entry of eve", Format::Auto, &[]).record;
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
        assert_eq!(record.entity.user.as_deref(), Some("eve"));
    }

    #[test]
    fn a_path_that_cannot_be_read_is_a_finding_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = Parse { formats: vec![folder.path().to_owned(), "/nonexistent".into()] };
        let keys: Vec<_> = parser(&config).unwrap_err().into_iter().map(|finding| finding.key).collect();
        assert_eq!(keys, ["parse.formats[0]", "parse.formats[1]"]);
    }
}
