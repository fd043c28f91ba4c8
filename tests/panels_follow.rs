//! The window shows a file while another program writes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::Action;
use sipscope::gui::capturing::CaptureAction;
use sipscope::index::CallKind;

/// A capture of a call up to its 180.
fn begun(n: u32) -> Pcap {
    let invite = format!("INVITE sip:bob{n}@example.com SIP/2.0");
    Pcap::new()
        .udp(0, ALICE, BOB, &sip(n, &invite, false, "1 INVITE", ""))
        .udp(
            20,
            BOB,
            ALICE,
            &sip(n, "SIP/2.0 180 Ringing", true, "1 INVITE", ""),
        )
}

fn answered(n: u32) -> Pcap {
    Pcap::new()
        .udp(
            900,
            BOB,
            ALICE,
            &sip(n, "SIP/2.0 200 OK", true, "1 INVITE", ""),
        )
        .udp(
            920,
            ALICE,
            BOB,
            &sip(n, "ACK sip:bob@example.com SIP/2.0", true, "1 ACK", ""),
        )
}

fn ended(n: u32) -> Pcap {
    Pcap::new()
        .udp(
            5000,
            ALICE,
            BOB,
            &sip(n, "BYE sip:bob@example.com SIP/2.0", true, "2 BYE", ""),
        )
        .udp(
            5010,
            BOB,
            ALICE,
            &sip(n, "SIP/2.0 200 OK", true, "2 BYE", ""),
        )
}

/// Writes what is behind the header of a pcap.
fn append(path: &Path, more: Pcap) {
    append_octets(path, &more.0[24..]);
}

fn append_octets(path: &Path, octets: &[u8]) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(octets).unwrap();
}

#[test]
fn a_file_that_has_grown_is_followed_on_a_click() {
    let folder = tempfile::tempdir().unwrap();
    let path = begun(1).write(folder.path());
    let mut w = window(vec![path.clone()]);
    assert!(has(&w, "2 messages") && !has(&w, "has grown"));
    append(&path, answered(1));
    until(&mut w, "the word", |w| {
        has(w, "This file has grown since it was read")
    });
    // It was read as it was; nothing happens by itself.
    assert!(has(&w, "2 messages"));
    w.get_by_label("Follow").click();
    until(&mut w, "it is followed", |w| {
        has(w, "Following call.pcap") && has(w, "4 messages")
    });
    assert!(!has(&w, "has grown") && !has(&w, "Mark:"));
    until(&mut w, "the call", |w| has(w, "Answered"));
    // The layers above a message are there while more comes.
    until(&mut w, "the layers", |w| {
        let detail = w.state().session.detail();
        let layers = detail.map(|detail| detail.layers.len()).unwrap_or_default();
        layers == 3
    });
    assert!(!w.state().session.is_finished());
    append(&path, ended(1));
    until(&mut w, "its end", |w| {
        has(w, "6 messages") && has(w, "Completed")
    });
    // How soon: the machine may be busy, so the best of some counts.
    let waits = (20..25).map(|n| {
        let messages = w.state().session.view.messages().len();
        let begin = Instant::now();
        append(&path, begun(n));
        while w.state().session.view.messages().len() < messages + 2 {
            w.run_steps(1);
            assert!(begin.elapsed() < Duration::from_secs(20), "nothing came");
            std::thread::sleep(Duration::from_millis(5));
        }
        begin.elapsed()
    });
    let best = waits.min().unwrap();
    assert!(best < Duration::from_millis(200), "{best:?}");
    // Half a packet is waited for.
    let next = begun(2).0;
    append_octets(&path, &next[24..100]);
    w.run_steps(20);
    std::thread::sleep(Duration::from_millis(200));
    w.run_steps(5);
    assert!(has(&w, "16 messages"));
    append_octets(&path, &next[100..]);
    until(&mut w, "the next call", |w| {
        has(w, "18 messages") && has(w, "7 calls")
    });
    w.get_by_label("Stop following").click();
    until(&mut w, "it is over", |w| has(w, "Followed call.pcap"));
    settle(&mut w);
    assert!(has(&w, "18 messages") && !has(&w, "has grown"));
    append(&path, answered(2));
    until(&mut w, "the word once more", |w| has(w, "has grown"));
    w.get_by_label("Reload").click();
    until(&mut w, "all of it", |w| has(w, "20 messages"));
    settle(&mut w);
    assert!(!has(&w, "has grown") && !has(&w, "Followed"));
}

#[test]
fn the_command_follows_and_stops_and_keeps_filter_and_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_calls(folder.path());
    let mut w = window(vec![path.clone()]);
    w.state_mut()
        .apply(Action::ShowKind(CallKind::Registration));
    w.state_mut().apply(Action::SetFilter("alice".to_owned()));
    settle(&mut w);
    w.state_mut().apply(Action::Follow(true));
    until(&mut w, "it is followed", |w| {
        has(w, "Following call.pcap") && has(w, "11 messages")
    });
    assert_eq!(w.state().session.kind, CallKind::Registration);
    assert_eq!(w.state().session.filter_text, "alice");
    // The view stands still, the file is read on.
    w.get_by_label("Pause view").click();
    w.run_steps(3);
    append(&path, begun(9));
    std::thread::sleep(Duration::from_millis(300));
    w.run_steps(5);
    assert!(has(&w, "11 messages"));
    w.get_by_label("Go on").click();
    until(&mut w, "what came", |w| has(w, "13 messages"));
    w.state_mut().apply(Action::Follow(false));
    until(&mut w, "it is over", |w| has(w, "Followed call.pcap"));
    settle(&mut w);
    assert!(has(&w, "13 messages"));
}

#[test]
fn a_capture_that_is_replaced_cut_or_removed_is_said_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = begun(1).write(folder.path());
    let mut w = window(vec![path.clone()]);
    w.state_mut().apply(Action::Follow(true));
    until(&mut w, "it is followed", |w| {
        has(w, "Following call.pcap") && has(w, "2 messages")
    });
    // Renamed, with a new one in its place.
    std::fs::rename(&path, folder.path().join("call.pcap.1")).unwrap();
    until(&mut w, "the word on its name", |w| {
        has(w, "call.pcap was removed or renamed")
    });
    begun(2).write(folder.path());
    until(&mut w, "the new file", |w| {
        has(w, "call.pcap was replaced by a new one") && has(w, "4 messages")
    });
    append(&path, answered(2));
    until(&mut w, "what is added to it", |w| has(w, "6 messages"));
    // The messages of the old one are still there.
    let first = sipscope::index::ids::MessageId::at(0);
    w.state_mut().apply(Action::SelectMessage(first));
    until(&mut w, "the first message", |w| {
        let detail = w.state().session.detail();
        detail.is_some_and(|d| d.message == first && d.error.is_none() && !d.bytes.is_empty())
    });
    // Begun anew at its old place: shorter than what was read.
    std::fs::write(&path, &begun(3).0).unwrap();
    until(&mut w, "the word on its length", |w| {
        has(w, "call.pcap was cut and begun anew") && has(w, "8 messages")
    });
    // What stood there is not shown as something else.
    let third = sipscope::index::ids::MessageId::at(2);
    w.state_mut().apply(Action::SelectMessage(third));
    until(&mut w, "why it is not shown", |w| {
        let detail = w.state().session.detail();
        let error = detail
            .filter(|d| d.message == third)
            .and_then(|d| d.error.clone());
        error.is_some_and(|error| error.contains("begun anew"))
    });
}

#[test]
fn a_log_is_followed_and_what_cannot_be_is_not_offered() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/traces");
    let part = |name: &str| std::fs::read(root.join(name)).unwrap();
    let path = folder.path().join("full");
    let log = part("asterisk-pjsip.txt");
    std::fs::write(&path, &log[..400]).unwrap();
    let mut w = window(Vec::new());
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Follow(vec![path.clone()])));
    until(&mut w, "it is followed", |w| has(w, "Following full"));
    append_octets(&path, &log[400..]);
    until(&mut w, "its messages", |w| has(w, "2 messages"));
    until(&mut w, "its call", |w| has(w, "Busy"));
    // Nothing is followed that cannot be read.
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Follow(vec![
            folder.path().join("none"),
        ])));
    until(&mut w, "the reason", |w| has(w, "cannot be followed"));
    assert!(!w.state().session.is_open());
    // Neither a packed one.
    let packed = folder.path().join("call.pcap.gz");
    let whole = begun(1).0;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(&whole).unwrap();
    std::fs::write(&packed, out.finish().unwrap()).unwrap();
    w.state_mut().apply(Action::OpenFiles(vec![packed]));
    settle(&mut w);
    let why = w.state().session.facts().followable;
    assert_eq!(why, Err("A packed file cannot be followed"));
    w.get_by_label("File").click();
    w.run_steps(4);
    let entry = w.get_by_label("Follow the file").accesskit_node();
    assert!(entry.is_disabled());
}
