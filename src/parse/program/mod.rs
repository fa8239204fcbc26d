//! What the messages of known programs mean, and a careful guess for the others.

mod account;
mod audit;
mod database;
mod dns;
mod exim;
mod ftp;
mod generic;
mod mail;
mod netfilter;
mod pam;
mod privilege;
mod service;
mod sshd;
mod telephony;
mod web;

use super::fill::fill;
use super::meaning::Meaning;
use super::{fields, stamp};
use crate::event::Record;
use crate::formats::Library;

/// Fills entity, action, command and outcome from fields and message. What a format says of the line counts; where none
/// speaks of it, or says nothing of what happened, the code here does.
pub(super) fn describe(record: &mut Record, library: &Library) {
    let given = record.entity.clone();
    // The keys of audit records have meanings of their own.
    if record.program.as_deref() != Some("auditd") {
        let written = std::mem::take(&mut record.fields);
        fields::describe(&written, record);
        record.fields = written;
    }
    let message = std::mem::take(&mut record.message);
    let program = record.program.take();
    let meaning = Meaning::of(library, program.as_deref(), said(&message), &record.fields);
    let is_known = by_program(program.as_deref(), &message, record);
    match meaning {
        Some(meaning) => meaning.apply(record, &given),
        None if !is_known => {
            generic::describe(said(&message), record);
        }
        None => {}
    }
    if let Some(program) = &program {
        fill(&mut record.entity.process, program);
    }
    record.program = program;
    record.message = message;
}

/// rsyslog folds repeated lines into one.
fn unfolded(message: &str) -> &str {
    let inner = message.strip_prefix("message repeated ").and_then(|rest| rest.split_once(" times: [ "));
    inner.and_then(|(_, inner)| inner.strip_suffix(']')).unwrap_or(message)
}

/// What the program itself said: without what the syslog daemon and the program's own log put round it.
pub fn said(message: &str) -> &str {
    without_time(unfolded(message))
}

/// Whether the code of some program knows the message.
fn by_program(program: Option<&str>, message: &str, record: &mut Record) -> bool {
    let message = said(message);
    pam::describe(program, message, record)
        || match program.unwrap_or_default() {
            "sshd" | "sshd-session" | "sshd-auth" | "ssh" => sshd::describe(message, record),
            "sudo" | "su" | "doas" | "pkexec" | "polkitd" | "run0" => {
                privilege::describe(program.unwrap_or_default(), message, record)
            }
            "useradd" | "userdel" | "usermod" | "groupadd" | "groupdel" | "groupmod" | "passwd" | "chpasswd"
            | "chage" | "gpasswd" | "chfn" | "chsh" | "newusers" | "adduser" | "deluser" => {
                account::describe(message, record)
            }
            "systemd" => service::systemd(message, record),
            "systemd-logind" => service::logind(message, record),
            "CRON" | "cron" | "crond" | "crontab" | "anacron" | "fcron" => service::cron(message, record),
            "login" | "agetty" => privilege::console(message, record),
            "kernel" => netfilter::kernel(message, record),
            "filterlog" => netfilter::filterlog(message, record),
            "auditd" | "audit" | "audisp-syslog" => audit::describe(record),
            "named" => dns::named(message, record),
            "dnsmasq" => dns::dnsmasq(message, record),
            "unbound" => dns::unbound(message, record),
            "nginx" | "httpd" | "apache" | "apache2" | "haproxy" | "lighttpd" => web::describe(message, record),
            "vsftpd" => ftp::vsftpd(message, record),
            "proftpd" => ftp::proftpd(message, record),
            "pure-ftpd" => ftp::pure(message, record),
            "mysqld" | "mariadbd" | "mariadb" | "mysql" | "postgres" | "postgresql" => {
                database::describe(message, record)
            }
            "exim" | "exim4" => exim::describe(message, record),
            "asterisk" => telephony::describe(message, record),
            name if name.starts_with("postfix") => mail::postfix(message, record),
            name if mail::is_dovecot(name) => mail::dovecot(message, record),
            name if name.starts_with("httpd/") => web::describe(message, record),
            name if name.starts_with("sendmail") || name.starts_with("sm-") => mail::sendmail(message, record),
            "" => by_shape(message, record),
            _ => dns::named(message, record),
        }
}

/// Programs with a log of their own put a time into what they send to syslog as well.
fn without_time(message: &str) -> &str {
    match stamp::any(message).filter(|_| message.starts_with(|c: char| c.is_ascii_digit() || c == '[')) {
        Some((_, rest)) => rest.trim_start(),
        None => message,
    }
}

/// Lines of files that hold one program's messages and so do not name it.
fn by_shape(message: &str, record: &mut Record) -> bool {
    audit::describe(record)
        || web::describe(message, record)
        || mail::by_shape(message, record)
        || dns::named(message, record)
        || exim::describe(message, record)
        || netfilter::packet(message, record)
        || netfilter::suricata(message, record)
        // What follows knows its program by words that anybody may have written into another program's line.
        || (generic::is_undisputed(message)
            && (ftp::describe(message, record)
                || database::describe(message, record)
                || telephony::describe(message, record)))
}
