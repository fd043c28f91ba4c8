//! Panels: each reads a [`PanelCtx`](super::panel_ctx::PanelCtx), paints, and asks for change by
//! [`Action`](super::action::Action)s. What belongs to one panel alone is in its state.

pub mod call_columns;
pub mod call_list;
pub mod capture;
pub mod capture_bar;
mod capture_sources;
pub mod explanation;
pub mod find_bar;
pub mod find_box;
pub mod grown_bar;
pub mod header_tree;
pub mod ladder;
pub mod left_memory;
pub mod message_list;
pub mod overlays;
pub mod raw_bytes;
pub mod reading_bar;
mod row_menu;
pub mod status_bar;
pub mod top_bar;
pub mod welcome;

use egui::{Align2, TextStyle, Ui};

use super::theme::Theme;

/// A sentence in the middle of a panel that has nothing to show.
pub fn empty_ui(ui: &mut Ui, theme: &Theme, text: &str) {
    let room = ui.available_rect_before_wrap();
    let font = TextStyle::Body.resolve(ui.style());
    let width = (room.width() - 24.0).max(40.0);
    let galley = ui
        .painter()
        .layout(text.to_owned(), font, theme.faint, width);
    let place = Align2::CENTER_CENTER.anchor_size(room.center(), galley.size());
    ui.painter_at(room).galley(place.min, galley, theme.faint);
    let response = ui.interact(room, ui.scope_id().with("empty"), egui::Sense::HOVER);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Label, true, text));
}
