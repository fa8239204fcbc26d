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

#[test]
fn what_will_never_bring_or_detect_anything_is_a_warning_of_check_and_replay() {
    let site = Site::new("");
    let folder = site.path("quiet");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("list.txt"), "# empty\n").unwrap();
    std::fs::write(folder.join("bad.yml"), "title: [\n").unwrap();
    let config = format!(
        "[[intake.file]]\npath = \"{0}/absent.log\"\n[l3]\nrules = [\"{0}\"]\n[device.54]\nindicators = [\"{0}/list.txt\"]\n",
        folder.display()
    );
    let path = folder.join("quiet.toml");
    std::fs::write(&path, config).unwrap();
    for command in ["check", "replay"] {
        let mut child = dsmild();
        child.args([command, "-c"]).arg(&path).stdin(Stdio::null());
        if command == "replay" {
            child.arg("-");
        }
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command}: {said}");
        for key in ["intake.file[0].path", "device.54.indicators[0]", "bad.yml"] {
            let is_said = said.lines().any(|line| line.contains("warning: ") && line.contains(key));
            assert!(is_said, "{command}: {key}: {said}");
        }
    }
}
