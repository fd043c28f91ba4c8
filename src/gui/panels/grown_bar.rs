//! A quiet line when the file that is open was written to since it was read.

use egui::{RichText, Ui};

use crate::gui::action::Action;
use crate::gui::command::by_id;
use crate::gui::file_watch::Change;
use crate::gui::panel_ctx::PanelCtx;

/// Whether [`grown_bar_ui`] has something to show.
pub fn has_grown_bar(ctx: &PanelCtx<'_>) -> bool {
    ctx.grown != Change::None && !ctx.facts.following
}

/// What happened to the file, and what can be done.
pub fn grown_bar_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let hide = ui.button("Hide").on_hover_text("Until the file is read again");
        if hide.clicked() {
            actions.push(Action::HideGrowth);
        }
        for (id, words) in [("follow", "Follow"), ("reload", "Reload")] {
            let Some(command) = by_id(id) else { continue };
            let enabled = (command.when)(&ctx.facts).is_ok();
            let tooltip = command.tooltip(&ctx.facts);
            let button = ui
                .add_enabled(enabled, egui::Button::new(words))
                .on_hover_text(&tooltip)
                .on_disabled_hover_text(&tooltip);
            if button.clicked() {
                actions.push((command.action)(&ctx.facts));
            }
        }
        let words = match (ctx.grown, ctx.paths.len()) {
            (Change::Replaced, 1) => "This file was replaced or cut since it was read: some of what is shown may not be in it any more",
            (Change::Replaced, _) => "One of these files was replaced or cut since it was read",
            (_, _) if ctx.capture.written_elsewhere => {
                "Another window captures into this file: it has grown since it was read"
            }
            (_, 1) => "This file has grown since it was read",
            _ => "One of these files has grown since it was read",
        };
        let text = RichText::new(words).color(ctx.theme.text);
        ui.add(egui::Label::new(text).truncate()).on_hover_text(words);
    });
}
