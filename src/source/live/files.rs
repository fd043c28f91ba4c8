//! The file, or the ring of files, of one capture.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::LiveError;

/// Files handed over before they are needed.
const AHEAD: usize = 2;

/// A ring of files: the oldest is deleted when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Most files with packets in them, at least 2.
    pub files: usize,
    /// Octets after which the next file is begun.
    pub octets: u64,
}

/// Where the packets of one capture go.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    ring: Option<Ring>,
    /// Numbers the files of a ring.
    count: u64,
    /// Opened and handed over, not begun: name while it waits, name from then on.
    ahead: VecDeque<(PathBuf, PathBuf)>,
    /// Begun, the newest last.
    begun: VecDeque<PathBuf>,
    /// A file without a name, until it is handed over.
    unnamed: Option<File>,
    /// To read what is in hand and ahead, in order.
    readers: VecDeque<(PathBuf, File)>,
}

impl Target {
    /// Packets go into `path`, or with a ring into files named after it: `name.00001.pcapng` …
    pub fn new(path: PathBuf, ring: Option<Ring>) -> Self {
        Self {
            path,
            ring,
            count: 0,
            ahead: VecDeque::new(),
            begun: VecDeque::new(),
            unnamed: None,
            readers: VecDeque::new(),
        }
    }

    /// Packets go into this file, which has no name.
    pub fn unnamed(file: File) -> Self {
        let mut target = Self::new(PathBuf::from("a private file"), None);
        target.unnamed = Some(file);
        target
    }

    /// The next file that was begun, for somebody who reads it while it grows.
    pub(super) fn reader(&mut self) -> Option<(PathBuf, File)> {
        // The files ahead are not begun yet.
        if self.readers.len() <= self.ahead.len() {
            return None;
        }
        self.readers.pop_front()
    }

    pub(super) fn ring(&self) -> Option<Ring> {
        self.ring
    }

    /// The file that is being written.
    pub(super) fn current(&self) -> &Path {
        self.begun.back().unwrap_or(&self.path)
    }

    /// The next file to hand over, if one is wanted now.
    pub(super) fn open_next(&mut self) -> Result<Option<File>, LiveError> {
        let opened = self.open()?;
        if let Some(file) = &opened
            // Without it nothing can be followed, but all is recorded.
            && let Ok(reader) = file.try_clone()
        {
            let name = self.ahead.back().map(|(_, name)| name);
            let name = name.or(self.begun.back()).unwrap_or(&self.path);
            self.readers.push_back((name.clone(), reader));
        }
        Ok(opened)
    }

    fn open(&mut self) -> Result<Option<File>, LiveError> {
        if self.ring.is_none() {
            if !self.begun.is_empty() {
                return Ok(None);
            }
            let path = self.path.clone();
            if let Some(file) = self.unnamed.take() {
                self.begun.push_back(path);
                return Ok(Some(file));
            }
            let file = if path == Path::new("-") {
                File::options().append(true).open("/dev/stdout")
            } else {
                private(&path)
            };
            let file = file.map_err(|error| unwritable(&path, &error))?;
            self.begun.push_back(path);
            return Ok(Some(file));
        }
        if self.ahead.len() >= AHEAD {
            return Ok(None);
        }
        self.count += 1;
        let name = numbered(&self.path, self.count);
        let file = if self.begun.is_empty() {
            let file = private(&name).map_err(|error| unwritable(&name, &error))?;
            self.begun.push_back(name);
            file
        } else {
            // Under another name until it has packets: an empty file is no capture.
            let waiting = waiting_name(&name);
            let file = private(&waiting).map_err(|error| unwritable(&waiting, &error))?;
            self.ahead.push_back((waiting, name));
            file
        };
        Ok(Some(file))
    }

    /// The next file was begun; the oldest goes. Gives the file that is written now.
    pub(super) fn go_on(&mut self) -> PathBuf {
        if let Some((waiting, name)) = self.ahead.pop_front() {
            // Without the rename the packets are still there, under the other name.
            let name = match fs::rename(&waiting, &name) {
                Ok(()) => name,
                Err(_) => waiting,
            };
            self.begun.push_back(name);
        }
        let most = self.ring.map_or(usize::MAX, |ring| ring.files.max(2));
        while self.begun.len() > most {
            if let Some(oldest) = self.begun.pop_front() {
                // Somebody may have taken it away already.
                let _ = fs::remove_file(oldest);
            }
        }
        self.current().to_path_buf()
    }

    /// Takes away what was handed over and never used.
    pub(super) fn clean_up(&mut self) {
        // Nobody follows a file that was never begun.
        let begun = self.readers.len().saturating_sub(self.ahead.len());
        self.readers.truncate(begun);
        for (waiting, _) in self.ahead.drain(..) {
            let _ = fs::remove_file(waiting);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> LiveError {
    LiveError::Output {
        path: path.to_path_buf(),
        why: error.to_string(),
    }
}

/// Makes a file that only its owner may open; packets hold what people said. An old one is emptied.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    // Whatever happens, each write goes to the end.
    options.read(true).create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    // Kept by the program that writes, for as long as it does: a file in use is not offered as one
    // that was left behind. Where there are no locks, there is nothing to be refused.
    if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
        let why = "another capture writes it";
        return Err(std::io::Error::other(why));
    }
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// `trace.pcapng` becomes `trace.00003.pcapng`.
fn numbered(path: &Path, count: u64) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!(".{count:05}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// A hidden name beside it.
fn waiting_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".next");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_ring_keeps_as_many_files_as_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Ring {
            files: 2,
            octets: 1000,
        };
        let mut target = Target::new(folder.path().join("a.pcapng"), Some(ring));
        let mut opened = 0;
        for _ in 0..4 {
            while target.open_next().unwrap().is_some() {
                opened += 1;
            }
            target.go_on();
        }
        assert_eq!(opened, 6);
        assert_eq!(target.current(), folder.path().join("a.00005.pcapng"));
        let (path, reader) = target.reader().unwrap();
        assert_eq!(path, folder.path().join("a.00001.pcapng"));
        drop(reader);
        target.clean_up();
        let followed = std::iter::from_fn(|| target.reader());
        let followed: Vec<_> = followed.map(|(path, _)| path).collect();
        let expected = [2, 3, 4, 5].map(|n| folder.path().join(format!("a.0000{n}.pcapng")));
        assert_eq!(followed, expected);
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a.00004.pcapng", "a.00005.pcapng"]);
    }

    #[test]
    fn one_file_is_handed_over_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        let mut target = Target::new(path.clone(), None);
        assert!(target.open_next().unwrap().is_some());
        assert!(target.open_next().unwrap().is_none());
        assert_eq!(target.current(), path);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
