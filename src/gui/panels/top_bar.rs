//! Menus, the field for a path, and the notice.

use std::path::PathBuf;

use egui::{Id, Key, MenuBar, RichText, Ui};

use crate::gui::action::{Action, Area, RawTab, Tab};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::prefs::{ThemeChoice, TimeFormat};
use crate::gui::widgets::panel_head::area_words;
use crate::index::filter::Filter;

/// What belongs to the bar alone.
#[derive(Default)]
pub struct TopBarState {
    path: String,
    shown: bool,
    filter: String,
    /// The filter in force when `filter` was written.
    in_force: String,
}

/// The field of the filter.
pub fn filter_id() -> Id {
    Id::unique("filter field")
}

/// The menus.
pub fn menus_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut TopBarState,
    theme: ThemeChoice,
    actions: &mut Vec<Action>,
) {
    MenuBar::new().ui(ui, |ui| {
        menu_items_ui(ctx, ui, theme, actions);
        // Fields and buttons beside the menus look as everywhere else.
        ui.reset_style();
        if ctx.progress.is_some() {
            filter_ui(ctx, ui, state, actions);
        }
        name_ui(ctx, ui);
    });
}

fn menu_items_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, theme: ThemeChoice, actions: &mut Vec<Action>) {
    ui.menu_button("File", |ui| {
        let mut item = |ui: &mut Ui, enabled: bool, text: &str, keys: &str, action: Action| {
            let button = egui::Button::new(text).shortcut_text(keys);
            if ui.add_enabled(enabled, button).clicked() {
                actions.push(action);
                ui.close();
            }
        };
        item(ui, true, "Open capture…", "Ctrl+O", Action::AskForFiles);
        item(
            ui,
            true,
            "Open path…",
            "Ctrl+Shift+O",
            Action::ShowPathField(true),
        );
        item(
            ui,
            ctx.progress.is_some(),
            "Close capture",
            "Ctrl+W",
            Action::CloseCapture,
        );
        ui.separator();
        item(ui, true, "Quit", "Ctrl+Q", Action::Quit);
    });
    ui.menu_button("View", |ui| {
        let mut choice = |ui: &mut Ui, on: bool, text: &str, action: Action| {
            if ui.radio(on, text).clicked() {
                actions.push(action);
                ui.close();
            }
        };
        let themes = [
            (ThemeChoice::System, "Theme as the system"),
            (ThemeChoice::Light, "Light"),
            (ThemeChoice::Dark, "Dark"),
        ];
        for (kind, text) in themes {
            choice(ui, theme == kind, text, Action::SetTheme(kind));
        }
        ui.separator();
        for (format, text) in [
            (TimeFormat::Utc, "Time of day (UTC)"),
            (TimeFormat::Relative, "Seconds since the first message"),
        ] {
            choice(ui, ctx.time == format, text, Action::SetTimeFormat(format));
        }
        ui.separator();
        for (tab, text) in [
            (Tab::Ladder, "Ladder"),
            (Tab::CallMessages, "Messages of the call"),
            (Tab::AllMessages, "All messages"),
        ] {
            choice(ui, ctx.tab == tab, text, Action::ShowTab(tab));
        }
        ui.separator();
        for (tab, text) in [
            (RawTab::Text, "Message as text"),
            (RawTab::Tree, "Message as a tree"),
            (RawTab::Hex, "Message in hex"),
        ] {
            choice(ui, ctx.raw == tab, text, Action::ShowRaw(tab));
        }
        ui.separator();
        for area in Area::ALL {
            let mut shown = ctx.layout.shows(area);
            let text = format!("Show {}", area_words(area));
            if ui.checkbox(&mut shown, text).clicked() {
                actions.push(Action::ShowArea(area, shown));
                ui.close();
            }
        }
    });
}

/// What is open.
fn name_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    if let Some(first) = ctx.paths.first() {
        let name = |path: &PathBuf| {
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

/// Only what matches is listed: the expression is carried out with Enter.
fn filter_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut TopBarState, actions: &mut Vec<Action>) {
    ui.add_space(12.0);
    if state.in_force != ctx.filter {
        state.in_force = ctx.filter.to_owned();
        state.filter = ctx.filter.to_owned();
    }
    let label = ui.label("Filter:");
    let wrong = match state.filter.trim() {
        "" => None,
        text => Filter::parse(text).err(),
    };
    let hint =
        RichText::new("for example: status >= 400 and method == INVITE").color(ctx.theme.faint);
    let mut field = egui::TextEdit::singleline(&mut state.filter)
        .id(filter_id())
        .hint_text(hint)
        .desired_width((ui.available_width() * 0.5).clamp(120.0, 460.0));
    if wrong.is_some() {
        field = field.text_color(ctx.theme.failure);
    }
    let response = ui.add(field).labelled_by(label.id);
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if let Some(error) = &wrong {
        // While it is being written it is seldom whole: the reason must not jump about.
        response.on_hover_text(error.to_string());
        ui.label(RichText::new("?").color(ctx.theme.failure))
            .on_hover_text(error.to_string());
    }
    if entered && state.filter.trim() != ctx.filter.trim() {
        actions.push(Action::SetFilter(state.filter.trim().to_owned()));
    }
    if (!ctx.filter.is_empty() || !state.filter.is_empty())
        && ui
            .button("Clear")
            .on_hover_text("Show everything again")
            .clicked()
    {
        state.filter.clear();
        actions.push(Action::SetFilter(String::new()));
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
fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}
