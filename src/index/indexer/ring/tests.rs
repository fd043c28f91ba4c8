#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::bytes::Extent;
use crate::index::ids::TextId;
use crate::index::message_store::{Transport, flag};
use crate::index::{Call, Incoming, IndexView, Keys, hash_bytes, text};
use crate::packet::{Addressing, Endpoint, LayerStack};
use crate::sip::scan::{Framing, scan};

/// Numbers without a pattern.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}

/// One of many dialogs, at some point of its life.
struct Talk {
    number: u32,
    kind: u32,
    step: u32,
}

/// The next message of a talk: its text, and true when it goes to the callee. None at its end.
fn next_message(talk: &mut Talk, random: &mut Random, odd: bool) -> Option<(String, bool)> {
    let method = [
        "INVITE",
        "INVITE",
        "REGISTER",
        "OPTIONS",
        "SUBSCRIBE",
        "DANCE",
    ];
    let method = method[talk.kind as usize];
    let n = talk.number;
    let step = talk.step;
    talk.step += 1;
    let answer = random.below(8) == 0;
    let (start, cseq, tagged, there) = match (method, step) {
        ("INVITE", 0) => ("INVITE".to_owned(), (1, "INVITE"), false, true),
        ("INVITE", 1) => ("SIP/2.0 100 Trying".to_owned(), (1, "INVITE"), false, false),
        ("INVITE", 2) => ("SIP/2.0 180 Ringing".to_owned(), (1, "INVITE"), true, false),
        ("INVITE", 3) if answer => ("SIP/2.0 486 Busy".to_owned(), (1, "INVITE"), true, false),
        ("INVITE", 3) => ("SIP/2.0 200 OK".to_owned(), (1, "INVITE"), true, false),
        ("INVITE", 4) => ("ACK".to_owned(), (1, "ACK"), true, true),
        // Some go on for a while, some never end.
        ("INVITE", 5) if talk.kind == 1 && !n.is_multiple_of(3) => return None,
        ("INVITE", 5..300) if talk.kind == 1 => match step % 3 {
            0 => ("INFO".to_owned(), (step, "INFO"), true, true),
            1 => (
                "SIP/2.0 100 Trying".to_owned(),
                (step - 1, "INFO"),
                true,
                false,
            ),
            _ => ("SIP/2.0 200 OK".to_owned(), (step - 2, "INFO"), true, false),
        },
        ("INVITE", 5) => ("BYE".to_owned(), (2, "BYE"), true, true),
        ("INVITE", 6) => ("SIP/2.0 200 OK".to_owned(), (2, "BYE"), true, false),
        ("INVITE", _) => return None,
        (_, 0..400) if step.is_multiple_of(2) => {
            (method.to_owned(), (step + 1, method), false, true)
        }
        (_, 0..400) => ("SIP/2.0 200 OK".to_owned(), (step, method), true, false),
        _ => return None,
    };
    let mut text = start;
    if there {
        let _ = write!(text, " sip:u{}@b.example SIP/2.0", n % 50);
    }
    let tag = if tagged { ";tag=t" } else { "" };
    // Some share a Call-ID with another talk.
    let shared = if odd && n.is_multiple_of(17) {
        n / 2
    } else {
        n
    };
    let _ = write!(
        text,
        "\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{n}{}{}\r\nFrom: <sip:f{n}@a.example>;tag=f{n}\r\n\
         To: <sip:u{}@b.example>{tag}\r\nCall-ID: {shared}@a.example\r\nCSeq: {} {}\r\n\
         Contact: <sip:c{n}@192.0.2.1>\r\nUser-Agent: Phone {}\r\nContent-Length: 0\r\n\r\n",
        cseq.0,
        cseq.1,
        n % 50,
        cseq.0,
        cseq.1,
        n % 7
    );
    Some((text, there))
}

/// Messages of many talks at once.
struct Traffic {
    count: u32,
    talks: usize,
    /// Some messages come again, maybe late, and some talks take the Call-ID of one that is long over.
    odd: bool,
}

/// Files messages.
fn file(indexer: &mut Indexer, traffic: &Traffic, mut each: impl FnMut(&Indexer)) {
    let &Traffic {
        count,
        talks: most,
        odd,
    } = traffic;
    let mut random = Random(u64::from(count) + most as u64);
    let mut talks: Vec<Talk> = Vec::new();
    let mut begun = 0;
    for frame in 1..=count {
        let (text, there, number) = loop {
            if talks.len() < most {
                let kind = match random.below(40) {
                    at @ 1..6 => at,
                    _ => 0,
                };
                talks.push(Talk {
                    number: begun,
                    kind,
                    step: 0,
                });
                begun += 1;
            }
            let at = random.below(u32::try_from(talks.len()).unwrap()) as usize;
            let talk = &mut talks[at];
            if odd && random.below(30) == 0 && talk.step > 0 {
                // It comes again.
                talk.step -= 1;
            }
            match next_message(talk, &mut random, odd) {
                Some((text, there)) => break (text, there, talk.number),
                None => drop(talks.swap_remove(at)),
            }
        };
        let end = |host: u32, port| Endpoint {
            ip: std::net::Ipv4Addr::from(0x0a00_0000 | host).into(),
            port,
        };
        let (a, b) = (end(number % 300 + 1, 5060), end(0x1_0001, 5060));
        let (src, dst) = if there { (a, b) } else { (b, a) };
        let addressing = Addressing {
            src,
            dst,
            ip_id: u16::try_from(frame % 60_000).unwrap(),
            realm: 0,
        };
        let bytes = text.as_bytes();
        let framing = Framing {
            datagram: true,
            cut: false,
            whole: false,
        };
        let scan = scan(bytes, framing).unwrap();
        let keys = Keys::of(bytes, &scan, &addressing, Transport::Udp);
        let len = u32::try_from(bytes.len()).unwrap();
        let extent = |len| Extent {
            offset: u64::from(frame) * 1000,
            time: i64::from(frame) * 10_000_000,
            len,
            frame,
            head: 0,
            file: 0,
        };
        let (whole, halves) = ([extent(len)], [extent(len / 2), extent(len - len / 2)]);
        let places = [(0, end(number % 5000, 10_000))];
        let body = format!("audio {}", number % 11);
        let media = frame % 3 == 0;
        let note = crate::packet::hep::Note {
            node: Some(format!("node {}", number % 5)),
            ..Default::default()
        };
        // The body is only said to be there.
        let mut scan = scan;
        if media {
            scan.body = crate::span::Span::new(0, 4);
            scan.is_sdp = true;
        }
        indexer.push(&Incoming {
            bytes,
            scan: &scan,
            keys: &keys,
            places: if media { &places } else { &[] },
            body_text: media.then(|| (body.as_bytes(), hash_bytes(body.as_bytes()))),
            addressing,
            transport: Transport::Udp,
            layers: LayerStack::default(),
            extents: if frame % 5 == 0 { &halves } else { &whole },
            cut: false,
            hep: (frame % 4 == 0).then_some(&note),
            told: None,
        });
        each(indexer);
    }
}

/// What is counted is there, and what is there is counted.
fn check(index: &Indexer) {
    let ring = index.ring.as_ref().unwrap();
    let mut flows = BTreeMap::<usize, u32>::new();
    let mut parties = flows.clone();
    let mut dialogs = flows.clone();
    let mut texts = flows.clone();
    let mut extents = 0;
    let mut add = |list: &[Option<TextId>]| {
        for id in list.iter().flatten() {
            *texts.entry(id.index()).or_default() += 1;
        }
    };
    let mut by_call = BTreeMap::<CallId, Vec<MessageId>>::new();
    for (at, row) in index.rows.indexed() {
        *flows.entry(row.flow.index()).or_default() += 1;
        *parties.entry(row.parties.index()).or_default() += 1;
        if let Some(dialog) = row.dialog {
            *dialogs.entry(dialog.index()).or_default() += 1;
            assert!(index.dialogs.get(dialog.index()).is_some());
        }
        assert!(index.flows.get(row.flow.index()).is_some());
        assert!(index.parties.get(row.parties.index()).is_some());
        add(&row.texts());
        by_call.entry(row.call).or_default().push(MessageId::at(at));
        extents += 2 * usize::from(row.flags & flag::SCATTERED != 0);
    }
    index.parties.indexed().for_each(|(_, p)| add(&p.texts()));
    index.dialogs.indexed().for_each(|(_, d)| add(&d.texts()));
    index.hep.indexed().for_each(|(_, note)| add(&[note.node]));
    for (at, call) in index.calls.indexed() {
        add(&[Some(call.call_id)]);
        let mut chain = Vec::new();
        let mut next = Some(call.last);
        while let Some(id) = next {
            chain.push(id);
            next = index.rows.get(id.index()).unwrap().previous_in_call;
        }
        chain.reverse();
        assert_eq!(chain.first(), Some(&call.first));
        assert_eq!(chain.len() as u32 + call.left, call.messages);
        assert_eq!(by_call.remove(&CallId::at(at)).unwrap(), chain);
        let mut carried = chain.iter().filter(|id| id.index() < index.rows.start());
        let kept = ring.kept.get(at).copied().unwrap_or_default();
        assert_eq!(
            (kept.count, kept.newest),
            (carried.clone().count(), carried.next_back().copied())
        );
        // Only a call that goes on has all its messages before the border.
        if call.last.index() < index.rows.start() {
            let silent = |s: &Silent| s.call == CallId::at(at) && s.last == call.last && !s.over;
            assert!(ring.silent.iter().any(silent) || ring.passed.contains(&CallId::at(at)));
        }
    }
    assert_eq!(by_call, BTreeMap::new());
    for (uses, list) in [
        (&ring.users.flows, flows),
        (&ring.users.parties, parties),
        (&ring.users.dialogs, dialogs),
        (&ring.users.texts, texts.clone()),
    ] {
        let counted: BTreeMap<usize, u32> = uses.all().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, list);
    }
    // Nothing that was carried over is there without need.
    let unused = |uses: &crate::index::indexer::users::Uses, start: usize| {
        uses.all().any(|(at, count)| at < start && count == 0)
    };
    assert!(!unused(&ring.users.flows, index.flows.start()));
    assert!(!unused(&ring.users.texts, index.texts.start()));
    assert_eq!(index.extents.len(), extents);
    let there = |id: MessageId| index.rows.get(id.index()).is_some();
    assert!(index.announcements.indexed().all(|(_, a)| there(a.message)));
    assert!(
        index
            .refusals
            .indexed()
            .all(|(_, refusal)| there(refusal.message))
    );
    assert!(index.hep.indexed().all(|(_, note)| there(note.message)));
    assert!(index.odd_methods.keys().all(|id| there(*id)));
    // No table knows what is not there.
    let at = |at: &crate::index::ids::AnnouncementId| index.announcements.get(at.index()).is_some();
    assert!(index.announced_at.values().all(at));
    let dialogs = index.dialog_table.values();
    assert!(
        dialogs
            .clone()
            .all(|d| index.dialogs.get(d.index()).is_some())
    );
    assert_eq!(dialogs.count(), index.dialogs.len());
    assert_eq!(index.flow_table.len(), index.flows.len());
    assert_eq!(index.texts.listed(), index.texts.len());
    assert_eq!(
        index.cid_table.len() + index.free_cids.len(),
        index.cids.len()
    );
    for number in &index.cid_table {
        let cid = &index.cids[*number as usize];
        assert_eq!(text::hash_of(index.texts.get(cid.text)), cid.hash);
    }
}

#[test]
fn what_is_shared_leaves_with_the_last_that_needs_it() {
    // So many talks at once that all can be carried over, and so many that they cannot.
    let mib = 1 << 20;
    for (talks, octets) in [(60, 2 * mib), (400, 2 * mib), (6_000, 2 * mib)] {
        let mut index = Indexer::default();
        index.set_ring(octets);
        let traffic = Traffic {
            count: 50_000,
            talks,
            odd: true,
        };
        let mut most_cids = 0;
        file(&mut index, &traffic, |index| {
            let filed = index.rows.end();
            most_cids = most_cids.max(index.cid_table.len());
            if filed % 1999 == 0 || filed % (EVERY * 32) == 1 {
                check(index);
            }
        });
        check(&index);
        assert!(index.left.messages > 25_000, "{:?}", index.left);
        assert_eq!(index.rows.len() as u64 + index.left.messages, 50_000);
        assert!(index.octets() <= octets * 5 / 4, "{}", index.octets());
        assert_eq!(
            index.left.unfinished > 0,
            talks == 6_000,
            "{:?}",
            index.left
        );
        // Places of Call-IDs are used again: there are no more than were needed at once, but for those
        // that went while one message was filed.
        assert!(
            index.cids.len() <= most_cids + EVERY,
            "{} places, {most_cids} at once",
            index.cids.len()
        );
    }
}

#[test]
fn a_bound_changes_nothing_of_what_stays() {
    let traffic = Traffic {
        count: 40_000,
        talks: 20,
        odd: false,
    };
    let (mut all, mut some) = (Indexer::default(), Indexer::default());
    some.set_ring(2 << 20);
    file(&mut all, &traffic, |_| {});
    file(&mut some, &traffic, |_| {});
    let (all, some) = (all.publish(), some.publish());
    assert!(some.left.messages > 20_000);
    for (at, row) in some.messages().indexed() {
        let id = MessageId::at(at);
        let whole = all.message(id).unwrap();
        let texts = |view: &IndexView, row: &MessageRow| {
            let p = view.parties(row).texts();
            let both = row.texts().into_iter().chain(p).flatten();
            both.map(|id| view.texts().get(id).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(&some, row), texts(&all, whole));
        let ids = |row: &MessageRow| (row.call, row.dialog, row.transaction, row.refers_to);
        assert_eq!(ids(row), ids(whole));
        assert_eq!((row.repeat(), row.sdp), (whole.repeat(), whole.sdp));
        assert_eq!(some.ends(row), all.ends(whole));
        assert_eq!(some.extents(row), all.extents(whole));
        let note = |view: &IndexView| {
            let note = view.hep(id)?;
            Some(view.texts().opt(note.node)?.into_owned())
        };
        assert_eq!(note(&some), note(&all));
    }
    for (at, call) in some.calls().indexed() {
        let whole = all.call(CallId::at(at)).unwrap();
        let words = |call: &Call| (call.kind, call.last, call.messages, call.over);
        assert_eq!(words(call), words(whole));
        assert_eq!(call.retransmissions, whole.retransmissions);
    }
}
