//! What became of TLS: how many secrets there are, how many connections they opened, and a button to
//! choose another key log.

use egui::{RichText, Ui};

use crate::gui::action::Action;
use crate::gui::theme::Theme;

/// Lines told when the pointer rests on the summary.
const MAX_LINES: usize = 12;

/// The state of TLS in a capture, made once it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLogStatus {
    /// One short line; none when there is no TLS.
    pub summary: Option<String>,
    /// What is to be said of each connection.
    pub lines: Vec<String>,
}

/// A line above the status bar, in captures with TLS only.
pub fn keylog_bar_ui(status: &KeyLogStatus, theme: &Theme, ui: &mut Ui, actions: &mut Vec<Action>) {
    let Some(summary) = &status.summary else {
        return;
    };
    ui.horizontal(|ui| {
        ui.add_space(4.0);
        let mut told: Vec<String> = status.lines.iter().take(MAX_LINES).cloned().collect();
        if status.lines.len() > MAX_LINES {
            told.push(format!("and {} more", status.lines.len() - MAX_LINES));
        }
        ui.label(RichText::new(summary).color(theme.faint))
            .on_hover_text(told.join("\n"));
        let button = ui
            .button("Choose key log…")
            .on_hover_text("Decrypts TLS with an SSLKEYLOGFILE or the server's RSA key");
        if button.clicked() {
            actions.push(Action::AskForKeyLog);
        }
    });
}
