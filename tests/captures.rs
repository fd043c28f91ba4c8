//! Recordings of real software: what tshark and the scenario say must come out, and the texts of our
//! own program word for word. `UPDATE_EXPECT=1` rewrites the texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("testdata/captures")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() >= 30, "only {} cases were found", cases.len());
    cases
}

fn capture(case: &Path) -> PathBuf {
    ["capture.pcap", "capture.pcapng"]
        .iter()
        .map(|name| case.join(name))
        .find(|path| path.exists())
        .expect("a capture")
}

fn sipscope(args: &[&str], file: &Path) -> String {
    let (command, rest) = args.split_first().expect("a command");
    let output = Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .arg(command)
        .arg(file)
        .args(rest)
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command} {}: {errors}",
        file.display()
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(command: &str, file: &Path) -> Vec<Value> {
    sipscope(&[command, "--format", "json"], file)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Frames of the messages for which `field` is set.
fn frames(messages: &[Value], field: &str) -> Vec<u64> {
    messages
        .iter()
        .filter(|m| !m[field].is_null())
        .filter_map(|m| m["frame"].as_u64())
        .collect()
}

fn numbers(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .map(|a| a.iter().filter_map(Value::as_u64).collect())
        .unwrap_or_default()
}

fn compare(case: &Path, wrong: &mut Vec<String>) {
    let name = case
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let truth = std::fs::read_to_string(case.join("truth.json")).expect("truth.json");
    let truth: Value = serde_json::from_str(&truth).expect("JSON");
    let file = capture(case);
    let messages = json("messages", &file);
    let ours: Vec<Value> = messages
        .iter()
        .map(|m| {
            let start = if m["kind"] == "request" {
                &m["method"]
            } else {
                &m["status"]
            };
            Value::from(vec![
                m["frame"].clone(),
                start.clone(),
                m["call_id"].clone(),
                m["cseq"].clone(),
                m["cseq_method"].clone(),
            ])
        })
        .collect();
    let mut check = |what: &str, ours: &Value, theirs: &Value| {
        if ours != theirs {
            wrong.push(format!(
                "{name}: {what}: we say {ours}, the recording is {theirs}"
            ));
        }
    };
    check("messages", &Value::from(ours), &truth["list"]);
    for (field, key) in [
        ("retransmission_of", "retransmission_frames"),
        ("copy_of", "copy_frames"),
        ("seen_as", "seen_as_frames"),
    ] {
        let mut theirs = numbers(&truth[key]);
        theirs.sort_unstable();
        check(
            key,
            &Value::from(frames(&messages, field)),
            &Value::from(theirs),
        );
    }
    let dialogs = json("dialogs", &file);
    check("dialogs", &Value::from(dialogs.len()), &truth["dialogs"]);
    // The id of a call by its Call-ID: through the messages.
    let mut by_call_id: BTreeMap<String, u64> = BTreeMap::new();
    for m in &messages {
        let (Some(id), Some(call)) = (m["call_id"].as_str(), m["call"].as_u64()) else {
            continue;
        };
        by_call_id.entry(id.to_owned()).or_insert(call);
    }
    let calls = json("calls", &file);
    for expected in truth["calls"].as_array().expect("calls") {
        let id = expected["call_id"].as_str().expect("a Call-ID");
        let call = by_call_id
            .get(id)
            .and_then(|n| calls.iter().find(|c| c["call"] == *n));
        let Some(call) = call else {
            wrong.push(format!("{name}: no call with Call-ID {id}"));
            continue;
        };
        for field in ["kind", "state", "ended_by", "status"] {
            if let Some(value) = expected.get(field)
                && call[field] != *value
            {
                wrong.push(format!(
                    "{name}: {id}: {field}: we say {}, the recording is {value}",
                    call[field]
                ));
            }
        }
    }
}

#[test]
fn what_the_recordings_show_is_what_we_say() {
    let mut wrong = Vec::new();
    for case in cases() {
        compare(&case, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_texts_are_as_they_were() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let file = capture(&case);
        for (name, args) in [
            ("messages.txt", &["messages", "--color", "never"][..]),
            ("dialogs.txt", &["dialogs", "--color", "never"]),
            ("calls.txt", &["calls", "--color", "never"]),
            ("ladder.txt", &["ladder", "--all"]),
        ] {
            let text = sipscope(args, &file);
            let path = case.join(name);
            if update {
                std::fs::write(&path, &text).expect("written");
            } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
                wrong.push(path.display().to_string());
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not as expected (UPDATE_EXPECT=1 rewrites):\n{}",
        wrong.join("\n")
    );
}
