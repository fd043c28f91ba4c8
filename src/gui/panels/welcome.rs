//! What the window shows while no capture is open.

use egui::{RichText, Ui};

use crate::gui::action::Action;
use crate::gui::panel_ctx::PanelCtx;

/// How to open something.
pub fn welcome_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.28).max(8.0));
        ui.label(RichText::new("Sipscope").size(30.0).color(ctx.theme.text));
        ui.label(RichText::new("See the SIP calls in a capture").color(ctx.theme.faint));
        ui.add_space(18.0);
        let size = egui::vec2(190.0, 30.0);
        if ui
            .add_sized(size, egui::Button::new("Open capture…"))
            .clicked()
        {
            actions.push(Action::AskForFiles);
        }
        if ui
            .add_sized(size, egui::Button::new("Open path…"))
            .clicked()
        {
            actions.push(Action::ShowPathField(true));
        }
        ui.add_space(14.0);
        let how = "Or drop files here, or start it with them: sipscope call.pcap";
        ui.label(RichText::new(how).color(ctx.theme.faint));
        let what =
            "pcap and pcapng, also packed with gzip, zstd or lz4; several files are merged by time";
        ui.label(RichText::new(what).color(ctx.theme.faint));
    });
}
