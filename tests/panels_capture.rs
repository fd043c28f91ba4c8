//! The window of a running capture: what is clicked in it, and what it says when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::{Action, Saving};
use sipscope::gui::capturing::CaptureAction;
use sipscope::gui::live::{CaptureWish, Kept};
use sipscope::source::live;

/// A message in HEP version 1: UDP over IPv4 from 192.0.2.1:5060 to 192.0.2.2:5060.
fn hep(text: &str) -> Vec<u8> {
    let mut out = vec![1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc4];
    out.extend(ALICE);
    out.extend(BOB);
    out.extend(text.bytes());
    out
}

fn invite(number: u32) -> Vec<u8> {
    let start = format!("INVITE sip:bob{number}@example.com SIP/2.0");
    hep(&sip(number, &start, false, "1 INVITE", ""))
}

fn picker() -> Window {
    let mut w = window(Vec::new());
    w.state_mut().session.capturing.allow_root = true;
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Pick(true)));
    w.run_steps(3);
    w
}

/// A capture of what HEP agents send, into this folder; `set` fills in more of the picker.
fn listening(folder: &Path, set: impl Fn(&mut Window)) -> (Window, SocketAddr, UdpSocket) {
    let mut w = picker();
    w.get_by_label("HEP agents").click();
    w.run_steps(3);
    type_into(&mut w, "Listen on:", "0");
    type_into(&mut w, "Folder:", &folder.display().to_string());
    set(&mut w);
    w.get_by_label("Start capture").click();
    until(&mut w, "it listens", |w| has(w, "Listening for HEP on"));
    let node = w
        .get_by_label_contains("Listening for HEP on")
        .accesskit_node();
    let words = node.value().or(node.label()).unwrap();
    let address = words.rsplit(' ').next().unwrap().parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    (w, address, socket)
}

#[test]
fn the_view_stands_still_while_the_capture_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut w, address, socket) = listening(folder.path(), |_| {});
    for number in 1..=3 {
        socket.send_to(&invite(number), address).unwrap();
    }
    until(&mut w, "messages and calls", |w| {
        has(w, "3 SIP messages") && has(w, "Calls 3")
    });
    w.get_by_label("Pause view").click();
    w.run_steps(3);
    for number in 4..=9 {
        socket.send_to(&invite(number), address).unwrap();
    }
    until(&mut w, "packets are counted", |w| has(w, "9 packets"));
    // Long enough for a view that did not stand still.
    for _ in 0..10 {
        w.run_steps(2);
        std::thread::sleep(Duration::from_millis(30));
    }
    assert!(has(&w, "3 SIP messages") && has(&w, "Calls 3"));
    w.get_by_label("Go on").click();
    until(&mut w, "what came meanwhile", |w| {
        has(w, "9 SIP messages") && has(w, "Calls 9")
    });
    w.get_by_label("Pause view");
    // Paused at its end, it shows all when it is over.
    w.get_by_label("Pause view").click();
    w.run_steps(3);
    socket.send_to(&invite(10), address).unwrap();
    until(&mut w, "it is counted", |w| has(w, "10 packets"));
    w.get_by_label("Stop").click();
    until(&mut w, "it is over", |w| {
        has(w, "Captured on HEP on") && has(w, "10 SIP messages")
    });
}

#[test]
fn newest_calls_have_a_state_and_who_scrolls_back_is_left_in_peace() {
    let folder = tempfile::tempdir().unwrap();
    let (mut w, address, socket) = listening(folder.path(), |_| {});
    let row = |n: u32| format!("alice@example.com to bob{n}@example.com");
    for number in 1..=200 {
        socket.send_to(&invite(number), address).unwrap();
        if number % 10 == 0 {
            w.run_steps(1);
            assert!(!has(&w, "… alice@example.com"), "a row without a state");
        }
    }
    until(&mut w, "the newest call", |w| {
        has(w, "Calls 200") && has(w, &row(200))
    });
    assert!(!has(&w, &row(2)));
    // To the first row; from there on the list stays where it is.
    w.get_by_label_contains(&row(200)).click();
    w.run_steps(2);
    // Workers never come to an end while it runs.
    w.key_press(Key::Home);
    until(&mut w, "the first call", |w| has(w, &row(2)));
    for number in 201..=300 {
        socket.send_to(&invite(number), address).unwrap();
    }
    until(&mut w, "more calls", |w| has(w, "Calls 300"));
    assert!(has(&w, &row(2)) && !has(&w, &row(300)));
    w.key_press(Key::End);
    until(&mut w, "the last call", |w| has(w, &row(300)));
    socket.send_to(&invite(301), address).unwrap();
    until(&mut w, "the end is followed again", |w| has(w, &row(301)));
}

#[test]
fn it_ends_after_the_time_that_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let (mut w, address, socket) = listening(folder.path(), |w| type_into(w, "seconds", "1"));
    socket.send_to(&invite(1), address).unwrap();
    until(&mut w, "the end", |w| {
        has(w, "The capture ended after the time that was set") && has(w, "Captured on")
    });
    until(&mut w, "its call", |w| has(w, "Calls 1"));
}

#[test]
fn it_ends_at_the_size_that_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("of/my own");
    let (mut w, address, socket) = listening(&inner, |w| type_into(w, "MiB", "1"));
    let long = format!("X-Long: {}\r\n", "x".repeat(30_000));
    for number in 1..=60 {
        let start = "OPTIONS sip:bob@example.com SIP/2.0";
        let packet = hep(&sip(number, start, false, "1 OPTIONS", &long));
        socket.send_to(&packet, address).unwrap();
        w.run_steps(1);
    }
    until(&mut w, "the end", |w| {
        has(w, "The capture ended at the size that was set") && has(w, "Captured on")
    });
    let files: Vec<_> = std::fs::read_dir(&inner).unwrap().collect();
    let [Ok(file)] = files.as_slice() else {
        panic!("{files:?}")
    };
    assert!(file.metadata().unwrap().len() > 1 << 20);
    // It lies where it was wished, so nothing is to be saved.
    assert!(!has(&w, "Not saved yet"));
}

/// Runs a test of this file once more, in a process with these variables.
fn again(name: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command.envs(variables.iter().copied());
    let out = command.output().unwrap();
    let words = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && words.contains("1 passed"),
        "{words}\n{errors}"
    );
}

/// A capture program that says what a script says.
#[cfg(target_os = "linux")]
fn scripted(folder: &Path, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("sipscope-capture");
    let check = r#"case "$1" in --check-filter) exit 0;; esac"#;
    std::fs::write(&path, format!("#!/bin/sh\n{check}\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[cfg(target_os = "linux")]
#[test]
fn drops_are_told() {
    let folder = tempfile::tempdir().unwrap();
    // Standard input is the socket. It ends when that closes.
    let script = "printf ready >&0; printf 'stats 100 22000 110 7 3' >&0; cat >/dev/null";
    let program = scripted(folder.path(), script);
    again(
        "drops_are_told_inside",
        &[
            ("SIPSCOPE_CAPTURE", &program),
            ("SIPSCOPE_HOME", folder.path()),
        ],
    );
}

#[test]
#[ignore = "drops_are_told runs it"]
fn drops_are_told_inside() {
    let mut w = picker();
    let wish = CaptureWish {
        // Several at once: their counters are added up.
        interfaces: vec!["eth8".to_owned(), "eth9".to_owned()],
        kept: Kept::All,
        ..CaptureWish::default()
    };
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Start(Box::new(wish))));
    until(&mut w, "drops", |w| {
        has(w, "14 dropped by the kernel") && has(w, "6 dropped by the interface")
    });
    w.get_by_label_contains("Capturing on eth8, eth9");
    w.get_by_label_contains("200 packets");
}

#[cfg(target_os = "linux")]
#[test]
fn without_the_right_the_picker_says_what_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "printf 'failed rights Operation not permitted' >&0";
    let program = scripted(folder.path(), script);
    again(
        "without_the_right_inside",
        &[
            ("SIPSCOPE_CAPTURE", &program),
            ("SIPSCOPE_HOME", folder.path()),
        ],
    );
}

#[test]
#[ignore = "without_the_right_the_picker_says_what_gives_it runs it"]
fn without_the_right_inside() {
    let mut w = picker();
    let wish = CaptureWish {
        interfaces: vec!["eth9".to_owned()],
        ..CaptureWish::default()
    };
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Start(Box::new(wish))));
    until(&mut w, "the picker again", |w| {
        has(
            w,
            "This gives the capture program (not the window) the one right",
        )
    });
    w.run_steps(10);
    w.get_by_label_contains("sudo setcap cap_net_raw=ep");
    // The buttons are in sight, also on a small screen.
    for label in ["Start capture", "Cancel", "Copy"] {
        let place = w.get_by_label(label).rect();
        let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1366.0, 768.0));
        assert!(screen.contains_rect(place), "{label}: {place:?}");
    }
    w.get_by_label("Copy").click();
    let copied = acted(&mut w);
    let command = live::permit_command().unwrap();
    assert!(
        matches!(copied.as_slice(), [Action::CopyText(text)] if *text == command),
        "{copied:?}"
    );
}

#[test]
fn what_a_killed_window_left_is_offered_again() {
    let home = tempfile::tempdir().unwrap();
    let live = home.path().join("live");
    std::fs::create_dir(&live).unwrap();
    let call = two_calls(home.path());
    std::fs::rename(call, live.join("live-20260101-000000-lo.pcapng")).unwrap();
    again(
        "what_a_killed_window_left_inside",
        &[("SIPSCOPE_HOME", home.path())],
    );
    let saved = home.path().join("saved.pcapng");
    assert!(saved.is_file());
    assert_eq!(std::fs::read_dir(live).unwrap().count(), 0);
}

#[test]
#[ignore = "what_a_killed_window_left_is_offered_again runs it"]
fn what_a_killed_window_left_inside() {
    let mut w = picker();
    until(&mut w, "the offer", |w| {
        has(w, "Earlier captures that are not saved")
    });
    assert!(has(&w, "live-20260101-000000-lo.pcapng"));
    // In the picker, above the first screen with the same offer.
    w.get_all_by_label("Open").last().unwrap().click();
    until(&mut w, "its calls", |w| has(w, "Calls 2"));
    // The key saves all of it, for nothing is marked; who points at a call saves that one.
    let wish = |saving| [Action::AskWhereToSave(saving)];
    let pressed = press(&mut w, Modifiers::CTRL, Key::S);
    assert_eq!(pressed, wish(Saving::Capture));
    assert!(has(&w, "All that was captured, as pcapng"));
    w.state_mut().apply(Action::ShowOverlay(None));
    w.run_steps(2);
    w.get_by_label(ANSWERED).click_secondary();
    w.run_steps(3);
    let one = click(&mut w, "Save this call…");
    assert_eq!(one.last(), wish(Saving::Calls).first());
    w.state_mut().apply(Action::ShowOverlay(None));
    w.run_steps(2);
    let to = std::env::var("SIPSCOPE_HOME").unwrap();
    type_into(
        &mut w,
        "Not saved yet. Save as:",
        &format!("{to}/saved.pcapng"),
    );
    w.get_by_label("Save").click();
    until(&mut w, "it is saved", |w| !has(w, "Not saved yet"));
}

/// Interfaces of this machine: only where this process may capture.
#[cfg(target_os = "linux")]
#[test]
fn several_interfaces_and_any_are_one_capture() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::var_os("CARGO_BIN_EXE_sipscope-capture")
        .or_else(|| option_env!("CARGO_BIN_EXE_sipscope-capture").map(Into::into));
    let Some(program) = program.filter(|_| live::is_root()) else {
        eprintln!("skipped: needs the right to capture");
        return;
    };
    again(
        "several_interfaces_inside",
        &[
            ("SIPSCOPE_CAPTURE", Path::new(&program)),
            ("SIPSCOPE_HOME", folder.path()),
        ],
    );
}

#[test]
#[ignore = "several_interfaces_and_any_are_one_capture runs it"]
fn several_interfaces_inside() {
    let mut w = picker();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let wish = CaptureWish {
        interfaces: vec!["lo".to_owned(), "any".to_owned()],
        kept: Kept::Filter(format!("udp port {port}")),
        ..CaptureWish::default()
    };
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Start(Box::new(wish))));
    until(&mut w, "it runs or may not", |w| {
        has(w, "Capturing on lo, any") || has(w, "Start capture")
    });
    if !has(&w, "Capturing on lo, any") {
        eprintln!("skipped: needs the right to capture");
        return;
    }
    let invite = sip(
        1,
        "INVITE sip:bob1@example.com SIP/2.0",
        false,
        "1 INVITE",
        "",
    );
    // Port 5060 without a listener; the refusal of it is no UDP of this port's own.
    socket
        .send_to(invite.as_bytes(), ("127.0.0.1", 5060))
        .unwrap();
    until(&mut w, "the call", |w| has(w, "Calls 1"));
    until(&mut w, "it came on both", |w| has(w, "2 SIP messages"));
    w.get_by_label("Stop").click();
    until(&mut w, "it is over", |w| {
        has(w, "Captured on lo, any") && has(w, "Not saved yet")
    });
    let live = Path::new(&std::env::var("SIPSCOPE_HOME").unwrap()).join("live");
    assert_eq!(std::fs::read_dir(live).unwrap().count(), 2);
}
