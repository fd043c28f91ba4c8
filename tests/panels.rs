//! The window as a person uses it: found by label, clicked, typed into. Needs no display.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::{Key, Modifiers, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use panel_kit::*;
use sipscope::gui::action::{Action, FieldPath, PanelName, RawTab, Tab};
use sipscope::gui::widgets::row_view::{Cell, Column, Row, RowView, RowViewState};
use sipscope::index::CallKind;
use sipscope::index::ids::{CallId, MessageId};

#[test]
fn from_a_call_to_its_ladder_to_a_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    assert!(
        selected(&w, ANSWERED),
        "the first call is selected by itself"
    );
    assert_eq!(click(&mut w, BUSY), [Action::SelectCall(CallId::at(1))]);
    for arrow in ["INVITE #5", "486 Busy Here (INVITE) #6", "ACK #7"] {
        w.get_by_label(arrow);
    }
    assert!(
        w.query_by_label("BYE #8").is_none(),
        "that one is of the other call"
    );
    let arrow = "486 Busy Here (INVITE) #6";
    assert_eq!(
        click(&mut w, arrow),
        [Action::SelectMessage(MessageId::at(5))]
    );
    assert!(selected(&w, arrow));
    w.get_by_label("Status-Line: SIP/2.0 486 Busy Here");
    // Without a chosen field it is told what the message says.
    w.get_by_label("of status code: 486");
    let via = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-2-1-INVITE";
    let path = |text: &str| Some(FieldPath(text.to_owned()));
    assert_eq!(click(&mut w, via), [Action::SelectField(path("Via"))]);
    w.state_mut().apply(Action::FocusPanel(PanelName::Tree));
    w.run_steps(2);
    press(&mut w, Modifiers::NONE, Key::ArrowRight);
    let branch = "branch: z9hG4bK-2-1-INVITE";
    assert_eq!(
        click(&mut w, branch),
        [Action::SelectField(path("Via > branch"))]
    );

    // Walking on, the tree stays open and the field stays selected.
    click(&mut w, "ACK #7, same value");
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::ArrowUp),
        [Action::SelectMessage(MessageId::at(5))]
    );
    assert!(selected(&w, branch));
}

#[test]
fn keys_walk_the_lists_and_f6_the_panels() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, ANSWERED);
    let down = press(&mut w, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(down, [Action::SelectCall(CallId::at(1))]);
    assert!(selected(&w, BUSY));
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::Home),
        [Action::SelectCall(CallId::at(0))]
    );
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::F6),
        [Action::FocusNext { back: false }]
    );
    let down = press(&mut w, Modifiers::NONE, Key::End);
    assert_eq!(down, [Action::SelectMessage(MessageId::at(8))]);
    assert!(selected(&w, "200 OK (BYE) #9"));
    press(&mut w, Modifiers::NONE, Key::F6);
    assert_eq!(w.state().session.focused, PanelName::Tree);
    press(&mut w, Modifiers::SHIFT, Key::F6);
    assert_eq!(w.state().session.focused, PanelName::Messages);
}

#[test]
fn chips_and_heads_change_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, "Sort by Messages");
    let top =
        |w: &Window| w.get_by_label(BUSY).rect().top() < w.get_by_label(ANSWERED).rect().top();
    assert!(top(&w), "three messages come before six");
    click(&mut w, "Sort by Messages");
    assert!(!top(&w));
    assert_eq!(
        click(&mut w, "Registrations 1"),
        [Action::ShowKind(CallKind::Registration)]
    );
    assert!(w.query_by_label(BUSY).is_none());
    let rows = w.query_all_by_label_contains("Registered").count();
    assert_eq!(rows, 1);
}

#[test]
fn all_messages_lead_to_their_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    assert_eq!(
        click(&mut w, "All messages"),
        [Action::ShowTab(Tab::AllMessages)]
    );
    click(&mut w, "6 486 Busy Here (INVITE)");
    assert_eq!(w.state().session.selection.call, Some(CallId::at(1)));
    assert!(selected(&w, BUSY));
    click(&mut w, "Messages of the call");
    w.get_by_label("5 INVITE");
    assert!(w.query_by_label("1 INVITE").is_none());
}

#[test]
fn a_click_on_a_byte_selects_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    for raw in [RawTab::Text, RawTab::Hex] {
        w.state_mut().apply(Action::ShowRaw(raw));
        w.state_mut().apply(Action::SelectField(None));
        settle(&mut w);
        let body = w.get_by_label("Bytes of the message").rect();
        // The first letter stands in the request line.
        let first = if raw == RawTab::Hex { 64.0 } else { 10.0 };
        let at = body.left_top() + Vec2::new(first, 8.0);
        w.hover_at(at);
        w.step();
        w.drag_at(at);
        w.step();
        w.drop_at(at);
        acted(&mut w);
        let field = w.state().session.selection.field.clone();
        assert_eq!(
            field,
            Some(FieldPath("Request-Line > method".to_owned())),
            "{raw:?}"
        );
    }
    click(&mut w, "Tree");
    w.get_by_label("method: INVITE");
}

#[test]
fn without_a_capture_there_are_ways_to_open_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_calls(folder.path());
    let mut w = window(Vec::new());
    w.get_by_label("Open capture…");
    assert_eq!(click(&mut w, "Open path…"), [Action::ShowPathField(true)]);
    w.get_by_label("Path of a capture:");
    w.get_by_role(egui::accesskit::Role::TextInput)
        .type_text(path.to_str().unwrap());
    w.run_steps(2);
    assert_eq!(click(&mut w, "Open"), [Action::OpenFiles(vec![path])]);
    w.get_by_label(BUSY);
    w.state_mut().apply(Action::CloseCapture);
    settle(&mut w);
    w.get_by_label("Open capture…");
}

#[test]
fn what_cannot_be_opened_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\n").unwrap();
    for path in [folder.path().join("missing.pcap"), picture] {
        let w = window(vec![path]);
        let said = w
            .state()
            .session
            .files()
            .unwrap()
            .first()
            .unwrap()
            .error
            .clone()
            .unwrap();
        let said = sipscope::present::rows::sentence(&said);
        assert!(w.query_all_by_label(&said).count() > 0, "{said}");
    }
}

#[test]
fn a_capture_without_sip_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = Pcap::new()
        .udp(0, ALICE, BOB, "nothing of interest")
        .write(folder.path());
    let w = window(vec![path]);
    w.get_by_label("No SIP in 1 packet");
}

#[test]
fn nothing_is_painted_when_nothing_moves() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let frames = w.run();
    assert!(frames <= 3, "{frames} frames without a reason");
}

#[test]
fn the_row_view_is_exact_at_row_4_999_999() {
    const ROWS: u64 = 5_000_000;
    const COLUMNS: [Column; 2] = [Column::number("#", 100.0), Column::text("Text", 200.0)];
    struct Table {
        view: RowViewState,
        selected: Option<u64>,
    }
    let id = egui::Id::unique("rows");
    let ui = move |ui: &mut egui::Ui, table: &mut Table| {
        let rows = RowView {
            name: "Rows",
            id,
            columns: &COLUMNS,
            stretch: &[1],
            rows: ROWS,
            selected: table.selected,
            order: None,
            gutter: false,
        };
        let out = rows.show(ui, &mut table.view, |row| Row {
            label: format!("row {row}"),
            cells: vec![Cell::new(row.to_string()), Cell::new(format!("text {row}"))],
            ..Row::default()
        });
        table.selected = out.select.or(table.selected);
    };
    let table = Table {
        view: RowViewState::default(),
        selected: None,
    };
    let mut h = Harness::builder()
        .with_size([600.0, 400.0])
        .build_ui_state(ui, table);
    h.run();
    h.get_by_label("row 0").click();
    h.run();
    assert_eq!(h.state().selected, Some(0));
    h.key_press(Key::End);
    h.run();
    assert_eq!(h.state().selected, Some(4_999_999));
    let last = h.get_by_label("row 4999999").rect();
    let before = h.get_by_label("row 4999998").rect();
    assert_eq!(before.bottom(), last.top());
    assert!(h.query_by_label("row 5000000").is_none());
    for _ in 0..3 {
        h.key_press(Key::ArrowUp);
    }
    h.run();
    assert_eq!(h.state().selected, Some(4_999_996));
    h.get_by_label("row 4999990").click();
    h.run();
    assert_eq!(h.state().selected, Some(4_999_990));
}

#[test]
fn a_filter_leaves_what_matches() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::Slash);
    w.get_by_role(egui::accesskit::Role::TextInput)
        .type_text("status == 486");
    w.run_steps(2);
    let actions = press(&mut w, Modifiers::NONE, Key::Enter);
    assert_eq!(actions, [Action::SetFilter("status == 486".to_owned())]);
    w.get_by_label(BUSY);
    assert!(w.query_by_label(ANSWERED).is_none());
    w.get_by_label("Calls 1");
    click(&mut w, "All messages");
    w.get_by_label("6 486 Busy Here (INVITE)");
    assert!(w.query_by_label("5 INVITE").is_none());
    assert_eq!(click(&mut w, "Clear"), [Action::SetFilter(String::new())]);
    w.get_by_label(ANSWERED);
    w.get_by_label("Calls 2");

    w.state_mut()
        .apply(Action::SetFilter("status == 999".to_owned()));
    settle(&mut w);
    w.get_by_label("Nothing matches the filter, which hides 2 rows");
}
