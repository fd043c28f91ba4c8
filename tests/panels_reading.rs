//! Reading a capture as a person does: explanations, media, lanes, sizes of parts, copying, themes.
//! Needs no display.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable as _;
use panel_kit::*;
use sipscope::explain::Depth;
use sipscope::gui::action::Action;
use sipscope::gui::prefs::ThemeChoice;
use sipscope::index::ids::MessageId;
use sipscope::present::ladder::arrangement::{Change, LaneKey};

fn recorded(name: &str) -> PathBuf {
    PathBuf::from(format!("testdata/captures/{name}/capture.pcap"))
}

/// Moves what is at a place by so much, as with a mouse.
fn drag(w: &mut Window, from: egui::Pos2, by: egui::Vec2) {
    w.hover_at(from);
    w.step();
    w.drag_at(from);
    w.step();
    w.hover_at(from + by);
    w.step();
    w.drop_at(from + by);
    w.run_steps(3);
}

/// The text that a step put on the clipboard.
fn copied(w: &Window) -> Option<String> {
    let commands = &w.output().platform_output.commands;
    commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    })
}

#[test]
fn f2_takes_explanations_away_and_brings_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let seen = |w: &Window| {
        let strip = w.query_by_label("Head of explanation").is_some();
        (strip, w.state().session.prefs.glances)
    };
    // In full, off, one line, in full again.
    assert_eq!(seen(&w), (true, true));
    assert_eq!(
        press(&mut w, Modifiers::NONE, Key::F2),
        [Action::CycleExplanations]
    );
    assert_eq!(seen(&w), (false, false));
    press(&mut w, Modifiers::NONE, Key::F2);
    assert_eq!(seen(&w), (false, true));
    press(&mut w, Modifiers::NONE, Key::F2);
    assert_eq!(seen(&w), (true, true));
}

#[test]
fn experts_are_told_more_than_beginners() {
    let mut w = window(vec![recorded("two-proxies")]);
    let via = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-20243-1-0";
    assert!(matches!(
        click(&mut w, via).as_slice(),
        [Action::SelectField(Some(_))]
    ));
    let told = |w: &Window| {
        let explained = w.state().session.explained().unwrap();
        let explanation = explained.explanation.clone().unwrap();
        assert_eq!(explained.title, via);
        (explanation.here.len(), explanation.watch_out.len())
    };
    let normal = told(&w);
    assert_eq!(
        click(&mut w, "Beginner"),
        [Action::SetDepth(Depth::Beginner)]
    );
    let beginner = told(&w);
    assert!(beginner.0 <= 2 && beginner.1 == 0, "{beginner:?}");
    assert_eq!(click(&mut w, "Expert"), [Action::SetDepth(Depth::Expert)]);
    let expert = told(&w);
    assert!(
        beginner.0 < normal.0 && normal.0 < expert.0,
        "{normal:?}, {expert:?}"
    );
    // A frame that a sentence names is a link.
    click(&mut w, "Max-Forwards: 70");
    let there = click(&mut w, "Frame 3: INVITE");
    assert_eq!(there, [Action::GoTo(MessageId::at(2))]);
    w.get_by_label("Max-Forwards: 69, was 70");
}

#[test]
fn an_icmp_error_is_told_with_its_frame() {
    let folder = tempfile::tempdir().unwrap();
    let invite = sip(
        1,
        "INVITE sip:bob1@example.com SIP/2.0",
        false,
        "1 INVITE",
        "",
    );
    let path = Pcap::new()
        .udp(0, ALICE, BOB, &invite)
        .unreachable(1, ALICE, BOB, &invite)
        .udp(500, ALICE, BOB, &invite)
        .unreachable(501, ALICE, BOB, &invite)
        .write(folder.path());
    let mut w = window(vec![path]);
    w.get_by_label_contains("INVITE #1, ICMP: port unreachable");
    // For beginners as well: nothing matters more.
    click(&mut w, "Beginner");
    w.get_by_label_contains("It did not arrive: port unreachable, says an ICMP error of ");
    w.get_by_label_contains(" in frame 2.");
}

#[test]
fn a_selected_header_follows_the_value_in_it() {
    let mut w = window(vec![recorded("two-proxies")]);
    let via = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-20243-1-0";
    click(&mut w, via);
    w.get_by_label_contains("messages with this branch");
    w.get_by_label("INVITE (SDP: PCMU PCMA) #1, same value");
    // Walking on, the field stays.
    click(&mut w, "INVITE (SDP: PCMU PCMA) #3, same value");
    let field = w.state().session.selection.field.clone();
    assert_eq!(field.unwrap().0, "Via");
    w.get_by_label_contains("messages with this branch");
}

#[test]
fn media_are_bars_that_say_how_much_came() {
    let w = window(vec![recorded("baresip-rtp")]);
    let bars = w.query_all_by_label("RTP PCMU, 70 packets").count();
    assert_eq!(bars, 2, "one for each direction");
    drop(w);
    let mut w = window(vec![recorded("no-ack")]);
    assert_eq!(w.query_all_by_label("RTP PCMU, 0 packets").count(), 2);
    // A bar tells its streams, and what no packets may mean.
    w.query_all_by_label("RTP PCMU, 0 packets")
        .next()
        .unwrap()
        .click();
    settle(&mut w);
    w.get_by_label("of the bar of media");
    w.get_by_label_contains(": no packet of it is in this capture");
}

#[test]
fn a_fork_says_which_dialog_it_is() {
    let mut w = window(vec![recorded("fork-two-answers")]);
    let place = w.get_by_label("180 Ringing (INVITE) #6").rect().center();
    w.hover_at(place);
    for _ in 0..40 {
        w.step();
    }
    w.get_by_label_contains("Another dialog of this call, To tag");
}

#[test]
fn lanes_are_merged_and_taken_apart_again() {
    let mut w = window(vec![recorded("two-proxies")]);
    let lane = |ip: &str| LaneKey {
        ip: ip.parse().unwrap(),
        port: None,
    };
    let heads = |w: &Window| w.query_all_by_label("Lane kamailio").count();
    assert_eq!(heads(&w), 2);
    let first = w.get_all_by_label("Lane kamailio").next().unwrap();
    first.click_secondary();
    w.run_steps(3);
    w.get_by_label_contains("Merge into").click();
    w.run_steps(3);
    let merged = click(&mut w, "kamailio (198.51.100.2)");
    let merge = Change::Merge(lane("198.51.100.1"), lane("198.51.100.2"));
    assert_eq!(merged, [Action::Arrange(merge)]);
    assert_eq!(heads(&w), 1);
    w.get_by_label("Lane kamailio").click_secondary();
    w.run_steps(3);
    let apart = click(&mut w, "Lanes of this address as captured");
    assert_eq!(
        apart,
        [Action::Arrange(Change::Join(
            "198.51.100.2".parse().unwrap()
        ))]
    );
    assert_eq!(heads(&w), 2);
}

/// Asked for at `port` of a host that speaks from another one as well.
fn two_ports(folder: &Path) -> PathBuf {
    let invite = sip(
        1,
        "INVITE sip:bob1@example.com SIP/2.0",
        false,
        "1 INVITE",
        "",
    );
    let busy = sip(1, "SIP/2.0 486 Busy Here", true, "1 INVITE", "");
    let ack = sip(1, "ACK sip:bob1@example.com SIP/2.0", true, "1 ACK", "");
    Pcap::new()
        .udp(0, ALICE, BOB, &invite)
        .udp_from(20, (BOB, 5070), ALICE, &busy)
        .udp(30, ALICE, BOB, &ack)
        .write(folder)
}

#[test]
fn a_lane_is_split_by_its_ports() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_ports(folder.path())]);
    let heads = |w: &Window| w.query_all_by_label_contains("Lane ").count();
    assert_eq!(heads(&w), 2, "one lane for each host");
    w.get_by_label("Lane 192.0.2.2").click_secondary();
    w.run_steps(3);
    let split = Action::Arrange(Change::Split(BOB.into()));
    assert_eq!(click(&mut w, "Split by port"), [split]);
    assert_eq!(heads(&w), 3);
    let x = |w: &Window, label: &str| w.get_by_label(label).rect().center().x;
    let (asked, answers) = (x(&w, "Lane 192.0.2.2:5060"), x(&w, "Lane 192.0.2.2:5070"));
    assert!((asked - answers).abs() > 20.0, "{asked} and {answers}");
    w.get_by_label("Lane 192.0.2.2:5070").click_secondary();
    w.run_steps(3);
    click(&mut w, "Lanes of this address as captured");
    assert_eq!(heads(&w), 2);
}

#[test]
fn parts_are_resized_by_their_edges_and_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let head = |w: &Window, name: &str| w.get_by_label(&format!("Head of {name}")).rect();
    let (ladder, message) = (head(&w, "ladder"), head(&w, "message"));
    let edge = egui::pos2(
        (ladder.right() + message.left()) / 2.0,
        ladder.bottom() + 60.0,
    );
    drag(&mut w, edge, vec2(-150.0, 0.0));
    let moved = head(&w, "message").left() - message.left();
    assert!((-151.0..=-149.0).contains(&moved), "{moved}");
    let calls = head(&w, "ladder").top();
    drag(&mut w, egui::pos2(300.0, calls), vec2(0.0, 80.0));
    assert!((head(&w, "ladder").top() - calls - 80.0).abs() < 3.0);
    let layout = w.state().session.prefs.layout;
    assert!(
        layout.messages < 0.5 && layout.calls > 0.3,
        "it is remembered"
    );
    click(&mut w, "View");
    click(&mut w, "Reset the layout");
    assert_eq!(head(&w, "message"), message);
}

#[test]
fn themes_change_at_once_and_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    assert!(w.ctx.theme() == egui::Theme::Dark);
    for (words, choice, theme) in [
        ("Light theme", ThemeChoice::Light, egui::Theme::Light),
        ("Dark theme", ThemeChoice::Dark, egui::Theme::Dark),
    ] {
        click(&mut w, "View");
        assert_eq!(click(&mut w, words), [Action::SetTheme(choice)]);
        assert!(w.ctx.theme() == theme);
        assert_eq!(w.state().session.prefs.theme, choice);
    }
    for system in [egui::Theme::Light, egui::Theme::Dark] {
        w.input_mut().system_theme = Some(system);
        click(&mut w, "View");
        let chosen = click(&mut w, "Theme as the system");
        assert_eq!(chosen, [Action::SetTheme(ThemeChoice::System)]);
        assert!(w.ctx.theme() == system, "{system:?}");
        assert_eq!(w.state().session.prefs.theme, ThemeChoice::System);
    }
}

#[test]
fn a_packet_is_found_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    press(&mut w, Modifiers::CTRL, Key::G);
    let field = w.get_by_role_and_label(egui::accesskit::Role::TextInput, "Number of the packet:");
    field.type_text("6");
    w.run_steps(2);
    let gone = press(&mut w, Modifiers::NONE, Key::Enter);
    assert_eq!(gone.first(), Some(&Action::GoToPacket(6)));
    assert!(selected(&w, "486 Busy Here (INVITE) #6"));
    assert!(selected(&w, BUSY));
}

#[test]
fn values_and_headers_are_copied_from_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    for (words, text) in [("Copy value", "70"), ("Copy header", "Max-Forwards: 70")] {
        w.get_by_label("Max-Forwards: 70").click_secondary();
        w.run_steps(3);
        w.get_by_label(words).click();
        let mut found = None;
        for _ in 0..6 {
            w.step();
            found = found.or_else(|| copied(&w));
        }
        assert_eq!(found.as_deref(), Some(text), "{words}");
    }
}

/// Two captures at once: silence in the one that has no RTP says nothing, though the other has some.
#[test]
fn silence_is_judged_by_the_file_of_the_call() {
    let mut w = window(vec![recorded("baresip-rtp"), recorded("no-ack")]);
    let rows = w.state().session.rows();
    let lines = || rows.values().filter(|line| line.call.rtp.is_some());
    let (heard, silent): (Vec<_>, Vec<_>) =
        lines().partition(|line| line.call.rtp == Some((70, 70)));
    assert_eq!((heard.len(), silent.len()), (1, 1));
    assert!(heard[0].recorded && !silent[0].recorded);
    assert_eq!(silent[0].awaited, (true, true));
    for (line, quiet) in [(heard[0], false), (silent[0], true)] {
        let call = line.call.call;
        w.state_mut()
            .apply(sipscope::gui::action::Action::SelectCall(call));
        settle(&mut w);
        let detail = w.state().session.call_detail().unwrap();
        assert_eq!((detail.stamp.call, detail.silent), (call, quiet));
    }
}
