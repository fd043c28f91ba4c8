//! `sipscope messages -i IF` and `--follow`: messages as they come.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::args::{CaptureLimits, MessagesArgs};
use super::capture::{Running, interrupts};
use super::messages;
use super::output::{Output, complain};
use super::table::{How, Layout, Stream};
use super::{Failure, Outcome, exit, input};
use crate::index::IndexView;
use crate::index::filter::Filter;
use crate::index::ids::MessageId;
use crate::ingest::{self, Feed, GrowingFile, Loading};
use crate::present::text;
use crate::source::live::{self, Target};
use crate::source::{Growth, MAX_STREAM_BYTES, spool_stream, unnamed_file};

/// The index is published at the latest after this time.
const PACE: Duration = Duration::from_millis(50);
/// … or after so many blocks of a file, when much comes at once …
const BLOCKS: usize = 8;
/// … and fewer when there is less memory than this for each: views that wait fit in twice over.
const BLOCK_MEMORY: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_millis(20);
/// How long the last messages are waited for.
const ENDING: Duration = Duration::from_secs(10);
/// A file named with `--follow` has to exist for this long without anything in it before that is told.
const EMPTY: Duration = Duration::from_secs(3);

/// Prints messages as they come, until the capture ends or somebody interrupts it.
pub(super) fn messages(args: &MessagesArgs) -> Outcome {
    let list = &args.list;
    let filter = input::filter(&list.common)?;
    let mut out = Output::open(list.common.output.as_deref(), &list.files)?;
    let interrupted = interrupts()?;
    let mut live = Live::start(args)?;
    let layout = Layout {
        fields: messages::FIELDS,
        columns: messages::COLUMNS,
    };
    let how = How {
        format: list.format,
        color: list.common.color,
        threads: 1,
    };
    let mut printer = Printer {
        printed: 0,
        missed: 0,
        left: list.limit.unwrap_or(usize::MAX),
        calls: list.call.iter().copied().collect(),
        filter,
        stream: Stream::begin(&layout, &how, &mut out)?,
    };
    let pace = Pace::default();
    let memory = args.memory.unwrap_or(ingest::LIVE_MEMORY_OCTETS);
    let loading = ingest::follow(
        std::mem::take(&mut live.feeds),
        ingest::Options {
            threads: list.common.threads(),
            key_logs: list.common.key_logs(),
            memory_octets: Some(memory),
            ..ingest::Options::default()
        },
        pace.asked((memory / BLOCK_MEMORY).clamp(1, BLOCKS)),
        Arc::new(|| ()),
    );
    let mut calls = CallCount::new(args.live.calls_ended);
    let mut ending = None;
    loop {
        let enough = printer.left == 0 || calls.is_reached(&loading);
        let stop = interrupted.load(Ordering::Relaxed) || enough;
        live.step(stop)?;
        let published = pace.published.load(Ordering::Acquire);
        printer.print(&loading, &mut out)?;
        pace.written.store(published, Ordering::Release);
        if loading.progress().finished {
            printer.print(&loading, &mut out)?;
            break;
        }
        if stop {
            let since = *ending.get_or_insert_with(Instant::now);
            if printer.left == 0 && live.running.is_none() || since.elapsed() > ENDING {
                break;
            }
        }
    }
    if printer.missed > 0 {
        complain(&format!(
            "{} messages left memory before they could be written: --memory sets how much there is",
            text::grouped(printer.missed)
        ));
    }
    live.finish(&loading, list.common.quiet)?;
    out.finish()
}

/// When views are published: nothing leaves memory before it is written.
#[derive(Clone, Default)]
struct Pace {
    /// Views published, and how many of them are written.
    published: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl Pace {
    /// Asks for a view when it is time, and at the latest after `most` blocks; waits then until the
    /// view before is written.
    fn asked(&self, most: usize) -> ingest::Pace {
        let Self { published, written } = self.clone();
        let mut last = Instant::now();
        let mut blocks = 0;
        Box::new(move || {
            blocks += 1;
            let before = published.load(Ordering::Relaxed);
            while blocks >= most && written.load(Ordering::Acquire) < before {
                std::thread::sleep(Duration::from_millis(1));
            }
            let due = last.elapsed() >= PACE || blocks >= most;
            if due {
                published.store(before + 1, Ordering::Release);
                (last, blocks) = (Instant::now(), 0);
            }
            due
        })
    }
}

/// What is decoded live is not decoded as root, unless somebody insists.
pub(super) fn refuse_root(limits: &CaptureLimits) -> Outcome {
    if live::is_root() && !limits.allow_root {
        return Err(Failure::usage(
            "live packets are not decoded with the rights of root: anyone on the wire may have made them.\n\
             Start it as an ordinary user, or say --allow-root. `sipscope capture` without --calls-ended decodes nothing and may run as root",
        ));
    }
    Ok(())
}

/// The files of a capture on their way to the index.
#[derive(Default)]
pub(super) struct Followed {
    feeds: Vec<Feed>,
    senders: Vec<(Sender<GrowingFile>, String)>,
}

impl Followed {
    /// One more source.
    pub fn add(&mut self, source: &str) {
        let (send, files) = mpsc::channel();
        self.senders.push((send, source.to_owned()));
        self.feeds.push(Feed {
            name: source.into(),
            files,
        });
    }

    /// Takes the files from here on; what they are read from.
    pub fn begin(self, running: &mut Running) -> Vec<Feed> {
        let senders = self.senders;
        running.on_file(Box::new(move |at, file| {
            let growth = Growth::default();
            if let Some((send, source)) = senders.get(at) {
                // Nobody reads any more when all is over.
                let _ = send.send(GrowingFile {
                    path: source.into(),
                    file,
                    growth: growth.clone(),
                });
            }
            growth
        }));
        self.feeds
    }
}

/// How long a capture goes on after the last call that was asked for: for the answer to its BYE.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Whether as many calls have ended as were asked for.
pub(super) struct CallCount {
    most: Option<u64>,
    since: Option<Instant>,
}

impl CallCount {
    pub fn new(most: Option<u64>) -> Self {
        Self { most, since: None }
    }

    /// They have, a little while ago.
    pub fn is_reached(&mut self, loading: &Loading) -> bool {
        let over = loading.view().totals.calls_over;
        if self.most.is_none_or(|most| over < most) {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() >= LAST_ANSWERS
    }
}

/// Counts the calls of a capture that nobody lists.
pub(super) fn count_calls(feeds: Vec<Feed>) -> Loading {
    /// The count needs little behind it.
    const MEMORY: usize = 64 << 20;
    let options = ingest::Options {
        memory_octets: Some(MEMORY),
        ..ingest::Options::default()
    };
    let mut last = Instant::now();
    let pace = move || {
        let due = last.elapsed() >= PACE;
        if due {
            last = Instant::now();
        }
        due
    };
    ingest::follow(feeds, options, Box::new(pace), Arc::new(|| ()))
}

/// What is followed.
struct Live {
    feeds: Vec<Feed>,
    running: Option<Running>,
    /// Ended when the capture is, or when somebody interrupts.
    growths: Vec<Growth>,
    faults: Vec<Arc<OnceLock<String>>>,
    begun: Instant,
    empty: Vec<File>,
}

impl Live {
    fn start(args: &MessagesArgs) -> Result<Self, Failure> {
        let mut live = Self {
            feeds: Vec::new(),
            running: None,
            growths: Vec::new(),
            faults: Vec::new(),
            begun: Instant::now(),
            empty: Vec::new(),
        };
        for path in &args.list.files {
            live.add_file(path)?;
        }
        if args.live.sources() == 0 {
            return Ok(live);
        }
        refuse_root(&args.live)?;
        let mut followed = Followed::default();
        let mut unnamed = Vec::new();
        if args.write.is_none() {
            for _ in 0..args.live.sources() {
                unnamed.push(unnamed_file().map_err(|e| input_error(&e))?);
            }
        }
        let mut running = Running::start(&args.live, |source| {
            followed.add(source);
            match (&args.write, unnamed.pop()) {
                (_, Some(file)) => Target::unnamed(file),
                (Some(path), None) if args.live.sources() == 1 => Target::new(path.clone(), None),
                (Some(path), None) => Target::new(super::capture::named_after(path, source), None),
                (None, None) => Target::new("-".into(), None),
            }
        })?;
        running.announce = !args.list.common.quiet;
        live.feeds.extend(followed.begin(&mut running));
        live.running = Some(running);
        Ok(live)
    }

    fn add_file(&mut self, path: &Path) -> Outcome {
        if path == Path::new("-") {
            let spooled = spool_stream(Box::new(std::io::stdin())).map_err(|e| input_error(&e))?;
            self.faults.push(spooled.fault);
            self.growths.push(spooled.growth.clone());
            self.feeds.push(Feed::of(GrowingFile {
                path: "standard input".into(),
                file: spooled.file,
                growth: spooled.growth,
            }));
            return Ok(());
        }
        let failed = |error: std::io::Error| {
            let name = path.display();
            Failure::Told(exit::INPUT, format!("{name}: {error}"))
        };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            let why = "not a regular file (use - to read standard input)";
            return Err(failed(std::io::Error::other(why)));
        }
        self.empty.extend(file.try_clone());
        let growth = Growth::default();
        self.growths.push(growth.clone());
        self.feeds.push(Feed::of(GrowingFile {
            path: path.to_path_buf(),
            file,
            growth,
        }));
        Ok(())
    }

    /// Waits a little for something to happen.
    fn step(&mut self, stop: bool) -> Outcome {
        if stop {
            self.growths.iter().for_each(Growth::finish);
        }
        if self.begun.elapsed() > EMPTY {
            for file in self.empty.drain(..) {
                if file.metadata().is_ok_and(|m| m.len() == 0) {
                    complain("nothing is in the file yet; it is followed");
                }
            }
        }
        match &mut self.running {
            None => std::thread::sleep(PATIENCE),
            Some(running) => {
                let too_much = running.counts().octets > MAX_STREAM_BYTES;
                if too_much && !stop {
                    complain("stopped at the limit of 8 GiB; --write FILE and rings have none");
                }
                running.step(PATIENCE, stop || too_much)?;
            }
        }
        Ok(())
    }

    fn finish(self, loading: &Loading, quiet: bool) -> Outcome {
        let Some(loaded) = loading.loaded() else {
            return Ok(());
        };
        for report in &loaded.files {
            input::remark(report, quiet);
        }
        for fault in self.faults.iter().filter_map(|f| f.get()) {
            complain(&format!("standard input: {fault}"));
        }
        let Some(running) = self.running else {
            let all_failed = loaded.files.iter().all(|file| file.error.is_some());
            return match all_failed {
                true => Err(Failure::Told(exit::INPUT, "nothing could be read".into())),
                false => Ok(()),
            };
        };
        if !quiet && running.is_ready() {
            running.tell_result();
        }
        running.outcome()
    }
}

fn input_error(error: &dyn std::fmt::Display) -> Failure {
    Failure::Told(exit::INPUT, error.to_string())
}

/// Writes what is new.
struct Printer {
    printed: usize,
    /// Messages that left memory before they could be written.
    missed: u64,
    left: usize,
    calls: BTreeSet<u32>,
    filter: Option<Filter>,
    stream: Stream,
}

impl Printer {
    fn print(&mut self, loading: &Loading, out: &mut Output) -> Outcome {
        let view = loading.view();
        let end = view.messages().end();
        let Some(bytes) = loading.bytes().filter(|_| end > self.printed) else {
            return Ok(());
        };
        let new = self.printed..end;
        let mut ids: Vec<MessageId> = new
            .clone()
            .map(MessageId::at)
            .filter(|id| view.message(*id).is_some())
            .collect();
        self.missed += (new.len() - ids.len()) as u64;
        self.printed = end;
        if !self.calls.is_empty() {
            ids.retain(|id| {
                let call = view.message(*id).map(|row| row.call.get());
                call.is_some_and(|call| self.calls.contains(&call))
            });
        }
        if let Some(filter) = &self.filter {
            let compiled = filter.compile(&view);
            let found = compiled.among(&view, bytes.as_ref(), &ids);
            ids = found.map_err(|error| input_error(&error))?;
        }
        ids.truncate(self.left);
        self.left -= ids.len();
        let (view, table): (&IndexView, bool) = (&view, self.stream.is_table());
        self.stream.rows(out, |batch| {
            if let Some(error) = messages::batch(view, bytes.as_ref(), &ids, table, batch) {
                complain(&format!("some messages could not be read again: {error}"));
            }
        })
    }
}
