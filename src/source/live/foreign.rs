//! A file that another program is still writing: nothing is captured here, it is only followed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use super::{Counts, Event, LiveError, LiveSource};
use crate::source::Growth;

/// A file of another program, or standard input.
pub struct ForeignFile {
    name: String,
    path: PathBuf,
    /// The private file of a stream, for its length; others may be replaced.
    spool: Option<File>,
    /// To be handed over.
    next: Option<(PathBuf, File)>,
    /// Ends by itself where the input is a stream.
    growth: Growth,
    told_ready: bool,
    told_end: bool,
    stopped: AtomicBool,
    /// Its length when it was there last.
    octets: AtomicU64,
    fault: Box<dyn Fn() -> Option<String> + Send>,
}

impl ForeignFile {
    /// Opens it; `-` is standard input.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be followed.
    pub fn open(path: &Path) -> Result<Self, LiveError> {
        let failed = |why: String| LiveError::Input {
            path: path.to_path_buf(),
            why,
        };
        if path == Path::new("-") {
            return Self::standard_input().map_err(failed);
        }
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        if !metadata.is_file() {
            return Err(failed("it is no regular file".to_owned()));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            path: path.to_path_buf(),
            next: Some((path.to_path_buf(), file)),
            spool: None,
            growth: Growth::default(),
            told_ready: false,
            told_end: false,
            stopped: AtomicBool::new(false),
            octets: AtomicU64::new(0),
            fault: Box::new(|| None),
        })
    }

    #[cfg(unix)]
    fn standard_input() -> Result<Self, String> {
        let stream = crate::source::spool_stream(Box::new(std::io::stdin()));
        let stream = stream.map_err(|error| error.to_string())?;
        let fault = stream.fault;
        let path = PathBuf::from("-");
        Ok(Self {
            name: "standard input".to_owned(),
            spool: stream.file.try_clone().ok(),
            next: Some((path.clone(), stream.file)),
            path,
            growth: stream.growth,
            told_ready: false,
            told_end: false,
            stopped: AtomicBool::new(false),
            octets: AtomicU64::new(0),
            fault: Box::new(move || fault.get().cloned()),
        })
    }

    #[cfg(not(unix))]
    fn standard_input() -> Result<Self, String> {
        Err("standard input cannot be followed on this system".to_owned())
    }

    fn has_ended(&self) -> bool {
        self.growth.is_finished() || self.stopped.load(Ordering::Relaxed)
    }
}

impl LiveSource for ForeignFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        if !self.told_ready {
            self.told_ready = true;
            return Some(Event::Ready);
        }
        if !self.told_end && self.has_ended() {
            self.told_end = true;
            return Some(match (self.fault)() {
                Some(fault) => Event::Told(format!("Standard input: {fault}")),
                None => Event::Ended,
            });
        }
        std::thread::sleep(patience);
        None
    }

    fn counts(&self) -> Counts {
        let metadata = match &self.spool {
            Some(file) => file.metadata(),
            None => std::fs::metadata(&self.path),
        };
        if let Ok(metadata) = metadata {
            self.octets.store(metadata.len(), Ordering::Relaxed);
        }
        Counts {
            octets: self.octets.load(Ordering::Relaxed),
            ..Counts::default()
        }
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn next_file(&mut self) -> Option<(PathBuf, File)> {
        self.next.take()
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.told_end
    }

    fn mark(&self, _: &str) {}
}
