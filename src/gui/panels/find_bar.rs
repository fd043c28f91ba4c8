//! The search in whole messages.

use egui::{Id, Key, RichText, Ui};

use crate::gui::action::{Action, FindText};
use crate::gui::command::by_id;
use crate::gui::panel_ctx::PanelCtx;
use crate::present::rows::{counted, sentence};
use crate::present::text::grouped;

/// What belongs to the bar alone.
#[derive(Default)]
pub struct FindBarState {
    what: FindText,
    /// What was searched for when `what` was written.
    in_force: FindText,
}

/// One line: what for, how many, to and fro.
pub fn find_bar_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut FindBarState,
    focus: bool,
    actions: &mut Vec<Action>,
) {
    if state.in_force != *ctx.find_text {
        state.in_force = ctx.find_text.clone();
        // Closing the bar ends the search; what was written stays for the next time.
        if !ctx.find_text.text.is_empty() {
            state.what = ctx.find_text.clone();
        }
    }
    ui.horizontal(|ui| {
        let label = ui.label("Find in messages:");
        let field = egui::TextEdit::singleline(&mut state.what.text)
            .id(Id::unique("find field"))
            .hint_text("any text")
            .desired_width(280.0);
        let response = ui.add(field).labelled_by(label.id);
        if focus {
            response.request_focus();
        }
        let regex = ui
            .checkbox(&mut state.what.regex, "Regular expression")
            .clicked();
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let go = ui.button("Search").clicked();
        let new = state.what != *ctx.find_text;
        if (entered || go || regex) && !state.what.text.is_empty() {
            match new {
                true => actions.push(Action::Find(state.what.clone())),
                false => actions.push(Action::FindNext { back: false }),
            }
        }
        if entered {
            // The next Enter goes on to the next one.
            response.request_focus();
        }
        for (id, words) in [("find previous", "Previous"), ("find next", "Next")] {
            let Some(command) = by_id(id) else { continue };
            let some = ctx.found.is_some_and(|found| !found.messages.is_empty());
            let button = ui
                .add_enabled(some, egui::Button::new(words))
                .on_hover_text(command.tooltip(&ctx.facts));
            if button.clicked() {
                actions.push((command.action)(&ctx.facts));
            }
        }
        // What was found belongs to what was searched for, not to what is being written.
        let (text, colour) = match new {
            true if state.what.text.is_empty() => (String::new(), ctx.theme.faint),
            true => ("Enter searches".to_owned(), ctx.theme.faint),
            false => state_words(ctx),
        };
        ui.label(RichText::new(text).color(colour));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui
                .button("Close")
                .on_hover_text("Closes the search (Esc)")
                .clicked()
            {
                actions.push(Action::Find(FindText::default()));
                actions.push(Action::ShowFind(false));
            }
        });
    });
}

fn state_words(ctx: &PanelCtx<'_>) -> (String, egui::Color32) {
    if ctx.find_text.text.is_empty() {
        return (String::new(), ctx.theme.faint);
    }
    let all = ctx.view.messages().len() as u64;
    let Some(found) = ctx.found else {
        let percent = ctx.find_looked * 100 / all.max(1);
        return (format!("Searching, {percent} %"), ctx.theme.faint);
    };
    if let Some(error) = &found.error {
        return (sentence(error), ctx.theme.failure);
    }
    if found.messages.is_empty() {
        let looked = counted(found.looked as u64, "message", "messages");
        return (format!("Not found in {looked}"), ctx.theme.challenge);
    }
    let here = ctx
        .selection
        .message
        .and_then(|message| found.messages.binary_search(&message).ok());
    let many = counted(found.messages.len() as u64, "message", "messages");
    match here {
        Some(at) => {
            let at = grouped(at as u64 + 1);
            let many = grouped(found.messages.len() as u64);
            (format!("{at} of {many}"), ctx.theme.text)
        }
        None => (format!("In {many}"), ctx.theme.text),
    }
}
