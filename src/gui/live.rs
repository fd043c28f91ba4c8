//! A running capture behind the window: a thread of its own drives the capture programs.
//!
//! The window sees a [`Status`] that is replaced as a whole, and the packets by way of
//! [`ingest::follow`](crate::ingest::follow). Files lie in the user's private folder until they are
//! saved; what was not saved is offered again at the next start.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

pub use super::capture_wish::{CaptureWish, HepWish, Kept, Origin, RemoteWish, Secret};
use super::live_files::{WIDE, make_private};
pub use super::live_files::{
    are_of_one_ring, is_wide, live_folder, save_copy, save_thinned, unsaved_captures, was_thinned,
};
use super::session::Wake;
use super::thinning::{Closed, Thinning};
use crate::ingest::thin::Thinned;
use crate::ingest::{Feed, GrowingFile, Watch};
use crate::present::text;
use crate::source::Growth;
use crate::source::hep_listener;
use crate::source::live::{
    self, Agent, Counts, Event, ForeignFile, LiveError, LiveSource, Options, Recording, Ring,
    Standstill, Target,
};
use crate::source::remote::{self, RemoteOptions};

/// Events are looked for this often.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a capture goes on after the last of the calls that were asked for.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// The programs get this long to end their files.
const ENDING: Duration = Duration::from_secs(10);
/// Points of a small chart.
const HISTORY: usize = 60;
/// The capture ends when so little room is left on the disk of its file, if nothing else is wished.
pub const SPARE_MEBIBYTES: u64 = 512;

/// How far a capture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Interfaces are being opened.
    #[default]
    Starting,
    /// Packets are taken.
    Running,
    /// Asked to end.
    Ending,
    /// It is over.
    Over,
}

/// What is to be shown of a capture.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// How far it is.
    pub phase: Phase,
    /// Where packets come from.
    pub origin: Origin,
    /// Interfaces with their filters.
    pub interfaces: Vec<(String, String)>,
    /// Who sent packets, where somebody does.
    pub agents: Vec<Agent>,
    /// Counters of all of them.
    pub counts: Counts,
    /// Packets in each of the last seconds; SIP messages where files are followed.
    pub history: Vec<u64>,
    /// Seconds since it began.
    pub seconds: u64,
    /// Why it ended, or what did not go well.
    pub words: Option<String>,
    /// It could not begin.
    pub refused: bool,
    /// The command that gives the right to capture, when that is what is missing.
    pub permit: Option<String>,
    /// The files, as far as they are kept.
    pub files: Vec<PathBuf>,
    /// They lie in the private folder.
    pub unsaved: bool,
    /// A ring keeps no more files than this of one source; older ones are deleted.
    pub ring_files: Option<usize>,
    /// It has deleted some.
    pub deleted: bool,
    /// Marks set so far.
    pub marks: u32,
    /// What was left out of files that are full, where only SIP and its RTP is kept.
    pub thinned: Thinned,
}

#[derive(Default)]
struct Shared {
    status: ArcSwap<Status>,
    stop: AtomicBool,
    marks: Mutex<Vec<String>>,
    view: OnceLock<Watch>,
}

/// A capture in a thread of its own; goes on in the file when nobody looks, ends when dropped.
pub struct LiveCapture {
    shared: Arc<Shared>,
}

impl LiveCapture {
    /// Begins; the feeds are for the index.
    pub fn start(wish: CaptureWish, wake: Wake) -> (Self, Vec<Feed>) {
        let shared: Arc<Shared> = Arc::default();
        let mut senders = Vec::new();
        let mut feeds = Vec::new();
        let names: Vec<PathBuf> = match wish.origin {
            Origin::Files => wish.files.clone(),
            _ => wish.sources().into_iter().map(PathBuf::from).collect(),
        };
        for name in names {
            let (send, files): (Sender<GrowingFile>, Receiver<GrowingFile>) = mpsc::channel();
            senders.push(send);
            feeds.push(Feed { name, files });
        }
        let job = {
            let shared = Arc::clone(&shared);
            move || {
                let mut driver = Driver::new(wish, senders, &shared);
                driver.run(&shared, &wake);
                wake();
            }
        };
        if thread::Builder::new()
            .name("live".to_owned())
            .spawn(job)
            .is_err()
        {
            shared.status.store(Arc::new(Status {
                phase: Phase::Over,
                refused: true,
                words: Some("No thread could be started for the capture".to_owned()),
                ..Status::default()
            }));
        }
        (Self { shared }, feeds)
    }

    /// What is to be shown.
    pub fn status(&self) -> Arc<Status> {
        self.shared.status.load_full()
    }

    /// Takes the count of calls from here on out of these views.
    pub fn watch(&self, view: Watch) {
        // There is one index for a capture.
        let _ = self.shared.view.set(view);
    }

    /// Ends it; what is captured stays.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Puts a comment on the next packet.
    pub fn mark(&self, text: String) {
        let marks = &self.shared.marks;
        marks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }
}

impl Drop for LiveCapture {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread keeps.
struct Driver {
    wish: CaptureWish,
    recordings: Vec<Box<dyn LiveSource>>,
    senders: Vec<Sender<GrowingFile>>,
    growing: Vec<Option<Closed>>,
    thinning: Option<Thinning>,
    status: Status,
    ready: usize,
    begun: Option<Instant>,
    stopped: Option<Instant>,
    /// Packets when the last second ended.
    counted: u64,
    standstill: Standstill,
    /// When the last of the calls that were asked for ended.
    last_call_over: Option<Instant>,
}

impl Driver {
    fn new(wish: CaptureWish, senders: Vec<Sender<GrowingFile>>, shared: &Shared) -> Self {
        let mut driver = Self {
            recordings: Vec::new(),
            growing: senders.iter().map(|_| None).collect(),
            thinning: None,
            senders,
            status: Status {
                unsaved: wish.folder.is_none() && wish.origin != Origin::Files,
                ring_files: wish
                    .ring
                    .map(|(files, _)| files * wish.sources().len().max(1)),
                origin: wish.origin,
                ..Status::default()
            },
            wish,
            ready: 0,
            begun: None,
            stopped: None,
            counted: 0,
            standstill: Standstill::default(),
            last_call_over: None,
        };
        if let Err(error) = driver.open() {
            driver.refuse(&error);
        }
        shared.status.store(Arc::new(driver.status.clone()));
        driver
    }

    fn open(&mut self) -> Result<(), LiveError> {
        if self.wish.origin == Origin::Files {
            for path in &self.wish.files {
                let file = ForeignFile::open(path)?;
                let name = file.name().to_owned();
                self.status.interfaces.push((name, String::new()));
                self.recordings.push(Box::new(file));
            }
            return Ok(());
        }
        let folder = match &self.wish.folder {
            Some(folder) => folder.clone(),
            None => live_folder().ok_or(LiveError::Output {
                path: "the private folder".into(),
                why: "set HOME, XDG_STATE_HOME or SIPSCOPE_HOME".to_owned(),
            })?,
        };
        make_private(&folder).map_err(|error| LiveError::Output {
            path: folder.clone(),
            why: error.to_string(),
        })?;
        let now = i64::try_from(now()).unwrap_or(0);
        // 2026-11-21T03:40:01.123456789Z becomes 20261121-034001.
        let stamp: String = text::rfc3339(now)
            .chars()
            .take(19)
            .filter_map(|c| match c {
                'T' => Some('-'),
                c => c.is_ascii_digit().then_some(c),
            })
            .collect();
        let thins = self.wish.thins();
        self.thinning = thins.then(Thinning::start);
        // What is not thinned out yet is known by its name, also after a crash.
        let wide = match thins && self.status.unsaved {
            true => WIDE,
            false => "",
        };
        let known = match self.wish.origin {
            Origin::Interfaces => live::interfaces(),
            _ => Vec::new(),
        };
        for source in self.wish.sources() {
            let link_type = match self.wish.origin {
                Origin::Interfaces => known
                    .iter()
                    .find(|interface| interface.name == source)
                    .and_then(|interface| interface.link_type),
                // Nobody has asked the other machine; most links are Ethernet, `any` is not.
                Origin::Remote => Some(1).filter(|_| self.wish.remote_interface() != "any"),
                Origin::Hep | Origin::Files => None,
            };
            let filter = match self.wish.origin {
                Origin::Hep => String::new(),
                _ => self.wish.kept.filter(link_type),
            };
            let safe = |c: char| {
                if c.is_ascii_alphanumeric() || "._-".contains(c) {
                    c
                } else {
                    '_'
                }
            };
            let name: String = source.chars().map(safe).take(80).collect();
            let ring = self.wish.ring.map(|(files, mebibytes)| Ring {
                files,
                octets: mebibytes.max(1) << 20,
            });
            let path = folder.join(format!("live-{stamp}-{name}{wide}.pcapng"));
            let target = Target::new(path, ring);
            self.status
                .interfaces
                .push((source.clone(), filter.clone()));
            let recording = self.begin(source, filter, target)?;
            if let Some((name, _)) = self.status.interfaces.last_mut() {
                // The port that the system chose, for one.
                *name = recording.name().to_owned();
            }
            self.recordings.push(recording);
        }
        Ok(())
    }

    /// Begins to capture one source.
    fn begin(
        &self,
        source: String,
        filter: String,
        target: Target,
    ) -> Result<Box<dyn LiveSource>, LiveError> {
        let wish = &self.wish;
        Ok(match wish.origin {
            Origin::Interfaces => {
                let options = Options {
                    interface: source,
                    filter,
                    packets: wish.packets,
                    promiscuous: wish.promiscuous,
                    ..Options::default()
                };
                Box::new(Recording::start(options, target)?)
            }
            Origin::Hep => {
                let options = wish
                    .hep_options()
                    .map_err(|why| LiveError::Remote { host: source, why })?;
                Box::new(hep_listener::listen(options, target, now)?.0)
            }
            Origin::Remote => {
                let options = RemoteOptions {
                    host: wish.remote.host.trim().to_owned(),
                    interface: wish.remote_interface().to_owned(),
                    filter,
                    packets: wish.packets,
                    snap_octets: None,
                    promiscuous: wish.promiscuous,
                    sudo: wish.remote.sudo,
                    unattended: true,
                };
                Box::new(remote::capture(options, target, now)?)
            }
            Origin::Files => Box::new(ForeignFile::open(Path::new(&source))?),
        })
    }

    fn refuse(&mut self, error: &LiveError) {
        if matches!(error, LiveError::NotPermitted { .. }) {
            self.status.permit = live::permit_command();
        }
        self.status.refused |= self.begun.is_none();
        if self.begun.is_some() && self.stopped.is_none() {
            self.status.words = Some(format!("The capture ended: {error}"));
        }
        self.status.words.get_or_insert_with(|| error.to_string());
        self.stopped.get_or_insert_with(Instant::now);
    }

    fn run(&mut self, shared: &Shared, wake: &Wake) {
        while self.step(shared) {
            self.publish(shared, wake);
        }
        // Whoever follows waits for no further file.
        let last: Vec<Closed> = self.growing.iter_mut().filter_map(Option::take).collect();
        last.iter().for_each(|file| file.growth.finish());
        self.senders.clear();
        self.status.phase = Phase::Over;
        // Programs that did not end by themselves are waited for here, not in the window.
        self.recordings.clear();
        let begun = self.status.files.len();
        self.status.files.retain(|file| file.exists());
        self.status.deleted |= self.status.ring_files.is_some() && self.status.files.len() < begun;
        shared.status.store(Arc::new(self.status.clone()));
        if let Some(mut thinning) = self.thinning.take() {
            // Others are thinned out when they are saved.
            if !self.status.unsaved {
                last.into_iter()
                    .for_each(|file| thinning.add(file, shared.view.get()));
            }
            thinning.end();
            self.take_in_thinned(&thinning);
            shared.status.store(Arc::new(self.status.clone()));
        }
    }

    fn take_in_thinned(&mut self, thinning: &Thinning) {
        let (thinned, fault) = thinning.so_far();
        self.status.thinned = thinned;
        if let Some(words) = fault {
            self.status.words = Some(words);
        }
    }

    /// Takes in what happened; false when all is over.
    fn step(&mut self, shared: &Shared) -> bool {
        let count = u32::try_from(self.recordings.len()).unwrap_or(1).max(1);
        let mut over = true;
        let mut failures = Vec::new();
        for (at, recording) in self.recordings.iter_mut().enumerate() {
            let mut wait = PATIENCE / count;
            while let Some(event) = recording.next_event(wait) {
                wait = Duration::ZERO;
                match event {
                    Event::Ready => {
                        self.ready += 1;
                        self.status.files.push(recording.path());
                    }
                    Event::Counted | Event::Ended => {}
                    Event::Told(words) => self.status.words = Some(words),
                    Event::File(path) => {
                        self.status.files.push(path);
                        let most = self.status.ring_files;
                        self.status.deleted |= most.is_some_and(|m| self.status.files.len() > m);
                    }
                    Event::RingStuck => {
                        let path = recording.path();
                        let path = path.display();
                        let words = format!("No further file could be begun: {path} grows on");
                        self.status.words = Some(words);
                    }
                    Event::Failed(error) => failures.push(error),
                }
            }
            while let Some((path, file)) = recording.next_file() {
                let growth = match self.wish.origin {
                    // A stream has no name that another file may take.
                    Origin::Files if path != Path::new("-") => Growth::of_foreign_file(),
                    _ => Growth::default(),
                };
                let begun = Closed::new(path.clone(), &file, growth.clone());
                if let Some(send) = self.senders.get(at) {
                    // Nobody reads any more when the capture was closed.
                    let _ = send.send(GrowingFile {
                        path,
                        file,
                        growth: growth.clone(),
                    });
                }
                let before = self.growing.get_mut(at).and_then(|g| g.replace(begun));
                let Some(before) = before else { continue };
                before.growth.finish();
                if let Some(thinning) = &mut self.thinning {
                    thinning.add(before, shared.view.get());
                }
            }
            over &= recording.is_over();
            let growing = self.growing.get(at).and_then(Option::as_ref);
            if let Some(words) = growing.and_then(|file| file.growth.told()) {
                self.status.words = Some(words);
            }
        }
        let others = self.begun.is_some() && self.recordings.iter().any(|r| !r.is_over());
        for error in &failures {
            match others {
                true => self.status.words = Some(format!("{error}; what else is captured goes on")),
                false => self.refuse(error),
            }
        }
        if self.ready == self.recordings.len() && self.begun.is_none() {
            self.begun = Some(Instant::now());
            self.status.phase = Phase::Running;
        }
        if over {
            return false;
        }
        // What others write they write on.
        if self.wish.origin != Origin::Files
            && let Some(words) = self.standstill.look(now())
        {
            // So it stands in the file as well.
            self.recordings.iter().for_each(|r| r.mark(&words));
            self.status.words = Some(words);
        }
        self.limits(shared);
        if let Some(thinning) = self.thinning.take() {
            self.take_in_thinned(&thinning);
            self.thinning = Some(thinning);
        }
        let marks =
            std::mem::take(&mut *shared.marks.lock().unwrap_or_else(PoisonError::into_inner));
        for mark in marks {
            self.status.marks += 1;
            self.recordings
                .iter()
                .for_each(|recording| recording.mark(&mark));
        }
        if let Some(since) = self.stopped {
            self.status.phase = Phase::Ending;
            self.recordings
                .iter()
                .filter(|r| !r.is_over())
                .for_each(|recording| recording.stop());
            return since.elapsed() < ENDING;
        }
        true
    }

    /// So many calls have ended as were asked for; answers to the last BYE may still come.
    fn enough_calls(&mut self, shared: &Shared) -> bool {
        let Some((most, view)) = self.wish.calls.zip(shared.view.get()) else {
            return false;
        };
        if view().totals.calls_over < most {
            self.last_call_over = None;
            return false;
        }
        let since = *self.last_call_over.get_or_insert_with(Instant::now);
        since.elapsed() >= LAST_ANSWERS
    }

    fn limits(&mut self, shared: &Shared) {
        let asked = shared.stop.load(Ordering::Relaxed);
        let enough_calls = self.enough_calls(shared);
        let mut counts = Counts::default();
        for recording in &self.recordings {
            counts += recording.counts();
        }
        self.status.counts = counts;
        self.status.agents = self.recordings.iter().flat_map(|r| r.agents()).collect();
        let seconds = self.begun.map_or(0, |begun| begun.elapsed().as_secs());
        let second_over = seconds > self.status.seconds;
        let taken = match (self.wish.origin, shared.view.get()) {
            // Nobody counts packets in files of others.
            (Origin::Files, Some(view)) => view().messages().end() as u64,
            _ => counts.packets,
        };
        self.status.seconds = seconds;
        if second_over {
            self.status.history.push(taken.saturating_sub(self.counted));
            self.counted = taken;
            let more = self.status.history.len().saturating_sub(HISTORY);
            self.status.history.drain(..more);
        }
        let wish = &self.wish;
        let reached = if asked {
            Some(String::new())
        } else if wish.seconds.is_some_and(|most| seconds >= most) {
            Some("The capture ended after the time that was set".to_owned())
        } else if wish.packets.is_some_and(|most| counts.packets >= most) {
            Some("The capture ended after the number of packets that was set".to_owned())
        } else if wish
            .mebibytes
            .is_some_and(|most| counts.octets >> 20 >= most)
        {
            Some("The capture ended at the size that was set".to_owned())
        } else if enough_calls {
            Some("The capture ended after the number of calls that was set".to_owned())
        } else if let Some(spare) = wish.spare_mebibytes
            && second_over
            && let Some(free) = self
                .status
                .files
                .last()
                .and_then(|file| live::free_bytes(file))
            && free >> 20 < spare
        {
            let spare = text::grouped(spare);
            Some(format!(
                "The capture ended: less than {spare} MiB are left on the disk"
            ))
        } else {
            None
        };
        if let Some(words) = reached.filter(|_| self.stopped.is_none()) {
            self.stopped = Some(Instant::now());
            if !words.is_empty() {
                self.status.words = Some(words);
            }
        }
    }

    fn publish(&self, shared: &Shared, wake: &Wake) {
        let shown = shared.status.load();
        let (old, new) = (&**shown, &self.status);
        if (old.phase, old.counts, old.seconds, old.marks)
            != (new.phase, new.counts, new.seconds, new.marks)
            || old.words != new.words
            || old.thinned != new.thinned
            || old.files.len() != new.files.len()
        {
            shared.status.store(Arc::new(new.clone()));
            wake();
        }
    }
}

/// The time, for captures that this process writes itself.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.map_or(0, |now| now.as_nanos())).unwrap_or(u64::MAX)
}
