//! Loads captures, with progress, and says what could not be read.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use super::args::{Common, List};
use super::output::complain;
use super::{Failure, Outcome, exit};
use crate::export::watch::Watch;
use crate::index::IndexView;
use crate::index::filter::Filter;
use crate::index::ids::{CallId, MessageId};
use crate::ingest::{self, FileReport, KeyLogReport, Loaded};
use crate::present::text;

/// Progress is shown this often.
const PROGRESS: Duration = Duration::from_millis(100);
/// Somebody who watches sees it this often.
const WATCH: Duration = Duration::from_millis(30);

/// A loaded capture.
pub(super) struct Capture {
    pub loaded: Loaded,
    filter: Option<Filter>,
    /// Somebody waits for what is made of it.
    pub watch: Option<Watch>,
}

impl Capture {
    /// Loads the inputs. What could not be read is named on standard error.
    pub fn load(
        files: &[PathBuf],
        common: &Common,
        filter: Option<Filter>,
        watch: Option<Watch>,
    ) -> Self {
        let options = ingest::Options {
            threads: common.threads(),
            bomb_limit: !common.no_bomb_limit,
            key_logs: common.key_logs(),
            ..ingest::Options::default()
        };
        let loaded = if let Some(watch) = &watch {
            watched(files, &options, watch)
        } else if !common.quiet && io::stderr().is_terminal() {
            with_progress(files, options)
        } else {
            ingest::load(files, &options)
        };
        for report in &loaded.files {
            remark(report, common.quiet);
        }
        for log in loaded.key_logs.iter() {
            remark_key_log(log, common.quiet);
        }
        Self {
            loaded,
            filter,
            watch,
        }
    }

    /// Fails when nobody waits for it any more.
    pub fn still_wanted(&self) -> Outcome {
        match self.watch.as_ref().is_some_and(Watch::is_stopped) {
            true => Err(Failure::nothing("cancelled")),
            false => Ok(()),
        }
    }

    /// The index.
    pub fn view(&self) -> &IndexView {
        &self.loaded.view
    }

    /// The calls that the arguments choose, in order; none for all of them. A filter chooses the
    /// calls that have a message for which it holds.
    pub fn chosen_calls(&self, args: &List) -> Result<Option<Vec<CallId>>, Failure> {
        let view = self.view();
        let numbers = numbered_calls(view, &args.call)?;
        let Some(found) = self.filtered(&args.common)? else {
            return Ok((!args.call.is_empty()).then(|| numbers.into_iter().collect()));
        };
        let mut calls: Vec<CallId> = found
            .iter()
            .filter_map(|id| view.message(*id).map(|row| row.call))
            .collect();
        calls.sort_unstable();
        calls.dedup();
        calls.retain(|call| args.call.is_empty() || numbers.contains(call));
        Ok(Some(calls))
    }

    /// The messages that the arguments choose, in order; none for all of them.
    pub fn chosen_messages(
        &self,
        calls: &[u32],
        common: &Common,
    ) -> Result<Option<Vec<MessageId>>, Failure> {
        let view = self.view();
        let numbers = numbered_calls(view, calls)?;
        if let Some(mut found) = self.filtered(common)? {
            found.retain(|id| {
                calls.is_empty() || view.message(*id).is_some_and(|m| numbers.contains(&m.call))
            });
            return Ok(Some(found));
        }
        if calls.is_empty() {
            return Ok(None);
        }
        let mut out: Vec<MessageId> = numbers
            .into_iter()
            .flat_map(|call| view.messages_of_call(call))
            .collect();
        out.sort_unstable();
        Ok(Some(out))
    }

    /// The messages for which the filter holds; none without a filter.
    fn filtered(&self, common: &Common) -> Result<Option<Vec<MessageId>>, Failure> {
        let Some(filter) = &self.filter else {
            return Ok(None);
        };
        let compiled = filter.compile(self.view());
        let stop = AtomicBool::new(false);
        let found = compiled
            .search(
                self.view(),
                self.loaded.bytes.as_ref(),
                common.threads(),
                &stop,
                &|_, _| (),
            )
            .map_err(|error| {
                let why = format!("the messages cannot be read again for the filter: {error}");
                Failure::Told(exit::INPUT, why)
            })?;
        Ok(Some(found))
    }
}

/// Understands the filter of the arguments.
pub(super) fn filter(common: &Common) -> Result<Option<Filter>, Failure> {
    let Some(text) = &common.filter else {
        return Ok(None);
    };
    Filter::parse(text).map(Some).map_err(|error| {
        // The text with a mark below the place, as far as it fits a line.
        let mut why = format!("--filter: {error}");
        if text.chars().count() <= 100 && !text.chars().any(text::is_unsafe) {
            let mark = "^".repeat(error.length.max(1));
            why.push_str(&format!(
                "\n  {text}\n  {}{mark}",
                " ".repeat(error.position)
            ));
        }
        Failure::usage(why)
    })
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
            None => complain(&no_such_call(view, *number)),
        }
    }
    Ok(out)
}

/// The calls with these numbers, of which there has to be one at least.
pub(super) fn some_numbered_calls(
    view: &IndexView,
    numbers: &[u32],
) -> Result<BTreeSet<CallId>, Failure> {
    let is_there = |number: &u32| CallId::new(*number).is_some_and(|id| view.call(id).is_some());
    if let [others @ .., last] = numbers
        && !numbers.iter().any(is_there)
    {
        for number in others {
            complain(&no_such_call(view, *number));
        }
        return Err(Failure::nothing(no_such_call(view, *last)));
    }
    numbered_calls(view, numbers)
}

fn no_such_call(view: &IndexView, number: u32) -> String {
    let there = match view.calls().len() {
        0 => "the capture has none".to_owned(),
        n => format!("the capture has 1 to {n}"),
    };
    format!("there is no call {number}: {there}")
}

/// Loads while somebody watches: half of the work, for the inputs are read twice.
fn watched(files: &[PathBuf], options: &ingest::Options, watch: &Watch) -> Loaded {
    let (send, receive) = mpsc::channel();
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || send.send(()).unwrap_or(()));
    let loading = ingest::spawn(files.to_vec(), options.clone(), Box::new(|| false), wake);
    loop {
        let _ = receive.recv_timeout(WATCH);
        let progress = loading.progress();
        if progress.finished {
            break;
        }
        watch.set(progress.done, progress.total.saturating_mul(2));
        if watch.is_stopped() {
            loading.cancel();
        }
    }
    loading
        .loaded()
        .unwrap_or_else(|| ingest::load(files, options))
}

fn with_progress(files: &[PathBuf], options: ingest::Options) -> Loaded {
    let (send, receive) = mpsc::channel();
    // Nobody listens any more once all is loaded.
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || send.send(()).unwrap_or(()));
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

/// Says what of a key log is of no use.
fn remark_key_log(log: &KeyLogReport, quiet: bool) {
    let name = text::visible(&log.path.to_string_lossy()).into_owned();
    if let Some(error) = &log.error {
        complain(&format!("{name}: {error}"));
    } else if let Some(problem) = log.added.problem.filter(|_| !quiet) {
        complain(&format!("{name}: {problem}"));
    }
}

/// Says what of an input could not be read.
pub(super) fn remark(report: &FileReport, quiet: bool) {
    let name = text::visible(&report.path.to_string_lossy()).into_owned();
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
