//! A live capture within a bound of memory: what stays is what it would be without one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod compose;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use compose::{A, B, Capture, udp_from};
use sipscope::index::call::{self, State};
use sipscope::index::ids::{CallId, DialogId, MessageId};
use sipscope::index::{CallKind, IndexView, dialog};
use sipscope::ingest::{self, Loaded, Options};

/// Octets for the index in these tests: about a quarter of what the captures need.
const MEMORY: usize = 3 << 20;

/// One message: who sends it, its start line, From tag, To tag, Call-ID, CSeq, more headers.
struct Message<'a> {
    by_caller: bool,
    start: &'a str,
    tags: (&'a str, &'a str),
    call: &'a str,
    cseq: (u32, &'a str),
    more: &'a str,
}

/// Writes calls on one pair of hosts, a packet every 10 ms.
#[derive(Default)]
struct Writer {
    capture: Capture,
    packets: u16,
}

impl Writer {
    fn put(&mut self, m: &Message<'_>) {
        let Message {
            start,
            call,
            cseq: (number, method),
            more,
            ..
        } = m;
        let from = format!("<sip:{call}@a.example>;tag={}", m.tags.0);
        let tag = match m.tags.1 {
            "" => String::new(),
            tag => format!(";tag={tag}"),
        };
        let to = format!("<sip:bob@b.example>{tag}");
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
        let body = match more.contains("sdp") {
            true => format!("{body}m=audio {} RTP/AVP 0\r\n", 10_000 + number % 100 * 2),
            false => String::new(),
        };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK{call}{number}{method}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call}@example\r\nCSeq: {number} {method}\r\n\
             User-Agent: Test\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (src, dst) = match m.by_caller {
            true => ((A, 5060), (B, 5060)),
            false => ((B, 5060), (A, 5060)),
        };
        self.packets = self.packets.wrapping_add(1);
        let packet = udp_from(src, dst, self.packets, text.as_bytes());
        self.capture.add_after(10_000, &packet);
    }

    fn request(&mut self, call: &str, tagged: bool, number: u32, method: &str, more: &str) {
        let target = match method {
            "REGISTER" => "example",
            _ => "bob@b.example",
        };
        self.put(&Message {
            by_caller: true,
            start: &format!("{method} sip:{target} SIP/2.0"),
            tags: ("a1", if tagged { "b1" } else { "" }),
            call,
            cseq: (number, method),
            more,
        });
    }

    fn response(&mut self, call: &str, status: u16, number: u32, method: &str, more: &str) {
        self.put(&Message {
            by_caller: false,
            start: &format!("SIP/2.0 {status} Words"),
            tags: ("a1", "b1"),
            call,
            cseq: (number, method),
            more,
        });
    }

    fn begin_call(&mut self, call: &str) {
        let sdp = "Content-Type: application/sdp\r\n";
        self.request(call, false, 1, "INVITE", sdp);
        self.response(call, 180, 1, "INVITE", "");
        self.response(call, 200, 1, "INVITE", sdp);
        self.request(call, true, 1, "ACK", "");
    }

    fn end_call(&mut self, call: &str) {
        self.request(call, true, 2, "BYE", "");
        self.response(call, 200, 2, "BYE", "");
    }

    fn transaction(&mut self, call: &str, number: u32, method: &str, more: &str) {
        self.request(call, method == "INVITE", number, method, more);
        self.response(call, 200, number, method, more);
    }

    fn file(&self) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&self.capture.bytes()).unwrap();
        file
    }
}

/// Short calls, and beside them what goes on all the time: a call, a phone that registers, a ping.
fn busy() -> Writer {
    let mut w = Writer::default();
    w.begin_call("long");
    w.request("ringing", false, 1, "INVITE", "");
    w.response("ringing", 180, 1, "INVITE", "");
    for n in 0..3000_u32 {
        let call = format!("call{n}");
        w.begin_call(&call);
        if n % 20 == 0 {
            let contact = "Contact: <sip:phone@192.0.2.1>;expires=60\r\n";
            w.transaction("phone", n + 1, "REGISTER", contact);
            w.transaction("ping", n + 1, "OPTIONS", "");
        }
        if n % 500 == 499 {
            w.transaction("long", n + 1, "INVITE", "Session-Expires: 1800\r\n");
        }
        w.end_call(&call);
    }
    w.end_call("long");
    w
}

fn load(path: &Path, memory: Option<usize>, threads: usize, block: usize) -> Loaded {
    let options = Options {
        threads,
        block_octets: block,
        memory_octets: memory,
        ..Options::default()
    };
    ingest::load(&[path.to_owned()], &options)
}

fn named(view: &IndexView, call_id: &str) -> Option<CallId> {
    let wanted = format!("{call_id}@example");
    let mut calls = view.calls().indexed();
    let found = calls.find(|(_, call)| view.texts().get(call.call_id) == wanted);
    found.map(|(at, _)| CallId::at(at))
}

/// All that is shown of a message, without ids of texts, parties and flows.
fn message_words(view: &IndexView, id: MessageId) -> String {
    let row = view.message(id).unwrap();
    let parties = view.parties(row);
    let text = |id| view.texts().get(id).into_owned();
    let opt = |id| view.texts().opt(id).map(|t| t.into_owned());
    format!(
        "{id} {} {} {:?} {:?} {:?} {:?} {:?} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        row.time,
        row.frame,
        row.method,
        row.status,
        row.call,
        row.dialog,
        row.transaction,
        text(parties.call_id),
        text(parties.from_uri),
        text(parties.to_uri),
        opt(parties.from_tag),
        opt(parties.to_tag),
        text(row.start_text),
        opt(row.user_agent),
        opt(row.body_text),
        row.repeat(),
        row.sdp,
        view.ends(row),
    )
}

fn call_words(view: &IndexView, id: CallId) -> String {
    let s = call::summary(view, id).unwrap();
    format!(
        "{id} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {}",
        s.kind,
        s.state,
        s.caller,
        s.callee,
        s.pdd,
        s.setup,
        s.ring,
        s.talk,
        s.status,
        s.reason,
        s.ended_by,
        s.end_reason,
        s.end
    )
}

#[test]
fn what_stays_is_what_it_would_be_without_a_bound() {
    let w = busy();
    let file = w.file();
    let all = load(file.path(), None, 2, 64 << 10);
    let some = load(file.path(), Some(MEMORY), 2, 64 << 10);
    let (all, kept) = (&all.view, &some.view);

    // Much has left, and all of it is counted.
    assert!(kept.messages().len() * 2 < all.messages().len());
    assert_eq!(kept.messages().end(), all.messages().len());
    let there = kept.messages().len() as u64;
    assert_eq!(there + kept.left.messages, all.messages().len() as u64);
    for kind in CallKind::ALL {
        let of = |view: &IndexView| view.calls().iter().filter(|c| c.kind == kind).count() as u64;
        assert_eq!(
            of(kept) + kept.left.calls[kind as usize],
            of(all),
            "{kind:?}"
        );
    }
    assert_eq!(kept.left.unfinished, 0);
    assert_eq!(kept.totals.requests, all.totals.requests);
    assert_eq!(kept.totals.responses, all.totals.responses);
    assert_eq!(kept.totals.calls_over, all.totals.calls_over);
    assert_eq!(kept.totals.calls_over, 3001);

    // From one time on everything is there; no id means anything else than without a bound.
    let before = kept.left.before.unwrap();
    let mut seen = 0;
    for (at, row) in all.messages().indexed() {
        let id = MessageId::at(at);
        let Some(_) = kept.message(id) else {
            assert!(row.time <= before, "{id}");
            continue;
        };
        assert_eq!(message_words(kept, id), message_words(all, id));
        let extents = kept.extents(kept.message(id).unwrap());
        assert_eq!(extents, all.extents(row));
        seen += 1;
    }
    assert_eq!(seen, kept.messages().len());
    for (at, call) in kept.calls().indexed() {
        let id = CallId::at(at);
        let whole = all.call(id).unwrap();
        assert_eq!((call.last, call.messages), (whole.last, whole.messages));
        assert_eq!(call_words(kept, id), call_words(all, id));
        let messages = kept.messages_of_call(id);
        assert_eq!(messages.len() as u32 + call.left, call.messages);
        assert_eq!(messages.first(), Some(&call.first));
        assert!(messages.is_sorted());
        let states = |view| {
            dialog::of_call(view, id)
                .iter()
                .map(|d| d.state)
                .collect::<Vec<_>>()
        };
        assert_eq!(states(kept), states(all));
    }
    for (at, dialog) in kept.dialogs().indexed() {
        let whole = all.dialog(DialogId::at(at)).unwrap();
        assert_eq!(
            (dialog.call, dialog.opened_by),
            (whole.call, whole.opened_by)
        );
    }
    // No text and no pair of tags stays without somebody who needs it.
    assert!(kept.texts().len() * 2 < all.texts().len());
    assert!(kept.all_parties().len() * 2 < all.all_parties().len());
    let texts: BTreeSet<_> = kept.texts().iter().map(|(_, text)| text.to_vec()).collect();
    assert_eq!(texts.len(), kept.texts().len());
}

#[test]
fn what_goes_on_is_carried_over() {
    let w = busy();
    let some = load(w.file().path(), Some(MEMORY), 1, 64 << 10);
    let view = &some.view;
    let state = |name: &str| {
        let call = named(view, name).expect(name);
        (call, call::summary(view, call).unwrap().state)
    };
    // The first messages of the capture, ended at its end.
    let (long, ended) = state("long");
    assert_eq!((long, ended), (CallId::at(0), State::Completed));
    let messages = view.messages_of_call(long);
    assert_eq!(messages.first(), Some(&MessageId::at(0)));
    assert_eq!(view.call(long).unwrap().left, 0);
    assert_eq!(state("ringing").1, State::Ringing);
    // Of what has no end the newest part stays.
    let (phone, registered) = state("phone");
    assert_eq!(registered, State::Registered);
    let entry = view.call(phone).unwrap();
    assert_eq!((entry.messages, entry.left > 50), (300, true));
    let (ping, _) = state("ping");
    assert!(view.call(ping).unwrap().left > 50);
    assert!(named(view, "call0").is_none() && named(view, "call2999").is_some());
}

#[test]
fn blocks_and_threads_make_no_difference() {
    let w = busy();
    let file = w.file();
    let words = |threads, block| {
        let loaded = load(file.path(), Some(MEMORY), threads, block);
        let view = &loaded.view;
        let messages: Vec<String> = view
            .messages()
            .indexed()
            .map(|(at, _)| message_words(view, MessageId::at(at)))
            .collect();
        (messages, view.left)
    };
    let expected = words(1, 256 << 10);
    assert!(expected.1.messages > 0);
    assert!(words(3, 10_000) == expected);
}

#[test]
fn more_than_can_be_carried_over_goes_and_is_counted() {
    let mut w = Writer::default();
    for n in 0..6000 {
        w.begin_call(&format!("call{n}"));
    }
    let some = load(w.file().path(), Some(MEMORY), 1, 64 << 10);
    let view = &some.view;
    let calls = view.left.calls[CallKind::Call as usize];
    assert!(
        calls > 0 && view.left.unfinished == calls,
        "{:?}",
        view.left
    );
    assert_eq!(view.calls().len() as u64 + calls, 6000);
    // Those that were silent longest went.
    let oldest = view.calls().indexed().next().unwrap().0;
    assert_eq!(oldest as u64, calls);
    for (at, _) in view.calls().indexed() {
        let summary = call::summary(view, CallId::at(at)).unwrap();
        assert_eq!(summary.state, State::Answered);
    }
}

#[test]
fn a_file_that_grows_is_written_out_within_the_bound() {
    use std::process::{Command, Stdio};
    const MESSAGES: usize = 60_000;
    let mut w = Writer::default();
    for n in 0..MESSAGES / 6 {
        let call = format!("call{n}");
        w.begin_call(&call);
        w.end_call(&call);
    }
    let octets = w.capture.bytes();
    drop(w);
    let limit = MESSAGES.to_string();
    let peak = |memory: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (
            folder.path().join("grows.pcap"),
            folder.path().join("out.csv"),
        );
        let mut file = std::fs::File::create(&path).unwrap();
        let (first, rest) = octets.split_at(octets.len() / 2);
        file.write_all(first).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sipscope"))
            .args([
                "messages",
                "--follow",
                "--threads",
                "1",
                "--limit",
                &limit,
                "--timings",
            ])
            .args(["--format", "csv", "--memory", memory, "-o"])
            .args([&out, &path])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        file.write_all(rest).unwrap();
        // It ends by itself when all is written; what hangs is ended.
        let mut child = child;
        let begun = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed().as_secs() > 60 {
                child.kill().unwrap();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("left memory before"), "{said}");
        // All of them, in order, each once.
        let text = std::fs::read_to_string(&out).unwrap();
        let mut lines = text.lines().skip(1);
        for number in 1..=MESSAGES {
            let line = lines.next().expect("a line");
            assert_eq!(line.split(',').next(), Some(number.to_string().as_str()));
        }
        assert_eq!(lines.next(), None);
        let timings: serde_json::Value =
            serde_json::from_str(said.lines().last().unwrap()).unwrap();
        timings["peak_anonymous_bytes"].as_u64().unwrap() >> 20
    };
    let (small, large) = (peak("4M"), peak("512M"));
    // The rows alone are 5.5 MiB, and each of the 10,000 calls has texts, parties and places in tables.
    assert!(
        small + 5 < large,
        "{small} MiB, without a bound {large} MiB"
    );
}

/// A fork of which one branch is ended at once goes on in the other: it stays one call, however long.
#[test]
fn a_fork_goes_on_while_one_of_its_dialogs_does() {
    let mut w = Writer::default();
    let sdp = "Content-Type: application/sdp\r\n";
    w.begin_call("fork");
    let other = |w: &mut Writer, by_caller, start: &str, cseq, more| {
        w.put(&Message {
            by_caller,
            start,
            tags: ("a1", "b2"),
            call: "fork",
            cseq,
            more,
        });
    };
    other(&mut w, false, "SIP/2.0 200 Words", (1, "INVITE"), sdp);
    other(
        &mut w,
        true,
        "ACK sip:bob@b.example SIP/2.0",
        (1, "ACK"),
        "",
    );
    other(
        &mut w,
        true,
        "BYE sip:bob@b.example SIP/2.0",
        (2, "BYE"),
        "",
    );
    other(&mut w, false, "SIP/2.0 200 Words", (2, "BYE"), "");
    for n in 0..4000_u32 {
        let call = format!("call{n}");
        w.begin_call(&call);
        w.end_call(&call);
    }
    w.request("fork", true, 3, "BYE", "");
    w.response("fork", 200, 3, "BYE", "");
    let file = w.file();
    let some = load(file.path(), Some(MEMORY), 1, 64 << 10).view;
    assert!(some.left.messages > 10_000, "{:?}", some.left);
    let fork = named(&some, "fork").unwrap();
    assert_eq!(
        fork,
        CallId::at(0),
        "no call of its own began with the last BYE"
    );
    let summary = call::summary(&some, fork).unwrap();
    assert_eq!(summary.state, State::Completed);
    assert!(summary.talk.is_some());
    assert_eq!(some.left.unfinished, 0);
}
