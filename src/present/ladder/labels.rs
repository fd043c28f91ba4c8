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

/// Words of a reason phrase that a shorter label may keep.
const KEPT_WORDS: usize = 12;

/// Shorter forms of a label, the longest first: what a reader misses least goes first.
pub fn shorter(label: &str, is_response: bool) -> Vec<String> {
    let parts = label
        .strip_suffix(')')
        .and_then(|label| label.rsplit_once(" ("));
    let Some((head, remark)) = parts else {
        return Vec::new();
    };
    let mut out = Vec::new();
    if !is_response {
        if remark.starts_with("SDP: ") {
            out.push(format!("{head} (SDP)"));
        }
        out.push(head.to_owned());
        return out;
    }
    let (code, reason) = head.split_once(' ').unwrap_or((head, ""));
    let method = match remark.split_once(", ") {
        Some((method, _)) => {
            out.push(format!("{head} ({method})"));
            method
        }
        None => remark,
    };
    let words: Vec<&str> = reason.split(' ').take(KEPT_WORDS + 1).collect();
    for count in (1..words.len()).rev() {
        let kept = words.get(..count).unwrap_or_default();
        // A dash at the end says nothing.
        if kept
            .last()
            .is_some_and(|word| word.contains(char::is_alphanumeric))
        {
            out.push(format!("{code} {}… ({method})", kept.join(" ")));
        }
    }
    if !reason.is_empty() {
        out.push(format!("{code} ({method})"));
        if reason.len() < method.len() {
            out.push(head.to_owned());
        }
    }
    out.push(code.to_owned());
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lose_what_is_missed_least() {
        assert_eq!(
            shorter("INVITE (SDP: PCMU PCMA)", false),
            ["INVITE (SDP)", "INVITE"]
        );
        assert_eq!(shorter("re-INVITE (hold)", false), ["re-INVITE"]);
        assert!(shorter("ACK", false).is_empty());
        assert_eq!(
            shorter("200 OK (INVITE, SDP)", true),
            ["200 OK (INVITE)", "200 (INVITE)", "200 OK", "200"]
        );
        assert_eq!(
            shorter("100 trying -- your call (or so) (INVITE)", true),
            [
                "100 trying -- your call (or… (INVITE)",
                "100 trying -- your call… (INVITE)",
                "100 trying -- your… (INVITE)",
                "100 trying… (INVITE)",
                "100 (INVITE)",
                "100"
            ]
        );
        assert_eq!(shorter("404 (BYE)", true), ["404"]);
    }
}
