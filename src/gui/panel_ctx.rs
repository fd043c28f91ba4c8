//! What every panel may look at while it paints.

use std::path::PathBuf;

use super::action::{CallOrder, FindText, MessageColumn, RawTab, Tab};
use super::branches::Branches;
use super::call_view::CallDetail;
use super::command::Facts;
use super::fetch::Detail;
use super::find::Found;
use super::ladder_wish::LadderWish;
use super::layout::Layout;
use super::lists::{Lists, Rows};
use super::panels::capture::CaptureFacts;
use super::pasting::Preview;
use super::prefs::{ColumnChoice, TimeFormat};
use super::selection::Selection;
use super::session::Completion;
use super::theme::Theme;
use super::zone;
use crate::index::ids::{CallId, MessageId};
use crate::index::{CallKind, IndexView};
use crate::ingest::survey::Survey;
use crate::ingest::{FileReport, Progress};
use crate::packet::trace::TimeKind;
use crate::present::equal::{Equal, Value};
use crate::present::{rows, text};

/// One frame, to be read only.
pub struct PanelCtx<'a> {
    /// The index.
    pub view: &'a IndexView,
    /// Counts views: the same number means the same view.
    pub version: u64,
    /// Colours.
    pub theme: &'static Theme,
    /// What is selected.
    pub selection: &'a Selection,
    /// Calls in order.
    pub lists: &'a Lists,
    /// Rows that were added up.
    pub rows: &'a Rows,
    /// Top branches of messages, as far as they were read.
    pub branches: &'a Branches,
    /// The selected call, as far as it was made.
    pub call: Option<&'a CallDetail>,
    /// The selected message, as far as it was read.
    pub detail: Option<&'a Detail>,
    /// The message that is held to be compared, as far as it was read.
    pub pinned: Option<&'a Detail>,
    /// The value of the selected field.
    pub value: Option<&'a Value>,
    /// Who else has it.
    pub equal: Option<&'a Equal>,
    /// The arrangement of lanes.
    pub ladder: &'a LadderWish,
    /// The explanation of the selected field, as far as it was made.
    pub explained: Option<&'a super::explaining::Explained>,
    /// How much it tells.
    pub depth: crate::explain::Depth,
    /// One line of explanation beside each row of the header tree.
    pub glances: bool,
    /// Kind of calls that is listed.
    pub kind: CallKind,
    /// Columns of the message list that somebody showed or hid.
    pub message_columns: &'a [(MessageColumn, bool)],
    /// Columns of the call list that somebody showed or hid.
    pub columns: &'a ColumnChoice,
    /// Their order.
    pub order: CallOrder,
    /// The filter in force; empty when there is none.
    pub filter: &'a str,
    /// How times are shown.
    pub time: TimeFormat,
    /// Tab beside the header tree.
    pub tab: Tab,
    /// How the message is shown.
    pub raw: RawTab,
    /// What was asked for in the box before.
    pub history: &'a [String],
    /// What may be typed next in the box.
    pub completion: Option<&'a Completion>,
    /// What is searched for in messages.
    pub find_text: &'a FindText,
    /// What was found.
    pub found: Option<&'a Found>,
    /// Messages that the search has looked at.
    pub find_looked: u64,
    /// What workers do for a person right now; empty for nothing.
    pub working: &'static str,
    /// How far saving is, from 0 to 1; none when nothing is saved.
    pub saving: Option<Option<f32>>,
    /// Captures that were opened, the newest first.
    pub recent: &'a [PathBuf],
    /// What is in a capture without SIP.
    pub survey: Option<&'a Survey>,
    /// What was found in the text that is being pasted.
    pub preview: Option<&'a Preview>,
    /// Marked calls.
    pub marked: &'a [CallId],
    /// Head of a column of times.
    pub time_title: String,
    /// Times are counted from this message.
    pub reference: Option<MessageId>,
    /// What commands need to know.
    pub facts: Facts<'a>,
    /// Parts of the window.
    pub layout: Layout,
    /// Inputs.
    pub paths: &'a [PathBuf],
    /// Reports on them, once all is loaded.
    pub files: Option<&'a [FileReport]>,
    /// What has become of the inputs since they were read.
    pub grown: super::file_watch::Change,
    /// How far loading is; none without a capture.
    pub progress: Option<Progress>,
    /// The newest notice.
    pub notice: Option<&'a str>,
    /// All notices.
    pub notices: &'a [String],
    /// The selected message is to be brought into view.
    pub reveal_message: bool,
    /// Live capture.
    pub capture: CaptureFacts,
}

impl PanelCtx<'_> {
    /// A time in the words the user chose.
    pub fn time_words(&self, nanos: i64) -> String {
        self.time_words_after(nanos, None)
    }

    /// The same; `before` is the time of the row above in a list.
    pub fn time_words_after(&self, nanos: i64, before: Option<i64>) -> String {
        TimeWords::of(self.view, self.time, self.reference).words(nanos, before)
    }

    /// A time in full, as far as its source states it.
    pub fn moment_words(&self, nanos: i64) -> String {
        rows::moment_words(self.view.time_kind_at(nanos), nanos)
    }

    /// Head of a column of times: says which ones, and in which zone.
    pub fn time_head(&self) -> &str {
        &self.time_title
    }

    /// The same for another name than `Time`.
    pub fn time_head_of(&self, what: &str) -> String {
        let rest = self.time_title.strip_prefix("Time").unwrap_or_default();
        format!("{what}{rest}")
    }

    /// The message has the value of the selected field.
    pub fn has_equal(&self, message: MessageId) -> bool {
        self.equal.is_some_and(|equal| {
            equal.messages.len() > 1 && equal.messages.binary_search(&message).is_ok()
        })
    }

    /// Nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.progress.is_some_and(|progress| progress.finished)
    }
}

/// How times are written, without the index they come from.
#[derive(Clone, Copy, Debug)]
pub struct TimeWords {
    format: TimeFormat,
    /// Times are counted from here.
    reference: Option<i64>,
    first: Option<i64>,
    /// Time of the newest message.
    last: Option<i64>,
    /// What the times of the capture mean.
    kind: TimeKind,
}

impl TimeWords {
    /// As the user chose.
    pub fn of(view: &IndexView, format: TimeFormat, reference: Option<MessageId>) -> Self {
        Self {
            format,
            reference: reference.and_then(|id| Some(view.message(id)?.time)),
            first: view.first_time(),
            last: view.messages().iter().next_back().map(|row| row.time),
            kind: kind_of(view),
        }
    }

    /// A time; `before` is that of the row above in a list.
    pub fn words(&self, nanos: i64, before: Option<i64>) -> String {
        let since = |start: i64| rows::seconds_words(nanos.saturating_sub(start));
        if self.kind == TimeKind::None {
            return String::new();
        }
        if let Some(reference) = self.reference {
            return since(reference);
        }
        match self.format {
            // No zone is known, so there is none to convert from.
            TimeFormat::Utc | TimeFormat::Local | TimeFormat::Offset(_)
                if self.kind != TimeKind::Absolute =>
            {
                rows::clock_words_of(self.kind, nanos)
            }
            TimeFormat::Utc => self.clock(nanos, 0),
            TimeFormat::Local => self.clock(nanos, zone::offset_nanos(nanos)),
            TimeFormat::Offset(minutes) => self.clock(nanos, i64::from(minutes) * 60_000_000_000),
            TimeFormat::Delta if before.is_some() => before.map(since).unwrap_or_default(),
            TimeFormat::Relative | TimeFormat::Delta => since(self.first.unwrap_or(nanos)),
        }
    }
}

impl TimeWords {
    /// The time of day in a zone that is so far ahead of UTC; with the date where there are several.
    fn clock(&self, nanos: i64, ahead: i64) -> String {
        let date = |nanos: i64| text::date(nanos.saturating_add(ahead));
        let here = nanos.saturating_add(ahead);
        match (self.first.map(date), self.last.map(date)) {
            (Some(first), Some(last)) if first != last => {
                let date = text::date(here);
                // The year is in the tooltip.
                let day = date.split_once('-').map_or(date.as_str(), |(_, day)| day);
                format!("{day} {}", text::clock(here, 3))
            }
            _ => rows::clock_words(here),
        }
    }
}

/// Head of a column of times: which ones, and in which zone.
pub fn time_title(view: &IndexView, format: TimeFormat, reference: Option<MessageId>) -> String {
    if let Some(reference) = reference {
        return format!("Time (s from #{reference})");
    }
    let relative = matches!(format, TimeFormat::Relative | TimeFormat::Delta);
    if let Some(words) = rows::times_words(kind_of(view)).filter(|_| !relative) {
        return format!("Time ({words})");
    }
    match format {
        TimeFormat::Utc => "Time (UTC)".to_owned(),
        TimeFormat::Local => {
            let start = view.first_time().unwrap_or(0);
            format!("Time ({})", zone::words(start))
        }
        TimeFormat::Offset(minutes) => format!("Time ({})", zone::offset_words(minutes)),
        TimeFormat::Relative => "Time (s)".to_owned(),
        TimeFormat::Delta => "Time (Δ s)".to_owned(),
    }
}

/// What the times of a capture mean, by its first message.
fn kind_of(view: &IndexView) -> TimeKind {
    let first = view.messages().get(0);
    first.map_or(TimeKind::Absolute, |row| view.time_kind_at(row.time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_days_have_their_date() {
        let hour = 3_600_000_000_000;
        let start = 1_767_222_000_123_456_000;
        let words = |format, last: i64| {
            let words = TimeWords {
                format,
                reference: None,
                first: Some(start),
                last: Some(last),
                kind: TimeKind::Absolute,
            };
            words.words(last, None)
        };
        assert_eq!(words(TimeFormat::Utc, start), "23:00:00.123456");
        assert_eq!(words(TimeFormat::Utc, start + hour), "01-01 00:00:00.123");
        // In another zone it is one day.
        let there = TimeFormat::Offset(120);
        assert_eq!(words(there, start + hour), "02:00:00.123456");
        assert_eq!(words(TimeFormat::Relative, start + hour), "3600.000000");
    }
}
