//! Opening, reading again and closing captures.

use std::path::PathBuf;
use std::sync::Arc;

use super::workers::{Capture, Workers};
use super::{KEPT_RECENT, Session, Wake};
use crate::gui::action::{Action, FindText};
use crate::gui::capturing::CaptureAction;
use crate::gui::file_watch::FileWatch;
use crate::gui::first_look::FirstLook;
use crate::gui::pace::Pace;
use crate::gui::samples::PastedFile;
use crate::gui::selection::Selection;
use crate::index::CallKind;
use crate::ingest::{self, Loading};

impl Session {
    pub(super) fn open(&mut self, paths: Vec<PathBuf>) {
        self.open_with(paths, None);
    }

    pub(super) fn open_with(&mut self, paths: Vec<PathBuf>, pasted: Option<PastedFile>) {
        if paths.is_empty() {
            return;
        }
        self.close();
        self.remember(&paths);
        if pasted.is_none() {
            self.notebook.open(&paths);
        }
        self.damage_hidden = false;
        self.reading_hidden = false;
        self.path_field = false;
        let look = FirstLook::default();
        let mut rest = look.rest(Pace::default());
        let pace = Box::new(move || rest.due());
        let options = ingest::Options {
            key_logs: self.key_logs.clone(),
            pasted: pasted.is_some(),
            ..ingest::Options::default()
        };
        let loading = ingest::spawn(paths.clone(), options, pace, Arc::clone(&self.wake));
        self.capture = Some(Capture {
            paths,
            loading,
            files: None,
            pasted,
        });
        self.first_look = Some(look);
        self.watch_files();
    }

    /// Shows what is being captured.
    pub(in crate::gui) fn show_growing(&mut self, names: Vec<PathBuf>, loading: Loading) {
        self.close_capture();
        self.path_field = false;
        self.capture = Some(Capture {
            paths: names,
            loading,
            files: None,
            pasted: None,
        });
    }

    /// The files of the capture lie there now.
    pub(in crate::gui) fn renamed(&mut self, paths: Vec<PathBuf>) {
        if let Some(capture) = &mut self.capture {
            self.notebook.moved(&paths);
            self.notebook.keep(self.ladder.arrangement(), &self.view);
            capture.paths = paths;
        }
    }

    pub(in crate::gui) fn wake(&self) -> Wake {
        Arc::clone(&self.wake)
    }

    pub(in crate::gui) fn close_capture(&mut self) {
        self.close();
    }

    pub(super) fn close(&mut self) {
        if self.has_unsaved() {
            self.tell(
                "The capture is not saved; it is kept and offered here until it is".to_owned(),
            );
            self.capturing.look_for_unsaved(Arc::clone(&self.wake));
        }
        self.capturing.forget();
        self.notebook.close();
        self.capture = None;
        self.first_look = None;
        self.file_watch = None;
        self.serial += 1;
        self.version += 1;
        self.view = Arc::default();
        self.selection = Selection::default();
        self.ladder.forget();
        self.pinned = None;
        self.kind = CallKind::Call;
        self.kind_chosen = false;
        self.filter = None;
        self.filter_text.clear();
        self.earlier.clear();
        self.later.clear();
        self.marked.clear();
        self.reference = None;
        self.find_text = FindText::default();
        // Fresh ones: an answer about the old capture must not arrive in the new one.
        self.workers = Workers::new(&self.wake);
    }

    /// Opens a file that was written for it.
    pub(super) fn open_made(&mut self, made: std::io::Result<PathBuf>) {
        match made {
            Ok(path) => self.open(vec![path]),
            Err(error) => self.notify(format!(
                "It cannot be put where it could be opened: {error}"
            )),
        }
    }

    /// Notes what was opened; what the program itself wrote is no document of anybody.
    pub(in crate::gui) fn remember(&mut self, paths: &[PathBuf]) {
        let own = crate::source::private_folder();
        let theirs = |path: &&PathBuf| {
            path.as_os_str() != "-" && !own.as_ref().is_some_and(|own| path.starts_with(own))
        };
        for path in paths.iter().rev().filter(theirs) {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            self.prefs.recent.retain(|known| *known != path);
            self.prefs.recent.insert(0, path);
        }
        self.prefs.recent.truncate(KEPT_RECENT);
    }

    pub(super) fn reload(&mut self) {
        let Some(paths) = self.capture.as_ref().map(|c| c.paths.clone()) else {
            return;
        };
        if self.capturing.is_following() {
            return self.apply(Action::Capture(CaptureAction::Follow(paths)));
        }
        // The file of a text goes with the capture, which is to be read again.
        let pasted = self.capture.as_mut().and_then(|c| c.pasted.take());
        self.read_again(|session| session.open_with(paths, pasted));
    }

    /// Opens the same once more: filter and kind of calls stay.
    pub(in crate::gui) fn read_again(&mut self, open: impl FnOnce(&mut Self)) {
        let filter = std::mem::take(&mut self.filter_text);
        let (kind, chosen) = (self.kind, self.kind_chosen);
        open(self);
        (self.kind, self.kind_chosen) = (kind, chosen);
        if !filter.is_empty() {
            self.set_filter(filter);
        }
    }

    /// Looks from now on whether the files that are open grow.
    pub(in crate::gui) fn watch_files(&mut self) {
        let capture = self.capture.as_ref().filter(|c| c.pasted.is_none());
        let paths = capture.map(|c| c.paths.clone()).unwrap_or_default();
        self.file_watch = match paths.iter().all(|path| path.as_os_str() != "-") {
            true => FileWatch::start(paths, self.wake()),
            false => None,
        };
    }

    /// Lanes and notes of these files.
    pub(in crate::gui) fn open_notebook(&mut self, paths: &[PathBuf]) {
        self.notebook.open(paths);
    }
}
