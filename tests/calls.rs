//! How calls end, by whom and why (the states of the command line), on small flows written here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod compose;

use std::io::Write as _;

use compose::{A, B, Capture, udp_from};
use sipscope::index::ids::CallId;
use sipscope::index::{call, dialog};
use sipscope::ingest;

/// One line of a flow: seconds since the begin, sender, start line in short, CSeq, more headers.
///
/// `Branch` is no header: it makes another transaction of the same CSeq.
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
    let other = more
        .split('|')
        .find_map(|header| header.trim().strip_prefix("Branch:"));
    let other = other.unwrap_or_default().trim();
    let mut text = format!(
        "{start}\r\nVia: SIP/2.0/UDP {hop}.example;branch=z9hG4bK{hop}{number}{shared}{other}\r\n\
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

/// The lines as a capture in a file, indexed.
fn load(packets: &[(u64, Vec<u8>)]) -> ingest::Loaded {
    let mut capture = Capture::default();
    let mut before = 0;
    for (at, packet) in packets {
        capture.add_after(at.checked_sub(before).expect("in order"), packet);
        before = *at;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&capture.bytes()).unwrap();
    ingest::load(&[file.path().to_owned()], &ingest::Options::default())
}

fn summaries(loaded: &ingest::Loaded) -> Vec<call::CallSummary> {
    (0..loaded.view.calls().len())
        .map(|at| call::summary(&loaded.view, CallId::at(at)).unwrap())
        .collect()
}

#[test]
fn a_call_without_its_invite_is_what_its_answers_say() {
    let rest = ["9 A BYE 2", "9.1 B 200 2 BYE"];
    let flow = [
        "0 B 100 1 INVITE",
        "0.1 B 180 1 INVITE",
        "1 B 200 1 INVITE",
        "1.1 A ACK 1",
    ];
    let whole: Vec<&str> = flow.iter().chain(&rest).copied().collect();
    check(&whole, "completed Some(Caller) Some(Bye)");
    let summary = summaries(&load(&whole.iter().map(|l| message(l)).collect::<Vec<_>>()));
    let [summary] = summary.as_slice() else {
        panic!("one call")
    };
    assert_eq!(
        (summary.status, summary.talk),
        (Some(200), Some(8_000_000_000))
    );
    assert_eq!(
        (summary.pdd, summary.setup),
        (None, None),
        "its start is not known"
    );
    check(&flow, "answered None None");
    // A 200 alone may answer a re-INVITE: what decided is not here.
    let middle: Vec<&str> = flow.iter().skip(2).chain(&rest).copied().collect();
    check(&middle, "partial Some(Unknown) Some(Bye)");
}

#[test]
fn what_is_there_decides_although_the_first_request_is_not() {
    let cancelled = [
        "0 B 180 1 INVITE",
        "1 A CANCEL 1",
        "1.1 B 200 1 CANCEL",
        "1.2 B 487 1 INVITE",
    ];
    check(&cancelled, "cancelled Some(Caller) Some(Cancel)");
    check(&cancelled[1..], "cancelled Some(Caller) Some(Cancel)");
    let busy = ["0 B 180 1 INVITE", "1 B 486 1 INVITE"];
    check(&busy, "busy Some(Callee) Some(FinalResponse)");
    check(
        &["0 B 200 1 OPTIONS"],
        "completed Some(Callee) Some(FinalResponse)",
    );
    check(
        &["0 B 404 1 MESSAGE"],
        "failed Some(Callee) Some(FinalResponse)",
    );
    let bound = "0.5 B 200 2 REGISTER | Contact: <sip:a@192.0.2.1>;expires=60";
    check(&["0 B 401 1 REGISTER", bound], "registered None None");
    // Ringing alone confirms nothing.
    let state = |flow: &[&str]| {
        let loaded = load(&flow.iter().map(|line| message(line)).collect::<Vec<_>>());
        let dialogs = dialog::of_call(&loaded.view, CallId::at(0));
        let only = dialogs.first().expect("a dialog");
        let made = loaded.view.dialog(only.dialog).unwrap();
        (only.state.name(), made.method.as_str(), made.from_middle)
    };
    assert_eq!(state(&["0 B 180 1 INVITE"]), ("early", "INVITE", true));
    assert_eq!(state(&busy), ("terminated", "INVITE", true));
    // One direction alone: its INVITE is what made the dialog.
    let one_way = ["0 A INVITE 1", "1 A ACK 1", "2 A BYE 2"];
    assert_eq!(state(&one_way), ("terminated", "INVITE", false));
}

#[test]
fn subscriptions_end_by_whom_the_messages_show() {
    let granted = [
        "0 A SUBSCRIBE 1 | Expires: 600",
        "0.1 B 200 1 SUBSCRIBE | Expires: 600",
        "0.2 B NOTIFY 1 | Subscription-State: active",
        "0.3 A 200 1 NOTIFY",
    ];
    let and =
        |rest: &[&'static str]| -> Vec<&str> { granted.iter().chain(rest).copied().collect() };
    let flow = and(&[
        "9 B NOTIFY 2 | Subscription-State: terminated",
        "9.1 A 200 2 NOTIFY",
    ]);
    check(&flow, "terminated Some(Callee) None");
    let flow = and(&[
        "9 A SUBSCRIBE 2 | Expires: 0",
        "9.1 B 200 2 SUBSCRIBE | Expires: 0",
        "9.2 B NOTIFY 2 | Subscription-State: terminated",
    ]);
    check(&flow, "terminated Some(Caller) None");
    let flow = ["0 A SUBSCRIBE 1", "0.1 B 489 1 SUBSCRIBE"];
    check(&flow, "rejected Some(Callee) Some(FinalResponse)");
}

#[test]
fn another_from_tag_under_one_call_id_is_another_subscription() {
    let flow = [
        "0 A SUBSCRIBE 1",
        "0.1 B 202 1 SUBSCRIBE",
        "0.2 B NOTIFY 1 | Subscription-State: active",
        "0.3 A 200 1 NOTIFY",
        "5 A SUBSCRIBE 2 | Branch: other",
        "5.1 B 489 2 SUBSCRIBE | Branch: other",
    ];
    let mut packets: Vec<_> = flow.iter().map(|line| message(line)).collect();
    for (at, packet) in packets.iter_mut().skip(4) {
        let text = String::from_utf8_lossy(packet.get(28..).unwrap_or_default()).into_owned();
        let text = text.replace(";tag=a1", ";tag=a7").replace(";tag=b1", "");
        let ends = match *at < 5_050_000 {
            true => ((A, 5060), (B, 5060)),
            false => ((B, 5060), (A, 5060)),
        };
        *packet = udp_from(ends.0, ends.1, 9, text.as_bytes());
    }
    let found: Vec<_> = summaries(&load(&packets))
        .iter()
        .map(|summary| (summary.state.name(), summary.status))
        .collect();
    assert_eq!(found, [("active", Some(202)), ("rejected", Some(489))]);
}

#[test]
fn a_new_from_tag_after_a_refusal_that_stands_is_a_new_call() {
    let first = ["0 A INVITE 1", "1 B 486 1 INVITE", "1.1 A ACK 1"];
    let second = [
        "9 A INVITE 1",
        "10 B 200 1 INVITE",
        "10.1 A ACK 1",
        "12 A BYE 2",
    ];
    let retagged = |line: &&str| {
        let (at, mut packet) = message(line);
        for place in 0..packet.len().saturating_sub(6) {
            if packet[place..].starts_with(b"tag=a1") {
                packet[place..place + 6].copy_from_slice(b"tag=a2");
            }
            if packet[place..].starts_with(b"z9hG4bKa") {
                packet[place + 7] = b'x';
            }
        }
        (at, packet)
    };
    let mut packets: Vec<_> = first.iter().map(|line| message(line)).collect();
    packets.extend(second.iter().map(retagged));
    let states: Vec<_> = summaries(&load(&packets)).iter().map(|s| s.state).collect();
    assert_eq!(states, [call::State::Busy, call::State::Completed]);
}

/// A packet of RTP between the places that the calls below announce.
fn rtp(forward: bool, seq: u16, ssrc: u32) -> Vec<u8> {
    let mut data = vec![0x80, 0];
    data.extend(seq.to_be_bytes());
    data.extend(u32::from(seq).wrapping_mul(160).to_be_bytes());
    data.extend(ssrc.to_be_bytes());
    data.extend([0; 160]);
    let (src, dst) = match forward {
        true => ((A, 4000), (B, 5000)),
        false => ((B, 5000), (A, 4000)),
    };
    udp_from(src, dst, seq, &data)
}

/// An INVITE from `A`, or the 200 of `B`, with these media.
fn described(call: &str, offer: bool, media: &[&str]) -> Vec<u8> {
    let (src, dst) = if offer { (A, B) } else { (B, A) };
    let [a, b, c, d] = src;
    let mut body = format!(
        "v=0\r\no=- 1 1 IN IP4 {a}.{b}.{c}.{d}\r\ns=-\r\nc=IN IP4 {a}.{b}.{c}.{d}\r\nt=0 0\r\n"
    );
    for line in media {
        body.push_str(&format!("m={line}\r\n"));
    }
    let (start, tag) = match offer {
        true => ("INVITE sip:b@b.example SIP/2.0", ""),
        false => ("SIP/2.0 200 OK", ";tag=b"),
    };
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK{call}\r\nFrom: <sip:a@a.example>;tag={call}\r\n\
         To: <sip:b@b.example>{tag}\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    udp_from((src, 5060), (dst, 5060), 7, text.as_bytes())
}

#[test]
fn media_that_the_answer_refuses_is_not_waited_for() {
    let offer = ["audio 4000 RTP/AVP 0", "video 4100 RTP/AVP 96"];
    let expected = |answer: &[&str]| {
        let loaded = load(&[
            (0, described("one", true, &offer)),
            (1000, described("one", false, answer)),
        ]);
        let streams = loaded.view.streams();
        let mut ports: Vec<u16> = streams.iter().map(|stream| stream.dst.port).collect();
        ports.sort_unstable();
        ports
    };
    let refused = ["audio 5000 RTP/AVP 0", "video 0 RTP/AVP 96"];
    assert_eq!(expected(&refused), [4000, 5000]);
    let taken = ["audio 5000 RTP/AVP 0", "video 5100 RTP/AVP 96"];
    assert_eq!(expected(&taken), [4000, 4100, 5000, 5100]);
}

#[test]
fn media_that_two_legs_announce_is_of_both() {
    let (a, b) = (["audio 4000 RTP/AVP 0"], ["audio 5000 RTP/AVP 0"]);
    let mut packets = vec![
        (0, described("one", true, &a)),
        (1000, described("two", true, &a)),
        (2000, described("two", false, &b)),
        (3000, described("one", false, &b)),
    ];
    for n in 0..20_u16 {
        let at = 10_000 + u64::from(n) * 20_000;
        packets.push((at, rtp(true, n, 11)));
        packets.push((at + 1, rtp(false, n, 22)));
    }
    let streams = load(&packets).view.streams();
    let found: Vec<_> = streams
        .iter()
        .map(|s| (s.packets(), s.calls().collect::<Vec<_>>()))
        .collect();
    let calls = |forward| vec![(CallId::at(0), forward), (CallId::at(1), forward)];
    assert_eq!(found, [(20, calls(true)), (20, calls(false))]);
}

#[test]
fn media_may_come_at_a_candidate_or_at_a_further_port() {
    let streams = |offer: &str, answer: &str| {
        let mut packets = vec![
            (0, described("one", true, &[offer])),
            (1000, described("one", false, &[answer])),
        ];
        for n in 0..20_u16 {
            packets.push((10_000 + u64::from(n) * 20_000, rtp(true, n, 11)));
        }
        let loaded = load(&packets);
        let streams = loaded.view.streams().into_iter();
        streams
            .map(|s| (s.call.is_some(), s.dst.port, s.packets()))
            .collect::<Vec<_>>()
    };
    let offer = "audio 30000 RTP/AVP 0\r\na=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host";
    let answer = "audio 30002 RTP/AVP 0\r\na=candidate:1 1 udp 2130706431 192.0.2.2 5000 typ host\r\n\
                  a=candidate:1 2 udp 2130706430 192.0.2.2 5001 typ host";
    // Nothing came to the caller: said once, for the place that its description names first.
    assert_eq!(
        streams(offer, answer),
        [(true, 5000, 20), (true, 30_000, 0)]
    );
    let answer = "audio 4998/2 RTP/AVP 0";
    assert_eq!(
        streams("audio 4000 RTP/AVP 0", answer),
        [(true, 5000, 20), (true, 4000, 0)]
    );
}

#[test]
fn the_place_that_media_comes_from_tells_calls_to_one_port_apart() {
    let answer = ["audio 5000 RTP/AVP 0"];
    let mut packets = vec![
        (0, described("one", true, &["audio 4000 RTP/AVP 0"])),
        (1000, described("one", false, &answer)),
        (2000, described("two", true, &["audio 4002 RTP/AVP 0"])),
        (3000, described("two", false, &answer)),
    ];
    for n in 0..20_u16 {
        packets.push((10_000 + u64::from(n) * 20_000, rtp(true, n, 11)));
    }
    let streams = load(&packets).view.streams();
    let first = streams.first().expect("a stream");
    assert_eq!((first.packets(), first.call), (20, Some(CallId::at(0))));
    assert!(first.shared.is_empty());
}

#[test]
fn the_next_call_on_the_same_ports_has_streams_of_its_own() {
    let mut packets = Vec::new();
    let mut seq = 0;
    for (call, begin, count) in [("one", 0_u64, 50_u16), ("two", 4_000_000, 30)] {
        packets.push((begin, described(call, true, &["audio 4000 RTP/AVP 0"])));
        packets.push((
            begin + 1000,
            described(call, false, &["audio 5000 RTP/AVP 0"]),
        ));
        for n in 0..count {
            seq += 1;
            let at = begin + 2000 + u64::from(n) * 20_000;
            packets.push((at, rtp(true, seq, 11)));
            packets.push((at + 1, rtp(false, seq, 22)));
        }
    }
    let loaded = load(&packets);
    let streams: Vec<_> = loaded
        .view
        .streams()
        .iter()
        .map(|s| (s.call.map(CallId::get), s.forward, s.packets()))
        .collect();
    let expected = [
        (Some(1), true, 50),
        (Some(1), false, 50),
        (Some(2), true, 30),
        (Some(2), false, 30),
    ];
    assert_eq!(streams, expected);
}

#[test]
fn what_does_not_count_up_is_no_stream() {
    // Queries of DNS with an id that looks like RTP: flags where the number would be.
    let query = |n: u16| {
        let mut data = vec![0x80, n as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        data.extend(b"\x07example\x03com\0\0\x01\0\x01");
        udp_from((A, 2710), (B, 53), n + 1, &data)
    };
    let mut packets: Vec<_> = (0..10).map(|n| (u64::from(n) * 100, query(n))).collect();
    assert!(load(&packets).view.streams().is_empty());
    packets.extend((0..10).map(|n| (2000 + u64::from(n) * 100, rtp(true, n, 5))));
    assert_eq!(load(&packets).view.streams().len(), 1);
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

#[test]
fn only_a_challenge_or_a_redirect_starts_the_clock_anew() {
    let milliseconds = |flow: &[&str]| {
        let loaded = load(&flow.iter().map(|line| message(line)).collect::<Vec<_>>());
        let summary = summaries(&loaded).remove(0);
        let out = [summary.pdd, summary.setup, summary.total_setup];
        out.map(|nanos| nanos.map(|n| n / 1_000_000))
    };
    let challenged_under_one_cseq = [
        "0 A INVITE 1",
        "0.1 B 407 1 INVITE",
        "0.2 A ACK 1",
        "1 A INVITE 1 | Branch: b",
        "1.5 B 180 1 INVITE | Branch: b",
        "2 B 200 1 INVITE | Branch: b",
    ];
    assert_eq!(
        milliseconds(&challenged_under_one_cseq),
        [Some(500), Some(1000), Some(2000)]
    );
    let refused_description = [
        "0 A INVITE 1",
        "0.1 B 488 1 INVITE",
        "0.2 A ACK 1",
        "1 A INVITE 2",
        "1.5 B 180 2 INVITE",
        "2 B 200 2 INVITE",
    ];
    // The second INVITE of this flow has a To tag by the rules above, so it is made plain here.
    let mut packets: Vec<_> = refused_description.iter().map(|l| message(l)).collect();
    let plain = message("1 A INVITE 1 | Branch: c");
    let text = String::from_utf8_lossy(&plain.1).into_owned();
    let at = text.find("INVITE sip:").unwrap();
    let text = text[at..].replace("CSeq: 1", "CSeq: 2");
    let text = text.replace("z9hG4bKa1INVITEc", "z9hG4bKa2INVITE");
    packets[3].1 = udp_from((A, 5060), (B, 5060), 9, text.as_bytes());
    let summary = summaries(&load(&packets)).remove(0);
    assert_eq!(summary.pdd, Some(1_500_000_000), "from the first INVITE");
    assert_eq!(summary.setup, summary.total_setup);
}

#[test]
fn a_leg_cancelled_because_another_was_answered_is_elsewhere() {
    let state = |reason: &str| {
        let cancel = format!("2 A CANCEL 1 {reason}");
        let flow = [
            "0 A INVITE 1",
            "0.1 B 180 1 INVITE",
            &cancel,
            "2.1 B 200 1 CANCEL",
            "2.2 B 487 1 INVITE",
            "2.3 A ACK 1 | Branch:",
        ];
        let loaded = load(&flow.iter().map(|line| message(line)).collect::<Vec<_>>());
        let dialogs = dialog::of_call(&loaded.view, CallId::at(0));
        dialogs.first().unwrap().state.name()
    };
    assert_eq!(
        state("| Reason: SIP ;cause=200 ;text=\"Call completed elsewhere\""),
        "elsewhere"
    );
    assert_eq!(state("| Reason: Q.850;cause=26"), "elsewhere");
    assert_eq!(state("| Reason: SIP;cause=487"), "terminated");
    assert_eq!(state(""), "terminated");
}
