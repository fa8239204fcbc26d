//! A TPM's quotes by way of `POST /api/v1/streams/L4_IN`: from a file, and from an emulated TPM that examples/quote.py asks.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Daemon, Site, free_port, is_ours, wait_for};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn flags(daemon: &Daemon) -> Vec<String> {
    let events = daemon.stream("SOC_EVENTS");
    let flags = events.iter().filter_map(|event| event["flags"].as_array()).flatten().filter_map(Value::as_str);
    flags.filter(|flag| flag.starts_with("QUOTE_")).map(str::to_owned).collect()
}

#[test]
fn a_quote_that_holds_is_quiet_and_an_edited_one_is_forged() {
    let samples: Vec<Value> = serde_json::from_str(include_str!("../../src/detect/quote/samples.json")).unwrap();
    let site = Site::new("");
    let daemon = site.start_ready();
    let post = |registers: &Value| {
        let sample = &samples[0];
        let payload = json!({
            "kind": "quote", "host": "web1", "nonce": sample["nonce"], "attest": sample["attest"],
            "signature": sample["signature"], "ak": sample["pem"], "registers": registers,
        });
        let (code, answer) =
            daemon.post("/api/v1/streams/L4_IN", &json!({ "source": "tpm", "payload": payload }).to_string()).unwrap();
        assert!(code == 200 && answer.contains("\"accepted\":1"), "{answer}");
    };
    let mut edited = samples[0]["registers"].clone();
    edited["sha256"]["7"] = "11".repeat(32).into();
    post(&samples[0]["registers"]);
    post(&edited);
    wait_for("the edited registers to be told", || !flags(&daemon).is_empty());
    assert_eq!(flags(&daemon), ["QUOTE_FORGED"]);
    let (_, answer) = daemon
        .post("/api/v1/streams/L4_IN", &json!({ "source": "tpm", "payload": { "kind": "quote" } }).to_string())
        .unwrap();
    assert!(answer.contains("missing field `nonce`"), "{answer}");
}

/// An emulated TPM; ended with the test.
struct Tpm(Child);

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// A port behind which the next one is free as well: the tools expect the emulator's control channel there.
fn two_ports() -> u16 {
    std::iter::repeat_with(free_port).find(|port| is_ours(port + 1)).unwrap()
}

#[test]
fn an_emulated_tpm_is_asked_by_the_example_and_believed() {
    let is_there = |tool: &str| Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !["swtpm", "tpm2_quote", "python3"].into_iter().all(is_there) {
        println!("skipped: swtpm, tpm2-tools or python3 is not installed");
        return;
    }
    let site = Site::new("");
    let daemon = site.start_ready();
    let port = two_ports();
    let state = site.path("tpm");
    std::fs::create_dir(&state).unwrap();
    let swtpm = Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .arg(format!("--tpmstate=dir={}", state.display()))
        .arg(format!("--server=type=tcp,port={port}"))
        .arg(format!("--ctrl=type=tcp,port={}", port + 1))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _tpm = Tpm(swtpm);
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(site.path(""))
            .env("TPM2TOOLS_TCTI", format!("swtpm:host=127.0.0.1,port={port}"))
            .env("DSMILD_URL", format!("http://127.0.0.1:{}", site.port))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let must = |program: &str, arguments: &[&str]| {
        let (succeeded, error) = run(program, arguments);
        assert!(succeeded, "{program} {arguments:?}: {error}");
    };
    wait_for("the TPM to answer", || run("tpm2_pcrread", &["-Q", "sha256:0"]).0);
    must("tpm2_createek", &["-Q", "-c", "ek.ctx", "-G", "ecc", "-u", "ek.pub"]);
    must("tpm2_flushcontext", &["-t"]);
    must(
        "tpm2_createak",
        &["-Q", "-C", "ek.ctx", "-c", "ak.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-u", "ak.pub"],
    );
    must("tpm2_flushcontext", &["-t"]);
    must("tpm2_readpublic", &["-Q", "-c", "ak.ctx", "-f", "pem", "-o", "ak.pem"]);
    must("tpm2_flushcontext", &["-t"]);
    let example = format!("{ROOT}/examples/quote.py");
    for _ in 0..2 {
        must("python3", &[&example, "ak.ctx", "ak.pem", "sha256:0,7"]);
        must("tpm2_flushcontext", &["-t"]);
    }
    wait_for("all that follows to be said", || daemon.has_no_backlog());
    assert_eq!(daemon.stream("L4_IN").len(), 2);
    assert_eq!(flags(&daemon), [""; 0]);
}
