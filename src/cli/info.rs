//! `sipscope info`: what each file holds, and what of it was not used.

use std::collections::{BTreeMap, HashSet};

use super::args::{Format, List};
use super::input::Capture;
use super::output::Output;
use super::record::{Object, Record};
use super::table::{self, Layout};
use super::{Failure, Outcome};
use crate::index::IndexView;
use crate::ingest::{FileReport, KeyLogReport};
use crate::packet::link_names::link_type_name;
use crate::packet::tls::{CertificateInfo, TlsConnection, alert_name, version_name};
use crate::packet::trace::TimeKind;
use crate::present::rows::{counted, moment_words};
use crate::present::text;
use crate::present::tls::{self, TlsState};
use crate::source::{FileInfo, Interface, Skipped};

pub(super) const FIELDS: &[&str] = &[
    "file",
    "format",
    "compressed",
    "packets",
    "link_types",
    "interfaces",
    "first",
    "last",
    "sip_messages",
    "requests",
    "responses",
    "transactions",
    "dialogs",
    "calls",
    "retransmissions",
    "copies",
    "rtp_packets",
    "rtp_streams",
    "skipped",
    "truncated_at",
    "secrets",
    "truncated_why",
    "key_logs",
    "tls",
];

/// Secrets type of a TLS key log in a pcapng.
const TLS_KEY_LOG: u32 = 0x544c_534b;
/// TLS connections told to people one by one.
const MAX_TLS_LINES: usize = 20;

/// Counts of one file.
#[derive(Default)]
struct Counts {
    messages: u64,
    requests: BTreeMap<String, u64>,
    responses: BTreeMap<u16, u64>,
    transactions: u64,
    dialogs: u64,
    calls: u64,
    retransmissions: u64,
    copies: u64,
    rtp_packets: u64,
    rtp_streams: u64,
}

/// Writes one object for each file.
pub(super) fn list(capture: &Capture, args: &List, out: &mut Output) -> Outcome {
    if !args.call.is_empty() || args.common.filter.is_some() || args.limit.is_some() {
        let why = "info tells of whole files: --call, --filter and --limit do not apply";
        return Err(Failure::usage(why));
    }
    let view = capture.view();
    let files = &capture.loaded.files;
    let mut counts = if files.len() == 1 {
        vec![total(view)]
    } else {
        by_file(view, files.len())
    };
    for stream in view.streams() {
        let Some(tally) = stream.tally else { continue };
        if let Some(counts) = counts.get_mut(usize::from(tally.first_frame.0)) {
            counts.rtp_packets = counts.rtp_packets.saturating_add(tally.packets);
            counts.rtp_streams += 1;
        }
    }
    let readable: Vec<(&FileReport, &Counts, TlsOf<'_>)> = files
        .iter()
        .zip(&counts)
        .enumerate()
        .filter(|(_, (file, _))| file.error.is_none())
        .map(|(index, (file, counts))| (file, counts, TlsOf::input(capture, index)))
        .collect();
    if args.format == Format::Table {
        for (file, counts, tls) in &readable {
            out.write(text::visible_lines(&words(file, counts, tls)).as_bytes())?;
        }
        return Ok(());
    }
    let layout = Layout {
        fields: FIELDS,
        columns: &[],
    };
    table::write(&layout, args, out, 1, |_, batch| {
        for (file, counts, tls) in &readable {
            batch.row(|record| fields(file, counts, tls, record), Vec::new);
        }
    })
}

/// The counts of the whole index: all there is to say of a single file.
fn total(view: &IndexView) -> Counts {
    let totals = &view.totals;
    Counts {
        messages: view.messages().len() as u64,
        requests: totals.requests.clone(),
        responses: totals.responses.clone(),
        transactions: u64::from(totals.transactions),
        dialogs: view.dialogs().len() as u64,
        calls: view.calls().len() as u64,
        retransmissions: totals.retransmissions,
        copies: totals.copies,
        ..Counts::default()
    }
}

/// Counts by file; what spans several files counts where it began.
fn by_file(view: &IndexView, files: usize) -> Vec<Counts> {
    let mut out: Vec<Counts> = (0..files).map(|_| Counts::default()).collect();
    let mut transactions = HashSet::new();
    for (index, row) in view.messages().indexed() {
        let Some(counts) = out.get_mut(usize::from(row.file)) else {
            continue;
        };
        counts.messages += 1;
        if row.is_response() {
            *counts.responses.entry(row.status).or_default() += 1;
        } else {
            let name = view.method_name(crate::index::ids::MessageId::at(index));
            match counts.requests.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(counts.requests.insert(name.to_owned(), 1)),
            }
        }
        counts.transactions += u64::from(transactions.insert(row.transaction));
        counts.retransmissions += u64::from(row.repeat().is_retransmission());
        counts.copies += u64::from(row.repeat().is_copy());
    }
    let file_of = |id| view.message(id).map(|row| usize::from(row.file));
    for dialog in view.dialogs().iter() {
        if let Some(counts) = file_of(dialog.opened_by).and_then(|f| out.get_mut(f)) {
            counts.dialogs += 1;
        }
    }
    for call in view.calls().iter() {
        if let Some(counts) = file_of(call.first).and_then(|f| out.get_mut(f)) {
            counts.calls += 1;
        }
    }
    out
}

/// Short name of a LINKTYPE_ value.
fn link_type(number: u16) -> String {
    let name = match number {
        0 => "null",
        1 => "ether",
        9 => "ppp",
        12 | 14 | 101 => "rawip",
        50 => "ppp-hdlc",
        51 => "pppoe",
        105 => "ieee-802-11",
        108 => "loop",
        113 => "linux-sll",
        127 => "ieee-802-11-radiotap",
        228 => "rawip4",
        229 => "rawip6",
        252 => "exported-pdu",
        276 => "linux-sll2",
        other => {
            return match link_type_name(other) {
                Some(name) => name.to_lowercase().replace('_', "-"),
                None => format!("linktype-{other}"),
            };
        }
    };
    name.to_owned()
}

fn fields(file: &FileReport, counts: &Counts, tls: &TlsOf<'_>, record: &mut Record) {
    let info = &file.info;
    record.text("file", Some(&file.path.to_string_lossy()));
    record.text("format", Some(info.format.name()));
    record.text("compressed", info.compressed.map(|c| c.name()));
    record.number("packets", Some(info.packets));
    record.texts(
        "link_types",
        info.link_types().into_iter().map(|(n, _)| link_type(n)),
    );
    record.objects(
        "interfaces",
        &info.interfaces,
        |o, i| interface(o, i),
        |i| name_of(i),
    );
    record.time("first", info.first);
    record.time("last", info.last);
    record.number("sip_messages", Some(counts.messages));
    record.counts("requests", counts.requests.clone());
    record.counts(
        "responses",
        counts.responses.iter().map(|(k, n)| (code_words(*k), *n)),
    );
    record.number("transactions", Some(counts.transactions));
    record.number("dialogs", Some(counts.dialogs));
    record.number("calls", Some(counts.calls));
    record.number("retransmissions", Some(counts.retransmissions));
    record.number("copies", Some(counts.copies));
    record.number("rtp_packets", Some(counts.rtp_packets));
    record.number("rtp_streams", Some(counts.rtp_streams));
    record.objects(
        "skipped",
        info.skipped.iter().chain(&file.skipped),
        |o, s| skipped(o, s),
        |s| format!("{} x {}: {}", s.count, s.what, s.why),
    );
    record.number(
        "truncated_at",
        info.truncated_at.as_ref().map(|(offset, _)| *offset),
    );
    record.number("secrets", Some(secrets(info, tls.key_logs.as_slice())));
    record.text(
        "truncated_why",
        info.truncated_at.as_ref().map(|(_, why)| why.as_str()),
    );
    record.objects(
        "key_logs",
        &tls.key_logs,
        |o, log| key_log(o, log),
        |log| log.path.to_string_lossy().into_owned(),
    );
    record.objects(
        "tls",
        &tls.connections,
        |o, connection| tls_connection(o, connection),
        |connection| tls::line(connection),
    );
}

/// The part of one input in what is known of TLS.
struct TlsOf<'a> {
    key_logs: Vec<&'a KeyLogReport>,
    connections: Vec<&'a TlsConnection>,
}

impl<'a> TlsOf<'a> {
    fn input(capture: &'a Capture, index: usize) -> Self {
        let loaded = &capture.loaded;
        let own = |input: Option<u16>| input.is_none_or(|input| usize::from(input) == index);
        Self {
            key_logs: loaded
                .key_logs
                .iter()
                .filter(|log| own(log.input))
                .collect(),
            connections: loaded
                .tls
                .iter()
                .filter(|c| usize::from(c.file) == index)
                .collect(),
        }
    }
}

/// Secrets for this input: of TLS by their number, others by their blocks.
fn secrets(info: &FileInfo, key_logs: &[&KeyLogReport]) -> u64 {
    let count = |log: &&KeyLogReport| log.added.secrets + log.added.rsa_keys;
    let lines: usize = key_logs.iter().map(count).sum();
    let others = info
        .secrets
        .iter()
        .filter(|s| s.kind != TLS_KEY_LOG)
        .count();
    (lines + others) as u64
}

fn key_log(object: &mut Object<'_>, log: &KeyLogReport) {
    object.text("file", Some(&log.path.to_string_lossy()));
    object.text("origin", Some(log.origin.name()));
    object.number("secrets", Some(log.added.secrets as u64));
    object.number("rsa_keys", Some(log.added.rsa_keys as u64));
    object.number("lines_ignored", Some(log.added.ignored as u64));
    object.text("error", log.error.as_deref());
    object.boolean("open_to_others", log.open_to_others);
    object.text("left_out", log.left_out().as_deref());
}

fn tls_connection(object: &mut Object<'_>, connection: &TlsConnection) {
    let facts = &connection.facts;
    let names = |list: &[u16]| list.iter().map(|v| version_name(*v)).collect::<Vec<_>>();
    object.text("client", Some(&connection.client.to_string()));
    object.text("server", Some(&connection.server.to_string()));
    object.number("first_frame", Some(connection.first_frame));
    object.time("time", Some(connection.time));
    object.text("state", Some(TlsState::of(connection).name()));
    object.text("why", tls::why(connection).as_deref());
    object.number("messages", Some(connection.messages));
    object.boolean("websocket", connection.websocket);
    object.boolean("probably_sip", connection.probably_sip());
    object.text("version", facts.version.map(version_name).as_deref());
    object.texts("versions_offered", names(&facts.versions_offered));
    object.text("cipher_suite", facts.suite.map(tls::suite).as_deref());
    object.texts(
        "cipher_suites_offered",
        facts.suites_offered.iter().map(|s| tls::suite(*s)),
    );
    object.text("sni", facts.sni.as_deref());
    object.text("alpn", facts.alpn.as_deref());
    object.texts("alpn_offered", &facts.alpn_offered);
    object.boolean("resumed", facts.resumed);
    object.boolean("hello_retry", facts.retried);
    object.number("key_updates", Some(facts.key_updates));
    object.number("records_client", facts.opened.first().copied());
    object.number("records_server", facts.opened.get(1).copied());
    object.number("holes", Some(facts.holes));
    object.number("holes_passed", Some(facts.rejoined));
    object.objects("certificates", &facts.certificates, certificate);
    object.objects(
        "client_certificates",
        &facts.client_certificates,
        certificate,
    );
    object.objects("alerts", &facts.alerts, |o, alert| {
        let (name, meaning) = alert_name(alert.number);
        o.text(
            "from",
            Some(if alert.from_server {
                "server"
            } else {
                "client"
            }),
        );
        o.text("name", Some(name));
        o.text("meaning", Some(meaning));
        o.boolean("fatal", alert.fatal);
        o.number("frame", Some(alert.frame));
    });
}

fn certificate(object: &mut Object<'_>, certificate: &&CertificateInfo) {
    let nanos = |seconds: i64| Some(seconds.saturating_mul(1_000_000_000));
    object.text("subject", Some(&certificate.subject));
    object.text("issuer", Some(&certificate.issuer));
    object.texts("names", &certificate.names);
    object.time("not_before", nanos(certificate.not_before));
    object.time("not_after", nanos(certificate.not_after));
}

fn interface(object: &mut Object<'_>, interface: &Interface) {
    object.text("name", interface.name.as_deref());
    object.text("description", interface.description.as_deref());
    object.text("link_type", Some(&link_type(interface.link_type)));
    object.number("snap_len", Some(interface.snap_len));
    object.text("resolution", Some(&interface.resolution));
    object.text("filter", interface.filter.as_deref());
    object.text("hardware", interface.hardware.as_deref());
    object.text("os", interface.os.as_deref());
    object.number("speed", interface.speed);
    object.number("packets", Some(interface.packets));
    let statistics = interface.statistics;
    object.number("received", statistics.and_then(|s| s.received));
    object.number("dropped", statistics.and_then(|s| s.dropped));
    object.boolean("guessed", interface.guessed);
    object.number("dropped_by_system", statistics.and_then(|s| s.os_dropped));
}

/// What the capture lost there, as far as the file says so.
fn lost(interface: &Interface) -> String {
    let Some(statistics) = interface.statistics else {
        return String::new();
    };
    let mut words = String::new();
    for (count, by) in [
        (statistics.os_dropped, "system"),
        (statistics.dropped, "interface"),
    ] {
        if let Some(count) = count.filter(|n| *n > 0) {
            words.push_str(&format!(", {} dropped by the {by}", text::grouped(count)));
        }
    }
    words
}

fn name_of(interface: &Interface) -> String {
    let name = interface
        .name
        .clone()
        .or_else(|| interface.description.clone());
    name.unwrap_or_else(|| link_type(interface.link_type))
}

fn skipped(object: &mut Object<'_>, skipped: &Skipped) {
    object.text("what", Some(&skipped.what));
    object.number("count", Some(skipped.count));
    object.number("first_frame", Some(skipped.first_frame).filter(|n| *n > 0));
    object.number("offset", Some(skipped.offset).filter(|n| *n > 0));
    object.text("why", Some(&skipped.why));
}

/// The same for people.
fn words(file: &FileReport, counts: &Counts, tls: &TlsOf<'_>) -> String {
    let info = &file.info;
    let mut out = format!("{}\n", text::visible(&file.path.to_string_lossy()));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("  {name:<16}{}\n", text::visible(&value)));
        }
    };
    let packed = info
        .compressed
        .map(|c| format!(", packed with {}", c.name()))
        .unwrap_or_default();
    line("format", format!("{}{packed}", info.format.name()));
    line("packets", text::grouped(info.packets));
    let links = info.link_types();
    let links: Vec<String> = links
        .iter()
        .map(|(n, count)| format!("{} ({count})", link_type(*n)))
        .collect();
    line("link types", links.join(", "));
    for interface in info.interfaces.iter().take(16) {
        if let Some(name) = &interface.name {
            line(
                "interface",
                format!(
                    "{name} ({} packets{})",
                    text::grouped(interface.packets),
                    lost(interface)
                ),
            );
        }
    }
    if let (Some(first), Some(last)) = (info.first, info.last) {
        let length = last.saturating_sub(first) as f64 / 1e9;
        let moment = |nanos| match info.time_kind {
            TimeKind::Absolute => text::rfc3339(nanos),
            kind => moment_words(kind, nanos),
        };
        line("first", moment(first));
        if info.time_kind != TimeKind::None {
            line("last", format!("{} ({length:.3} s later)", moment(last)));
        }
    }
    line("SIP messages", text::grouped(counts.messages));
    let list = |counts: Vec<(String, u64)>| {
        counts
            .iter()
            .map(|(k, n)| format!("{k} {n}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    line(
        "requests",
        list(counts.requests.clone().into_iter().collect()),
    );
    line(
        "responses",
        list(
            counts
                .responses
                .iter()
                .map(|(k, n)| (code_words(*k), *n))
                .collect(),
        ),
    );
    line("transactions", text::grouped(counts.transactions));
    line("dialogs", text::grouped(counts.dialogs));
    line("calls", text::grouped(counts.calls));
    line("retransmissions", text::grouped(counts.retransmissions));
    line("copies", text::grouped(counts.copies));
    line(
        "RTP",
        format!(
            "{} packets in {} streams",
            text::grouped(counts.rtp_packets),
            counts.rtp_streams
        ),
    );
    for s in info.skipped.iter().chain(&file.skipped) {
        line(
            "passed over",
            format!("{} x {}: {}", text::grouped(s.count), s.what, s.why),
        );
    }
    if let Some((offset, why)) = &info.truncated_at {
        line("cut", format!("reading ended at offset {offset}: {why}"));
    }
    let known = secrets(info, &tls.key_logs);
    if known > 0 {
        line("secrets", text::grouped(known));
    }
    for log in &tls.key_logs {
        let what = match &log.error {
            Some(error) => error.clone(),
            None => format!(
                "{} of TLS, {}{}",
                counted(log.added.secrets as u64, "secret", "secrets"),
                log.origin.name(),
                log.left_out()
                    .map(|why| format!("; {why}"))
                    .unwrap_or_default()
            ),
        };
        line("key log", format!("{}: {what}", log.path.to_string_lossy()));
    }
    for connection in tls.connections.iter().take(MAX_TLS_LINES) {
        line("TLS", tls::line(connection));
    }
    let more = tls.connections.len().saturating_sub(MAX_TLS_LINES);
    if more > 0 {
        line(
            "TLS",
            format!(
                "{} more connections are listed with --format json",
                text::grouped(more as u64)
            ),
        );
    }
    out
}

/// A status code; what was no number of 16 bits has none.
fn code_words(code: u16) -> String {
    match code {
        u16::MAX => "invalid".to_owned(),
        code => code.to_string(),
    }
}
