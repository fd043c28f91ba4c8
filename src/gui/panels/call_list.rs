//! The list of calls, registrations, subscriptions …, one row each, with chips for the kinds.
//!
//! A row can be opened: below a call stand its dialogs, below a registration its rounds, equal ones
//! as one row, and below two hosts the OPTIONS between them.

use egui::Ui;

use super::call_columns::{self, ColumnInfo};
use super::empty_ui;
use super::row_menu::call_menu_ui;
use crate::gui::action::{Action, Area, CallColumn, CallOrder, PanelName};
use crate::gui::lists::{DialogLine, Line};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::panel_head::panel_head;
use crate::gui::widgets::row_view::{Cell, Column, Order, Row, RowView, RowViewState};
use crate::index::CallKind;
use crate::index::ids::{CallId, MessageId};
use crate::present::registrations::Fold;
use crate::present::rows::{self, CallLine, Outcome, counted, kind_words, uri_words};
use crate::present::text::grouped;

/// Rows that can be open at once; the oldest is closed then.
const MOST_OPEN: usize = 64;

/// Room between a menu and the lower edge of the window.
const MENU_EDGE_POINTS: f32 = 16.0;

/// With less room than this not every chip is shown.
const ALL_CHIPS_POINTS: f32 = 560.0;

/// Calls of which one is enough to keep the place.
const MOST_TOP: usize = 4;

/// What belongs to the list alone.
#[derive(Default)]
pub struct CallListState {
    /// Position and widths.
    pub table: RowViewState,
    /// Rows that somebody opened, by their call; of a group the first one.
    open: Vec<CallId>,
    /// Open rows in the order of the list: row in the list, rows below it.
    opened: Vec<(u64, u64)>,
    /// What `opened` was made from.
    opened_for: Option<(u64, Vec<CallId>, usize)>,
    /// The list was sorted anew: its beginning is to be seen.
    to_top: bool,
    /// A row below another one that was selected, and the message that went with it.
    below: Option<(CallId, u64, MessageId)>,
    /// Selected call and the list for which `row` was found: its number, filter and order.
    found: Option<(CallId, u64, u64, CallOrder)>,
    /// Its row in the list.
    row: Option<u64>,
    /// The first calls seen in the last frame and their rows, in that list: while a capture grows, older ones leave
    /// memory.
    top: Vec<(CallId, u64)>,
    top_of: (u64, Option<CallKind>, CallOrder, u64),
}

impl CallListState {
    /// A list whose columns have these widths.
    pub fn with_widths(named: std::collections::BTreeMap<String, f32>) -> Self {
        let mut state = Self::default();
        state.table.named = named;
        state
    }

    /// The calls that were seen in the last frame, and some around them.
    pub fn wanted(&self, ctx: &PanelCtx<'_>) -> Vec<CallId> {
        let seen = &self.table.visible;
        let margin = (seen.end - seen.start).max(8);
        let from = seen.start.saturating_sub(margin);
        let mut out: Vec<CallId> = (from..seen.end.saturating_add(margin))
            .map_while(|row| {
                let (base, below) = self.locate(row);
                match (ctx.lists.group(base), below) {
                    (Some(group), Some(n)) => {
                        let at = group.calls.get(usize::try_from(n).ok()?)?;
                        Some(CallId::at(*at as usize))
                    }
                    _ => ctx.lists.call(base),
                }
            })
            .collect();
        out.dedup();
        out
    }

    /// Which row of the list stands in a row of the table, and which below it.
    fn locate(&self, row: u64) -> (u64, Option<u64>) {
        let mut added = 0;
        for (base, below) in &self.opened {
            let at = base + added;
            if row <= at {
                break;
            }
            if row <= at + below {
                return (*base, Some(row - at - 1));
            }
            added += below;
        }
        (row - added, None)
    }

    /// The row of the table in which a row of the list stands.
    fn place(&self, base: u64) -> u64 {
        let before = self.opened.iter().take_while(|(row, _)| *row < base);
        base + before.map(|(_, below)| below).sum::<u64>()
    }

    /// Finds out where the open rows stand now.
    fn find_opened(&mut self, ctx: &PanelCtx<'_>) {
        let lists = ctx.lists;
        let made = self
            .open
            .iter()
            .filter(|id| ctx.rows.contains_key(*id))
            .count();
        let key = (lists.serial, self.open.clone(), made);
        if self.opened_for.as_ref() == Some(&key) {
            return;
        }
        let mut opened: Vec<(u64, u64)> = self
            .open
            .iter()
            .filter_map(|call| {
                let row = lists.row_of(*call)?;
                let below = match lists.group(row) {
                    Some(group) => group.calls.len() as u64,
                    None => ctx.rows.get(call).map_or(0, |line| rows_below(line)),
                };
                Some((row, below))
            })
            .collect();
        opened.sort_unstable();
        opened.dedup_by_key(|(row, _)| *row);
        self.opened = opened;
        self.opened_for = Some(key);
    }

    /// What was seen stays where it is, although calls before it have left.
    fn keep_top(&mut self, ctx: &PanelCtx<'_>) {
        let lists = ctx.lists;
        let (serial, kind, order, filter) = self.top_of;
        let same = (kind, order, filter) == (lists.kind, lists.order, lists.filter_serial);
        if !same || serial == lists.serial || !ctx.capture.grows() {
            return;
        }
        let found = self
            .top
            .iter()
            .find_map(|(call, was)| Some((*was, lists.row_of(*call)?)));
        if let Some((was, base)) = found {
            self.table.scroll.keep(was, self.place(base));
        }
    }

    /// Notes what is seen.
    fn note_top(&mut self, ctx: &PanelCtx<'_>) {
        let lists = ctx.lists;
        self.top_of = (lists.serial, lists.kind, lists.order, lists.filter_serial);
        let rows = self.table.visible.clone().take(MOST_TOP);
        let calls = rows.filter_map(|row| match self.locate(row) {
            (base, None) => Some((lists.call(base)?, row)),
            _ => None,
        });
        self.top = calls.collect();
    }

    fn toggle(&mut self, call: CallId) {
        match self.open.iter().position(|open| *open == call) {
            Some(at) => drop(self.open.remove(at)),
            None => {
                if self.open.len() >= MOST_OPEN {
                    self.open.remove(0);
                }
                self.open.push(call);
            }
        }
    }
}

/// Number of rows that an open row has below it.
fn rows_below(line: &Line) -> u64 {
    match &line.registration {
        Some(registration) => registration.folds.len() as u64,
        None => line.dialogs.len() as u64,
    }
}

/// Chips and list.
pub fn call_list_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut CallListState,
    actions: &mut Vec<Action>,
) {
    panel_head(ctx, ui, Area::Calls, actions, |ui, actions| {
        chips_ui(ctx, ui, actions);
    });
    if ctx.lists.calls.is_empty() {
        let hidden = ctx.is_finished() && hidden_rows(ctx) > 0;
        if hidden {
            let words = format!("Clear “{}”", ctx.filter);
            let button = egui::Button::new(words).truncate();
            let room = ui.available_rect_before_wrap();
            let size = egui::vec2(220.0_f32.min(room.width()), 24.0);
            let place = egui::Rect::from_center_size(room.center() + egui::vec2(0.0, 26.0), size);
            let response = ui
                .put(place, button)
                .on_hover_text("Lists everything again (Esc)");
            if response.clicked() {
                actions.push(Action::SetFilter(String::new()));
            }
            ui.advance_cursor_after_rect(room.with_max_y(room.top()));
        }
        return empty_ui(ui, ctx.theme, &nothing_here(ctx));
    }
    state.find_opened(ctx);
    state.keep_top(ctx);
    let selected = selected_row(ctx, state);
    let infos = call_columns::shown(ctx.kind, ctx.columns);
    let order = infos
        .iter()
        .position(|info| info.column == ctx.order.column);
    let columns: Vec<Column> = infos.iter().map(|info| info.column(ctx)).collect();
    let below: u64 = state.opened.iter().map(|(_, below)| below).sum();
    // Names and reasons are what is cut first.
    let stretch: Vec<usize> = infos
        .iter()
        .enumerate()
        .filter(|(_, info)| info.stretches())
        .map(|(i, _)| i)
        .collect();
    let table = RowView {
        name: "Calls",
        id: PanelName::Calls.id(),
        columns: &columns,
        stretch: &stretch,
        rows: ctx.lists.calls.len() as u64 + below,
        selected,
        order: order.map(|column| Order {
            column,
            descending: ctx.order.descending,
        }),
        gutter: true,
    };
    let mut view = std::mem::take(&mut state.table);
    view.scroll.grows = ctx.capture.grows();
    let mut wishes: Vec<Action> = Vec::new();
    let mut menu = |ui: &mut Ui, row: u64| {
        if let Some(call) = ctx.lists.call(state.locate(row).0) {
            call_menu_ui(ctx, ui, call, &mut wishes);
        }
    };
    let content = |row| content(ctx, state, &infos, row);
    let out = table.show_with_menus(ui, &mut view, content, Some(&mut menu));
    state.table = view;
    state.note_top(ctx);
    actions.append(&mut wishes);
    if let Some(row) = out.select {
        select(ctx, state, row, actions);
    }
    let call_of = |row: u64| ctx.lists.call(state.locate(row).0);
    if let Some(call) = out.mark.and_then(call_of) {
        actions.push(Action::ToggleMark(call));
    }
    if out.open.is_some() {
        actions.push(Action::ShowTab(crate::gui::action::Tab::Ladder));
        actions.push(Action::FocusPanel(PanelName::Messages));
    }
    if let Some(call) = out.toggle.and_then(call_of) {
        state.toggle(call);
        ui.ctx().request_repaint();
    }
    if let Some(info) = out.sort.and_then(|column| infos.get(column)) {
        let descending = ctx.order.column == info.column && !ctx.order.descending;
        // Who sorts looks for what comes first.
        state.to_top = true;
        actions.push(Action::SortCalls(CallOrder {
            column: info.column,
            descending,
        }));
    }
}

fn select(ctx: &PanelCtx<'_>, state: &mut CallListState, row: u64, actions: &mut Vec<Action>) {
    let (base, below) = state.locate(row);
    let Some(call) = ctx.lists.call(base) else {
        return;
    };
    let Some(n) = below else {
        state.below = None;
        actions.push(Action::SelectCall(call));
        return;
    };
    let at = usize::try_from(n).unwrap_or(usize::MAX);
    if let Some(group) = ctx.lists.group(base) {
        if let Some(call) = group.calls.get(at) {
            actions.push(Action::SelectCall(CallId::at(*call as usize)));
        }
        return;
    }
    let first = ctx
        .rows
        .get(&call)
        .and_then(|line| match &line.registration {
            Some(registration) => registration.folds.get(at).map(|fold| fold.first),
            None => line.dialogs.get(at).map(|dialog| dialog.first),
        });
    if let Some(message) = first {
        state.below = Some((call, n, message));
        actions.push(Action::GoTo(message));
    }
}

fn chips_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let counts = ctx.lists.counts.into_iter().zip(ctx.lists.totals);
    let narrow = ui.available_width() < ALL_CHIPS_POINTS;
    for (kind, (count, total)) in CallKind::ALL.into_iter().zip(counts) {
        // With little room, what there is none of goes first.
        if narrow && total == 0 && kind != ctx.kind {
            continue;
        }
        let text = format!("{} {}", kind_words(kind), grouped(count.into()));
        let enabled = total > 0 || kind == ctx.kind;
        let chip = egui::Button::selectable(ctx.kind == kind, text);
        if ui.add_enabled(enabled, chip).clicked() {
            actions.push(Action::ShowKind(kind));
        }
    }
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        ui.menu_button("Columns", |ui| columns_ui(ctx, ui, actions));
        if !ctx.marked.is_empty() {
            let text = counted(ctx.marked.len() as u64, "call marked", "calls marked");
            let clear = ui.button(text).on_hover_text("Takes the marks away");
            if clear.clicked() {
                actions.push(Action::ClearMarks);
            }
        }
    });
}

/// Which columns are shown.
fn columns_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    // As much as there is room for: what is scrolled out of a short list is not found.
    let room = ui.ctx().content_rect().bottom() - ui.cursor().top() - MENU_EDGE_POINTS;
    egui::ScrollArea::vertical()
        .max_height(room)
        .min_scrolled_height(room)
        .show(ui, |ui| {
            for info in call_columns::columns_of(ctx.kind) {
                let mut on = call_columns::is_shown(info, ctx.kind, ctx.columns);
                // Without a state no row says anything.
                let fixed = info.column == CallColumn::State;
                let name = info.name(ctx.kind);
                if ui
                    .add_enabled(!fixed, egui::Checkbox::new(&mut on, name))
                    .clicked()
                {
                    actions.push(Action::ShowColumn(info.column, on));
                }
            }
        });
}

/// Rows of this kind that the filter hides.
fn hidden_rows(ctx: &PanelCtx<'_>) -> u32 {
    let all = ctx.lists.totals.get(ctx.kind as usize).copied();
    match ctx.lists.messages {
        Some(_) => all.unwrap_or(0),
        None => 0,
    }
}

fn nothing_here(ctx: &PanelCtx<'_>) -> String {
    let name = kind_words(ctx.kind);
    if !ctx.is_finished() {
        return ctx.capture.waiting_words().to_owned();
    }
    let hidden = hidden_rows(ctx);
    if hidden > 0 {
        let calls = counted(hidden.into(), "row", "rows");
        return format!("Nothing matches the filter, which hides {calls}");
    }
    if !ctx.view.messages().is_empty() {
        return format!("{name}: none in this capture");
    }
    let packets: u64 = ctx
        .files
        .unwrap_or_default()
        .iter()
        .map(|file| file.info.packets)
        .sum();
    match ctx
        .files
        .and_then(|files| files.iter().find_map(|file| file.error.as_deref()))
    {
        Some(error) => rows::sentence(error),
        None => format!("No SIP in {}", counted(packets, "packet", "packets")),
    }
}

/// The row of the table that is selected.
fn selected_row(ctx: &PanelCtx<'_>, state: &mut CallListState) -> Option<u64> {
    let call = ctx.selection.call?;
    let lists = ctx.lists;
    let key = (call, lists.serial, lists.filter_serial, lists.order);
    let mut reveal = false;
    if state.found != Some(key) {
        let same_list = state
            .found
            .is_some_and(|(c, _, f, o)| c == call && f == key.2 && o == key.3);
        state.found = Some(key);
        state.row = ctx.lists.row_of(call);
        // A growing list must not scroll by itself; another order or another call shall be seen.
        reveal = !same_list;
        if key.3 == ctx.order && std::mem::take(&mut state.to_top) {
            state.table.scroll.top = 0.0;
            reveal = false;
        }
    }
    let base = state.row?;
    let mut row = state.place(base);
    let is_open = state.opened.iter().any(|(open, _)| *open == base);
    if is_open && let Some(group) = ctx.lists.group(base) {
        let index = u32::try_from(call.index()).ok();
        if let Some(n) = index.and_then(|index| group.calls.binary_search(&index).ok()) {
            row += 1 + n as u64;
        }
    } else if is_open
        && let Some((of, n, message)) = state.below
        && of == call
        && ctx.selection.message == Some(message)
    {
        row += 1 + n;
    }
    // The first call is selected by itself: nobody asked for it.
    if reveal && !(row == 0 && ctx.capture.grows()) {
        state.table.scroll.reveal(row);
    }
    Some(row)
}

fn content(ctx: &PanelCtx<'_>, state: &CallListState, infos: &[&ColumnInfo], row: u64) -> Row {
    let (base, below) = state.locate(row);
    let Some(call) = ctx.lists.call(base) else {
        return Row::default();
    };
    let group = ctx.lists.group(base);
    let at = below.and_then(|n| usize::try_from(n).ok());
    let is_open = || state.opened.iter().any(|(open, _)| *open == base);
    match (group, at) {
        (Some(group), None) => {
            let cells = infos
                .iter()
                .map(|info| call_columns::group_cell(ctx, info.column, group))
                .collect();
            let label = format!(
                "{}, {}, {}",
                group.pair,
                counted(group.calls.len() as u64, "request", "requests"),
                group.result
            );
            Row {
                label,
                cells,
                open: Some(is_open()),
                ..Row::default()
            }
        }
        (Some(group), Some(at)) => {
            let Some(call) = group.calls.get(at).map(|call| CallId::at(*call as usize)) else {
                return Row::default();
            };
            Row {
                below: true,
                ..call_row(ctx, infos, call, false)
            }
        }
        (None, None) => {
            let mut row = call_row(ctx, infos, call, is_open());
            row.marked = ctx.marked.contains(&call);
            row
        }
        (None, Some(at)) => {
            let Some(line) = ctx.rows.get(&call) else {
                return Row::default();
            };
            match &line.registration {
                Some(registration) => registration
                    .folds
                    .get(at)
                    .map(|fold| fold_row(ctx, infos, fold))
                    .unwrap_or_default(),
                None => line
                    .dialogs
                    .get(at)
                    .map(|dialog| dialog_row(ctx, infos, dialog))
                    .unwrap_or_default(),
            }
        }
    }
}

/// Calls of a live capture with no more messages than this are added up while they are painted.
const FEW_MESSAGES: u32 = 32;

/// A row that nobody has made yet. Where many calls begin each second, their rows would have left the
/// screen again before a worker has made them; most calls are short.
fn new_line(ctx: &PanelCtx<'_>, call: CallId) -> Option<CallLine> {
    let entry = ctx.view.call(call)?;
    let at_once = ctx.capture.grows()
        && entry.messages <= FEW_MESSAGES
        && entry.kind != CallKind::Registration;
    match at_once {
        true => CallLine::of(ctx.view, call),
        false => CallLine::brief(ctx.view, call),
    }
}

fn call_row(ctx: &PanelCtx<'_>, infos: &[&ColumnInfo], call: CallId, open: bool) -> Row {
    let line = match ctx.rows.get(&call) {
        Some(line) => line,
        None => {
            let Some(call) = new_line(ctx, call) else {
                return Row::default();
            };
            &Line {
                call,
                awaited: (true, true),
                recorded: false,
                registration: None,
                dialogs: Vec::new(),
            }
        }
    };
    let result = line.call.outcome_words();
    let label = format!(
        "{} {} to {}, {}",
        match line.call.state {
            Some(_) => line.call.state_word(),
            None => "…",
        },
        uri_words(&line.call.caller),
        uri_words(&line.call.callee),
        if result.is_empty() {
            "no final response"
        } else {
            &result
        },
    );
    let cells = infos
        .iter()
        .map(|info| call_columns::cell(ctx, info.column, line))
        .collect();
    Row {
        label,
        cells,
        open: (rows_below(line) > 0).then_some(open),
        ..Row::default()
    }
}

/// A dialog below its call.
fn dialog_row(ctx: &PanelCtx<'_>, infos: &[&ColumnInfo], dialog: &DialogLine) -> Row {
    let cells = infos
        .iter()
        .map(|info| match info.column {
            CallColumn::State => {
                Cell::new(format!("dialog {}", dialog.dialog)).hover(rows::sentence(dialog.state))
            }
            CallColumn::Start => Cell::new(ctx.time_words(dialog.start)),
            CallColumn::Caller => Cell::new(format!("tag {}", dialog.local_tag)),
            CallColumn::Callee => Cell::new(format!("tag {}", dialog.remote_tag)),
            CallColumn::Result => Cell::new(dialog.state),
            CallColumn::Messages => Cell::new(grouped(dialog.messages.into())),
            _ => Cell::default(),
        })
        .collect();
    Row {
        label: format!(
            "Dialog {} {}, tags {} and {}",
            dialog.dialog, dialog.state, dialog.local_tag, dialog.remote_tag
        ),
        cells,
        below: true,
        ..Row::default()
    }
}

/// Equal rounds of a registration.
fn fold_row(ctx: &PanelCtx<'_>, infos: &[&ColumnInfo], fold: &Fold) -> Row {
    let what = if fold.removed { "removed" } else { "" };
    let times = format!("×{}", grouped(fold.count.into()));
    let outcome = match fold.status {
        Some(200..=299) if fold.removed => Outcome::Unanswered,
        Some(200..=299) => Outcome::Good,
        _ => Outcome::Bad,
    };
    let mark = ctx.theme.outcome(outcome);
    let cells = infos
        .iter()
        .map(|info| match info.column {
            CallColumn::State => Cell::new(times.clone()).mark(mark.shape, mark.colour),
            CallColumn::Start => Cell::new(ctx.time_words(fold.start)),
            CallColumn::End => Cell::new(ctx.time_words(fold.end)),
            CallColumn::Callee => Cell::new(what),
            CallColumn::Contact => super::call_list::uri_cell(&fold.contact),
            CallColumn::Result => Cell {
                colour: fold.status.map(|status| ctx.theme.status(status)),
                ..Cell::new(fold.result.clone())
            },
            CallColumn::Rounds => Cell::new(grouped(fold.count.into())),
            CallColumn::Expiry => fold
                .granted
                .map_or_else(Cell::default, |s| Cell::new(format!("{} s", grouped(s)))),
            _ => Cell::default(),
        })
        .collect();
    let mut label = format!("{times} {}", fold.result);
    if fold.removed {
        label.push_str(", removed");
    }
    Row {
        label,
        cells,
        below: true,
        ..Row::default()
    }
}

/// A URI without what is the same everywhere; in full for those who point at it.
pub fn uri_cell(uri: &str) -> Cell {
    let words = uri_words(uri).to_owned();
    if words == uri {
        Cell::new(words)
    } else {
        Cell::new(words).hover(uri)
    }
}
