//! The capture that is open, and the workers that answer questions about it.

use std::path::PathBuf;
use std::sync::Arc;

use super::Wake;
use crate::explain::Depth;
use crate::gui::action::{CallOrder, FieldPath};
use crate::gui::branches::{self, BranchQuestion, Branches};
use crate::gui::call_view::{self, CallDetail, CallQuestion, CallStamp};
use crate::gui::equal::Following;
use crate::gui::explaining::{self, ExplainQuestion, Explained};
use crate::gui::fetch::{self, Detail, DetailQuestion};
use crate::gui::find::{self, FindQuestion, Found};
use crate::gui::latest::{Latest, Wanted};
use crate::gui::lists::{ListMaker, Lists, ListsQuestion, RowMaker, Rows, RowsQuestion};
use crate::gui::reading::Reading;
use crate::gui::samples::PastedFile;
use crate::index::ids::{CallId, MessageId};
use crate::index::{CallKind, IndexView};
use crate::ingest::survey::{Survey, survey};
use crate::ingest::{FileReport, Loaded, Loading};
use crate::present::completion::{self, Suggestion};

/// A capture that is open, or being loaded.
pub(super) struct Capture {
    pub(super) paths: Vec<PathBuf>,
    pub(super) loading: Loading,
    /// Reports on the inputs, once all is loaded.
    pub(super) files: Option<Vec<FileReport>>,
    /// The text that was pasted, when it is one.
    pub(super) pasted: Option<PastedFile>,
}

/// Capture, message, field and depth of an explanation.
pub(super) type AskedField = (u64, MessageId, Option<FieldPath>, Depth);

/// Workers, and what they were asked last.
pub(super) struct Workers {
    pub(super) lists: Latest<ListsQuestion, Lists>,
    pub(super) rows: Latest<RowsQuestion, Rows>,
    pub(super) call: Latest<CallQuestion, CallDetail>,
    pub(super) detail: Latest<DetailQuestion, Detail>,
    pub(super) find: Latest<FindQuestion, Found>,
    pub(super) completion: Latest<(Arc<IndexView>, String), Completion>,
    pub(super) asked_completion: String,
    pub(super) survey: Latest<Vec<PathBuf>, Survey>,
    pub(super) reading: Latest<Loaded, Reading>,
    pub(super) asked_survey: Option<u64>,
    pub(super) pinned: Latest<DetailQuestion, Detail>,
    pub(super) following: Following,
    pub(super) asked_lists: Option<(u64, (CallKind, CallOrder, u64))>,
    pub(super) asked_rows: Option<(u64, bool, Vec<CallId>)>,
    pub(super) branches: Latest<BranchQuestion, Branches>,
    pub(super) asked_branches: Vec<MessageId>,
    pub(super) asked_call: Option<CallStamp>,
    pub(super) asked_detail: Option<(u64, MessageId, bool)>,
    pub(super) asked_pinned: Option<MessageId>,
    pub(super) explain: Latest<ExplainQuestion, Explained>,
    pub(super) asked_explain: Option<(AskedField, u64)>,
}

impl Workers {
    pub(super) fn new(wake: &Wake) -> Self {
        let mut lists = ListMaker::default();
        let mut rows = RowMaker::default();
        Self {
            lists: Latest::spawn("lists", Arc::clone(wake), move |q, w| lists.make(q, w)),
            rows: Latest::spawn("rows", Arc::clone(wake), move |q, w| rows.make(q, w)),
            call: Latest::spawn("call", Arc::clone(wake), |q, _| call_view::make(&q)),
            detail: Latest::spawn("detail", Arc::clone(wake), |q, _| fetch::fetch(&q)),
            find: Latest::spawn("find", Arc::clone(wake), find::find),
            completion: Latest::spawn("completion", Arc::clone(wake), complete),
            asked_completion: String::new(),
            survey: Latest::spawn(
                "survey",
                Arc::clone(wake),
                |paths: Vec<PathBuf>, w: &Wanted<'_>| survey(&paths, &|| w.still()),
            ),
            asked_survey: None,
            reading: Latest::spawn("reading", Arc::clone(wake), |loaded, _| {
                Some(Reading::of(&loaded))
            }),
            asked_lists: None,
            asked_rows: None,
            branches: Latest::spawn("branches", Arc::clone(wake), |q, _| {
                Some(branches::make(&q))
            }),
            asked_branches: Vec::new(),
            asked_call: None,
            pinned: Latest::spawn("pinned", Arc::clone(wake), |q, _| fetch::fetch(&q)),
            following: Following::new(wake),
            asked_detail: None,
            asked_pinned: None,
            explain: Latest::spawn("explain", Arc::clone(wake), |q, _| explaining::make(&q)),
            asked_explain: None,
        }
    }
}

/// What may be typed next, behind which text.
#[derive(Debug, Default)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// What may stand at its end.
    pub suggestions: Vec<Suggestion>,
}

fn complete((view, text): (Arc<IndexView>, String), wanted: &Wanted<'_>) -> Option<Completion> {
    let suggestions = completion::suggestions(&view, &text, &|| wanted.still())?;
    Some(Completion { text, suggestions })
}
