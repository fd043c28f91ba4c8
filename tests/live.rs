//! Live capture, in network namespaces of its own: what was sent is what is in the file.
#![cfg(all(target_os = "linux", feature = "capture"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sipscope::index::call::summary;
use sipscope::index::ids::CallId;
use sipscope::index::{CallKind, IndexView};
use sipscope::ingest::{self, Feed, GrowingFile};
use sipscope::source::Growth;

/// Sends so many OPTIONS to port 5062, so many a second (0: as fast as it goes); with a third
/// argument wrapped in HEP version 1 to that port.
const SENDER: &str = r#"
import socket, sys, time
count, rate = int(sys.argv[1]), float(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begin = time.time()
for i in range(count):
    text = ("OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK%d\r\n"
        "From: <sip:alice@127.0.0.1>;tag=%d\r\nTo: <sip:bob@127.0.0.1>\r\nCall-ID: call-%d\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n" % (i, i, i))
    head, port = b"", 5062
    if len(sys.argv) > 3:
        head, port = bytes([1, 16, 2, 17, 19, 196, 19, 196, 192, 0, 2, 1, 192, 0, 2, 2]), int(sys.argv[3])
    s.sendto(head + text.encode(), ("127.0.0.1", port))
    if rate:
        time.sleep(max(0, begin + (i + 1) / rate - time.time()))
"#;

/// Makes calls, five a second: the first one finds its callee busy.
const CALLER: &str = r#"
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def send(start, call, number, method, tag):
    text = ("%s\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK%s%d%s\r\n"
        "From: <sip:alice@127.0.0.1>;tag=%s\r\nTo: <sip:bob@127.0.0.1>%s\r\nCall-ID: %s\r\n"
        "CSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        % (start, call, number, method, call, tag, call, number, method))
    s.sendto(text.encode(), ("127.0.0.1", 5062))
for i in range(100):
    call, tag = "call-%d" % i, ";tag=b"
    send("INVITE sip:bob@127.0.0.1 SIP/2.0", call, 1, "INVITE", "")
    if i == 0:
        send("SIP/2.0 486 Busy Here", call, 1, "INVITE", tag)
        send("ACK sip:bob@127.0.0.1 SIP/2.0", call, 1, "ACK", tag)
        continue
    send("SIP/2.0 200 OK", call, 1, "INVITE", tag)
    send("ACK sip:bob@127.0.0.1 SIP/2.0", call, 1, "ACK", tag)
    send("BYE sip:bob@127.0.0.1 SIP/2.0", call, 2, "BYE", tag)
    time.sleep(0.2)
    send("SIP/2.0 200 OK", call, 2, "BYE", tag)
"#;

/// Makes so many calls, so many a second; each one lasts two seconds.
const CALLS: &str = r#"
import socket, sys, time
calls, rate = int(sys.argv[1]), float(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def send(start, i, number, method, tag):
    text = ("%s\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK%d%s\r\n"
        "From: <sip:a%d@127.0.0.1>;tag=a%d\r\nTo: <sip:bob@127.0.0.1>%s\r\nCall-ID: call-%d@127.0.0.1\r\n"
        "CSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        % (start, i, method, i, i, tag, i, number, method))
    s.sendto(text.encode(), ("127.0.0.1", 5062))
begin, behind = time.time(), int(2 * rate)
for i in range(calls + behind):
    if i < calls:
        send("INVITE sip:bob@127.0.0.1 SIP/2.0", i, 1, "INVITE", "")
        send("SIP/2.0 180 Ringing", i, 1, "INVITE", ";tag=b")
        send("SIP/2.0 200 OK", i, 1, "INVITE", ";tag=b")
        send("ACK sip:bob@127.0.0.1 SIP/2.0", i, 1, "ACK", ";tag=b")
    if i >= behind:
        send("BYE sip:bob@127.0.0.1 SIP/2.0", i - behind, 2, "BYE", ";tag=b")
        send("SIP/2.0 200 OK", i - behind, 2, "BYE", ";tag=b")
    time.sleep(max(0, begin + (i + 1) / rate - time.time()))
"#;

/// A folder for one test, with the sender in it.
struct Place(tempfile::TempDir);

impl Place {
    /// None, with a word, where namespaces or a program are missing.
    fn new(needed: &[&str]) -> Option<Self> {
        let may = Command::new("unshare").args(["-rnm", "true"]).output();
        if !may.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no network namespace can be made here (unshare -rnm)");
            return None;
        }
        for program in needed.iter().chain(&["python3", "ip"]) {
            let found = Command::new("sh")
                .args([
                    "-c",
                    "PATH=$PATH:/usr/sbin:/sbin command -v \"$0\"",
                    program,
                ])
                .output();
            if !found.is_ok_and(|output| output.status.success()) {
                eprintln!("skipped: {program} is not installed");
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("send.py"), SENDER).unwrap();
        Some(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a shell script in namespaces of its own (network, mounts) with `lo` up, in this folder.
    fn shell(&self, script: &str) -> Output {
        Command::new("unshare")
            .args(["-rnm", "sh", "-ec"])
            .arg(format!("ip link set lo up\n{script}"))
            .current_dir(&self.0)
            .env("S", env!("CARGO_BIN_EXE_sipscope"))
            .env("SIPSCOPE_HOME", self.path("home"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn run(&self, script: &str) -> String {
        let output = self.shell(script);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn info(file: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .args(["info", "--format", "json"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits until the capture program is ready: it says so on standard error.
const READY: &str =
    "i=0; until grep -q 'capturing on' log; do i=$((i+1)); [ $i -lt 200 ]; sleep 0.05; done";

#[test]
fn what_was_sent_is_in_the_file() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o out.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 5000 0
        sleep 0.4
        kill -INT $c; wait $c"
    ));
    let info = info(&place.path("out.pcapng"));
    assert_eq!(info["packets"], 5000);
    assert_eq!(info["sip_messages"], 5000);
    assert_eq!(info["skipped"], Value::Array(Vec::new()));
    assert_eq!(info["truncated_at"], Value::Null);
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("5,000 packets captured"), "{log}");
}

#[test]
fn ten_thousand_packets_a_second_are_all_kept() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o out.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 100000 10000
        sleep 0.4
        kill -INT $c; wait $c"
    ));
    let info = info(&place.path("out.pcapng"));
    assert_eq!(info["packets"], 100_000);
    assert_eq!(info["sip_messages"], 100_000);
    let interface = &info["interfaces"][0];
    // On `lo` the system counts each packet as it leaves and as it comes.
    assert_eq!(interface["received"], 200_000, "{interface}");
    assert_eq!(interface["dropped"], 0, "{interface}");
    assert_eq!(interface["dropped_by_system"], 0, "{interface}");
}

#[test]
fn it_stops_after_so_many_packets() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o out.pcapng --packets 7 --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 50 0
        wait $c"
    ));
    assert_eq!(info(&place.path("out.pcapng"))["packets"], 7);
}

#[test]
fn it_stops_when_so_many_calls_have_ended() {
    let Some(place) = Place::new(&[]) else { return };
    std::fs::write(place.path("call.py"), CALLER).unwrap();
    // The last BYE is answered after the count is full; calls that begin then are not waited for.
    for command in [
        "capture -o out.pcapng",
        "messages -w out.pcapng --format json -o live.json",
    ] {
        place.run(&format!(
            "rm -f out.pcapng log
            $S {command} -i lo --allow-root --calls-ended 3 --duration 20 --capture-filter 'udp port 5062' 2>log & c=$!
            {READY}
            python3 call.py & p=$!
            wait $c; kill $p"
        ));
        let calls = place.run("$S calls out.pcapng --format json");
        let states: Vec<String> = calls
            .lines()
            .map(|line| {
                let call: Value = serde_json::from_str(line).unwrap();
                call["state"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(
            states.first().map(String::as_str),
            Some("busy"),
            "{states:?}"
        );
        assert_eq!(
            states.get(1..3),
            Some(&["completed".to_owned(), "completed".to_owned()][..])
        );
        assert!((3..20).contains(&states.len()), "{states:?}");
        let last: Value = serde_json::from_str(calls.lines().nth(2).unwrap()).unwrap();
        assert_eq!(
            last["messages"].as_array().unwrap().len(),
            5,
            "its BYE is answered"
        );
    }
}

#[test]
fn it_stops_after_the_given_time() {
    let Some(place) = Place::new(&[]) else { return };
    place.run("$S capture -i lo -o out.pcapng --duration 0.2 --quiet");
    assert_eq!(info(&place.path("out.pcapng"))["packets"], 0);
}

#[test]
fn a_ring_keeps_the_newest_files_and_each_one_is_whole() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o out.pcapng --ring 3x200K --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 6000 8000
        sleep 0.4
        kill -TERM $c; wait $c"
    ));
    let mut names: Vec<String> = std::fs::read_dir(place.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("out"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    let mut packets = 0;
    for name in &names {
        let info = info(&place.path(name));
        assert_eq!(info["truncated_at"], Value::Null);
        packets += info["packets"].as_u64().unwrap();
    }
    assert!((1500..4500).contains(&packets), "{packets} in {names:?}");
    // The newest packet is in the newest file.
    let output = Command::new(env!("CARGO_BIN_EXE_sipscope"))
        .args(["messages", "--format", "json"])
        .arg(place.path(names.last().unwrap()))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["call_id"], "call-5999");
}

#[test]
fn the_capture_program_has_no_right_left_and_is_locked_in() {
    let Some(place) = Place::new(&[]) else { return };
    let status = place.run(&format!(
        "$S capture -i lo -o out.pcapng 2>log & c=$!
        {READY}
        python3 send.py 1 0
        child=$(cat /proc/$c/task/$c/children)
        cat /proc/${{child% }}/task/*/status
        kill -INT $c; wait $c"
    ));
    let mut threads = 0;
    for line in status.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        match name {
            "Name" => {
                threads += 1;
                assert_eq!(value, "sipscope-captur");
            }
            "CapInh" | "CapPrm" | "CapEff" | "CapAmb" => {
                assert_eq!(u64::from_str_radix(value, 16), Ok(0), "{line}");
            }
            "NoNewPrivs" => assert_eq!(value, "1"),
            "Seccomp" => assert_eq!(value, "2"),
            _ => {}
        }
    }
    assert!(threads >= 1, "{status}");
    assert!(status.contains("Seccomp:"), "{status}");
}

/// The lines of `status` of all threads of a process.
#[cfg(feature = "gui")]
fn status_lines(process: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    tasks
        .into_iter()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok())
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Ended with the test, however that ends.
#[cfg(feature = "gui")]
struct Ended(std::process::Child);

#[cfg(feature = "gui")]
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(feature = "gui")]
#[test]
fn the_window_of_an_ordinary_user_has_no_right() {
    use std::io::BufRead as _;
    use std::os::unix::fs::PermissionsExt as _;

    let mut screen = Command::new("Xvfb");
    screen
        .args(["-displayfd", "1", "-screen", "0", "800x600x24"])
        .args(["-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(screen) = screen.spawn() else {
        eprintln!("skipped: Xvfb is not installed");
        return;
    };
    let mut screen = Ended(screen);
    let mut number = String::new();
    let said = screen.0.stdout.take().unwrap();
    std::io::BufReader::new(said)
        .read_line(&mut number)
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let open_to_all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open_to_all).unwrap();
    let program = env!("CARGO_BIN_EXE_sipscope");
    let mut window = match sipscope::source::live::is_root() {
        false => Command::new(program),
        true => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .args(["--inh-caps=-all", "--", program]);
            command
        }
    };
    window
        .env("DISPLAY", format!(":{}", number.trim()))
        .env("SIPSCOPE_HOME", folder.path())
        .env("XDG_RUNTIME_DIR", folder.path())
        .env_remove("WAYLAND_DISPLAY")
        .stderr(Stdio::null());
    let mut window = Ended(window.spawn().unwrap());
    let process = window.0.id();
    // It is up when it has threads beside the one of the window.
    let begin = Instant::now();
    loop {
        if let Some(status) = window.0.try_wait().unwrap() {
            eprintln!("skipped: no window can be opened here ({status})");
            return;
        }
        let lines = status_lines(process);
        let threads = lines.iter().filter(|line| line.starts_with("Name:"));
        if threads.count() > 2 && lines.iter().any(|line| line == "Name:\tsipscope") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{lines:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let lines = status_lines(process);
    let rights: Vec<&String> = lines
        .iter()
        .filter(|line| {
            let sets = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"];
            sets.iter().any(|set| line.starts_with(set))
        })
        .collect();
    assert!(rights.len() >= 3 * 4, "{lines:?}");
    for line in rights {
        let value = line.split_once(':').unwrap().1.trim();
        assert_eq!(u64::from_str_radix(value, 16), Ok(0), "{line}");
    }
}

#[test]
fn a_killed_parent_leaves_a_whole_file() {
    let Some(place) = Place::new(&[]) else { return };
    for round in 0..5 {
        place.run(&format!(
            "rm -f log
            $S capture -i lo -o out.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
            {READY}
            python3 send.py 300 1000 & s=$!
            sleep 0.{round}7
            child=$(cat /proc/$c/task/$c/children)
            kill -KILL $c
            wait $s
            i=0; while [ -e /proc/${{child% }} ]; do i=$((i+1)); [ $i -lt 100 ]; sleep 0.05; done"
        ));
        let info = info(&place.path("out.pcapng"));
        assert_eq!(info["truncated_at"], Value::Null);
        assert_eq!(info["skipped"], Value::Array(Vec::new()));
        assert!(info["packets"].as_u64().unwrap() > 0, "{info}");
    }
}

#[test]
fn a_wrong_filter_is_told_and_nothing_is_overwritten() {
    let Some(place) = Place::new(&[]) else { return };
    std::fs::write(place.path("out.pcapng"), "precious").unwrap();
    let output = place.shell("$S capture -i lo -o out.pcapng --capture-filter 'port port'");
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("the capture filter is wrong"), "{errors}");
    let output = place.shell("$S capture -i nothing0 -o out.pcapng");
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("nothing0 cannot be captured"), "{errors}");
    assert_eq!(
        std::fs::read(place.path("out.pcapng")).unwrap(),
        b"precious"
    );
}

#[test]
fn messages_are_printed_as_they_come_and_equal_those_of_the_file() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S messages -i lo --allow-root --format json -w out.pcapng --capture-filter 'udp port 5062' >live.json 2>log & c=$!
        {READY}
        python3 send.py 200 1000
        sleep 0.4
        wc -l <live.json >before
        python3 send.py 3000 0
        sleep 0.4
        kill -INT $c; wait $c
        $S messages out.pcapng --format json >file.json"
    ));
    let read = |name| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(read("before").trim(), "200");
    let (live, file) = (read("live.json"), read("file.json"));
    assert_eq!(live.lines().count(), 3200);
    assert!(live == file);
}

#[test]
fn two_minutes_of_calls_stay_within_the_bound_of_memory() {
    let Some(place) = Place::new(&[]) else { return };
    std::fs::write(place.path("calls.py"), CALLS).unwrap();
    // The bound is reached after some twenty seconds.
    place.run(&format!(
        "$S messages -i lo --allow-root --memory 3M --format csv -o live.csv -w out.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 calls.py 12000 100 & p=$!
        while kill -0 $p 2>&-; do grep RssAnon /proc/$c/status >>memory; sleep 2; done
        sleep 0.5
        kill -INT $c; wait $c
        $S calls out.pcapng --format csv | wc -l >calls"
    ));
    let read = |name| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(read("live.csv").lines().count(), 72_000 + 1);
    assert_eq!(read("calls").trim(), "12001");
    let log = read("log");
    assert!(!log.contains("left memory before"), "{log}");
    let kibibytes: Vec<u64> = read("memory")
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse().ok())
        .collect();
    assert!(kibibytes.len() > 30, "{kibibytes:?}");
    let (early, late) = kibibytes.split_at(kibibytes.len() / 2);
    let most = |list: &[u64]| list.iter().copied().max().unwrap_or(0);
    // No growth: what one epoch more or less takes.
    assert!(most(late) < most(early) + 2048, "{kibibytes:?}");
}

#[test]
fn limits_and_filters_hold_for_live_messages() {
    let Some(place) = Place::new(&[]) else { return };
    let out = place.run(&format!(
        "$S messages -i lo --allow-root --format csv --limit 2 --filter 'call_id contains \"7\"' --capture-filter 'udp port 5062' >live.csv 2>log & c=$!
        {READY}
        python3 send.py 50 500
        wait $c
        cat live.csv"
    ));
    let ids: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split(',').find(|cell| cell.starts_with("call-")))
        .collect();
    assert_eq!(ids, ["call-7", "call-17"], "{out}");
}

#[test]
fn root_is_refused_unless_it_insists() {
    let Some(place) = Place::new(&[]) else { return };
    let output = place.shell("$S messages -i lo --duration 0.1");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--allow-root"));
}

#[test]
fn a_stream_and_a_growing_file_are_followed() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o grows.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        mkfifo pipe
        $S messages --follow - --format json <pipe >stream.json 2>stream.log & s=$!
        tail -c +1 -f grows.pcapng >pipe & t=$!
        $S messages --follow grows.pcapng --format json >follow.json 2>follow.log & f=$!
        sleep 0.5
        python3 send.py 100 1000
        sleep 1.5
        cp stream.json stream.before; cp follow.json follow.before
        kill -INT $f; wait $f
        kill $t; wait $t || true
        wait $s
        kill -INT $c; wait $c"
    ));
    for name in [
        "stream.before",
        "follow.before",
        "stream.json",
        "follow.json",
    ] {
        let text = std::fs::read_to_string(place.path(name)).unwrap();
        assert_eq!(text.lines().count(), 100, "{name}");
    }
}

#[test]
fn interfaces_are_listed() {
    let Some(place) = Place::new(&[]) else { return };
    let text = place.run("$S interfaces --format json");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lo = lines.iter().find(|line| line["name"] == "lo").unwrap();
    assert_eq!(lo["up"], true);
    assert_eq!(lo["loopback"], true);
    assert_eq!(lo["link_type"], 1);
    assert!(
        lo["addresses"]
            .as_array()
            .unwrap()
            .contains(&"127.0.0.1/8".into())
    );
    assert!(lines.iter().any(|line| line["name"] == "any"));
}

#[test]
fn presets_of_the_filter_are_understood() {
    use sipscope::source::live;
    // The library looks for the program beside the test, one folder up.
    let program = env!("CARGO_BIN_EXE_sipscope-capture");
    for filter in [live::sip_filter(true), live::sip_and_media_filter(true)] {
        let output = Command::new(program)
            .args(["--check-filter", &filter])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let output = Command::new(program)
        .args(["--check-filter", "port 5060 and and"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("syntax error"));
}

#[test]
fn a_full_disk_ends_it_with_a_word_and_a_whole_file() {
    let Some(place) = Place::new(&[]) else { return };
    for (source, port) in [
        ("-i lo --capture-filter 'udp port 5062'", ""),
        ("--hep 9060", "9060"),
    ] {
        let out = place.run(&format!(
            "rm -f log; mkdir -p full; mount -t tmpfs -o size=300k none full
            $S capture {source} -o full/out.pcapng 2>log & c=$!
            {READY}
            python3 send.py 3000 3000 {port}
            code=0; wait $c || code=$?
            cp full/out.pcapng kept.pcapng
            echo $code"
        ));
        assert_eq!(out.trim(), "5", "{source}");
        let log = std::fs::read_to_string(place.path("log")).unwrap();
        assert!(
            log.contains("full/out.pcapng cannot be written: No space left"),
            "{log}"
        );
        let info = info(&place.path("kept.pcapng"));
        assert_eq!(info["truncated_at"], Value::Null);
        assert_eq!(info["skipped"], Value::Array(Vec::new()));
        let packets = info["packets"].as_u64().unwrap();
        assert!((300..1500).contains(&packets), "{packets}");
    }
}

#[test]
fn it_stops_before_the_disk_is_full_when_that_is_wished() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "mkdir full; mount -t tmpfs -o size=900k none full
        $S capture -i lo -o full/out.pcapng --keep-free 500K --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 1500 1000
        wait $c"
    ));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(
        log.contains("less than --keep-free is left on the disk"),
        "{log}"
    );
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(
        "($S capture -i lo -o - --capture-filter 'udp port 5062' 2>log; echo $? >code) | head -c 2000 >part & p=$!
        i=0; until grep -q 'capturing on' log; do i=$((i+1)); [ $i -lt 200 ]; sleep 0.05; done
        python3 send.py 300 300
        wait $p",
    );
    let read = |name| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(read("code").trim(), "0");
    assert!(!read("log").contains("Broken pipe"), "{}", read("log"));
    assert_eq!(std::fs::metadata(place.path("part")).unwrap().len(), 2000);
}

#[test]
fn a_vanished_interface_ends_it_with_a_word() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
        $S capture -i v0 -o out.pcapng 2>log & c=$!
        {READY}
        sleep 0.3; ip link del v0
        wait $c"
    ));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("the interface v0 has gone"), "{log}");
    assert_eq!(info(&place.path("out.pcapng"))["truncated_at"], Value::Null);
}

#[test]
fn an_interface_that_goes_down_is_told_and_captured_again_when_it_is_up() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o out.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 100 0
        sleep 1.5
        ip link set lo down
        i=0; until grep -q 'lo is down' log; do i=$((i+1)); [ $i -lt 200 ]; sleep 0.05; done
        ip link set lo up
        i=0; until grep -q 'lo is up again' log; do i=$((i+1)); [ $i -lt 200 ]; sleep 0.05; done
        python3 send.py 100 0
        sleep 0.5
        kill -INT $c; wait $c"
    ));
    assert_eq!(info(&place.path("out.pcapng"))["packets"], 200);
}

#[test]
fn after_a_standstill_it_goes_on_and_says_so() {
    let Some(place) = Place::new(&[]) else { return };
    place.run(&format!(
        "$S capture -i lo -o out.pcapng --capture-filter 'udp port 5062' 2>log & c=$!
        {READY}
        python3 send.py 100 0
        sleep 0.3
        child=$(cat /proc/$c/task/$c/children)
        kill -STOP $c $child
        python3 send.py 100 0
        sleep 5.5
        kill -CONT $c $child
        sleep 0.5
        python3 send.py 100 0
        sleep 0.3
        kill -INT $c; wait $c"
    ));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("Nothing ran for"), "{log}");
    // The kernel kept what came meanwhile.
    assert_eq!(info(&place.path("out.pcapng"))["packets"], 300);
    let file = std::fs::read(place.path("out.pcapng")).unwrap();
    assert!(String::from_utf8_lossy(&file).contains("Nothing ran for"));
}

/// A server that sends its traffic to a HEP collector, and a capture agent beside it.
const AGENTS: &str = r#"
cat >kamailio.cfg <<'END'
#!KAMAILIO
log_stderror=yes
children=1
disable_tcp=yes
dns=no
rev_dns=no
loadmodule "sl.so"
loadmodule "siptrace.so"
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_mode", 1)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "hep_capture_id", 2001)
modparam("siptrace", "duplicate_uri", "sip:127.0.0.1:9060")
request_route { sl_send_reply("200", "OK"); }
END
$S capture --hep 9060 -o hep.pcapng 2>log & c=$!
@READY@
mkdir run
kamailio -DD -E -m 16 -M 4 -Y "$PWD/run" -f kamailio.cfg -l udp:127.0.0.1:5062 >kamailio.log 2>&1 & k=$!
i=0; until ss -lnuH | grep -q '127.0.0.1:5062'; do i=$((i+1)); [ $i -lt 100 ]; sleep 0.1; done
if command -v sngrep >/dev/null; then
    sngrep -N -F -d lo -H udp:127.0.0.1:9060 udp port 5062 >sngrep.log 2>&1 & g=$!
    sleep 1.5
fi
python3 send.py 20 100
sleep 1
kill $k $g; sleep 0.3
kill -INT $c; wait $c
"#;

#[test]
fn real_hep_agents_are_understood() {
    let Some(place) = Place::new(&["kamailio", "ss"]) else {
        return;
    };
    place.run(&AGENTS.replace("@READY@", READY));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(
        log.contains("127.0.0.1 (agent 2001): 40 kept, 40 of SIP"),
        "{log}"
    );
    // sngrep gives its number (2002) in the other order of octets.
    let sngrep = place.path("sngrep.log").exists();
    if sngrep {
        assert!(
            log.contains("127.0.0.1 (agent 131203072): 40 kept, 40 of SIP"),
            "{log}"
        );
    } else {
        eprintln!("skipped in part: sngrep is not installed");
    }
    let info = info(&place.path("hep.pcapng"));
    let each = if sngrep { 40 } else { 20 };
    assert_eq!(info["requests"]["OPTIONS"], each);
    assert_eq!(info["responses"]["200"], each);
    assert_eq!(info["transactions"], 20);
    assert_eq!(info["skipped"], Value::Array(Vec::new()));
    // The same message from both agents is the same message.
    assert_eq!(info["copies"], if sngrep { 40 } else { 0 });
}

/// A proxy and registrar (Kamailio), two kinds of clients (SIPp, baresip), all in one namespace.
const LAB: &str = r#"
ip link add d0 type veth peer name d1
ip link set d0 up; ip link set d1 up
for a in 1 10 20 30 31; do ip addr add 192.0.2.$a/24 dev d0; done
$S capture -i lo -o out.pcapng --capture-filter 'port 5060' 2>log & c=$!
@READY@
mkdir run
kamailio -DD -E -m 16 -M 4 -Y "$PWD/run" -f "$R/kamailio/proxy.cfg" -A 'DOMAIN="example.com"' \
    -l udp:192.0.2.1:5060 -l tcp:192.0.2.1:5060 >kamailio.log 2>&1 & k=$!
i=0; until ss -lnuH | grep -q '192.0.2.1:5060'; do i=$((i+1)); [ $i -lt 100 ]; sleep 0.1; done
sleep 0.5
sipp -nostdin -sf "$R/sipp/register.xml" -i 192.0.2.20 -p 5060 -s bob -key domain example.com -key me bob \
    -m 1 -t u1 192.0.2.1:5060 >register.log 2>&1
sipp -nostdin -sf "$R/sipp/uas-call.xml" -i 192.0.2.20 -mi 192.0.2.20 -p 5060 -s bob -key me bob \
    -key domain example.com -m 20 -t u1 >uas.log 2>&1 & u=$!
for who in carol:30 dave:31; do
    name=${who%:*}; address=192.0.2.${who#*:}; mkdir "$name"
    sed "s/@ADDRESS@/$address/; s|^audio_source.*|audio_source aubridge,mic|; /^net_interface/d; /aufile/d
        s/^cons_listen.*/cons_listen $address:5555/" "$R/baresip/config" >"$name/config"
    echo "<sip:$name@example.com>;outbound=\"sip:192.0.2.1:5060\";regint=60;answermode=auto;audio_codecs=PCMU/8000/1" >"$name/accounts"
    : >"$name/contacts"
    baresip -f "$name" -t 8 </dev/null >"$name/log" 2>&1 &
done
sleep 1
sipp -nostdin -sf "$R/sipp/uac-call.xml" -i 192.0.2.10 -mi 192.0.2.10 -p 5060 -s bob -key me alice \
    -key domain example.com -m 20 -r 10 -d 300 -t u1 -trace_stat -stf stat.csv 192.0.2.1:5060 >uac.log 2>&1
python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line, pause in (b"/dial sip:dave@example.com\n", 1.5), (b"/hangup\n", 0.8):
    s.sendto(line, ("192.0.2.30", 5555)); time.sleep(pause)
'
wait $u
kill $k; sleep 0.3
kill -INT $c; wait $c
"#;

#[test]
fn calls_of_real_programs_seen_live_are_those_of_the_file() {
    let needed = ["kamailio", "sipp", "baresip", "ss"];
    let Some(place) = Place::new(&needed) else {
        return;
    };
    if !Path::new("/usr/lib/baresip/modules/aubridge.so").exists() {
        eprintln!("skipped: baresip has no module aubridge");
        return;
    }
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recording");
    let script = LAB
        .replace("@READY@", READY)
        .replace("$R", &recording.to_string_lossy());
    // The file is followed from here while the programs talk in their namespace.
    let path = place.path("out.pcapng");
    let growth = Growth::default();
    let (live, output) = std::thread::scope(|scope| {
        let running = scope.spawn(|| place.shell(&script));
        let begin = Instant::now();
        let file = loop {
            match std::fs::File::open(&path) {
                Ok(file) => break Some(file),
                Err(_) if running.is_finished() => break None,
                Err(_) => assert!(begin.elapsed() < Duration::from_secs(20)),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let loading = file.map(|file| {
            let feed = Feed::of(GrowingFile {
                path: path.clone(),
                file,
                growth: growth.clone(),
            });
            let always = Box::new(|| true);
            ingest::follow(
                vec![feed],
                ingest::Options::default(),
                always,
                Arc::new(|| ()),
            )
        });
        (loading, running.join().unwrap())
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let live = live.unwrap();
    // Nothing but the end of the file is missing.
    let all = ingest::load(std::slice::from_ref(&path), &ingest::Options::default());
    let begin = Instant::now();
    while live.view().messages().len() < all.view.messages().len() {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "messages are missing"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    growth.finish();
    while !live.progress().finished {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (live, file) = (live.view(), all.view);
    assert_eq!(live.dialogs().len(), file.dialogs().len());
    assert_eq!(live.calls().len(), file.calls().len());
    let mut answered = 0;
    for at in 0..file.calls().len() {
        let id = CallId::at(at);
        let (seen, expected) = (live.call(id).unwrap(), file.call(id).unwrap());
        assert_eq!(
            (seen.kind, seen.messages),
            (expected.kind, expected.messages)
        );
        let words = |view: &IndexView| format!("{:?}", summary(view, id));
        assert_eq!(words(&live), words(&file));
        answered += usize::from(expected.kind == CallKind::Call);
    }
    // SIPp counts its calls in the 16th column (SuccessfulCall, cumulative); baresip made one more.
    let stat = std::fs::read_to_string(place.path("stat.csv")).unwrap();
    let (head, last) = (stat.lines().next().unwrap(), stat.lines().last().unwrap());
    let column = head
        .split(';')
        .position(|name| name == "SuccessfulCall(C)")
        .unwrap();
    let successful: usize = last.split(';').nth(column).unwrap().parse().unwrap();
    assert_eq!(successful, 20);
    let carol = std::fs::read_to_string(place.path("carol/log")).unwrap();
    assert!(carol.contains("Call established"), "{carol}");
    assert_eq!(answered, successful + 1);
}
