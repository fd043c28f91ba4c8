//! Workers around one index: read, decode in parallel, file in order, publish.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::block::{Block, MAX_SKIPS, count_skip};
use super::filing::{Filing, Losses};
use super::follow::{Feed, FileTable, Follower, Source};
use super::key_logs::{self, KeyLogReport};
use super::wrapped::Wrapped;
use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::wanted::Wanted;
use crate::packet::link_names::link_type_name;
use crate::packet::tls::{Secrets, TlsConnection};
use crate::packet::{Layer, MAX_TUNNELS, Skip, hep};
use crate::source::{CaptureBytes, CaptureFile, FileInfo, Next, OpenOptions, Skipped, SourceError};

/// Octets in a block.
const BLOCK_OCTETS: usize = 256 << 10;
/// Blocks read before those before them are filed, for each thread and file.
const AHEAD: usize = 3;

/// An input that grows is looked at this often …
const POLL: Duration = Duration::from_millis(15);
/// … and packets of others wait for it so many times, as what it gets may be older.
const HOLD: u64 = 6;

/// How to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Stop inflating at 100x or 8 GiB.
    pub bomb_limit: bool,
    /// Octets read at a time; small ones are for tests.
    pub block_octets: usize,
    /// TLS key logs and RSA keys. When there are none, those beside the captures are taken.
    pub key_logs: Vec<PathBuf>,
    /// Texts are such that somebody pasted.
    pub pasted: bool,
    /// Octets that the index may take; the oldest calls leave it when there are more.
    pub memory_octets: Option<usize>,
    /// Note which packets are SIP or its media, see [`Loaded::wanted`].
    pub note_wanted: bool,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
        Self {
            threads,
            bomb_limit: true,
            block_octets: BLOCK_OCTETS,
            key_logs: Vec::new(),
            pasted: false,
            memory_octets: None,
            note_wanted: false,
        }
    }
}

/// What is to be said of one input.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// As named by the user.
    pub path: PathBuf,
    /// What the file says about itself, and what was passed over in it.
    pub info: FileInfo,
    /// What was passed over behind the link layer.
    pub skipped: Vec<Skipped>,
    /// Why it could not be read at all.
    pub error: Option<String>,
}

/// A capture in memory.
#[derive(Clone)]
pub struct Loaded {
    /// The index.
    pub view: Arc<IndexView>,
    /// The inputs, in the order given.
    pub files: Vec<FileReport>,
    /// Brings the bytes of messages.
    pub bytes: Arc<dyn MessageBytes>,
    /// Readers of the inputs, for export; none for those that could not be read.
    pub readers: Vec<Option<CaptureBytes>>,
    /// TLS connections, in the order of the inputs and packets.
    pub tls: Arc<Vec<TlsConnection>>,
    /// Where secrets were looked for and found.
    pub key_logs: Arc<Vec<KeyLogReport>>,
    /// Which packets are SIP or its media, if that was asked for.
    pub wanted: Option<Wanted>,
}

/// Inputs opened, and those that could not be.
#[derive(Default)]
struct Opened {
    sources: Vec<Option<Source>>,
    table: Arc<FileTable>,
    size: u64,
    secrets: Secrets,
    key_logs: Vec<KeyLogReport>,
}

impl Opened {
    fn new(options: &Options, paths: &[PathBuf]) -> Self {
        let mut opened = Self::default();
        opened.key_logs = key_logs::read(&options.key_logs, paths, &mut opened.secrets);
        opened
    }

    fn add(&mut self, path: PathBuf, capture: Option<CaptureFile>, error: Option<String>) {
        self.size += capture.as_ref().map_or(0, CaptureFile::size);
        let info = capture.as_ref().map(|c| c.info().clone());
        let report = FileReport {
            path,
            info: info.unwrap_or_default(),
            skipped: Vec::new(),
            error,
        };
        let reader = capture.as_ref().map(CaptureFile::bytes);
        // Files beyond the numbers that there are cannot be pointed into.
        let numbered = self.table.add(report, reader).is_some();
        let source = capture.filter(|_| numbered);
        self.sources.push(source.map(Source::whole));
    }

    fn bytes(&self) -> Arc<dyn MessageBytes> {
        Arc::clone(&self.table) as Arc<dyn MessageBytes>
    }
}

fn open_all(paths: &[PathBuf], options: &Options, stop: &Arc<AtomicBool>) -> Opened {
    let mut opened = Opened::new(options, paths);
    for path in paths {
        let how = OpenOptions {
            bomb_limit: options.bomb_limit,
            stop: Some(Arc::clone(stop)),
            pasted: options.pasted,
            ..OpenOptions::default()
        };
        let (capture, error) = match CaptureFile::open(path, &how) {
            Ok(capture) => (Some(capture), None),
            Err(error) => (None, Some(describe(&error))),
        };
        opened.add(path.clone(), capture, error);
    }
    opened
}

fn describe(error: &SourceError) -> String {
    error.to_string()
}

/// Loads captures and waits until all is indexed.
pub fn load(paths: &[PathBuf], options: &Options) -> Loaded {
    let stop = Arc::new(AtomicBool::new(false));
    let opened = open_all(paths, options, &stop);
    index(opened, options, stop)
}

fn index(mut opened: Opened, options: &Options, stop: Arc<AtomicBool>) -> Loaded {
    let work = Work::new(&mut opened, options, stop, None);
    work.run_all(options.threads);
    work.finish(opened)
}

/// Indexes captures that are open already; `name`s are for the reports.
pub fn load_open(captures: Vec<(PathBuf, CaptureFile)>, options: &Options) -> Loaded {
    let mut opened = Opened::new(options, &[]);
    for (path, capture) in captures {
        opened.add(path, Some(capture), None);
    }
    index(opened, options, Arc::new(AtomicBool::new(false)))
}

/// How far a load is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Octets read.
    pub done: u64,
    /// Octets to read.
    pub total: u64,
    /// Nothing more will come.
    pub finished: bool,
    /// It was stopped before its end.
    pub cancelled: bool,
}

/// Asked after each block whether the index shall be published now.
pub type Pace = Box<dyn FnMut() -> bool + Send>;

/// Gives the newest published index.
pub type Watch = Arc<dyn Fn() -> Arc<IndexView> + Send + Sync>;

/// A load in the background.
pub struct Loading {
    view: Arc<ArcSwap<IndexView>>,
    loaded: Arc<Mutex<Option<Loaded>>>,
    early: Arc<Mutex<Option<Arc<FileTable>>>>,
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    finished: Arc<AtomicBool>,
}

impl Loading {
    /// The newest published index; cheap, takes no lock.
    pub fn view(&self) -> Arc<IndexView> {
        self.view.load_full()
    }

    /// The same, for somebody who looks from elsewhere.
    pub fn watch(&self) -> Watch {
        let view = Arc::clone(&self.view);
        Arc::new(move || view.load_full())
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Acquire),
            cancelled: self.stop.load(Ordering::Relaxed),
        }
    }

    /// Stops it; what is indexed stays.
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The result, once it is finished.
    pub fn loaded(&self) -> Option<Loaded> {
        lock(&self.loaded).clone()
    }

    /// LINKTYPE_ values in a file that grows, by its number; of others the reports tell.
    pub fn link_types(&self, file: u16) -> Vec<u16> {
        let table = lock(&self.early).clone();
        table
            .map(|table| table.link_types(file))
            .unwrap_or_default()
    }

    /// Brings the bytes of messages, as soon as the files are open.
    pub fn bytes(&self) -> Option<Arc<dyn MessageBytes>> {
        let table = lock(&self.early).clone()?;
        Some(table)
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Loads captures in the background; `wake` is called whenever there is something new to see.
pub fn spawn(
    paths: Vec<PathBuf>,
    options: Options,
    pace: Pace,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> Loading {
    let how = options.clone();
    let open = move |stop: &Arc<AtomicBool>| open_all(&paths, &how, stop);
    in_background(open, options, pace, wake)
}

/// Indexes inputs that grow, in the background, until all of them have ended.
///
/// What was filed is published whenever `pace` says so, at the latest when nothing more comes.
pub fn follow(
    feeds: Vec<Feed>,
    options: Options,
    pace: Pace,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> Loading {
    let how = options.clone();
    let open = move |stop: &Arc<AtomicBool>| {
        // Those of interfaces are no files.
        let names = feeds.iter().map(|feed| feed.name.clone());
        let files: Vec<PathBuf> = names.filter(|name| name.is_file()).collect();
        let mut opened = Opened::new(&how, &files);
        for feed in feeds {
            let report = FileReport {
                path: feed.name.clone(),
                info: FileInfo::default(),
                skipped: Vec::new(),
                error: None,
            };
            let number = opened.table.add(report, None);
            opened.sources.push(number.map(|number| {
                let (table, stop) = (Arc::clone(&opened.table), Arc::clone(stop));
                Source::growing(Follower::new(feed, number, table, stop))
            }));
        }
        opened
    };
    in_background(open, options, pace, wake)
}

fn in_background(
    open: impl FnOnce(&Arc<AtomicBool>) -> Opened + Send + 'static,
    options: Options,
    pace: Pace,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> Loading {
    let loading = Loading {
        view: Arc::new(ArcSwap::from_pointee(IndexView::default())),
        loaded: Arc::default(),
        early: Arc::default(),
        done: Arc::default(),
        total: Arc::default(),
        stop: Arc::default(),
        finished: Arc::default(),
    };
    let view = Arc::clone(&loading.view);
    let loaded = Arc::clone(&loading.loaded);
    let early = Arc::clone(&loading.early);
    let done = Arc::clone(&loading.done);
    let total = Arc::clone(&loading.total);
    let stop = Arc::clone(&loading.stop);
    let finished = Arc::clone(&loading.finished);
    let job = move || {
        let mut opened = open(&stop);
        total.store(opened.size, Ordering::Relaxed);
        *lock(&early) = Some(Arc::clone(&opened.table));
        let show = {
            let (view, wake) = (Arc::clone(&view), Arc::clone(&wake));
            Show {
                pace,
                put: Box::new(move |new| {
                    view.store(new);
                    wake();
                }),
                done,
            }
        };
        let work = Work::new(&mut opened, &options, stop, Some(show));
        work.run_all(options.threads);
        let done = work.finish(opened);
        view.store(Arc::clone(&done.view));
        *lock(&loaded) = Some(done);
        finished.store(true, Ordering::Release);
        wake();
    };
    if std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(job)
        .is_err()
    {
        loading.stop.store(true, Ordering::Relaxed);
        loading.finished.store(true, Ordering::Release);
    }
    loading
}

/// How the index is shown while it grows.
struct Show {
    pace: Pace,
    put: Box<dyn Fn(Arc<IndexView>) + Send + Sync>,
    done: Arc<AtomicU64>,
}

/// One input while it is read.
struct Input {
    source: Source,
    next: u64,
}

/// Blocks of one input on their way to the index.
#[derive(Default)]
struct Queue {
    /// Decoded, by number.
    ready: BTreeMap<u64, Block>,
    /// The next to be filed.
    next: u64,
    /// Read or decoded, not yet filed.
    under_way: usize,
    /// The next to be filed is in hand, partly filed.
    in_hand: bool,
    /// Somebody is reading.
    reading: bool,
    /// It grows, and had nothing new when it was looked at.
    resting: bool,
    /// When that was, in ticks, if nothing came since.
    empty_at: Option<u64>,
    /// When the block in hand was read, in ticks.
    hand_tick: u64,
    /// Number of blocks, once the end was reached.
    end: Option<u64>,
}

impl Queue {
    fn over(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }

    /// When its next block was read; none if that is not ready.
    fn head_tick(&self) -> Option<u64> {
        if self.in_hand {
            return Some(self.hand_tick);
        }
        self.ready.get(&self.next).map(|block| block.tick)
    }

    /// Nothing older than a block read at `tick` is to be expected from it.
    fn silent_since(&self, tick: u64) -> bool {
        self.empty_at
            .is_some_and(|at| at >= tick.saturating_add(HOLD))
    }
}

#[derive(Default)]
struct Shared {
    queues: Vec<Queue>,
    free: Vec<Block>,
    filing: bool,
    /// Counts the looks at inputs that grow.
    tick: u64,
    next_tick: Option<Instant>,
    /// Somebody waits for the next tick.
    timed: bool,
}

impl Shared {
    /// When the earliest of the next blocks was read.
    fn first_tick(&self) -> Option<u64> {
        self.queues.iter().filter_map(Queue::head_tick).min()
    }

    /// The next block of every input is there, or will not come soon.
    fn fileable(&self) -> bool {
        let Some(first) = self.first_tick() else {
            return false;
        };
        self.queues
            .iter()
            .all(|q| q.over() || q.head_tick().is_some() || q.silent_since(first))
    }
}

/// The block of each input that is being filed, and the position in it.
type Heads = Vec<Option<(Block, usize)>>;

struct Core {
    filing: Filing,
    heads: Heads,
    skips: Vec<BTreeMap<Skip, (u64, u32)>>,
    show: Option<Show>,
    key_logs: Vec<KeyLogReport>,
    /// Something was filed since the index was published.
    unseen: bool,
}

impl Core {
    /// Publishes the index if it is time.
    fn publish(&mut self) {
        if let Some(show) = &mut self.show
            && (show.pace)()
        {
            self.unseen = false;
            (show.put)(Arc::new(self.filing.filer.indexer.publish()));
        }
    }
}

struct Work {
    table: Arc<FileTable>,
    inputs: Vec<Option<Mutex<Input>>>,
    shared: Mutex<Shared>,
    changed: Condvar,
    core: Mutex<Core>,
    stop: Arc<AtomicBool>,
    block_octets: usize,
    ahead: usize,
    /// Panics caught while decoding; each one is a defect of ours.
    panics: AtomicU64,
    /// There are inputs that grow.
    following: bool,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Task {
    File,
    Read(usize),
    Show,
    Wait,
    Done,
}

impl Work {
    fn new(
        opened: &mut Opened,
        options: &Options,
        stop: Arc<AtomicBool>,
        show: Option<Show>,
    ) -> Self {
        let sources = std::mem::take(&mut opened.sources);
        let count = sources.len();
        let following = sources.iter().flatten().any(Source::is_growing);
        let mut filing = Filing::default();
        filing.in_order = !following && count == 1;
        if let Some(octets) = options.memory_octets {
            filing.filer.indexer.set_ring(octets);
        }
        filing.filer.indexer.wanted = options.note_wanted.then(Box::default);
        let wrapped = &mut filing.filer.wrapped;
        wrapped.secrets = std::mem::take(&mut opened.secrets);
        wrapped.stored = Arc::clone(&opened.table.stored);
        wrapped.no_bomb_limit = !options.bomb_limit;
        let mut queues: Vec<Queue> = Vec::new();
        let mut inputs = Vec::new();
        for source in sources {
            let mut queue = Queue::default();
            if source.is_none() {
                queue.end = Some(0);
            }
            queues.push(queue);
            inputs.push(source.map(|source| Mutex::new(Input { source, next: 0 })));
        }
        Self {
            table: Arc::clone(&opened.table),
            inputs,
            shared: Mutex::new(Shared {
                queues,
                free: Vec::new(),
                filing: false,
                tick: 0,
                next_tick: None,
                timed: false,
            }),
            changed: Condvar::new(),
            core: Mutex::new(Core {
                filing,
                heads: (0..count).map(|_| None).collect(),
                skips: vec![BTreeMap::new(); count],
                show,
                key_logs: std::mem::take(&mut opened.key_logs),
                unseen: false,
            }),
            stop,
            block_octets: options.block_octets.max(1),
            ahead: AHEAD * options.threads.max(1),
            panics: AtomicU64::new(0),
            following,
        }
    }

    fn run_all(&self, threads: usize) {
        std::thread::scope(|scope| {
            for _ in 1..threads.max(1) {
                scope.spawn(|| self.run(!self.following));
            }
            self.run(true);
        });
    }

    /// Works until all is done. What lasts for days is filed by one thread: memory that one gives
    /// back is not always used again by another.
    fn run(&self, files: bool) {
        loop {
            match self.next_task(files) {
                Task::File => {
                    self.file();
                    lock(&self.shared).filing = false;
                    self.changed.notify_all();
                }
                Task::Read(input) => self.read(input),
                Task::Show => self.show(),
                Task::Wait => {}
                Task::Done => return,
            }
        }
    }

    /// What a worker can do now; waits when there is nothing.
    fn next_task(&self, files: bool) -> Task {
        let mut shared = lock(&self.shared);
        if self.stop.load(Ordering::Relaxed) {
            return Task::Done;
        }
        if shared.queues.iter().all(Queue::over) {
            return Task::Done;
        }
        // Filing keeps the order and frees memory: it goes first, one at a time.
        if files && !shared.filing && shared.fileable() {
            shared.filing = true;
            return Task::File;
        }
        if self.following {
            let now = Instant::now();
            if shared.next_tick.is_none_or(|at| now >= at) {
                shared.next_tick = Some(now + POLL);
                shared.tick += 1;
                for queue in &mut shared.queues {
                    queue.resting = false;
                }
                // Time alone may make something ready for the thread that files.
                self.changed.notify_all();
                return Task::Show;
            }
        }
        let ahead = self.ahead;
        let next = shared
            .queues
            .iter_mut()
            .enumerate()
            .filter(|(_, q)| q.end.is_none() && !q.reading && !q.resting && q.under_way < ahead)
            .min_by_key(|(_, q)| q.under_way);
        if let Some((input, queue)) = next {
            queue.reading = true;
            queue.under_way += 1;
            return Task::Read(input);
        }
        if self.following && !shared.timed {
            shared.timed = true;
            let waited = self.changed.wait_timeout(shared, POLL);
            let (mut shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
            shared.timed = false;
            return Task::Wait;
        }
        drop(
            self.changed
                .wait(shared)
                .unwrap_or_else(PoisonError::into_inner),
        );
        Task::Wait
    }

    fn read(&self, at: usize) {
        let Some(Some(input)) = self.inputs.get(at) else {
            return;
        };
        let mut block = lock(&self.shared).free.pop().unwrap_or_default();
        let (next, number, file) = {
            let mut input = lock(input);
            // Packets are decrypted with the secrets that stand before them, or in the same block.
            let (next, file) =
                input
                    .source
                    .next(self.block_octets, &mut block.chunk, &mut block.secrets);
            let number = input.next;
            input.next += u64::from(next == Next::Chunk);
            (next, number, file)
        };
        {
            let mut shared = lock(&self.shared);
            let tick = shared.tick;
            block.tick = tick;
            if let Some(queue) = shared.queues.get_mut(at) {
                queue.reading = false;
                queue.empty_at = (next == Next::Waiting).then_some(tick);
                match next {
                    Next::Chunk => {}
                    Next::Waiting => {
                        queue.resting = true;
                        queue.under_way -= 1;
                    }
                    Next::End => {
                        queue.end = Some(number);
                        queue.under_way -= 1;
                    }
                }
            }
            if next == Next::Waiting {
                shared.free.push(block);
                return;
            }
        }
        self.changed.notify_all();
        if next == Next::End {
            return;
        }
        block.file = file.unwrap_or_else(|| u16::try_from(at).unwrap_or(u16::MAX));
        block.clear();
        let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block.decode()));
        if decoded.is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(queue) = lock(&self.shared).queues.get_mut(at) {
            queue.ready.insert(number, block);
        }
        self.changed.notify_all();
    }

    /// Files what is ready, in order; with several inputs by time.
    fn file(&self) {
        let mut core = match self.core.try_lock() {
            Ok(core) => core,
            Err(TryLockError::Poisoned(core)) => core.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let core = &mut *core;
        loop {
            if self.stop.load(Ordering::Relaxed) || !self.take_heads(core) {
                return;
            }
            // Until the first block is used up the order among the inputs is certain.
            loop {
                let next = core
                    .heads
                    .iter()
                    .enumerate()
                    .filter_map(|(i, head)| {
                        let (block, at) = head.as_ref()?;
                        Some((block.items.get(*at).map_or(i64::MIN, |(t, _)| *t), i))
                    })
                    .min();
                let Some((_, input)) = next else { break };
                let Some(Some((block, at))) = core.heads.get_mut(input) else {
                    break;
                };
                if let Some((time, item)) = block.items.get(*at) {
                    let filing = &mut core.filing;
                    let filed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        filing.item(block, *time, item);
                    }));
                    if filed.is_err() {
                        self.panics.fetch_add(1, Ordering::Relaxed);
                    }
                    *at += 1;
                    continue;
                }
                self.retire(core, input);
                break;
            }
        }
    }

    /// Gets a block for every input that is not over; false when one is not ready yet.
    fn take_heads(&self, core: &mut Core) -> bool {
        let mut shared = lock(&self.shared);
        let mut any = false;
        let Some(first) = shared.first_tick() else {
            return false;
        };
        for (head, queue) in core.heads.iter_mut().zip(&mut shared.queues) {
            if head.is_none() && !queue.over() {
                match queue.ready.remove(&queue.next) {
                    Some(block) => {
                        self.take_secrets(&mut core.filing, &mut core.key_logs, &block);
                        queue.hand_tick = block.tick;
                        *head = Some((block, 0));
                        queue.in_hand = true;
                    }
                    None if queue.silent_since(first) => {}
                    None => return false,
                }
            }
            any |= head.is_some();
        }
        any
    }

    fn take_secrets(&self, filing: &mut Filing, reports: &mut Vec<KeyLogReport>, block: &Block) {
        if block.secrets.is_empty() {
            return;
        }
        let Some(path) = self.table.path(block.file) else {
            return;
        };
        let secrets = &mut filing.filer.wrapped.secrets;
        for secret in &block.secrets {
            key_logs::embedded(
                &path,
                block.file,
                secret.kind,
                &secret.data,
                secrets,
                reports,
            );
        }
    }

    /// A block is used up.
    fn retire(&self, core: &mut Core, input: usize) {
        let Some((mut block, _)) = core.heads.get_mut(input).and_then(Option::take) else {
            return;
        };
        core.filing.filer.indexer.rtp.add(&block.rtp.list);
        if let Some(skips) = core.skips.get_mut(input) {
            // In the order of the packets: which kinds are told apart must not depend on the blocks.
            let mut new: Vec<_> = block.skips.iter().collect();
            new.sort_by_key(|(_, (_, first))| *first);
            for (skip, counts) in new {
                count_skip(skips, *skip, *counts);
            }
        }
        let octets = block.chunk.data.len() as u64;
        block.clear();
        {
            let mut shared = lock(&self.shared);
            if let Some(queue) = shared.queues.get_mut(input) {
                queue.next += 1;
                queue.under_way -= 1;
                queue.in_hand = false;
            }
            shared.free.push(block);
        }
        self.changed.notify_all();
        if let Some(show) = &core.show {
            show.done.fetch_add(octets, Ordering::Relaxed);
        }
        core.unseen = true;
        core.publish();
    }

    /// Publishes what was filed when nothing more came, if it is time.
    fn show(&self) {
        if let Ok(mut core) = self.core.try_lock()
            && core.unseen
        {
            core.publish();
        }
    }

    /// All is filed: ends streams, publishes, and reports on the inputs.
    fn finish(self, opened: Opened) -> Loaded {
        let table = &opened.table;
        let mut core = self
            .core
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        core.filing.finish();
        let panics = self.panics.load(Ordering::Relaxed);
        // What is behind the first layers is told of the first input that could be read.
        let mut inner: Vec<Skipped> = std::mem::take(&mut core.filing.filer.skips)
            .into_iter()
            .map(|(s, (n, f))| skipped(s, n, f))
            .collect();
        inner.extend(lost(&core.filing.losses(), panics));
        // Asked first: whether all can be described is known behind it.
        let tls = core.filing.filer.wrapped.connections();
        inner.extend(unwrapped(&core.filing.filer.wrapped));
        for (number, (input, skips)) in (0_u16..).zip(self.inputs.into_iter().zip(core.skips)) {
            let Some(input) = input else { continue };
            let input = input.into_inner().unwrap_or_else(PoisonError::into_inner);
            // One that grows enters what it knows itself, when it goes.
            let info = input.source.into_info();
            table.change(number, |report, _| {
                if let Some(info) = info {
                    report.info = info;
                }
                report.skipped = skips
                    .into_iter()
                    .map(|(s, (n, f))| skipped(s, n, f))
                    .collect();
                if report.error.is_none() {
                    report.skipped.append(&mut inner);
                }
            });
        }
        Loaded {
            view: Arc::new(core.filing.filer.indexer.publish()),
            files: table.reports(),
            bytes: opened.bytes(),
            readers: table.readers(),
            tls: Arc::new(tls),
            key_logs: Arc::new(core.key_logs),
            wanted: core
                .filing
                .filer
                .indexer
                .wanted
                .take()
                .map(|wanted| *wanted),
        }
    }
}

fn note(what: &str, count: u64, first: Option<u32>, offset: Option<u64>, why: &str) -> Skipped {
    Skipped {
        what: what.to_owned().into(),
        count,
        first_frame: first.unwrap_or(0),
        offset: offset.unwrap_or(0),
        why: why.to_owned(),
        octets: 0,
    }
}

fn skipped(skip: Skip, count: u64, first: u32) -> Skipped {
    let (what, why) = words(skip);
    note(&what, count, Some(first), None, &why)
}

const NO_IP: &str = "no IP packet in the frame";
const ONLY_CONTROL: &str = "it controls the tunnel and carries nothing";
const NO_SIP: &str = "it carries no SIP";

/// True for what is in every network: nothing that could have been SIP was lost with it.
pub fn is_routine(skipped: &Skipped) -> bool {
    [NO_IP, ONLY_CONTROL, NO_SIP].contains(&skipped.why.as_str())
}

/// What was passed over, and why.
fn words(skip: Skip) -> (String, Cow<'static, str>) {
    let no_ip = Cow::Borrowed(NO_IP);
    match skip {
        Skip::LinkType(n) => {
            let what = match link_type_name(n) {
                Some(name) => format!("link type {n} ({name})"),
                None => format!("link type {n}"),
            };
            (what, "this link type is not dissected".into())
        }
        Skip::EtherType(n) => {
            let name = match n {
                0x0806 => "ARP".to_owned(),
                0x8863 => "PPPoE discovery".to_owned(),
                0x8035 => "RARP".to_owned(),
                0x8809 => "slow protocols (LACP)".to_owned(),
                0x888e => "802.1X".to_owned(),
                0x88cc => "LLDP".to_owned(),
                0x88e5 => "MACsec".to_owned(),
                0x2000 => "CDP".to_owned(),
                n => format!("protocol 0x{n:04x}"),
            };
            (name, no_ip)
        }
        Skip::Ppp(n) => {
            let name = match n {
                0xc021 => "PPP link control".to_owned(),
                0xc023 | 0xc223 | 0xc227 => "PPP authentication".to_owned(),
                0x8021 | 0x8057 => "PPP network control".to_owned(),
                0x00fd | 0x00fb | 0x80fd => "compressed PPP".to_owned(),
                0x002d | 0x002f => "PPP with compressed headers".to_owned(),
                n => format!("PPP protocol 0x{n:04x}"),
            };
            (name, no_ip)
        }
        Skip::Llc(service) => {
            let name = match service {
                0x42 => "spanning tree".to_owned(),
                0xe0 | 0xff => "IPX".to_owned(),
                0xf0 => "NetBIOS".to_owned(),
                0xfe => "OSI routing".to_owned(),
                0xaa => "SNAP frame".to_owned(),
                n => format!("802.2 service 0x{n:02x}"),
            };
            (name, no_ip)
        }
        Skip::Family(n) => (format!("address family {n}"), no_ip),
        Skip::Control(layer) => (
            format!("{} control message", layer.name()),
            ONLY_CONTROL.into(),
        ),
        Skip::Payload(Layer::Esp) => (
            "ESP packet".to_owned(),
            "it is encrypted: neither padding nor what is inside can be read".into(),
        ),
        Skip::Payload(layer) => (
            format!("{} packet", layer.name()),
            "what is inside is neither Ethernet nor IP".into(),
        ),
        Skip::TooDeep => (
            "deep nesting".to_owned(),
            format!("more than {MAX_TUNNELS} tunnels or tags, one inside the other").into(),
        ),
        Skip::Hep(fault, sender) => (format!("malformed HEP from {sender}"), fault.words().into()),
        Skip::HepOther(kind) => (format!("HEP: {}", hep::kind_name(kind)), NO_SIP.into()),
        Skip::HepNoSip(sender) => (
            format!("HEP from {sender}"),
            "it says SIP and holds no SIP message".into(),
        ),
        Skip::HepJunk(sender) => (
            format!("HEP stream from {sender}"),
            "octets stand where a HEP packet should begin".into(),
        ),
        Skip::SctpChunk => (
            "SCTP chunk".to_owned(),
            "its length is impossible; what stands behind it in the packet was not read".into(),
        ),
        Skip::Others => (
            "other kinds".to_owned(),
            format!("only the first {MAX_SKIPS} kinds and senders are told apart").into(),
        ),
        Skip::Short => (
            "short frame".to_owned(),
            "the frame ends inside a header".into(),
        ),
        Skip::Malformed => (
            "malformed frame".to_owned(),
            "a header contradicts itself".into(),
        ),
    }
}

/// What of TLS and WebSocket could not be kept.
fn unwrapped(wrapped: &Wrapped) -> Vec<Skipped> {
    let counts = [
        (
            wrapped.beyond,
            "TLS connections",
            "the first 20,000 are described one by one, these are not",
        ),
        (
            wrapped.over_limit,
            "TLS and WebSocket connections",
            "more than 64 MiB were needed for those open at once; \
             the longest unused ones were read no further",
        ),
        (
            (wrapped.secrets.sessions_beyond(), 0),
            "TLS sessions",
            "more than are remembered for their resumption",
        ),
        (
            (wrapped.stored.lost(), 0),
            "decrypted octets",
            "there was no room to store more of them",
        ),
    ];
    let counts = counts.into_iter().filter(|((count, _), ..)| *count > 0);
    let mut out: Vec<Skipped> = counts
        .map(|((n, frame), what, why)| note(what, n, Some(frame), None, why))
        .collect();
    for (why, (count, frame)) in &wrapped.faults {
        out.push(note("WebSocket stream", *count, Some(*frame), None, why));
    }
    out
}

/// The losses whose place is known.
const INCOMPLETE: &str = "incomplete SIP message";
const JUNK: &str = "octets between SIP messages";

fn lost(losses: &Losses, panics: u64) -> Vec<Skipped> {
    let counts = [
        (
            losses.fragments,
            "incomplete IP datagram",
            "a fragment was not captured within 30 s or lies behind the end, or too many waited at once",
        ),
        (
            losses.gaps,
            "hole in a TCP stream",
            "octets of a TCP stream were not captured",
        ),
        (
            losses.gaps_by_limit,
            "reassembly limit",
            "too many octets waited behind a hole in a TCP stream",
        ),
        (
            losses.forgotten,
            "TCP connections",
            "more than 64 MiB were needed for those open at once; \
             the longest unused ones were forgotten",
        ),
        (
            losses.sctp,
            "SCTP message",
            "a part of it was not captured within 30 s, it is larger than 4 MiB, or too many waited at once",
        ),
        (
            losses.incomplete,
            INCOMPLETE,
            "the header of the message is not complete in the capture",
        ),
        (
            losses.junk,
            JUNK,
            "they are no SIP; the body of a message without Content-Length, which TCP requires \
             (RFC 3261, 20.14), would lie there",
        ),
        (
            losses.given_up,
            "SIP stream given up",
            "a message is larger than 4 MiB, or too much of the stream is no SIP",
        ),
        (
            losses.over_limit,
            "unfinished SIP message",
            "more than 64 MiB of unfinished messages in TCP streams",
        ),
        (
            losses.dropped,
            "TCP segments",
            "the beginning of their TCP stream was not captured",
        ),
        (
            losses.rtp_beyond,
            "RTP packets",
            "there are more RTP streams than are kept",
        ),
        (
            panics,
            "internal error",
            "a defect of this program; please report it with the capture",
        ),
    ];
    let told = counts.into_iter().filter(|(count, ..)| *count > 0);
    told.map(|(count, what, why)| {
        let at = match what {
            INCOMPLETE => losses.incomplete_at,
            JUNK => losses.junk_at,
            _ => None,
        };
        let (frame, offset) = at.map_or((None, None), |(_, f, o)| (Some(f), Some(o)));
        note(what, count, frame, offset, why)
    })
    .collect()
}
