//! Moving the selection and the keyboard: messages, calls, packets, panels, what was found, history.

use std::sync::Arc;

use super::{MOST_MARKED, Session};
use crate::gui::action::{FindText, PanelName, RawTab};
use crate::gui::find::FindQuestion;
use crate::index::ids::{CallId, MessageId};

impl Session {
    /// Searches the octets of all messages in the background.
    pub(super) fn find(&mut self, what: FindText) {
        self.find_text = what;
        self.find_go = !self.find_text.text.is_empty();
        // What was found is marked in the text.
        if self.find_go && self.prefs.raw == RawTab::Tree && !self.prefs.layout.both {
            self.prefs.raw = RawTab::Text;
        }
        self.workers.find.clear();
        let bytes = self.capture.as_ref().and_then(|c| c.loading.bytes());
        if let Some(bytes) = bytes.filter(|_| self.find_go) {
            let question = FindQuestion {
                view: Arc::clone(&self.view),
                bytes,
                what: self.find_text.clone(),
                looked: Arc::clone(&self.find_looked),
            };
            self.workers.find.ask(question, true);
        }
    }

    pub(super) fn find_next(&mut self, back: bool) {
        let Some(found) = self.found() else { return };
        let list = &found.messages;
        // Round and round: behind the last comes the first.
        let next = match self.selection.message {
            None => list.first(),
            Some(here) if back => {
                let at = list.partition_point(|id| *id < here);
                at.checked_sub(1)
                    .and_then(|at| list.get(at))
                    .or(list.last())
            }
            Some(here) => {
                let at = list.partition_point(|id| *id <= here);
                list.get(at).or(list.first())
            }
        };
        if let Some(next) = next.copied() {
            self.selection.set_message(&self.view, next);
            self.show_kind_of_selection();
            self.reveal_message = true;
        }
    }

    pub(super) fn step_message(&mut self, back: bool) {
        let Some(message) = self.selection.message else {
            return;
        };
        let next = if back {
            let row = self.view.message(message);
            row.and_then(|row| row.previous_in_call)
        } else {
            self.call_detail().and_then(|detail| {
                let at = detail.messages.partition_point(|id| *id <= message);
                detail.messages.get(at).copied()
            })
        };
        if let Some(next) = next {
            self.selection.set_message(&self.view, next);
            self.reveal_message = true;
        }
    }

    pub(super) fn step_call(&mut self, back: bool) {
        let lists = self.lists();
        let row = match self.selection.call.and_then(|call| lists.row_of(call)) {
            None => Some(0),
            Some(row) if back => row.checked_sub(1),
            Some(row) => row.checked_add(1),
        };
        if let Some(call) = row.and_then(|row| lists.call(row)) {
            self.selection.set_call(&self.view, call);
        }
    }

    pub(super) fn go_to_packet(&mut self, frame: u32) {
        let rows = self.view.messages();
        // Messages are in the order of time, which with several files is not that of packets.
        let found = rows
            .indexed()
            .filter(|(_, row)| row.file == 0 && row.frame >= frame)
            .min_by_key(|(_, row)| row.frame)
            .map(|(at, row)| (MessageId::at(at), row.frame));
        let Some((message, there)) = found else {
            self.notify(format!("No SIP message in packet {frame} or behind it"));
            return;
        };
        if there != frame {
            self.notify(format!(
                "No SIP message ends in packet {frame}: this is the next one, packet {there}"
            ));
        }
        self.selection.set_message(&self.view, message);
        self.show_kind_of_selection();
        self.reveal_message = true;
        self.overlay = None;
    }

    /// Lists the kind of calls to which the selected one belongs.
    pub(super) fn show_kind_of_selection(&mut self) {
        if let Some(call) = self.selection.call.and_then(|call| self.view.call(call)) {
            self.kind = call.kind;
            self.kind_chosen = true;
        }
    }

    pub(super) fn toggle_mark(&mut self, call: CallId) {
        match self.marked.iter().position(|marked| *marked == call) {
            Some(at) => drop(self.marked.remove(at)),
            None if self.marked.len() < MOST_MARKED => self.marked.push(call),
            None => self.notify(format!("No more than {MOST_MARKED} calls can be marked")),
        }
    }

    /// Moves the keyboard to a panel, and brings it onto the screen.
    pub(super) fn focus_panel(&mut self, panel: PanelName) {
        self.prefs.layout.reveal(panel.area());
        let tab = self.prefs.raw;
        let both = self.prefs.layout.both;
        match panel {
            PanelName::Tree if !both => self.prefs.raw = RawTab::Tree,
            PanelName::Raw if !both && tab == RawTab::Tree => self.prefs.raw = RawTab::Text,
            _ => {}
        }
        self.focus_wish = Some(panel);
    }

    /// The next panel that is on the screen.
    pub(super) fn focus_next(&mut self, back: bool) {
        let all = PanelName::ALL;
        let at = all
            .iter()
            .position(|panel| *panel == self.focused)
            .unwrap_or(0);
        let step = if back { all.len() - 1 } else { 1 };
        self.focus_wish = (1..=all.len())
            .filter_map(|n| all.get((at + n * step) % all.len()).copied())
            .find(|panel| self.is_on_screen(*panel));
    }

    pub(super) fn is_on_screen(&self, panel: PanelName) -> bool {
        let layout = &self.prefs.layout;
        let tab = match panel {
            PanelName::Tree => layout.both || self.prefs.raw == RawTab::Tree,
            PanelName::Raw => layout.both || self.prefs.raw != RawTab::Tree,
            _ => true,
        };
        tab && layout.is_seen(panel.area(), self.narrow)
    }

    /// Goes through what was selected, like a browser through its pages.
    pub(super) fn walk_history(&mut self, back: bool) {
        let now = self.selection.clone();
        let other = match back {
            true => self.earlier.pop(),
            false => self.later.pop(),
        };
        let Some(other) = other else { return };
        match back {
            true => self.later.push(now),
            false => self.earlier.push(now),
        }
        self.selection = other;
        self.show_kind_of_selection();
        self.reveal_message = true;
    }
}
