//! Menus, the field for a path, and the notice.

use std::path::PathBuf;

use egui::accesskit::Role;
use egui::{Id, Key, MenuBar, RichText, Ui, WidgetInfo};

use super::find_box::{FindBoxState, find_box_ui};
use crate::gui::action::Action;
use crate::gui::command::{COMMANDS, Command, Menu};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::prefs::TimeFormat;
use crate::gui::widgets::panel_head::{Icon, tool_button};
use crate::gui::zone;

/// With less room than this beside the menus some buttons are left out.
const ALL_TOOLS_POINTS: f32 = 640.0;

/// Room around the content of a menu.
const MENU_EDGE_POINTS: f32 = 24.0;

/// What belongs to the bar alone.
#[derive(Default)]
pub struct TopBarState {
    path: String,
    shown: bool,
    find: FindBoxState,
}

impl TopBarState {
    /// What stands in the box.
    pub fn typed(&self) -> &str {
        self.find.text()
    }
}

/// The menus.
pub fn menus_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut TopBarState,
    actions: &mut Vec<Action>,
) {
    MenuBar::new().ui(ui, |ui| {
        menu_items_ui(ctx, ui, actions);
        // Fields and buttons beside the menus look as everywhere else.
        ui.reset_style();
        if ctx.progress.is_some() {
            tools_ui(ctx, ui, actions);
            ui.add_space(8.0);
            find_box_ui(ctx, ui, &mut state.find, actions);
        }
        name_ui(ctx, ui);
    });
}

fn menu_items_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    for menu in Menu::ALL {
        // With large text the screen may be lower than a menu.
        let below = ui.cursor().top() + ui.spacing().interact_size.y + MENU_EDGE_POINTS;
        let room = ui.ctx().content_rect().bottom() - below;
        ui.menu_button(menu.words(), |ui| {
            ui.set_min_width(260.0);
            egui::ScrollArea::vertical()
                .max_height(room)
                // Where there is room it takes more than windows like it begin with.
                .min_scrolled_height(room)
                .show(ui, |ui| menu_ui(ctx, ui, menu, actions));
        });
    }
}

/// What stands in a menu.
fn menu_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, menu: Menu, actions: &mut Vec<Action>) {
    let mut last = None;
    for command in COMMANDS {
        let Some((_, group)) = command.menu.filter(|(m, _)| *m == menu) else {
            continue;
        };
        if last.is_some_and(|last| last != group) {
            ui.separator();
        }
        last = Some(group);
        command_item_ui(ctx, ui, command, actions);
        match command.id {
            "time local" => offsets_ui(ctx, ui, actions),
            "open path" => recent_ui(ctx, ui, actions),
            _ => {}
        }
    }
}

/// One entry of a menu.
pub(super) fn command_item_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    command: &Command,
    actions: &mut Vec<Action>,
) {
    let why_not = (command.when)(&ctx.facts).err();
    let on = command.on.map(|on| on(&ctx.facts));
    let mark = match on {
        Some(true) => "● ",
        Some(false) => "○ ",
        None => "",
    };
    let button =
        egui::Button::new(format!("{mark}{}", command.words)).shortcut_text(command.key_words());
    let response = ui.add_enabled(why_not.is_none(), button);
    let words = command.words;
    response.widget_info(|| {
        let role = Role::MenuItem;
        match on {
            Some(on) => WidgetInfo::selected(role, why_not.is_none(), on, words),
            None => WidgetInfo::labeled(role, why_not.is_none(), words),
        }
    });
    let tooltip = command.tooltip(&ctx.facts);
    if response
        .on_hover_text(&tooltip)
        .on_disabled_hover_text(&tooltip)
        .clicked()
    {
        actions.push((command.action)(&ctx.facts));
        ui.close();
    }
}

/// Captures that were opened before.
fn recent_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let some = !ctx.recent.is_empty();
    ui.add_enabled_ui(some, |ui| {
        ui.menu_button("Open recent", |ui| {
            ui.set_min_width(260.0);
            for path in ctx.recent {
                let name = path.file_name().unwrap_or(path.as_os_str());
                // Files of one name are told apart by their folders.
                let folder = path.parent().and_then(|folder| folder.file_name());
                let folder = folder.unwrap_or_default().to_string_lossy();
                let button = egui::Button::new(name.to_string_lossy())
                    .shortcut_text(folder)
                    .truncate();
                let response = ui.add(button).on_hover_text(path.display().to_string());
                if response.clicked() {
                    actions.push(Action::OpenFiles(vec![path.clone()]));
                    ui.close();
                }
            }
        })
        .response
        .on_disabled_hover_text("No capture was opened yet");
    });
}

/// Time of day at a fixed distance from UTC.
fn offsets_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.menu_button("Time of day elsewhere", |ui| {
        egui::ScrollArea::vertical()
            .max_height(320.0)
            .show(ui, |ui| {
                for minutes in zone::OFFSETS {
                    let format = TimeFormat::Offset(*minutes);
                    let words = zone::offset_words(*minutes);
                    if ui.radio(ctx.time == format, words).clicked() {
                        actions.push(Action::SetTimeFormat(format));
                        ui.close();
                    }
                }
            });
    });
}

/// Buttons for what is needed most; in a narrow window only those that no menu is as quick as.
fn tools_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let narrow = ui.available_width() < ALL_TOOLS_POINTS;
    for command in COMMANDS {
        let Some(icon) = command.icon else { continue };
        if narrow && !matches!(icon, Icon::Back | Icon::Forward) {
            continue;
        }
        let side = ui.spacing().interact_size.y;
        let place = ui.allocate_space(egui::vec2(side, side)).1;
        let enabled = (command.when)(&ctx.facts).is_ok();
        let tooltip = command.tooltip(&ctx.facts);
        let name = command.words.trim_end_matches('…');
        let response = tool_button(ui, place, icon, name, &tooltip, enabled);
        if response.clicked() && enabled {
            actions.push((command.action)(&ctx.facts));
        }
    }
}

/// What is open.
fn name_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    if let Some(first) = ctx.paths.first() {
        let name = |path: &PathBuf| {
            if path.as_os_str() == "-" {
                return "standard input".to_owned();
            }
            path.file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned()
        };
        let more = ctx.paths.len() - 1;
        let text = if more == 0 {
            name(first)
        } else {
            format!("{} and {more} more", name(first))
        };
        let all: Vec<String> = ctx
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let label = egui::Label::new(RichText::new(text).color(ctx.theme.faint)).truncate();
            ui.add(label).on_hover_text(all.join("\n"));
        });
    }
}

/// The field for a path: opens files without any help of the system.
pub fn path_field_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut TopBarState,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        let label = ui.label("Path of a capture:");
        let width = (ui.available_width() - 150.0).max(120.0);
        let id = Id::unique("path field");
        let hint = RichText::new("/home/me/call.pcap").color(ctx.theme.faint);
        let field = egui::TextEdit::singleline(&mut state.path)
            .id(id)
            .hint_text(hint)
            .desired_width(width);
        let response = ui.add(field).labelled_by(label.id);
        if !state.shown {
            state.shown = true;
            response.request_focus();
        }
        let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let path = state.path.trim();
        if (ui
            .add_enabled(!path.is_empty(), egui::Button::new("Open"))
            .clicked()
            || entered)
            && !path.is_empty()
        {
            actions.push(Action::OpenFiles(vec![home(path)]));
        }
        if ui.button("Cancel").clicked() || ui.input(|i| i.key_pressed(Key::Escape)) {
            actions.push(Action::ShowPathField(false));
        }
    });
}

/// Forgets that the field had the keyboard, so that it gets it again when it is shown again.
pub fn path_field_hidden(state: &mut TopBarState) {
    state.shown = false;
}

/// `~/` is what people type.
pub(super) fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}
