//! A running capture behind the window: a thread of its own drives the capture programs.
//!
//! The window sees a [`Status`] that is replaced as a whole, and the packets by way of
//! [`ingest::follow`](crate::ingest::follow). Files lie in the user's private folder until they are
//! saved; what was not saved is offered again at the next start.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::session::Wake;
use crate::index::wanted::Wanted;
use crate::ingest::thin::{self, Thinned};
use crate::ingest::{Feed, GrowingFile, Watch};
use crate::present::text;
use crate::source::hep_listener::{self, HepKey, HepOptions};
use crate::source::live::{
    self, Agent, Counts, Event, LiveError, LiveSource, Options, Recording, Ring, Standstill, Target,
};
use crate::source::remote::{self, RemoteOptions};
use crate::source::{Growth, private_folder};

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

/// Which packets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kept {
    /// SIP on its usual ports, with fragments and tagged frames.
    #[default]
    Sip,
    /// SIP, and all UDP that may be RTP.
    SipAndMedia,
    /// The same, but what no session description announces is left out when it is saved.
    SipAndItsMedia,
    /// Everything.
    All,
    /// What a filter in the language of libpcap says.
    Filter(String),
}

impl Kept {
    /// The filter for an interface.
    pub fn filter(&self, link_type: Option<u16>) -> String {
        // libpcap knows VLAN tags behind Ethernet only, and takes the word nowhere else.
        let tags = link_type == Some(1);
        match self {
            Self::Sip => live::sip_filter(tags),
            Self::SipAndMedia | Self::SipAndItsMedia => live::sip_and_media_filter(tags),
            Self::All => String::new(),
            Self::Filter(text) => text.trim().to_owned(),
        }
    }
}

/// Where packets come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// Interfaces of this machine.
    #[default]
    Interfaces,
    /// Agents that send HEP.
    Hep,
    /// Another machine, by way of ssh.
    Remote,
}

/// Agents that are listened for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HepWish {
    /// Where: a port, or an address with one.
    pub listen: String,
    /// Addresses of those who may send, with commas; empty for everybody.
    pub senders: String,
    /// What agents must know; empty for nothing.
    #[serde(skip)]
    pub key: Secret,
}

/// Another machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteWish {
    /// Its name, as ssh takes it.
    pub host: String,
    /// Its interface.
    pub interface: String,
    /// tcpdump needs sudo there.
    pub sudo: bool,
}

/// A text that is neither shown nor stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub zeroize::Zeroizing<String>);

impl std::hash::Hash for Secret {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A capture that a person asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaptureWish {
    /// Where packets come from; what belongs to other origins does not count.
    pub origin: Origin,
    /// Names of the interfaces.
    pub interfaces: Vec<String>,
    /// Agents that are listened for.
    pub hep: HepWish,
    /// Another machine.
    pub remote: RemoteWish,
    /// Which packets.
    pub kept: Kept,
    /// Also packets meant for others.
    pub promiscuous: bool,
    /// Ends after so many seconds.
    pub seconds: Option<u64>,
    /// Ends after so many packets.
    pub packets: Option<u64>,
    /// Ends after so many MiB.
    pub mebibytes: Option<u64>,
    /// Ends when less than so many MiB are left on the disk.
    pub spare_mebibytes: Option<u64>,
    /// Ends when so many calls have ended.
    #[serde(default)]
    pub calls: Option<u64>,
    /// Folder for the files; none is the private one.
    pub folder: Option<PathBuf>,
    /// A ring of so many files of so many MiB.
    pub ring: Option<(usize, u64)>,
}

impl CaptureWish {
    /// What it captures, in words, one for each file.
    pub fn sources(&self) -> Vec<String> {
        match self.origin {
            Origin::Interfaces => self.interfaces.clone(),
            Origin::Hep => vec![format!("HEP on {}", self.hep.listen.trim())],
            Origin::Remote => vec![format!(
                "{} of {}",
                self.remote_interface(),
                self.remote.host
            )],
        }
    }

    fn remote_interface(&self) -> &str {
        match self.remote.interface.trim() {
            "" => "any",
            name => name,
        }
    }

    /// Why it cannot begin; none when it can.
    pub fn fault(&self) -> Option<String> {
        match self.origin {
            Origin::Interfaces => self
                .interfaces
                .is_empty()
                .then(|| "Choose an interface".to_owned()),
            Origin::Hep => self.hep_options().err(),
            Origin::Remote => self
                .remote
                .host
                .trim()
                .is_empty()
                .then(|| "Name the machine".to_owned()),
        }
    }

    /// The same for the listener.
    pub fn hep_options(&self) -> Result<HepOptions, String> {
        let senders = self.hep.senders.split([',', ' ']).filter(|s| !s.is_empty());
        let key = &self.hep.key.0;
        Ok(HepOptions {
            listen: hep_listener::address(self.hep.listen.trim())?,
            senders: senders.map(str::parse).collect::<Result<_, _>>()?,
            key: (!key.is_empty()).then(|| HepKey::new(key.as_bytes().to_vec())),
            packets: self.packets,
            limits: hep_listener::Limits::default(),
        })
    }
}

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
    /// Packets in each of the last seconds.
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
    /// Marks set so far.
    pub marks: u32,
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
        for source in wish.sources() {
            let (send, files): (Sender<GrowingFile>, Receiver<GrowingFile>) = mpsc::channel();
            senders.push(send);
            feeds.push(Feed {
                name: source.into(),
                files,
            });
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
    growing: Vec<Option<Growth>>,
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
            senders,
            status: Status {
                unsaved: wish.folder.is_none(),
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
        let known = match self.wish.origin {
            Origin::Interfaces => live::interfaces(),
            Origin::Hep | Origin::Remote => Vec::new(),
        };
        for source in self.wish.sources() {
            let link_type = match self.wish.origin {
                Origin::Interfaces => known
                    .iter()
                    .find(|interface| interface.name == source)
                    .and_then(|interface| interface.link_type),
                // Nobody has asked the other machine; most links are Ethernet, `any` is not.
                Origin::Remote => Some(1).filter(|_| self.wish.remote_interface() != "any"),
                Origin::Hep => None,
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
            let path = folder.join(format!("live-{stamp}-{name}.pcapng"));
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
        })
    }

    fn refuse(&mut self, error: &LiveError) {
        if matches!(error, LiveError::NotPermitted { .. }) {
            self.status.permit = live::permit_command();
        }
        self.status.refused |= self.begun.is_none();
        self.status.words.get_or_insert_with(|| error.to_string());
        self.stopped.get_or_insert_with(Instant::now);
    }

    fn run(&mut self, shared: &Shared, wake: &Wake) {
        while self.step(shared) {
            self.publish(shared, wake);
        }
        // Whoever follows waits for no further file.
        self.growing.iter().flatten().for_each(Growth::finish);
        self.senders.clear();
        self.status.phase = Phase::Over;
        // Programs that did not end by themselves are waited for here, not in the window.
        self.recordings.clear();
        self.status.files.retain(|file| file.exists());
        shared.status.store(Arc::new(self.status.clone()));
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
                    Event::File(path) => self.status.files.push(path),
                    Event::RingStuck => {
                        let path = recording.path();
                        let path = path.display();
                        let words = format!("No further file could be begun: {path} grows on");
                        self.status.words = Some(words);
                    }
                    Event::Failed(error) => failures.push(error),
                }
            }
            while let Some(file) = recording.next_file() {
                let growth = Growth::default();
                if let Some(send) = self.senders.get(at) {
                    // Nobody reads any more when the capture was closed.
                    let _ = send.send(GrowingFile {
                        path: recording.path(),
                        file,
                        growth: growth.clone(),
                    });
                }
                let before = self.growing.get_mut(at).and_then(|g| g.replace(growth));
                before.inspect(Growth::finish);
            }
            over &= recording.is_over();
        }
        for error in &failures {
            self.refuse(error);
        }
        if self.ready == self.recordings.len() && self.begun.is_none() {
            self.begun = Some(Instant::now());
            self.status.phase = Phase::Running;
        }
        if over {
            return false;
        }
        if let Some(words) = self.standstill.look(now()) {
            // So it stands in the file as well.
            self.recordings.iter().for_each(|r| r.mark(&words));
            self.status.words = Some(words);
        }
        self.limits(shared);
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
        self.status.seconds = seconds;
        if second_over {
            self.status
                .history
                .push(counts.packets.saturating_sub(self.counted));
            self.counted = counts.packets;
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

/// Where captures lie until they are saved.
pub fn live_folder() -> Option<PathBuf> {
    private_folder().map(|folder| folder.join("live"))
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Captures in the private folder that nobody writes any more, the newest first: those of windows
/// that were killed, and those that were not saved.
pub fn unsaved_captures() -> Vec<PathBuf> {
    let Some(folder) = live_folder() else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            // Ended by a crash of everything, it may have kept the name it had before its first packet.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let ours = name.ends_with(".pcapng") || name.ends_with(".pcapng.next");
            ours && path.is_file() && !live::is_in_use(path)
        })
        .collect();
    // An empty one holds nothing to be saved.
    found.retain(|path| {
        let holds = std::fs::metadata(path).is_ok_and(|m| m.len() > 0);
        if !holds {
            let _ = std::fs::remove_file(path);
        }
        holds
    });
    found.sort();
    found.reverse();
    found
}

/// Copies a capture to where a person wants it; an existing file is not replaced.
///
/// # Errors
/// A sentence for people.
pub fn save_copy(from: &Path, to: &Path) -> Result<(), String> {
    let copy = |mut target: &File| {
        let mut source = File::open(from)?;
        std::io::copy(&mut source, &mut target)
    };
    save_by(to, copy).map(drop)
}

/// The same, but only SIP and the media that it announces: `number` is that of the file among those
/// that were looked at.
///
/// # Errors
/// A sentence for people.
pub fn save_thinned(
    from: &Path,
    number: u16,
    wanted: &Wanted,
    to: &Path,
) -> Result<Thinned, String> {
    save_by(to, |target| {
        let mut out = BufWriter::with_capacity(1 << 18, target);
        let done = thin::copy(from, number, wanted, &mut out)?;
        out.flush()?;
        Ok(done)
    })
}

fn save_by<T>(to: &Path, write: impl FnOnce(&File) -> std::io::Result<T>) -> Result<T, String> {
    let failed = |error: std::io::Error| format!("{} was not saved: {error}", to.display());
    let mut options = File::options();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let target = options
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(failed)?;
    let written = write(&target).and_then(|done| target.sync_all().map(|()| done));
    // Half of a capture is none: the whole one is still where it was.
    written.map_err(|error| {
        drop(std::fs::remove_file(to));
        failed(error)
    })
}
