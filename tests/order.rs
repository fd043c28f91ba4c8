//! Neighbours that were captured the wrong way round, as several queues of a network card or two
//! directions merged by time stamps make them, change nothing of what calls and dialogs are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write as _;
use std::path::Path;

use sipscope::index::ids::{CallId, MessageId};
use sipscope::index::{IndexView, call, dialog};
use sipscope::ingest;

/// Messages this near may change places.
const NEAR_MICROS: u64 = 20_000;

/// The order decides here: which of two sightings is the copy …
const COPIES: [&str; 2] = ["any-bridge", "any-router"];
/// … and whose ACK it is, as its 487 lost its Via on the way.
const BROKEN: [&str; 1] = ["cancel-487"];
/// What was put together has the time of the packet that completes it.
const PIECES: [&str; 4] = ["fragments", "fragments-ipv6", "tcp", "tcp-to-udp"];

/// Header of the file, and its packets with their time in microseconds.
fn packets(bytes: &[u8]) -> (&[u8], Vec<(u64, &[u8])>) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let scale = match word(0) {
        0xa1b2_c3d4 => 1,
        0xa1b2_3c4d => 1000,
        _ => return (&[], Vec::new()),
    };
    let mut at = 24;
    let mut out = Vec::new();
    while at + 16 <= bytes.len() {
        let end = at + 16 + word(at + 8) as usize;
        let micros = u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4) / scale);
        out.push((micros, &bytes[at..end]));
        at = end;
    }
    (&bytes[..24], out)
}

fn load(header: &[u8], packets: &[(u64, &[u8])]) -> ingest::Loaded {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(header).unwrap();
    for (_, packet) in packets {
        file.write_all(packet).unwrap();
    }
    ingest::load(&[file.path().to_owned()], &ingest::Options::default())
}

/// What does not depend on numbers: messages are named by their time.
fn facts(view: &IndexView) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut add = |fact: &dyn Debug| {
        out.insert(format!("{fact:?}"));
    };
    let name = |id: Option<MessageId>| id.and_then(|id| view.message(id)).map(|row| row.time);
    for at in 0..view.messages().len() {
        let row = view.message(MessageId::at(at)).unwrap();
        let refers = (
            name(row.request()),
            name(row.acks()),
            name(row.cancels()),
            row.dialog.is_some(),
        );
        let repeats = std::mem::discriminant(&row.repeat());
        add(&("message", row.time, row.status, row.sdp, refers, repeats));
    }
    for at in 0..view.calls().len() {
        let call = call::summary(view, CallId::at(at)).unwrap();
        let ends = (call.status, call.ended_by, call.end_reason);
        let times = (call.start, call.end, call.pdd, call.setup, call.total_setup);
        add(&(
            call.kind,
            call.state,
            &call.caller,
            &call.callee,
            ends,
            times,
            (call.ring, call.talk),
            (call.messages.len(), call.dialogs.len(), call.copies),
        ));
        for found in dialog::of_call(view, CallId::at(at)) {
            let made = view.dialog(found.dialog).unwrap();
            let first = found.messages.first().copied();
            let creating = first.filter(|_| !made.from_middle);
            let text = |id| view.texts().get(id).into_owned();
            add(&(
                (made.local_tag.map(text), made.remote_tag.map(text)),
                (made.method, made.from_middle),
                (found.state, found.start, found.end, found.messages.len()),
                (found.forked_from.is_some(), name(creating)),
            ));
        }
    }
    out
}

#[test]
fn neighbours_may_change_places() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut swaps = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = path.file_name().unwrap().to_str().unwrap().to_owned();
        let file = path.join("capture.pcap");
        let mut left_out = COPIES.iter().chain(&BROKEN).chain(&PIECES);
        if left_out.any(|other| case == *other) || !file.exists() {
            continue;
        }
        let bytes = std::fs::read(file).unwrap();
        let (header, packets) = packets(&bytes);
        if packets.len() > 100 {
            continue;
        }
        let expected = facts(&load(header, &packets).view);
        for at in 1..packets.len() {
            if packets[at].0.abs_diff(packets[at - 1].0) > NEAR_MICROS {
                continue;
            }
            let mut other = packets.clone();
            other.swap(at - 1, at);
            let got = facts(&load(header, &other).view);
            let missing: Vec<_> = expected.difference(&got).collect();
            let extra: Vec<_> = got.difference(&expected).collect();
            assert_eq!(missing, extra, "{case}: packets {at} and {}", at + 1);
            swaps += 1;
        }
    }
    assert!(swaps > 150, "{swaps} swaps only");
}
