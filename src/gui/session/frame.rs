//! What happens when a frame begins: what workers delivered is taken in, what is missing asked for.

use std::sync::Arc;

use super::Session;
use super::workers::AskedField;
use crate::gui::action::Action;
use crate::gui::call_view::{CallQuestion, CallStamp};
use crate::gui::capturing;
use crate::gui::explaining::ExplainQuestion;
use crate::gui::fetch::DetailQuestion;
use crate::gui::file_dialogs::Chosen;
use crate::gui::ladder_export::Outcome;
use crate::gui::lists::ListsQuestion;
use crate::gui::selection::Selection;
use crate::index::CallKind;
use crate::index::ids::MessageId;
use crate::present::rows;

impl Session {
    /// Takes the newest index and what workers delivered, and asks them for what is missing.
    pub fn begin_frame(&mut self) {
        capturing::begin_frame(self);
        if let Some(look) = &mut self.first_look {
            let rows_there = self
                .workers
                .rows
                .answer()
                .is_some_and(|rows| !rows.is_empty());
            match look.begin_frame(rows_there) {
                true => self.first_look = None,
                // The frame after the one that paints them lets the workers go on.
                false if rows_there => (self.wake)(),
                false => {}
            }
        }
        match self.dialogs.chosen() {
            None => {}
            Some(Chosen::Files(paths)) => self.apply(Action::OpenFiles(paths)),
            Some(Chosen::KeyLogs(paths)) => {
                self.overlay = None;
                self.apply(Action::UseKeyLogs(paths));
            }
            Some(Chosen::Place(saving, path)) => {
                self.overlay = None;
                self.save(saving, path);
            }
            // The field for the path is still there.
            Some(Chosen::NoPlace) => {}
            // Cancelled and "there is no dialog" look alike: the path field needs neither.
            Some(Chosen::Nothing) => self.path_field = true,
        }
        while let Some(outcome) = self.export.outcome() {
            match outcome {
                Outcome::Copied(text) => {
                    self.clipboard = Some(text);
                    self.tell("The ladder is in the clipboard".to_owned());
                }
                Outcome::Saved(path) => self.tell(format!("Saved: {}", path.display())),
                Outcome::Failed(why) => self.notify(why),
            }
        }
        if let Some(capture) = &mut self.capture {
            if capture.files.is_none() && capture.loading.progress().finished {
                let loaded = capture.loading.loaded();
                if let Some(loaded) = &loaded {
                    self.workers.reading.ask(loaded.clone(), true);
                }
                capture.files = Some(loaded.map(|l| l.files).unwrap_or_default());
                self.version += 1;
            }
            let newest = capture.loading.view();
            if !Arc::ptr_eq(&newest, &self.view) && !self.capturing.is_paused() {
                self.view = newest;
                self.version += 1;
            }
        }
        while let Some(said) = self.jobs.said() {
            match said {
                Ok(done) => self.tell(done),
                Err(why) => self.notify(why),
            }
        }
        self.take_over_arrangement();
        self.choose_for_newcomers();
        self.ask_survey();
        if self.find_go && self.found().is_some() {
            self.find_go = false;
            let here = self.selection.message;
            let there = self
                .found()
                .is_some_and(|f| here.is_some_and(|m| f.messages.contains(&m)));
            if !there {
                self.find_next(false);
            }
        }
        self.copy_message();
        self.follow();
        self.ask();
        self.ask_explanation();
    }

    pub(super) fn keep_arrangement(&mut self) {
        self.notebook.keep(self.ladder.arrangement(), &self.view);
    }

    /// Takes over what was kept of this capture: lanes at once, notes when their messages are there.
    pub(super) fn take_over_arrangement(&mut self) {
        if let Some(read) = self.notebook.arrived() {
            match read {
                Ok(changes) => self.ladder.take_over(&changes),
                Err(why) => self.notify(why),
            }
        }
        if self.notebook.waits() && self.is_finished() {
            let (notes, lost) = self.notebook.notes(&self.view);
            self.ladder.take_over(&notes);
            if lost > 0 {
                let words = rows::counted(lost as u64, "note belongs", "notes belong");
                let why = "to messages that are not in this capture";
                self.notify(format!("{words} {why}"));
            }
        }
    }

    /// Something is always selected, and a kind that exists is shown, until a person chooses.
    pub(super) fn choose_for_newcomers(&mut self) {
        let Some(lists) = self.workers.lists.answer() else {
            return;
        };
        if !self.kind_chosen && lists.totals.get(self.kind as usize) == Some(&0) {
            let other = CallKind::ALL.into_iter().find(|kind| {
                lists
                    .totals
                    .get(*kind as usize)
                    .is_some_and(|count| *count > 0)
            });
            self.kind = other.unwrap_or(self.kind);
        } else if !self.kind_chosen
            && self.kind != CallKind::Call
            && lists.totals.first().is_some_and(|calls| *calls > 0)
        {
            self.kind = CallKind::Call;
            self.selection = Selection::default();
        }
        // What another filter hides cannot stay selected: the ladder would be of a call that is not listed.
        if self.listed_filter != lists.filter_serial && lists.kind == Some(self.kind) {
            self.listed_filter = lists.filter_serial;
            let hidden = |call| lists.row_of(call).is_none();
            if self.selection.call.is_some_and(hidden)
                && let Some(first) = lists.call(0)
            {
                self.selection.set_call(&self.view, first);
            }
        }
        // Nobody has chosen: when all is there, the first row is selected, whatever the order.
        let unchosen = self
            .unchosen
            .filter(|call| self.selection.call == Some(*call));
        if self.is_finished()
            && unchosen.is_some()
            && (lists.kind, lists.version) == (Some(self.kind), self.version)
            && let Some(first) = lists.call(0)
        {
            if unchosen != Some(first) {
                self.selection.set_call(&self.view, first);
            }
            self.unchosen = None;
        }
        if self.selection.call.is_none()
            && lists.kind == Some(self.kind)
            && let Some(call) = lists.call(0)
        {
            self.selection.set_call(&self.view, call);
            self.unchosen = Some(call);
        }
    }

    /// Follows the value of the selected field, and finds the field again after a walk.
    pub(super) fn follow(&mut self) {
        let Some(detail) = self.detail() else { return };
        if Some(detail.message) != self.selection.message {
            return;
        }
        let field = self.selection.field.as_ref();
        if let Some(moved) = self.workers.following.look(&detail, field) {
            self.selection.field = Some(moved);
        }
        if let Some(bytes) = self.capture.as_ref().and_then(|c| c.loading.bytes()) {
            self.workers.following.ask(&self.view, &bytes);
        }
    }

    pub(super) fn ask(&mut self) {
        let finished = self.is_finished();
        let serial = self.serial;
        let Some(capture) = &self.capture else { return };
        let order = self.order();
        let workers = &mut self.workers;
        let lists = (self.version, (self.kind, order, self.filter_serial));
        if workers.asked_lists != Some(lists) {
            let urgent = finished || workers.asked_lists.is_none_or(|(_, how)| how != lists.1);
            workers.asked_lists = Some(lists);
            let question = ListsQuestion {
                view: Arc::clone(&self.view),
                version: self.version,
                kind: self.kind,
                order,
                filter: self.filter.clone(),
                filter_serial: self.filter_serial,
                bytes: capture.loading.bytes(),
            };
            workers.lists.ask(question, urgent);
        }
        if let Some((call, entry)) = self
            .selection
            .call
            .and_then(|call| Some((call, self.view.call(call)?)))
        {
            let (mut last, mut messages) = (entry.last, entry.messages);
            let calls = self.ladder.calls(&self.view, &self.marked, call);
            if calls.len() > 1 {
                let entries = calls.iter().filter_map(|call| self.view.call(*call));
                messages = entries.clone().map(|entry| entry.messages).sum();
                last = entries.map(|entry| entry.last).max().unwrap_or(last);
            }
            let stamp = CallStamp {
                call,
                last,
                messages,
                wish: self.ladder.stamp(&calls),
                capture: serial,
                finished,
            };
            if workers.asked_call != Some(stamp) {
                let urgent = workers
                    .asked_call
                    .is_none_or(|asked| (asked.call, asked.wish) != (call, stamp.wish))
                    || finished;
                workers.asked_call = Some(stamp);
                let view = Arc::clone(&self.view);
                workers.call.ask(
                    CallQuestion {
                        view,
                        call,
                        version: stamp,
                        calls,
                        bytes: capture.loading.bytes(),
                        arrangement: self.ladder.arrangement().clone(),
                    },
                    urgent,
                );
            }
        }
        let detail = |message: MessageId| {
            let file = self.view.message(message).map(|row| row.file);
            let link_types = match (&capture.files, file) {
                (Some(files), Some(file)) => {
                    let file = files.get(usize::from(file));
                    let types = file.map(|file| file.info.link_types()).unwrap_or_default();
                    types.into_iter().map(|(number, _)| number).collect()
                }
                (None, Some(file)) => capture.loading.link_types(file),
                (_, None) => Vec::new(),
            };
            Some(DetailQuestion {
                view: Arc::clone(&self.view),
                bytes: capture.loading.bytes()?,
                message,
                capture: serial,
                link_types,
            })
        };
        // What a packet is, is known of files that grow, else once the file was read to its end.
        if let Some(message) = self.selection.message
            && workers.asked_detail != Some((serial, message, finished))
            && let Some(question) = detail(message)
        {
            workers.asked_detail = Some((serial, message, finished));
            workers.detail.ask(question, true);
        }
        if workers.asked_pinned != self.pinned {
            workers.asked_pinned = self.pinned;
            match self.pinned.and_then(detail) {
                Some(question) => workers.pinned.ask(question, true),
                None => workers.pinned.clear(),
            }
        }
    }

    /// Asks for the explanation of the selected field, once its message has been read.
    pub(super) fn ask_explanation(&mut self) {
        let Some(detail) = self
            .detail()
            .filter(|d| Some(d.message) == self.selection.message)
        else {
            return;
        };
        let Some(bytes) = self.capture.as_ref().and_then(|c| c.loading.bytes()) else {
            return;
        };
        if !self.prefs.layout.show_explanation || detail.error.is_some() {
            return;
        }
        let field = self.selection.field.clone();
        let asked: AskedField = (self.serial, detail.message, field.clone(), self.prefs.depth);
        let known = &self.workers.asked_explain;
        if known
            .as_ref()
            .is_some_and(|(a, version)| *a == asked && *version == self.version)
        {
            return;
        }
        // A newer index is no reason to hurry.
        let urgent = known.as_ref().is_none_or(|(a, _)| *a != asked) || self.is_finished();
        self.workers.asked_explain = Some((asked, self.version));
        let view = Arc::clone(&self.view);
        let depth = self.prefs.depth;
        let question = ExplainQuestion {
            view,
            bytes,
            detail,
            field,
            depth,
        };
        self.workers.explain.ask(question, urgent);
    }

    /// Asks what is in a capture without SIP.
    pub(super) fn ask_survey(&mut self) {
        let silent = self.is_finished() && self.view.messages().is_empty();
        let Some(capture) = &self.capture else { return };
        if silent && self.workers.asked_survey != Some(self.serial) {
            self.workers.asked_survey = Some(self.serial);
            self.workers.survey.ask(capture.paths.clone(), true);
        }
    }
}
