//! The list of messages: those of the selected call, or all.

use egui::Ui;

use super::call_list::uri_cell;
use super::empty_ui;
use crate::gui::action::{Action, PanelName, Tab};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::row_view::{Cell, Column, MarkShape, Row, RowView, RowViewState};
use crate::index::ids::MessageId;
use crate::present::rows::{self, MessageLine};

/// What belongs to the list alone.
#[derive(Default)]
pub struct MessageListState {
    of_call: RowViewState,
    of_all: RowViewState,
    /// The message that was brought into view last, in which list.
    revealed: Option<(Tab, MessageId)>,
}

/// The messages of the selected call, or all of them.
pub fn message_list_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut MessageListState,
    actions: &mut Vec<Action>,
) {
    let all = ctx.tab == Tab::AllMessages;
    let call = ctx.call.filter(|_| !all);
    let listed: Option<&[MessageId]> = match call {
        Some(call) => Some(&call.messages),
        None => ctx.lists.messages.as_deref(),
    };
    let count = match listed {
        Some(listed) => listed.len(),
        None if all => ctx.view.messages().len(),
        None => 0,
    };
    if count == 0 {
        let text = match (all, ctx.is_finished()) {
            (_, false) => "Reading the capture…",
            (true, true) if ctx.lists.messages.is_some() => "No message matches the filter",
            (true, true) => "No messages in this capture",
            (false, true) => "Select a call to see its messages",
        };
        return empty_ui(ui, ctx.theme, text);
    }
    let message_at = |row: u64| -> Option<MessageId> {
        let row = usize::try_from(row).ok()?;
        match listed {
            Some(listed) => listed.get(row).copied(),
            None => (row < count).then(|| MessageId::at(row)),
        }
    };
    let selected = ctx.selection.message.and_then(|message| {
        let row = match listed {
            // Ids grow along a list.
            Some(listed) => listed.binary_search(&message).ok()?,
            None => message.index(),
        };
        Some(row as u64)
    });
    let table_state = if all {
        &mut state.of_all
    } else {
        &mut state.of_call
    };
    let reveal = ctx.selection.message.map(|message| (ctx.tab, message));
    if reveal != state.revealed || ctx.reveal_message {
        state.revealed = reveal;
        if let Some(row) = selected {
            table_state.scroll.reveal(row);
        }
    }
    let columns = columns(ctx);
    let table = RowView {
        name: if all {
            "All messages"
        } else {
            "Messages of the call"
        },
        id: PanelName::Messages.id(),
        columns: &columns,
        stretch: 10,
        rows: count as u64,
        selected,
        order: None,
        gutter: false,
    };
    let out = table.show(ui, table_state, |row| {
        message_at(row)
            .and_then(|message| MessageLine::of(ctx.view, message))
            .map(|line| content(ctx, &line))
            .unwrap_or_default()
    });
    if let Some(message) = out.select.and_then(message_at) {
        state.revealed = Some((ctx.tab, message));
        actions.push(Action::SelectMessage(message));
    }
    if out.open.is_some() {
        actions.push(Action::FocusPanel(PanelName::Tree));
    }
}

fn columns(ctx: &PanelCtx<'_>) -> [Column; 11] {
    [
        Column::number("#", 58.0).hint("Number of the message in this capture"),
        Column::titled(ctx.time_head().to_owned(), 118.0),
        Column::number("Δ in call", 76.0).hint("Since the message before it in the same call"),
        Column::text("Source", 150.0),
        Column::text("Destination", 150.0),
        Column::text("Message", 190.0),
        Column::text("CSeq", 100.0),
        Column::text("From", 150.0),
        Column::text("To", 150.0),
        Column::text("Call-ID", 150.0),
        Column::text("Info", 240.0),
    ]
}

fn content(ctx: &PanelCtx<'_>, line: &MessageLine) -> Row {
    let end = |end: Option<crate::packet::Endpoint>| {
        let text = end.map(|end| end.to_string()).unwrap_or_default();
        match line.transport {
            Some(transport) => {
                Cell::new(text.clone()).hover(format!("{text} {}", transport.name()))
            }
            None => Cell::new(text),
        }
    };
    let time = rows::moment_words(line.time);
    let delta = line.delta.map(rows::duration_words).unwrap_or_default();
    let row = ctx.view.message(line.message);
    let frame = row.map_or(0, |row| row.frame);
    let mut label = format!("{} {}", line.message, line.label);
    let mut number = Cell::new(line.message.to_string());
    if ctx.has_equal(line.message) {
        label.push_str(", same value");
        number = number.mark(MarkShape::Disc, ctx.theme.lines.success);
    }
    Row {
        label,
        cells: vec![
            number.hover(format!("Packet {frame}")),
            Cell::new(ctx.time_words(line.time)).hover(time),
            Cell::new(delta),
            end(line.source),
            end(line.destination),
            Cell::new(line.label.clone()).colour(ctx.theme.message(line.class)),
            Cell::new(line.cseq.clone()),
            uri_cell(&line.from),
            uri_cell(&line.to),
            Cell::new(line.call_id.clone()),
            Cell::new(line.info.clone()),
        ],
        faint: line.repeated,
        ..Row::default()
    }
}
