//! The list of calls, registrations, subscriptions …, one row each, with chips for the kinds.

use egui::Ui;

use super::empty_ui;
use crate::gui::action::{Action, Area, CallColumn, CallOrder, PanelName};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::panel_head::panel_head;
use crate::gui::widgets::row_view::{Cell, Column, Order, Row, RowView, RowViewState};
use crate::index::CallKind;
use crate::index::ids::CallId;
use crate::present::rows::{
    self, CallLine, Outcome, counted, duration_words, kind_words, state_words, uri_words,
};
use crate::present::text::grouped;

/// What belongs to the list alone.
#[derive(Default)]
pub struct CallListState {
    table: RowViewState,
    /// Selected call and version of the list for which `row` was found.
    found: Option<(CallId, u64, CallOrder)>,
    row: Option<u64>,
}

impl CallListState {
    /// The calls that were seen in the last frame, and some around them.
    pub fn wanted(&self, ctx: &PanelCtx<'_>) -> Vec<CallId> {
        let seen = &self.table.visible;
        let margin = (seen.end - seen.start).max(8);
        let from = seen.start.saturating_sub(margin);
        (from..seen.end.saturating_add(margin))
            .map_while(|row| ctx.lists.call(row))
            .collect()
    }
}

static COLUMNS: [(CallColumn, Column); 10] = [
    (CallColumn::State, Column::text("State", 112.0)),
    (CallColumn::Start, Column::text("Start", 118.0)),
    (CallColumn::Caller, Column::text("Caller", 190.0)),
    (CallColumn::Callee, Column::text("Callee", 190.0)),
    (
        CallColumn::Result,
        Column::text("Code and reason", 190.0).hint("Final response that the caller got"),
    ),
    (
        CallColumn::Pdd,
        Column::number("PDD", 74.0)
            .hint("Post-dial delay: INVITE to the first ringing or answer (RFC 6076, 4.3)"),
    ),
    (
        CallColumn::Talk,
        Column::number("Talk", 74.0).hint("From the answer to the first BYE"),
    ),
    (CallColumn::Messages, Column::number("Messages", 84.0)),
    (
        CallColumn::Retransmissions,
        Column::number("Retrans.", 78.0).hint("Messages that were sent again"),
    ),
    (CallColumn::Dialogs, Column::number("Dialogs", 80.0)),
];

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
        return empty_ui(ui, ctx.theme, &nothing_here(ctx));
    }
    let selected = selected_row(ctx, state);
    let order = COLUMNS
        .iter()
        .position(|(column, _)| *column == ctx.order.column);
    let mut columns = COLUMNS.clone().map(|(_, column)| column.sortable());
    if let Some(start) = columns.get_mut(1) {
        start.name = ctx.time_head_of("Start").into();
    }
    let table = RowView {
        name: "Calls",
        id: PanelName::Calls.id(),
        columns: &columns,
        stretch: 4,
        rows: ctx.lists.calls.len() as u64,
        selected,
        order: order.map(|column| Order {
            column,
            descending: ctx.order.descending,
        }),
    };
    let out = table.show(ui, &mut state.table, |row| content(ctx, row));
    if let Some(call) = out.select.and_then(|row| ctx.lists.call(row)) {
        actions.push(Action::SelectCall(call));
    }
    if out.open.is_some() {
        actions.push(Action::FocusPanel(PanelName::Messages));
    }
    if let Some((column, _)) = out.sort.and_then(|column| COLUMNS.get(column)) {
        let descending = ctx.order.column == *column && !ctx.order.descending;
        actions.push(Action::SortCalls(CallOrder {
            column: *column,
            descending,
        }));
    }
}

fn chips_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let counts = ctx.lists.counts.into_iter().zip(ctx.lists.totals);
        for (kind, (count, total)) in CallKind::ALL.into_iter().zip(counts) {
            let text = format!("{} {}", kind_words(kind), grouped(count.into()));
            let enabled = total > 0 || kind == ctx.kind;
            let chip = egui::Button::selectable(ctx.kind == kind, text);
            if ui.add_enabled(enabled, chip).clicked() {
                actions.push(Action::ShowKind(kind));
            }
        }
    });
}

fn nothing_here(ctx: &PanelCtx<'_>) -> String {
    let name = kind_words(ctx.kind);
    if !ctx.is_finished() {
        return "Reading the capture…".to_owned();
    }
    let hidden = ctx
        .lists
        .totals
        .get(ctx.kind as usize)
        .copied()
        .unwrap_or(0);
    if ctx.lists.messages.is_some() && hidden > 0 {
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

fn selected_row(ctx: &PanelCtx<'_>, state: &mut CallListState) -> Option<u64> {
    let call = ctx.selection.call?;
    let key = (call, ctx.lists.version, ctx.lists.order);
    if state.found != Some(key) {
        let same_list = state
            .found
            .is_some_and(|(c, v, o)| (c, v, o) != key && c == call && o == key.2);
        state.found = Some(key);
        state.row = ctx.lists.row_of(call);
        // A growing list must not scroll by itself; another order or another call shall be seen.
        if let Some(row) = state.row.filter(|_| !same_list) {
            state.table.scroll.reveal(row);
        }
    }
    state.row
}

fn content(ctx: &PanelCtx<'_>, row: u64) -> Row {
    let Some(call) = ctx.lists.call(row) else {
        return Row::default();
    };
    match ctx.rows.get(&call) {
        Some(line) => line_row(ctx, line),
        None => CallLine::brief(ctx.view, call)
            .map(|line| line_row(ctx, &line))
            .unwrap_or_default(),
    }
}

fn line_row(ctx: &PanelCtx<'_>, line: &CallLine) -> Row {
    let state = match line.state {
        Some(state) => {
            let mark = ctx.theme.outcome(Outcome::of(state));
            Cell::new(state_words(state)).mark(mark.shape, mark.colour)
        }
        None => Cell::new("…"),
    };
    let result = line.outcome_words();
    let label = format!(
        "{} {} to {}, {}",
        line.state.map(state_words).unwrap_or("…"),
        uri_words(&line.caller),
        uri_words(&line.callee),
        if result.is_empty() {
            "no final response"
        } else {
            &result
        },
    );
    let colour = line.status.map(|status| ctx.theme.status(status));
    let number = |count: u32| Cell::new(grouped(count.into()));
    let time = rows::moment_words(line.start);
    let duration =
        |nanos: Option<i64>| nanos.map_or_else(Cell::default, |n| Cell::new(duration_words(n)));
    let again = if line.retransmissions == 0 {
        Cell::default()
    } else {
        number(line.retransmissions)
    };
    Row {
        label,
        cells: vec![
            state,
            Cell::new(ctx.time_words(line.start)).hover(time),
            uri_cell(&line.caller),
            uri_cell(&line.callee),
            Cell {
                colour,
                ..Cell::new(result)
            },
            duration(line.pdd),
            duration(line.talk),
            number(line.messages),
            again,
            line.dialogs.map_or_else(Cell::default, number),
        ],
        faint: false,
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
