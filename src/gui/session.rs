//! What the window is about: a capture, what of it is selected, and how it is shown.
//!
//! [`Session::apply`] is the only place that changes any of it on a person's wish, and
//! [`Session::begin_frame`] the only one that takes in what workers delivered.

mod answers;
mod frame;
mod opening;
mod saving;
mod walking;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::action::{Action, Area, FindText, Overlay, PanelName, RawTab};
use super::capturing::{CaptureAction, Capturing};
use super::file_dialogs::FileDialogs;
use super::file_watch::FileWatch;
use super::first_look::FirstLook;
use super::jobs::Jobs;
use super::ladder_export::LadderExport;
use super::ladder_wish::LadderWish;
use super::latest::Latest;
use super::layout::Layout;
use super::notebook::Notebook;
use super::pasting::{self, PastedText, Preview};
use super::prefs::{Prefs, TEXT_SIZES};
use super::samples;
use super::selection::Selection;
use super::zone;
use crate::index::ids::{CallId, MessageId};
use crate::index::query::Query;
use crate::index::{CallKind, IndexView};
pub use workers::Completion;
use workers::{Capture, Workers};

const KEPT_NOTICES: usize = 100;
const KEPT_HISTORY: usize = 20;
const KEPT_RECENT: usize = 12;
const KEPT_SELECTIONS: usize = 200;
const MOST_MARKED: usize = 1000;

/// Calls the window when a worker has something new.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The state behind the window.
pub struct Session {
    wake: Wake,
    /// Preferences; changed by `apply` only.
    pub prefs: Prefs,
    capture: Option<Capture>,
    /// While the first rows are awaited.
    first_look: Option<FirstLook>,
    /// Notices that the files that are open grow.
    file_watch: Option<FileWatch>,
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
    /// The call that was selected because it is the first one; nobody chose it.
    pub(super) unchosen: Option<CallId>,
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
    /// The filter of the newest list that was looked at.
    listed_filter: u64,
    /// The newest notice that was not dismissed.
    pub notice: Option<String>,
    /// It says that something was done, not that something is wrong.
    pub notice_is_good: bool,
    /// All notices with the time of day they were given, the newest last.
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
            file_watch: None,
            serial: 0,
            view: Arc::default(),
            version: 0,
            selection: Selection::default(),
            kind: CallKind::Call,
            kind_chosen: false,
            filter: None,
            filter_text: String::new(),
            filter_serial: 0,
            listed_filter: 0,
            notice: None,
            notice_is_good: false,
            notices: Vec::new(),
            path_field: false,
            focus_wish: None,
            focus_filter: false,
            focused: PanelName::Calls,
            reveal_message: false,
            unchosen: None,
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
            Action::SelectCall(call) => {
                self.selection.set_call(&self.view, call);
                self.unchosen = None;
            }
            Action::SelectMessage(message) => {
                self.selection.set_message(&self.view, message);
                self.unchosen = None;
            }
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
            Action::PinToCompare(message) => {
                self.pinned = message;
                // Only the tree shows two messages.
                if message.is_some() {
                    self.prefs.raw = RawTab::Tree;
                    self.prefs.layout.show(Area::Details, true);
                }
            }
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
            Action::PickText(text) => self.selection.picked = text,
            Action::ShowMedia(words) => self.selection.media = Some(words),
            Action::SelectField(field) => {
                self.selection.media = None;
                self.selection.picked = None;
                self.selection.field = field;
            }
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
            Action::ShowBoth(both) => {
                self.prefs.layout.both = both;
                // Of the two the tree is the one that explains.
                if !both {
                    self.prefs.raw = RawTab::Tree;
                }
            }
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
            Action::Follow(true) => {
                let paths = self.paths().to_vec();
                super::capturing::apply(self, CaptureAction::Follow(paths));
            }
            Action::Follow(false) => super::capturing::apply(self, CaptureAction::Stop),
            Action::HideGrowth => self.file_watch = None,
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

    fn show_reading(&mut self, show: bool) {
        self.reading_hidden = !show;
        if show && self.reading().is_none_or(|reading| reading.line.is_empty()) {
            self.tell("Nothing is to be said: all of it was read as it is".to_owned());
        }
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

    pub(super) fn notify(&mut self, text: String) {
        if self.notices.len() >= KEPT_NOTICES {
            self.notices.remove(0);
        }
        let now = zone::clock_here(std::time::SystemTime::now());
        self.notices.push(format!("{now}  {text}"));
        self.notice = Some(text);
        self.notice_is_good = false;
    }

    /// Says that something was done.
    pub(super) fn tell(&mut self, text: String) {
        self.notify(text);
        self.notice_is_good = true;
    }
}
