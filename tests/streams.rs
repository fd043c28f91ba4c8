//! RTP streams against what tshark counts, on every capture of the shared corpus that we read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Sender, receiver, SSRC, packets.
type Stream = (String, String, u64, u64);

/// Captures whose RTP lies in tunnels, of which tshark counts other things.
const LATER: &[&str] = &["gtp-iphone.pcap"];

/// Where tshark is wrong: file, what we say, what it says, and why.
const DIFFERENT: &[(&str, u64, u64, &str)] = &[(
    "ndpi-FAX-Call-t38.pcap",
    159,
    132,
    "after the re-INVITE to T.38 it takes 27 more G.711 packets of 172 octets for T.38",
)];

fn streams_of_tshark(file: &Value) -> BTreeSet<Stream> {
    let list = file["rtp_streams"].as_array().expect("a list");
    list.iter()
        .map(|s| {
            let ssrc = s[4].as_str().expect("SSRC").trim_start_matches("0x");
            (
                format!("{}:{}", s[0].as_str().expect("src"), s[1]),
                format!("{}:{}", s[2].as_str().expect("dst"), s[3]),
                u64::from_str_radix(ssrc, 16).expect("hex"),
                s[6].as_u64().expect("packets"),
            )
        })
        .collect()
}

fn our_streams(path: &std::path::Path) -> BTreeSet<Stream> {
    let output = Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .args(["streams", "--format", "json"])
        .arg(path)
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|s| s["packets"].as_u64() > Some(0))
        .map(|s| {
            let ssrc = s["ssrc"].as_str().map_or_else(
                || s["ssrc"].as_u64().expect("SSRC"),
                |hex| u64::from_str_radix(hex.trim_start_matches("0x"), 16).expect("hex"),
            );
            (
                s["src"].as_str().expect("src").to_owned(),
                s["dst"].as_str().expect("dst").to_owned(),
                ssrc,
                s["packets"].as_u64().expect("packets"),
            )
        })
        .collect()
}

#[test]
fn every_stream_that_tshark_counts_is_counted_the_same() {
    let Some(truth) = common::corpus("captures/truth.json") else {
        return;
    };
    let truth = std::fs::read_to_string(truth).expect("truth.json");
    let truth: Value = serde_json::from_str(&truth).expect("JSON");
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (name, file) in truth["files"].as_object().expect("files") {
        let theirs = streams_of_tshark(file);
        if LATER.contains(&name.as_str()) || theirs.is_empty() {
            continue;
        }
        let Some(path) = common::corpus(&format!("captures/{name}")) else {
            continue;
        };
        let ours = our_streams(&path);
        for stream in theirs.difference(&ours) {
            let explained = DIFFERENT.iter().any(|(file, we, they, _)| {
                let ours_instead = (stream.0.clone(), stream.1.clone(), stream.2, *we);
                file == name && stream.3 == *they && ours.contains(&ours_instead)
            });
            if !explained {
                wrong.push(format!("{name}: {stream:?}"));
            }
        }
        compared += theirs.len();
    }
    assert!(compared > 20, "only {compared} streams were compared");
    assert!(wrong.is_empty(), "not found:\n{}", wrong.join("\n"));
}

/// Silence is a finding only where something was to be sent: this caller offers `recvonly`.
#[test]
fn nothing_is_awaited_where_the_description_says_that_nothing_is_sent() {
    use sipscope::present::ladder::media::awaited;
    let Some(path) = common::corpus("captures/sip-rtp-g711.pcap") else {
        return;
    };
    let view = sipscope::ingest::load(&[path], &Default::default()).view;
    let silent: Vec<_> = view
        .streams()
        .into_iter()
        .filter(|stream| stream.packets() == 0)
        .collect();
    assert!(!silent.is_empty());
    for stream in &silent {
        assert!(stream.forward && !awaited(&view, stream), "{stream:?}");
    }
    let heard = view.streams();
    let heard: Vec<_> = heard.iter().filter(|s| s.packets() > 0).collect();
    assert!(heard.len() >= 2 && heard.iter().all(|stream| awaited(&view, stream)));
}
