//! What panels may know: the newest answers of workers, and what is going on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Session;
use super::workers::Completion;
use crate::gui::action::CallOrder;
use crate::gui::branches::{BranchQuestion, Branches};
use crate::gui::call_view::CallDetail;
use crate::gui::command::Facts;
use crate::gui::equal::Following;
use crate::gui::explaining::Explained;
use crate::gui::fetch::Detail;
use crate::gui::file_watch::{Change, FileWatch};
use crate::gui::find::Found;
use crate::gui::lists::{Lists, Rows, RowsQuestion};
use crate::gui::live::Phase;
use crate::gui::panels::call_columns::shown;
use crate::gui::panels::capture::CaptureFacts;
use crate::gui::pasting::{PastedText, Preview};
use crate::gui::reading::Reading;
use crate::index::ids::{CallId, MessageId};
use crate::ingest::survey::Survey;
use crate::ingest::{FileReport, Progress};

impl Session {
    /// A capture is over, and all that was captured is only in the private folder.
    pub(super) fn has_unsaved(&self) -> bool {
        let facts = self.capture_facts();
        let over = facts.status.as_ref().is_none_or(|s| s.phase == Phase::Over);
        over && !facts.to_save.is_empty()
    }

    /// What commands need to know.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            open: self.is_open(),
            finished: self.is_finished(),
            messages: !self.view.messages().is_empty(),
            call: self.selection.call,
            message: self.selection.message,
            marked: self.marked.len(),
            earlier: !self.earlier.is_empty(),
            later: !self.later.is_empty(),
            filtered: !self.filter_text.is_empty(),
            searched: !self.find_text.text.is_empty(),
            reference: self.reference.is_some(),
            capturing: self.capturing.is_running(),
            following: self.capturing.is_following(),
            followable: self.followable(),
            unsaved: self.has_unsaved(),
            pinned: self.pinned,
            undo: self.ladder.can_undo(),
            prefs: &self.prefs,
        }
    }

    /// Why the files that are open cannot be followed; none when they can.
    fn followable(&self) -> Result<(), &'static str> {
        let Some(capture) = &self.capture else {
            return Err("No capture is open");
        };
        let stream = capture.paths.iter().any(|path| path.as_os_str() == "-");
        let files = capture.files.as_deref().unwrap_or_default();
        if self.capturing.is_following() {
            Ok(())
        } else if self.capturing.is_running() {
            Err("What is captured is shown as it comes")
        } else if stream || capture.pasted.is_some() {
            Err("Only files grow")
        } else if files.iter().any(|file| file.info.compressed.is_some()) {
            Err("A packed file cannot be followed")
        } else if files.iter().any(|file| file.error.is_some()) {
            Err("It could not be read")
        } else {
            Ok(())
        }
    }

    /// What has become of the files that are open since they were read.
    pub fn grown(&self) -> Change {
        let watch = self.file_watch.as_ref();
        watch.map(FileWatch::change).unwrap_or_default()
    }

    /// Live capture, for the panels.
    pub fn capture_facts(&self) -> CaptureFacts {
        let mut facts = self.capturing.facts(self.paths());
        if self.file_watch.as_ref().is_some_and(FileWatch::in_use) {
            // Saving moves the files away, and another window still writes them.
            facts.to_save.clear();
            facts.written_elsewhere = true;
        }
        facts
    }

    /// Order of the kind that is listed: that of another kind may not exist here.
    pub fn order(&self) -> CallOrder {
        let order = self.prefs.order;
        let shown = shown(self.kind, &self.prefs.columns);
        // What sorts by a column that nobody sees looks like no order at all.
        match shown.iter().any(|info| info.column == order.column) {
            true => order,
            false => CallOrder::default(),
        }
    }

    /// The newest list of calls.
    pub fn lists(&self) -> Arc<Lists> {
        self.workers.lists.answer().unwrap_or_default()
    }

    /// Rows of calls that were added up.
    pub fn rows(&self) -> Arc<Rows> {
        self.workers.rows.answer().unwrap_or_default()
    }

    /// Branches that were read.
    pub fn branches(&self) -> Arc<Branches> {
        self.workers.branches.answer().unwrap_or_default()
    }

    /// The newest answer on the selected call; while it is being made, that on another one.
    pub fn call_detail(&self) -> Option<Arc<CallDetail>> {
        self.workers
            .call
            .answer()
            .filter(|detail| detail.stamp.capture == self.serial)
    }

    /// The newest answer on the selected message; while it is being read, that on another one.
    pub fn detail(&self) -> Option<Arc<Detail>> {
        self.workers
            .detail
            .answer()
            .filter(|detail| detail.capture == self.serial)
    }

    /// The pinned message, once it was read.
    pub fn pinned_detail(&self) -> Option<Arc<Detail>> {
        let pinned = self.workers.pinned.answer()?;
        (Some(pinned.message) == self.pinned).then_some(pinned)
    }

    /// The value that is followed, and who has it.
    pub fn following(&self) -> &Following {
        &self.workers.following
    }

    /// The newest explanation; while it is being made, that of another field.
    pub fn explained(&self) -> Option<Arc<Explained>> {
        self.workers
            .explain
            .answer()
            .filter(|e| e.capture == self.serial)
    }

    /// What is in a capture without SIP.
    pub fn survey(&self) -> Option<Arc<Survey>> {
        self.workers.survey.answer()
    }

    /// What the search has found; none while it works.
    pub fn found(&self) -> Option<Arc<Found>> {
        let found = self.workers.find.answer()?;
        (found.what == self.find_text && !self.find_text.text.is_empty()).then_some(found)
    }

    /// Messages that the search has looked at so far.
    pub fn find_looked(&self) -> u64 {
        self.find_looked.load(Ordering::Relaxed)
    }

    /// What may be typed behind this text in the box; none while it is being worked out.
    pub fn completion(&self, text: &str) -> Option<Arc<Completion>> {
        self.workers.completion.answer().filter(|c| c.text == text)
    }

    /// How the inputs were read, once all is loaded and that was put into words.
    pub fn reading(&self) -> Option<Arc<Reading>> {
        self.workers.reading.answer()
    }

    /// What was found in the text that is being pasted.
    pub fn preview(&self) -> Option<Arc<Preview>> {
        self.preview.answer()
    }

    /// Something is open.
    pub fn is_open(&self) -> bool {
        self.capture.is_some()
    }

    /// A capture is over, but what it wrote last is still being read.
    pub fn waits_for_the_end(&self) -> bool {
        let over = self.capturing.status().is_some() && !self.capturing.is_running();
        over && self.is_open() && !self.is_finished()
    }

    /// Nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.capture
            .as_ref()
            .is_some_and(|capture| capture.files.is_some())
    }

    /// Nothing is loaded or worked on: what is shown is all there is.
    pub fn is_settled(&self) -> bool {
        let w = &self.workers;
        let loading = self.is_open() && !self.is_finished();
        !(loading
            || self.jobs.are_running()
            || w.lists.is_busy()
            || w.rows.is_busy()
            || w.branches.is_busy()
            || self.notebook.is_busy()
            || w.call.is_busy()
            || self.export.is_busy()
            || w.detail.is_busy()
            || w.explain.is_busy()
            || w.find.is_busy()
            || w.completion.is_busy()
            || w.survey.is_busy()
            || w.reading.is_busy()
            || self.preview.is_busy()
            || w.pinned.is_busy()
            || w.following.is_busy())
    }

    /// What workers do for a person right now, in words; empty for nothing.
    pub fn working(&self) -> &'static str {
        match (self.jobs.are_running(), self.workers.lists.is_busy()) {
            (true, _) => "Saving…",
            _ if self.export.is_busy() => "Drawing the ladder…",
            (_, true) if self.is_finished() => "Searching and sorting…",
            _ => "",
        }
    }

    /// How far the newest work is that can be cancelled, from 0 to 1, or none while nobody knows; none
    /// at all when there is no such work.
    pub fn saving(&self) -> Option<Option<f32>> {
        match (self.jobs.are_running(), self.export.is_busy()) {
            (true, _) => Some(self.jobs.share()),
            (_, true) => Some(self.export.share()),
            _ => None,
        }
    }

    /// How far loading is.
    pub fn progress(&self) -> Option<Progress> {
        self.capture
            .as_ref()
            .map(|capture| capture.loading.progress())
    }

    /// The inputs, as named by the user.
    pub fn paths(&self) -> &[PathBuf] {
        self.capture
            .as_ref()
            .map(|capture| capture.paths.as_slice())
            .unwrap_or_default()
    }

    /// What is to be said of the inputs; none while they are loaded.
    pub fn files(&self) -> Option<&[FileReport]> {
        self.capture.as_ref()?.files.as_deref()
    }

    /// Asks for the rows of calls that are seen.
    pub fn want_rows(&mut self, calls: Vec<CallId>) {
        let finished = self.is_finished();
        let asked = &mut self.workers.asked_rows;
        if asked
            .as_ref()
            .is_some_and(|(v, f, c)| (*v, *f) == (self.version, finished) && *c == calls)
        {
            return;
        }
        let urgent = asked
            .as_ref()
            .is_none_or(|(_, f, c)| *f != finished || *c != calls);
        *asked = Some((self.version, finished, calls.clone()));
        let question = RowsQuestion {
            view: Arc::clone(&self.view),
            calls,
            finished,
            bytes: self.capture.as_ref().and_then(|c| c.loading.bytes()),
        };
        self.workers.rows.ask(question, urgent);
    }

    /// Asks for the branches of messages that are seen; those that are known are not read again.
    pub fn want_branches(&mut self, messages: Vec<MessageId>) {
        let workers = &mut self.workers;
        if messages.is_empty() || workers.asked_branches == messages {
            return;
        }
        let Some(bytes) = self.capture.as_ref().and_then(|c| c.loading.bytes()) else {
            return;
        };
        workers.asked_branches.clone_from(&messages);
        let question = BranchQuestion {
            view: Arc::clone(&self.view),
            bytes,
            messages,
            known: workers.branches.answer().unwrap_or_default(),
        };
        workers.branches.ask(question, true);
    }

    /// Asks what may be typed behind this text.
    pub fn want_completion(&mut self, text: &str) {
        if self.workers.asked_completion != text {
            self.workers.asked_completion = text.to_owned();
            let question = (Arc::clone(&self.view), text.to_owned());
            self.workers.completion.ask(question, true);
        }
    }

    /// Asks what is in a text that is being pasted.
    pub fn want_preview(&mut self, pasted: &PastedText) {
        if self.asked_preview != pasted.key {
            self.asked_preview = pasted.key;
            if pasted.key != 0 {
                self.preview.ask(Arc::new(pasted.clone()), true);
            }
        }
    }
}
