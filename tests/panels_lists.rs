//! Layout, lists and commands as a person uses them: found by label, clicked, typed into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::{Action, Area, PanelName, RawTab};
use sipscope::gui::prefs::TimeFormat;

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
    assert!(ladder(&w).width() > 900.0);
    click(&mut w, "Show message");
    let message = w.get_by_label("Head of message").rect();
    assert!(message.right() > 990.0, "{message:?}");
    click(&mut w, "Hide message");
    assert!(w.query_by_label("Head of message").is_none());
    // Enter on an arrow opens it as well.
    click(&mut w, "INVITE #1");
    press(&mut w, Modifiers::NONE, Key::Enter);
    w.get_by_label("Head of message");
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
        w.get_by_label("Command Capture…")
            .accesskit_node()
            .is_disabled()
    );
    press(&mut w, Modifiers::NONE, Key::Escape);
    assert!(w.query_by_label("Command:").is_none());
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
    click(&mut w, "File");
    assert!(w.get_by_label("Capture…").accesskit_node().is_disabled());
    assert!(!w.get_by_label("Reload").accesskit_node().is_disabled());
    assert_eq!(click(&mut w, "Reload"), [Action::Reload]);
    w.get_by_label(ANSWERED);
    let said = press(&mut w, Modifiers::CTRL, Key::E);
    assert!(
        matches!(said.as_slice(), [Action::Notify(why)] if why.contains("no live capture yet")),
        "{said:?}"
    );
    // What was said can be read again.
    press(&mut w, Modifiers::NONE, Key::Escape);
    assert!(w.state().session.notice.is_none());
    click(&mut w, "Help");
    click(&mut w, "Notices");
    assert_eq!(
        w.query_all_by_label_contains("no live capture yet").count(),
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
