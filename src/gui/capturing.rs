//! What a person can ask of live capture, and what of it the session remembers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::live::{self, CaptureWish, LiveCapture, Origin, Phase};
use super::pace::Pace;
use super::panels::capture::CaptureFacts;
use super::prefs::CAPTURE_MEBIBYTES;
use super::selection::Selection;
use super::session::{Session, Wake};
use crate::index::ids::{CallId, MessageId};
use crate::ingest;
use crate::ingest::thin::{self, Thinned};
use crate::present::rows::{counted, sentence};
use crate::present::text::grouped;

/// Wishes about live capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CaptureAction {
    /// Shows or hides the picker of interfaces.
    Pick(bool),
    /// Begins a capture.
    Start(Box<CaptureWish>),
    /// Shows these files while other programs write them.
    Follow(Vec<PathBuf>),
    /// Ends it; what is there stays.
    Stop,
    /// Lets the view stand still while the capture goes on.
    Pause(bool),
    /// Puts a comment on the next packet.
    Mark(String),
    /// Opens all that was captured, also what left memory, in a second window.
    OpenWhole,
    /// Saves the capture there.
    Save(PathBuf),
    /// Deletes a capture of earlier that was not saved.
    DeleteUnsaved(PathBuf),
}

/// What was saved where and what was left out of it, or why nothing was.
type SaveOutcome = Result<(Vec<PathBuf>, Option<Thinned>), String>;

/// State of live capture.
#[derive(Default)]
pub struct Capturing {
    picker: bool,
    live: Option<LiveCapture>,
    /// The end of the capture was noticed.
    ended: bool,
    paused: bool,
    /// What belongs to no call is left out when it is saved.
    thin: bool,
    refused: Option<(String, Option<String>)>,
    /// Somebody insists on capturing as root.
    pub allow_root: bool,
    unsaved: Arc<ArcSwap<Vec<PathBuf>>>,
    saves: Arc<Mutex<Vec<SaveOutcome>>>,
    saved: bool,
    saved_as: Vec<PathBuf>,
    marks: u32,
    newest: Option<Newest>,
}

/// The newest message of files that are followed.
#[derive(Clone, Copy)]
struct Newest {
    /// As the file says.
    time: i64,
    /// When it was seen here.
    seen: Instant,
}

impl Newest {
    /// Differences of clocks and of time zones are larger.
    const NEAR: i64 = 600_000_000_000;

    /// The time by the clock of the file, whatever it shows; `wall` is that of this machine.
    fn now(self, wall: i64) -> i64 {
        let since = wall.saturating_sub(self.time);
        if (0..Self::NEAR).contains(&since) {
            return wall;
        }
        let passed = i64::try_from(self.seen.elapsed().as_nanos()).unwrap_or(0);
        self.time.saturating_add(passed)
    }
}

impl Capturing {
    /// Packets are being captured.
    pub fn is_running(&self) -> bool {
        self.live.is_some() && !self.ended
    }

    /// Files that other programs write are shown as they grow.
    pub fn is_following(&self) -> bool {
        let status = self.status().filter(|_| !self.ended);
        status.is_some_and(|status| status.origin == Origin::Files)
    }

    /// How the capture goes that is, or was, live.
    pub fn status(&self) -> Option<Arc<live::Status>> {
        self.live.as_ref().map(LiveCapture::status)
    }

    /// The files of the capture that is, or was, live here, as far as they are still there.
    pub fn files(&self) -> Option<Vec<PathBuf>> {
        let status = self.live.as_ref()?.status();
        let moved = self.saved_as.iter();
        let files = status.files.iter().chain(moved);
        let files: Vec<PathBuf> = files.filter(|file| file.exists()).cloned().collect();
        (!files.is_empty()).then_some(files)
    }

    /// The view stands still.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The capture that is open was closed.
    pub fn forget(&mut self) {
        // It ends its files in its own thread.
        self.live = None;
        (self.paused, self.ended, self.saved, self.thin) = (false, false, false, false);
        self.saved_as.clear();
        self.marks = 0;
        self.newest = None;
    }

    /// Looks for captures that were not saved, in the background.
    pub fn look_for_unsaved(&self, wake: Wake) {
        let list = Arc::clone(&self.unsaved);
        std::thread::spawn(move || {
            list.store(Arc::new(live::unsaved_captures()));
            wake();
        });
    }

    /// For the panels; `paths` are those of the open capture.
    pub fn facts(&self, paths: &[PathBuf]) -> CaptureFacts {
        let status = self.live.as_ref().map(LiveCapture::status);
        let to_save = match &status {
            _ if self.saved => Vec::new(),
            Some(status) if status.unsaved => status.files.clone(),
            Some(_) => Vec::new(),
            None => {
                let folder = live::live_folder();
                let inside =
                    |path: &&PathBuf| folder.as_deref().is_some_and(|f| path.starts_with(f));
                paths.iter().filter(inside).cloned().collect()
            }
        };
        let runs = status.as_ref().filter(|s| s.phase == Phase::Running);
        let now = runs.filter(|_| !self.paused).and_then(|status| {
            let now = i64::try_from(live::now()).ok()?;
            match status.origin {
                Origin::Files => self.newest.map(|newest| newest.now(now)),
                _ => Some(now),
            }
        });
        CaptureFacts {
            now,
            picker: self.picker,
            status,
            paused: self.paused,
            refused: self.refused.clone(),
            allow_root: self.allow_root,
            unsaved: self.unsaved.load_full(),
            to_save,
            written_elsewhere: false,
            stream: paths.iter().any(|path| path.as_os_str() == "-"),
        }
    }
}

/// Carries out a wish.
pub(super) fn apply(session: &mut Session, action: CaptureAction) {
    match action {
        CaptureAction::Pick(show) => {
            session.capturing.picker = show;
            if show {
                session.capturing.look_for_unsaved(session.wake());
            } else {
                session.capturing.refused = None;
            }
        }
        CaptureAction::Start(wish) => start(session, *wish),
        CaptureAction::Follow(files) => follow(session, files),
        CaptureAction::Stop => {
            if let Some(live) = &session.capturing.live {
                live.stop();
            }
        }
        CaptureAction::Pause(paused) => {
            session.capturing.paused = paused && session.capturing.live.is_some();
        }
        CaptureAction::Mark(text) => {
            let capturing = &mut session.capturing;
            let Some(live) = &capturing.live else {
                return session.notify("There is no capture to be marked".to_owned());
            };
            capturing.marks += 1;
            let text = match text.trim() {
                "" => format!("Mark {}", capturing.marks),
                text => text.to_owned(),
            };
            // The bar of the capture counts it.
            live.mark(text);
        }
        CaptureAction::OpenWhole => open_whole(session),
        CaptureAction::Save(path) => save(session, path),
        CaptureAction::DeleteUnsaved(path) => {
            // Nothing but what is listed is deleted.
            let listed = session.capturing.unsaved.load().contains(&path);
            if listed {
                if let Err(error) = std::fs::remove_file(&path) {
                    session.notify(format!("{} was not deleted: {error}", path.display()));
                }
                session.capturing.look_for_unsaved(session.wake());
            }
        }
    }
}

fn start(session: &mut Session, wish: CaptureWish) {
    if crate::source::live::is_root() && !session.capturing.allow_root {
        session.notify("Nothing is captured while the window runs as root".to_owned());
        return;
    }
    if let Some(memory) = wish.memory_mebibytes {
        let most = *CAPTURE_MEBIBYTES.end();
        session.prefs.capture_mebibytes = memory.clamp(*CAPTURE_MEBIBYTES.start(), most);
    }
    let names = wish.sources().iter().map(PathBuf::from).collect();
    begin(session, wish, names);
    session.capturing.picker = false;
}

fn follow(session: &mut Session, files: Vec<PathBuf>) {
    if files.is_empty() {
        return;
    }
    session.capturing.picker = false;
    session.remember(&files);
    let wish = CaptureWish {
        origin: Origin::Files,
        files: files.clone(),
        ..CaptureWish::default()
    };
    session.read_again(|session| {
        begin(session, wish, files.clone());
        session.open_notebook(&files);
    });
}

/// Shows what comes, from here on.
fn begin(session: &mut Session, wish: CaptureWish, names: Vec<PathBuf>) {
    session.capturing.refused = None;
    let mut pace = Pace::default();
    let pace = Box::new(move || pace.due());
    let thin = wish.thins();
    let key_logs = match wish.origin {
        Origin::Files => session.key_logs.clone(),
        _ => Vec::new(),
    };
    let (live, feeds) = LiveCapture::start(wish, session.wake());
    let memory = session.prefs.capture_mebibytes << 20;
    let options = ingest::Options {
        key_logs,
        memory_octets: usize::try_from(memory).ok(),
        ..ingest::Options::default()
    };
    let loading = ingest::follow(feeds, options, pace, session.wake());
    live.watch(loading.watch());
    session.show_growing(names, loading);
    session.capturing.live = Some(live);
    session.capturing.thin = thin;
}

/// A second window, for this one goes on with the capture.
fn open_whole(session: &mut Session) {
    let status = session.capturing.live.as_ref().map(LiveCapture::status);
    let mut files: Vec<PathBuf> = match status {
        Some(status) => status.files.clone(),
        None => session.paths().to_vec(),
    };
    // The oldest files of a ring are deleted.
    files.retain(|file| file.exists());
    if files.is_empty() {
        return session.notify("The files of the capture are not there any more".to_owned());
    }
    let window = std::env::current_exe()
        .and_then(|program| std::process::Command::new(program).args(&files).spawn());
    match window {
        // Somebody has to wait for it, or it stays in the table of processes.
        Ok(mut window) => drop(std::thread::spawn(move || window.wait())),
        Err(error) => session.notify(format!("No second window could be opened: {error}")),
    }
}

/// What is selected or marked may have left memory.
fn forget_what_left(session: &mut Session) {
    let view = Arc::clone(&session.view);
    if view.left.messages == 0 {
        return;
    }
    let is_there = |call: &CallId| view.call(*call).is_some();
    let marked = session.marked.len();
    session.marked.retain(is_there);
    if session.marked.len() < marked {
        session.notify("Marked calls have left memory: they are in the file".to_owned());
    }
    if let Some(call) = session.selection.call.filter(|call| !is_there(call)) {
        session.selection = Selection::default();
        if session.unchosen == Some(call) {
            // Nobody looks at it: the next one is as good.
            return;
        }
        session.notify("The call that was selected has left memory: it is in the file".to_owned());
    }
    let gone = |message: MessageId| view.message(message).is_none();
    if session.selection.message.is_some_and(gone) {
        let call = session.selection.call.and_then(|call| view.call(call));
        session.selection.message = call.map(|call| call.first);
    }
}

/// Takes in how a capture goes.
pub(super) fn begin_frame(session: &mut Session) {
    let outcomes = {
        let mut saves = session
            .capturing
            .saves
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *saves)
    };
    for outcome in outcomes {
        match outcome {
            Ok((paths, thinned)) => {
                let shown: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
                session.tell(match thinned {
                    Some(Thinned { kept, dropped }) => format!(
                        "Saved: {}: {}; {} left out, neither SIP nor its RTP",
                        shown.join(", "),
                        counted(kept, "packet", "packets"),
                        grouped(dropped)
                    ),
                    None => format!("Saved: {}", shown.join(", ")),
                });
                session.capturing.saved = true;
                session.capturing.saved_as.clone_from(&paths);
                session.renamed(paths);
            }
            Err(why) => session.notify(why),
        }
    }
    forget_what_left(session);
    let Some(live) = &session.capturing.live else {
        return;
    };
    let status = live.status();
    if status.origin == Origin::Files {
        note_newest(session);
    }
    if status.phase != Phase::Over || session.capturing.ended {
        return;
    }
    session.capturing.ended = true;
    session.capturing.paused = false;
    if status.refused && status.origin == Origin::Files {
        session.close_capture();
        let words = status.words.as_deref().unwrap_or_default();
        session.notify(sentence(words));
    } else if status.refused {
        let words = status.words.clone().unwrap_or_default();
        session.capturing.refused = Some((words, status.permit.clone()));
        session.close_capture();
        session.capturing.picker = true;
    } else {
        session.renamed(status.files.clone());
        if status.origin == Origin::Files {
            session.watch_files();
        }
    }
}

fn note_newest(session: &mut Session) {
    let last = session.view.messages().end().checked_sub(1);
    let row = last.and_then(|last| session.view.message(MessageId::at(last)));
    let known = session.capturing.newest.map(|newest| newest.time);
    if let Some(time) = row.map(|row| row.time).filter(|time| known != Some(*time)) {
        let seen = Instant::now();
        session.capturing.newest = Some(Newest { time, seen });
    }
}

fn save(session: &mut Session, to: PathBuf) {
    let facts = session.capture_facts();
    let from = facts.to_save;
    if from.is_empty() {
        if facts.written_elsewhere {
            session.notify("Another window still captures into it: save it there".to_owned());
        }
        return;
    }
    let (saves, wake) = (Arc::clone(&session.capturing.saves), session.wake());
    let thin = session.capturing.thin || from.iter().any(|file| live::is_wide(file));
    // Where no SIP is, nobody can tell whose RTP it is: all stays.
    let thin = thin && !session.view.messages().is_empty();
    let view = thin.then(|| Arc::clone(&session.view));
    std::thread::spawn(move || {
        let mut done = Vec::new();
        let mut outcome = Ok(());
        let wanted = view.map(|view| {
            let mut wanted = thin::wanted(&from);
            wanted.add_places(&view);
            wanted
        });
        let mut sum = wanted.as_ref().map(|_| Thinned::default());
        for (at, (number, file)) in (0_u16..).zip(&from).enumerate() {
            let target = numbered(&to, at);
            outcome = match &wanted {
                Some(_) if live::was_thinned(file, &from) => live::save_copy(file, &target),
                None => live::save_copy(file, &target),
                Some(wanted) => live::save_thinned(file, number, wanted, &target).map(|thinned| {
                    if let Some(sum) = &mut sum {
                        sum.kept += thinned.kept;
                        sum.dropped += thinned.dropped;
                    }
                }),
            };
            if outcome.is_err() {
                break;
            }
            done.push(target);
        }
        if outcome.is_ok() {
            // The copies are on the disk: those in the private folder are not needed any more.
            for file in &from {
                let _ = std::fs::remove_file(file);
            }
        }
        let outcome = outcome.map(|()| (done, sum));
        saves
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(outcome);
        wake();
    });
}

/// `calls.pcapng`, then `calls-2.pcapng` …
fn numbered(path: &Path, at: usize) -> PathBuf {
    if at == 0 {
        return path.to_path_buf();
    }
    let mut name = std::ffi::OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!("-{}", at + 1));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
