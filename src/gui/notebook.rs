//! Lanes and notes of a capture, kept from one start to the next.
//!
//! They lie beside the capture, as `NAME.sipscope.json`, where a file may be written there, else in
//! the private folder. Reading and writing happen on threads of their own, one after the other.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::session::Wake;
use crate::export::save::{Existing, save};
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::present::ladder::arrangement::{Arrangement, Change};
use crate::source::private_folder;

/// A larger file is not one of ours.
const MOST_OCTETS: u64 = 8 << 20;

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Page {
    /// Changes of lanes.
    lanes: Vec<Change>,
    notes: Vec<Note>,
}

/// A note, and the time of its message, by which it is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    message: MessageId,
    time: i64,
    text: String,
}

/// Keeps what a person arranged and wrote.
pub struct Notebook {
    /// Whether anything is written or read at all.
    pub keeps: bool,
    wake: Wake,
    paths: Vec<PathBuf>,
    pending: Option<Receiver<Result<Page, String>>>,
    /// Notes whose messages are not read yet.
    waiting: Vec<Note>,
    /// One reader or writer at a time, in the order they were asked.
    order: Arc<Mutex<u64>>,
    asked: u64,
}

impl Notebook {
    /// Keeps nothing yet.
    pub fn new(wake: Wake) -> Self {
        Self {
            keeps: false,
            wake,
            paths: Vec::new(),
            pending: None,
            waiting: Vec::new(),
            order: Arc::default(),
            asked: 0,
        }
    }

    /// Reads what was kept of these captures.
    pub fn open(&mut self, paths: &[PathBuf]) {
        self.close();
        if !self.keeps || paths.iter().any(|path| path.as_os_str() == "-") {
            return;
        }
        self.paths = paths.to_vec();
        let (send, receive) = channel();
        let (places, wake, order) = (
            places(&self.paths),
            Arc::clone(&self.wake),
            Arc::clone(&self.order),
        );
        let written = self.asked;
        let job = move || {
            // What was changed before a reload is written before it is read again.
            wait_for(&order, written);
            let turn = order.lock().unwrap_or_else(PoisonError::into_inner);
            let page = read(&places);
            drop(turn);
            // Nobody listens any more when another capture was opened meanwhile.
            drop(send.send(page));
            wake();
        };
        if spawn(job) {
            self.pending = Some(receive);
        }
    }

    /// There is no capture any more.
    pub fn close(&mut self) {
        self.paths.clear();
        self.pending = None;
        self.waiting.clear();
    }

    /// The changes of lanes that were kept, once; the error is a sentence.
    pub fn arrived(&mut self) -> Option<Result<Vec<Change>, String>> {
        let page = self.pending.as_ref()?.try_recv().ok()?;
        self.pending = None;
        Some(page.map(|page| {
            self.waiting = page.notes;
            page.lanes
        }))
    }

    /// Notes wait for their messages.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Something is being read.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// The notes whose messages are in the capture, and how many others there were.
    pub fn notes(&mut self, view: &IndexView) -> (Vec<Change>, usize) {
        let waiting = std::mem::take(&mut self.waiting);
        let all = waiting.len();
        let there = |note: &Note| {
            let row = view.message(note.message);
            row.is_some_and(|row| row.time == note.time)
        };
        let notes: Vec<Change> = waiting
            .into_iter()
            .filter(there)
            .map(|note| Change::Note(note.message, note.text))
            .collect();
        let lost = all - notes.len();
        (notes, lost)
    }

    /// Writes what there is now.
    pub fn keep(&mut self, arrangement: &Arrangement, view: &IndexView) {
        if !self.keeps || self.paths.is_empty() {
            return;
        }
        let notes = arrangement.notes().filter_map(|(message, text)| {
            let time = view.message(message)?.time;
            let text = text.to_owned();
            Some(Note {
                message,
                time,
                text,
            })
        });
        let page = Page {
            lanes: arrangement.changes(),
            notes: notes.chain(self.waiting.iter().cloned()).collect(),
        };
        self.asked += 1;
        let (places, order, number) = (places(&self.paths), Arc::clone(&self.order), self.asked);
        spawn(move || {
            let mut newest = order.lock().unwrap_or_else(PoisonError::into_inner);
            // A newer one was faster.
            if *newest > number {
                return;
            }
            *newest = number;
            if let Err(error) = write(&places, &page) {
                log::warn!("lanes and notes not kept: {error}");
            }
        });
    }

    /// Waits until everything is written: before the program ends.
    pub fn finish(&self) {
        wait_for(&self.order, self.asked);
    }

    /// The capture lies there now.
    pub fn moved(&mut self, paths: &[PathBuf]) {
        self.paths = paths.to_vec();
    }
}

/// Waits until the writer of this number had its turn, but not for ever.
fn wait_for(order: &Mutex<u64>, number: u64) {
    for _ in 0..200 {
        if *order.lock().unwrap_or_else(PoisonError::into_inner) >= number {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn spawn(job: impl FnOnce() + Send + 'static) -> bool {
    let thread = std::thread::Builder::new().name("notebook".to_owned());
    match thread.spawn(job) {
        Ok(_) => true,
        Err(error) => {
            log::error!("no thread for lanes and notes: {error}");
            false
        }
    }
}

/// Where it may lie, the better place first.
fn places(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    if let [only] = paths
        && let Some(name) = only.file_name()
    {
        let mut name = name.to_owned();
        name.push(".sipscope.json");
        out.push(only.with_file_name(name));
    }
    if let Some(folder) = private_folder() {
        out.push(folder.join("notes").join(private_name(paths)));
    }
    out
}

/// A name that is the same for the same captures: FNV-1a of their paths.
fn private_name(paths: &[PathBuf]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for path in paths {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        for octet in path.as_os_str().as_encoded_bytes().iter().chain(&[0]) {
            hash = (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}.json")
}

fn read(places: &[PathBuf]) -> Result<Page, String> {
    for place in places {
        let unread = |why: &dyn std::fmt::Display| {
            let name = place.display();
            Err(format!("Lanes and notes could not be read: {why} ({name})"))
        };
        match std::fs::metadata(place) {
            Ok(there) if !there.is_file() || there.len() > MOST_OCTETS => {
                return unread(&"it is not one of our files");
            }
            Ok(_) => {}
            Err(_) => continue,
        }
        return match std::fs::read(place) {
            Err(error) => unread(&error),
            Ok(octets) => match serde_json::from_slice(&octets) {
                Ok(page) => Ok(page),
                Err(error) => unread(&error),
            },
        };
    }
    Ok(Page::default())
}

fn write(places: &[PathBuf], page: &Page) -> std::io::Result<()> {
    if *page == Page::default() {
        for place in places {
            match std::fs::remove_file(place) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        return Ok(());
    }
    let text = serde_json::to_string_pretty(page)?;
    let mut outcome = Err(std::io::Error::other("there is no place for them"));
    for (rank, place) in places.iter().enumerate() {
        if rank > 0 {
            private(place)?;
        }
        outcome = save(place, Existing::Replace, |out| {
            std::io::Write::write_all(out, text.as_bytes())
        });
        if outcome.is_ok() {
            // What another place has is older now.
            for older in places.iter().skip(rank + 1) {
                drop(std::fs::remove_file(older));
            }
            return Ok(());
        }
    }
    outcome
}

/// Makes the private folder of a file.
fn private(place: &Path) -> std::io::Result<()> {
    let Some(folder) = place.parent() else {
        return Ok(());
    };
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(folder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            lanes: vec![Change::ShowAll],
            notes: vec![Note {
                message: MessageId::at(4),
                time: 12,
                text: "late".to_owned(),
            }],
        }
    }

    #[test]
    fn it_lies_beside_the_capture_or_else_in_the_private_folder() {
        let folder = tempfile::tempdir().unwrap();
        let beside = folder.path().join("call.pcap.sipscope.json");
        let private = folder.path().join("deep/notes/1.json");
        let both = [beside.clone(), private.clone()];
        write(&both, &page()).unwrap();
        assert_eq!(read(&both), Ok(page()));
        assert!(beside.is_file() && !private.exists());
        write(&both, &Page::default()).unwrap();
        assert!(!beside.exists(), "nothing to be kept: no file");
        assert_eq!(read(&both), Ok(Page::default()));
        // Where nothing can be written beside it.
        let forbidden = [folder.path().join("none/call.json"), private.clone()];
        write(&forbidden, &page()).unwrap();
        assert!(private.is_file());
        assert_eq!(read(&forbidden), Ok(page()));
    }

    #[test]
    fn a_file_of_somebody_else_is_said_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("call.pcap.sipscope.json");
        std::fs::write(&place, "{\"lanes\": 7}").unwrap();
        let why = read(std::slice::from_ref(&place)).unwrap_err();
        assert!(
            why.starts_with("Lanes and notes could not be read:"),
            "{why}"
        );
    }

    #[test]
    fn several_captures_have_one_page_of_their_own() {
        let (a, b) = (PathBuf::from("/a.pcap"), PathBuf::from("/b.pcap"));
        assert_ne!(private_name(&[a.clone(), b.clone()]), private_name(&[b, a]));
    }
}
