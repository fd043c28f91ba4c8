//! Capture on another machine: with an `ssh` and a `tcpdump` made up for the test, on this one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Notes its arguments and does here what is asked for there, as sshd would: with both ends of the
/// connection in the environment, in the shell of the user.
const SSH: &str = r#"#!/bin/sh
for a in "$@"; do printf '%s\n' "$a"; done >"$FAKE/ssh.args"
[ -z "$SSH_SAYS" ] || echo "$SSH_SAYS" >&2
[ -z "$SSH_FAILS" ] || exit 255
for last in "$@"; do :; done
SSH_CONNECTION="${CONNECTION-192.0.2.9 40022 192.0.2.1 2222}" exec sh -c "$last"
"#;

/// Writes a capture and then waits to be interrupted, as on a silent interface.
const TCPDUMP: &str = r#"#!/bin/sh
for a in "$@"; do printf '%s\n' "$a"; done >"$FAKE/tcpdump.args"
[ -z "$TCPDUMP_FAILS" ] || { echo "tcpdump: eth7: No such device exists" >&2; exit 1; }
echo "tcpdump: listening on eth7, link-type EN10MB (Ethernet), snapshot length 262144 bytes" >&2
trap 'printf "3 packets captured\n5 packets received by filter\n2 packets dropped by kernel\n" >&2
    kill $s 2>/dev/null; touch "$FAKE/ended"; exit 0' TERM
cat "$FAKE/capture.pcap"
[ -z "$TCPDUMP_LEAVES" ] || exit 0
[ -z "$TCPDUMP_BREAKS" ] || { printf 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; }
sleep 30 & s=$!
wait $s
"#;

struct Place(tempfile::TempDir);

fn capture() -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xa1b2_c3d4_u32.to_be_bytes());
    out.extend([0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0]);
    out.extend(1_u32.to_be_bytes());
    for number in 0..3_u8 {
        let sip = format!(
            "OPTIONS sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n\
             From: <sip:alice@192.0.2.1>;tag={number}\r\nTo: <sip:bob@192.0.2.2>\r\nCall-ID: call-{number}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let length = u16::try_from(sip.len()).unwrap();
        frame.extend([0x45, 0]);
        frame.extend((length + 28).to_be_bytes());
        frame.extend([0, number, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend(
            [5060_u16, 5060, length + 8, 0]
                .map(u16::to_be_bytes)
                .concat(),
        );
        frame.extend(sip.bytes());
        let octets = u32::try_from(frame.len()).unwrap();
        let words = [1_700_000_000, u32::from(number) * 1000, octets, octets];
        out.extend(words.map(u32::to_be_bytes).concat());
        out.extend(frame);
    }
    out
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("ssh", SSH), ("tcpdump", TCPDUMP)] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        std::fs::write(folder.path().join("capture.pcap"), capture()).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipscope"));
        let folder = self.0.path();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        command
            .args(args)
            .current_dir(folder)
            .env("PATH", path)
            .env("FAKE", folder)
            .env("SIPSCOPE_HOME", folder.join("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn info(file: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .args(["info", "--format", "json"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn wait_until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn its_packets_are_captured_but_for_its_own_connection() {
    let place = Place::new();
    let child = place
        .command(&[
            "capture",
            "--ssh",
            "probe@host",
            "-i",
            "eth7",
            "-o",
            "out.pcapng",
        ])
        .args(["--capture-filter", "port 5060 or 'x'"])
        .spawn()
        .unwrap();
    // Written although nothing more comes.
    wait_until(|| std::fs::metadata(place.path("out.pcapng")).is_ok_and(|m| m.len() > 1000));
    // By the shell: `kill` as a program is not on every system.
    let signal = Command::new("sh")
        .args(["-c", "kill -INT \"$0\"", &child.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let errors = words(&output);
    assert!(output.status.success(), "{errors}");
    assert!(
        errors.contains("capturing on eth7 of probe@host"),
        "{errors}"
    );
    // What tcpdump told at its end.
    assert!(
        errors.contains("3 packets captured, 2 dropped by the kernel"),
        "{errors}"
    );
    assert!(place.path("ended").exists());
    let info = info(&place.path("out.pcapng"));
    assert_eq!(
        (&info["packets"], &info["sip_messages"]),
        (&3.into(), &3.into())
    );
    assert_eq!(info["first"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(info["truncated_at"], Value::Null);
    let ssh = place.lines("ssh.args");
    let at = ssh.iter().position(|arg| arg == "--").unwrap();
    assert_eq!(ssh[at + 1], "probe@host");
    assert!(!ssh.contains(&"BatchMode=yes".to_owned()), "{ssh:?}");
    assert_eq!(
        place.lines("tcpdump.args"),
        [
            "-U",
            "-n",
            "-w",
            "-",
            "-s",
            "262144",
            "-i",
            "eth7",
            "not (tcp port 40022 and tcp port 2222) and (port 5060 or 'x')"
        ]
    );
}

#[test]
fn messages_are_printed_as_they_come_from_there() {
    let place = Place::new();
    let output = place
        .command(&[
            "messages",
            "--ssh",
            "host",
            "--allow-root",
            "--format",
            "json",
            "--limit",
            "2",
        ])
        .env("CONNECTION", "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let ids: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["call_id"].clone())
        .collect();
    assert_eq!(ids, ["call-0", "call-1"]);
    let args = place.lines("tcpdump.args");
    // Where it is not told what the connection is, its usual port is left out.
    assert_eq!(args.last().unwrap(), "not tcp port 22");
    assert!(args.contains(&"any".to_owned()));
}

#[test]
fn what_ssh_and_tcpdump_complain_of_is_shown() {
    let place = Place::new();
    let run = |name: &str, value: &str| {
        let mut command = place.command(&["capture", "--ssh", "host", "-o", "out.pcapng"]);
        if !value.is_empty() {
            command.env("SSH_SAYS", value);
        }
        command.env(name, "1").output().unwrap()
    };
    let denied = "probe@host: Permission denied (publickey).";
    let output = run("SSH_FAILS", denied);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        words(&output).contains(&format!("host: {denied}")),
        "{}",
        words(&output)
    );
    assert!(!place.path("out.pcapng").exists());
    let output = run("TCPDUMP_FAILS", "");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        words(&output).contains("eth7: No such device exists"),
        "{}",
        words(&output)
    );
    // A capture that ends by itself, as after so many packets, is no failure.
    let output = run("TCPDUMP_LEAVES", "");
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(info(&place.path("out.pcapng"))["packets"], 3);
    // What is no capture any more is told, and what came before is kept.
    let output = run("TCPDUMP_BREAKS", "");
    assert!(output.status.success(), "{}", words(&output));
    assert!(
        words(&output).contains("makes no sense"),
        "{}",
        words(&output)
    );
    assert_eq!(info(&place.path("out.pcapng"))["packets"], 3);
}

#[test]
fn a_greeting_is_no_capture_and_a_name_is_no_option() {
    let place = Place::new();
    std::fs::write(
        place.path("capture.pcap"),
        "Welcome to host, please behave!",
    )
    .unwrap();
    let output = place
        .command(&["capture", "--ssh", "host", "-o", "out.pcapng"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        words(&output).contains("it sent no capture but: Welcome to host"),
        "{}",
        words(&output)
    );
    let output = place
        .command(&[
            "capture",
            "--ssh=-oProxyCommand=touch pwned",
            "-o",
            "out.pcapng",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!place.path("pwned").exists());
}
