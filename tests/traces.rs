//! Text traces of real systems: what comes out of each is what `expected.json` says, exactly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

mod common;

/// Opens a file by its name alone: exit code, and the messages.
fn messages(file: &Path) -> (Option<i32>, Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipscope"));
    let command = command.arg("messages").arg(file).args(["--format", "json"]);
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let rows = String::from_utf8(output.stdout).expect("UTF-8");
    let rows = rows
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), rows.collect(), errors)
}

/// Nanoseconds since 1970 of an RFC 3339 time in UTC; years before 1970 do not occur.
fn nanos(time: &str) -> i128 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<i128>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leaps = |year: i128| year / 4 - year / 100 + year / 400;
    let leap = leaps(year) != leaps(year - 1);
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month as usize - 1];
    let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969) + before + day - 1
        + i128::from(leap && month > 2);
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    seconds * 1_000_000_000 + number(20..29)
}

/// Compares one message with what is expected of it.
fn compare(
    entry: &Value,
    found: &Value,
    expected: &Value,
    start: &mut Option<i128>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, found: Value, wanted: Value| {
        if found != wanted {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    let start_line = if found["kind"] == "request" {
        format!("{} {} SIP/2.0", text("method"), text("request_uri"))
    } else {
        format!("SIP/2.0 {} {}", found["status"], text("reason"))
    };
    check(
        "the start line",
        json!(start_line.trim_end()),
        expected["start_line"].clone(),
    );
    check(
        "Call-ID",
        found["call_id"].clone(),
        expected["call_id"].clone(),
    );
    let cseq = match found["cseq"].as_u64() {
        Some(number) => json!(format!("{number} {}", text("cseq_method"))),
        None => Value::Null,
    };
    check("CSeq", cseq, expected["cseq"].clone());
    for end in ["src", "dst"] {
        // A name is no address; nothing else may stand there.
        let named = expected[end]
            .as_str()
            .is_some_and(|e| !e.starts_with(|c: char| c.is_ascii_digit() || c == '['));
        if !(named && found[end].is_null()) {
            check(end, found[end].clone(), expected[end].clone());
        }
    }
    let transport = match &expected["transport"] {
        Value::Null => &expected["via_transport"],
        stated => stated,
    };
    check(
        "the transport",
        found["transport"].clone(),
        transport.clone(),
    );
    if !expected["time"].is_null() || entry["time_kind"] == "none" {
        check(
            "time_kind",
            found["time_kind"].clone(),
            entry["time_kind"].clone(),
        );
    }
    if entry["time_kind"] == "none" {
        check("time", found["time"].clone(), Value::Null);
    }
    if let Some(offset) = expected["offset_s"].as_str() {
        let (whole, fraction) = offset.split_once('.').unwrap_or((offset, ""));
        let offset = format!("{whole}{fraction:0<9}")
            .parse::<i128>()
            .expect("seconds");
        let time = nanos(found["time"].as_str().expect("a time"));
        let start = *start.get_or_insert(time - offset);
        check(
            "the offset in ns",
            json!((time - start) as i64),
            json!(offset as i64),
        );
    }
    check("origin", found["origin"].clone(), json!("log"));
    if let Some(line) = expected["line"].as_u64() {
        check("line", found["line"].clone(), json!(line));
    }
    wrong
}

/// Opens one file and says what is wrong.
fn walk(file: &Path, entry: &Value, wrong: &mut Vec<String>) -> usize {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let expected = entry["messages"].as_array().expect("a list");
    let (code, rows, errors) = messages(file);
    // Without a message in it, a text is no trace: said, with exit code 3.
    let wanted = if expected.is_empty() { 3 } else { 0 };
    if code != Some(wanted) || rows.len() != expected.len() {
        let (is, should) = (rows.len(), expected.len());
        wrong.push(format!(
            "{name}: exit code {code:?}, {is} messages for {should}: {errors}"
        ));
        return 0;
    }
    let mut start = None;
    for (at, (found, expected)) in rows.iter().zip(expected).enumerate() {
        for what in compare(entry, found, expected, &mut start) {
            wrong.push(format!("{name}, message {}: {what}", at + 1));
        }
    }
    rows.len()
}

#[test]
fn every_trace_gives_what_it_holds() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for folder in ["traces", "seeds"] {
        let Some(folder) = common::corpus(folder) else {
            return;
        };
        let expected = std::fs::read_to_string(folder.join("expected.json")).expect("a file");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        for entry in expected["entries"].as_array().expect("a list") {
            let file = folder.join(entry["file"].as_str().expect("a name"));
            count += walk(&file, entry, &mut wrong);
        }
        for page in expected["pages"].as_array().into_iter().flatten() {
            let file = folder
                .join("pages")
                .join(page["page"].as_str().expect("a name"));
            count += walk(&file, page, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "{count} messages");
}

/// The text traces composed for these tests, one of each format.
fn samples() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/traces");
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
    files.retain(|file| {
        let ending = file.extension().and_then(|e| e.to_str());
        matches!(ending, Some("txt" | "log" | "html"))
    });
    files.sort();
    files
}

/// What a sample gives: how it was read, and every message with its text.
fn told(file: &Path) -> String {
    use std::fmt::Write as _;
    let loaded = sipscope::ingest::load(&[file.to_owned()], &Default::default());
    let info = &loaded.files[0].info;
    let mut out = format!("{}\n", info.format.name());
    for skipped in &info.skipped {
        writeln!(out, "{} x{}: {}", skipped.what, skipped.count, skipped.why).expect("memory");
    }
    let (code, rows, errors) = messages(file);
    assert_eq!(code, Some(0), "{}: {errors}", file.display());
    assert_eq!(rows.len(), loaded.view.messages().len());
    for (index, row) in rows.iter().enumerate() {
        let facts = [
            "line",
            "time",
            "time_kind",
            "src",
            "dst",
            "transport",
            "origin",
        ];
        let facts = facts.map(|fact| format!("{fact} {}", row[fact]));
        let id = sipscope::index::ids::MessageId::at(index);
        let known = loaded.view.message(id).expect("a row");
        let octets = loaded.bytes.read_all(&loaded.view.extents(known));
        let octets = octets.expect("its octets");
        let text = String::from_utf8(octets)
            .expect("UTF-8")
            .replace('\r', "\u{240d}");
        writeln!(out, "\n== {}\n{text}", facts.join(", ")).expect("memory");
    }
    out
}

#[test]
fn every_format_has_a_sample_that_is_read_to_the_letter() {
    let files = samples();
    let mut wrong = Vec::new();
    let mut formats = std::collections::BTreeSet::new();
    for file in &files {
        let found = told(file);
        formats.insert(found.lines().next().unwrap_or_default().to_owned());
        let golden = file.with_extension(format!(
            "{}.expect",
            file.extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default()
        ));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&golden, &found).expect("it can be written");
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        if found != wanted {
            wrong.push(format!("{}:\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // All formats that have a name.
    assert_eq!(formats.len(), 24, "{formats:#?}");
}

#[test]
fn no_date_is_shown_that_a_log_does_not_state() {
    let mut untimed_rows = 0;
    for file in samples() {
        let path = file.to_str().expect("UTF-8");
        let shown = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sipscope"));
            let output = command.args(args).arg(path).stdin(Stdio::null()).output();
            String::from_utf8(output.expect("it runs").stdout).expect("UTF-8")
        };
        for args in [
            &["info"][..],
            &["messages"],
            &["calls"],
            &["dialogs"],
            &["ladder", "--all"],
            &["show", "-m", "1"],
        ] {
            let text = shown(args);
            let text = text.split_once('\n').map_or("", |(_, rest)| rest);
            assert!(!text.contains("1970"), "{args:?} {path}: {text}");
        }
        // Times of day and since a start are counted from 1970; where there are none, JSON says so.
        for (command, fields) in [
            ("messages", &["time"][..]),
            (
                "calls",
                &["start", "end", "pdd_ms", "setup_ms", "ring_ms", "talk_ms"],
            ),
            ("dialogs", &["start", "end"]),
        ] {
            let untimed = messages(&file).1.iter().all(|m| m["time_kind"] == "none");
            for row in shown(&[command, "--format", "json"]).lines() {
                let row: Value = serde_json::from_str(row).expect("JSON");
                for field in fields.iter().filter(|_| untimed) {
                    assert_eq!(row[*field], Value::Null, "{command} {field} {path}");
                    untimed_rows += 1;
                }
                if command == "messages" && row["time_kind"] == "none" {
                    assert_eq!(row["time"], Value::Null, "{path}");
                }
            }
        }
    }
    assert!(untimed_rows > 10, "{untimed_rows}");
}
