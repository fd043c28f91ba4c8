//! What stands on the arrow of a message: enough to follow the call without opening it.

use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::index::message_store::MessageRow;
use crate::sip::method::Method;

/// What stands on the arrow of a message.
pub fn label(view: &IndexView, id: MessageId, row: &MessageRow) -> String {
    let method = view.method_name(id);
    let body = row
        .body_text
        .filter(|_| row.has_sdp())
        .map(|text| view.texts().get(text));
    if row.is_response() {
        let reason = view.texts().get(row.start_text);
        let space = if reason.is_empty() { "" } else { " " };
        let sdp = if row.has_sdp() { ", SDP" } else { "" };
        return format!("{}{space}{reason} ({method}{sdp})", row.status);
    }
    let again = row.method == Method::Invite && !row.is_initial();
    let method = if again { "re-INVITE" } else { method };
    // One remark is enough for an arrow: the rarest wins.
    if again && body.as_deref().is_some_and(holds) {
        return format!("{method} (hold)");
    }
    if row.has_credentials() {
        return format!("{method} (auth)");
    }
    let Some(body) = body else {
        return method.to_owned();
    };
    let media = body
        .split(" / ")
        .map(|m| codecs(m).collect::<Vec<_>>().join(" "));
    let media = media
        .filter(|m| !m.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    if media.is_empty() {
        return format!("{method} (SDP)");
    }
    format!("{method} (SDP: {media})")
}

/// The words in the summary of a media description that tell its codecs.
pub(super) fn codecs(summary: &str) -> impl Iterator<Item = &str> {
    summary.split_ascii_whitespace().filter(|word| {
        !matches!(
            *word,
            "sendrecv" | "sendonly" | "recvonly" | "inactive" | "telephone-event"
        )
    })
}

/// The description asks the other side to send nothing (RFC 3264, 8.4).
fn holds(summary: &str) -> bool {
    summary
        .split_ascii_whitespace()
        .any(|word| matches!(word, "sendonly" | "inactive"))
}
