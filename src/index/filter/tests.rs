#![allow(clippy::unwrap_used)]

use super::*;
use crate::bytes::MessageBytes;
use crate::index::ids::MessageId;
use crate::index::message_store::Transport;
use crate::index::{Incoming, IndexView, Indexer, Keys, hash_bytes};
use crate::packet::{Addressing, Endpoint, Layer, LayerStack};
use crate::sip::scan::{Framing, scan};

/// Messages in memory: extents point into one buffer.
struct Memory(Vec<u8>);

impl MessageBytes for Memory {
    fn read(&self, extent: crate::bytes::Extent, out: &mut Vec<u8>) -> std::io::Result<()> {
        let start = usize::try_from(extent.offset).unwrap();
        out.extend_from_slice(&self.0[start..start + extent.len as usize]);
        Ok(())
    }
}

const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n\
From: \"A\" <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@b.example>\r\nCall-ID: c1\r\n\
CSeq: 1 INVITE\r\nSubject: about\r\n the folded thing\r\nUser-Agent: Phone 7\r\n\r\n";
const BUSY: &str = "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n\
From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@b.example>;tag=2\r\nCall-ID: c1\r\n\
CSeq: 1 INVITE\r\nServer: Box\r\n\r\n";
const ODD: &str = "DANCE tel:+41441234567;x=y SIP/2.0\r\nv: SIP/2.0/TCP [2001:db8::1]:5062;branch=z9hG4bKb\r\n\
f: <sips:carol:secret@[2001:db8::9]:5061>;tag=3\r\nt: <tel:+41441234567>\r\ni: c2\r\nCSeq: 9 DANCE\r\n\
Content-Type: application/sdp\r\nl: 1\r\n\r\nx";

fn example() -> (IndexView, Memory) {
    let mut indexer = Indexer::default();
    let mut memory = Vec::new();
    let messages = [
        (
            INVITE,
            "192.0.2.1:40000",
            "198.51.100.7:5060",
            Transport::Udp,
            "",
        ),
        (
            BUSY,
            "198.51.100.7:5060",
            "192.0.2.1:40000",
            Transport::Udp,
            "",
        ),
        (
            ODD,
            "[2001:db8::1]:33000",
            "[2001:db8::2]:5062",
            Transport::Tcp,
            "PCMA opus sendonly",
        ),
    ];
    for (index, (text, from, to, transport, body)) in messages.into_iter().enumerate() {
        let end = |text: &str| {
            let socket: std::net::SocketAddr = text.parse().unwrap();
            Endpoint {
                ip: socket.ip(),
                port: socket.port(),
            }
        };
        let addressing = Addressing {
            src: end(from),
            dst: end(to),
            ip_id: 0,
            realm: 0,
        };
        let datagram = transport == Transport::Udp;
        let scan = scan(
            text.as_bytes(),
            Framing {
                datagram,
                cut: false,
                whole: false,
            },
        )
        .unwrap();
        let keys = Keys::of(text.as_bytes(), &scan, &addressing, transport);
        let mut layers = LayerStack::default();
        layers.push(Layer::Ethernet);
        let extent = crate::bytes::Extent {
            offset: memory.len() as u64,
            time: 1_700_000_000_000_000_000 + i64::try_from(index).unwrap() * 1_500_000_000,
            len: u32::try_from(text.len()).unwrap(),
            frame: u32::try_from(index * 10 + 1).unwrap(),
            head: 0,
            file: 0,
        };
        memory.extend_from_slice(text.as_bytes());
        indexer.push(&Incoming {
            bytes: text.as_bytes(),
            scan: &scan,
            keys: &keys,
            places: &[],
            body_text: (!body.is_empty()).then(|| (body.as_bytes(), hash_bytes(body.as_bytes()))),
            addressing,
            transport,
            layers,
            extents: &[extent],
            cut: false,
            hep: None,
            told: None,
        });
    }
    (indexer.publish(), Memory(memory))
}

#[track_caller]
fn check(filter: &str, expected: &[u32]) {
    let (view, memory) = example();
    let compiled = Filter::parse(filter).unwrap().compile(&view);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let found = compiled
        .search(&view, &memory, 2, &stop, &|_, _| ())
        .unwrap();
    assert_eq!(
        found.iter().map(|m| m.get()).collect::<Vec<_>>(),
        expected,
        "{filter}"
    );
    if !compiled.needs_bytes() {
        assert_eq!(compiled.run(&view), found, "{filter}");
    }
    // One by one it says the same.
    for (index, row) in view.messages().indexed() {
        let id = MessageId::at(index);
        if let Some(answer) = compiled.matches(id, row) {
            assert_eq!(answer, found.contains(&id), "{filter}: {id}");
        }
    }
}

#[test]
fn comparisons_on_indexed_fields() {
    check("", &[1, 2, 3]);
    check("sip", &[1, 2, 3]);
    check("method == invite", &[1, 2]);
    check("sip.Method == INVITE", &[1]);
    check("method == DANCE", &[3]);
    check("method != INVITE", &[3]);
    check("sip.Status-Code >= 400", &[2]);
    check("status in {180, 480..489}", &[2]);
    check("status != 200", &[2]);
    check("not status", &[1, 3]);
    check("SIP.CALL-ID == c1", &[1, 2]);
    check("call_id != c1", &[3]);
    check("ip.src == 192.0.2.0/24", &[1]);
    check("ip.addr == 192.0.2.1", &[1, 2]);
    check("addr == 192.0.2.1:5060", &[]);
    check("dst == [2001:db8::2]:5062", &[3]);
    check("src == 2001:db8::/32 or dst == 0.0.0.0/0", &[1, 2, 3]);
    check("udp.port == 5060", &[1, 2]);
    check("tcp.port", &[3]);
    check("port in {33000 40000}", &[1, 2, 3]);
    check("transport == tcp", &[3]);
    check("from_user == alice", &[1, 2]);
    check("from_user == carol", &[3]);
    check("from_host == \"[2001:DB8::9]\"", &[3]);
    check("sip.to.user", &[1, 2]);
    check("to_user matches \"^\\+41\"", &[3]);
    check("request_user == bob", &[1]);
    check("ua contains Phone", &[1]);
    check("user_agent matches phone\\s\\d", &[1]);
    check("user_agent", &[1, 2]);
    check("to_tag", &[2]);
    check("branch == z9hG4bKa", &[1, 2]);
    check("cseq > 1", &[3]);
    check("codec == OPUS", &[3]);
    check("codec != opus", &[]);
    check("frame.number <= 11", &[1, 2]);
    check("time < 2023-11-14T22:13:21Z", &[1]);
    check("frame.time >= \"2023-11-14 23:13:21+01:00\"", &[2, 3]);
    check("time == 2023-11-14", &[1, 2, 3]);
    check("time == 1700000003", &[3]);
    check("layers contains eth", &[1, 2, 3]);
    check("call_kind == call", &[1, 2]);
    check("state == busy", &[1, 2]);
    check("request == false", &[2]);
}

#[test]
fn joints_bind_as_usual() {
    check("request and method == INVITE or response", &[1, 2]);
    check("request && (method==INVITE||response)", &[1]);
    check("!response and !(method == DANCE)", &[1]);
    check("not not response", &[2]);
    check("reason == \"Busy Here\"", &[2]);
}

#[test]
fn other_headers_and_the_text_are_read() {
    check("header.Subject contains \"about the folded\"", &[1]);
    check("sip.Subject", &[1]);
    check("hdr.Server == Box", &[2]);
    check("sip.Via contains 2001:db8", &[3]);
    check("branch contains Kb", &[3]);
    check("text contains \"z9hG4bKa\" and response", &[2]);
    check("frame contains DANCE", &[3]);
    check("not text contains SIP/2.0", &[]);
    check("header.X-None", &[]);
}

#[test]
fn names_of_wireshark_mean_what_they_mean_there() {
    check("sip.Request-Line contains \"bob@b\"", &[1]);
    check("sip.Status-Line", &[2]);
    check("sip.From contains A", &[1]);
    check("sip.from.display.info == A", &[1]);
    check("sip.from.port == 5061", &[3]);
    check("sip.from.port > 5061", &[]);
    check("sip.tag == 2", &[2]);
    check("sip.Via.transport == TCP", &[3]);
    check("sip.Via.sent-by.port in {5060, 5062}", &[3]);
    check("sip.Via.branch == z9hG4bKa", &[1, 2]);
    check("sip.CSeq == \"9 DANCE\"", &[3]);
    check("sip.Content-Length < 2", &[3]);
    check("sip.Content-Length contains 1", &[3]);
    check("sip.Content-Type == application/sdp", &[3]);
    check("sip.User-Agent", &[1]);
    check("sip.Server", &[2]);
    check("sip.msg_hdr contains \"Phone 7\"", &[1]);
    check("sip.msg_body == x", &[3]);
    check("sip.auth.username == alice", &[]);
    check("udp.srcport == 40000", &[1]);
    check("udp.dstport in {5060 5062}", &[1]);
    check("tcp.srcport", &[3]);
    check("tcp.dstport == 5060", &[]);
    check("ip", &[1, 2]);
    check("ipv6", &[3]);
    check("ip.src", &[1, 2]);
    check("ip.dst != 192.0.2.1", &[1]);
    check("ip.addr != 192.0.2.1", &[]);
    check("ipv6.addr", &[3]);
    check("ipv6.src == 2001:db8::/32", &[3]);
    check("ipv6.dst == 192.0.2.1", &[]);
    check("eth", &[1, 2, 3]);
    check("vlan or tls or sctp or websocket", &[]);
    check("sip.Method == invite", &[]);
    check("sip.CSeq.method == invite", &[]);
    check("sip.CSeq.method contains INV", &[1, 2]);
    check("sip.from.host == A.example", &[]);
    check("sip contains \"DANCE tel\"", &[3]);
    check("udp contains z9hG4bK", &[1, 2]);
    check("tcp matches \"dance\"", &[3]);
    check("sip.auth", &[]);
}

#[test]
fn many_rows_are_filtered_like_few() {
    let mut indexer = Indexer::default();
    let addressing = Addressing {
        src: Endpoint {
            ip: [192, 0, 2, 1].into(),
            port: 5060,
        },
        dst: Endpoint {
            ip: [192, 0, 2, 2].into(),
            port: 5060,
        },
        ip_id: 0,
        realm: 0,
    };
    for number in 0..2500_u32 {
        let text = INVITE.replace("CSeq: 1 ", &format!("CSeq: {number} "));
        let bytes = text.as_bytes();
        let scan = scan(
            bytes,
            Framing {
                datagram: true,
                cut: false,
                whole: false,
            },
        )
        .unwrap();
        let keys = Keys::of(bytes, &scan, &addressing, Transport::Udp);
        let len = u32::try_from(bytes.len()).unwrap();
        let extent = crate::bytes::Extent {
            offset: 0,
            time: 0,
            len,
            frame: number + 1,
            head: 0,
            file: 0,
        };
        indexer.push(&Incoming {
            bytes,
            scan: &scan,
            keys: &keys,
            places: &[],
            body_text: None,
            addressing,
            transport: Transport::Udp,
            layers: LayerStack::default(),
            extents: &[extent],
            cut: false,
            hep: None,
            told: None,
        });
    }
    let view = indexer.publish();
    for (filter, from, to) in [
        ("cseq >= 1020 and cseq < 2060", 1021, 2060),
        ("not (cseq < 1024 or frame > 2400)", 1025, 2400),
        ("sip", 1, 2500),
    ] {
        let found = Filter::parse(filter).unwrap().compile(&view).run(&view);
        let found: Vec<u32> = found.iter().map(|m| m.get()).collect();
        assert_eq!(found, (from..=to).collect::<Vec<_>>(), "{filter}");
    }
}

#[track_caller]
fn fails(filter: &str, position: usize, part: &str) {
    let error = Filter::parse(filter).unwrap_err();
    assert!(error.message.contains(part), "{filter}: {error}");
    assert_eq!(error.position, position, "{filter}: {error}");
}

#[test]
fn errors_say_where_and_what() {
    fails("metod == INVITE", 0, "is it method");
    fails("sip.Metod == x", 0, "sip.Method");
    fails("method ==", 9, "expected a text");
    fails("status == abc", 10, "expected a whole number");
    fails("src == 300.1.1.1", 7, "expected an address");
    fails("(status", 7, "expected `)`");
    fails("status)", 6, "no `(`");
    fails("status 200", 7, "expected `and`");
    fails("status == 200 ö", 14, "expected `and`");
    fails("call_id matches \"(\"", 16, "not a regular expression");
    fails("ua == \"abc", 6, "closing");
    fails("status in 200", 10, "expected `{`");
    fails("time == yesterday", 8, "expected a time");
    fails("src contains 1", 12, "takes ==");
    fails("and", 0, "no field and");
    fails("== 5", 0, "expected a field");
}

#[test]
fn a_million_parentheses_are_refused_and_negations_counted() {
    let deep = "(".repeat(1_000_000);
    assert!(
        Filter::parse(&deep)
            .unwrap_err()
            .message
            .contains("parentheses")
    );
    check(&format!("{}response", "!".repeat(100_001)), &[1, 3]);
    let wide = vec!["status == 486"; 20_000].join(" or ");
    check(&wide, &[2]);
}

#[test]
fn every_field_is_found_by_all_its_names() {
    for field in FIELDS {
        for name in std::iter::once(&field.name).chain(field.aliases) {
            let found = super::fields::find(&name.to_ascii_uppercase()).unwrap();
            let own = FIELDS.iter().any(|f| f.name == *name);
            assert!(own || found.name == field.name, "{name}");
            assert!(Filter::parse(name).is_ok(), "{name}");
        }
    }
    let (view, _) = example();
    let id = MessageId::at(0);
    let filter = Filter::parse("text contains x").unwrap().compile(&view);
    assert_eq!(filter.matches(id, view.message(id).unwrap()), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_understood_or_refused(
        text in "([a-z.]{0,8}|status|ip.src|text|time|[=!<>~&|(){}\"', ]{1,3}|in|matches|not|and|[0-9.:/-]{1,9}|\\PC)*"
    ) {
        if let Ok(filter) = Filter::parse(&text) {
            let (view, _) = example();
            let compiled = filter.compile(&view);
            let found = compiled.run(&view);
            proptest::prop_assert!(found.len() <= 3);
        } else if let Err(error) = Filter::parse(&text) {
            proptest::prop_assert!(error.position <= text.chars().count());
            proptest::prop_assert!(!error.message.is_empty());
        }
    }
}
