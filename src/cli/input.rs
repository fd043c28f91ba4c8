//! Loads captures, with progress, and says what could not be read.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::Failure;
use super::args::{Common, List};
use super::output::complain;
use crate::index::IndexView;
use crate::index::ids::{CallId, MessageId};
use crate::ingest::{self, FileReport, Loaded};
use crate::present::text;

/// Progress is shown this often.
const PROGRESS: Duration = Duration::from_millis(100);

/// A loaded capture.
pub(super) struct Capture {
    pub loaded: Loaded,
}

impl Capture {
    /// Loads the inputs. What could not be read is named on standard error.
    pub fn load(files: &[PathBuf], common: &Common) -> Self {
        let options = ingest::Options {
            threads: common.threads(),
            bomb_limit: !common.no_bomb_limit,
            ..ingest::Options::default()
        };
        let loaded = if !common.quiet && io::stderr().is_terminal() {
            with_progress(files, options)
        } else {
            ingest::load(files, &options)
        };
        for report in &loaded.files {
            remark(report, common.quiet);
        }
        Self { loaded }
    }

    /// The index.
    pub fn view(&self) -> &IndexView {
        &self.loaded.view
    }

    /// The calls that the arguments choose; none for all of them.
    pub fn chosen_calls(&self, args: &List) -> Result<Option<Vec<CallId>>, Failure> {
        if args.call.is_empty() && args.common.filter.is_none() {
            return Ok(None);
        }
        let view = self.view();
        let numbers = numbered_calls(view, &args.call)?;
        let Some(filter) = &args.common.filter else {
            return Ok(Some(numbers.into_iter().collect()));
        };
        let _ = filter;
        Ok(Some(numbers.into_iter().collect()))
    }

    /// The messages that the arguments choose; none for all of them.
    pub fn chosen_messages(&self, args: &List) -> Result<Option<Vec<MessageId>>, Failure> {
        let view = self.view();
        if args.call.is_empty() {
            return Ok(None);
        }
        let mut out: Vec<MessageId> = numbered_calls(view, &args.call)?
            .into_iter()
            .flat_map(|call| view.messages_of_call(call))
            .collect();
        out.sort_unstable();
        Ok(Some(out))
    }
}

/// The calls with these numbers.
pub(super) fn numbered_calls(
    view: &IndexView,
    numbers: &[u32],
) -> Result<BTreeSet<CallId>, Failure> {
    let mut out = BTreeSet::new();
    for number in numbers {
        match CallId::new(*number).filter(|id| view.call(*id).is_some()) {
            Some(id) => {
                out.insert(id);
            }
            None => {
                let there = match view.calls().len() {
                    0 => "the capture has none".to_owned(),
                    n => format!("the capture has 1 to {n}"),
                };
                return Err(Failure::nothing(format!(
                    "there is no call {number}: {there}"
                )));
            }
        }
    }
    Ok(out)
}

fn with_progress(files: &[PathBuf], options: ingest::Options) -> Loaded {
    let (send, receive) = mpsc::channel();
    // Nobody listens any more once all is loaded.
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || drop(send.send(())));
    // Nothing is published before the end: nobody would look at it.
    let loading = ingest::spawn(files.to_vec(), options.clone(), Box::new(|| false), wake);
    let mut shown = false;
    loop {
        let _ = receive.recv_timeout(PROGRESS);
        let progress = loading.progress();
        if progress.finished {
            break;
        }
        let percent = progress.done.saturating_mul(100) / progress.total.max(1);
        let done = text::grouped(progress.done >> 20);
        let _ = write!(io::stderr(), "\r{done} MiB read, {} % ", percent.min(100));
        shown = true;
    }
    if shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    loading
        .loaded()
        .unwrap_or_else(|| ingest::load(files, &options))
}

/// Says what of an input could not be read.
fn remark(report: &FileReport, quiet: bool) {
    let name = report.path.to_string_lossy();
    if let Some(error) = &report.error {
        // The name stands in front already.
        let why = error.strip_suffix(&format!(": {name}")).unwrap_or(error);
        complain(&format!("{name}: {why}"));
        return;
    }
    if quiet {
        return;
    }
    if let Some((offset, why)) = &report.info.truncated_at {
        complain(&format!("{name}: reading ended at offset {offset}: {why}"));
    }
    for skipped in report.info.skipped.iter().chain(&report.skipped) {
        // Packets of other protocols are no loss; `info` counts them.
        if skipped.why == "no IP packet in the frame" {
            continue;
        }
        let first = match skipped.first_frame {
            0 => String::new(),
            frame => format!(", first near packet {frame}"),
        };
        complain(&format!(
            "{name}: {} x {}: {}{first}",
            skipped.count, skipped.what, skipped.why
        ));
    }
}
