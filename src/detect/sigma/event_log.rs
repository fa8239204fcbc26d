//! Events of the Windows event log and of Sysmon, as shippers and XML have them: their channel, their number, their data.
//!
//! Which channel is which service of Sigma, and which event of Sysmon is which category, is from Sigma's specification
//! (appendix "taxonomy") and from Sysmon's own manual.

use crate::event::Record;

const CHANNEL: [&str; 6] =
    ["Channel", "winlog.channel", "Event.System.Channel", "data.win.system.channel", "log_name", "channel"];
const ID: [&str; 6] =
    ["EventID", "winlog.event_id", "Event.System.EventID", "data.win.system.eventID", "event_id", "code"];
const PROVIDER: [&str; 5] = [
    "ProviderName",
    "SourceName",
    "winlog.provider_name",
    "Event.System.Provider.Name",
    "data.win.system.providerName",
];
/// What stands before the name of an event's own data.
const DATA: [&str; 5] =
    ["winlog.event_data.", "Event.EventData.", "Event.UserData.", "data.win.eventdata.", "event_data."];

const SERVICES: [(&str, &str); 14] = [
    ("Security", "security"),
    ("System", "system"),
    ("Application", "application"),
    ("Microsoft-Windows-Sysmon/Operational", "sysmon"),
    ("Linux-Sysmon/Operational", "sysmon"),
    ("Microsoft-Windows-PowerShell/Operational", "powershell"),
    ("PowerShellCore/Operational", "powershell"),
    ("Windows PowerShell", "powershell-classic"),
    ("Microsoft-Windows-Windows Defender/Operational", "windefend"),
    ("Microsoft-Windows-TaskScheduler/Operational", "taskscheduler"),
    ("Microsoft-Windows-WMI-Activity/Operational", "wmi"),
    ("Microsoft-Windows-Bits-Client/Operational", "bits-client"),
    ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "firewall-as"),
    ("Microsoft-Windows-NTLM/Operational", "ntlm"),
];

/// By service and number of the event.
const CATEGORIES: [(&str, &[&str], &[&str]); 27] = [
    ("security", &["4688"], &["process_creation"]),
    ("powershell", &["4103"], &["ps_module"]),
    ("powershell", &["4104"], &["ps_script"]),
    ("powershell-classic", &["400"], &["ps_classic_start"]),
    ("powershell-classic", &["600"], &["ps_classic_provider_start"]),
    ("sysmon", &["1"], &["process_creation"]),
    ("sysmon", &["2"], &["file_change"]),
    ("sysmon", &["3"], &["network_connection"]),
    ("sysmon", &["4", "16"], &["sysmon_status"]),
    ("sysmon", &["5"], &["process_termination"]),
    ("sysmon", &["6"], &["driver_load"]),
    ("sysmon", &["7"], &["image_load"]),
    ("sysmon", &["8"], &["create_remote_thread"]),
    ("sysmon", &["9"], &["raw_access_thread"]),
    ("sysmon", &["10"], &["process_access"]),
    ("sysmon", &["11"], &["file_event"]),
    ("sysmon", &["12"], &["registry_event", "registry_add", "registry_delete"]),
    ("sysmon", &["13"], &["registry_event", "registry_set"]),
    ("sysmon", &["14"], &["registry_event", "registry_rename"]),
    ("sysmon", &["15"], &["create_stream_hash"]),
    ("sysmon", &["17", "18"], &["pipe_created"]),
    ("sysmon", &["19", "20", "21"], &["wmi_event"]),
    ("sysmon", &["22"], &["dns_query"]),
    ("sysmon", &["23", "26"], &["file_delete"]),
    ("sysmon", &["25"], &["process_tampering"]),
    ("sysmon", &["27", "28", "29"], &["file_block_executable", "file_block_shredding", "file_executable_detected"]),
    ("sysmon", &["255"], &["sysmon_error"]),
];

/// Where the event stands, in Sigma's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub service: &'static str,
    pub categories: &'static [&'static str],
    /// Sysmon for Linux has the events of the other one.
    pub is_of_linux: bool,
}

/// `None`: the record is no such event, or of a channel that rules have no name for.
pub fn place(record: &Record) -> Option<Place> {
    let channel = record.first_of(&CHANNEL)?;
    let (_, service) = SERVICES.iter().find(|(known, _)| known.eq_ignore_ascii_case(channel))?;
    let id = record.first_of(&ID).unwrap_or_default();
    let categories = CATEGORIES.iter().find(|(of, ids, _)| of == service && ids.contains(&id));
    Some(Place {
        service,
        categories: categories.map_or(&[], |(_, _, categories)| categories),
        is_of_linux: channel.starts_with("Linux-"),
    })
}

/// Every category that an event can have.
pub fn categories() -> impl Iterator<Item = &'static str> {
    CATEGORIES.iter().flat_map(|(_, _, categories)| categories.iter().copied())
}

/// A field of the event under its own name.
pub fn field<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    match name {
        "EventID" => record.first_of(&ID),
        "Channel" => record.first_of(&CHANNEL),
        "Provider_Name" => record.first_of(&PROVIDER),
        _ => data(record, name),
    }
}

fn data<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.fields.iter().find_map(|(key, value)| {
        let inner = DATA.iter().find_map(|prefix| key.strip_prefix(prefix))?;
        // Wazuh writes the first letter small.
        inner.eq_ignore_ascii_case(name).then_some(value.as_str())
    })
}

#[cfg(test)]
mod tests {
    use rsigma_parser::LogSource;

    use super::*;
    use crate::detect::sigma::logsource::Classes;
    use crate::event::Format;
    use crate::parse::record;

    fn of(line: &str) -> Record {
        record(line.as_bytes(), Format::Auto, &[])
    }

    fn fits(record: &Record, product: &str, category: &str, service: &str) -> bool {
        let own = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let rule =
            LogSource { product: own(product), category: own(category), service: own(service), ..LogSource::default() };
        Classes::of(record).fit(&rule)
    }

    #[test]
    fn an_event_of_windows_is_of_its_channel_and_has_its_data_under_their_own_names() {
        let flat = of(
            r#"{"EventID":4688,"Channel":"Security","Hostname":"pc1","NewProcessName":"C:\\x.exe","CommandLine":"x.exe -a","SubjectUserName":"eve"}"#,
        );
        let beat = of(
            r#"{"winlog":{"channel":"Security","event_id":"4688","computer_name":"pc1","provider_name":"P","event_data":{"NewProcessName":"C:\\x.exe","CommandLine":"x.exe -a","SubjectUserName":"eve"}}}"#,
        );
        for event in [flat, beat] {
            assert!(fits(&event, "windows", "process_creation", "") && fits(&event, "windows", "", "security"));
            assert!(!fits(&event, "linux", "process_creation", "") && !fits(&event, "windows", "", "system"));
            assert_eq!(field(&event, "EventID"), Some("4688"));
            assert_eq!(event.field("CommandLine").or(field(&event, "CommandLine")), Some("x.exe -a"));
        }
    }

    #[test]
    fn sysmon_has_a_category_for_each_number_on_both_systems() {
        let event = |id: u8, channel: &str| {
            of(&format!(
                "<Event><System><EventID>{id}</EventID><Channel>{channel}</Channel><Computer>h</Computer></System><EventData><Data Name=\"Image\">/usr/bin/nc</Data></EventData></Event>"
            ))
        };
        let linux = event(1, "Linux-Sysmon/Operational");
        assert!(fits(&linux, "linux", "process_creation", "") && !fits(&linux, "windows", "process_creation", ""));
        assert_eq!(field(&linux, "Image"), Some("/usr/bin/nc"));
        let windows = event(13, "Microsoft-Windows-Sysmon/Operational");
        assert!(fits(&windows, "windows", "registry_set", "") && fits(&windows, "windows", "registry_event", "sysmon"));
        assert!(!fits(&windows, "windows", "process_creation", ""));
    }

    #[test]
    fn zeek_a_proxy_and_a_web_server_are_what_their_formats_say() {
        let zeek = of(
            r#"{"ts":1628777425.7,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":5,"id.resp_h":"198.51.100.7","id.resp_p":53,"proto":"udp","query":"example.org","qtype_name":"A","rcode_name":"NOERROR","trans_id":1}"#,
        );
        assert!(fits(&zeek, "zeek", "", "dns") && fits(&zeek, "", "dns", "") && !fits(&zeek, "zeek", "", "http"));
        let web = of(r#"192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "GET /x HTTP/1.1" 404 5 "-" "curl""#);
        assert!(fits(&web, "", "webserver", "") && !fits(&web, "", "proxy", ""));
        let proxy = of(
            "1757000000.123    250 192.0.2.9 TCP_MISS/200 4500 GET http://example.org/x - HIER_DIRECT/198.51.100.9 text/html",
        );
        assert!(fits(&proxy, "", "proxy", "") && !fits(&proxy, "", "webserver", ""), "{proxy:?}");
    }
}
