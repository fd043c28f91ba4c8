//! Notices that a file that is open was written to since it was read.
//!
//! Nothing is read for that: once a second a thread of its own asks the system how long the file is.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::live_files::live_folder;
use super::session::Wake;
use crate::source::live;

/// Time between two looks.
const PACE: Duration = Duration::from_secs(1);
/// Stands beside the [`Change`]: another window writes one of the files.
const IN_USE: u8 = 0x80;

/// What has become of the files since they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    #[default]
    None,
    /// Something was added to one of them.
    Grown,
    /// One of them has become shorter, or another file has its name.
    Replaced,
}

/// A thread that looks at files; ends when this is dropped.
pub struct FileWatch {
    state: Arc<AtomicU8>,
    /// Nothing is ever sent: the thread notices that this is gone.
    _alive: Sender<()>,
}

/// What a file was.
#[derive(Clone, Copy)]
struct Seen {
    length: u64,
    identity: (u64, u64),
}

impl Seen {
    /// None for what cannot grow, or is not there.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self {
            length: metadata.len(),
            identity: identity(&metadata),
        })
    }

    fn change(self, now: Self) -> Change {
        if now.identity != self.identity || now.length < self.length {
            Change::Replaced
        } else if now.length > self.length {
            Change::Grown
        } else {
            Change::None
        }
    }
}

impl FileWatch {
    /// Looks at these from now on; none when there is no thread for it.
    pub fn start(paths: Vec<PathBuf>, wake: Wake) -> Option<Self> {
        let (alive, gone) = channel::<()>();
        let state: Arc<AtomicU8> = Arc::default();
        let shown = Arc::clone(&state);
        let job = move || {
            let first: Vec<Option<Seen>> = paths.iter().map(|path| Seen::of(path)).collect();
            let private = live_folder();
            loop {
                let changes = paths.iter().zip(&first).filter_map(|(path, first)| {
                    // One that was removed can still be read: we have it open.
                    Some((*first)?.change(Seen::of(path)?))
                });
                let mut state = changes.max().unwrap_or_default() as u8;
                if is_captured_into(&paths, private.as_deref()) {
                    state |= IN_USE;
                }
                if shown.swap(state, Ordering::Relaxed) != state {
                    wake();
                }
                if gone.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("file watch".to_owned());
        thread.spawn(job).ok()?;
        Some(Self {
            state,
            _alive: alive,
        })
    }

    /// Another window still captures into one of them.
    pub fn in_use(&self) -> bool {
        self.state.load(Ordering::Relaxed) & IN_USE != 0
    }

    /// What has become of them.
    pub fn change(&self) -> Change {
        let state = self.state.load(Ordering::Relaxed) & !IN_USE;
        let all = [Change::None, Change::Grown, Change::Replaced];
        let found = all.into_iter().find(|change| *change as u8 == state);
        found.unwrap_or_default()
    }
}

/// One of these is a capture of ours that goes on; others are not looked at.
fn is_captured_into(paths: &[PathBuf], private: Option<&Path>) -> bool {
    let own = |path: &&PathBuf| private.is_some_and(|folder| path.starts_with(folder));
    paths.iter().filter(own).any(|path| live::is_in_use(path))
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_file_is_told_by_its_length_and_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcap");
        std::fs::write(&path, "12345").unwrap();
        let seen = || Seen::of(&path).unwrap();
        let first = seen();
        assert_eq!(first.change(seen()), Change::None);
        std::fs::write(&path, "123456").unwrap();
        assert_eq!(first.change(seen()), Change::Grown);
        std::fs::write(&path, "1").unwrap();
        assert_eq!(first.change(seen()), Change::Replaced);
        let other = folder.path().join("b.pcap");
        std::fs::write(&other, "123456789").unwrap();
        std::fs::rename(&other, &path).unwrap();
        #[cfg(unix)]
        assert_eq!(first.change(seen()), Change::Replaced);
        assert!(Seen::of(folder.path()).is_none(), "a folder");
    }

    #[test]
    fn a_capture_of_another_window_is_known_by_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live-1-lo.pcapng");
        let file = std::fs::File::create(&path).unwrap();
        let captured =
            |private: &Path| is_captured_into(std::slice::from_ref(&path), Some(private));
        assert!(!captured(folder.path()));
        file.lock().unwrap();
        assert!(captured(folder.path()));
        assert!(!captured(Path::new("/elsewhere")));
        drop(file);
        assert!(!captured(folder.path()));
    }
}
