//! Layout, lists and commands as a person uses them: found by label, clicked, typed into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::{
    Action, Area, CallColumn, CallOrder, MessageColumn, PanelName, RawTab, Saving,
};
use sipscope::gui::prefs::TimeFormat;
use sipscope::index::CallKind;
use sipscope::index::ids::{CallId, MessageId};

fn ladder(w: &Window) -> egui::Rect {
    w.get_by_role_and_label(Role::ListBox, "Ladder").rect()
}

#[test]
fn parts_are_hidden_maximised_and_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let top = |w: &Window, label: &str| w.get_by_label(label).rect().top();
    let share = (top(&w, "Head of ladder") - top(&w, "Head of calls")) / 768.0;
    assert!((0.24..0.3).contains(&share), "calls take {share}");
    click(&mut w, "Hide explanation");
    assert!(w.query_by_label("Head of explanation").is_none());
    assert_eq!(
        click(&mut w, "Maximise ladder"),
        [Action::Maximise(Some(Area::Ladder))]
    );
    assert!(w.query_by_label(ANSWERED).is_none());
    assert!(ladder(&w).height() > 600.0);
    click(&mut w, "Restore ladder");
    w.get_by_label(ANSWERED);
    // A panel that is asked for comes back, whatever hid it.
    click(&mut w, "Hide message");
    assert!(w.query_by_label("Head of message").is_none());
    press(&mut w, Modifiers::CTRL, Key::Num3);
    w.get_by_label("Head of message");
    assert_eq!(w.state().session.focused, PanelName::Tree);
    press(&mut w, Modifiers::CTRL, Key::Num5);
    w.get_by_label("Head of explanation");
}

#[test]
fn a_double_click_on_a_head_maximises() {
    let folder = tempfile::tempdir().unwrap();
    // Frames so near to each other that two clicks are a double click.
    let quick = egui_kittest::Harness::builder()
        .with_size([1366.0, 768.0])
        .with_step_dt(1.0 / 60.0);
    let mut w = window_with(quick, vec![two_calls(folder.path())]);
    let head = w.get_by_label("Head of message").rect();
    w.state_mut().recorded = Some(Vec::new());
    for _ in 0..2 {
        // Beside the tabs.
        let at = head.right_center() - egui::vec2(60.0, 0.0);
        w.hover_at(at);
        w.step();
        w.drag_at(at);
        w.step();
        w.drop_at(at);
        w.step();
    }
    let actions = w.state_mut().recorded.take();
    assert_eq!(actions, Some(vec![Action::Maximise(Some(Area::Details))]));
    settle(&mut w);
    assert_eq!(
        w.state().session.prefs.layout.maximised,
        Some(Area::Details)
    );
    assert!(w.query_by_label(ANSWERED).is_none());
}

#[test]
fn the_message_is_text_tree_hex_or_two_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.get_by_label("Request-Line: INVITE sip:bob1@example.com SIP/2.0");
    assert!(w.query_by_label("Bytes of the message").is_none());
    assert_eq!(click(&mut w, "Hex"), [Action::ShowRaw(RawTab::Hex)]);
    w.get_by_label("Bytes of the message");
    assert!(
        w.query_by_label("Request-Line: INVITE sip:bob1@example.com SIP/2.0")
            .is_none()
    );
    click(&mut w, "Both");
    w.get_by_label("Bytes of the message");
    w.get_by_label("Request-Line: INVITE sip:bob1@example.com SIP/2.0");
}

#[test]
fn in_a_narrow_window_the_message_is_a_drawer() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window_of([1000.0, 700.0], vec![two_calls(folder.path())]);
    assert!(w.query_by_label("Head of message").is_none());
    let (arrow, wide) = (w.get_by_label("INVITE #1").rect(), ladder(&w));
    assert!(wide.width() > 900.0);
    click(&mut w, "Show message");
    let message = w.get_by_label("Head of message").rect();
    assert!(message.right() > 990.0, "{message:?}");
    // The ladder ends where it begins: below it the last lanes could not be seen, nor scrolled to.
    let beside = ladder(&w);
    assert!(
        beside.right() <= message.left() + 1.0,
        "{beside:?} {message:?}"
    );
    let narrower = w.get_by_label("INVITE #1").rect();
    assert!(narrower.right() <= message.left() + 1.0, "{narrower:?}");
    assert_eq!(narrower.top(), arrow.top());
    let from = "From: \"Alice\" <sip:alice@example.com>;tag=a1";
    assert!(w.get_by_label(from).rect().left() > message.left() - 1.0);
    let field = click(&mut w, from);
    assert!(
        matches!(field.as_slice(), [Action::SelectField(Some(_))]),
        "{field:?}"
    );
    click(&mut w, "Hide message");
    assert!(w.query_by_label("Head of message").is_none());
    // Enter on an arrow opens it as well; the tag of the selected From marks it.
    click(&mut w, "INVITE #1, same value");
    press(&mut w, Modifiers::NONE, Key::Enter);
    w.get_by_label("Head of message");
}

/// Some calls of one message each.
fn some_calls(folder: &std::path::Path, count: u32) -> std::path::PathBuf {
    let mut pcap = Pcap::new();
    for n in 1..=count {
        let invite = format!("INVITE sip:bob{n}@example.com SIP/2.0");
        pcap = pcap.udp(n * 100, ALICE, BOB, &sip(n, &invite, false, "1 INVITE", ""));
    }
    pcap.write(folder)
}

#[test]
fn with_large_text_four_calls_and_four_arrows_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    // 1366 x 768 with text of 200 %.
    let size = [683.0, 384.0];
    let seen = |w: &Window, rows: &str, list: &str| {
        let room = w.get_by_role_and_label(Role::ListBox, list).rect();
        let rows = w.query_all_by_label_contains(rows);
        rows.filter(|row| row.rect().height() > 20.0 && room.contains_rect(row.rect()))
            .count()
    };
    let mut w = window_of(size, vec![some_calls(folder.path(), 9)]);
    assert!(seen(&w, "Calling alice@", "Calls") >= 4);
    // The explanation is one line; it comes back in full when it is asked for.
    let strip = w.get_by_label("Head of explanation").rect();
    assert!(strip.height() < 30.0 && strip.bottom() > 350.0, "{strip:?}");
    assert!(w.query_by_label("Beginner").is_none());
    click(&mut w, "Maximise explanation");
    w.get_by_label("Beginner");
    click(&mut w, "Restore explanation");
    let mut w = window_of(size, vec![two_calls(folder.path())]);
    assert!(seen(&w, " #", "Ladder") >= 4);
    // Heads of one line keep their menu and the zone of the times.
    click(&mut w, "Arrange ▾");
    w.get_by_label("Reset lanes");
    press(&mut w, Modifiers::NONE, Key::Escape);
    // A moved edge stays where somebody put it, in windows of any size.
    let layout = |w: &Window| w.state().session.prefs.layout;
    assert!(
        (layout(&w).calls - 0.28).abs() < 0.001 && (layout(&w).explanation - 0.15).abs() < 0.001
    );
}

#[test]
fn heads_in_little_room_say_the_same_in_fewer_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window_of([341.0, 384.0], vec![two_calls(folder.path())]);
    click(&mut w, "All messages");
    let show = w.get_by_label("Show message").rect();
    let tab = w.get_by_role_and_label(Role::Button, "All messages").rect();
    assert!(tab.right() <= show.left());
    // What there is none of is left out.
    w.get_by_label("Registrations 1");
    assert!(w.query_by_label("Subscriptions 0").is_none());
}

#[test]
fn alt_and_arrows_walk_through_what_was_selected() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, BUSY);
    click(&mut w, "486 Busy Here (INVITE) #6");
    press(&mut w, Modifiers::ALT, Key::ArrowLeft);
    assert!(selected(&w, "INVITE #5"));
    press(&mut w, Modifiers::ALT, Key::ArrowLeft);
    assert!(selected(&w, ANSWERED));
    press(&mut w, Modifiers::ALT, Key::ArrowLeft);
    assert!(selected(&w, ANSWERED), "there is nothing before");
    press(&mut w, Modifiers::ALT, Key::ArrowRight);
    press(&mut w, Modifiers::ALT, Key::ArrowRight);
    assert!(selected(&w, "486 Busy Here (INVITE) #6"));
}

#[test]
fn the_palette_finds_commands_by_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::P);
    w.get_by_label("Command:");
    w.get_by_role_and_label(Role::TextInput, "Command:")
        .type_text("message hex");
    w.run_steps(2);
    w.get_by_label("Command Message in hex");
    assert!(w.query_by_label("Command Reload").is_none());
    let actions = press(&mut w, Modifiers::NONE, Key::Enter);
    assert_eq!(
        actions,
        [Action::ShowOverlay(None), Action::ShowRaw(RawTab::Hex)]
    );
    assert!(w.query_by_label("Command:").is_none());
    press(&mut w, Modifiers::CTRL, Key::P);
    assert!(
        w.get_by_label("Command Mark this moment of the capture")
            .accesskit_node()
            .is_disabled()
    );
    press(&mut w, Modifiers::NONE, Key::Escape);
    assert!(w.query_by_label("Command:").is_none());
}

#[test]
fn the_words_of_a_command_count_more_than_its_hint() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let ask = |w: &mut Window, words: &str| {
        press(w, Modifiers::CTRL, Key::P);
        w.get_by_role_and_label(Role::TextInput, "Command:")
            .type_text(words);
        w.run_steps(2);
        press(w, Modifiers::NONE, Key::Enter)
    };
    // "Paste a trace" opens messages that were copied as text, and stands before it in the menus.
    let actions = ask(&mut w, "message as text");
    assert!(
        actions.contains(&Action::ShowRaw(RawTab::Text)),
        "{actions:?}"
    );
    // What was typed into the palette is not typed into the window that it opens.
    ask(&mut w, "paste");
    let field = w.get_by_label("Messages as text, or a trace:");
    assert_eq!(field.accesskit_node().value().unwrap_or_default(), "");
}

#[test]
fn f1_lists_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::NONE, Key::F1);
    for keys in ["Ctrl+O", "Ctrl+G", "Space", "F3", "Ctrl+T"] {
        w.get_by_label(keys);
    }
    w.get_by_label("Go to packet");
}

#[test]
fn menus_come_from_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    // The buttons beside the menus, too.
    assert!(w.get_by_label("Back").accesskit_node().is_disabled());
    assert!(
        !w.get_by_label("Open capture")
            .accesskit_node()
            .is_disabled()
    );
    let saving = Action::AskWhereToSave(Saving::Calls);
    assert_eq!(click(&mut w, "Save marked calls"), [saving]);
    click(&mut w, "Cancel");
    click(&mut w, "File");
    assert!(!w.get_by_label("Capture…").accesskit_node().is_disabled());
    assert!(!w.get_by_label("Reload").accesskit_node().is_disabled());
    assert_eq!(click(&mut w, "Reload"), [Action::Reload]);
    w.get_by_label(ANSWERED);
    let said = press(&mut w, Modifiers::ALT, Key::ArrowRight);
    assert!(
        matches!(said.as_slice(), [Action::Notify(why)] if why.contains("This is the newest selection")),
        "{said:?}"
    );
    // What was said can be read again.
    press(&mut w, Modifiers::NONE, Key::Escape);
    assert!(w.state().session.notice.is_none());
    click(&mut w, "Help");
    click(&mut w, "Notices");
    assert_eq!(
        w.query_all_by_label_contains("This is the newest selection")
            .count(),
        1
    );
}

#[test]
fn keys_step_through_messages_calls_and_packets() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::ArrowDown);
    assert!(selected(&w, "180 Ringing (INVITE) #2"));
    press(&mut w, Modifiers::CTRL, Key::ArrowUp);
    assert!(selected(&w, "INVITE #1"));
    press(&mut w, Modifiers::NONE, Key::PageDown);
    assert!(selected(&w, BUSY));
    press(&mut w, Modifiers::NONE, Key::PageUp);
    assert!(selected(&w, ANSWERED));
    press(&mut w, Modifiers::CTRL, Key::G);
    w.get_by_role_and_label(Role::TextInput, "Number of the packet:")
        .type_text("10");
    w.run_steps(2);
    press(&mut w, Modifiers::NONE, Key::Enter);
    assert!(selected(&w, "REGISTER #10"), "the chip follows the message");
    assert!(w.query_by_label("Number of the packet:").is_none());
}

#[test]
fn the_text_of_a_message_goes_to_the_clipboard() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.event(egui::Event::Copy);
    w.state_mut().recorded = Some(Vec::new());
    w.step();
    assert_eq!(
        w.state_mut().recorded.take(),
        Some(vec![Action::CopyMessage])
    );
    let copied = w
        .output()
        .platform_output
        .commands
        .iter()
        .find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        });
    assert!(
        copied
            .unwrap()
            .starts_with("INVITE sip:bob1@example.com SIP/2.0\r\n")
    );
}

#[test]
fn times_say_what_they_count_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.get_by_label("Sort by Start (UTC)");
    click(&mut w, "200 OK (INVITE) #3");
    press(&mut w, Modifiers::CTRL, Key::T);
    w.get_by_label("Sort by Start (s from #3)");
    press(&mut w, Modifiers::CTRL, Key::T);
    w.get_by_label("Sort by Start (UTC)");
    w.state_mut()
        .apply(Action::SetTimeFormat(TimeFormat::Offset(330)));
    settle(&mut w);
    w.get_by_label("Sort by Start (UTC+05:30)");
}

#[test]
fn the_size_of_text_changes_and_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::Plus);
    assert_eq!(w.state().session.prefs.text_size, 110);
    assert!((w.ctx.zoom_factor() - 1.1).abs() < 0.001);
    press(&mut w, Modifiers::CTRL, Key::Num0);
    press(&mut w, Modifiers::CTRL, Key::Minus);
    assert_eq!(w.state().session.prefs.text_size, 90);
}

/// A REGISTER and its answer.
fn register(pcap: Pcap, seconds: u32, user: &str, cseq: u32, port: u16, code: &str) -> Pcap {
    let message = |start: &str, tag: &str| {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-{user}-{cseq}\r\n\
             From: <sip:{user}@example.com>;tag=r\r\nTo: <sip:{user}@example.com>{tag}\r\n\
             Call-ID: reg-{user}@example.com\r\nCSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n\
             Contact: <sip:{user}@192.0.2.1:{port}>;expires=60\r\nUser-Agent: Desk 1\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    pcap.udp(
        seconds * 1000,
        ALICE,
        BOB,
        &message("REGISTER sip:example.com SIP/2.0", ""),
    )
    .udp(
        seconds * 1000 + 10,
        BOB,
        ALICE,
        &message(&format!("SIP/2.0 {code}"), ";tag=s"),
    )
}

#[test]
fn the_registration_that_flaps_is_found_by_its_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let mut pcap = Pcap::new();
    for n in 0..10 {
        pcap = register(pcap, n * 50, "steady", n + 1, 5060, "200 OK");
    }
    for (n, (seconds, port, code)) in [
        (260, 5060, "200 OK"),
        (360, 5060, "403 Forbidden"),
        (400, 5062, "200 OK"),
        (440, 5060, "200 OK"),
    ]
    .into_iter()
    .enumerate()
    {
        let cseq = u32::try_from(n).unwrap() + 1;
        pcap = register(pcap, seconds, "flapping", cseq, port, code);
    }
    pcap = register(pcap, 1, "gone", 1, 5060, "200 OK");
    let mut w = window(vec![pcap.write(folder.path())]);
    w.get_by_label("Registrations 3");
    click(&mut w, "Sort by Gaps");
    click(&mut w, "Sort by Gaps");
    let rows = |w: &Window, name: &str| w.get_by_label_contains(name).rect().top();
    let flapping = "Registered flapping@example.com to flapping@example.com, 200 OK";
    let steady = "Registered steady@example.com to steady@example.com, 200 OK";
    assert!(rows(&w, flapping) < rows(&w, steady), "most gaps first");
    let lines = w.state().session.rows();
    let line = |at: usize| lines[&CallId::at(at)].registration.clone().unwrap();
    let (calm, moving) = (line(0), line(1));
    assert_eq!(
        (calm.rounds, calm.failures, calm.contact_changes),
        (10, 0, 0)
    );
    assert_eq!(calm.gap_words(), "");
    assert_eq!(calm.interval, Some(50_000_000_000));
    assert_eq!(calm.folds.len(), 1, "{:?}", calm.folds);
    assert_eq!(
        (moving.rounds, moving.failures, moving.contact_changes),
        (4, 1, 2)
    );
    assert_eq!(moving.gap_words(), "1, longest 1:20");
    assert_eq!(moving.granted, Some(60));
    // Not renewed is another thing than flapping.
    let gone = line(2);
    assert_eq!(gone.gaps, 0);
    assert_eq!(gone.gap_words(), "expired 6:29 before the end");
    // Equal rounds are one row below the registration.
    click(&mut w, steady);
    press(&mut w, Modifiers::NONE, Key::ArrowRight);
    w.get_by_label("×10 200 OK");
}

#[test]
fn dialogs_stand_below_their_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, ANSWERED);
    assert!(w.query_by_label_contains("Dialog 1").is_none());
    press(&mut w, Modifiers::NONE, Key::ArrowRight);
    let dialog = "Dialog 1 terminated, tags a1 and b";
    click(&mut w, dialog);
    assert!(selected(&w, dialog));
    assert!(!selected(&w, ANSWERED));
    click(&mut w, ANSWERED);
    press(&mut w, Modifiers::NONE, Key::ArrowLeft);
    assert!(w.query_by_label(dialog).is_none());
}

#[test]
fn calls_are_marked_by_key_and_click() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, ANSWERED);
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::Space),
        [Action::ToggleMark(CallId::at(0))]
    );
    w.get_by_label(&format!("{ANSWERED}, marked"));
    let at = w.get_by_label(BUSY).rect().left_center() + egui::vec2(6.0, 0.0);
    w.hover_at(at);
    w.step();
    w.drag_at(at);
    w.step();
    w.drop_at(at);
    acted(&mut w);
    w.get_by_label(&format!("{BUSY}, marked"));
    assert_eq!(click(&mut w, "2 calls marked"), [Action::ClearMarks]);
    w.get_by_label(BUSY);
}

#[test]
fn columns_come_and_go_and_every_one_sorts() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    assert!(w.query_by_label("Sort by Total setup").is_none());
    click(&mut w, "Columns");
    click(&mut w, "Total setup");
    let columns = &w.state().session.prefs.columns;
    let shown = sipscope::gui::panels::call_columns::shown(CallKind::Call, columns);
    assert!(
        shown
            .iter()
            .any(|info| info.column == CallColumn::TotalSetup)
    );
    press(&mut w, Modifiers::NONE, Key::Escape);
    let columns: Vec<_> = sipscope::gui::panels::call_columns::columns_of(CallKind::Call).collect();
    assert!(columns.len() >= 20);
    for info in columns {
        w.state_mut().apply(Action::ShowColumn(info.column, true));
        for descending in [false, true] {
            let order = CallOrder {
                column: info.column,
                descending,
            };
            w.state_mut().apply(Action::SortCalls(order));
            settle(&mut w);
            let lists = w.state().session.lists();
            assert_eq!((lists.order, lists.calls.len()), (order, 2));
        }
    }
}

#[test]
fn options_between_two_hosts_are_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut pcap = Pcap::new();
    for n in 1..=3 {
        let at = n * 30_000;
        let options = sip(n, "OPTIONS sip:example.com SIP/2.0", false, "1 OPTIONS", "");
        pcap = pcap.udp(at, ALICE, BOB, &options);
        if n < 3 {
            let ok = sip(n, "SIP/2.0 200 OK", true, "1 OPTIONS", "");
            pcap = pcap.udp(at + 5, BOB, ALICE, &ok);
        } else {
            let no = sip(n, "SIP/2.0 503 Service Unavailable", true, "1 OPTIONS", "");
            pcap = pcap.udp(at + 5, BOB, ALICE, &no);
        }
    }
    let mut w = window(vec![pcap.write(folder.path())]);
    w.get_by_label("OPTIONS 3");
    let group = "192.0.2.1 → 192.0.2.2, 3 requests, 503 Service Unavailable";
    w.get_by_label(group);
    let lists = w.state().session.lists();
    let line = lists.group(0).unwrap();
    assert_eq!(
        (line.failures, line.interval),
        (1, Some(30_000_000_000)),
        "{line:?}"
    );
    click(&mut w, group);
    press(&mut w, Modifiers::NONE, Key::ArrowRight);
    let last = "Failed alice@example.com to example.com, 503 Service Unavailable";
    click(&mut w, last);
    assert!(selected(&w, last));
    w.get_by_label("503 Service Unavailable (OPTIONS) #6");
}

#[test]
fn every_chip_lists_what_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut pcap = Pcap::new();
    let kinds = [
        ("INVITE", "486 Busy Here", 1, CallKind::Call, "Calls"),
        (
            "SUBSCRIBE",
            "489 Bad Event",
            2,
            CallKind::Subscription,
            "Subscriptions",
        ),
        ("MESSAGE", "404 Not Found", 3, CallKind::Message, "Messages"),
        ("PUBLISH", "403 Forbidden", 4, CallKind::Other, "Other"),
    ];
    let mut n = 0;
    for (method, answer, count, ..) in kinds {
        for _ in 0..count {
            n += 1;
            let start = format!("{method} sip:bob{n}@example.com SIP/2.0");
            let cseq = format!("1 {method}");
            let request = sip(n, &start, false, &cseq, "Event: presence\r\n");
            let start = format!("SIP/2.0 {answer}");
            let response = sip(n, &start, true, &cseq, "");
            pcap =
                pcap.udp(n * 1000, ALICE, BOB, &request)
                    .udp(n * 1000 + 5, BOB, ALICE, &response);
        }
    }
    let mut w = window(vec![pcap.write(folder.path())]);
    // The first one is shown already.
    for (_, answer, count, kind, words) in kinds.into_iter().rev() {
        let chip = format!("{words} {count}");
        assert_eq!(click(&mut w, &chip), [Action::ShowKind(kind)]);
        for (_, other, many, ..) in kinds {
            let row = format!("example.com, {other}");
            let rows = w.query_all_by_label_contains(&row).count();
            let wanted = if other == answer { many } else { 0 };
            assert_eq!(rows, wanted, "{other} with {chip}");
        }
    }
}

/// Types into the box and carries it out.
fn ask(w: &mut Window, text: &str) {
    press(w, Modifiers::CTRL, Key::Slash);
    w.get_by_role_and_label(Role::TextInput, "Find:")
        .type_text(text);
    w.run_steps(2);
    settle(w);
    press(w, Modifiers::NONE, Key::Enter);
}

#[test]
fn words_find_calls() {
    let folder = tempfile::tempdir().unwrap();
    for (words, found) in [
        ("bob2", &[BUSY][..]),
        ("alice 486", &[BUSY]),
        ("bye", &[ANSWERED]),
        ("call-1@", &[ANSWERED]),
        ("192.0.2.2", &[ANSWERED, BUSY]),
        ("192.0.2", &[ANSWERED, BUSY]),
        ("bob1 status >= 180", &[ANSWERED]),
    ] {
        let mut w = window(vec![two_calls(folder.path())]);
        ask(&mut w, words);
        for call in [ANSWERED, BUSY] {
            let listed = w.query_by_label(call).is_some();
            assert_eq!(listed, found.contains(&call), "{words}: {call}");
        }
    }
}

#[test]
fn numbers_are_found_however_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let invite = |n: u32, number: &str| {
        let start = format!("INVITE sip:{number}@example.com SIP/2.0");
        sip(n, &start, false, "1 INVITE", "").replace(&format!("bob{n}@"), &format!("{number}@"))
    };
    let path = Pcap::new()
        .udp(0, ALICE, BOB, &invite(1, "+41441234567"))
        .udp(500, ALICE, BOB, &invite(2, "+41319876543"))
        .write(folder.path());
    for words in ["044", "+41 44", "004144", "4567", "0441234567"] {
        let mut w = window(vec![path.clone()]);
        ask(&mut w, words);
        assert_eq!(w.state().session.lists().calls, [0], "{words}");
        w.get_by_label("Calls 1");
    }
}

#[test]
fn the_box_offers_fields_and_values_of_the_capture() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::Slash);
    let field = |w: &Window, text: &str| {
        w.get_by_role_and_label(Role::TextInput, "Find:")
            .type_text(text);
    };
    field(&w, "statu");
    settle(&mut w);
    w.get_by_label("Suggestion status");
    press(&mut w, Modifiers::NONE, Key::Tab);
    field(&w, " == ");
    settle(&mut w);
    w.get_by_label("Suggestion 200");
    w.get_by_label("Suggestion 180");
    w.get_by_label("Suggestion 486").click();
    w.run_steps(3);
    let actions = press(&mut w, Modifiers::NONE, Key::Enter);
    assert_eq!(
        actions,
        [Action::SetFilter("status == 486".to_owned())],
        "what was taken stands in the box"
    );
    assert!(w.query_by_label(ANSWERED).is_none());
    // What was asked before is offered in an empty box.
    click(&mut w, "Clear");
    press(&mut w, Modifiers::CTRL, Key::Slash);
    settle(&mut w);
    w.get_by_label("Suggestion status == 486");
}

#[test]
fn a_mistake_in_the_box_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::Slash);
    w.get_by_role_and_label(Role::TextInput, "Find:")
        .type_text("status >= high");
    settle(&mut w);
    assert!(
        w.query_all_by_label_contains("at character").count() > 0,
        "the reason stands below the box"
    );
}

#[test]
fn nothing_found_says_what_hides_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    ask(&mut w, "nobody");
    w.get_by_label("Nothing matches the filter, which hides 2 rows");
    assert_eq!(
        click(&mut w, "Clear “nobody”"),
        [Action::SetFilter(String::new())]
    );
    w.get_by_label(ANSWERED);
    ask(&mut w, "bob2");
    assert!(w.query_by_label(ANSWERED).is_none());
    press(&mut w, Modifiers::NONE, Key::Escape);
    w.get_by_label(ANSWERED);
}

#[test]
fn whole_messages_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::F);
    let field = |w: &Window, text: &str| {
        w.get_by_role_and_label(Role::TextInput, "Find in messages:")
            .type_text(text);
    };
    field(&w, "expires: 3600");
    w.run_steps(2);
    press(&mut w, Modifiers::NONE, Key::Enter);
    w.get_by_label("1 of 2");
    assert!(selected(&w, "REGISTER #10"), "of another kind, and shown");
    press(&mut w, Modifiers::NONE, Key::F3);
    w.get_by_label("2 of 2");
    press(&mut w, Modifiers::NONE, Key::F3);
    w.get_by_label("1 of 2");
    press(&mut w, Modifiers::SHIFT, Key::F3);
    w.get_by_label("2 of 2");
    // A regular expression, by clicks alone.
    click(&mut w, "Regular expression");
    press(&mut w, Modifiers::CTRL, Key::F);
    w.get_by_role_and_label(Role::TextInput, "Find in messages:")
        .type_text("|^to: .*bob2");
    w.run_steps(2);
    click(&mut w, "Search");
    let at = |w: &Window| {
        let said = w.get_by_label_contains(" of 5").accesskit_node().value();
        (said.unwrap(), w.state().session.selection.message)
    };
    let first = at(&w);
    click(&mut w, "Next");
    assert_ne!(at(&w), first);
    click(&mut w, "Previous");
    assert_eq!(at(&w), first);
    for (text, regex, said) in [
        ("^to: .*bob2", true, "In 3 messages"),
        ("(", true, "Unclosed group"),
        ("no such text", false, "Not found in 11 messages"),
    ] {
        let text = text.to_owned();
        w.state_mut()
            .apply(Action::Find(sipscope::gui::action::FindText {
                text,
                regex,
            }));
        settle(&mut w);
        let found = w.query_all_by_label(said).count() == 1;
        let at_first = said.starts_with("In") && w.query_by_label("1 of 3").is_some();
        assert!(found || at_first, "{said}");
    }
    press(&mut w, Modifiers::NONE, Key::Escape);
    assert!(w.query_by_label("Find in messages:").is_none());
}

#[test]
fn the_message_list_has_columns_to_choose_and_times_between_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window_of([3400.0, 900.0], vec![two_calls(folder.path())]);
    click(&mut w, "All messages");
    assert!(w.query_by_label("Size").is_none());
    w.get_by_label("Time (UTC)");
    w.state_mut()
        .apply(Action::ShowMessageColumn(MessageColumn::Size, true));
    settle(&mut w);
    w.get_by_label("Size");
    w.state_mut()
        .apply(Action::ShowMessageColumn(MessageColumn::From, false));
    w.state_mut()
        .apply(Action::SetTimeFormat(TimeFormat::Delta));
    settle(&mut w);
    w.get_by_label("Time (Δ s)");
    assert!(w.query_by_label("From").is_none());
    w.get_by_label("11 200 OK (REGISTER)");
}

#[test]
fn branches_are_read_for_the_rows_that_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window_of([3400.0, 900.0], vec![two_calls(folder.path())]);
    click(&mut w, "All messages");
    assert!(w.state().session.branches().is_empty());
    w.state_mut()
        .apply(Action::ShowMessageColumn(MessageColumn::Branch, true));
    settle(&mut w);
    w.get_by_label("Branch");
    let branches = w.state().session.branches();
    assert_eq!(branches.len(), 11);
    assert_eq!(branches[&MessageId::at(0)], "z9hG4bK-1-1-INVITE");
    assert_eq!(branches[&MessageId::at(10)], "z9hG4bK-3-1-REGISTER");
}

#[test]
fn widths_of_the_message_list_are_those_of_both_lists_and_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, "All messages");
    let edge = w.get_by_label("Source").rect().right_center();
    w.hover_at(edge);
    w.step();
    w.drag_at(edge);
    w.step();
    w.hover_at(edge + egui::vec2(40.0, 0.0));
    w.step();
    w.drop_at(edge + egui::vec2(40.0, 0.0));
    settle(&mut w);
    let kept = w.state().session.prefs.message_widths.clone();
    assert_eq!(kept.get("Source"), Some(&172.0));
    click(&mut w, "Messages of the call");
    assert_eq!(w.get_by_label("Source").rect().width(), 172.0);
}

#[test]
fn a_call_whose_ack_was_lost_counts_as_dropped() {
    let mut w = window(vec!["testdata/captures/no-ack/capture.pcap".into()]);
    let row = "Dropped alice@example.com to bob@example.com, 200 OK";
    assert!(selected(&w, row));
    w.get_by_label("200 OK (INVITE, SDP) #4, ×10, 0.5–31.6 s");
    // The answer says itself why.
    click(&mut w, "200 OK (INVITE, SDP) #3");
    w.get_by_label("of status code: 200");
    w.get_by_label_contains("No ACK for it is in this capture.");
}

#[test]
fn a_click_with_the_other_button_says_what_can_be_done_with_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.get_by_label(ANSWERED).click_secondary();
    w.run_steps(3);
    let filter = Action::SetFilter("from_user == \"alice\"".to_owned());
    assert_eq!(
        click(&mut w, "Filter by caller alice").last(),
        Some(&filter)
    );
    click(&mut w, "Clear");
    // A message in a list has commands of its own.
    click(&mut w, "All messages");
    w.get_by_label("11 200 OK (REGISTER)").click_secondary();
    w.run_steps(3);
    w.get_by_label("Copy Call-ID");
    let done = click(&mut w, "Time from this message");
    assert_eq!(done.last(), Some(&Action::ToggleTimeReference));
}

#[test]
fn a_call_that_a_filter_hides_does_not_stay_selected() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let selection = |w: &Window| w.state().session.selection.call;
    let first = selection(&w).unwrap();
    let other = w.state().session.lists().call(1).unwrap();
    assert_ne!(first, other);
    let filter = format!("call == {}", other.get());
    w.state_mut().apply(Action::SetFilter(filter));
    settle(&mut w);
    assert_eq!(selection(&w), Some(other));
    assert_eq!(w.state().session.call_detail().unwrap().stamp.call, other);
    // Without the filter the same call is the one that is marked in the list.
    w.state_mut().apply(Action::SetFilter(String::new()));
    settle(&mut w);
    assert_eq!(selection(&w), Some(other));
    let row = w.state().session.lists().row_of(other);
    assert_eq!(row, Some(1));
    let chosen = w
        .query_all_by_role(Role::ListBoxOption)
        .filter(|row| row.accesskit_node().is_selected() == Some(true))
        .map(|row| row.rect().top())
        .fold(f32::INFINITY, f32::min);
    let first = w.get_by_label(ANSWERED).rect().top();
    assert!(
        chosen > first,
        "the second row is marked: {chosen}, {first}"
    );
}

#[test]
fn what_is_searched_for_is_marked_in_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    assert_eq!(w.state().session.prefs.raw, RawTab::Tree);
    let what = sipscope::gui::action::FindText {
        text: "expires: 3600".to_owned(),
        regex: false,
    };
    w.state_mut().apply(Action::ShowFind(true));
    w.state_mut().apply(Action::Find(what));
    settle(&mut w);
    assert_eq!(w.state().session.prefs.raw, RawTab::Text, "it is in sight");
    w.get_by_label("1 of 2");
    // While other words are written, the count is not of them.
    w.get_by_role_and_label(Role::TextInput, "Find in messages:")
        .type_text("9");
    w.run_steps(3);
    w.get_by_label("Enter searches");
    assert!(w.query_by_label("1 of 2").is_none());
}

#[test]
fn a_part_of_the_text_is_picked_with_the_pointer_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, "Text");
    let body = w.get_by_label("Bytes of the message").rect();
    let from = body.left_top() + egui::vec2(9.0, 8.0);
    let to = from + egui::vec2(40.0, 0.0);
    w.hover_at(from);
    w.run_steps(2);
    w.drag_at(from);
    w.run_steps(2);
    w.hover_at(from + egui::vec2(20.0, 0.0));
    w.run_steps(2);
    w.hover_at(to);
    w.run_steps(2);
    w.drop_at(to);
    w.run_steps(2);
    let picked = w.state().session.selection.picked.clone().unwrap();
    assert!(
        "INVITE sip:".starts_with(&picked) && picked.len() > 3,
        "{picked:?}"
    );
    w.state_mut().recorded = Some(Vec::new());
    w.event(egui::Event::Copy);
    w.run_steps(2);
    let actions = w.state_mut().recorded.take();
    assert_eq!(actions, Some(vec![Action::CopyText(picked)]));
    // Another message: nothing of it is picked.
    press(&mut w, Modifiers::CTRL, Key::ArrowDown);
    assert!(w.state().session.selection.picked.is_none());
}

#[test]
fn the_first_row_is_selected_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let prefs = sipscope::gui::prefs::Prefs {
        order: CallOrder {
            column: CallColumn::Start,
            descending: true,
        },
        ..Default::default()
    };
    let files = vec![two_calls(folder.path())];
    let size = egui::vec2(1366.0, 768.0);
    let mut driver = sipscope::gui::driver::Driver::new(size, prefs, files);
    assert!(driver.settle(std::time::Duration::from_secs(20)));
    let session = &driver.app.session;
    let first = session.lists().call(0);
    assert!(first.is_some_and(|first| first != CallId::at(0)));
    assert_eq!(session.selection.call, first);
    assert_eq!(session.call_detail().map(|call| call.stamp.call), first);
}
