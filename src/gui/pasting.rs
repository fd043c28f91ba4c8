//! What would come out of a text that is being pasted: found in the background while it is typed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::reading::Reading;
use crate::index::ids::MessageId;
use crate::ingest::{self, load_open};
use crate::present::rows::{counted, message_label};
use crate::source::{CaptureFile, OpenOptions};

/// Messages named in the preview.
const MAX_NAMED: usize = 8;
/// Longer texts are not put into the field, which would be slow.
pub const LONG_TEXT: usize = 128 << 10;

/// A text, and a number that stands for it.
#[derive(Clone, Debug, Default)]
pub struct PastedText {
    /// The text.
    pub text: String,
    /// Differs for another text; 0 for none.
    pub key: u64,
}

impl PastedText {
    /// The text was changed.
    pub fn changed(&mut self) {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        self.key = match self.text.trim().is_empty() {
            true => 0,
            false => hasher.finish().max(1),
        };
    }

    /// It is too long for the field.
    pub fn is_long(&self) -> bool {
        self.text.len() > LONG_TEXT
    }
}

/// What was found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Of which text.
    pub key: u64,
    /// How many messages there are, in which format; or that there are none.
    pub line: String,
    /// There are messages.
    pub good: bool,
    /// The first messages.
    pub messages: Vec<String>,
    /// How it was read: title and lines.
    pub parts: Vec<(&'static str, Vec<String>)>,
}

/// Reads a text as it would be opened.
pub fn look(text: Arc<PastedText>) -> Preview {
    let mut preview = Preview {
        key: text.key,
        ..Preview::default()
    };
    let how = OpenOptions {
        pasted: true,
        ..OpenOptions::default()
    };
    let name = "pasted text";
    let Ok(file) = CaptureFile::from_bytes_with(text.text.as_bytes().to_vec(), name, &how) else {
        preview.line = "No SIP message was found in it".to_owned();
        return preview;
    };
    let options = ingest::Options {
        threads: 1,
        ..ingest::Options::default()
    };
    let loaded = load_open(vec![(PathBuf::from(name), file)], &options);
    let count = loaded.view.messages().len();
    let format = loaded
        .files
        .first()
        .map_or("", |file| file.info.format.name());
    preview.good = count > 0;
    preview.line = format!(
        "{} found: {format}",
        counted(count as u64, "message", "messages")
    );
    preview.messages = (0..count.min(MAX_NAMED))
        .map(|at| {
            let id = MessageId::at(at);
            let call = loaded.view.message(id).map(|row| {
                let call_id = loaded.view.parties(row).call_id;
                loaded.view.texts().get(call_id).into_owned()
            });
            let label = message_label(&loaded.view, id);
            format!("#{id} {label}, Call-ID {}", call.unwrap_or_default())
        })
        .collect();
    let parts = Reading::of(&loaded).parts.into_iter();
    preview.parts = parts.filter(|(title, _)| *title != "Format").collect();
    preview
}
