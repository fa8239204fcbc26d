//! A configuration with mistakes is refused as a whole, with every mistake named.

use std::process::Stdio;

use crate::harness::{Site, dsmild};

const MISTAKES: &str = "[l4]\nhalf_life = \"soon\"\n[shrink]\nevery = \"0s\"\n[supervisor]\nunknown = 1\n\
                        [device.99]\nenabled = true\n[[intake.file]]\npath = \"/var/log/x\"\nformat = \"xml\"\n";
const KEYS: [&str; 5] = ["l4.half_life", "shrink.every", "supervisor.unknown", "device.99", "intake.file[0].format"];

#[test]
fn five_mistakes_are_five_findings_and_exit_78_for_check_and_run() {
    let site = Site::new(MISTAKES);
    for command in ["check", "run"] {
        let output = dsmild().args([command, "-c"]).arg(site.path("dsmil.toml")).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{command}: {text}");
        let file = site.path("dsmil.toml").display().to_string();
        let findings: Vec<_> = text.lines().filter(|line| line.starts_with(&file)).collect();
        assert_eq!(findings.len(), KEYS.len(), "{command}: {text}");
        for key in KEYS {
            assert!(findings.iter().any(|finding| finding.contains(&format!(": {key}"))), "{command}: {key}: {text}");
        }
    }
    assert!(!site.path("hot").exists(), "a refused configuration changes nothing");
}

#[test]
fn the_files_that_come_with_the_daemon_have_nothing_wrong() {
    for file in ["config/demo.toml", "config/dsmil.toml"] {
        let output = dsmild().args(["check", "-c", file]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
