//! The window while packets come.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::Action;
use sipscope::gui::capturing::CaptureAction;
use sipscope::gui::widgets::row_view::{Cell, Column, Row, RowView, RowViewState};

struct Table {
    view: RowViewState,
    rows: u64,
    grows: bool,
    selected: Option<u64>,
}

fn table(first: u64) -> Harness<'static, Table> {
    const COLUMNS: [Column; 1] = [Column::text("Text", 200.0)];
    let ui = |ui: &mut egui::Ui, table: &mut Table| {
        table.view.scroll.grows = table.grows;
        let rows = RowView {
            name: "Rows",
            id: egui::Id::unique("rows"),
            columns: &COLUMNS,
            stretch: &[0],
            rows: table.rows,
            selected: table.selected,
            order: None,
            gutter: false,
        };
        let out = rows.show(ui, &mut table.view, |row| Row {
            label: format!("row {row}"),
            cells: vec![Cell::new(row.to_string())],
            ..Row::default()
        });
        table.selected = out.select.or(table.selected);
    };
    let table = Table {
        view: RowViewState::default(),
        rows: first,
        grows: true,
        selected: None,
    };
    let mut h = Harness::builder()
        .with_size([300.0, 300.0])
        .build_ui_state(ui, table);
    h.run();
    h
}

fn grow(h: &mut Harness<'static, Table>, to: u64) {
    h.state_mut().rows = to;
    h.run();
}

fn shows(h: &Harness<'static, Table>, row: u64) -> bool {
    h.query_by_label(&format!("row {row}")).is_some()
}

fn wheel(h: &mut Harness<'static, Table>, rows: f32) {
    h.hover_at(egui::pos2(100.0, 150.0));
    h.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, rows * 20.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    // It moves smoothly.
    h.run_steps(60);
}

#[test]
fn a_growing_list_shows_its_end_until_somebody_looks_elsewhere() {
    let mut h = table(5);
    grow(&mut h, 100);
    assert!(shows(&h, 99) && !shows(&h, 0), "the end is followed");
    grow(&mut h, 1000);
    assert!(shows(&h, 999));
    // Who scrolls back is left in peace …
    wheel(&mut h, 10.0);
    let top = h.state().view.scroll.top;
    grow(&mut h, 2000);
    assert_eq!(h.state().view.scroll.top, top);
    assert!(!shows(&h, 1999));
    // … until he goes to the end.
    wheel(&mut h, -2000.0);
    assert!(shows(&h, 1999));
    grow(&mut h, 3000);
    assert!(shows(&h, 2999));
}

#[test]
fn a_list_that_begins_with_many_rows_shows_its_end_too() {
    let mut h = table(500);
    assert!(shows(&h, 499));
    grow(&mut h, 600);
    assert!(shows(&h, 599));
}

#[test]
fn a_chosen_row_stays_in_view_while_the_list_grows() {
    let mut h = table(5);
    grow(&mut h, 100);
    h.get_by_label("row 95").click();
    h.run();
    grow(&mut h, 1000);
    assert!(shows(&h, 95) && !shows(&h, 999));
    assert_eq!(h.state().selected, Some(95));
    // The last row is the end again.
    h.key_press(Key::End);
    h.run();
    assert_eq!(h.state().selected, Some(999));
    grow(&mut h, 2000);
    assert!(shows(&h, 1999));
}

#[test]
fn what_is_looked_at_stays_while_older_rows_leave() {
    // Rows are called by their places; each place is another row after some have left.
    let mut h = table(5);
    grow(&mut h, 1000);
    let leave = |h: &mut Harness<'static, Table>, first: u64, rows: u64, to: u64| {
        h.state_mut()
            .view
            .scroll
            .keep(first, first.saturating_sub(rows));
        grow(h, to);
    };
    // At the end the newest rows are followed, also when there are less than before.
    leave(&mut h, 990, 300, 800);
    assert!(shows(&h, 799));
    leave(&mut h, 790, 100, 900);
    assert!(shows(&h, 899));
    wheel(&mut h, 10.0);
    let (first, top) = (h.state().view.visible.start, h.state().view.scroll.top);
    leave(&mut h, first, 300, 900);
    assert_eq!(h.state().view.scroll.top, top - 300.0);
    assert_eq!(h.state().view.visible.start, first - 300);
    // What is looked at has left, too: what is oldest now is seen, and so it stays.
    leave(&mut h, first - 300, 700, 900);
    assert!(shows(&h, 0));
    leave(&mut h, 0, 0, 1000);
    assert!(shows(&h, 0) && !shows(&h, 999));
}

#[test]
fn a_list_that_is_only_loaded_stays_where_it_is() {
    let mut h = table(5);
    h.state_mut().grows = false;
    h.run();
    grow(&mut h, 100);
    assert!(shows(&h, 0) && !shows(&h, 99));
}

fn options(number: u32) -> Vec<u8> {
    let text = sip(
        number,
        "OPTIONS sip:bob@example.com SIP/2.0",
        false,
        "1 OPTIONS",
        "",
    );
    // HEP version 1: UDP over IPv4 from 192.0.2.1:5060 to 192.0.2.2:5060.
    let mut out = vec![1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc4];
    out.extend(ALICE);
    out.extend(BOB);
    out.extend(text.bytes());
    out
}

#[test]
fn hep_agents_are_listened_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(Vec::new());
    w.state_mut().session.capturing.allow_root = true;
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Pick(true)));
    w.run_steps(3);
    w.get_by_label("HEP agents").click();
    w.run_steps(3);
    w.get_by_label_contains("Only programs on this machine can send there");
    type_into(&mut w, "Listen on:", "nowhere");
    w.get_by_label_contains("Write a port");
    assert!(
        w.get_by_label("Start capture")
            .accesskit_node()
            .is_disabled()
    );
    type_into(&mut w, "Listen on:", "0.0.0.0:0");
    w.get_by_label_contains("Whoever reaches this address can send");
    type_into(&mut w, "Listen on:", "0");
    type_into(&mut w, "Only from:", "127.0.0.0/8");
    type_into(&mut w, "Folder:", &folder.path().display().to_string());
    w.get_by_label("Start capture").click();
    until(&mut w, "it listens", |w| has(w, "Listening for HEP on"));
    let node = w
        .get_by_label_contains("Listening for HEP on")
        .accesskit_node();
    let words = node.value().or(node.label()).unwrap();
    let address: SocketAddr = words.rsplit(' ').next().unwrap().parse().unwrap();
    until(&mut w, "it is silent", |w| {
        has(w, "No agent has sent anything yet")
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 1..=3 {
        socket.send_to(&options(number), address).unwrap();
    }
    socket.send_to(b"something else", address).unwrap();
    until(&mut w, "messages", |w| has(w, "3 SIP messages"));
    // A call that is being set up, with a running time.
    let invite = sip(
        9,
        "INVITE sip:bob@example.com SIP/2.0",
        false,
        "1 INVITE",
        "",
    );
    let head = options(9)[..16].to_vec();
    socket
        .send_to(&[head, invite.into_bytes()].concat(), address)
        .unwrap();
    until(&mut w, "the call", |w| has(w, "4 SIP messages"));
    until(&mut w, "the call in the list", |w| has(w, "Calls 1"));
    until(&mut w, "its packet is counted", |w| has(w, "4 packets"));
    until(&mut w, "counters", |w| has(w, "1 refused"));
    w.get_by_label("1 agent").click();
    w.run_steps(3);
    until(&mut w, "the counters of the agent", |w| {
        has(w, "127.0.0.1: 4 kept, 4 of SIP, 1 no HEP")
    });
    w.key_press(Key::Escape);
    w.run_steps(3);
    w.get_by_label("Stop").click();
    until(&mut w, "it is over", |w| has(w, "Captured on HEP on"));
    let saved = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(saved, 1);
}

#[test]
fn a_ring_of_files_is_chosen_and_ends_after_so_many_calls() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(Vec::new());
    w.state_mut().session.capturing.allow_root = true;
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Pick(true)));
    w.run_steps(3);
    w.get_by_label("SIP and RTP (all UDP from port 1024 on)")
        .click();
    w.run_steps(2);
    w.get_by_label_contains("Recording RTP records what people say");
    w.get_by_label_contains("SIP and its RTP only").click();
    w.run_steps(2);
    w.get_by_label_contains("Recording RTP records what people say");
    w.get_by_label("HEP agents").click();
    w.run_steps(3);
    type_into(&mut w, "Listen on:", "0");
    type_into(&mut w, "Folder:", &folder.path().display().to_string());
    w.get_by_label("Ring of").click();
    w.run_steps(2);
    type_into(&mut w, "files of", "2");
    type_into(&mut w, "MiB each", "1");
    type_into(
        &mut w,
        "MiB for calls; older ones that are over leave it and stay in the file",
        "1",
    );
    type_into(&mut w, "ended calls", "1");
    w.get_by_label("Start capture").click();
    until(&mut w, "it listens", |w| has(w, "Listening for HEP on"));
    let node = w
        .get_by_label_contains("Listening for HEP on")
        .accesskit_node();
    let words = node.value().or(node.label()).unwrap();
    let address: SocketAddr = words.rsplit(' ').next().unwrap().parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // More than three files; the system keeps only some datagrams that wait.
    for number in 1..=12_000 {
        socket.send_to(&options(number), address).unwrap();
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    until(&mut w, "a fourth file", |_| {
        let names = std::fs::read_dir(folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".00004.pcapng")).count() == 1
    });
    assert!(!has(&w, "ended after"));
    let head = options(20_000)[..16].to_vec();
    for (start, tag) in [
        ("INVITE sip:bob@example.com SIP/2.0", false),
        ("SIP/2.0 486 Busy Here", true),
    ] {
        let text = sip(20_000, start, tag, "1 INVITE", "");
        let packet = [head.clone(), text.into_bytes()].concat();
        socket.send_to(&packet, address).unwrap();
    }
    until(&mut w, "the end", |w| {
        has(
            w,
            "The capture ended after the number of calls that was set",
        ) && has(w, "Captured on")
    });
    w.run_steps(4);
    assert!(!has(&w, "not read"), "files that were never begun");
    assert_eq!(w.state().session.prefs.capture_mebibytes, 1);
    assert!(has(&w, "left memory; the ring keeps the newer files"));
    let mut left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    left.sort();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(
        left.iter()
            .all(|path| path.extension() == Some("pcapng".as_ref()))
    );
}

#[test]
fn another_machine_needs_a_name() {
    let mut w = window(Vec::new());
    w.state_mut().session.capturing.allow_root = true;
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Pick(true)));
    w.run_steps(3);
    w.get_by_label("Another machine (ssh)").click();
    w.run_steps(3);
    assert!(
        w.get_by_label("Start capture")
            .accesskit_node()
            .is_disabled()
    );
    type_into(&mut w, "Machine:", "proxy.example.com");
    assert!(
        !w.get_by_label("Start capture")
            .accesskit_node()
            .is_disabled()
    );
}
