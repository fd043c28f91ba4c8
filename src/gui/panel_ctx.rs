//! What every panel may look at while it paints.

use std::path::PathBuf;

use super::action::{CallOrder, RawTab, Tab};
use super::call_view::CallDetail;
use super::fetch::Detail;
use super::layout::Layout;
use super::lists::{Lists, Rows};
use super::prefs::TimeFormat;
use super::selection::Selection;
use super::theme::Theme;
use crate::index::{CallKind, IndexView};
use crate::ingest::{FileReport, Progress};
use crate::present::rows;

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
    /// The selected call, as far as it was made.
    pub call: Option<&'a CallDetail>,
    /// The selected message, as far as it was read.
    pub detail: Option<&'a Detail>,
    /// Kind of calls that is listed.
    pub kind: CallKind,
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
    /// Parts of the window.
    pub layout: Layout,
    /// Inputs.
    pub paths: &'a [PathBuf],
    /// Reports on them, once all is loaded.
    pub files: Option<&'a [FileReport]>,
    /// How far loading is; none without a capture.
    pub progress: Option<Progress>,
    /// The newest notice.
    pub notice: Option<&'a str>,
    /// All notices.
    pub notices: &'a [String],
    /// The selected message is to be brought into view.
    pub reveal_message: bool,
}

impl PanelCtx<'_> {
    /// A time in the words the user chose.
    pub fn time_words(&self, nanos: i64) -> String {
        match self.time {
            TimeFormat::Utc => rows::clock_words(nanos),
            TimeFormat::Relative => {
                let first = self.view.messages().get(0).map_or(nanos, |row| row.time);
                rows::seconds_words(nanos.saturating_sub(first))
            }
        }
    }

    /// Head of a column of times: says which ones.
    pub fn time_head(&self) -> &'static str {
        match self.time {
            TimeFormat::Utc => "Time (UTC)",
            TimeFormat::Relative => "Time (s)",
        }
    }

    /// Nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.progress.is_some_and(|progress| progress.finished)
    }
}
