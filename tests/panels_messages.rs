//! The message list as a person uses it: chips, columns, times, walking. Needs no display.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::accesskit::Role;
use egui::{Key, Modifiers, Rect, Shape};
use egui_kittest::kittest::Queryable as _;
use panel_kit::*;
use sipscope::gui::action::{Action, MessageColumn, PanelName};
use sipscope::gui::prefs::TimeFormat;
use sipscope::index::ids::{CallId, MessageId};

/// The list of all messages, wide enough for all its columns.
fn all_messages() -> (tempfile::TempDir, Window) {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window_of([3400.0, 900.0], vec![two_calls(folder.path())]);
    click(&mut w, "All messages");
    (folder, w)
}

/// What is painted in the cell of a row: its words, and the shape and colour of its mark.
fn painted(w: &Window, row: &str, column: &str) -> (String, String) {
    let head = w.get_all_by_label(column).last().unwrap().rect();
    let row = w.get_by_label(row).rect();
    let cell = Rect::from_x_y_ranges(head.x_range(), row.y_range());
    let (mut words, mut mark) = (String::new(), String::new());
    for clipped in &w.output().shapes {
        let shape = &clipped.shape;
        if !cell.contains(shape.visual_bounding_rect().center()) {
            continue;
        }
        match shape {
            Shape::Text(text) => words.push_str(text.galley.text()),
            Shape::Circle(disc) => mark.push_str(&format!("disc {:?}", (disc.fill, disc.stroke))),
            Shape::Path(path) => {
                mark.push_str(&format!("path {:?}", (path.points.len(), path.fill)))
            }
            Shape::LineSegment { stroke, .. } => mark.push_str(&format!("line {stroke:?}")),
            _ => {}
        }
    }
    (words, mark)
}

#[test]
fn each_call_has_a_chip_of_its_own() {
    let (_folder, w) = all_messages();
    let chip = |row: &str| painted(&w, row, "Call");
    let (first, second, third) = (chip("1 INVITE"), chip("5 INVITE"), chip("10 REGISTER"));
    assert_eq!(
        [&first.0, &second.0, &third.0],
        ["1", "2", "3"],
        "the number of the call"
    );
    assert_eq!(first, chip("8 BYE"), "the same call, the same chip");
    assert_eq!(second, chip("7 ACK"));
    assert!(!first.1.is_empty());
    for other in [&second, &third] {
        assert_ne!(first.1, other.1);
    }
    assert_ne!(second.1, third.1);
    // Not by colour alone.
    let shape = |chip: &(String, String)| chip.1.split(' ').take(2).collect::<String>();
    assert_ne!(shape(&first), shape(&second));
}

#[test]
fn very_short_times_are_not_shown_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let message = |start: &str, tag| sip(1, start, tag, "1 INVITE", "");
    let invite = message("INVITE sip:bob1@example.com SIP/2.0", false);
    let pcap = Pcap::new()
        .udp_at(1_000_000, ALICE, BOB, &invite)
        .udp_at(1_000_042, BOB, ALICE, &message("SIP/2.0 180 Ringing", true))
        .udp_at(1_000_142, BOB, ALICE, &message("SIP/2.0 200 OK", true));
    let files = vec![pcap.write(folder.path())];
    let mut w = window_of([3400.0, 900.0], files);
    let call = "Answered alice@example.com to bob1@example.com, 200 OK";
    assert_eq!(painted(&w, call, "Sort by PDD").0, "42 µs");
    click(&mut w, "All messages");
    let delta = |row: &str| painted(&w, row, "Δ in call").0;
    assert_eq!(delta("2 180 Ringing (INVITE)"), "42 µs");
    assert_eq!(delta("3 200 OK (INVITE)"), "0.1 ms");
}

#[test]
fn columns_of_messages_are_chosen_in_their_menu() {
    let (_folder, mut w) = all_messages();
    assert!(w.query_by_label("Call-ID").is_none());
    // The upper one is that of the call list.
    w.get_all_by_label("Columns").last().unwrap().click();
    w.run_steps(3);
    let shown = click(&mut w, "Call-ID");
    assert_eq!(
        shown,
        [Action::ShowMessageColumn(MessageColumn::CallId, true)]
    );
    press(&mut w, Modifiers::NONE, Key::Escape);
    w.get_by_label("Call-ID");
    let (words, _) = painted(&w, "5 INVITE", "Call-ID");
    assert_eq!(words, "call-2@example.com");
    w.get_all_by_label("Columns").last().unwrap().click();
    w.run_steps(3);
    w.get_by_role_and_label(Role::CheckBox, "CSeq").click();
    let hidden = acted(&mut w);
    assert_eq!(
        hidden,
        [Action::ShowMessageColumn(MessageColumn::Cseq, false)]
    );
    press(&mut w, Modifiers::NONE, Key::Escape);
    assert!(w.query_by_label("CSeq").is_none());
}

#[test]
fn times_of_messages_are_chosen_in_the_menu() {
    let (_folder, mut w) = all_messages();
    for (words, format, head, time) in [
        (
            "Seconds since the first message",
            TimeFormat::Relative,
            "Time (s)",
            "1.520000",
        ),
        (
            "Seconds since the message before",
            TimeFormat::Delta,
            "Time (Δ s)",
            "0.020000",
        ),
        (
            "Time of day in UTC",
            TimeFormat::Utc,
            "Time (UTC)",
            "00:00:01.520000",
        ),
    ] {
        click(&mut w, "View");
        assert_eq!(click(&mut w, words), [Action::SetTimeFormat(format)]);
        assert_eq!(painted(&w, "6 486 Busy Here (INVITE)", head).0, time);
    }
    click(&mut w, "View");
    click(&mut w, "Time of day elsewhere");
    let chosen = click(&mut w, "UTC-05:00");
    assert_eq!(chosen, [Action::SetTimeFormat(TimeFormat::Offset(-300))]);
    let (time, _) = painted(&w, "6 486 Busy Here (INVITE)", "Time (UTC-05:00)");
    assert_eq!(time, "19:00:01.520000");
}

#[test]
fn keys_walk_the_messages_and_enter_opens_one() {
    let (_folder, mut w) = all_messages();
    click(&mut w, "5 INVITE");
    let walked = press(&mut w, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(walked, [Action::SelectMessage(MessageId::at(5))]);
    press(&mut w, Modifiers::NONE, Key::End);
    assert!(selected(&w, "11 200 OK (REGISTER)"));
    assert_eq!(w.state().session.selection.call, Some(CallId::at(2)));
    press(&mut w, Modifiers::NONE, Key::Home);
    assert!(selected(&w, "1 INVITE"));
    let opened = press(&mut w, Modifiers::NONE, Key::Enter);
    assert_eq!(opened, [Action::FocusPanel(PanelName::Tree)]);
    assert_eq!(w.state().session.focused, PanelName::Tree);
}
