//! Layout, lists and commands as a person uses them: found by label, clicked, typed into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use panel_kit::*;
use sipscope::gui::action::{Action, Area, PanelName, RawTab};

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
