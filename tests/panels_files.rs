//! Opening, saving and empty states as a person sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::{Action, Overlay, Saving};
use sipscope::gui::app::SipscopeApp;
use sipscope::gui::prefs::Prefs;

#[test]
fn the_start_page_has_samples_and_ways_to_begin() {
    let mut w = window(Vec::new());
    assert!(!w.get_by_label("Capture…").accesskit_node().is_disabled());
    for (title, row) in [
        ("Call through a proxy", "Completed"),
        ("Failed call", "Not found"),
        ("Registration", "Registered"),
    ] {
        click(&mut w, title);
        let rows = w.query_all_by_label_contains(row).count();
        assert!(rows > 0, "{title}");
        press(&mut w, Modifiers::CTRL, Key::W);
    }
    // What the program wrote itself is no document.
    assert!(w.state().session.prefs.recent.is_empty());
}

#[test]
fn what_was_opened_is_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_calls(folder.path());
    let mut w = window(vec![path.clone()]);
    press(&mut w, Modifiers::CTRL, Key::W);
    assert_eq!(click(&mut w, "call.pcap"), [Action::OpenFiles(vec![path])]);
    w.get_by_label(ANSWERED);
}

#[test]
fn a_capture_without_sip_tells_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut pcap = Pcap::new();
    for n in 0..3 {
        pcap = pcap.udp(n, ALICE, BOB, "nothing of interest");
    }
    let w = window(vec![pcap.write(folder.path())]);
    w.get_by_label("No SIP in 3 packets");
    w.get_by_label("UDP 5060: 3 packets");
    w.get_by_label("Open another capture…");
}

#[test]
fn a_damaged_file_shows_what_was_read_and_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_calls(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 40);
    std::fs::write(&path, bytes).unwrap();
    let mut w = window(vec![path]);
    w.get_by_label_contains("call.pcap is damaged or cut: read up to offset");
    w.get_by_label(ANSWERED);
    assert_eq!(click(&mut w, "Hide"), [Action::HideDamage]);
    assert!(w.query_by_label_contains("is damaged or cut").is_none());
    w.get_by_label("Damaged or cut: see what is missing");
}

#[test]
fn loading_is_cancelled_and_what_is_there_stays() {
    const CALLS: u32 = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let mut pcap = Pcap::new();
    for n in 0..CALLS {
        let invite = format!("INVITE sip:bob{n}@example.com SIP/2.0");
        pcap = pcap.udp(n, ALICE, BOB, &sip(n, &invite, false, "1 INVITE", ""));
    }
    let path = pcap.write(folder.path());
    let mut w = window(Vec::new());
    w.state_mut().apply(Action::OpenFiles(vec![path]));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while w.query_all_by_label_contains("bob0@example.com").count() == 0 {
        w.step();
        assert!(std::time::Instant::now() < until, "no row is shown");
    }
    w.get_by_label("Cancel").click();
    assert_eq!(acted(&mut w), [Action::CancelLoad]);
    settle(&mut w);
    w.get_by_label("Loading was cancelled");
    let listed = w.state().session.view.messages().len();
    assert!((1..CALLS as usize).contains(&listed), "{listed}");
    assert_eq!(w.query_all_by_label("Cancel").count(), 0);
    // What is there can be used.
    click(
        &mut w,
        "Calling alice@example.com to bob0@example.com, no final response",
    );
    w.get_by_label("INVITE #1");
}

#[test]
fn marked_calls_are_saved_and_nothing_is_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.state_mut().session.jobs.command_line = Some(sipscope::cli::carry_out);
    click(&mut w, BUSY);
    press(&mut w, Modifiers::NONE, Key::Space);
    press(&mut w, Modifiers::CTRL, Key::S);
    let out = folder.path().join("call-calls.pcapng");
    let field = w.get_by_role_and_label(Role::TextInput, "Path:");
    assert_eq!(
        field.accesskit_node().value().as_deref(),
        out.to_str(),
        "beside the capture"
    );
    assert_eq!(
        click(&mut w, "Save"),
        [
            Action::Save(Saving::Calls, out.clone()),
            Action::ShowOverlay(None)
        ]
    );
    w.get_by_label_contains("Saved: ");
    // Once more: the file is there.
    press(&mut w, Modifiers::CTRL, Key::S);
    assert_eq!(click(&mut w, "Save"), []);
    w.get_by_label("There is such a file already");
    click(&mut w, "Replace");
    let w = window(vec![out]);
    w.get_by_label(BUSY);
    assert!(w.query_by_label(ANSWERED).is_none());
    w.get_by_label("3 messages   1 call   0 dialogs");
}

#[test]
fn listed_messages_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.state_mut().session.jobs.command_line = Some(sipscope::cli::carry_out);
    w.state_mut().apply(Action::SetFilter("486".to_owned()));
    settle(&mut w);
    let (json, csv) = (folder.path().join("a.json"), folder.path().join("a.csv"));
    w.state_mut()
        .apply(Action::Save(Saving::Json, json.clone()));
    settle(&mut w);
    let lines = std::fs::read_to_string(json).unwrap();
    assert_eq!(lines.lines().count(), 3, "the messages of one call");
    assert!(
        lines
            .lines()
            .all(|line| line.contains("call-2@example.com"))
    );
    w.state_mut().apply(Action::SetFilter(String::new()));
    settle(&mut w);
    w.state_mut().apply(Action::Save(Saving::Csv, csv.clone()));
    settle(&mut w);
    let lines = std::fs::read_to_string(csv).unwrap();
    assert_eq!(lines.lines().count(), 12, "a head and eleven messages");
}

#[test]
fn exports_and_wireshark_are_in_the_file_menu() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let jobs = &mut w.state_mut().session.jobs;
    jobs.command_line = Some(sipscope::cli::carry_out);
    jobs.wireshark = folder.path().join("no-such-program").into();
    for (words, saving, name) in [
        (
            "Export messages as JSON",
            Saving::Json,
            "call-messages.json",
        ),
        ("Export messages as CSV", Saving::Csv, "call-messages.csv"),
    ] {
        click(&mut w, "File");
        let asked = click(&mut w, &format!("{words}…"));
        assert_eq!(asked, [Action::AskWhereToSave(saving)]);
        w.get_by_label(words);
        let out = folder.path().join(name);
        assert_eq!(
            click(&mut w, "Save"),
            [Action::Save(saving, out.clone()), Action::ShowOverlay(None)]
        );
        let said = format!("Saved: {}", out.display());
        assert_eq!(w.state().session.notice, Some(said));
        assert!(w.state().session.notice_is_good);
        let text = std::fs::read_to_string(out).unwrap();
        assert_eq!(text.matches("call-2@example.com").count(), 3);
    }
    click(&mut w, "File");
    assert_eq!(
        click(&mut w, "Open in Wireshark"),
        [Action::OpenInWireshark]
    );
    w.get_by_label_contains("Wireshark was not opened: there is no program");
    assert!(!w.state().session.notice_is_good);
}

#[test]
fn what_was_chosen_is_remembered_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, kept) = (two_calls(folder.path()), folder.path().join("prefs.json"));
    let start = |prefs: Prefs| {
        let (path, kept) = (path.clone(), kept.clone());
        let size = [1366.0, 768.0];
        let mut w = Window::builder().with_size(size).build_eframe(|cc| {
            let mut app = SipscopeApp::new(&cc.egui_ctx, prefs, Some(kept));
            app.apply(Action::OpenFiles(vec![path]));
            app
        });
        settle(&mut w);
        w
    };
    let mut w = start(Prefs::default());
    click(&mut w, "Hide explanation");
    click(&mut w, "Columns");
    w.get_by_role_and_label(Role::CheckBox, "PDD").click();
    w.run_steps(3);
    press(&mut w, Modifiers::NONE, Key::Escape);
    click(&mut w, "View");
    click(&mut w, "Light theme");
    click(&mut w, "Hex");
    press(&mut w, Modifiers::CTRL, Key::Plus);
    let chosen = w.state().session.prefs.clone();
    // It is written by a thread that nobody waits for.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while Prefs::load(&kept).0 != chosen {
        assert!(std::time::Instant::now() < until, "it is not written");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(w);
    let w = start(Prefs::load(&kept).0);
    assert!(w.query_by_label("Head of explanation").is_none());
    assert!(w.query_by_label("Sort by PDD").is_none());
    w.get_by_label("Sort by Talk");
    w.get_by_label("Bytes of the message");
    assert!(w.ctx.theme() == egui::Theme::Light);
    assert!((w.ctx.zoom_factor() - 1.1).abs() < 0.001);
}

#[test]
fn wireshark_gets_the_packets_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    let jobs = &mut w.state_mut().session.jobs;
    jobs.command_line = Some(sipscope::cli::carry_out);
    jobs.wireshark = folder.path().join("no-such-program").into();
    click(&mut w, BUSY);
    w.state_mut().apply(Action::OpenInWireshark);
    settle(&mut w);
    w.get_by_label_contains("Wireshark was not opened: there is no program");
}

#[test]
#[cfg(target_os = "linux")]
fn the_picker_lists_interfaces_and_begins_when_one_is_chosen() {
    use sipscope::gui::capturing::CaptureAction;
    let mut w = window(Vec::new());
    w.state_mut().session.capturing.allow_root = true;
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Pick(true)));
    // A worker looks for the interfaces.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while w.query_by_label("lo").is_none() {
        w.run_steps(2);
        assert!(std::time::Instant::now() < until, "no interface is listed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(
        w.get_by_label("Start capture")
            .accesskit_node()
            .is_disabled()
    );
    w.get_by_label("lo").click();
    w.run_steps(3);
    w.get_by_label_contains("ip[6:2] & 0x1fff != 0");
    // Not clicked: it would capture.
    assert!(
        !w.get_by_label("Start capture")
            .accesskit_node()
            .is_disabled()
    );
}

#[test]
fn menus_and_the_picker_fit_with_large_text() {
    use sipscope::gui::capturing::CaptureAction;
    let folder = tempfile::tempdir().unwrap();
    // 1366 x 768 with text of 200 %.
    let mut w = window_of([683.0, 384.0], vec![two_calls(folder.path())]);
    click(&mut w, "View");
    let last = || "Usual text size";
    // It is there, below the edge: a menu is scrolled.
    assert!(w.get_by_label(last()).rect().bottom() > 384.0);
    let over = w.get_by_label("Show ladder").rect().center();
    w.hover_at(over);
    w.run_steps(2);
    for _ in 0..40 {
        w.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: egui::vec2(0.0, -3.0),
            modifiers: Modifiers::NONE,
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
        });
        w.run_steps(2);
    }
    assert!(w.get_by_label(last()).rect().bottom() <= 384.0);
    assert_eq!(click(&mut w, last()), [Action::SetTextSize(100)]);
    press(&mut w, Modifiers::CTRL, Key::W);
    w.state_mut()
        .apply(Action::Capture(CaptureAction::Pick(true)));
    w.run_steps(5);
    for label in [
        "Interfaces of this machine",
        "or with less free than",
        "Folder:",
    ] {
        let place = w.get_by_label(label).rect();
        assert!(
            place.left() > 20.0 && place.right() < 663.0,
            "{label}: {place:?}"
        );
    }
}

#[test]
fn what_has_the_same_name_is_told_apart_by_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["monday", "tuesday"]
        .map(|day| {
            std::fs::create_dir(folder.path().join(day)).unwrap();
            two_calls(&folder.path().join(day))
        })
        .into();
    let mut w = window(paths.clone());
    press(&mut w, Modifiers::CTRL, Key::W);
    let opened = click(&mut w, "tuesday/call.pcap");
    assert_eq!(opened, [Action::OpenFiles(vec![paths[1].clone()])]);
}

#[test]
fn tls_without_sip_offers_to_choose_a_key_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.pcap");
    std::fs::copy("testdata/tls/tls13-aes128-gcm.pcap", &path).unwrap();
    let w = window(vec![path]);
    w.get_by_label("Choose a key log…");
    let facts = w.state().session.facts();
    let command = sipscope::gui::command::by_id("key log").unwrap();
    assert_eq!((command.when)(&facts), Ok(()));
    assert_eq!((command.action)(&facts), Action::AskForKeyLog);
}

#[test]
fn a_key_log_is_named_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.pcap");
    std::fs::copy("testdata/tls/tls13-aes128-gcm.pcap", &path).unwrap();
    let keys = folder.path().join("of the server.txt");
    std::fs::copy("testdata/tls/tls13-aes128-gcm.keylog.txt", &keys).unwrap();
    let mut w = window(vec![path]);
    assert_eq!(w.state().session.view.messages().len(), 0);
    click(&mut w, "Choose a key log…");
    let field = || "Path:";
    w.get_by_role_and_label(Role::TextInput, field())
        .type_text("/no/such/file");
    w.run_steps(2);
    assert_eq!(click(&mut w, "Decrypt"), []);
    w.get_by_label("There is no such file");
    click(&mut w, "Cancel");
    click(&mut w, "Choose a key log…");
    let text = keys.display().to_string();
    w.get_by_role_and_label(Role::TextInput, field())
        .type_text(&text);
    w.run_steps(2);
    let actions = click(&mut w, "Decrypt");
    assert_eq!(
        actions,
        [Action::UseKeyLogs(vec![keys]), Action::ShowOverlay(None)]
    );
    assert!(!w.state().session.view.messages().is_empty());
}

#[test]
fn saving_is_cancelled_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut w = window(vec![two_calls(folder.path())]);
    w.state_mut().session.jobs.command_line = Some(|args, watch| {
        let at = args.iter().position(|arg| arg == "-o").unwrap();
        std::fs::write(&args[at + 1], "half of it").unwrap();
        watch.set(1, 4);
        while !watch.is_stopped() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Err("cancelled".to_owned())
    });
    let out = folder.path().join("all.csv");
    std::fs::write(&out, "what was there").unwrap();
    w.state_mut().apply(Action::Save(Saving::Csv, out.clone()));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while w.state().session.jobs.share() != Some(0.25) {
        assert!(std::time::Instant::now() < until, "it does not begin");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    w.run_steps(2);
    w.get_by_label("Saving…");
    assert_eq!(click(&mut w, "Cancel saving"), [Action::CancelSave]);
    w.get_by_label("Not saved: cancelled");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "what was there");
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 2, "the capture and what was there");
}

#[test]
fn the_command_line_stops_when_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let capture = two_calls(folder.path());
    let watch = sipscope::export::watch::Watch::default();
    watch.stop();
    let out = folder.path().join("a.pcapng");
    let args = |out: &std::path::Path| {
        [
            "export".into(),
            "--quiet".into(),
            "-o".into(),
            out.into(),
            capture.clone().into(),
        ]
        .to_vec()
    };
    assert_eq!(
        sipscope::cli::carry_out(args(&out), &watch),
        Err("cancelled".to_owned())
    );
    assert!(!out.exists());
    let watch = sipscope::export::watch::Watch::default();
    assert_eq!(sipscope::cli::carry_out(args(&out), &watch), Ok(()));
    assert!(out.exists());
    assert!(watch.share().is_some_and(|share| share >= 0.5));
}

fn of_project(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn a_bar_says_how_a_log_was_read() {
    let mut w = window(vec![of_project("testdata/traces/freeswitch.txt")]);
    let line = "FreeSWITCH siptrace; addresses of 2 messages inferred; no date in the log";
    w.get_by_label(line);
    click(&mut w, "Details");
    w.get_by_label("Format");
    w.get_by_label("freeswitch.txt: FreeSWITCH siptrace");
    w.get_by_label("Inferred addresses");
    press(&mut w, Modifiers::NONE, Key::Escape);
    // It can be put away and had back.
    assert_eq!(click(&mut w, "Hide"), [Action::ShowReading(false)]);
    assert_eq!(w.query_all_by_label(line).count(), 0);
    w.state_mut().apply(Action::ShowReading(true));
    settle(&mut w);
    w.get_by_label(line);
    // No date that the log does not have.
    assert_eq!(w.query_all_by_label_contains("1970").count(), 0);
    w.get_by_label("Sort by Start (no date in the log)");
}

#[test]
fn repairs_and_losses_are_named_in_the_bar() {
    let w = window(vec![of_project("testdata/traces/plain-marks.txt")]);
    w.get_by_label_contains(
        "repaired or passed over: messages with line numbers ×1, messages with written line ends ×1",
    );
    // What is in every network is no news.
    let folder = tempfile::tempdir().unwrap();
    let w = window(vec![two_calls(folder.path())]);
    assert_eq!(w.query_all_by_label("Details").count(), 0);
}

#[test]
fn without_keys_the_bar_offers_to_choose_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alone.pcap");
    std::fs::copy(of_project("testdata/tls/tls13-aes128-gcm.pcap"), &path).unwrap();
    let mut w = window(vec![path]);
    w.get_by_label_contains("No key log, 0 of 1 TLS connection decrypted");
    assert_eq!(click(&mut w, "Choose key log…"), [Action::AskForKeyLog]);
    // With them it says how far they went.
    let w = window(vec![of_project("testdata/tls/tls13-aes128-gcm.pcap")]);
    w.get_by_label_contains("1 of 1 TLS connection decrypted");
}

#[test]
fn a_text_is_recognised_while_it_is_pasted() {
    let mut w = window(Vec::new());
    click(&mut w, "Paste a trace…");
    w.get_by_label("SIP messages, a log, a hex dump, or a page that shows them");
    assert!(w.get_by_label("Open text").accesskit_node().is_disabled());
    w.get_by_label("Messages as text, or a trace:").focus();
    settle(&mut w);
    w.event(egui::Event::Paste("nothing at all".to_owned()));
    settle(&mut w);
    w.get_by_label("No SIP message was found in it");
    assert!(w.get_by_label("Open text").accesskit_node().is_disabled());
    let text = std::fs::read_to_string(of_project("testdata/traces/asterisk-pjsip.txt")).unwrap();
    w.event(egui::Event::Paste(format!("\n{text}")));
    settle(&mut w);
    w.get_by_label("2 messages found: Asterisk PJSIP logger");
    w.get_by_label("#1 INVITE, Call-ID trace-pjsip@192.0.2.10");
    click(&mut w, "Open text");
    let view = std::sync::Arc::clone(&w.state().session.view);
    let told = view.told(sipscope::index::ids::MessageId::at(0)).unwrap();
    assert_eq!(told.origin.name(), "pasted");
    // Its file is private and goes with it.
    let path = w.state().session.paths()[0].clone();
    assert!(path.exists());
    w.state_mut().apply(Action::Reload);
    settle(&mut w);
    assert_eq!(w.state().session.view.messages().len(), 2);
    press(&mut w, Modifiers::CTRL, Key::W);
    assert!(!path.exists());
}

#[test]
fn a_pasted_text_leaves_its_button_in_sight() {
    let text = std::fs::read_to_string(of_project("testdata/traces/asterisk-pjsip.txt")).unwrap();
    // The first is 1366 x 768 with text of 200 %.
    for (size, rows) in [([683.0, 384.0], 2.0), ([1366.0, 768.0], 10.0)] {
        let mut w = window_of(size, Vec::new());
        w.state_mut()
            .apply(Action::ShowOverlay(Some(Overlay::Paste)));
        settle(&mut w);
        w.get_by_label("Messages as text, or a trace:").focus();
        settle(&mut w);
        w.event(egui::Event::Paste(text.clone()));
        settle(&mut w);
        let first = w.get_by_label("#1 INVITE, Call-ID trace-pjsip@192.0.2.10");
        let open = w.get_by_label("Open text").rect();
        assert!(first.rect().bottom() < open.top(), "the preview is above");
        assert!(open.bottom() < size[1] - 8.0, "{open:?} of {size:?}");
        let found = "2 messages found: Asterisk PJSIP logger";
        let field =
            w.get_by_label(found).rect().top() - w.get_by_label("Close window").rect().bottom();
        assert!(field > rows * 14.0, "{field} for the text of {size:?}");
    }
}

#[test]
fn a_long_text_is_recognised_without_being_shown() {
    let mut w = window(Vec::new());
    click(&mut w, "Paste a trace…");
    let text = std::fs::read_to_string(of_project("testdata/traces/sngrep.txt")).unwrap();
    w.event(egui::Event::Paste(text.repeat(300)));
    settle(&mut w);
    w.get_by_label("600 messages found: sngrep text");
    w.get_by_label_contains("too long to be shown here");
    click(&mut w, "Clear");
    w.get_by_label("SIP messages, a log, a hex dump, or a page that shows them");
}
