//! The one box by which calls are found: words, or `field op value`, with suggestions.

use egui::accesskit::Role;
use egui::text::{LayoutJob, TextFormat};
use egui::{EventFilter, Id, Key, Modifiers, RichText, Stroke, TextStyle, Ui, WidgetInfo};

use crate::gui::action::Action;
use crate::gui::panel_ctx::PanelCtx;
use crate::index::filter::FilterError;
use crate::index::query::Query;

/// What belongs to the box alone.
#[derive(Default)]
pub struct FindBoxState {
    text: String,
    /// What was in force when `text` was written.
    in_force: String,
    /// Suggestion that Enter and Tab take.
    chosen: Option<usize>,
    /// Esc has closed the suggestions, until something is typed.
    closed: bool,
    /// What was understood last, and what is wrong with it.
    judged: Option<(String, Option<FilterError>)>,
}

impl FindBoxState {
    /// What stands in the box.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Something is missing at its end only: it may become right while it is written.
    fn is_unfinished(&self) -> bool {
        let letters = self.text.trim_end().chars().count();
        let wrong = self.judged.as_ref().and_then(|(_, wrong)| wrong.as_ref());
        let open = self.text.matches('"').count() % 2 == 1;
        wrong.is_some_and(|wrong| open || wrong.length == 0 && wrong.position >= letters)
    }

    /// What is wrong with it; found out once for each text.
    fn wrong(&mut self) -> Option<FilterError> {
        match &self.judged {
            Some((text, wrong)) if *text == self.text => wrong.clone(),
            _ => {
                let wrong = Query::parse(&self.text).err();
                self.judged = Some((self.text.clone(), wrong.clone()));
                wrong
            }
        }
    }
}

/// The field itself.
pub fn find_box_id() -> Id {
    Id::unique("filter field")
}

/// One line that may stand in the place of what was typed.
struct Offer {
    text: String,
    meaning: String,
    from: usize,
}

/// The box, what is wrong with it, and what could be typed.
pub fn find_box_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut FindBoxState,
    actions: &mut Vec<Action>,
) {
    if state.in_force != ctx.filter {
        state.in_force = ctx.filter.to_owned();
        state.text = ctx.filter.to_owned();
    }
    let label = ui.label("Find:");
    let wrong = state.wrong();
    let focused = ui.memory(|memory| memory.has_focus(find_box_id()));
    let offers = match focused && !state.closed {
        true => offers(ctx, &state.text),
        false => Vec::new(),
    };
    let taken = take_keys(ui, state, &offers, focused);
    let hint =
        RichText::new("number, name, address, 486, or: status >= 400").color(ctx.theme.faint);
    // What is still being written is not wrong yet.
    let (theme, error) = (
        ctx.theme,
        wrong.clone().filter(|_| !focused || !state.is_unfinished()),
    );
    let mut layouter = move |ui: &Ui, text: &dyn egui::TextBuffer, _: f32| {
        let font = TextStyle::Body.resolve(ui.style());
        let plain = TextFormat::simple(font, theme.text);
        let job = underlined(text.as_str(), error.as_ref(), plain, theme.failure);
        ui.fonts_mut(|fonts| fonts.layout_job(job))
    };
    let field = egui::TextEdit::singleline(&mut state.text)
        .id(find_box_id())
        .hint_text(hint)
        .layouter(&mut layouter)
        .desired_width((ui.available_width() * 0.55).clamp(120.0, 520.0));
    let response = ui.add(field).labelled_by(label.id);
    if response.changed() {
        state.closed = false;
        state.chosen = None;
    }
    if focused {
        // Tab takes a suggestion, where there is one; else it goes on to the next field.
        let filter = EventFilter {
            tab: !offers.is_empty(),
            horizontal_arrows: true,
            vertical_arrows: true,
            escape: !offers.is_empty(),
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(find_box_id(), filter));
    }
    let mut take = taken;
    let waits = focused && state.text.trim() != ctx.filter.trim() && !state.text.trim().is_empty();
    if !offers.is_empty() || wrong.is_some() && focused || waits && !state.closed {
        popup_ui(
            ctx,
            ui,
            state,
            &response,
            &offers,
            wrong.as_ref(),
            &mut take,
        );
    }
    if let Some(offer) = take.and_then(|at| offers.get(at)) {
        state.text.truncate(offer.from);
        state.text.push_str(&offer.text);
        state.chosen = None;
        response.request_focus();
        cursor_to_end(ui, &state.text);
    }
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if entered && take.is_none() && state.text.trim() != ctx.filter.trim() {
        actions.push(Action::SetFilter(state.text.trim().to_owned()));
    }
    if let Some(error) = wrong.filter(|_| !focused) {
        response.on_hover_text(error.to_string());
        ui.label(RichText::new("not understood").color(ctx.theme.failure))
            .on_hover_text(error.to_string());
    }
    if (!ctx.filter.is_empty() || !state.text.is_empty())
        && ui
            .button("Clear")
            .on_hover_text("Lists everything again (Esc)")
            .clicked()
    {
        state.text.clear();
        actions.push(Action::SetFilter(String::new()));
    }
}

/// Suggestions, and with an empty box what was asked for before.
fn offers(ctx: &PanelCtx<'_>, text: &str) -> Vec<Offer> {
    if text.is_empty() {
        return ctx
            .history
            .iter()
            .take(10)
            .map(|text| Offer {
                text: text.clone(),
                meaning: "asked for before".to_owned(),
                from: 0,
            })
            .collect();
    }
    let Some(completion) = ctx.completion.filter(|c| c.text == text) else {
        return Vec::new();
    };
    completion
        .suggestions
        .iter()
        // What is whole already needs no suggestion.
        .filter(|s| text.get(s.from..) != Some(s.text.as_str()))
        .map(|s| Offer {
            text: s.text.clone(),
            meaning: s.meaning.clone(),
            from: s.from,
        })
        .collect()
}

/// Up and down choose, Tab and Enter take, Esc closes. Gives the suggestion that was taken.
fn take_keys(ui: &Ui, state: &mut FindBoxState, offers: &[Offer], focused: bool) -> Option<usize> {
    if !focused || offers.is_empty() {
        return None;
    }
    let mut taken = None;
    ui.input_mut(|input| {
        let mut pressed = |key| input.consume_key(Modifiers::NONE, key);
        if pressed(Key::ArrowDown) {
            let next = state.chosen.map_or(0, |at| at + 1);
            state.chosen = Some(next.min(offers.len() - 1));
        }
        if pressed(Key::ArrowUp) {
            state.chosen = state.chosen.and_then(|at| at.checked_sub(1));
        }
        if pressed(Key::Tab) {
            taken = Some(state.chosen.unwrap_or(0));
        }
        if state.chosen.is_some() && pressed(Key::Enter) {
            taken = state.chosen;
        }
        if pressed(Key::Escape) {
            state.closed = true;
        }
    });
    taken
}

fn popup_ui(
    ctx: &PanelCtx<'_>,
    ui: &Ui,
    state: &FindBoxState,
    response: &egui::Response,
    offers: &[Offer],
    wrong: Option<&FilterError>,
    take: &mut Option<usize>,
) {
    egui::Area::new(Id::unique("find box suggestions"))
        .order(egui::Order::Foreground)
        .fixed_pos(response.rect.left_bottom() + egui::vec2(0.0, 3.0))
        .show(ui.ctx(), |ui| {
            egui::Frame::popup(ui.style()).show(ui, |ui| {
                ui.set_width(response.rect.width().max(420.0));
                let (words, colour) = match wrong {
                    Some(error) if state.is_unfinished() => {
                        (format!("{}…", error.message), ctx.theme.faint)
                    }
                    Some(error) => (error.to_string(), ctx.theme.failure),
                    None if state.text.trim() != ctx.filter.trim() => {
                        ("Enter lists what matches".to_owned(), ctx.theme.faint)
                    }
                    None => (String::new(), ctx.theme.faint),
                };
                if !words.is_empty() {
                    ui.label(RichText::new(words).color(colour));
                }
                for (at, offer) in offers.iter().enumerate() {
                    let chosen = state.chosen == Some(at);
                    let button = egui::Button::selectable(chosen, &offer.text)
                        .shortcut_text(&offer.meaning)
                        .truncate()
                        .min_size(egui::vec2(ui.available_width(), 0.0));
                    let response = ui.add(button);
                    response.widget_info(|| {
                        let name = format!("Suggestion {}", offer.text);
                        WidgetInfo::selected(Role::ListBoxOption, true, chosen, name)
                    });
                    if response.clicked() {
                        *take = Some(at);
                    }
                }
            });
        });
}

/// The text with a line below what was not understood.
fn underlined(
    text: &str,
    error: Option<&FilterError>,
    plain: TextFormat,
    colour: egui::Color32,
) -> LayoutJob {
    let at = |letters: usize| {
        text.char_indices()
            .nth(letters)
            .map_or(text.len(), |(at, _)| at)
    };
    let mut job = LayoutJob::default();
    let Some(error) = error else {
        job.append(text, 0.0, plain);
        return job;
    };
    let from = at(error.position);
    let to = at(error.position + error.length.max(1));
    let wrong = TextFormat {
        underline: Stroke::new(2.0, colour),
        color: colour,
        ..plain.clone()
    };
    for (part, format) in [
        (0..from, &plain),
        (from..to, &wrong),
        (to..text.len(), &plain),
    ] {
        if let Some(part) = text.get(part).filter(|part| !part.is_empty()) {
            job.append(part, 0.0, format.clone());
        }
    }
    job
}

/// What was put into the box is written on behind.
fn cursor_to_end(ui: &Ui, text: &str) {
    let id = find_box_id();
    if let Some(mut state) = egui::TextEdit::load_state(ui.ctx(), id) {
        let end = egui::text::CCursor::new(text.chars().count());
        let range = egui::text::CCursorRange::one(end);
        state.cursor.set_char_range(Some(range));
        state.store(ui.ctx(), id);
    }
}
