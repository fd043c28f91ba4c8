//! The search in whole messages, on a worker: a text or a regular expression.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::action::FindText;
use super::latest::Wanted;
use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::filter::each_with_bytes;
use crate::index::ids::MessageId;

/// Messages whose octets are read by one piece of work.
const PIECE: usize = 2048;

/// What is searched for, and where.
#[derive(Clone)]
pub struct FindQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// Brings bytes.
    pub bytes: Arc<dyn MessageBytes>,
    /// What for.
    pub what: FindText,
    /// How many messages were looked at, for those who wait.
    pub looked: Arc<AtomicU64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What was searched for.
    pub what: FindText,
    /// The messages that have it, in order.
    pub messages: Vec<MessageId>,
    /// Messages that were looked at.
    pub looked: usize,
    /// Why nothing was searched: the expression is none, or a file cannot be read.
    pub error: Option<String>,
}

/// A regular expression for what somebody typed; upper and lower case are the same.
pub fn expression(what: &FindText) -> Result<regex::bytes::Regex, String> {
    let pattern = match what.regex {
        true => what.text.clone(),
        false => regex::escape(&what.text),
    };
    regex::bytes::RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .multi_line(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "this expression is too large".to_owned(),
            error => {
                // The last line says what is wrong, those before it show where.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
}

/// Searches; gives nothing when nobody waits any more.
pub fn find(question: FindQuestion, wanted: &Wanted<'_>) -> Option<Found> {
    let FindQuestion {
        view,
        bytes,
        what,
        looked,
    } = question;
    let mut found = Found {
        what,
        ..Found::default()
    };
    looked.store(0, Ordering::Relaxed);
    let regex = match expression(&found.what) {
        Ok(regex) => regex,
        Err(why) => {
            found.error = Some(why);
            return Some(found);
        }
    };
    let count = view.messages().len();
    let mut at = 0;
    while at < count {
        if !wanted.still() {
            return None;
        }
        let end = (at + PIECE).min(count);
        let positions = (at..end).filter_map(|n| view.messages().position(n));
        let ids: Vec<MessageId> = positions.map(MessageId::at).collect();
        let failed = each_with_bytes(&view, bytes.as_ref(), &ids, |id, _, _, octets| {
            if regex.is_match(octets) {
                found.messages.push(id);
            }
        });
        if let Some(error) = failed {
            found.error = Some(format!("some messages cannot be read: {error}"));
        }
        at = end;
        looked.store(at as u64, Ordering::Relaxed);
    }
    found.looked = count;
    found.messages.sort_unstable();
    Some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_as_it_stands() {
        let what = |text: &str, regex| FindText {
            text: text.to_owned(),
            regex,
        };
        assert!(expression(&what("a.b", false)).unwrap().is_match(b"xA.Bx"));
        assert!(!expression(&what("a.b", false)).unwrap().is_match(b"axb"));
        assert!(
            expression(&what("^to: .*bob", true))
                .unwrap()
                .is_match(b"From: x\r\nTo: <sip:bob>")
        );
        let why = expression(&what("(", true)).unwrap_err();
        assert!(why.contains("unclosed group"), "{why}");
    }
}
