//! Files that grow while they are read give what they give when they are whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sipscope::ingest::{self, Feed, GrowingFile, Loading, Options};
use sipscope::source::{CaptureFile, Chunk, Growth, Next, OpenOptions};

/// The captures of the repository.
fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    for case in std::fs::read_dir(root).unwrap().flatten() {
        for file in std::fs::read_dir(case.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = file.path();
            let kind = path.extension().and_then(|e| e.to_str());
            if matches!(kind, Some("pcap" | "pcapng")) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Time, length and octets of each frame.
type Frames = Vec<(i64, u32, Vec<u8>)>;

fn take(chunk: &Chunk, frames: &mut Frames) {
    for frame in &chunk.frames {
        frames.push((frame.time, frame.original, frame.of(chunk).to_vec()));
    }
}

fn whole(bytes: &[u8]) -> Frames {
    let mut frames = Frames::new();
    let mut capture = CaptureFile::from_bytes(bytes.to_vec(), "whole").unwrap();
    while let Some(chunk) = capture.next_chunk(1 << 16) {
        take(&chunk, &mut frames);
    }
    frames
}

/// Writes a file in pieces of `step` octets and reads all there is after each of them.
fn in_pieces(bytes: &[u8], step: usize) -> Frames {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let growth = Growth::default();
    let read = file.reopen().unwrap();
    let (mut frames, mut capture) = (Frames::new(), None);
    let mut pieces = bytes.chunks(step);
    loop {
        match pieces.next() {
            Some(piece) => file.write_all(piece).unwrap(),
            None => growth.finish(),
        }
        if capture.is_none() {
            let options = OpenOptions::default();
            capture = CaptureFile::follow(&read, Path::new("grows"), &growth, &options).unwrap();
        }
        let Some(capture) = &mut capture else {
            continue;
        };
        let mut chunk = Chunk::default();
        loop {
            match capture.poll_chunk_into(1 << 16, &mut chunk) {
                Next::Chunk => take(&chunk, &mut frames),
                Next::Waiting => break,
                Next::End => {
                    assert!(growth.is_finished(), "it ended before its end");
                    assert_eq!(capture.info().truncated_at, None);
                    return frames;
                }
            }
        }
        assert!(!growth.is_finished(), "it waits for ever");
    }
}

#[test]
fn a_file_that_grows_has_the_frames_of_the_whole() {
    let mut seen = 0;
    for path in captures() {
        let bytes = std::fs::read(&path).unwrap();
        let expected = whole(&bytes);
        seen += expected.len();
        for step in [1000, 77, 13] {
            let step = step.max(bytes.len() / 2000);
            assert!(
                in_pieces(&bytes, step) == expected,
                "{} {step}",
                path.display()
            );
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_text_trace_that_grows_has_the_messages_of_the_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/traces");
    let mut seen = 0;
    for name in [
        "asterisk-pjsip.txt",
        "freeswitch.txt",
        "lync-server.log",
        "acme-sipmsg.log",
        "sipp-messages.log",
        "cucm.txt",
        "audiocodes-continued.log",
        "tcpdump-x.txt",
        "plain-utf16.txt",
    ] {
        let bytes = std::fs::read(root.join(name)).unwrap();
        let expected = whole(&bytes);
        seen += expected.len();
        for step in [1000, 77, 13] {
            assert!(in_pieces(&bytes, step) == expected, "{name} {step}");
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn a_log_is_followed_past_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sip.log");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/traces");
    let part = |name: &str| std::fs::read(root.join(name)).unwrap();
    let append = |bytes: &[u8]| {
        let mut options = std::fs::File::options();
        let mut file = options.append(true).create(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    };
    append(&part("asterisk-pjsip.txt"));
    let growth = Growth::default();
    let loading = ingest::follow(
        vec![Feed::of(GrowingFile {
            path: path.clone(),
            file: std::fs::File::open(&path).unwrap(),
            growth: growth.clone(),
        })],
        Options::default(),
        Box::new(|| true),
        Arc::new(|| ()),
    );
    let wait_for = |count: usize| {
        let begun = Instant::now();
        while loading.view().messages().len() < count {
            let found = loading.view().messages().len();
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{found} of {count}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    // The last message of a log is shown although nothing follows it.
    wait_for(2);
    append(&part("asterisk-chan-sip-log.txt"));
    wait_for(4);
    // Renamed, with one more message written under its new name, and begun anew.
    let old = folder.path().join("sip.log.1");
    std::fs::rename(&path, &old).unwrap();
    std::fs::File::options()
        .append(true)
        .open(&old)
        .unwrap()
        .write_all(&part("plain-json.log"))
        .unwrap();
    wait_for(6);
    append(&part("freeswitch.txt"));
    wait_for(8);
    // Copied and cut.
    std::fs::File::create(&path).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    append(&part("linphone.log"));
    wait_for(10);
    growth.finish();
    let begun = Instant::now();
    let loaded = loop {
        if let Some(loaded) = loading.loaded() {
            break loaded;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(loaded.view.messages().len(), 10);
    let said: Vec<&str> = loaded
        .files
        .iter()
        .flat_map(|f| &f.info.skipped)
        .map(|s| s.what.as_ref())
        .collect();
    assert!(said.contains(&"logs replaced by a new one"), "{said:?}");
    assert!(said.contains(&"logs begun anew"), "{said:?}");
    assert!(loaded.files.iter().all(|file| file.error.is_none()));
}

#[test]
fn a_long_packet_is_waited_for() {
    // Longer than what a reader believes without a look at its end.
    let mut bytes = Vec::new();
    let mut put = |numbers: &[u32], data: &[u8]| {
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(data);
    };
    put(
        &[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28],
        &[],
    );
    put(&[1, 20, 1, 0, 20], &[]);
    for _ in 0..3 {
        let length = 300_000;
        put(
            &[6, length + 32, 0, 0, 5, length, length],
            &vec![7; length as usize],
        );
        put(&[length + 32], &[]);
    }
    let expected = whole(&bytes);
    assert_eq!(expected.len(), 3);
    assert!(in_pieces(&bytes, 50_000) == expected);
}

fn follow(feeds: Vec<Feed>) -> Loading {
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    ingest::follow(feeds, options, Box::new(|| true), Arc::new(|| ()))
}

#[track_caller]
fn wait(what: &str, mut until: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !until() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    begin.elapsed()
}

#[test]
fn messages_are_published_while_the_file_grows() {
    for path in captures() {
        let bytes = std::fs::read(&path).unwrap();
        let expected = ingest::load(std::slice::from_ref(&path), &Options::default());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let growth = Growth::default();
        let loading = follow(vec![Feed::of(GrowingFile {
            path: path.clone(),
            file: file.reopen().unwrap(),
            growth: growth.clone(),
        })]);
        let all = expected.view.messages().len();
        for piece in bytes.chunks(bytes.len() / 3 + 1) {
            file.write_all(piece).unwrap();
        }
        // A hole in a TCP stream is given up at the end, datagrams wait for nothing.
        if !path.to_string_lossy().contains("tcp") {
            wait("all messages before the end", || {
                loading.view().messages().len() == all
            });
        }
        assert!(!loading.progress().finished);
        growth.finish();
        wait("the end", || loading.progress().finished);
        let found = loading.loaded().unwrap();
        assert_eq!(found.view.messages().len(), all);
        assert_eq!(found.view.calls().len(), expected.view.calls().len());
        assert_eq!(found.files.len(), 1);
        let (info, other) = (&found.files[0].info, &expected.files[0].info);
        assert_eq!((info.packets, info.first), (other.packets, other.first));
    }
}

#[test]
fn a_silent_input_does_not_hold_up_another() {
    let path = captures()
        .into_iter()
        .find(|path| !path.to_string_lossy().contains("tcp"))
        .unwrap();
    let all = ingest::load(std::slice::from_ref(&path), &Options::default());
    let all = all.view.messages().len();
    let (mut one, silent) = (
        tempfile::NamedTempFile::new().unwrap(),
        tempfile::NamedTempFile::new().unwrap(),
    );
    let growths = [Growth::default(), Growth::default()];
    let feed = |file: &tempfile::NamedTempFile, growth: &Growth| {
        Feed::of(GrowingFile {
            path: file.path().to_path_buf(),
            file: file.reopen().unwrap(),
            growth: growth.clone(),
        })
    };
    let loading = follow(vec![feed(&silent, &growths[0]), feed(&one, &growths[1])]);
    one.write_all(&std::fs::read(&path).unwrap()).unwrap();
    wait("messages", || loading.view().messages().len() == all);
    growths.iter().for_each(Growth::finish);
    wait("the end", || loading.progress().finished);
    let loaded = loading.loaded().unwrap();
    assert!(
        loaded.files[0].error.is_some(),
        "an empty file is no capture"
    );
    assert!(loaded.files[1].error.is_none());
}

#[test]
fn files_of_a_ring_follow_one_another() {
    let paths: Vec<PathBuf> = captures().into_iter().take(3).collect();
    let expected = ingest::load(&paths, &Options::default());
    let (send, files) = std::sync::mpsc::channel();
    let loading = follow(vec![Feed {
        name: "ring".into(),
        files,
    }]);
    let mut before: Option<Growth> = None;
    for path in &paths {
        let growth = Growth::default();
        send.send(GrowingFile {
            path: path.clone(),
            file: std::fs::File::open(path).unwrap(),
            growth: growth.clone(),
        })
        .unwrap();
        before.replace(growth).inspect(Growth::finish);
    }
    before.inspect(Growth::finish);
    drop(send);
    wait("the end", || loading.progress().finished);
    let loaded = loading.loaded().unwrap();
    assert_eq!(loaded.view.messages().len(), expected.view.messages().len());
    assert_eq!(loaded.files.len(), 3);
    assert_eq!(loaded.files[2].path, paths[2]);
    // Octets of messages in each of the files are there.
    let mut seen = std::collections::BTreeSet::new();
    for at in 0..loaded.view.messages().len() {
        let id = sipscope::index::ids::MessageId::at(at);
        let row = loaded.view.message(id).unwrap();
        for extent in loaded.view.extents(row) {
            seen.insert(extent.file);
            let mut octets = Vec::new();
            loaded.bytes.read(extent, &mut octets).unwrap();
            assert_eq!(octets.len(), extent.len as usize);
        }
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_deleted_file_of_a_ring_takes_no_place_on_the_disk_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (send, files) = std::sync::mpsc::channel();
    let loading = follow(vec![Feed {
        name: "ring".into(),
        files,
    }]);
    let mut before: Option<Growth> = None;
    let mut counts = Vec::new();
    let sources: Vec<PathBuf> = captures().into_iter().take(3).collect();
    for (at, source) in sources.iter().enumerate() {
        let path = folder.path().join(format!("{at}.pcap"));
        std::fs::copy(source, &path).unwrap();
        let growth = Growth::default();
        send.send(GrowingFile {
            path: path.clone(),
            file: std::fs::File::open(&path).unwrap(),
            growth: growth.clone(),
        })
        .unwrap();
        before.replace(growth).inspect(Growth::finish);
        let mut all = counts.last().copied().unwrap_or(0);
        all += ingest::load(&[path], &Options::default())
            .view
            .messages()
            .len();
        counts.push(all);
        if !source.to_string_lossy().contains("tcp") {
            wait("its messages", || loading.view().messages().len() == all);
        }
        if at == 0 {
            // As whoever writes a ring does when it goes on.
            std::fs::remove_file(folder.path().join("0.pcap")).unwrap();
        }
    }
    before.inspect(Growth::finish);
    drop(send);
    wait("the end", || loading.progress().finished);
    let loaded = loading.loaded().unwrap();
    let read = |at: usize| {
        let row = loaded
            .view
            .message(sipscope::index::ids::MessageId::at(at))
            .unwrap();
        let extent = loaded.view.extents(row)[0];
        let read = loaded.bytes.read(extent, &mut Vec::new());
        (extent.file, read.map_err(|error| error.to_string()))
    };
    let (file, words) = read(0);
    assert_eq!(file, 0);
    assert!(
        words
            .unwrap_err()
            .contains("a ring of files keeps the newest")
    );
    // The rows of what is gone are there, and what is in the other files can be read.
    assert_eq!(loaded.view.messages().len(), counts[2]);
    assert_eq!(read(counts[0]), (1, Ok(())));
    #[cfg(target_os = "linux")]
    {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let names: Vec<_> = open
            .flatten()
            .flat_map(|fd| std::fs::read_link(fd.path()))
            .collect();
        let deleted = folder.path().join("0.pcap (deleted)");
        assert!(!names.contains(&deleted), "{names:?}");
        assert!(names.contains(&folder.path().join("1.pcap")), "{names:?}");
    }
}
