//! The unit files and the package, as far as they can be judged without installing them.

use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `systemd-analyze`, with its words if it fails; `None` where there is none.
fn analyze(arguments: &[&str], folder: &Path) -> Option<(bool, String)> {
    let mut command = Command::new("systemd-analyze");
    let output =
        command.args(arguments).current_dir(folder).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display())).output();
    let Ok(output) = output else {
        eprintln!("skipped: systemd-analyze is not installed");
        return None;
    };
    Some((output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()))
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

const RESPOND_UNITS: [&str; 5] = [
    "dsmil-respond.service",
    "dsmil-respond.socket",
    "dsmil-respond-accounts.service",
    "dsmil-respond-accounts.socket",
    "dsmil-respond-accounts.timer",
];

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = tempfile::tempdir().unwrap();
    // The program and the manual page are not installed here.
    let service = read("dsmil.service").replace("/usr/bin/dsmild", "/bin/true").replace("Documentation=man:", "#");
    let mount = read("config/systemd/dsmil-ram.mount").replace("Documentation=man:", "#");
    fs::write(folder.path().join("dsmil.service"), service).unwrap();
    fs::write(folder.path().join(r"mnt-dsmil\x2dram.mount"), mount).unwrap();
    fs::write(folder.path().join("shrink-dsmil.service"), read("config/shrink/shrink-dsmil.service")).unwrap();
    for unit in RESPOND_UNITS {
        let text = read(&format!("config/systemd/{unit}")).replace("/usr/bin/dsmild", "/bin/true");
        fs::write(folder.path().join(unit), text.replace("Documentation=man:", "#")).unwrap();
    }
    for unit in ["dsmil.service", r"mnt-dsmil\x2dram.mount", "shrink-dsmil.service"].into_iter().chain(RESPOND_UNITS) {
        let Some((success, said)) = analyze(&["verify", unit], folder.path()) else { return };
        assert!(success && said.trim().is_empty(), "{unit}: {said}");
    }
}

#[test]
fn the_services_are_exposed_by_no_more_than_1_5() {
    // 15 is tenths: more and systemd-analyze fails.
    for unit in ["dsmil.service", "config/systemd/dsmil-respond.service"] {
        let Some((success, said)) = analyze(&["security", "--offline=true", "--threshold=15", unit], Path::new(ROOT))
        else {
            return;
        };
        assert!(success, "{said}");
    }
}

/// With more, whoever takes it over could do more than block.
#[test]
fn the_helper_has_the_one_right_that_it_needs_and_no_network() {
    let unit = read("config/systemd/dsmil-respond.service");
    let values = |key: &str| -> Vec<String> {
        unit.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect()
    };
    for key in ["CapabilityBoundingSet=", "AmbientCapabilities="] {
        assert_eq!(values(key), ["CAP_NET_ADMIN"]);
    }
    assert_eq!(values("RestrictAddressFamilies="), ["AF_UNIX AF_NETLINK"]);
    assert_eq!(values("ExecStart="), ["/usr/bin/dsmild respond-helper -c %d/dsmil.toml"]);
    let socket = read("config/systemd/dsmil-respond.socket");
    for line in ["SocketMode=0660", "SocketGroup=dsmil", "ListenStream=/run/dsmil-respond.sock"] {
        assert!(socket.lines().any(|found| found == line), "{line}");
    }
    assert!(read("config/dsmil.toml").contains("socket = \"/run/dsmil-respond.sock\""));
}

/// It is root's, and nothing of root's but the accounts.
#[test]
fn the_helper_for_accounts_writes_accounts_alone_and_has_no_network() {
    let unit = read("config/systemd/dsmil-respond-accounts.service");
    for line in [
        "CapabilityBoundingSet=CAP_CHOWN",
        "ProtectSystem=strict",
        "ReadWritePaths=/etc",
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK",
        "IPAddressDeny=any",
        "NoNewPrivileges=yes",
        "ExecStart=/usr/bin/dsmild respond-accounts-helper -c %d/dsmil.toml",
    ] {
        assert_eq!(unit.lines().filter(|found| *found == line).count(), 1, "{line}");
    }
    let socket = read("config/systemd/dsmil-respond-accounts.socket");
    let path = "/run/dsmil-respond-accounts.sock";
    for line in ["SocketMode=0660", "SocketGroup=dsmil", &format!("ListenStream={path}")] {
        assert!(socket.lines().any(|found| found == line), "{line}");
    }
    assert!(read("config/dsmil.toml").contains(&format!("socket = \"{path}\"")));
}

#[test]
fn everything_that_the_package_takes_from_the_repository_is_there() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let sources: Vec<&str> =
        deb["assets"].as_array().unwrap().iter().map(|asset| asset.as_array().unwrap()[0].as_str().unwrap()).collect();
    assert!(sources.contains(&"dsmil.service"));
    for source in sources.into_iter().filter(|source| !source.starts_with("target/")) {
        let place = Path::new(ROOT).join(source.split('*').next().unwrap());
        // A link leads to what is on the other machine.
        assert!(place.symlink_metadata().is_ok(), "{source}");
    }
    assert_eq!(fs::read_link(Path::new(ROOT).join("config/debian/links/dsmil")).unwrap(), Path::new("dsmild"));
    for script in ["postinst", "prerm", "postrm"] {
        let path = Path::new(ROOT).join("config/debian").join(script);
        let output = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Loki announces the first address of the machine's network interfaces where it is not told otherwise, and serves it nowhere:
/// pushes arrive and no query is ever answered.
#[test]
fn the_shipped_loki_announces_no_address_that_it_does_not_serve() {
    let config = read("config/loki/loki.yml");
    let lines: Vec<&str> = config.lines().map(str::trim).collect();
    let addresses: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| line.split(':').next().is_some_and(|key| key.ends_with("address") || key.ends_with("addr")))
        .collect();
    assert!(addresses.iter().all(|line| line.ends_with(": 127.0.0.1")), "{addresses:?}");
    let frontend = lines.iter().position(|line| *line == "frontend:").unwrap();
    assert_eq!(lines[frontend + 1], "address: 127.0.0.1");
}
