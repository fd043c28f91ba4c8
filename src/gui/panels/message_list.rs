//! The list of messages: those of the selected call, or all.

use std::collections::BTreeMap;

use egui::{RichText, Ui};

use super::call_list::uri_cell;
use super::empty_ui;
use super::row_menu::message_menu_ui;
use crate::gui::action::{Action, MessageColumn, PanelName, Tab};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::row_view::{Cell, Column, MarkShape, Row, RowView, RowViewState};
use crate::index::ids::{CallId, MessageId};
use crate::packet::Endpoint;
use crate::present::rows::{self, MessageLine, counted};

/// What belongs to the list alone.
#[derive(Default)]
pub struct MessageListState {
    of_call: RowViewState,
    of_all: RowViewState,
    /// The message that was brought into view last, in which list.
    revealed: Option<(Tab, MessageId)>,
    /// The first message seen in the last frame and its row, in the list of that call or of all and with that filter:
    /// while a capture grows, older ones leave memory.
    top: Option<(Option<CallId>, u64, MessageId, u64)>,
    /// Messages seen in the last frame, where their branches are shown.
    pub seen: Vec<MessageId>,
}

impl MessageListState {
    /// Lists whose columns have these widths.
    pub fn with_widths(named: BTreeMap<String, f32>) -> Self {
        let mut state = Self::default();
        state.set_widths(named);
        state
    }

    /// Widths that somebody changed, by head.
    pub fn widths(&self, tab: Tab) -> &BTreeMap<String, f32> {
        match tab {
            Tab::AllMessages => &self.of_all.named,
            _ => &self.of_call.named,
        }
    }

    /// Gives both lists these widths.
    pub fn set_widths(&mut self, named: BTreeMap<String, f32>) {
        self.of_call.named.clone_from(&named);
        self.of_all.named = named;
    }
}

/// A column.
pub struct ColumnInfo {
    /// Which.
    pub column: MessageColumn,
    /// Its name.
    pub name: &'static str,
    hint: &'static str,
    width: f32,
    right: bool,
    usual: bool,
}

const fn info(column: MessageColumn, name: &'static str, width: f32) -> ColumnInfo {
    ColumnInfo {
        column,
        name,
        hint: "",
        width,
        right: false,
        usual: true,
    }
}

impl ColumnInfo {
    const fn number(self) -> Self {
        Self {
            right: true,
            ..self
        }
    }

    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    const fn hidden(self) -> Self {
        Self {
            usual: false,
            ..self
        }
    }
}

/// All columns, in the order they are shown.
pub static COLUMNS: &[ColumnInfo] = &[
    info(MessageColumn::Number, "#", 50.0)
        .number()
        .hint("Number of the message in this capture"),
    info(MessageColumn::Time, "Time", 116.0),
    info(MessageColumn::Delta, "Δ in call", 76.0)
        .number()
        .hint("Since the message before it in the same call"),
    info(MessageColumn::Source, "Source", 132.0),
    info(MessageColumn::Destination, "Destination", 132.0),
    info(MessageColumn::Message, "Message", 176.0),
    info(MessageColumn::Cseq, "CSeq", 100.0),
    info(MessageColumn::From, "From", 130.0),
    info(MessageColumn::To, "To", 130.0),
    info(MessageColumn::Call, "Call", 70.0)
        .hint("Number of the call; each has its own colour and shape"),
    info(MessageColumn::Info, "Info", 240.0),
    info(MessageColumn::Frame, "Packet", 76.0)
        .number()
        .hint("Number of the packet in its file, as Wireshark counts")
        .hidden(),
    info(MessageColumn::Transport, "Transport", 84.0).hidden(),
    info(MessageColumn::Size, "Size", 70.0)
        .number()
        .hint("Octets of the message")
        .hidden(),
    info(MessageColumn::Branch, "Branch", 200.0)
        .hint("Branch of the top Via: names the transaction on this hop")
        .hidden(),
    info(MessageColumn::CallId, "Call-ID", 180.0).hidden(),
];

/// True when the column is shown.
pub fn is_shown(info: &ColumnInfo, ctx: &PanelCtx<'_>) -> bool {
    ctx.message_columns
        .iter()
        .find(|(column, _)| *column == info.column)
        .map_or(info.usual, |(_, show)| *show)
}

/// Which columns are shown.
pub fn message_columns_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.menu_button("Columns", |ui| {
        for info in COLUMNS {
            let mut on = is_shown(info, ctx);
            let fixed = info.column == MessageColumn::Message;
            if ui
                .add_enabled(!fixed, egui::Checkbox::new(&mut on, info.name))
                .clicked()
            {
                actions.push(Action::ShowMessageColumn(info.column, on));
            }
        }
    })
    .response
    .on_hover_text("Columns of the message list");
}

/// The messages of the selected call, or all of them.
pub fn message_list_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut MessageListState,
    actions: &mut Vec<Action>,
) {
    state.seen.clear();
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
            (_, false) => ctx.capture.waiting_words(),
            (true, true) if ctx.lists.messages.is_some() => "No message matches the filter",
            (true, true) => "No messages in this capture",
            (false, true) => "Select a call to see its messages",
        };
        return empty_ui(ui, ctx.theme, text);
    }
    let left = call.and_then(|detail| ctx.view.call(detail.stamp.call));
    if let Some(left) = left.map(|call| call.left).filter(|left| *left > 0) {
        let earlier = counted(left.into(), "earlier message", "earlier messages");
        let verb = if left == 1 { "is" } else { "are" };
        let words = format!("{earlier} {verb} in the file");
        ui.label(RichText::new(words).color(ctx.theme.faint));
    }
    let message_at = |row: u64| -> Option<MessageId> {
        let row = usize::try_from(row).ok()?;
        match listed {
            Some(listed) => listed.get(row).copied(),
            None => ctx.view.messages().position(row).map(MessageId::at),
        }
    };
    let selected = ctx.selection.message.and_then(|message| {
        let row = match listed {
            // Ids grow along a list.
            Some(listed) => listed.binary_search(&message).ok()?,
            None => ctx.view.messages().rank(message.index()),
        };
        Some(row as u64)
    });
    let of = (call.map(|call| call.stamp.call), ctx.lists.filter_serial);
    let was = state.top.take().filter(|_| ctx.capture.grows());
    let table_state = if all {
        &mut state.of_all
    } else {
        &mut state.of_call
    };
    if let Some((call, filter, first, was)) = was
        && (call, filter) == of
    {
        let row = match listed {
            Some(listed) => listed.partition_point(|message| *message < first),
            None => ctx.view.messages().rank(first.index()),
        };
        table_state.scroll.keep(was, row as u64);
    }
    let reveal = ctx.selection.message.map(|message| (ctx.tab, message));
    if reveal != state.revealed || ctx.reveal_message {
        state.revealed = reveal;
        if let Some(row) = selected {
            table_state.scroll.reveal(row);
        }
    }
    let infos: Vec<&ColumnInfo> = COLUMNS.iter().filter(|info| is_shown(info, ctx)).collect();
    let columns: Vec<Column> = infos
        .iter()
        .map(|info| {
            let name = match info.column {
                MessageColumn::Time => ctx.time_head().to_owned(),
                _ => info.name.to_owned(),
            };
            Column {
                right: info.right,
                ..Column::titled(name, info.width)
            }
            .hint(info.hint)
        })
        .collect();
    let stretch = infos
        .iter()
        .position(|info| info.column == MessageColumn::Info)
        .unwrap_or(infos.len().saturating_sub(1));
    let table = RowView {
        name: if all {
            "All messages"
        } else {
            "Messages of the call"
        },
        id: PanelName::Messages.id(),
        columns: &columns,
        stretch: &[stretch],
        rows: count as u64,
        selected,
        order: None,
        gutter: false,
    };
    table_state.scroll.grows = ctx.capture.grows();
    let mut wishes: Vec<Action> = Vec::new();
    let mut menu = |ui: &mut Ui, row: u64| {
        if let Some(message) = message_at(row) {
            message_menu_ui(ctx, ui, message, &mut wishes);
        }
    };
    let content = |row: u64| {
        let before = row
            .checked_sub(1)
            .and_then(message_at)
            .and_then(|id| ctx.view.message(id))
            .map(|row| row.time);
        message_at(row)
            .and_then(|message| MessageLine::of(ctx.view, message))
            .map(|line| content(ctx, &infos, &line, before))
            .unwrap_or_default()
    };
    let out = table.show_with_menus(ui, table_state, content, Some(&mut menu));
    actions.append(&mut wishes);
    let first = table_state.visible.start;
    state.top = message_at(first).map(|message| (of.0, of.1, message, first));
    if infos
        .iter()
        .any(|info| info.column == MessageColumn::Branch)
    {
        let seen = table_state.visible.clone();
        state.seen.extend(seen.filter_map(message_at));
    }
    if let Some(message) = out.select.and_then(message_at) {
        state.revealed = Some((ctx.tab, message));
        actions.push(Action::SelectMessage(message));
    }
    if out.open.is_some() {
        actions.push(Action::FocusPanel(PanelName::Tree));
    }
}

fn content(
    ctx: &PanelCtx<'_>,
    infos: &[&ColumnInfo],
    line: &MessageLine,
    before: Option<i64>,
) -> Row {
    let mut label = format!("{} {}", line.message, line.label);
    if ctx.has_equal(line.message) {
        label.push_str(", same value");
    }
    if let Some(note) = ctx.ladder.arrangement().note(line.message) {
        label.push_str(&format!(", note: {note}"));
    }
    Row {
        label,
        cells: infos
            .iter()
            .map(|info| cell(ctx, info.column, line, before))
            .collect(),
        faint: line.repeated,
        ..Row::default()
    }
}

fn cell(
    ctx: &PanelCtx<'_>,
    column: MessageColumn,
    line: &MessageLine,
    before: Option<i64>,
) -> Cell {
    let told = ctx.view.told(line.message);
    let end = |end: Option<Endpoint>, stated: bool| {
        let text = end.map(|end| ctx.view.end_words(end)).unwrap_or_default();
        if !stated {
            let why =
                "The trace does not state this address; it is inferred from Via and direction";
            return Cell::new(format!("({text})")).hover(why.to_owned());
        }
        match line.transport {
            Some(transport) => {
                Cell::new(text.clone()).hover(format!("{text} {}", transport.name()))
            }
            None => Cell::new(text),
        }
    };
    let row = || ctx.view.message(line.message);
    match column {
        MessageColumn::Number => {
            let frame = row().map_or(0, |row| row.frame);
            let mut number = Cell::new(line.message.to_string());
            if ctx.has_equal(line.message) {
                number = number.mark(MarkShape::Disc, ctx.theme.lines.success);
            }
            number.hover(format!("Packet {frame}"))
        }
        MessageColumn::Time => {
            Cell::new(ctx.time_words_after(line.time, before)).hover(ctx.moment_words(line.time))
        }
        MessageColumn::Delta => Cell::new(line.delta.map(rows::duration_words).unwrap_or_default()),
        MessageColumn::Source => end(line.source, told.is_none_or(|t| t.src)),
        MessageColumn::Destination => end(line.destination, told.is_none_or(|t| t.dst)),
        MessageColumn::Message => {
            Cell::new(line.label.clone()).colour(ctx.theme.message(line.class))
        }
        MessageColumn::Cseq => Cell::new(line.cseq.clone()),
        MessageColumn::From => uri_cell(&line.from),
        MessageColumn::To => uri_cell(&line.to),
        MessageColumn::Call => call_chip(ctx, line.call),
        MessageColumn::Info => match ctx.ladder.arrangement().note(line.message) {
            None => Cell::new(line.info.clone()),
            Some(note) => Cell::new(format!("“{note}” {}", line.info)),
        },
        MessageColumn::Frame => {
            Cell::new(row().map(|row| row.frame.to_string()).unwrap_or_default())
        }
        MessageColumn::Transport => Cell::new(line.transport.map(|t| t.name()).unwrap_or_default()),
        MessageColumn::Size => Cell::new(row().map(|row| row.len.to_string()).unwrap_or_default()),
        MessageColumn::CallId => Cell::new(line.call_id.clone()),
        MessageColumn::Branch => {
            let known = ctx.branches.get(&line.message).cloned();
            Cell::new(known.unwrap_or_default())
        }
    }
}

/// Number of the call with a mark: neighbours differ in colour and in shape.
fn call_chip(ctx: &PanelCtx<'_>, call: CallId) -> Cell {
    const SHAPES: [MarkShape; 4] = [
        MarkShape::Disc,
        MarkShape::Triangle,
        MarkShape::Ring,
        MarkShape::Cross,
    ];
    let theme = ctx.theme;
    let colours = [
        theme.request,
        theme.success,
        theme.redirect,
        theme.challenge,
        theme.failure,
    ];
    let n = call.index();
    let shape = SHAPES.get(n % SHAPES.len()).copied();
    let colour = colours.get(n % colours.len()).copied();
    Cell::new(call.to_string()).mark(
        shape.unwrap_or(MarkShape::Disc),
        colour.unwrap_or(theme.request),
    )
}
