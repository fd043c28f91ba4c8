//! What leaves the window: files, pictures, the clipboard, Wireshark.

use std::path::PathBuf;

use super::Session;
use crate::gui::action::{Action, Saving};
use crate::gui::capturing::CaptureAction;
use crate::gui::jobs::{CallChoice, Request, expression_of};
use crate::gui::ladder_export::Drawing;
use crate::gui::panel_ctx::{TimeWords, time_title};
use crate::gui::theme::Theme;
use crate::index::ids::CallId;

impl Session {
    /// The ladder as it is on the screen: its colours and times.
    pub(super) fn drawing(&self) -> Option<Drawing> {
        Some(Drawing {
            call: self.call_detail()?,
            palette: Theme::of(self.dark).palette(),
            times: TimeWords::of(&self.view, self.prefs.time, self.reference),
            time_head: time_title(&self.view, self.prefs.time, self.reference),
            inputs: self.paths().to_vec(),
        })
    }

    /// The calls that are saved: the marked ones, else the selected one.
    pub(super) fn chosen_calls(&self) -> Vec<CallId> {
        match self.marked.is_empty() {
            true => self.selection.call.into_iter().collect(),
            false => self.marked.clone(),
        }
    }

    pub(super) fn save(&mut self, saving: Saving, path: PathBuf) {
        let Some(capture) = &self.capture else { return };
        if saving == Saving::Capture {
            return self.apply(Action::Capture(CaptureAction::Save(path)));
        }
        if let Saving::Ladder(picture) = saving {
            match self.drawing() {
                Some(drawing) => self.export.save(drawing, picture, path),
                None => self.notify("No ladder is shown that could be saved".to_owned()),
            }
            return;
        }
        let live = self.capturing.files();
        let inputs = live.clone().unwrap_or_else(|| capture.paths.clone());
        let calls = match saving {
            Saving::Calls | Saving::Capture => self.chosen_calls(),
            // A filter by words means calls.
            _ if self.filter.is_some() => self.lists().found_calls.clone(),
            _ => Vec::new(),
        };
        let expression = self
            .filter
            .as_ref()
            .and_then(|_| expression_of(&self.filter_text));
        let calls = match live {
            Some(_) => CallChoice::by_call_id(&self.view, &calls),
            None => CallChoice::Numbers(calls),
        };
        self.jobs.save(Request {
            saving,
            path,
            inputs,
            calls,
            expression: expression.filter(|_| saving != Saving::Calls),
            key_logs: self.key_logs.clone(),
            keep_secrets: false,
        });
    }

    pub(super) fn open_in_wireshark(&mut self) {
        let Some(capture) = &self.capture else { return };
        let row = self.selection.message.and_then(|id| self.view.message(id));
        let calls = self.chosen_calls();
        let (inputs, calls) = match self.capturing.files() {
            Some(files) => (files, CallChoice::by_call_id(&self.view, &calls)),
            None => (capture.paths.clone(), CallChoice::Numbers(calls)),
        };
        let key_logs = self.key_logs.clone();
        self.jobs
            .wireshark(inputs, calls, key_logs, row.map(|row| row.time));
    }

    /// Copies the message that was asked for, once it has been read.
    pub(super) fn copy_message(&mut self) {
        if self.to_copy.is_none() || self.to_copy != self.selection.message {
            self.to_copy = None;
            return;
        }
        let detail = self.detail();
        let Some(detail) = detail.filter(|detail| Some(detail.message) == self.to_copy) else {
            return;
        };
        self.to_copy = None;
        match &detail.error {
            None => self.clipboard = Some(String::from_utf8_lossy(&detail.bytes).into_owned()),
            Some(why) => self.notify(format!("The message was not copied: {why}")),
        }
    }
}
