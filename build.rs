//! Lists the files of `config/formats`, `config/web`, `config/rules` and `config/scenarios`, so that a new one needs no line of code.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    list("formats", "toml")?;
    list("web", "toml")?;
    list("rules", "yml")?;
    list("scenarios", "yml")
}

/// Writes `NAME.rs`: names and texts of the files of `config/NAME`.
fn list(name: &str, extension: &str) -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("config").join(name);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut list = String::from("&[\n");
    for path in paths {
        let name = path.file_name().unwrap_or_default().display().to_string();
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join(format!("{name}.rs")), list)?;
    Ok(())
}
