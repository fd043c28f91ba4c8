//! What the window is about: a capture, what of it is selected, and how it is shown.
//!
//! [`Session::apply`] is the only place that changes any of it on a person's wish, and
//! [`Session::begin_frame`] the only one that takes in what workers delivered.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::action::{Action, Area, FieldPath, FindText, Overlay, PanelName, RawTab, Saving};
use super::branches::{self, BranchQuestion, Branches};
use super::call_view::{self, CallDetail, CallQuestion, CallStamp};
use super::capturing::Capturing;
use super::command::Facts;
use super::equal::Following;
use super::explaining::{self, ExplainQuestion, Explained};
use super::fetch::{self, Detail, DetailQuestion};
use super::file_dialogs::{Chosen, FileDialogs};
use super::find::{self, FindQuestion, Found};
use super::first_look::FirstLook;
use super::jobs::{CallChoice, Jobs, Request, expression_of};
use super::ladder_export::{Drawing, LadderExport, Outcome};
use super::ladder_wish::LadderWish;
use super::latest::{Latest, Wanted};
use super::layout::Layout;
use super::lists::{ListMaker, Lists, ListsQuestion, RowMaker, Rows, RowsQuestion};
use super::notebook::Notebook;
use super::panel_ctx::{TimeWords, time_title};
use super::panels::call_columns::shown;
use super::pasting::{self, PastedText, Preview};
use super::prefs::{Prefs, TEXT_SIZES};
use super::reading::Reading;
use super::samples::{self, PastedFile};
use super::selection::Selection;
use super::theme::Theme;
use crate::index::ids::{CallId, MessageId};
use crate::index::query::Query;
use crate::index::{CallKind, IndexView};
use crate::ingest::survey::{Survey, survey};
use crate::ingest::{self, FileReport, Loaded, Loading, Progress};
use crate::present::completion::{self, Suggestion};
use crate::present::rows;

/// The index is published at the latest after this time.
pub(super) const PACE: Duration = Duration::from_millis(50);
const KEPT_NOTICES: usize = 100;
const KEPT_HISTORY: usize = 20;
const KEPT_RECENT: usize = 12;
const KEPT_SELECTIONS: usize = 200;
const MOST_MARKED: usize = 1000;

/// Calls the window when a worker has something new.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A capture that is open, or being loaded.
struct Capture {
    paths: Vec<PathBuf>,
    loading: Loading,
    /// Reports on the inputs, once all is loaded.
    files: Option<Vec<FileReport>>,
    /// The text that was pasted, when it is one.
    pasted: Option<PastedFile>,
}

/// Capture, message, field and depth of an explanation.
type AskedField = (
    u64,
    crate::index::ids::MessageId,
    Option<FieldPath>,
    crate::explain::Depth,
);

/// Workers, and what they were asked last.
struct Workers {
    lists: Latest<ListsQuestion, Lists>,
    rows: Latest<RowsQuestion, Rows>,
    call: Latest<CallQuestion, CallDetail>,
    detail: Latest<DetailQuestion, Detail>,
    find: Latest<FindQuestion, Found>,
    completion: Latest<(Arc<IndexView>, String), Completion>,
    asked_completion: String,
    survey: Latest<Vec<PathBuf>, Survey>,
    reading: Latest<Loaded, Reading>,
    asked_survey: Option<u64>,
    pinned: Latest<DetailQuestion, Detail>,
    following: Following,
    asked_lists: Option<(u64, (CallKind, super::action::CallOrder, u64))>,
    asked_rows: Option<(u64, bool, Vec<CallId>)>,
    branches: Latest<BranchQuestion, Branches>,
    asked_branches: Vec<MessageId>,
    asked_call: Option<CallStamp>,
    asked_detail: Option<(u64, MessageId, bool)>,
    asked_pinned: Option<MessageId>,
    explain: Latest<ExplainQuestion, Explained>,
    asked_explain: Option<(AskedField, u64)>,
}

impl Workers {
    fn new(wake: &Wake) -> Self {
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

/// The state behind the window.
pub struct Session {
    wake: Wake,
    /// Preferences; changed by `apply` only.
    pub prefs: Prefs,
    capture: Option<Capture>,
    /// While the first rows are awaited.
    first_look: Option<FirstLook>,
    /// Counts captures, so that late answers about an earlier one are told apart.
    serial: u64,
    workers: Workers,
    dialogs: FileDialogs,
    /// Key logs and RSA keys that were chosen; none: those beside the captures are taken.
    pub key_logs: Vec<PathBuf>,
    /// What is saved in the background.
    pub jobs: Jobs,
    /// The index of this frame.
    pub view: Arc<IndexView>,
    /// Counts views.
    pub version: u64,
    /// What is selected.
    pub selection: Selection,
    /// The message that is held to be compared with others.
    pub pinned: Option<MessageId>,
    /// The arrangement of lanes, and notes.
    pub ladder: LadderWish,
    /// Keeps both from one start to the next.
    pub notebook: Notebook,
    export: LadderExport,
    /// Which kind of calls is listed.
    pub kind: CallKind,
    /// A person has chosen the kind: it is not changed for them any more.
    kind_chosen: bool,
    /// Only what matches is listed.
    filter: Option<Arc<Query>>,
    /// How it was written.
    pub filter_text: String,
    filter_serial: u64,
    /// The newest notice that was not dismissed.
    pub notice: Option<String>,
    /// All notices, the newest last.
    pub notices: Vec<String>,
    /// The field for typing a path is shown.
    pub path_field: bool,
    /// The keyboard is to move here.
    pub focus_wish: Option<PanelName>,
    /// The keyboard is to move to the filter.
    pub focus_filter: bool,
    /// The panel that had the keyboard last.
    pub focused: PanelName,
    /// The selected message is to be brought into view.
    pub reveal_message: bool,
    /// The window is to be closed.
    pub quit: bool,
    /// Live capture.
    pub capturing: Capturing,
    /// The window is too narrow for ladder and message side by side.
    pub narrow: bool,
    /// The ground is dark.
    pub dark: bool,
    /// Marked calls, in the order they were marked.
    pub marked: Vec<CallId>,
    /// Times are counted from this message.
    pub reference: Option<MessageId>,
    /// A text for the clipboard.
    pub clipboard: Option<String>,
    /// This message is to be copied as soon as it has been read.
    to_copy: Option<MessageId>,
    /// A small window above the others.
    pub overlay: Option<Overlay>,
    /// The search in messages is shown.
    pub find_shown: bool,
    /// The keyboard is to move to the search in messages.
    pub focus_find: bool,
    /// What is searched for in messages.
    pub find_text: FindText,
    /// Messages the search has looked at.
    find_looked: Arc<AtomicU64>,
    /// The search is to go to the first message found when it is done.
    find_go: bool,
    /// The bar about a damaged file was read.
    pub damage_hidden: bool,
    /// The bar on how the capture was read is hidden.
    pub reading_hidden: bool,
    /// Looks into texts that are being pasted.
    preview: Latest<Arc<PastedText>, Preview>,
    asked_preview: u64,
    /// What was selected before, the newest last.
    earlier: Vec<Selection>,
    /// What was selected before going back, the newest last.
    later: Vec<Selection>,
}

impl Session {
    /// A session without capture.
    pub fn new(prefs: Prefs, wake: Wake) -> Self {
        let preview = Latest::spawn("preview", Arc::clone(&wake), |text, _| {
            Some(pasting::look(text))
        });
        Self {
            workers: Workers::new(&wake),
            dialogs: FileDialogs::new(Arc::clone(&wake)),
            key_logs: Vec::new(),
            jobs: Jobs::new(Arc::clone(&wake)),
            export: LadderExport::new(Arc::clone(&wake)),
            ladder: LadderWish::default(),
            notebook: Notebook::new(Arc::clone(&wake)),
            pinned: None,
            wake,
            prefs,
            capture: None,
            first_look: None,
            serial: 0,
            view: Arc::default(),
            version: 0,
            selection: Selection::default(),
            kind: CallKind::Call,
            kind_chosen: false,
            filter: None,
            filter_text: String::new(),
            filter_serial: 0,
            notice: None,
            notices: Vec::new(),
            path_field: false,
            focus_wish: None,
            focus_filter: false,
            focused: PanelName::Calls,
            reveal_message: false,
            quit: false,
            capturing: Capturing::default(),
            narrow: false,
            dark: false,
            marked: Vec::new(),
            reference: None,
            clipboard: None,
            to_copy: None,
            overlay: None,
            find_shown: false,
            damage_hidden: false,
            reading_hidden: false,
            preview,
            asked_preview: 0,
            find_text: FindText::default(),
            find_looked: Arc::default(),
            find_go: false,
            focus_find: false,
            earlier: Vec::new(),
            later: Vec::new(),
        }
    }

    /// Carries out a wish.
    pub fn apply(&mut self, action: Action) {
        let before = self.selection.clone();
        let walked = matches!(
            action,
            Action::Back | Action::Forward | Action::CloseCapture | Action::OpenFiles(_)
        );
        self.carry_out(action);
        let moved = (before.call, before.message) != (self.selection.call, self.selection.message);
        if moved && !walked && before.message.is_some() {
            if self.earlier.len() >= KEPT_SELECTIONS {
                self.earlier.remove(0);
            }
            self.earlier.push(before);
            self.later.clear();
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::OpenFiles(paths) => self.open(paths),
            Action::AskForFiles => self.dialogs.ask(),
            Action::AskForKeyLog => self.overlay = Some(Overlay::KeyLog),
            Action::AskForKeyLogFile => self.dialogs.ask_key_log(),
            Action::UseKeyLogs(paths) => {
                self.key_logs = paths;
                self.reload();
            }
            Action::ShowPathField(show) => self.path_field = show,
            Action::CloseCapture => self.close(),
            Action::CancelLoad => {
                if let Some(capture) = &self.capture {
                    capture.loading.cancel();
                }
            }
            Action::SelectCall(call) => self.selection.set_call(&self.view, call),
            Action::SelectMessage(message) => self.selection.set_message(&self.view, message),
            Action::GoTo(message) => {
                self.selection.set_message(&self.view, message);
                self.reveal_message = true;
            }
            Action::NextEqual { back } => {
                let from = self.selection.message;
                let next = from.and_then(|from| self.workers.following.next(from, back));
                if let Some(next) = next {
                    self.selection.set_message(&self.view, next);
                    self.reveal_message = true;
                }
            }
            Action::PinToCompare(message) => self.pinned = message,
            Action::Arrange(change) => {
                self.ladder.arrange(&change);
                self.keep_arrangement();
            }
            Action::UndoArrange => {
                self.ladder.undo();
                self.keep_arrangement();
            }
            Action::CopyLadder => {
                if let Some(call) = self.call_detail() {
                    self.export.copy(call);
                }
            }
            Action::SelectField(field) => self.selection.field = field,
            Action::ShowKind(kind) => {
                self.kind = kind;
                let selected = self.selection.call.and_then(|call| self.view.call(call));
                if selected.is_some_and(|call| call.kind != kind) {
                    self.selection.call = None;
                    self.selection.message = None;
                }
                self.kind_chosen = true;
            }
            Action::SortCalls(order) => self.prefs.order = order,
            Action::ShowMessageColumn(column, show) => {
                let chosen = &mut self.prefs.message_columns;
                chosen.retain(|(known, _)| *known != column);
                chosen.push((column, show));
            }
            Action::ShowColumn(column, show) => self.prefs.show_column(self.kind, column, show),
            Action::SetFilter(text) => self.set_filter(text),
            Action::ShowTab(tab) => {
                self.prefs.tab = tab;
                self.reveal_message = true;
            }
            Action::ShowRaw(tab) => self.prefs.raw = tab,
            Action::ShowBoth(both) => self.prefs.layout.both = both,
            Action::ShowArea(area, show) => self.prefs.layout.show(area, show),
            Action::Maximise(area) => {
                self.prefs.layout.maximised = area;
                if let Some(area) = area {
                    self.prefs.layout.reveal(area);
                }
            }
            Action::ResetLayout => self.prefs.layout = Layout::default(),
            Action::SetTextSize(percent) => {
                self.prefs.text_size = percent.clamp(*TEXT_SIZES.start(), *TEXT_SIZES.end());
            }
            Action::Reload => self.reload(),
            Action::OpenSample(n) => {
                if let Some(sample) = samples::SAMPLES.get(n) {
                    self.open_made(samples::unpack(sample));
                }
            }
            Action::OpenText(text) => match samples::keep_text(&text) {
                Ok(pasted) => self.open_with(vec![pasted.path.clone()], Some(pasted)),
                Err(error) => self.open_made(Err(error)),
            },
            Action::HideDamage => self.damage_hidden = true,
            Action::ShowReading(show) => self.show_reading(show),
            Action::StepMessage { back } => self.step_message(back),
            Action::StepCall { back } => self.step_call(back),
            Action::GoToPacket(frame) => self.go_to_packet(frame),
            Action::ToggleMark(call) => self.toggle_mark(call),
            Action::ClearMarks => self.marked.clear(),
            Action::ToggleTimeReference => {
                let here = self.selection.message;
                self.reference = if self.reference == here { None } else { here };
            }
            Action::CopyMessage => {
                self.to_copy = self.selection.message;
                self.copy_message();
            }
            Action::CopyText(text) => self.clipboard = Some(text),
            Action::ShowOverlay(overlay) => self.overlay = overlay,
            Action::ShowFind(show) => {
                self.find_shown = show;
                self.focus_find |= show;
            }
            Action::Find(what) => self.find(what),
            Action::FindNext { back } => self.find_next(back),
            Action::AskWhereToSave(saving) => self.overlay = Some(Overlay::SaveAs(saving)),
            Action::AskForPlace(saving) => self.dialogs.ask_place(saving),
            Action::Save(saving, path) => self.save(saving, path),
            Action::CancelSave => {
                self.jobs.cancel();
                self.export.cancel();
            }
            Action::OpenInWireshark => self.open_in_wireshark(),
            Action::Nothing => {}
            Action::Back => self.walk_history(true),
            Action::Forward => self.walk_history(false),
            Action::FocusFilter => self.focus_filter = true,
            Action::FocusPanel(panel) => self.focus_panel(panel),
            Action::FocusNext { back } => self.focus_next(back),
            Action::CycleExplanations => self.cycle_explanations(),
            Action::SetDepth(depth) => self.prefs.depth = depth,
            Action::SetTheme(theme) => self.prefs.theme = theme,
            Action::SetTimeFormat(format) => self.prefs.time = format,
            Action::Notify(text) => self.notify(text),
            Action::DismissNotice => self.notice = None,
            Action::Capture(wish) => super::capturing::apply(self, wish),
            Action::Quit => self.quit = true,
        }
    }

    /// Takes the newest index and what workers delivered, and asks them for what is missing.
    pub fn begin_frame(&mut self) {
        super::capturing::begin_frame(self);
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
                    self.notify("The ladder is in the clipboard".to_owned());
                }
                Outcome::Saved(path) => self.notify(format!("Saved: {}", path.display())),
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
            self.notify(said);
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

    fn keep_arrangement(&mut self) {
        self.notebook.keep(self.ladder.arrangement(), &self.view);
    }

    /// Takes over what was kept of this capture: lanes at once, notes when their messages are there.
    fn take_over_arrangement(&mut self) {
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

    /// The ladder as it is on the screen: its colours and times.
    fn drawing(&self) -> Option<Drawing> {
        Some(Drawing {
            call: self.call_detail()?,
            palette: Theme::of(self.dark).palette(),
            times: TimeWords::of(&self.view, self.prefs.time, self.reference),
            time_head: time_title(&self.view, self.prefs.time, self.reference),
            inputs: self.paths().to_vec(),
        })
    }

    /// Something is always selected, and a kind that exists is shown, until a person chooses.
    fn choose_for_newcomers(&mut self) {
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
        if self.selection.call.is_none()
            && lists.kind == Some(self.kind)
            && let Some(call) = lists.call(0)
        {
            self.selection.set_call(&self.view, call);
        }
    }

    /// Order of the kind that is listed: that of another kind may not exist here.
    pub fn order(&self) -> super::action::CallOrder {
        let order = self.prefs.order;
        let shown = shown(self.kind, &self.prefs.columns);
        // What sorts by a column that nobody sees looks like no order at all.
        match shown.iter().any(|info| info.column == order.column) {
            true => order,
            false => super::action::CallOrder::default(),
        }
    }

    /// Follows the value of the selected field, and finds the field again after a walk.
    fn follow(&mut self) {
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

    fn ask(&mut self) {
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
            let row = self.view.message(message);
            let file = row.and_then(|row| capture.files.as_ref()?.get(usize::from(row.file)));
            let link_types = file.map(|file| file.info.link_types()).unwrap_or_default();
            Some(DetailQuestion {
                view: Arc::clone(&self.view),
                bytes: capture.loading.bytes()?,
                message,
                capture: serial,
                link_types: link_types.into_iter().map(|(number, _)| number).collect(),
            })
        };
        // What a packet is, is known once the file was read to its end.
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
    fn ask_explanation(&mut self) {
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

    /// The newest explanation; while it is being made, that of another field.
    pub fn explained(&self) -> Option<Arc<Explained>> {
        self.workers
            .explain
            .answer()
            .filter(|e| e.capture == self.serial)
    }

    /// From off to one line to full and back (F2).
    fn cycle_explanations(&mut self) {
        let layout = &mut self.prefs.layout;
        match (self.prefs.glances, layout.show_explanation) {
            (false, false) => self.prefs.glances = true,
            (true, false) => layout.show(Area::Explanation, true),
            _ => {
                self.prefs.glances = false;
                layout.show(Area::Explanation, false);
            }
        }
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

    /// Branches that were read.
    pub fn branches(&self) -> Arc<Branches> {
        self.workers.branches.answer().unwrap_or_default()
    }

    /// The newest list of calls.
    pub fn lists(&self) -> Arc<Lists> {
        self.workers.lists.answer().unwrap_or_default()
    }

    /// Rows of calls that were added up.
    pub fn rows(&self) -> Arc<Rows> {
        self.workers.rows.answer().unwrap_or_default()
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

    /// Something is open.
    pub fn is_open(&self) -> bool {
        self.capture.is_some()
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

    /// How the inputs were read, once all is loaded and that was put into words.
    pub fn reading(&self) -> Option<Arc<Reading>> {
        self.workers.reading.answer()
    }

    /// What was found in the text that is being pasted.
    pub fn preview(&self) -> Option<Arc<Preview>> {
        self.preview.answer()
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

    /// What is to be said of the inputs; none while they are loaded.
    pub fn files(&self) -> Option<&[FileReport]> {
        self.capture.as_ref()?.files.as_deref()
    }

    fn show_reading(&mut self, show: bool) {
        self.reading_hidden = !show;
        if show && self.reading().is_none_or(|reading| reading.line.is_empty()) {
            self.notify("Nothing is to be said: all of it was read as it is".to_owned());
        }
    }

    fn open(&mut self, paths: Vec<PathBuf>) {
        self.open_with(paths, None);
    }

    fn open_with(&mut self, paths: Vec<PathBuf>, pasted: Option<PastedFile>) {
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
        let mut rest = look.rest();
        let pace = Box::new(move || rest.due(PACE));
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
    }

    /// Shows what is being captured.
    pub(super) fn show_growing(&mut self, names: Vec<PathBuf>, loading: Loading) {
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
    pub(super) fn renamed(&mut self, paths: Vec<PathBuf>) {
        if let Some(capture) = &mut self.capture {
            self.notebook.moved(&paths);
            self.notebook.keep(self.ladder.arrangement(), &self.view);
            capture.paths = paths;
        }
    }

    pub(super) fn wake(&self) -> Wake {
        Arc::clone(&self.wake)
    }

    pub(super) fn close_capture(&mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.capturing.forget();
        self.notebook.close();
        self.capture = None;
        self.first_look = None;
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

    fn set_filter(&mut self, text: String) {
        match Query::parse(&text) {
            Ok(query) => {
                self.filter = (!query.is_empty()).then(|| Arc::new(query));
                let words = text.trim().to_owned();
                if self.filter.is_some() {
                    let history = &mut self.prefs.history;
                    history.retain(|known| *known != words);
                    history.insert(0, words);
                    history.truncate(KEPT_HISTORY);
                }
                self.filter_text = text;
                self.filter_serial += 1;
            }
            Err(error) => self.notify(format!("The filter was not understood: {error}")),
        }
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
            undo: self.ladder.can_undo(),
            prefs: &self.prefs,
        }
    }

    /// Opens a file that was written for it.
    fn open_made(&mut self, made: std::io::Result<PathBuf>) {
        match made {
            Ok(path) => self.open(vec![path]),
            Err(error) => self.notify(format!(
                "It cannot be put where it could be opened: {error}"
            )),
        }
    }

    /// Notes what was opened; what the program itself wrote is no document of anybody.
    fn remember(&mut self, paths: &[PathBuf]) {
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

    /// The calls that are saved: the marked ones, else the selected one.
    fn chosen_calls(&self) -> Vec<CallId> {
        match self.marked.is_empty() {
            true => self.selection.call.into_iter().collect(),
            false => self.marked.clone(),
        }
    }

    fn save(&mut self, saving: Saving, path: PathBuf) {
        let Some(capture) = &self.capture else { return };
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
            Saving::Calls => self.chosen_calls(),
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

    fn open_in_wireshark(&mut self) {
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

    /// Asks what is in a capture without SIP.
    fn ask_survey(&mut self) {
        let silent = self.is_finished() && self.view.messages().is_empty();
        let Some(capture) = &self.capture else { return };
        if silent && self.workers.asked_survey != Some(self.serial) {
            self.workers.asked_survey = Some(self.serial);
            self.workers.survey.ask(capture.paths.clone(), true);
        }
    }

    /// What is in a capture without SIP.
    pub fn survey(&self) -> Option<Arc<Survey>> {
        self.workers.survey.answer()
    }

    fn reload(&mut self) {
        let Some(paths) = self.capture.as_ref().map(|c| c.paths.clone()) else {
            return;
        };
        let filter = std::mem::take(&mut self.filter_text);
        let (kind, chosen) = (self.kind, self.kind_chosen);
        // The file of a text goes with the capture, which is to be read again.
        let pasted = self.capture.as_mut().and_then(|c| c.pasted.take());
        self.open_with(paths, pasted);
        (self.kind, self.kind_chosen) = (kind, chosen);
        if !filter.is_empty() {
            self.set_filter(filter);
        }
    }

    /// Searches the octets of all messages in the background.
    fn find(&mut self, what: FindText) {
        self.find_text = what;
        self.find_go = !self.find_text.text.is_empty();
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

    /// What the search has found; none while it works.
    pub fn found(&self) -> Option<Arc<Found>> {
        let found = self.workers.find.answer()?;
        (found.what == self.find_text && !self.find_text.text.is_empty()).then_some(found)
    }

    /// Messages that the search has looked at so far.
    pub fn find_looked(&self) -> u64 {
        self.find_looked.load(Ordering::Relaxed)
    }

    fn find_next(&mut self, back: bool) {
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

    /// What may be typed behind this text in the box; none while it is being worked out.
    pub fn completion(&self, text: &str) -> Option<Arc<Completion>> {
        self.workers.completion.answer().filter(|c| c.text == text)
    }

    /// Asks what may be typed behind this text.
    pub fn want_completion(&mut self, text: &str) {
        if self.workers.asked_completion != text {
            self.workers.asked_completion = text.to_owned();
            let question = (Arc::clone(&self.view), text.to_owned());
            self.workers.completion.ask(question, true);
        }
    }

    fn step_message(&mut self, back: bool) {
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

    fn step_call(&mut self, back: bool) {
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

    fn go_to_packet(&mut self, frame: u32) {
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
    fn show_kind_of_selection(&mut self) {
        if let Some(call) = self.selection.call.and_then(|call| self.view.call(call)) {
            self.kind = call.kind;
            self.kind_chosen = true;
        }
    }

    fn toggle_mark(&mut self, call: CallId) {
        match self.marked.iter().position(|marked| *marked == call) {
            Some(at) => drop(self.marked.remove(at)),
            None if self.marked.len() < MOST_MARKED => self.marked.push(call),
            None => self.notify(format!("No more than {MOST_MARKED} calls can be marked")),
        }
    }

    /// Copies the message that was asked for, once it has been read.
    fn copy_message(&mut self) {
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

    /// Moves the keyboard to a panel, and brings it onto the screen.
    fn focus_panel(&mut self, panel: PanelName) {
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
    fn focus_next(&mut self, back: bool) {
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

    fn is_on_screen(&self, panel: PanelName) -> bool {
        let layout = &self.prefs.layout;
        let tab = match panel {
            PanelName::Tree => layout.both || self.prefs.raw == RawTab::Tree,
            PanelName::Raw => layout.both || self.prefs.raw != RawTab::Tree,
            _ => true,
        };
        tab && layout.is_seen(panel.area(), self.narrow)
    }

    /// Goes through what was selected, like a browser through its pages.
    fn walk_history(&mut self, back: bool) {
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

    pub(super) fn notify(&mut self, text: String) {
        if self.notices.len() >= KEPT_NOTICES {
            self.notices.remove(0);
        }
        self.notices.push(text.clone());
        self.notice = Some(text);
    }
}

/// Keeps the preferences on disk without keeping the window waiting.
pub struct PrefsKeeper {
    path: Option<PathBuf>,
    saved: Prefs,
    /// One writer at a time, the newest last.
    order: Arc<Mutex<()>>,
}

impl PrefsKeeper {
    /// Keeps them at `path`, where they are `saved` now.
    pub fn new(path: Option<PathBuf>, saved: Prefs) -> Self {
        Self {
            path,
            saved,
            order: Arc::default(),
        }
    }

    /// Saves them when they have changed.
    pub fn keep(&mut self, prefs: &Prefs) {
        if *prefs == self.saved {
            return;
        }
        self.saved = prefs.clone();
        let Some(path) = self.path.clone() else {
            return;
        };
        let (prefs, order) = (prefs.clone(), Arc::clone(&self.order));
        std::thread::spawn(move || {
            let _turn = order
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Err(error) = prefs.save(&path) {
                log::warn!("preferences not saved: {error}");
            }
        });
    }

    /// Saves them before the program ends.
    pub fn finish(&mut self, prefs: &Prefs) {
        let _turn = self
            .order
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(path) = &self.path
            && *prefs != self.saved
            && let Err(error) = prefs.save(path)
        {
            log::warn!("preferences not saved: {error}");
        }
    }
}
