//! Files of a running capture are thinned out when nothing is added to them any more.
//!
//! A thread of its own writes what stays into another file and lets the two change places in one
//! step, so at any moment one of them is whole under the name. Whoever follows the capture learns
//! where what stayed is now. When anything fails, the file stays as it is.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::index::wanted::Wanted;
use crate::ingest::Watch;
use crate::ingest::thin::{self, Thinned};
use crate::source::{Growth, Places, ThinnedFile, live};

/// At the end of the names of files that are written meanwhile.
pub const SUFFIX: &str = ".thin";
/// The view has taken in the last messages of a file after this time.
const SETTLED: Duration = Duration::from_secs(2);
/// Pieces that may stay of one file: 16 octets each, as long as messages are in memory.
const MOST_PIECES: usize = 1 << 20;

/// A file to which nothing is added any more.
pub struct Closed {
    path: PathBuf,
    /// What tells it from another one of the same name.
    identity: Option<(u64, u64)>,
    /// For whoever follows it.
    pub growth: Growth,
}

impl Closed {
    /// The file at this path that was begun, open to be followed.
    pub fn new(path: PathBuf, file: &File, growth: Growth) -> Self {
        Self {
            path,
            identity: identity(file.metadata()),
            growth,
        }
    }
}

/// A file that waits, with the views to ask what its calls announced.
struct Job {
    file: Closed,
    view: Option<Watch>,
    since: Instant,
}

type Done = Arc<Mutex<(Thinned, Option<String>)>>;

/// The thread that thins out.
pub struct Thinning {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    done: Done,
}

impl Thinning {
    /// Begins to wait for files.
    pub fn start() -> Self {
        let (jobs, queue) = mpsc::channel();
        let done = Done::default();
        let sum = Arc::clone(&done);
        let thread = thread::Builder::new()
            .name("thinning".to_owned())
            .spawn(move || work(&queue, &sum));
        Self {
            jobs: Some(jobs),
            thread: thread.ok(),
            done,
        }
    }

    /// This file is to be thinned out.
    pub fn add(&mut self, file: Closed, view: Option<&Watch>) {
        if let Some(jobs) = &self.jobs {
            // Without a thread it stays as it is.
            let _ = jobs.send(Job {
                file,
                view: view.cloned(),
                since: Instant::now(),
            });
        }
    }

    /// What stayed and what went so far, and what did not go well.
    pub fn so_far(&self) -> (Thinned, Option<String>) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        (done.0, done.1.take())
    }

    /// Waits for all files that were added.
    pub fn end(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // What it did not do can be done on saving.
            let _ = thread.join();
        }
    }
}

fn work(queue: &Receiver<Job>, sum: &Done) {
    for job in queue {
        thread::sleep(SETTLED.saturating_sub(job.since.elapsed()));
        // The beginning of a call may stand in a file of earlier.
        let mut wanted = thin::wanted_by(std::slice::from_ref(&job.file.path), 1);
        if let Some(view) = &job.view {
            wanted.add_places(&view());
        }
        let outcome = exchange(&job.file, &wanted);
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(thinned) => {
                sum.0.kept += thinned.kept;
                sum.0.dropped += thinned.dropped;
            }
            // The ring has deleted it meanwhile.
            Err(_) if !job.file.path.exists() => {}
            Err(error) => {
                let path = job.file.path.display();
                sum.1 = Some(format!("{path} was not thinned out: {error}"));
            }
        }
    }
}

/// Puts what is wanted of a file in its place.
fn exchange(closed: &Closed, wanted: &Wanted) -> std::io::Result<Thinned> {
    let path = &closed.path;
    if closed.identity.is_none() || identity(std::fs::metadata(path)) != closed.identity {
        return Err(std::io::Error::other("another file has its name"));
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(SUFFIX);
    let other = path.with_file_name(name);
    // One of earlier, of a window that was killed.
    let _ = std::fs::remove_file(&other);
    let outcome = write(path, &other, wanted).and_then(|(thinned, by)| {
        let worth_it = thinned.dropped > 0 && by.places.len() <= MOST_PIECES;
        if !worth_it {
            return Ok(Thinned::default());
        }
        // Only when both are there: the ring may delete the file just now.
        live::change_places(&other, path)?;
        closed.growth.replace(by);
        Ok(thinned)
    });
    // The one or the other, whichever is not wanted.
    let removed = std::fs::remove_file(&other);
    outcome.and_then(|thinned| removed.map(|()| thinned))
}

fn write(from: &Path, to: &Path, wanted: &Wanted) -> std::io::Result<(Thinned, ThinnedFile)> {
    let mut options = File::options();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.read(true).write(true).create_new(true).open(to)?;
    // For as long as it is followed nobody offers it as one that was left behind.
    let _ = file.try_lock();
    let mut places = Places::default();
    let mut out = BufWriter::with_capacity(1 << 18, &file);
    let thinned = thin::copy_noting(from, 0, wanted, &mut out, &mut places)?;
    out.flush()?;
    drop(out);
    file.sync_all()?;
    Ok((thinned, ThinnedFile { file, places }))
}

#[cfg(unix)]
fn identity(metadata: std::io::Result<std::fs::Metadata>) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    metadata
        .ok()
        .map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: std::io::Result<std::fs::Metadata>) -> Option<(u64, u64)> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::ingest::{self, Feed, GrowingFile, Options};
    use crate::source::pcapng_block::{self, Head};

    /// A datagram of IPv4 between two ports of one host.
    fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
        let host = [192, 0, 2, 1];
        let length = |more: usize| ((payload.len() + more) as u16).to_be_bytes();
        let mut out = vec![0x45, 0];
        out.extend(length(28));
        out.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        out.extend(host.iter().chain(&host));
        out.extend([from.to_be_bytes(), to.to_be_bytes(), length(8), [0, 0]].concat());
        out.extend(payload);
        out
    }

    fn invite(number: usize) -> Vec<u8> {
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 20000 RTP/AVP 0\r\n";
        let text = format!(
            "INVITE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n\
             From: <sip:a@192.0.2.1>;tag={number}\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: {number}@a\r\n\
             CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        datagram(5060, 5070, text.as_bytes())
    }

    #[test]
    fn what_is_in_memory_can_be_read_after_the_file_was_thinned_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wide.00001.pcapng");
        let head = Head {
            application: "test",
            name: "test",
            description: "",
            link_type: 101,
            snap_octets: 65_535,
            filter: "",
        };
        let mut octets = head.octets();
        let mut rtp = [0x55; 172];
        rtp[..4].copy_from_slice(&[0x80, 0, 0, 1]);
        for number in 0..200 {
            let packets = [
                invite(number),
                datagram(4000, 20_000, &rtp),
                datagram(40_000, 50_000, &[0; 700]),
            ];
            for packet in packets {
                let length = packet.len() as u32;
                pcapng_block::packet(&mut octets, 1, length, &[&packet], None);
            }
        }
        std::fs::write(&path, &octets).unwrap();
        let file = File::open(&path).unwrap();
        let growth = Growth::default();
        let closed = Closed::new(path.clone(), &file, growth.clone());
        let feed = Feed::of(GrowingFile {
            path: path.clone(),
            file,
            growth: growth.clone(),
        });
        growth.finish();
        let loading = ingest::follow(
            vec![feed],
            Options::default(),
            Box::new(|| true),
            Arc::new(|| {}),
        );
        let until = Instant::now() + Duration::from_secs(20);
        while loading.loaded().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let view = loading.view();
        let bytes = loading.bytes().expect("the file is open");
        let read = |number: usize| {
            let row = view.messages().get(number).expect("a message");
            let mut out = Vec::new();
            for extent in view.extents(row) {
                bytes.read(extent, &mut out).expect("its octets");
            }
            out
        };
        let before: Vec<_> = (0..200).map(read).collect();
        let mut thinning = Thinning::start();
        thinning.add(closed, Some(&loading.watch()));
        thinning.end();
        let (thinned, fault) = thinning.so_far();
        assert_eq!((thinned.kept, thinned.dropped, fault), (400, 200, None));
        assert_eq!((0..200).map(read).collect::<Vec<_>>(), before);
        let left = std::fs::metadata(&path).unwrap().len();
        assert!(left < octets.len() as u64 - 200 * 700, "{left}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_file_of_the_same_name_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        std::fs::write(&path, "old").unwrap();
        let file = File::open(&path).unwrap();
        let closed = Closed::new(path.clone(), &file, Growth::default());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "new, and no capture").unwrap();
        assert!(exchange(&closed, &Wanted::default()).is_err());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "new, and no capture"
        );
        // Damaged, or no capture: it stays, and nothing is left beside it.
        let file = File::open(&path).unwrap();
        let closed = Closed::new(path.clone(), &file, Growth::default());
        assert!(exchange(&closed, &Wanted::default()).is_err());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "new, and no capture"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
