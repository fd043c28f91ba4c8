//! The head of a part of the window: what it shows on the left, its size on the right.
//!
//! A double click on the head gives the part the whole window, and takes it back.

use egui::accesskit::Role;
use egui::{Align2, FontId, Rect, Response, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};
use egui_material_icons::{MaterialIcon, icons};

use crate::gui::action::{Action, Area};
use crate::gui::panel_ctx::PanelCtx;

/// Side of the square that such a button takes.
const BUTTON_POINTS: f32 = 20.0;
/// Size of the picture on it.
const ICON_POINTS: f32 = 16.0;

/// Pictures on buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A window that grows.
    Maximise,
    /// A window that goes back to its size.
    Restore,
    /// A cross.
    Close,
    /// An arrow to the left.
    Back,
    /// An arrow to the right.
    Forward,
    /// A folder.
    Open,
    /// What captures.
    Capture,
    /// What keeps.
    Save,
}

impl Icon {
    fn glyph(self) -> MaterialIcon {
        match self {
            Self::Maximise => icons::ICON_OPEN_IN_FULL,
            Self::Restore => icons::ICON_CLOSE_FULLSCREEN,
            Self::Close => icons::ICON_CLOSE,
            Self::Back => icons::ICON_ARROW_BACK,
            Self::Forward => icons::ICON_ARROW_FORWARD,
            Self::Open => icons::ICON_FOLDER_OPEN,
            Self::Capture => icons::ICON_RADIO_BUTTON_CHECKED,
            Self::Save => icons::ICON_SAVE,
        }
    }
}

/// Name of a part for people.
pub fn area_words(area: Area) -> &'static str {
    match area {
        Area::Calls => "calls",
        Area::Ladder => "ladder",
        Area::Details => "message",
        Area::Explanation => "explanation",
    }
}

/// Height of a head.
pub fn head_points(ui: &Ui) -> f32 {
    (ui.text_style_height(&egui::TextStyle::Body) + 10.0).round()
}

/// A head with this content.
pub fn panel_head(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    area: Area,
    actions: &mut Vec<Action>,
    content: impl FnOnce(&mut Ui, &mut Vec<Action>),
) {
    let maximised = ctx.layout.maximised == Some(area);
    let room = ui.available_rect_before_wrap();
    let head = Rect::from_min_size(room.min, vec2(room.width(), head_points(ui)));
    ui.advance_cursor_after_rect(head);
    ui.painter().rect_filled(head, 0, ctx.theme.head);
    let name = area_words(area);
    // Registered first: whatever stands on it takes its clicks before.
    let ground = ui.interact(head, ui.scope_id().with(("head", area)), Sense::CLICK);
    ground.widget_info(|| WidgetInfo::labeled(Role::TitleBar, true, format!("Head of {name}")));
    if ground.double_clicked() {
        actions.push(Action::Maximise((!maximised).then_some(area)));
    }
    let buttons = head.with_min_x(head.right() - 2.0 * BUTTON_POINTS - 4.0);
    let inner = head.with_max_x(buttons.left()).shrink2(vec2(6.0, 2.0));
    let builder = UiBuilder::new()
        .id_salt(("head content", area))
        .max_rect(inner)
        .layout(egui::Layout::left_to_right(egui::Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.set_clip_rect(inner.expand2(vec2(0.0, 2.0)).intersect(ui.clip_rect()));
        content(ui, actions);
    });
    let place = |i: f32| {
        let left = pos2(buttons.left() + i * BUTTON_POINTS, head.center().y);
        Rect::from_min_size(
            left - vec2(0.0, BUTTON_POINTS / 2.0),
            vec2(BUTTON_POINTS, BUTTON_POINTS),
        )
    };
    let (icon, words) = match maximised {
        true => (Icon::Restore, "Restore"),
        false => (Icon::Maximise, "Maximise"),
    };
    if icon_button(ui, place(0.0), icon, &format!("{words} {name}")).clicked() {
        actions.push(Action::Maximise((!maximised).then_some(area)));
    }
    if icon_button(ui, place(1.0), Icon::Close, &format!("Hide {name}")).clicked() {
        actions.push(Action::ShowArea(area, false));
    }
}

/// A small button with a picture; `words` are its name and its tooltip.
pub fn icon_button(ui: &mut Ui, place: Rect, icon: Icon, words: &str) -> Response {
    tool_button(ui, place, icon, words, words, true)
}

/// A button with a picture, a name, a tooltip, and a state.
pub fn tool_button(
    ui: &mut Ui,
    place: Rect,
    icon: Icon,
    name: &str,
    tooltip: &str,
    enabled: bool,
) -> Response {
    let sense = if enabled {
        Sense::click()
    } else {
        Sense::hover()
    };
    let response = ui.interact(place, ui.scope_id().with(("icon", name)), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    if enabled && (response.hovered() || response.has_focus()) {
        let fill = ui.style().interact(&response).weak_bg_fill;
        ui.painter().rect_filled(place, 3, fill);
    }
    let colour = match enabled {
        true => ui.visuals().text_color(),
        false => ui.visuals().weak_text_color().gamma_multiply(0.5),
    };
    let glyph = icon.glyph();
    let font = FontId::new(ICON_POINTS, glyph.font_family());
    let painter = ui.painter();
    painter.text(
        place.center(),
        Align2::CENTER_CENTER,
        glyph.codepoint,
        font,
        colour,
    );
    response.on_hover_text(tooltip)
}
