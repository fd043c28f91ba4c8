//! What left the memory of a live capture: a word, and the way back to it.

use egui::{RichText, Ui};

use crate::gui::action::Action;
use crate::gui::capturing::CaptureAction;
use crate::gui::panel_ctx::PanelCtx;
use crate::index::{CallKind, Left};
use crate::present::rows::counted;
use crate::present::text::grouped;

/// One line in the bar of a capture, once something has left.
pub fn left_memory_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let left = &ctx.view.left;
    let status = ctx.capture.status.as_ref();
    let deleted = status.is_some_and(|status| status.deleted);
    let Some(words) = words(left, deleted) else {
        return;
    };
    ui.label(RichText::new(words).color(ctx.theme.faint))
        .on_hover_text(details(ctx, left));
    let hint = "Opens all that was captured so far in a second window; this one goes on";
    if ui.button("Reopen them").on_hover_text(hint).clicked() {
        actions.push(Action::Capture(CaptureAction::OpenWhole));
    }
}

/// `12,345 older calls are in the file`; nothing while all is in memory. `deleted`: a ring has deleted
/// its oldest files.
pub fn words(left: &Left, deleted: bool) -> Option<String> {
    let calls = left.calls.first().copied().unwrap_or(0);
    let others: u64 = left.calls.iter().skip(1).sum();
    let (count, what) = match (calls, others) {
        (0, 0) if left.messages == 0 => return None,
        (0, 0) => (
            left.messages,
            counted(left.messages, "older message", "older messages"),
        ),
        (0, others) => (
            others,
            counted(others, "older transaction", "older transactions"),
        ),
        (calls, _) => (calls, counted(calls, "older call", "older calls")),
    };
    let verb = match (deleted, count) {
        (true, _) => "left memory; the ring keeps the newer files",
        (false, 1) => "is in the file",
        (false, _) => "are in the file",
    };
    Some(format!("{what} {verb}"))
}

/// What of each kind, and since when all is in memory.
fn details(ctx: &PanelCtx<'_>, left: &Left) -> String {
    let mut lines = vec!["The memory for this capture is full; its oldest part left:".to_owned()];
    for (kind, count) in CallKind::ALL.iter().zip(left.calls) {
        let (one, many) = match kind {
            CallKind::Call => ("call", "calls"),
            CallKind::Registration => ("registration", "registrations"),
            CallKind::Subscription => ("subscription", "subscriptions"),
            CallKind::Message => ("text message", "text messages"),
            CallKind::Options => ("OPTIONS", "OPTIONS"),
            CallKind::Other => ("other", "others"),
        };
        let unfinished = match kind {
            CallKind::Call if left.unfinished > 0 => {
                format!(", {} of them not ended yet", grouped(left.unfinished))
            }
            _ => String::new(),
        };
        if count > 0 {
            lines.push(format!("{}{unfinished}", counted(count, one, many)));
        }
    }
    lines.push(counted(left.messages, "message", "messages"));
    if left.streams > 0 {
        lines.push(counted(left.streams, "RTP stream", "RTP streams"));
    }
    if let Some(before) = left.before {
        lines.push(format!(
            "All from {} on is in memory",
            ctx.moment_words(before)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_what_left() {
        let left = |calls, messages| Left {
            calls,
            messages,
            ..Left::default()
        };
        let words = |calls, messages| super::words(&left(calls, messages), false);
        assert_eq!(
            super::words(&left([2, 0, 0, 0, 0, 0], 12), true).as_deref(),
            Some("2 older calls left memory; the ring keeps the newer files")
        );
        assert_eq!(words([0; 6], 0), None);
        assert_eq!(
            words([12_345, 2, 0, 0, 0, 0], 90_000).as_deref(),
            Some("12,345 older calls are in the file")
        );
        assert_eq!(
            words([1, 0, 0, 0, 0, 0], 6).as_deref(),
            Some("1 older call is in the file")
        );
        assert_eq!(
            words([0, 3, 0, 0, 1, 0], 6).as_deref(),
            Some("4 older transactions are in the file")
        );
        assert_eq!(
            words([0; 6], 7).as_deref(),
            Some("7 older messages are in the file")
        );
    }
}
