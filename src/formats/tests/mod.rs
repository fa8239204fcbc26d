//! The engine as a whole, on small formats of its own.

mod reference;

use super::*;

const SSHD: &str = include_str!("sshd.toml");
const PAM: &str = include_str!("pam.toml");

fn text(file: &str, toml: &str) -> FormatText {
    FormatText { file: file.to_owned(), toml: toml.to_owned(), is_tried: false }
}

fn library(texts: &[FormatText]) -> Library {
    let (library, diagnostics) = Library::new(texts);
    assert_eq!(diagnostics, []);
    library
}

fn plain(line: &str) -> Envelope {
    Envelope { program: None, message: line.to_owned(), fields: Vec::new() }
}

fn line<'a>(program: &'a str, message: &'a str) -> Line<'a> {
    Line { program: Some(program), message, fields: &[] }
}

/// One format named `t` for the program `p`, of messages given as template and action.
fn format(messages: &[(&str, &str)]) -> FormatText {
    let mut toml = String::from("name = \"t\"\nabout = \"test\"\nprograms = [\"p\"]\n");
    for (template, action) in messages {
        toml.push_str(&format!("[[message]]\nis = '''{template}'''\naction = \"{action}\"\n"));
    }
    text("t.toml", &toml)
}

/// The fields of a message that a template fits, sorted; `None` where it does not.
fn fields(template: &str, message: &str) -> Option<Vec<(String, String)>> {
    let library = library(&[format(&[(template, "other")])]);
    let understood = library.understand(line("p", message)).understood?;
    let mut fields: Vec<_> =
        understood.fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    fields.sort();
    Some(fields)
}

fn owned(fields: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

#[test]
fn the_samples_of_formats_pass() {
    let library = library(&[text("sshd.toml", SSHD), text("pam.toml", PAM)]);
    let report = check(&library, plain);
    assert_eq!(report.failures, []);
    assert!(report.samples >= 10);
}

#[test]
fn a_sample_that_is_wrong_is_reported_with_its_line() {
    let wrong = SSHD.replace("src_port = \"4242\"", "src_port = \"4243\"");
    let report = check(&library(&[text("sshd.toml", &wrong)]), plain);
    let [failure] = report.failures.as_slice() else { panic!("{:?}", report.failures) };
    assert_eq!((failure.file.as_str(), failure.line), ("sshd.toml", 17));
    assert_eq!(failure.text, "src_port: expected `4243`, found `4242`");
}

#[test]
fn a_sample_that_no_line_of_a_log_is_fails() {
    let toml = "name = 't'\nabout = 'test'\nuntagged = true\n[[message]]\nis = ['{_:word} refused {x:int}', 'refused {x:int}']\n\
                action = 'other'\n[[message.sample]]\nline = 'Nov refused 7'\nfields = { x = '7' }\n";
    let headed = |line: &str| plain(line.strip_prefix("Nov ").unwrap_or(line));
    let mended = toml.replace("'Nov refused 7'", "'refused 7'");
    assert_eq!(check(&library(&[text("t.toml", &mended)]), headed).failures, []);
    let strict = toml.replace(", 'refused {x:int}'", "");
    let [failure] = &*check(&library(&[text("t.toml", &strict)]), headed).failures else { panic!("one fails") };
    assert!(failure.text.contains("with the message `refused 7`"), "{}", failure.text);
}

#[test]
fn a_field_that_says_who_acted_is_listed_or_absent() {
    let silent = SSHD.replace("fields = { src_ip = \"203.0.113.9\" }", "fields = {}");
    let report = check(&library(&[text("sshd.toml", &silent)]), plain);
    assert_eq!(report.failures.len(), 1);
    assert!(report.failures[0].text.contains("src_ip: expected nothing"), "{:?}", report.failures);
}

#[test]
fn a_message_that_fits_two_entries_of_different_meaning_fails() {
    let toml = format(&[("a {x:text}", "login"), ("a b{?c}", "other")]).toml
        + "[[message.sample]]\nline = \"a bc\"\nfields = {}\n";
    let report = check(&library(&[text("t.toml", &toml)]), plain);
    assert!(report.failures[0].text.contains("also fits the message at t.toml:5"), "{:?}", report.failures);
}

#[test]
fn a_broken_file_is_reported_with_its_line_and_its_neighbours_stay() {
    let broken = SSHD.replace("{src_ip:ip} port {src_port:port} ssh2{?: {_:word} {_:text}}", "{src_ip:ipp}");
    let (library, diagnostics) = Library::new(&[text("a.toml", &broken), text("pam.toml", PAM)]);
    let [diagnostic] = diagnostics.as_slice() else { panic!("{diagnostics:?}") };
    assert_eq!((diagnostic.file.as_str(), diagnostic.line), ("a.toml", 21));
    assert!(diagnostic.text.contains("column 53: `ipp` is no type"), "{diagnostic}");
    assert_eq!(library.formats().len(), 1);
    let (_, diagnostics) = Library::new(&[text("b.toml", "name = \"x\"\nabout = \"y\"\nprogram = [\"z\"]\n")]);
    assert_eq!(diagnostics[0].line, 3, "{diagnostics:?}");
}

#[test]
fn free_text_ends_at_the_last_place_where_the_rest_fits() {
    let template = "for {user:text} from {src_ip:ip} port {_:port}";
    let forged = "for x from 198.51.100.66 port 1 from 192.0.2.1 port 2";
    let expected = owned(&[("src_ip", "192.0.2.1"), ("user", "x from 198.51.100.66 port 1")]);
    assert_eq!(fields(template, forged), expected);
    assert_eq!(fields(template, &format!("{forged} \n")), expected, "white space at the end");
    assert_eq!(fields(template, &format!("{forged}.")), None);
    assert_eq!(fields(template, "for  from 192.0.2.1 port 2"), None, "text is not empty");
}

#[test]
fn what_two_readings_disagree_in_is_left_out_and_marked() {
    let library = library(&[format(&[("user {user:text} from {src_ip:ip}: {reason:text}", "login")])]);
    let forged = "user x from 198.51.100.66: y from 192.0.2.1: bad password";
    let understood = library.understand(line("p", forged)).understood.unwrap();
    assert!(understood.is_ambiguous);
    assert_eq!((understood.field("user"), understood.field("src_ip")), (None, None));
    let honest = library.understand(line("p", "user x from 192.0.2.1: bad: password")).understood.unwrap();
    assert!(!honest.is_ambiguous);
    assert_eq!(honest.field("src_ip"), Some("192.0.2.1"));
}

#[test]
fn the_words_of_a_success_in_a_name_make_none_of_a_failure() {
    let library = library(&[text(
        "t.toml",
        r#"
        name = "t"
        about = "test"
        programs = ["p"]
        message = [
            { is = "Failed login of {user:text} from {src_ip:ip}", action = "login", outcome = "failure" },
            { is = "{_:text}: {user:text} has logged in from {src_ip:ip}", action = "login", outcome = "success" },
            { is = "{_:text} has sent the whole of its very long farewell to {_:text}", action = "other" },
        ]
        "#,
    )]);
    let said = |message: &str| {
        let understood = library.understand(line("p", message)).understood.unwrap();
        let user = understood.field("user").map(str::to_owned);
        (understood.action, understood.outcome, understood.is_ambiguous, user)
    };
    let bob = Some("bob".to_owned());
    assert_eq!(said("x: bob has logged in from 192.0.2.1"), (Action::Login, Outcome::Success, false, bob));
    let forged = "Failed login of x: bob has logged in from 192.0.2.1";
    assert_eq!(said(forged), (Action::Login, Outcome::Failure, true, None));
    let hidden = "Failed login of x has sent the whole of its very long farewell to y from 192.0.2.1";
    assert_eq!((said(hidden).0, said(hidden).1), (Action::Login, Outcome::Failure));
}

#[test]
fn readings_that_differ_only_in_what_is_no_identity_are_one() {
    let found = fields("{a:text}: {b:text}", "x: y: z");
    assert_eq!(found, owned(&[("a", "x: y"), ("b", "z")]));
}

#[test]
fn the_more_literal_message_means_more() {
    let library = library(&[format(&[("say {a:text}", "other"), ("say hello {b:text}", "session")])]);
    let understood = library.understand(line("p", "say hello you")).understood.unwrap();
    assert_eq!((understood.action, understood.field("b")), (Action::Session, Some("you")));
}

#[test]
fn own_formats_come_before_those_of_any_program_and_untagged_ones_last() {
    let library = library(&[text("sshd.toml", SSHD), text("pam.toml", PAM)]);
    let pam = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1";
    let name = |program: Option<&'static str>, message| {
        let line = Line { program, message, fields: &[] };
        library.understand(line).understood.map(|understood| understood.format.name.clone())
    };
    assert_eq!(name(Some("sshd"), pam).as_deref(), Some("pam"));
    assert_eq!(name(None, pam).as_deref(), Some("pam"));
    assert_eq!(name(Some("other"), pam).as_deref(), Some("pam"));
    assert_eq!(name(Some("sshd"), "Connection closed by 192.0.2.1").as_deref(), Some("sshd"));
    assert_eq!(name(Some("other"), "Connection closed by 192.0.2.1"), None);
    assert_eq!(name(None, "Connection closed by 192.0.2.1"), None);
}

#[test]
fn a_prefix_names_all_programs_that_begin_so() {
    let toml = format(&[("x {a:int}", "mail")]).toml.replace("[\"p\"]", "[\"postfix/*\"]");
    let library = library(&[text("t.toml", &toml)]);
    assert!(library.understand(line("postfix/smtpd", "x 1")).understood.is_some());
    assert!(library.understand(line("postfix", "x 1")).understood.is_none());
}

#[test]
fn a_record_is_found_by_its_keys_and_checked_by_its_values() {
    let toml = r#"
        name = "eve"
        about = "test"
        programs = ["suricata"]
        [[record]]
        has = ["event_type", "src_ip"]
        when = { event_type = "alert", code = ["1", 2] }
        map = { src_ip = "src_ip", user = ["user.name", "acct"], rule = "alert.signature", dst = "dest" }
        action = "alert"
        severity = { from = "level", values = { "1" = "high" } }
        set = { level = "1" }
        message = "msg"
        [[message]]
        is = "drop {reason:text}"
        action = "alert"
        outcome = "failure"
    "#;
    let library = library(&[text("eve.toml", toml)]);
    let with = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    };
    let base =
        [("event_type", "alert"), ("src_ip", "::ffff:192.0.2.1"), ("code", "2"), ("user.name", "-"), ("acct", "bob")];
    let mut fields = with(&base);
    fields.extend(with(&[("msg", "drop it"), ("dest", "192.0.2.9:53")]));
    let answer = |fields: &[(String, String)]| {
        let line = Line { program: None, message: "", fields };
        let understood = library.understand(line).understood?;
        let names = ["src_ip", "user", "dst_ip", "dst_port", "reason"];
        let values = names.map(|name| understood.field(name).map(str::to_owned));
        Some((understood.outcome, understood.severity, values))
    };
    let expected = ["192.0.2.1", "bob", "192.0.2.9", "53", "it"].map(|value| Some(value.to_owned()));
    assert_eq!(answer(&fields), Some((Outcome::Failure, Some(Severity::High), expected)));
    assert_eq!(answer(&with(&[("event_type", "alert"), ("src_ip", "x"), ("code", "3")])), None);
    assert_eq!(answer(&with(&[("event_type", "flow"), ("src_ip", "x"), ("code", "1")])), None);
}

#[test]
fn a_pair_that_stands_twice_says_nothing_of_who_acted() {
    let toml = format(&[("login {_:kv}", "login")]).toml + "map = { user = [\"acct\"], src_ip = \"rhost\" }\n";
    let library = library(&[text("t.toml", &toml)]);
    let understood = library.understand(line("p", "login acct=bob rhost=192.0.2.1 n=1")).understood.unwrap();
    assert_eq!((understood.field("user"), understood.field("src_ip")), (Some("bob"), Some("192.0.2.1")));
    assert_eq!((understood.field("n"), understood.is_ambiguous), (Some("1"), false));
    let forged =
        library.understand(line("p", "login acct=bob rhost=198.51.100.66 rhost=192.0.2.1")).understood.unwrap();
    assert_eq!((forged.field("src_ip"), forged.is_ambiguous), (None, true));
}

#[test]
fn columns_are_read_and_free_text_before_blanks_ends_where_they_begin() {
    let template = "{a:word}{_:space}{b:text}{_:space}{n:int}";
    assert_eq!(fields(template, "x   y z  12"), owned(&[("a", "x"), ("b", "y z"), ("n", "12")]));
}

#[test]
fn an_optional_field_is_read_and_its_absence_too() {
    let template = "rhost={?{src:addr}}{?  user={user:text}}";
    assert_eq!(fields(template, "rhost="), owned(&[]));
    assert_eq!(fields(template, "rhost=  user=bob"), owned(&[("user", "bob")]));
    assert_eq!(fields(template, "rhost=h.example.org"), owned(&[("src_host", "h.example.org")]));
}

#[test]
fn a_line_made_to_have_many_readings_is_ambiguous_and_costs_no_more() {
    let library = library(&[format(&[("{user:text} a {b:text} a {c:text} a {src:addr}{? {d:text}}", "login")])]);
    let message = "x a ".repeat(1000);
    let answer = library.understand(line("p", &message));
    assert!(answer.is_exhausted);
    if let Some(understood) = answer.understood {
        assert!(understood.is_ambiguous);
        assert_eq!((understood.field("user"), understood.field("src_ip")), (None, None));
    }
}

#[test]
fn a_line_has_one_budget_for_all_templates_that_are_asked_about_it() {
    let template = "{user:text} a {b:text} a {c:text} z";
    let own = format(&[(template, "login")]);
    let any = own.toml.replace("name = \"t\"", "name = \"u\"").replace("[\"p\"]", "[\"*\"]").replace(" z", " y");
    let any = text("u.toml", &any);
    let libraries = [vec![own.clone()], vec![any.clone()], vec![own, any]].map(|texts| library(&texts));
    let exhausted = |length: usize| {
        let message = format!("{} z y q", "x a ".repeat(length));
        libraries.each_ref().map(|library| library.understand(line("p", &message)).is_exhausted)
    };
    assert!((1..100).any(|length| exhausted(length) == [false, false, true]));
}

#[test]
fn the_nearest_miss_is_named_with_its_place() {
    let library = library(&[text("sshd.toml", SSHD)]);
    let misses = Misses::of(library.formats());
    let near = misses.nearest("Failed password for bob from 192.0.2.1 prt 22", |_| true).unwrap();
    assert!(near.template.starts_with("Failed"));
    assert_eq!(near.at, "Failed password for bob from 192.0.2.1 p".len());
    assert_eq!(near.expected, ["the text ` port `"]);
}

#[test]
fn quotes_round_a_name_and_the_root_of_a_host_are_no_part_of_them() {
    assert_eq!(fields("for {user:text}", "for \"eve x\""), owned(&[("user", "eve x")]));
    assert_eq!(fields("for {user:text}", "for eve\""), owned(&[("user", "eve\"")]));
    assert_eq!(fields("for {user:rest} now", "for  eve  now"), owned(&[("user", "eve")]));
    assert_eq!(fields("from {src_host:word}", "from h.example.org."), owned(&[("src_host", "h.example.org")]));
    let toml = r#"
        name = "t"
        about = "test"
        programs = ["p"]
        [[record]]
        has = ["rhost"]
        map = { src = "rhost" }
        action = "login"
    "#;
    let library = library(&[text("t.toml", toml)]);
    for (value, name, expected) in [
        ("h.example.org.", "src_host", "h.example.org"),
        ("192.0.2.1.", "src_ip", "192.0.2.1"),
        ("192.0.2.1,", "src_ip", "192.0.2.1"),
        ("[2001:db8::1]:22,", "src_ip", "2001:db8::1"),
    ] {
        let fields = [("rhost".to_owned(), value.to_owned())];
        let answer = library.understand(Line { program: None, message: "", fields: &fields });
        assert_eq!(answer.understood.unwrap().field(name), Some(expected), "{value}");
    }
}

/// When the daemon starts, their templates are not tried again.
#[test]
fn every_built_in_file_would_be_taken_from_an_operator() {
    let texts = super::builtin::texts().into_iter();
    let texts: Vec<FormatText> = texts.map(|text| FormatText { is_tried: false, ..text }).collect();
    assert_eq!(Library::new(&texts).1, []);
}

/// A name may begin and end with a blank, which `text` does not: then the line would have a forged reading alone. PAM writes blanks where it
/// knows no name, which would make every line of it ambiguous.
#[test]
fn no_built_in_template_reads_a_name_that_it_does_not_fit() {
    let formats = super::builtin::library().0.formats();
    let others = formats.iter().filter(|format| format.name != "pam");
    let templates = others.flat_map(|format| &format.messages).flat_map(|message| &message.templates);
    let narrow = templates.filter(|it| it.text.contains("{user:text}") || it.text.contains("{target_user:text}"));
    assert_eq!(narrow.map(|template| template.text.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn the_nearest_miss_is_found_by_one_walk_for_each_format() {
    let templates: Vec<String> =
        (0..50).map(|n| format!("{{a|b|c}}{n} {{?x }}{{user:text}} from {{src_ip:ip}}")).collect();
    let messages: Vec<(&str, &str)> = templates.iter().map(|template| (template.as_str(), "login")).collect();
    let library = library(&[format(&messages)]);
    let misses = Misses::of(library.formats());
    let near = misses.nearest("b7 bob from nowhere", |_| true).unwrap();
    assert_eq!((near.template, near.at), (templates[7].as_str(), "b7 bob from ".len()));
    assert_eq!(near.walks, 1 + 6, "and one for each of its sequences");
}

/// A line of a fallback that holds a client's words, among which are those of another fallback.
#[test]
fn a_client_s_words_do_not_choose_the_source_among_the_fallbacks_of_a_file() {
    let toml = r#"
        name = "t"
        about = "test"
        programs = ["p"]
        [[message]]
        fallback = true
        is = '[{user:rest}] FAIL "{src_ip:ip}"'
        action = "login"
        outcome = "failure"
        [[message]]
        fallback = true
        is = '[{user:rest}] COMMAND "{src_ip:ip}", {_:rest}'
        action = "other"
    "#;
    let library = library(&[text("t.toml", toml)]);
    let said = |message: &str| {
        let understood = library.understand(line("p", message)).understood.unwrap();
        let field = |name: &str| understood.field(name).map(str::to_owned);
        (field("user"), field("src_ip"), understood.is_ambiguous)
    };
    let known = (Some("x".to_owned()), Some("192.0.2.1".to_owned()), false);
    assert_eq!(said(r#"[x] FAIL "192.0.2.1""#), known);
    assert_eq!(said(r#"[x] COMMAND "192.0.2.1", "LIST""#), known);
    assert_eq!(said(r#"[x] COMMAND "192.0.2.1", "DELETE ] FAIL "203.0.113.6""#), (None, None, true));
}
