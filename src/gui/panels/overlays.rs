//! Small windows above the others: all commands, all keys, a packet by number, notes, what was said.

use egui::accesskit::Role;
use egui::{Align2, Id, Key, RichText, ScrollArea, Ui, WidgetInfo};

use super::welcome::paste_ui;
use crate::gui::action::{Action, Overlay, Picture, Saving};
use crate::gui::command::{COMMANDS, Command, LIST_KEYS, Menu};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::pasting::PastedText;
use crate::present::ladder::arrangement::Change;
use crate::present::rows;
use crate::source::private_folder;

/// Calls whose numbers stand in the name of a file.
const NAMED_CALLS: usize = 4;

/// What belongs to these windows alone.
#[derive(Default)]
pub struct OverlayState {
    /// Which one was shown last, so that its field gets the keyboard once.
    shown: Option<Overlay>,
    text: String,
    /// Position of the chosen command among those that are listed.
    chosen: usize,
    /// There is a file of the name that was typed.
    exists: bool,
    /// A text with messages.
    paste: PastedText,
}

impl OverlayState {
    /// The text that is being pasted.
    pub fn pasted(&self) -> &PastedText {
        &self.paste
    }

    /// Forgets what was typed.
    pub fn close(&mut self) {
        if self.shown.is_some() {
            *self = Self::default();
        }
    }
}

/// The window of that name.
pub fn overlay_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    overlay: Overlay,
    state: &mut OverlayState,
    actions: &mut Vec<Action>,
) {
    // A command of the palette opens another one in the same frame: it begins without the words.
    if state.shown.is_some_and(|shown| shown != overlay) {
        state.close();
    }
    let title = match overlay {
        Overlay::Palette => "All commands",
        Overlay::Keys => "Keys",
        Overlay::GoToPacket => "Go to packet",
        Overlay::Notices => "Notices",
        Overlay::Paste => "Paste a trace",
        Overlay::SaveAs(Saving::Calls) => "Save marked calls",
        Overlay::SaveAs(Saving::Capture) => "Save capture",
        Overlay::SaveAs(Saving::Json) => "Export messages as JSON",
        Overlay::SaveAs(Saving::Csv) => "Export messages as CSV",
        Overlay::SaveAs(Saving::Ladder(Picture::Svg)) => "Save ladder as SVG",
        Overlay::SaveAs(Saving::Ladder(Picture::Png)) => "Save ladder as PNG",
        Overlay::Note => "Note",
        Overlay::KeyLog => "Choose key log",
    };
    let mut open = true;
    let room = ui.ctx().content_rect().size();
    egui::Window::new(title)
        .id(Id::unique(("overlay", overlay)))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_TOP, [0.0, room.y * 0.08])
        .max_width(620.0_f32.min(room.x - 40.0))
        .max_height(room.y * 0.8)
        .default_size([560.0_f32.min(room.x - 40.0), room.y * 0.8])
        .show(ui.ctx(), |ui| match overlay {
            Overlay::Palette => palette_ui(ctx, ui, state, actions),
            Overlay::Keys => keys_ui(ctx, ui),
            Overlay::GoToPacket => packet_ui(ui, state, actions),
            Overlay::Notices => notices_ui(ctx, ui),
            Overlay::Paste => paste_ui(ctx, ui, &mut state.paste, actions),
            Overlay::SaveAs(saving) => save_as_ui(ctx, ui, saving, state, actions),
            Overlay::Note => note_ui(ctx, ui, state, actions),
            Overlay::KeyLog => key_log_ui(ctx, ui, state, actions),
        });
    state.shown = Some(overlay);
    if !open {
        actions.push(Action::ShowOverlay(None));
    }
}

/// A field that gets the keyboard when its window opens.
fn field_ui(ui: &mut Ui, state: &mut OverlayState, label: &str, hint: &str) -> egui::Response {
    let label = ui.label(label);
    let field = egui::TextEdit::singleline(&mut state.text)
        .id(Id::unique("overlay field"))
        .hint_text(hint)
        .desired_width(f32::INFINITY);
    let response = ui.add(field).labelled_by(label.id);
    if state.shown.is_none() {
        response.request_focus();
    }
    response
}

fn palette_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut OverlayState,
    actions: &mut Vec<Action>,
) {
    let (up, down) = ui.input_mut(|input| {
        let none = egui::Modifiers::NONE;
        (
            input.consume_key(none, Key::ArrowUp),
            input.consume_key(none, Key::ArrowDown),
        )
    });
    let response = field_ui(ui, state, "Command:", "words of a command");
    if response.changed() {
        state.chosen = 0;
    }
    let found = matching(&state.text);
    state.chosen = match (up, down) {
        (true, _) => state.chosen.saturating_sub(1),
        (_, true) => state.chosen + 1,
        _ => state.chosen,
    }
    .min(found.len().saturating_sub(1));
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if found.is_empty() {
        ui.label(RichText::new("No command has these words").color(ctx.theme.faint));
    }
    let mut run = None;
    ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
        for (at, command) in found.iter().enumerate() {
            let chosen = at == state.chosen;
            let why_not = (command.when)(&ctx.facts).err();
            let menu = command
                .menu
                .map(|(menu, _)| menu.words())
                .unwrap_or_default();
            let text = match why_not {
                Some(why) => format!("{} ({why})", command.words),
                None => command.words.to_owned(),
            };
            let button = egui::Button::selectable(chosen, text)
                .shortcut_text(format!("{menu}   {}", command.key_words()))
                .min_size(egui::vec2(ui.available_width(), 0.0))
                .truncate();
            let response = ui.add_enabled(why_not.is_none(), button);
            response.widget_info(|| {
                let role = Role::ListBoxOption;
                let name = format!("Command {}", command.words);
                WidgetInfo::selected(role, why_not.is_none(), chosen, name)
            });
            if chosen && (up || down) {
                response.scroll_to_me(None);
            }
            if response.clicked() || entered && chosen && why_not.is_none() {
                run = Some(*command);
            }
        }
    });
    if let Some(command) = run {
        actions.push(Action::ShowOverlay(None));
        actions.push((command.action)(&ctx.facts));
    }
}

/// The commands that have all the words, in the order of the table; where only the hint has them they
/// come last.
fn matching(text: &str) -> Vec<&'static Command> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let has_all = |text: String| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let mut found: Vec<_> = COMMANDS
        .iter()
        .filter(|command| command.id != "palette")
        .filter(|command| has_all(format!("{} {}", command.words, command.hint)))
        .collect();
    found.sort_by_key(|command| !has_all(command.words.to_owned()));
    found
}

fn keys_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    ScrollArea::vertical().show(ui, |ui| {
        for menu in Menu::ALL {
            let listed = || {
                COMMANDS.iter().filter(move |command| {
                    command.menu.is_some_and(|(m, _)| m == menu) && !command.keys.is_empty()
                })
            };
            if listed().next().is_none() {
                continue;
            }
            ui.strong(menu.words());
            egui::Grid::new(menu.words()).num_columns(2).show(ui, |ui| {
                for command in listed() {
                    ui.label(RichText::new(command.key_words()).monospace());
                    let words = command.words.trim_end_matches('…');
                    ui.label(words).on_hover_text(command.tooltip(&ctx.facts));
                    ui.end_row();
                }
            });
            ui.add_space(6.0);
        }
        ui.strong("In lists");
        egui::Grid::new("lists").num_columns(2).show(ui, |ui| {
            for (keys, words) in LIST_KEYS {
                ui.label(RichText::new(*keys).monospace());
                ui.label(*words);
                ui.end_row();
            }
        });
    });
}

fn packet_ui(ui: &mut Ui, state: &mut OverlayState, actions: &mut Vec<Action>) {
    let response = field_ui(ui, state, "Number of the packet:", "as Wireshark counts");
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let number = state.text.trim().parse::<u32>().ok().filter(|n| *n > 0);
    if number.is_none() && !state.text.trim().is_empty() {
        ui.label("A number from 1 on is needed");
    }
    let go = ui.add_enabled(number.is_some(), egui::Button::new("Go"));
    if let Some(number) = number.filter(|_| entered || go.clicked()) {
        actions.push(Action::GoToPacket(number));
        actions.push(Action::ShowOverlay(None));
    }
}

fn notices_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    if ctx.notices.is_empty() {
        ui.label("Nothing was said so far");
    }
    ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
        for notice in ctx.notices.iter().rev() {
            ui.label(notice);
            ui.separator();
        }
    });
}

/// Asks for a path; what is there already is replaced only after a second word.
fn save_as_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    saving: Saving,
    state: &mut OverlayState,
    actions: &mut Vec<Action>,
) {
    if state.shown.is_none() {
        state.text = usual_path(ctx, saving).display().to_string();
    }
    let response = field_ui(ui, state, "Path:", "/home/me/calls.pcapng");
    if response.changed() {
        state.exists = false;
    }
    let hint = match saving {
        Saving::Calls => {
            "With their RTP and all fragments; a name that ends in .pcap gives pcap, else pcapng"
        }
        Saving::Ladder(Picture::Svg) => "As it is on the screen; sharp in any size",
        Saving::Ladder(Picture::Png) => "As it is on the screen; for long ladders SVG is better",
        Saving::Capture => "All that was captured, as pcapng",
        Saving::Json | Saving::Csv => "",
    };
    if !hint.is_empty() {
        ui.label(RichText::new(hint).color(ctx.theme.faint));
    }
    if state.exists {
        let text = "There is such a file already";
        ui.label(RichText::new(text).color(ctx.theme.challenge));
    }
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let path = std::path::PathBuf::from(state.text.trim());
    ui.horizontal(|ui| {
        let words = match state.exists && saving != Saving::Capture {
            true => "Replace",
            false => "Save",
        };
        // A capture never takes the place of another one.
        let taken = saving == Saving::Capture && state.exists;
        let enabled = !state.text.trim().is_empty() && !taken;
        let save = ui.add_enabled(enabled, egui::Button::new(words)).clicked();
        if enabled && (save || entered && !state.exists) {
            if !state.exists && path.exists() {
                state.exists = true;
            } else {
                actions.push(Action::Save(saving, path.clone()));
                actions.push(Action::ShowOverlay(None));
            }
        }
        if ui
            .button("Choose…")
            .on_hover_text("The file dialog of the system")
            .clicked()
        {
            actions.push(Action::AskForPlace(saving));
        }
        if ui.button("Cancel").clicked() {
            actions.push(Action::ShowOverlay(None));
        }
    });
}

/// Asks for a note on the selected message.
fn note_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut OverlayState, actions: &mut Vec<Action>) {
    let Some(message) = ctx.selection.message else {
        ui.label("No message is selected");
        return;
    };
    let known = ctx.ladder.arrangement().note(message);
    if state.shown.is_none() {
        state.text = known.unwrap_or_default().to_owned();
    }
    let label = rows::message_label(ctx.view, message);
    let label = format!("On message {message}, {label}:");
    let response = field_ui(ui, state, &label, "what is to be remembered");
    let hint =
        "Stands beside the message in ladder, list and pictures, and is kept with the capture";
    ui.label(RichText::new(hint).color(ctx.theme.faint));
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    ui.horizontal(|ui| {
        let keep = ui.button("Keep").clicked();
        let remove = known.is_some() && ui.button("Remove").clicked();
        if keep || entered || remove {
            let words = match remove {
                true => String::new(),
                false => state.text.clone(),
            };
            actions.push(Action::Arrange(Change::Note(message, words)));
        }
        if keep || entered || remove || ui.button("Cancel").clicked() {
            actions.push(Action::ShowOverlay(None));
        }
    });
}

/// Asks for the path of a key log: a file dialog may not be there.
fn key_log_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut OverlayState,
    actions: &mut Vec<Action>,
) {
    let hint = "An SSLKEYLOGFILE, or the RSA key of the server in PEM";
    ui.label(RichText::new(hint).color(ctx.theme.faint));
    let response = field_ui(ui, state, "Path:", "/home/me/sslkeylog.txt");
    if response.changed() {
        state.exists = true;
    }
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let path = std::path::PathBuf::from(state.text.trim());
    let named = !state.text.trim().is_empty();
    if named && !state.exists {
        ui.label(RichText::new("There is no such file").color(ctx.theme.challenge));
    }
    ui.horizontal(|ui| {
        let decrypt = ui.add_enabled(named, egui::Button::new("Decrypt"));
        if named && (decrypt.clicked() || entered) {
            state.exists = path.is_file();
            if state.exists {
                actions.push(Action::UseKeyLogs(vec![path]));
                actions.push(Action::ShowOverlay(None));
            }
        }
        if ui
            .button("Choose…")
            .on_hover_text("The file dialog of the system")
            .clicked()
        {
            actions.push(Action::AskForKeyLogFile);
        }
        if ui.button("Cancel").clicked() {
            actions.push(Action::ShowOverlay(None));
        }
    });
}

/// Beside the capture, with a name that says what it is; the private folder is no place for it.
fn usual_path(ctx: &PanelCtx<'_>, saving: Saving) -> std::path::PathBuf {
    let live = ctx.capture.status.as_ref().and_then(|s| s.files.last());
    let first = live.or(ctx.paths.first()).cloned().unwrap_or_default();
    let private = private_folder().is_some_and(|folder| first.starts_with(folder));
    let stem = match first.file_stem() {
        Some(stem) if stem != "-" => stem.to_string_lossy().into_owned(),
        _ => "standard-input".to_owned(),
    };
    let stem = stem.split('.').next().unwrap_or_default().to_owned();
    let name = match saving {
        Saving::Calls => format!("{stem}-calls.pcapng"),
        // What is not saved yet stands in a folder that nobody knows.
        Saving::Capture => return super::top_bar::home("~/capture.pcapng"),
        Saving::Json => format!("{stem}-messages.json"),
        Saving::Csv => format!("{stem}-messages.csv"),
        Saving::Ladder(picture) => {
            let calls = ctx.call.map(|call| call.ladder.calls.as_slice());
            let calls = calls.unwrap_or_default().iter().take(NAMED_CALLS);
            let calls: Vec<String> = calls.map(ToString::to_string).collect();
            format!("{stem}-call-{}.{}", calls.join("-"), picture.ending())
        }
    };
    match std::env::var_os("HOME").filter(|_| private) {
        Some(home) => std::path::Path::new(&home).join(name),
        None => first.with_file_name(name),
    }
}
