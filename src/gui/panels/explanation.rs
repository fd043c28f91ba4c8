//! What the selected field means, in full.

use egui::Ui;

use super::empty_ui;
use crate::gui::action::{Action, Area};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::panel_head::panel_head;

/// What belongs to the explanation alone.
#[derive(Default)]
pub struct ExplanationState;

/// The strip below ladder and message.
pub fn explanation_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    _state: &mut ExplanationState,
    actions: &mut Vec<Action>,
) {
    panel_head(ctx, ui, Area::Explanation, actions, |ui, _| {
        ui.strong("Explanation");
        if let Some(field) = &ctx.selection.field {
            ui.label(&field.0);
        }
    });
    if ctx.selection.field.is_none() {
        empty_ui(ui, ctx.theme, "Select a field of the message");
    }
}
