//! Opening, saving and empty states as a person sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panel_kit;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use panel_kit::*;
use sipscope::gui::action::{Action, Saving};

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
