#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use super::*;
use crate::index::message_store::Transport;
use crate::index::{Incoming, Indexer, Keys};
use crate::packet::{Addressing, LayerStack};
use crate::sip::scan::{Framing, scan};

/// Files messages written as `from to transport text`, one second apart.
fn view(messages: &[(&str, &str, Transport, &str)]) -> IndexView {
    let mut indexer = Indexer::default();
    for (index, (from, to, transport, text)) in messages.iter().enumerate() {
        let end = |text: &str| {
            let (ip, port) = text.rsplit_once(':').unwrap();
            Endpoint {
                ip: ip.parse().unwrap(),
                port: port.parse().unwrap(),
            }
        };
        let addressing = Addressing {
            src: end(from),
            dst: end(to),
            ip_id: u16::try_from(index + 1).unwrap(),
            realm: 0,
        };
        let scan = scan(
            text.as_bytes(),
            Framing {
                datagram: true,
                cut: false,
            },
        )
        .unwrap();
        let keys = Keys::of(text.as_bytes(), &scan, &addressing, *transport);
        let body = text
            .split_once("\r\n\r\n")
            .map(|(_, body)| body)
            .unwrap_or("");
        let extent = crate::bytes::Extent {
            offset: 0,
            time: i64::try_from(index).unwrap() * 1_000_000_000,
            len: u32::try_from(text.len()).unwrap(),
            frame: u32::try_from(index + 1).unwrap(),
            head: 0,
            file: 0,
        };
        indexer.push(&Incoming {
            bytes: text.as_bytes(),
            scan: &scan,
            keys: &keys,
            places: &[],
            body_text: (!body.is_empty())
                .then(|| (body.as_bytes(), crate::index::hash_bytes(body.as_bytes()))),
            addressing,
            transport: *transport,
            layers: LayerStack::default(),
            extents: &[extent],
            cut: false,
        });
    }
    indexer.publish()
}

fn message(start: &str, vias: usize, to_tag: &str, cseq: &str, more: &str, body: &str) -> String {
    let mut out = format!("{start}\r\n");
    for via in (0..vias).rev() {
        let _ = write!(out, "Via: SIP/2.0/UDP h{via};branch=z9hG4bK{via}{cseq}\r\n");
    }
    let tag = if to_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={to_tag}")
    };
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    let _ = write!(
        out,
        "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>{tag}\r\nCall-ID: c1\r\nCSeq: {cseq}\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    out
}

fn summary(ladder: &Ladder) -> Vec<String> {
    ladder
        .items
        .iter()
        .map(|item| {
            let (from, to) = item.lanes();
            format!("{from}>{to} {}", item.label())
        })
        .collect()
}

fn addresses(ladder: &Ladder) -> Vec<&str> {
    ladder
        .lanes
        .iter()
        .map(|lane| lane.address.as_str())
        .collect()
}

#[test]
fn labels_name_method_media_hold_and_credentials() {
    let ends = ("192.0.2.1:5060", "192.0.2.2:5060", Transport::Udp);
    let texts = [
        message(
            "INVITE sip:b@x SIP/2.0",
            1,
            "",
            "1 INVITE",
            "User-Agent: Phone 1\r\n",
            "PCMA PCMU telephone-event sendrecv",
        ),
        message("SIP/2.0 180 Ringing", 1, "2", "1 INVITE", "", ""),
        message("SIP/2.0 200 OK", 1, "2", "1 INVITE", "", "PCMA sendrecv"),
        message(
            "INVITE sip:b@x SIP/2.0",
            1,
            "2",
            "2 INVITE",
            "",
            "PCMA sendonly",
        ),
        message(
            "REGISTER sip:x SIP/2.0",
            1,
            "",
            "3 REGISTER",
            "Authorization: Digest a=b\r\n",
            "",
        ),
    ];
    let messages: Vec<_> = texts
        .iter()
        .map(|t| {
            if t.starts_with("SIP") {
                (ends.1, ends.0, ends.2, t.as_str())
            } else {
                (ends.0, ends.1, ends.2, t.as_str())
            }
        })
        .collect();
    let view = view(&messages);
    let all: Vec<MessageId> = (0..5).map(MessageId::at).collect();
    let ladder = Ladder::of_messages(&view, &all);
    assert_eq!(
        summary(&ladder),
        [
            "0>1 INVITE (SDP: PCMA PCMU)",
            "1>0 180 Ringing (INVITE)",
            "1>0 200 OK (INVITE, SDP)",
            "0>1 re-INVITE (hold)",
            "0>1 REGISTER (auth)"
        ]
    );
    assert_eq!(ladder.lanes[0].title, "Phone 1");
    assert_eq!(ladder.lanes[1].title, "192.0.2.2");
    let text = crate::present::ladder_text::paint(&ladder, 0);
    assert!(text.contains("INVITE (SDP: PCMA PCMU)"), "{text}");
    assert!(text.lines().any(|l| l.contains("|< - -")), "{text}");
}

#[test]
fn programs_on_one_address_have_a_lane_for_each_port() {
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let on = message("INVITE sip:b@x SIP/2.0", 2, "", "1 INVITE", "", "");
    let udp = Transport::Udp;
    let view = view(&[
        ("127.0.0.1:5061", "127.0.0.1:5060", udp, &invite),
        ("127.0.0.1:5060", "127.0.0.1:5062", udp, &on),
    ]);
    let ladder = Ladder::of(&view, &[CallId::at(0)]);
    assert_eq!(
        addresses(&ladder),
        ["127.0.0.1:5061", "127.0.0.1:5060", "127.0.0.1:5062"]
    );
    assert_eq!(ladder.rows(), 2);
    assert_eq!(ladder.row_of(MessageId::at(1)), Some(1));
}

#[test]
fn ephemeral_tcp_ports_make_no_lane() {
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let on = message("INVITE sip:b@x SIP/2.0", 2, "", "1 INVITE", "", "");
    let tcp = Transport::Tcp;
    // Caller, proxy and callee run on one address and connect from ephemeral ports.
    let view = view(&[
        ("127.0.0.1:40000", "127.0.0.1:5060", tcp, &invite),
        ("127.0.0.1:40001", "127.0.0.1:5062", tcp, &on),
    ]);
    let ladder = Ladder::of(&view, &[CallId::at(0)]);
    assert_eq!(
        addresses(&ladder),
        ["127.0.0.1", "127.0.0.1:5060", "127.0.0.1:5062"]
    );
    assert_eq!(ladder.items[1].lanes(), (1, 2));
}

#[test]
fn a_port_that_changes_makes_no_second_lane() {
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let again = message("INVITE sip:b@x SIP/2.0", 1, "", "2 INVITE", "", "");
    let udp = Transport::Udp;
    let view = view(&[
        ("192.0.2.1:40000", "192.0.2.2:5060", udp, &invite),
        ("192.0.2.1:40001", "192.0.2.2:5060", udp, &again),
    ]);
    let ladder = Ladder::of_messages(&view, &[MessageId::at(1), MessageId::at(0)]);
    assert_eq!(addresses(&ladder), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(ladder.items[0].time(), 0);
}
