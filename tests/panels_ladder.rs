//! Ladder, header tree and bytes as a person uses them. Needs no display.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use panel_kit::*;
use sipscope::gui::action::{Action, FieldPath, PanelName, Picture, RawTab, Saving};
use sipscope::gui::prefs::TimeFormat;
use sipscope::gui::theme::Theme;
use sipscope::index::ids::{CallId, MessageId};
use sipscope::present::ladder::arrangement::{Change, LaneKey};

/// An INVITE that is sent three times more before it is answered.
fn lost_invite(folder: &Path) -> PathBuf {
    let invite = sip(
        1,
        "INVITE sip:bob1@example.com SIP/2.0",
        false,
        "1 INVITE",
        "",
    );
    let mut capture = Pcap::new();
    for ms in [0, 500, 1500, 3500] {
        capture = capture.udp(ms, ALICE, BOB, &invite);
    }
    capture
        .udp(
            3600,
            BOB,
            ALICE,
            &sip(1, "SIP/2.0 486 Busy Here", true, "1 INVITE", ""),
        )
        .write(folder)
}

/// Opens the menu of a lane.
#[track_caller]
fn lane_menu(w: &mut Window, label: &str) {
    w.get_by_label(label).click_secondary();
    w.run_steps(3);
}

fn lane(ip: [u8; 4]) -> LaneKey {
    LaneKey {
        ip: ip.into(),
        port: None,
    }
}

#[test]
fn what_was_sent_again_opens_with_a_click() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![lost_invite(folder.path())]);
    let fold = "INVITE #2, ×3, 0.5–3.5 s";
    let toggle = Action::Arrange(Change::Fold(MessageId::at(0)));
    assert_eq!(
        click(&mut w, fold),
        [Action::SelectMessage(MessageId::at(1)), toggle.clone()]
    );
    assert!(w.query_by_label(fold).is_none());
    for row in [
        "INVITE #2, again after 500 ms",
        "INVITE #3, again after 1.5 s",
        "INVITE #4, again after 3.5 s",
    ] {
        w.get_by_label(row);
    }
    // Left folds from any of them, right opens.
    click(&mut w, "INVITE #3, again after 1.5 s");
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::ArrowLeft),
        std::slice::from_ref(&toggle)
    );
    assert!(selected(&w, fold), "its row is that of the fold now");
    assert_eq!(press(&mut w, Modifiers::NONE, Key::ArrowRight), [toggle]);
    w.get_by_label("INVITE #4, again after 3.5 s");
}

#[test]
fn a_pause_is_drawn_and_stepped_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.get_by_label("Pause of 4.1 s");
    click(&mut w, "ACK #4");
    let bye = [Action::SelectMessage(MessageId::at(7))];
    assert_eq!(press(&mut w, Modifiers::NONE, Key::ArrowDown), bye);
    let ack = [Action::SelectMessage(MessageId::at(3))];
    assert_eq!(press(&mut w, Modifiers::NONE, Key::ArrowUp), ack);
}

#[test]
fn marked_calls_share_a_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.get_by_label("INVITE #1");
    w.state_mut().apply(Action::ToggleMark(CallId::at(1)));
    settle(&mut w);
    let rows = ["INVITE #1, call 1", "INVITE #5, call 2", "BYE #8, call 1"];
    let tops = rows.map(|row| w.get_by_label(row).rect().top());
    assert!(tops.is_sorted(), "merged by time: {tops:?}");
    // Selecting a message of the other call keeps both.
    click(&mut w, "486 Busy Here (INVITE) #6, call 2");
    assert!(selected(&w, "486 Busy Here (INVITE) #6, call 2"));
    w.state_mut().apply(Action::SelectCall(CallId::at(0)));
    settle(&mut w);
    w.state_mut().apply(Action::ToggleMark(CallId::at(1)));
    settle(&mut w);
    w.get_by_label("INVITE #1");
    assert!(w.query_by_label_contains("call 2").is_none());
}

#[test]
fn calls_marked_by_keys_share_a_ladder_and_its_keys_walk_both() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, BUSY);
    press(&mut w, Modifiers::NONE, Key::Space);
    click(&mut w, ANSWERED);
    press(&mut w, Modifiers::NONE, Key::Space);
    w.get_by_label("2 calls marked");
    click(&mut w, "ACK #4, call 1");
    // The next in time is one of the other call.
    press(&mut w, Modifiers::NONE, Key::ArrowDown);
    assert!(selected(&w, "INVITE #5, call 2"));
    press(&mut w, Modifiers::NONE, Key::End);
    assert!(selected(&w, "200 OK (BYE) #9, call 1"));
    press(&mut w, Modifiers::NONE, Key::Home);
    assert!(selected(&w, "INVITE #1, call 1"));
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::Enter),
        [Action::FocusPanel(PanelName::Tree)]
    );
    click(&mut w, "2 calls marked");
    w.get_by_label("INVITE #1");
}

#[test]
fn a_row_tells_how_far_it_is_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, "INVITE #1");
    let place = w.get_by_label("200 OK (INVITE) #3").rect().center();
    w.hover_at(place);
    for _ in 0..40 {
        w.step();
    }
    w.get_by_label_contains("880 ms after the message before it");
    w.get_by_label_contains("900 ms after the selected message");
}

/// Where something of this colour is filled.
fn filled(w: &Window, colour: egui::Color32) -> Vec<egui::Rect> {
    let shapes = w.output().shapes.iter();
    let rects = shapes.filter_map(|clipped| match &clipped.shape {
        egui::Shape::Rect(rect) if rect.fill == colour => Some(rect.rect),
        _ => None,
    });
    rects.collect()
}

#[test]
fn a_selected_field_lights_up_its_bytes_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, "Both");
    click(&mut w, "Max-Forwards: 70");
    let colour = Theme::of(true).field;
    let at = |w: &Window| {
        let body = w.get_by_label("Bytes of the message").rect();
        let seen = filled(w, colour).into_iter();
        let seen: Vec<_> = seen.filter(|r| body.contains(r.center())).collect();
        assert_eq!(seen.len(), 1, "one line of the text: {seen:?}");
        (seen[0].width(), seen[0].center().y)
    };
    let header = at(&w);
    click(&mut w, "CSeq: 1 INVITE");
    let other = at(&w);
    // A letter is as wide as any other: 16 letters and 14.
    let letters = |width: f32| width / (header.0 / "Max-Forwards: 70".len() as f32);
    assert!(
        (letters(other.0) - "CSeq: 1 INVITE".len() as f32).abs() < 0.2,
        "{header:?} {other:?}"
    );
    assert!(other.1 < header.1, "that line stands above");
    click(&mut w, "Hex");
    let body = w.get_by_label("Bytes of the message").rect();
    let marks = filled(&w, colour)
        .into_iter()
        .filter(|r| body.contains(r.center()));
    assert!(marks.count() >= 2, "as numbers and as letters");
}

#[test]
fn a_message_is_copied_from_its_menu() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    lane_menu(&mut w, "180 Ringing (INVITE) #2");
    w.get_by_label("Copy message text").click();
    let until = Instant::now() + Duration::from_secs(10);
    let copied = loop {
        w.step();
        let commands = &w.output().platform_output.commands;
        let text = commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        });
        if let Some(text) = text {
            break text;
        }
        assert!(Instant::now() < until, "nothing is copied");
    };
    // It was not selected before: it is read first.
    assert!(copied.starts_with("SIP/2.0 180 Ringing\r\n"));
    assert!(w.state().session.notices.is_empty());
}

#[test]
fn lanes_are_named_hidden_moved_and_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    lane_menu(&mut w, "Lane 192.0.2.2");
    click(&mut w, "Rename…");
    let field = w.get_by_label("Name of the lane");
    field.type_text("Bob's phone");
    w.run_steps(2);
    let renamed = press(&mut w, Modifiers::NONE, Key::Enter);
    let name = "Bob's phone";
    assert_eq!(
        renamed,
        [Action::Arrange(Change::Rename(lane(BOB), name.to_owned()))]
    );
    let head = format!("Lane {name}");
    lane_menu(&mut w, &head);
    let left = click(&mut w, "Move left");
    assert_eq!(
        left,
        [Action::Arrange(Change::Order(vec![lane(BOB), lane(ALICE)]))]
    );
    let x = |w: &Window, label: &str| w.get_by_label(label).rect().center().x;
    assert!(x(&w, &head) < x(&w, "Lane Alice"));

    lane_menu(&mut w, &head);
    let hide = click(&mut w, "Hide lane");
    assert_eq!(hide, [Action::Arrange(Change::Hide(lane(BOB)))]);
    w.get_by_label("6 messages of hidden lanes not drawn");
    click(&mut w, "Show all lanes");
    w.get_by_label(&head);

    click(&mut w, "Arrange ▾");
    click(&mut w, "Reset lanes");
    assert!(x(&w, "Lane Alice") < x(&w, "Lane 192.0.2.2"));
    click(&mut w, "ACK #4");
    assert_eq!(
        press(&mut w, Modifiers::CTRL, Key::Z),
        [Action::UndoArrange]
    );
    w.get_by_label(&head);
}

#[test]
fn a_lane_is_dragged_to_another_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let (from, to) = (
        w.get_by_label("Lane Alice").rect().center(),
        w.get_by_label("Lane 192.0.2.2").rect().center(),
    );
    w.hover_at(from);
    w.step();
    w.drag_at(from);
    w.step();
    w.hover_at((from + to.to_vec2()) / 2.0);
    w.step();
    w.hover_at(to);
    w.step();
    w.state_mut().recorded = Some(Vec::new());
    w.drop_at(to);
    w.run_steps(3);
    let order = Change::Order(vec![lane(BOB), lane(ALICE)]);
    let actions = w.state_mut().recorded.take().unwrap();
    assert_eq!(actions, [Action::Arrange(order)]);
}

#[test]
fn the_wheel_zooms_at_the_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let height = |w: &Window| w.get_by_label("180 Ringing (INVITE) #2").rect().height();
    assert_eq!(height(&w), 22.0);
    let place = w.get_by_label("180 Ringing (INVITE) #2").rect();
    w.hover_at(place.center());
    w.step();
    w.event(egui::Event::Zoom(1.5));
    w.run_steps(2);
    assert_eq!(height(&w), 33.0);
    click(&mut w, "Arrange ▾");
    click(&mut w, "Actual size");
    assert_eq!(height(&w), 22.0);
}

#[test]
fn the_ladder_is_copied_and_saved_as_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let alias = Change::Rename(lane(BOB), "Bob's phone".to_owned());
    w.state_mut().apply(Action::Arrange(alias));
    settle(&mut w);
    click(&mut w, "Arrange ▾");
    w.get_by_label("Copy ladder as text").click();
    w.step();
    settle(&mut w);
    assert_eq!(
        w.state().session.notice.as_deref(),
        Some("The ladder is in the clipboard")
    );
    for (picture, words) in [(Picture::Svg, "SVG"), (Picture::Png, "PNG")] {
        // In the menu of the ladder and in that of the window.
        let menu = match picture {
            Picture::Svg => "Arrange ▾",
            Picture::Png => "File",
        };
        click(&mut w, menu);
        let saving = Saving::Ladder(picture);
        let asked = click(&mut w, &format!("Save ladder as {words}…"));
        assert_eq!(asked, [Action::AskWhereToSave(saving)]);
        let path = folder
            .path()
            .join(format!("call-call-1.{}", picture.ending()));
        assert_eq!(
            click(&mut w, "Save"),
            [
                Action::Save(saving, path.clone()),
                Action::ShowOverlay(None)
            ]
        );
        w.get_by_label_contains("Saved: ");
        let octets = std::fs::read(path).unwrap();
        if picture == Picture::Svg {
            let text = String::from_utf8(octets).unwrap();
            assert!(text.contains("Bob&#39;s phone") && text.contains("200 OK (INVITE)"));
            // As on the screen: the dark ground, and what the times are.
            assert!(text.contains("fill=\"#181B20\"") && text.contains(">Time (UTC)<"));
        } else {
            assert!(octets.starts_with(b"\x89PNG") && octets.len() > 10_000);
        }
    }
}

/// A call through a proxy: the INVITE and the answer, each on two hops.
/// An INVITE and its answers over so many hosts.
fn many_hosts(folder: &Path, hosts: u8) -> PathBuf {
    let host = |n: u8| [10, 20, 30, 100 + n];
    let mut pcap = Pcap::new();
    for n in 1..hosts {
        let via = |at: u8| {
            format!(
                "Via: SIP/2.0/UDP 10.20.30.{};branch=z9hG4bK{at}\r\n",
                100 + at
            )
        };
        let vias: String = (1..=n).rev().map(via).collect();
        let rest = "From: <sip:a@example.com>;tag=a\r\nTo: <sip:b@example.com>\r\n\
                    Call-ID: far@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
        let invite = format!("INVITE sip:b@example.com SIP/2.0\r\n{vias}{rest}");
        let trying = format!("SIP/2.0 100 trying -- your call is important to us\r\n{vias}{rest}");
        pcap = pcap
            .udp(u32::from(n) * 10, host(n), host(n + 1), &invite)
            .udp(u32::from(n) * 10 + 5, host(n + 1), host(n), &trying);
    }
    pcap.write(folder)
}

#[test]
fn many_lanes_come_into_sight_before_they_are_scrolled() {
    let folder = tempfile::tempdir().unwrap();
    for (hosts, fits) in [(6, true), (8, true), (12, false)] {
        let mut w = window(vec![many_hosts(folder.path(), hosts)]);
        let room = w.get_by_role_and_label(Role::ListBox, "Ladder").rect();
        let lanes: Vec<_> = w
            .query_all_by_label_contains("Lane 10.20.30.")
            .map(|lane| lane.rect())
            .collect();
        let seen = lanes.len() == usize::from(hosts)
            && lanes
                .iter()
                .all(|lane| room.x_range().contains(lane.center().x));
        assert_eq!(seen, fits, "{hosts} lanes: {lanes:?}");
        // The label is cut to what counts; all of it is told to who points at it.
        let place = w.get_by_label("100 trying -- your call is important to us (INVITE) #2");
        let place = place.rect().center();
        w.hover_at(place);
        for _ in 0..40 {
            w.step();
        }
        let told = w.query_all_by_label_contains("100 trying -- your call is important to us");
        assert!(told.count() >= 2, "{hosts} lanes");
    }
}

/// A call that asks so often that its ladder takes a while to draw.
fn long_call(folder: &Path, rows: u32) -> PathBuf {
    let mut pcap = Pcap::new();
    for n in 1..=rows {
        let info = format!("{n} INFO");
        let start = "INFO sip:bob1@example.com SIP/2.0";
        pcap = pcap.udp(n * 100, ALICE, BOB, &sip(1, start, true, &info, ""));
    }
    pcap.write(folder)
}

#[test]
fn a_long_drawing_is_cancelled_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let capture = long_call(folder.path(), 5000);
    let mut w = window(vec![capture.clone()]);
    let out = folder.path().join("a.svg");
    let save = |picture, path: &Path| Action::Save(Saving::Ladder(picture), path.to_owned());
    w.state_mut().apply(save(Picture::Svg, &out));
    w.step();
    w.get_by_label("Drawing the ladder…");
    w.get_by_label("Cancel saving").click();
    assert_eq!(acted(&mut w), [Action::CancelSave]);
    settle(&mut w);
    w.get_by_label("Not saved: cancelled");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // What would be too large is said at once, and no capture is overwritten.
    w.state_mut().apply(save(Picture::Png, &out));
    settle(&mut w);
    w.get_by_label_contains("Not saved: too large for a PNG: ");
    w.state_mut().apply(save(Picture::Svg, &capture));
    settle(&mut w);
    w.get_by_label_contains("Not saved: that is the capture itself");
    w.state_mut().apply(save(Picture::Svg, &out));
    settle(&mut w);
    assert!(std::fs::metadata(&out).unwrap().len() > 1_000_000);
    assert!(!folder.path().join("a.svg.part").exists());
}

fn two_hops(folder: &Path) -> PathBuf {
    const PROXY: [u8; 4] = [192, 0, 2, 9];
    let via = |n: u32, host: u32| format!("Via: SIP/2.0/UDP 192.0.2.{host};branch=z9hG4bK{n}\r\n");
    let rest = |tag: &str, hops: u32| {
        format!(
            "From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>{tag}\r\n\
             Call-ID: hop@example.com\r\nCSeq: 1 INVITE\r\nMax-Forwards: {hops}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    let invite = "INVITE sip:bob@example.com SIP/2.0\r\n";
    let busy = "SIP/2.0 486 Busy Here\r\n";
    let (first, second) = (via(1, 1), via(2, 9));
    Pcap::new()
        .udp(0, ALICE, PROXY, &format!("{invite}{first}{}", rest("", 70)))
        .udp(
            10,
            PROXY,
            BOB,
            &format!("{invite}{second}{first}{}", rest("", 69)),
        )
        .udp(
            20,
            BOB,
            PROXY,
            &format!("{busy}{second}{first}{}", rest(";tag=b", 70)),
        )
        .udp(
            30,
            PROXY,
            ALICE,
            &format!("{busy}{first}{}", rest(";tag=b", 70)),
        )
        .write(folder)
}

#[test]
fn the_same_value_is_marked_everywhere_and_walked() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_hops(folder.path())]);
    click(&mut w, "INVITE #2");
    w.state_mut().apply(Action::SelectField(Some(FieldPath(
        "Via > branch".to_owned(),
    ))));
    settle(&mut w);
    // The branch of the proxy: its INVITE and the answer to it.
    w.get_by_label("1 of 2 messages with this branch");
    w.get_by_label("INVITE #2, same value");
    w.get_by_label("486 Busy Here (INVITE) #3, same value");
    w.get_by_label("INVITE #1");
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::F4),
        [Action::NextEqual { back: false }]
    );
    assert!(selected(&w, "486 Busy Here (INVITE) #3, same value"));
    assert!(selected(&w, "branch: z9hG4bK2"));
    press(&mut w, Modifiers::SHIFT, Key::F4);
    w.get_by_label("1 of 2 messages with this branch");

    // That of the caller stands in all four, above or below.
    click(&mut w, "INVITE #1");
    w.get_by_label("1 of 4 messages with this branch");
    press(&mut w, Modifiers::NONE, Key::F4);
    let field = w.state().session.selection.field.clone();
    assert_eq!(field, Some(FieldPath("Via[2] > branch".to_owned())));
    assert!(selected(&w, "branch: z9hG4bK1"));
    click(&mut w, "All messages");
    w.get_by_label("4 486 Busy Here (INVITE), same value");

    click(&mut w, "Ladder");
    w.get_by_label("branch: z9hG4bK1").click_secondary();
    w.run_steps(3);
    let filter = "text contains \"branch=z9hG4bK1\"".to_owned();
    assert_eq!(
        click(&mut w, "Filter by this value").last(),
        Some(&Action::SetFilter(filter))
    );
}

#[test]
fn a_pinned_message_stands_beside_the_selected_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_hops(folder.path())]);
    click(&mut w, "INVITE #1");
    w.get_by_label("Max-Forwards: 70").click_secondary();
    w.run_steps(3);
    let pin = Action::PinToCompare(Some(MessageId::at(0)));
    assert_eq!(click(&mut w, "Pin to compare").last(), Some(&pin));
    w.get_by_label("Pinned: #1 INVITE; select another message to compare");
    click(&mut w, "INVITE #2");
    w.get_by_label("Max-Forwards: 69, was 70, pinned 70");
    w.get_by_label_contains("not in the pinned message");
    w.get_by_label("Call-ID: hop@example.com");
    assert_eq!(click(&mut w, "Unpin"), [Action::PinToCompare(None)]);
    assert_eq!(w.query_all_by_label_contains(", pinned ").count(), 0);
}

#[test]
fn layers_stand_above_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_hops(folder.path())]);
    let rows = ["IPv4", "UDP", "Request-Line: INVITE"];
    let tops = rows.map(|row| {
        let mut found = w.query_all_by_label_contains(row);
        found
            .find(|node| node.rect().left() > 700.0)
            .unwrap()
            .rect()
            .top()
    });
    assert!(tops.is_sorted(), "{tops:?}");
    w.state_mut().apply(Action::SelectField(Some(FieldPath(
        "packet > IPv4".to_owned(),
    ))));
    settle(&mut w);
    press(&mut w, Modifiers::CTRL, Key::Num3);
    press(&mut w, Modifiers::NONE, Key::ArrowRight);
    w.get_by_label("time to live: 64");
    // A layer and its fields are explained, and stand in the octets of the packet.
    w.state_mut().apply(Action::ShowRaw(RawTab::Hex));
    settle(&mut w);
    w.get_by_label("Carries the packet from host to host.");
    w.get_by_label("Bytes of the packet");
    let field = FieldPath("packet > IPv4 > time to live".to_owned());
    w.state_mut().apply(Action::SelectField(Some(field)));
    settle(&mut w);
    w.get_by_label("Counts down at each router; at 0 the packet is dropped.");
    w.get_by_label("of time to live: 64");
    // Where the message is selected its own octets are shown.
    let field = FieldPath("Call-ID".to_owned());
    w.state_mut().apply(Action::SelectField(Some(field)));
    settle(&mut w);
    w.get_by_label("Bytes of the message");
}

#[test]
fn what_a_hop_changed_is_marked_with_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_hops(folder.path())]);
    click(&mut w, "INVITE #2");
    w.get_by_label("Max-Forwards: 69, was 70");
    w.get_by_label("Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2, new on this hop");
    w.get_by_label("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    w.get_by_label("Call-ID: hop@example.com");
    // The answer comes back without the Via of the proxy; nothing else changes.
    click(&mut w, "486 Busy Here (INVITE) #4");
    assert_eq!(w.query_all_by_label_contains(", was ").count(), 1);
    w.get_by_label("Via, was SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2");
    w.get_by_label("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    // The first hop has none before it.
    click(&mut w, "INVITE #1");
    w.get_by_label("Max-Forwards: 70");
}

#[test]
fn marks_and_shades_are_in_the_picture_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![PathBuf::from(
        "testdata/captures/fork-two-answers/capture.pcap",
    )]);
    let path = folder.path().join("a.svg");
    w.state_mut()
        .apply(Action::Save(Saving::Ladder(Picture::Svg), path.clone()));
    settle(&mut w);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("<rect class=\"fork0\""), "the second dialog");
    assert!(!text.contains("<rect class=\"call"), "one call alone");
    let mut w = window(vec![two_calls(folder.path())]);
    for n in [0, 1] {
        w.state_mut().apply(Action::ToggleMark(CallId::at(n)));
    }
    w.state_mut()
        .apply(Action::SetTimeFormat(TimeFormat::Relative));
    settle(&mut w);
    w.state_mut()
        .apply(Action::Save(Saving::Ladder(Picture::Svg), path.clone()));
    settle(&mut w);
    let text = std::fs::read_to_string(&path).unwrap();
    for part in [
        "class=\"call0\"",
        "class=\"call1\"",
        ">Time (s)<",
        ">0.020000<",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn a_note_stands_beside_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    click(&mut w, "ACK #4");
    press(&mut w, Modifiers::CTRL, Key::N);
    w.get_by_label("On message 4, ACK:");
    let field = w.get_by_role_and_label(egui::accesskit::Role::TextInput, "On message 4, ACK:");
    field.type_text("ask the carrier");
    w.run_steps(2);
    let kept = press(&mut w, Modifiers::NONE, Key::Enter);
    let note = |text: &str| Action::Arrange(Change::Note(MessageId::at(3), text.to_owned()));
    assert_eq!(kept, [note("ask the carrier"), Action::ShowOverlay(None)]);
    let noted = "ACK #4, “ask the carrier”";
    w.get_by_label(noted);
    click(&mut w, "All messages");
    w.get_by_label("4 ACK, note: ask the carrier");
    click(&mut w, "Ladder");
    // Taken back from anywhere, and taken away by its own button.
    click(&mut w, BUSY);
    assert_eq!(
        press(&mut w, Modifiers::CTRL, Key::Z),
        [Action::UndoArrange]
    );
    click(&mut w, ANSWERED);
    w.get_by_label("ACK #4");
    w.state_mut().apply(note("twice"));
    settle(&mut w);
    lane_menu(&mut w, "ACK #4, “twice”");
    click(&mut w, "Note on this message…");
    assert_eq!(
        click(&mut w, "Remove"),
        [note(""), Action::ShowOverlay(None)]
    );
    w.get_by_label("ACK #4");
}

/// A window that keeps lanes and notes.
fn keeping(path: &Path) -> Window {
    let mut w = window(Vec::new());
    w.state_mut().session.notebook.keeps = true;
    w.state_mut()
        .apply(Action::OpenFiles(vec![path.to_path_buf()]));
    settle(&mut w);
    settle(&mut w);
    w
}

#[test]
fn lanes_and_notes_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_calls(folder.path());
    let mut w = keeping(&path);
    for change in [
        Change::Rename(lane(BOB), "Carrier".to_owned()),
        Change::Order(vec![lane(BOB), lane(ALICE)]),
        Change::Note(MessageId::at(1), "slow".to_owned()),
    ] {
        w.state_mut().apply(Action::Arrange(change));
    }
    settle(&mut w);
    w.state().session.notebook.finish();
    let page = folder.path().join("call.pcap.sipscope.json");
    assert!(page.is_file(), "beside the capture");
    let mut w = keeping(&path);
    let x = |w: &Window, label: &str| w.get_by_label(label).rect().center().x;
    assert!(x(&w, "Lane Carrier") < x(&w, "Lane Alice"));
    w.get_by_label("180 Ringing (INVITE) #2, “slow”");
    assert!(!w.state().session.ladder.can_undo(), "nothing was done yet");
    // A message that is no longer there: its note is said to be lost, the lanes stay.
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, text.replace("\"message\": 2", "\"message\": 200")).unwrap();
    press(&mut w, Modifiers::CTRL, Key::R);
    settle(&mut w);
    w.get_by_label("1 note belongs to messages that are not in this capture");
    w.get_by_label("Lane Carrier");
    // Nothing to be kept any more: the file goes.
    w.state_mut().apply(Action::Arrange(Change::Reset));
    w.state().session.notebook.finish();
    assert!(!page.exists());
}

#[test]
fn the_message_is_pinned_and_let_go_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_hops(folder.path())]);
    w.state_mut()
        .apply(Action::ShowRaw(sipscope::gui::action::RawTab::Hex));
    click(&mut w, "INVITE #1");
    press(&mut w, Modifiers::CTRL, Key::D);
    w.get_by_label("Pinned: #1 INVITE; select another message to compare");
    click(&mut w, "INVITE #2");
    w.get_by_label("Max-Forwards: 69, was 70, pinned 70");
    click(&mut w, "INVITE #1");
    press(&mut w, Modifiers::CTRL, Key::D);
    assert!(w.state().session.pinned.is_none());
}
