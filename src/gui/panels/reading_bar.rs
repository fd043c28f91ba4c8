//! A bar that says how the capture was read: format, what was inferred, repaired or passed over, and
//! what became of TLS, with a button to choose another key log.

use egui::{RichText, ScrollArea, Ui};

use crate::gui::action::Action;
use crate::gui::reading::Reading;
use crate::gui::theme::Theme;

/// Lines listed below a title.
const MAX_LINES: usize = 200;

/// A line below the menus, where there is something to say.
pub fn reading_bar_ui(reading: &Reading, theme: &Theme, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let hide = ui
            .button("Hide")
            .on_hover_text("The View menu shows it again");
        if hide.clicked() {
            actions.push(Action::ShowReading(false));
        }
        let menu = ui.menu_button("Details", |ui| details_ui(reading, theme, ui));
        menu.response.on_hover_text("All that is to be said of it");
        if reading.tls {
            let button = ui
                .button("Choose key log…")
                .on_hover_text("Decrypts TLS with an SSLKEYLOGFILE or the server's RSA key");
            if button.clicked() {
                actions.push(Action::AskForKeyLog);
            }
        }
        let text = RichText::new(&reading.line).color(theme.text);
        ui.add(egui::Label::new(text).truncate())
            .on_hover_text(&reading.line);
    });
}

fn details_ui(reading: &Reading, theme: &Theme, ui: &mut Ui) {
    ui.set_max_width(640.0_f32.min(ui.ctx().content_rect().width() - 60.0));
    ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
        for (title, lines) in &reading.parts {
            ui.strong(*title);
            for line in lines.iter().take(MAX_LINES) {
                ui.label(RichText::new(line).color(theme.text));
            }
            ui.add_space(6.0);
        }
    });
}
