//! SIP in every kind of encapsulation, made by other programs: what was put in must come out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/encapsulations")
}

fn sipscope(args: &[&str], file: &Path) -> Vec<Value> {
    let (command, rest) = args.split_first().expect("a command");
    let output = Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .args([command, file.to_str().expect("UTF-8"), "--format", "json"])
        .args(rest)
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", file.display());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn messages(name: &str) -> Vec<Value> {
    sipscope(&["messages"], &folder().join(name))
}

#[test]
fn every_encapsulation_gives_the_messages_that_were_put_in() {
    check("truth.json", 50);
}

#[test]
fn every_tunnel_of_linux_gives_the_messages_that_went_through_it() {
    check("truth-kernel.json", 30);
    for (name, layers) in [
        ("gretap-key-seq", "eth/ipv4/gre/eth/ipv4/udp"),
        ("ip6erspan2", "eth/ipv6/gre/erspan/eth/ipv4/udp"),
        ("qinq", "eth/vlan/vlan/ipv4/udp"),
        ("mpls", "eth/mpls/mpls/ipv4/udp"),
        ("mpls-gre", "eth/ipv4/gre/mpls/ipv4/udp"),
        ("l2tp3-udp-bare", "eth/ipv4/udp/l2tp/eth/ipv4/udp"),
        ("pppoe", "eth/pppoe/ppp/ipv4/udp"),
        ("esp-null-tunnel", "eth/ipv4/esp/ipv4/udp"),
        ("geneve6", "eth/ipv6/udp/geneve/eth/ipv6/udp"),
        ("sit", "eth/ipv4/ipv6/udp"),
    ] {
        let name = format!("kernel-{name}.pcap");
        assert_eq!(messages(&name)[0]["layers"], layers, "{name}");
    }
}

/// What comes out of each file is what the truth says, letter by letter.
fn check(truth: &str, least: usize) {
    let truth = std::fs::read_to_string(folder().join(truth)).expect("the truth");
    let truth: Value = serde_json::from_str(&truth).expect("JSON");
    let mut wrong = Vec::new();
    let files = truth.as_object().expect("an object");
    for (name, expected) in files {
        let facts = |m: &Value| {
            let what = match m["status"].as_u64() {
                Some(status) => Value::from(status.to_string()),
                None => m["method"].clone(),
            };
            let rest = ["call_id", "cseq", "src", "dst", "transport"].map(|field| m[field].clone());
            Value::from_iter([m["frame"].clone(), what].into_iter().chain(rest))
        };
        let ours: Vec<Value> = messages(name).iter().map(facts).collect();
        if Value::from(ours.clone()) != expected["messages"] {
            let ours = Value::from(ours);
            wrong.push(format!("{name}: {ours}\n  not {}", expected["messages"]));
        }
    }
    assert!(files.len() > least, "{}", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_linux_and_kamailio_encapsulate_comes_out() {
    let facts = |name: &str| -> Vec<String> {
        let line = |m: &Value| {
            let what = m["status"]
                .as_u64()
                .map_or(m["method"].clone(), Value::from);
            format!("{} {what} {} {}", m["frame"], m["cseq"], m["src"]).replace('"', "")
        };
        messages(name).iter().map(line).collect()
    };
    for version in 1..=3 {
        let name = format!("hep-kamailio-{version}.pcap");
        let expected = [
            "1 OPTIONS 1 192.0.2.1:5060",
            "2 200 1 192.0.2.2:5060",
            "3 MESSAGE 2 192.0.2.1:5060",
            "4 200 2 192.0.2.2:5060",
            "5 OPTIONS 3 192.0.2.1:5060",
            "6 200 3 192.0.2.2:5060",
            "7 MESSAGE 4 192.0.2.1:5060",
            "8 200 4 192.0.2.2:5060",
        ];
        assert_eq!(facts(&name), expected, "{name}");
        let agent = if version == 1 {
            Value::Null
        } else {
            Value::from(7001)
        };
        for m in messages(&name) {
            assert_eq!(m["hep_agent"], agent);
            assert_eq!(m["origin"], "hep");
            assert!(m["time"].as_str().unwrap().starts_with("2026-11-21T"));
        }
    }
    let vxlan = messages("vxlan-kernel.pcap");
    assert_eq!(vxlan.len(), 3);
    assert_eq!(vxlan[1]["src"], "198.51.100.1:5060");
    assert_eq!(vxlan[1]["layers"], "eth/ipv4/udp/vxlan/eth/ipv4/udp");
    let nflog = messages("nflog.pcap");
    assert_eq!(nflog.len(), 3);
    assert_eq!(nflog[1]["layers"], "nflog/ipv4/udp");
}

#[test]
fn the_layers_of_a_message_are_named_and_placed() {
    for (name, layers) in [
        ("qinq.pcap", "eth/vlan/vlan/ipv4/udp"),
        ("llc-snap.pcap", "eth/llc/ipv4/udp"),
        ("mpls-ethernet.pcap", "eth/mpls/eth/ipv4/udp"),
        ("erspan3.pcap", "eth/ipv4/gre/erspan/eth/ipv4/udp"),
        ("sixinfour.pcap", "eth/ipv4/ipv6/udp"),
        ("gtpu-extension.pcap", "eth/ipv4/udp/gtp/ipv4/udp"),
        ("l2tp2.pcap", "eth/ipv4/udp/l2tp/ppp/ipv4/udp"),
        ("esp-null-udp4500.pcap", "eth/ipv4/udp/esp/udp"),
        ("vxlan-8472.pcap", "eth/ipv4/udp/vxlan/eth/vlan/ipv4/udp"),
        ("sctp.pcap", "eth/ipv4/sctp"),
        ("hep3-in-gre.pcap", "eth/ipv4/gre/ipv4/udp/hep"),
    ] {
        assert_eq!(messages(name)[0]["layers"], layers, "{name}");
        let shown = sipscope(&["show", "-m", "1"], &folder().join(name));
        let tree = shown[0]["layers_tree"].as_array().expect("a list");
        assert_eq!(tree.len(), layers.split('/').count(), "{name}");
        let mut end = 0;
        for node in tree {
            let offset = node["offset"].as_u64().expect("a number");
            let len = node["length"].as_u64().expect("a number");
            // Each header begins where the one before ends, or behind what was passed over.
            assert!(offset >= end && len > 0, "{name}: {node}");
            end = offset + len;
        }
    }
}

#[test]
fn the_record_of_a_decrypted_message_is_shown_where_it_lies() {
    let tls = |name: &str, message: &str| {
        let path = folder().join("../tls").join(name);
        sipscope(&["show", "-m", message, "--explain"], &path).remove(0)
    };
    let layer = |shown: &Value, at: usize| {
        let node = &shown["layers_tree"][at];
        (
            node["offset"].as_u64().unwrap(),
            node["length"].as_u64().unwrap(),
            node["value"].as_str().unwrap().to_owned(),
        )
    };
    // What tshark says of these frames: tls.record.length 254 behind 66 octets of headers.
    let shown = tls("tls13-aes128-gcm.pcap", "1");
    let (offset, len, value) = layer(&shown, 3);
    assert_eq!((offset, len), (66, 5 + 254));
    assert!(
        value.contains("254 octets") && value.contains("not in the file"),
        "{value}"
    );
    assert!(shown["layers_tree"][3]["explain"]["glance"].is_string());
    assert!(shown["layers_tree"][3]["children"][0]["explain"]["glance"].is_string());
    // WebSocket in TLS has no octets in the file, masked frames have a header in it.
    let shown = tls("wss-deflate.pcap", "5");
    assert_eq!(layer(&shown, 3).1, 5 + 37);
    let (_, len, value) = layer(&shown, 4);
    assert!(len == 0 && value.contains("not in the file"), "{value}");
    let shown = tls("ws.pcap", "1");
    let (offset, len, value) = layer(&shown, 3);
    assert_eq!((offset, len), (66, 8), "{value}");
    assert_eq!(
        shown["layers_tree"][3]["children"][4]["name"],
        "masking key"
    );
    // Every message of these recordings begins in a record that is found again.
    for entry in std::fs::read_dir(folder().join("../tls"))
        .unwrap()
        .flatten()
    {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "pcap") {
            continue;
        }
        for message in sipscope(&["messages"], &path) {
            let number = message["message"].to_string();
            let shown = sipscope(&["show", "-m", &number], &path).remove(0);
            let layers = message["layers"].as_str().unwrap().split('/').count();
            assert_eq!(
                shown["layers_tree"].as_array().unwrap().len(),
                layers,
                "{path:?} {number}"
            );
            assert!(layer(&shown, 3).1 > 0, "{path:?} {number}");
        }
    }
}

#[test]
fn hep_gives_time_and_agent() {
    let plain = sipscope(
        &["messages"],
        &folder().join("../captures/busy-486/capture.pcap"),
    );
    for name in ["hep3-plain.pcap", "hep3-gzip.pcap", "hep3-tcp.pcap"] {
        let ours = messages(name);
        assert_eq!(ours.len(), plain.len());
        for (m, p) in ours.iter().zip(&plain) {
            assert_eq!(m["origin"], "hep", "{name}");
            assert_eq!(m["time"], p["time"], "{name}");
            assert_eq!(m["hep_agent"], 2001, "{name}");
            assert_eq!(m["hep_node"], "edge-1", "{name}");
            assert_eq!(m["body_length"], p["body_length"], "{name}");
        }
    }
    assert_eq!(messages("hep2-little.pcap")[0]["hep_agent"], 101);
    assert_eq!(messages("hep2-little.pcap")[0]["time"], plain[0]["time"]);
    assert_eq!(messages("hep1.pcap")[0]["hep_agent"], Value::Null);
}

#[test]
fn every_layer_and_field_is_explained() {
    use sipscope::index::ids::MessageId;
    use sipscope::present::header_tree::Node;
    use sipscope::present::layers;
    let mut seen = std::collections::BTreeSet::new();
    let mut missing = Vec::new();
    let mut look = |name: &str, nodes: &[Node], above: &str| {
        for node in nodes {
            let place = format!("{above}{}", node.name);
            if node.topic.glance().is_empty() {
                missing.push(format!("{name}: {place}"));
            }
            for field in &node.children {
                // One of its own, not that of the layer.
                if field.topic == node.topic || field.topic.glance().is_empty() {
                    missing.push(format!("{name}: {place}/{}", field.name));
                }
            }
            seen.insert(node.name.clone());
        }
    };
    let folders = [folder(), folder().join("../tls")];
    let entries = folders.iter().map(std::fs::read_dir);
    for entry in entries
        .flat_map(|entries| entries.expect("a folder"))
        .flatten()
    {
        let path = entry.path();
        if !path
            .extension()
            .is_some_and(|e| e == "pcap" || e == "pcapng")
        {
            continue;
        }
        let loaded = sipscope::ingest::load(std::slice::from_ref(&path), &Default::default());
        let types = loaded.files[0].info.link_types();
        let types: Vec<u16> = types.into_iter().map(|(number, _)| number).collect();
        for index in 0..loaded.view.messages().len().min(3) {
            let row = loaded.view.message(MessageId::at(index)).expect("a row");
            let nodes = layers::of_message(&loaded.view, row, loaded.bytes.as_ref(), &types);
            look(&path.display().to_string(), &layers::tree(&nodes), "");
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen.len() > 20, "{seen:?}");
    assert!(
        seen.contains("TLS") && seen.contains("WebSocket"),
        "{seen:?}"
    );
}
