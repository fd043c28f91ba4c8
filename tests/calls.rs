//! How calls end, by whom and why (the states of the command line), on small flows written here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod compose;

use std::io::Write as _;

use compose::{A, B, Capture, udp_from};
use sipscope::index::call;
use sipscope::index::ids::CallId;
use sipscope::ingest;

/// One line of a flow: seconds since the begin, sender, start line in short, CSeq, more headers.
///
/// `A` calls `B`; a tag of `B` stands in everything but the first INVITE, its CANCEL, 100 and what
/// refuses it at once.
fn message(line: &str) -> (u64, Vec<u8>) {
    let (head, more) = line.split_once('|').unwrap_or((line, ""));
    let mut words = head.split_whitespace();
    let seconds: f64 = words.next().unwrap().parse().unwrap();
    let sender = words.next().unwrap();
    let what = words.next().unwrap();
    let number: u32 = words.next().unwrap().parse().unwrap();
    // Of a response: the method that it answers.
    let answered = words.next();
    let method = answered.unwrap_or(what);
    let of_caller = (sender == "A") != answered.is_some();
    let tagged = !matches!(what, "100" | "CANCEL") && (number > 1 || what != "INVITE");
    let (mut from, mut to) = (
        "<sip:alice@a.example>;tag=a1".to_owned(),
        format!("<sip:bob@b.example>{}", if tagged { ";tag=b1" } else { "" }),
    );
    if !of_caller {
        from = "<sip:bob@b.example>;tag=b1".to_owned();
        to = "<sip:alice@a.example>;tag=a1".to_owned();
    }
    let start = match answered {
        Some(_) => format!("SIP/2.0 {what} Words"),
        None => format!("{what} sip:x@y.example SIP/2.0"),
    };
    // The ACK of a 2xx and every new request have branches of their own.
    let hop = if of_caller { "a" } else { "b" };
    let shared = if method == "CANCEL" { "INVITE" } else { method };
    let mut text = format!(
        "{start}\r\nVia: SIP/2.0/UDP {hop}.example;branch=z9hG4bK{hop}{number}{shared}\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: flow@example\r\nCSeq: {number} {method}\r\n"
    );
    for header in more.split('|').filter(|header| !header.is_empty()) {
        text.push_str(header.trim());
        text.push_str("\r\n");
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    let (src, dst) = match sender {
        "A" => ((A, 5060), (B, 5060)),
        _ => ((B, 5060), (A, 5060)),
    };
    let micros = (seconds * 1_000_000.0) as u64;
    let id = u16::try_from(micros / 1000 % 60_000).unwrap() + 1;
    (micros, udp_from(src, dst, id, text.as_bytes()))
}

#[track_caller]
fn check(flow: &[&str], expected: &str) {
    let mut capture = Capture::default();
    let mut before = 0;
    for line in flow {
        let (at, packet) = message(line);
        capture.add_after(at.checked_sub(before).expect("lines in order"), &packet);
        before = at;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&capture.bytes()).unwrap();
    let loaded = ingest::load(&[file.path().to_owned()], &ingest::Options::default());
    assert_eq!(loaded.view.messages().len(), flow.len());
    let summary = call::summary(&loaded.view, CallId::at(0)).unwrap();
    let got = format!(
        "{} {:?} {:?}",
        summary.state.name(),
        summary.ended_by,
        summary.end_reason
    );
    assert_eq!(got, expected, "{flow:#?}");
}

const ANSWERED: [&str; 4] = [
    "0 A INVITE 1",
    "0.1 B 180 1 INVITE",
    "1 B 200 1 INVITE | Session-Expires: 90;refresher=uac",
    "1.1 A ACK 1",
];

fn answered_and<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    ANSWERED
        .iter()
        .copied()
        .chain(rest.iter().copied())
        .collect()
}

#[test]
fn who_hangs_up_ends_the_call() {
    let flow = answered_and(&["30 B BYE 1", "30.1 A 200 1 BYE"]);
    check(&flow, "completed Some(Callee) Some(Bye)");
    let flow = answered_and(&["30 A BYE 2", "30.1 B 200 2 BYE"]);
    check(&flow, "completed Some(Caller) Some(Bye)");
}

#[test]
fn a_session_that_nobody_refreshed_ends_by_its_timer() {
    // 90 s less a third of it (RFC 4028, 10).
    let flow = answered_and(&["61 B BYE 1", "61.1 A 200 1 BYE"]);
    check(&flow, "completed Some(Callee) Some(SessionTimer)");
    let flow = answered_and(&["91 B BYE 1", "91.1 A 200 1 BYE"]);
    check(&flow, "completed Some(Callee) Some(SessionTimer)");
    let refreshed = [
        "46 A UPDATE 2",
        "46.1 B 200 2 UPDATE | Session-Expires: 90;refresher=uac",
        "61 B BYE 1",
        "61.1 A 200 1 BYE",
    ];
    check(
        &answered_and(&refreshed),
        "completed Some(Callee) Some(Bye)",
    );
}

#[test]
fn a_call_whose_answer_nobody_acknowledges_is_given_up() {
    let flow = [
        "0 A INVITE 1",
        "1 B 200 1 INVITE",
        "1.5 B 200 1 INVITE",
        "2.5 B 200 1 INVITE",
        "33 B BYE 1",
        "33.1 A 200 1 BYE",
    ];
    check(&flow, "completed Some(Callee) Some(NoAck)");
}

#[test]
fn a_dialog_that_the_other_side_does_not_know_is_lost() {
    let flow = answered_and(&["20 A INVITE 2", "20.1 B 481 2 INVITE", "20.2 A ACK 2"]);
    check(&flow, "completed Some(Network) Some(DialogLost)");
}

#[test]
fn what_ends_before_an_answer() {
    let flow = [
        "0 A INVITE 1",
        "0.1 B 180 1 INVITE",
        "5 A CANCEL 1",
        "5.1 B 200 1 CANCEL",
        "5.2 B 487 1 INVITE",
        "5.3 A ACK 1",
    ];
    check(&flow, "cancelled Some(Caller) Some(Cancel)");
    let flow = ["0 A INVITE 1", "0.1 B 486 1 INVITE", "0.2 A ACK 1"];
    check(&flow, "busy Some(Callee) Some(FinalResponse)");
    let flow = [
        "0 A INVITE 1",
        "0.5 A INVITE 1",
        "1.5 A INVITE 1",
        "40 A OPTIONS 9",
    ];
    check(&flow, "no_response Some(Network) Some(NoResponse)");
}
