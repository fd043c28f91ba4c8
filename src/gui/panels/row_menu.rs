//! What a click with the other button opens on a row: commands of the table, then what can be done
//! with the values of the row.
//!
//! The click has selected the row, so commands that are about the selection are about it.

use egui::Ui;

use super::top_bar::command_item_ui;
use crate::gui::action::{Action, Saving};
use crate::gui::command::by_id;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::row_view::shown;
use crate::index::CallKind;
use crate::index::ids::{CallId, MessageId};
use crate::present::equal::quoted;
use crate::present::rows::{CallLine, uri_words};

/// Letters of a value that stand in a menu.
const MOST_LETTERS: usize = 40;

/// Of a row of the call list.
pub fn call_menu_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, call: CallId, actions: &mut Vec<Action>) {
    commands_ui(ctx, ui, &["mark", "wireshark", "copy ladder"], actions);
    // The key of that command saves all of a new capture; who points at a call means calls.
    let words = match ctx.marked.is_empty() {
        true => "Save this call…",
        false => "Save marked calls…",
    };
    item_ui(ui, words, Action::AskWhereToSave(Saving::Calls), actions);
    let line = match ctx.rows.get(&call) {
        Some(line) => Some(line.call.clone()),
        None => CallLine::brief(ctx.view, call),
    };
    let Some(line) = line else { return };
    ui.separator();
    let user = |uri: &str| {
        let words = uri_words(uri);
        let user = words.split_once('@').map_or(words, |(user, _)| user);
        user.to_owned()
    };
    let caller = match ctx.kind {
        CallKind::Registration => None,
        _ => Some(("caller", "from_user", user(&line.caller))),
    };
    let callee = match ctx.kind {
        CallKind::Registration => "user",
        _ => "callee",
    };
    let callee = Some((callee, "to_user", user(&line.callee)));
    let agent = line.user_agents.first();
    let agent = agent.map(|agent| ("User-Agent", "user_agent", agent.clone()));
    let (from, to) = line.way.map_or((None, None), |(from, to)| {
        let address = |end: crate::packet::Endpoint| ("address", "addr", end.ip.to_string());
        (Some(address(from)), (to.ip != from.ip).then(|| address(to)))
    });
    for (what, field, value) in [caller, callee, from, to, agent].into_iter().flatten() {
        if value.is_empty() {
            continue;
        }
        let wish = Action::SetFilter(format!("{field} == {}", quoted(&value)));
        let words = format!("Filter by {what} {}", shown(&value, MOST_LETTERS));
        item_ui(ui, &words, wish, actions);
    }
    ui.separator();
    call_id_ui(ui, &line.call_id, actions);
}

/// Of a message in a list or in the ladder.
pub fn message_menu_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    message: MessageId,
    actions: &mut Vec<Action>,
) {
    commands_ui(
        ctx,
        ui,
        &["copy message", "pin", "note", "time reference", "wireshark"],
        actions,
    );
    let Some(row) = ctx.view.message(message) else {
        return;
    };
    ui.separator();
    let id = ctx.view.texts().get(ctx.view.parties(row).call_id);
    call_id_ui(ui, &id, actions);
}

fn call_id_ui(ui: &mut Ui, id: &str, actions: &mut Vec<Action>) {
    if id.is_empty() {
        return;
    }
    let filter = Action::SetFilter(format!("call_id == {}", quoted(id)));
    item_ui(ui, "Filter by Call-ID", filter, actions);
    item_ui(ui, "Copy Call-ID", Action::CopyText(id.to_owned()), actions);
}

fn commands_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, ids: &[&str], actions: &mut Vec<Action>) {
    ui.set_min_width(230.0);
    for command in ids.iter().filter_map(|id| by_id(id)) {
        command_item_ui(ctx, ui, command, actions);
    }
}

fn item_ui(ui: &mut Ui, words: &str, wish: Action, actions: &mut Vec<Action>) {
    if ui.button(words).clicked() {
        actions.push(wish);
        ui.close();
    }
}
