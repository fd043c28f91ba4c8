//! SIP inside TLS and WebSocket: recordings of real peers in `testdata/tls`, with tshark as witness,
//! and what is said when keys are missing or wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls")
}

fn sipscope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

fn json(args: &[&str]) -> Vec<Value> {
    let output = sipscope(args);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Frame, method or status, CSeq number.
type Row = (u64, String, u64);

fn row(message: &Value) -> Row {
    let what = match message["status"].as_u64() {
        Some(status) => status.to_string(),
        None => message["method"].as_str().unwrap().to_owned(),
    };
    (
        message["frame"].as_u64().unwrap(),
        what,
        message["cseq"].as_u64().unwrap(),
    )
}

fn messages(path: &Path, more: &[&str]) -> Vec<Row> {
    let mut args = vec![
        "messages",
        path.to_str().unwrap(),
        "--format",
        "json",
        "--quiet",
    ];
    args.extend(more);
    json(&args).iter().map(row).collect()
}

/// What tshark saw.
fn expected(case: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let rows = all[case]
        .as_array()
        .unwrap_or_else(|| panic!("{case} is not in expected.json"));
    rows.iter()
        .map(|r| {
            (
                r[0].as_u64().unwrap(),
                r[1].as_str().unwrap().to_owned(),
                r[2].as_u64().unwrap(),
            )
        })
        .collect()
}

fn info(path: &Path, more: &[&str]) -> Value {
    let mut args = vec![
        "info",
        path.to_str().unwrap(),
        "--format",
        "json",
        "--quiet",
    ];
    args.extend(more);
    json(&args).remove(0)
}

/// A copy of a capture in a folder of its own, without its key log.
fn alone(case: &str) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("trace.pcap");
    std::fs::copy(folder().join(format!("{case}.pcap")), &path).unwrap();
    (place, path)
}

fn key_log(case: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{case}.keylog.txt"))).unwrap()
}

#[test]
fn every_recording_gives_the_messages_that_tshark_sees() {
    let mut cases = 0;
    for entry in std::fs::read_dir(folder()).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "pcap") {
            continue;
        }
        let case = path.file_stem().unwrap().to_str().unwrap();
        let mut ours = messages(&path, &[]);
        if case.contains("ws") {
            // tshark does not put compressed fragments together, and misreads compressed messages
            // of the client that refer to those before them: the CSeq is 0 then.
            let all: Vec<u64> = ours.iter().map(|(_, _, n)| *n).collect();
            assert_eq!(all, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], "{case}");
            let mut theirs = expected(case);
            theirs.retain(|(_, _, number)| *number != 0);
            ours.retain(|row| theirs.contains(row));
            assert_eq!(ours, theirs, "{case}");
            assert!(theirs.len() >= 8, "{case}");
        } else {
            assert_eq!(ours, expected(case), "{case}");
        }
        cases += 1;
    }
    assert!(cases >= 28, "{cases}");
}

#[test]
fn transport_layers_and_octets_are_those_inside() {
    let path = folder().join("tls13-large.pcap");
    let list = json(&["messages", path.to_str().unwrap(), "--format", "json"]);
    assert_eq!(list[0]["transport"], "TLS");
    assert!(list[0]["layers"].as_str().unwrap().ends_with("/tcp/tls"));
    assert_eq!(list[0]["body_length"], 40_000);
    // All packets of the message are named.
    assert!(
        list[0]["frames"].as_array().unwrap().len() > 1,
        "{}",
        list[0]["frames"]
    );
    let shown = sipscope(&["show", path.to_str().unwrap(), "-m", "1"]).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("call-1"));
    let path = folder().join("ws-deflate-no-takeover.pcap");
    let list = json(&["messages", path.to_str().unwrap(), "--format", "json"]);
    assert!(list.iter().all(|m| m["transport"] == "WS"));
    assert!(
        list[0]["layers"]
            .as_str()
            .unwrap()
            .ends_with("/tcp/websocket")
    );
}

#[test]
fn a_key_log_in_another_folder_is_given_by_name() {
    let (_place, path) = alone("tls13-aes128-gcm");
    assert_eq!(messages(&path, &[]), []);
    let told = info(&path, &[]);
    assert_eq!(told["tls"][0]["state"], "encrypted");
    assert_eq!(told["tls"][0]["probably_sip"], true);
    assert_eq!(told["tls"][0]["sni"], "sip.example.com");
    let log = folder().join("tls13-aes128-gcm.keylog.txt");
    let log = log.to_str().unwrap();
    assert_eq!(
        messages(&path, &["--keylog", log]),
        expected("tls13-aes128-gcm")
    );
    assert_eq!(
        info(&path, &["--keylog", log])["key_logs"][0]["origin"],
        "given"
    );
}

#[test]
fn the_wrong_key_log_is_named_as_such() {
    let (place, path) = alone("tls13-aes128-gcm");
    let other = folder().join("tls12-chacha20.keylog.txt");
    let told = info(&path, &["--keylog", other.to_str().unwrap()]);
    assert_eq!(told["sip_messages"], 0);
    assert_eq!(told["secrets"], 1);
    let why = told["tls"][0]["why"].as_str().unwrap();
    assert!(
        why.starts_with("no key log holds the secrets of this connection"),
        "{why}"
    );
    // The right randoms with the wrong secrets.
    for case in [
        "tls13-aes128-gcm",
        "tls12-chacha20",
        "tls12-cbc-sha1",
        "tls12-null",
    ] {
        let (_place, path) = alone(case);
        let wrong: String = key_log(case)
            .lines()
            .map(|line| {
                let (head, secret) = line.rsplit_once(' ').unwrap();
                format!("{head} {}\n", "5a".repeat(secret.len() / 2))
            })
            .collect();
        let log = place.path().join("wrong");
        std::fs::write(&log, wrong).unwrap();
        let told = info(&path, &["--keylog", log.to_str().unwrap()]);
        assert_eq!(told["sip_messages"], 0, "{case}");
        let why = told["tls"][0]["why"].as_str().unwrap();
        assert!(why.contains("do not open its records"), "{case}: {why}");
    }
    // No key log at all, and none that can be read.
    let picture = place.path().join("picture");
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\n").unwrap();
    for (log, word) in [
        (picture.to_str().unwrap(), "no TLS secrets"),
        ("/nowhere/at.all", "No such file"),
    ] {
        let output = sipscope(&["messages", path.to_str().unwrap(), "--keylog", log]);
        assert_eq!(output.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&output.stderr).contains(word));
    }
}

#[test]
fn lines_missing_in_the_key_log_cost_only_what_they_must() {
    let case = "tls13-aes256-gcm";
    let (place, path) = alone(case);
    let log = place.path().join("log");
    let with = |keep: &dyn Fn(&str) -> bool| {
        let text = key_log(case);
        let kept: Vec<&str> = text.lines().filter(|line| keep(line)).collect();
        std::fs::write(&log, kept.join("\n")).unwrap();
        let args = ["--keylog", log.to_str().unwrap()];
        (messages(&path, &args), info(&path, &args)["tls"][0].clone())
    };
    // Without the secrets of the handshake its records are passed over.
    let (rows, _) = with(&|line| !line.contains("HANDSHAKE"));
    assert_eq!(rows, expected(case));
    // Without those of one direction the other one is still read.
    let (rows, tls) = with(&|line| !line.starts_with("SERVER_TRAFFIC"));
    let requests: Vec<Row> = expected(case)
        .into_iter()
        .filter(|r| r.1 == "OPTIONS")
        .collect();
    assert_eq!(rows, requests);
    assert_eq!(tls["state"], "partly_decrypted");
    assert!(
        tls["why"]
            .as_str()
            .unwrap()
            .contains("no SERVER_TRAFFIC_SECRET_0")
    );
}

#[test]
fn a_resumed_session_needs_no_line_of_its_own() {
    for case in ["tls12-resumed-ticket", "tls12-resumed-id"] {
        let (place, path) = alone(case);
        let told = info(&folder().join(format!("{case}.pcap")), &[]);
        assert_eq!(told["tls"][0]["resumed"], false, "{case}");
        assert_eq!(told["tls"][1]["resumed"], true, "{case}");
        let random = |line: &str| line.split(' ').nth(1).map(ToOwned::to_owned);
        // Which of the lines belongs to the first connection shows by trying both.
        let text = key_log(case);
        let mut most = 0;
        for line in text.lines().filter(|line| random(line).is_some()) {
            let log = place.path().join("log");
            std::fs::write(&log, line).unwrap();
            let rows = messages(&path, &["--keylog", log.to_str().unwrap()]);
            most = most.max(rows.len());
        }
        assert_eq!(most, 8, "{case}");
    }
}

#[test]
fn the_servers_rsa_key_is_enough_for_rsa_key_exchange() {
    let key = folder().join("server-rsa.key.pem");
    let key = key.to_str().unwrap();
    for case in ["tls12-rsa-key", "tls12-rsa-key-plain"] {
        let (_place, path) = alone(case);
        assert_eq!(
            messages(&path, &["--rsa-key", key]),
            expected(case),
            "{case}"
        );
        assert_eq!(
            messages(&path, &["--keylog", key]),
            expected(case),
            "{case}"
        );
    }
    // It opens nothing where keys are agreed on by Diffie-Hellman.
    let (_place, path) = alone("tls12-aes128-gcm");
    let told = info(&path, &["--rsa-key", key]);
    assert_eq!(told["sip_messages"], 0);
    assert_eq!(told["tls"][0]["state"], "encrypted");
}

#[test]
fn what_the_handshake_says_is_told_without_keys() {
    let told = info(&folder().join("tls12-refused.pcap"), &[]);
    let tls = &told["tls"][0];
    assert_eq!(tls["state"], "failed");
    assert_eq!(tls["alerts"][0]["name"], "unknown_ca");
    assert_eq!(tls["alerts"][0]["from"], "client");
    let own = &tls["certificates"][0];
    assert!(
        own["subject"]
            .as_str()
            .unwrap()
            .contains("CN=sip.example.com")
    );
    assert_eq!(
        own["names"],
        serde_json::json!(["sip.example.com", "127.0.0.1", "sip:example.com"])
    );
    assert_eq!(tls["cipher_suite"], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    let told = info(&folder().join("tls13-hello-retry.pcap"), &[]);
    assert_eq!(told["tls"][0]["hello_retry"], true);
    let told = info(&folder().join("tls13-key-update.pcap"), &[]);
    assert!(told["tls"][0]["key_updates"].as_u64().unwrap() >= 2);
}

#[test]
fn any_cut_of_a_capture_is_read_to_where_it_ends() {
    for case in ["tls13-resumed", "tls12-cbc-sha1", "ws-deflate-no-takeover"] {
        let (_place, path) = alone(case);
        let log = folder().join(format!("{case}.keylog.txt"));
        let octets = std::fs::read(&path).unwrap();
        let mut last = 0;
        for cut in (0..16).map(|n| 24 + (octets.len() - 24) * n / 15) {
            std::fs::write(&path, octets.get(..cut).unwrap()).unwrap();
            let mut args = vec![
                "messages",
                path.to_str().unwrap(),
                "--format",
                "json",
                "--quiet",
            ];
            if log.exists() {
                args.extend(["--keylog", log.to_str().unwrap()]);
            }
            let output = sipscope(&args);
            assert_eq!(output.status.code(), Some(0), "{case} {cut}");
            let found = String::from_utf8_lossy(&output.stdout).lines().count();
            assert!(found >= last, "{case} {cut}");
            last = found;
        }
        assert!(last >= 4, "{case}");
    }
}

/// A capture without some of its packets.
fn without(bytes: &[u8], lost: &dyn Fn(u64) -> bool) -> Vec<u8> {
    let mut out = bytes[..24].to_vec();
    let (mut at, mut number) = (24, 0);
    while let Some(head) = bytes.get(at..at + 16) {
        let len = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
        number += 1;
        if !lost(number) {
            out.extend_from_slice(&bytes[at..at + 16 + len]);
        }
        at += 16 + len;
    }
    out
}

#[test]
fn holes_in_a_connection_cost_no_other_message() {
    let mut tried = 0;
    for case in [
        "many-tls12",
        "many-tls12-cbc",
        "many-tls13",
        "many-tls13-update",
    ] {
        let (_folder, path) = alone(case);
        let keys = folder().join(format!("{case}.keylog.txt"));
        let keys = ["--keylog", keys.to_str().unwrap()];
        let whole = std::fs::read(&path).unwrap();
        let all = expected(case);
        let (first, last) = (all[2].0, all[all.len() - 2].0);
        for from in first..last {
            // Packets that the capture has not, of both directions, in a row or every third.
            for (many, step) in [(1, 1), (2, 1), (5, 1), (3, 3)] {
                let is_lost = |frame: u64| {
                    frame >= from
                        && frame < from + many * step
                        && (frame - from).is_multiple_of(step)
                };
                std::fs::write(&path, without(&whole, &is_lost)).unwrap();
                let found = messages(&path, &keys);
                // Those behind a hole are filed once it is certain that nothing fills it.
                let mut found: Vec<(String, u64)> =
                    found.into_iter().map(|(_, what, n)| (what, n)).collect();
                let left = all.iter().filter(|row| !is_lost(row.0));
                let mut wanted: Vec<(String, u64)> =
                    left.map(|(_, what, n)| (what.clone(), *n)).collect();
                found.sort();
                wanted.sort();
                assert_eq!(
                    found, wanted,
                    "{case} without {many} from {from}, step {step}"
                );
                tried += 1;
                // What is missing is said.
                if many == 1 && wanted.len() < all.len() {
                    let info = info(&path, &keys);
                    let tls = &info["tls"][0];
                    assert_eq!(tls["state"], "decrypted", "{case} {from}: {tls}");
                    assert!(tls["holes"].as_u64() > Some(0), "{case} {from}: {tls}");
                }
            }
        }
    }
    assert!(tried > 200, "{tried}");
}
