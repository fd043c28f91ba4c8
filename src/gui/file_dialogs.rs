//! The system's file dialog, on a thread of its own.
//!
//! It speaks to a desktop portal, which may be missing, slow, or never answer: the window stays
//! alive meanwhile and offers a field for the path, which needs nobody.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use super::action::{Picture, Saving};
use super::session::Wake;

/// What came of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// These files.
    Files(Vec<PathBuf>),
    /// Decrypt with these key logs.
    KeyLogs(Vec<PathBuf>),
    /// Cancelled, or there is no dialog on this system: nobody can tell which.
    Nothing,
    /// This is to be saved there.
    Place(Saving, PathBuf),
    /// As `Nothing`, of a place to save.
    NoPlace,
}

/// Asks for files.
pub struct FileDialogs {
    wake: Wake,
    pending: Option<Receiver<Chosen>>,
}

impl FileDialogs {
    /// None is open.
    pub fn new(wake: Wake) -> Self {
        Self {
            wake,
            pending: None,
        }
    }

    /// Opens one, unless one is open.
    pub fn ask(&mut self) {
        if self.pending.is_some() {
            return;
        }
        let (send, receive) = channel();
        let wake = std::sync::Arc::clone(&self.wake);
        let job = move || {
            let chosen = rfd::FileDialog::new()
                .set_title("Open capture")
                .add_filter("Captures", &["pcap", "pcapng", "cap", "gz", "zst", "lz4"])
                .add_filter("All files", &["*"])
                .pick_files();
            let chosen = chosen.filter(|files| !files.is_empty());
            // Nobody listens any more when the window was closed meanwhile.
            drop(send.send(chosen.map_or(Chosen::Nothing, Chosen::Files)));
            wake();
        };
        if std::thread::Builder::new()
            .name("dialog".to_owned())
            .spawn(job)
            .is_ok()
        {
            self.pending = Some(receive);
        }
    }

    /// Asks for a key log, unless a dialog is open.
    pub fn ask_key_log(&mut self) {
        if self.pending.is_some() {
            return;
        }
        let (send, receive) = channel();
        let wake = std::sync::Arc::clone(&self.wake);
        let job = move || {
            let chosen = rfd::FileDialog::new()
                .set_title("Choose key log")
                .pick_files();
            drop(send.send(chosen.map_or(Chosen::NoPlace, Chosen::KeyLogs)));
            wake();
        };
        let thread = std::thread::Builder::new().name("dialog".to_owned());
        if thread.spawn(job).is_ok() {
            self.pending = Some(receive);
        }
    }

    /// Asks where something is to be saved, unless a dialog is open.
    pub fn ask_place(&mut self, saving: Saving) {
        if self.pending.is_some() {
            return;
        }
        let (send, receive) = channel();
        let wake = std::sync::Arc::clone(&self.wake);
        let job = move || {
            let name = match saving {
                Saving::Calls => "calls.pcapng",
                Saving::Capture => "capture.pcapng",
                Saving::Json => "messages.json",
                Saving::Csv => "messages.csv",
                Saving::Ladder(Picture::Svg) => "ladder.svg",
                Saving::Ladder(Picture::Png) => "ladder.png",
            };
            let chosen = rfd::FileDialog::new()
                .set_title("Save")
                .set_file_name(name)
                .save_file();
            let chosen = chosen.map_or(Chosen::NoPlace, |path| Chosen::Place(saving, path));
            drop(send.send(chosen));
            wake();
        };
        let thread = std::thread::Builder::new().name("dialog".to_owned());
        if thread.spawn(job).is_ok() {
            self.pending = Some(receive);
        }
    }

    /// What was chosen, once.
    pub fn chosen(&mut self) -> Option<Chosen> {
        let outcome = match self.pending.as_ref()?.try_recv() {
            Ok(chosen) => chosen,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Chosen::Nothing,
        };
        self.pending = None;
        Some(outcome)
    }
}
