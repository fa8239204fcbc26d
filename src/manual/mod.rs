//! The manual pages and shell completions, for packages.

mod pages;

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use pages::{PAGES, Page};

/// Writes a page for each command that is not hidden, and completions for three shells.
///
/// # Errors
/// One of them cannot be written.
pub fn generate(command: Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = command.disable_help_subcommand(true);
    for name in ["dsmild", "dsmil"] {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, name, folder)?;
        }
    }
    std::fs::write(folder.join("dsmil.1"), ".so man1/dsmild.1\n")?;
    command.build();
    write_pages(&command, folder)
}

fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, folder)?;
    }
    let man = Man::new(command.clone());
    let (mut text, name) = (Vec::new(), man.get_filename());
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(page) = PAGES.iter().find(|page| name.strip_suffix(".1") == Some(page.name)) {
        sections(page).to_writer(&mut text)?;
    }
    man.render_version_section(&mut text)?;
    std::fs::write(folder.join(name), text)
}

/// `man` reads `-` as a hyphen of prose, which nobody can paste: of a command line it is a minus.
fn sections(page: &Page) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, means) in page.exits {
        roff.control("TP", []).text([bold(code.to_string())]).text([roman(*means)]);
    }
    roff.control("SH", ["FILES"]);
    for (file, what) in page.files {
        roff.control("TP", []).text([bold(*file)]).text([roman(*what)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    for (line, what) in page.examples {
        roff.control("PP", []).text([roman(*what)]);
        roff.control("RS", ["4"]).control("nf", []).text([bold(*line)]).control("fi", []).control("RE", []);
    }
    roff
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command as Process;

    use clap::CommandFactory;

    use super::*;

    fn generated() -> (tempfile::TempDir, Vec<(String, String)>) {
        let folder = tempfile::tempdir().unwrap();
        generate(crate::Cli::command(), folder.path()).unwrap();
        let pages = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let pages = pages.filter(|path| path.extension().is_some_and(|kind| kind == "1"));
        let read = |path: std::path::PathBuf| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        };
        let mut pages: Vec<_> = pages.map(read).filter(|(name, _)| name != "dsmil").collect();
        pages.sort();
        (folder, pages)
    }

    #[test]
    fn each_command_has_a_page_with_exit_status_files_and_examples_and_no_page_is_of_none() {
        let (_folder, pages) = generated();
        assert!(pages.len() > 35, "{}", pages.len());
        let written: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        let described: BTreeSet<&str> = PAGES.iter().map(|page| page.name).collect();
        assert_eq!(written, described);
        for (name, text) in &pages {
            for section in [".SH \"EXIT STATUS\"", ".SH FILES", ".SH EXAMPLES"] {
                assert!(text.contains(section), "{name} has no {section}");
            }
        }
    }

    #[test]
    fn each_example_of_this_program_is_a_command_line_that_it_takes() {
        for (line, _) in PAGES.iter().flat_map(|page| page.examples) {
            let own = line.split('|').map(str::trim).find_map(|part| {
                let part = part.strip_prefix("NO_COLOR=1 ").unwrap_or(part);
                part.starts_with("dsmild ").then_some(part)
            });
            let Some(own) = own else { continue };
            let own = own.split(" || ").next().unwrap();
            // What a shell makes of quotes.
            let words = own.split('\'').enumerate().flat_map(|(place, part)| match place % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            let words: Vec<&str> = words.collect();
            let taken = crate::Cli::command().try_get_matches_from(&words);
            assert!(taken.is_ok(), "{line}: {}", taken.unwrap_err());
        }
    }

    #[test]
    fn man_renders_each_page_without_a_warning() {
        let (folder, pages) = generated();
        for (name, _) in pages {
            let page = folder.path().join(format!("{name}.1"));
            let mut man = Process::new("man");
            man.env("MANWIDTH", "80").env("MANROFFSEQ", "").env("LC_ALL", "C.UTF-8");
            let Ok(output) = man.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(&page).output() else {
                eprintln!("skipped: man is not installed");
                return;
            };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.trim().is_empty(), "{name}: {said}");
        }
    }
}
