#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use super::arrangement::Change;
use super::*;
use crate::index::message_store::Transport;
use crate::index::{Incoming, Indexer, Keys};
use crate::packet::{Addressing, LayerStack};
use crate::sip::scan::{Framing, scan};

/// Files messages written as `from to transport text`, one second apart.
fn view(messages: &[(&str, &str, Transport, &str)]) -> IndexView {
    let at = |index: usize| i64::try_from(index).unwrap() * 1000;
    let timed: Vec<Timed> = messages
        .iter()
        .enumerate()
        .map(|(index, (from, to, transport, text))| (at(index), *from, *to, *transport, *text))
        .collect();
    view_at(&timed)
}

/// Milliseconds, sender, receiver, transport, message.
type Timed<'a> = (i64, &'a str, &'a str, Transport, &'a str);

fn view_at(messages: &[Timed]) -> IndexView {
    let ids: Vec<u16> = (1..).take(messages.len()).collect();
    view_with_ids(messages, &ids)
}

/// [`view_at`], with the identification of each packet.
fn view_with_ids(messages: &[Timed], ids: &[u16]) -> IndexView {
    let mut indexer = Indexer::default();
    for (index, (ms, from, to, transport, text)) in messages.iter().enumerate() {
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
            ip_id: ids[index],
            realm: 0,
        };
        let scan = scan(
            text.as_bytes(),
            Framing {
                datagram: true,
                cut: false,
                whole: false,
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
            time: ms * 1_000_000,
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
            hep: None,
            told: None,
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
            let note = match item.note() {
                "" => String::new(),
                note => format!(" [{note}]"),
            };
            match item.lanes() {
                Some((from, to)) => format!("{from}>{to} {}{note}", item.label()),
                None => format!("… {}", item.label()),
            }
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
    let ladder = Ladder::of_messages(&view, &all, &Arrangement::default());
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
    assert_eq!(ladder.items[1].lanes(), Some((1, 2)));
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
    let ladder = Ladder::of_messages(
        &view,
        &[MessageId::at(1), MessageId::at(0)],
        &Arrangement::default(),
    );
    assert_eq!(addresses(&ladder), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(ladder.items[0].time(), 0);
}

const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5060";
const C: &str = "192.0.2.3:5060";

fn of_first_call(view: &IndexView) -> Ladder {
    Ladder::of(view, &[CallId::at(0)])
}

fn lane(text: &str) -> LaneKey {
    LaneKey {
        ip: text.parse().unwrap(),
        port: None,
    }
}

/// An INVITE that is sent three times more before it is answered, and a call that lasts.
fn lost_invite() -> IndexView {
    let udp = Transport::Udp;
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let ok = message("SIP/2.0 200 OK", 1, "2", "1 INVITE", "", "");
    let bye = message("BYE sip:b@x SIP/2.0", 1, "2", "2 BYE", "", "");
    view_at(&[
        (0, A, B, udp, &invite),
        (500, A, B, udp, &invite),
        (1500, A, B, udp, &invite),
        (3500, A, B, udp, &invite),
        (3600, B, A, udp, &ok),
        (93_600, A, B, udp, &bye),
        (94_100, A, B, udp, &bye),
    ])
}

#[test]
fn what_was_sent_again_is_one_row_until_it_is_opened() {
    let view = lost_invite();
    let ladder = of_first_call(&view);
    assert_eq!(
        summary(&ladder),
        [
            "0>1 INVITE",
            "0>1 INVITE [×3, 0.5–3.5 s]",
            "1>0 200 OK (INVITE)",
            "… 1 min 30 s",
            "0>1 BYE",
            "0>1 BYE [again after 500 ms]",
        ],
        "no break beside the fold, for something was sent all the time"
    );
    let fold = Fold {
        of: MessageId::at(0),
        count: 3,
        open: false,
    };
    assert!(matches!(&ladder.items[1], LadderItem::Arrow(a) if a.fold == Some(fold)));
    // Every message has a row, and every message is an arrow for those who want all.
    let rows: Vec<Option<usize>> = (0..8).map(|m| ladder.row_of(MessageId::at(m))).collect();
    let expected = [0, 1, 1, 1, 2, 4, 5].map(Some);
    assert_eq!(rows, [&expected[..], &[None]].concat());
    let all = ladder.messages();
    assert_eq!(all.len(), 7);
    assert_eq!(
        all.iter().map(|a| a.row).collect::<Vec<_>>(),
        [0, 1, 1, 1, 2, 4, 5]
    );

    let mut arrangement = Arrangement::default();
    arrangement.apply(&Change::Fold(MessageId::at(0)));
    let ladder = Ladder::arranged(&view, &[CallId::at(0)], &arrangement);
    assert_eq!(
        summary(&ladder)[..4],
        [
            "0>1 INVITE",
            "0>1 INVITE [again after 500 ms]",
            "0>1 INVITE [again after 1.5 s]",
            "0>1 INVITE [again after 3.5 s]",
        ]
    );
    assert!(matches!(&ladder.items[1], LadderItem::Arrow(a) if a.fold.is_some_and(|f| f.open)));
    assert!(ladder.folded.is_empty());
}

#[test]
fn copies_are_marked_at_what_they_copy() {
    let udp = Transport::Udp;
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let busy = message("SIP/2.0 486 Busy Here", 1, "2", "1 INVITE", "", "");
    // A mirror port shows each packet again, with the same identification.
    let messages = [
        (0, A, B, udp, invite.as_str()),
        (0, A, B, udp, &invite),
        (10, B, A, udp, &busy),
        (10, B, A, udp, &busy),
        (11, B, A, udp, &busy),
    ];
    let view = view_with_ids(&messages, &[1, 1, 2, 2, 2]);
    let ladder = of_first_call(&view);
    assert_eq!(
        summary(&ladder),
        [
            "0>1 INVITE [captured twice]",
            "1>0 486 Busy Here (INVITE) [captured 3 times]",
        ]
    );
    let open = Ladder::arranged(&view, &[CallId::at(0)], &Arrangement::unfolded());
    assert_eq!(open.rows(), 5);
    assert_eq!(summary(&open)[1], "0>1 INVITE [captured again]");
}

#[test]
fn lanes_can_be_named_hidden_merged_split_and_moved() {
    let udp = Transport::Udp;
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let on = message("INVITE sip:b@x SIP/2.0", 2, "", "1 INVITE", "", "");
    let view = view_at(&[(0, A, B, udp, &invite), (1, B, C, udp, &on)]);
    let with = |changes: &[Change]| {
        let mut arrangement = Arrangement::default();
        for change in changes {
            arrangement.apply(change);
        }
        Ladder::arranged(&view, &[CallId::at(0)], &arrangement)
    };
    let (a, b, c) = (lane("192.0.2.1"), lane("192.0.2.2"), lane("192.0.2.3"));
    let titles = |ladder: &Ladder| -> Vec<String> {
        ladder.lanes.iter().map(|lane| lane.title.clone()).collect()
    };
    let named = with(&[Change::Rename(b, "Proxy".to_owned())]);
    assert_eq!(titles(&named), ["192.0.2.1", "Proxy", "192.0.2.3"]);
    assert_eq!(named.lanes[1].address, "192.0.2.2");

    let hidden = with(&[Change::Hide(c)]);
    assert_eq!(
        (titles(&hidden).len(), hidden.rows(), hidden.hidden),
        (2, 1, 1)
    );
    assert_eq!(with(&[Change::Hide(c), Change::ShowAll]).hidden, 0);

    let merged = with(&[Change::Merge(b, c)]);
    assert_eq!(addresses(&merged), ["192.0.2.1", "192.0.2.3"]);
    assert_eq!(summary(&merged), ["0>1 INVITE", "1>1 INVITE"]);

    let split = with(&[Change::Split(b.ip)]);
    assert_eq!(
        addresses(&split),
        ["192.0.2.1", "192.0.2.2:5060", "192.0.2.3"]
    );
    assert_eq!(
        addresses(&with(&[Change::Split(b.ip), Change::Join(b.ip)]))[1],
        "192.0.2.2"
    );

    let moved = with(&[Change::Order(vec![c, b, a])]);
    assert_eq!(addresses(&moved), ["192.0.2.3", "192.0.2.2", "192.0.2.1"]);
    assert_eq!(summary(&moved), ["2>1 INVITE", "1>0 INVITE"]);
}

#[test]
fn the_caller_stands_left_though_a_clock_is_wrong() {
    let udp = Transport::Udp;
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let on = message("INVITE sip:b@x SIP/2.0", 2, "", "1 INVITE", "", "");
    let view = view_at(&[(0, B, C, udp, &on), (40, A, B, udp, &invite)]);
    assert_eq!(
        addresses(&of_first_call(&view)),
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    );
}

#[test]
fn two_servers_on_one_address_are_two_lanes_and_a_phone_is_one() {
    let udp = Transport::Udp;
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let again = message("INVITE sip:b@x SIP/2.0", 1, "", "2 INVITE", "", "");
    let view = view_at(&[
        (0, "192.0.2.1:40000", B, udp, &invite),
        (10, "192.0.2.1:40001", "192.0.2.2:5080", udp, &again),
    ]);
    assert_eq!(
        addresses(&of_first_call(&view)),
        ["192.0.2.1", "192.0.2.2:5060", "192.0.2.2:5080"]
    );
}

#[test]
fn several_calls_are_merged_by_time() {
    let udp = Transport::Udp;
    let first = message("INVITE sip:b@x SIP/2.0", 1, "", "1 INVITE", "", "");
    let second = first.replace("c1", "c2").replace("z9hG4bK0", "z9hG4bK9");
    let busy = message("SIP/2.0 486 Busy Here", 1, "2", "1 INVITE", "", "");
    let view = view_at(&[
        (0, A, B, udp, &first),
        (10, A, C, udp, &second),
        (20, B, A, udp, &busy),
    ]);
    let calls = [CallId::at(1), CallId::at(0), CallId::at(1)];
    let ladder = Ladder::of(&view, &calls);
    assert_eq!(
        summary(&ladder),
        ["0>1 INVITE", "0>2 INVITE", "1>0 486 Busy Here (INVITE)"]
    );
    assert_eq!(ladder.calls, [CallId::at(0), CallId::at(1)]);
}
