//! `sipscope capture`: packets into a file, or a ring of files, without a window. Decodes nothing.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::args::{CaptureArgs, CaptureLimits};
use super::live::{self, CallCount, Followed};
use super::output::{complain, unwritable};
use super::{Failure, Outcome, exit};
use crate::present::text;
use crate::source::Growth;
use crate::source::hep_listener::{self, HepKey, HepOptions};
use crate::source::live::{
    Counts, Event, LiveError, LiveSource, Options, Recording, Standstill, Target, free_bytes,
    permit_command,
};
use crate::source::remote::{self, RemoteOptions};

/// Events are looked for this often.
const PATIENCE: Duration = Duration::from_millis(50);
/// The programs get this long to end their files.
const ENDING: Duration = Duration::from_secs(10);

/// Captures until a limit, or until somebody interrupts it.
pub(super) fn capture(args: &CaptureArgs) -> Outcome {
    let interrupted = interrupts()?;
    let several = args.limits.sources() > 1;
    let mut calls = CallCount::new(args.limits.calls_ended);
    if args.limits.calls_ended.is_some() {
        live::refuse_root(&args.limits)?;
    }
    let mut followed = Followed::default();
    let mut running = Running::start(&args.limits, |source| {
        followed.add(source);
        let path = if several {
            named_after(&args.output, source)
        } else {
            args.output.clone()
        };
        Target::new(path, args.ring)
    })?;
    running.announce = !args.quiet;
    let progress = !args.quiet && io::stderr().is_terminal();
    let mut shown = Counts::default();
    let counted = args
        .limits
        .calls_ended
        .map(|_| live::count_calls(followed.begin(&mut running)));
    let mut enough = || counted.as_ref().is_some_and(|l| calls.is_reached(l));
    while running.step(PATIENCE, interrupted.load(Ordering::Relaxed) || enough())? {
        let counts = running.counts();
        if progress && counts != shown {
            shown = counts;
            // Nobody is left to tell if this fails.
            let _ = write!(io::stderr(), "\r{} ", summary(&counts));
        }
    }
    if progress {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    if !args.quiet && running.is_ready() {
        running.tell_result();
    }
    running.outcome()
}

/// The time, for captures that this process writes itself.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.map_or(0, |now| now.as_nanos())).unwrap_or(u64::MAX)
}

/// The key of HEP agents: the first line of a file, so that it stands in no list of processes.
fn read_key(path: &Path) -> Result<HepKey, Failure> {
    let failed = |why: &str| Failure::Told(exit::INPUT, format!("{}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| failed(&error.to_string()))?;
    let text = zeroize::Zeroizing::new(text);
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(failed("its first line holds no key"));
    }
    Ok(HepKey::new(line.to_vec()))
}

/// Set when somebody wants the program to end; a second signal ends it at once.
pub(super) fn interrupts() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| unwritable("the signal handler", &error))?;
    }
    Ok(flag)
}

/// Is handed each file when it is begun, with the number of its interface.
pub(super) type OnFile = Box<dyn FnMut(usize, std::fs::File) -> Growth>;

/// Captures from one or more sources, until one of the limits.
pub(super) struct Running {
    recordings: Vec<Box<dyn LiveSource>>,
    ready: usize,
    /// Names the interfaces on standard error when they are open.
    pub announce: bool,
    duration: Option<Duration>,
    packets: Option<u64>,
    begun: Option<Instant>,
    /// Told of each file when it is begun, with the number of its interface.
    on_file: Option<OnFile>,
    /// The file that grows on each interface.
    growing: Vec<Option<Growth>>,
    /// Ends when less is left on the disk.
    keep_free: Option<u64>,
    looked: Option<Instant>,
    standstill: Standstill,
    /// Everything was asked to end, then.
    stopped: Option<Instant>,
    failure: Option<LiveError>,
}

impl Running {
    /// Starts a capture of each source.
    pub fn start(
        limits: &CaptureLimits,
        mut target: impl FnMut(&str) -> Target,
    ) -> Result<Self, Failure> {
        let mut recordings: Vec<Box<dyn LiveSource>> = Vec::new();
        let remote = limits.ssh.as_deref();
        for interface in limits.remote_interfaces() {
            let options = RemoteOptions {
                host: remote.unwrap_or_default().to_owned(),
                interface: interface.to_owned(),
                filter: limits.capture_filter.clone().unwrap_or_default(),
                packets: limits.packets,
                snap_octets: limits.snap_length,
                promiscuous: !limits.no_promiscuous,
                sudo: limits.ssh_sudo,
                unattended: false,
            };
            let target = target(&format!("{}-{interface}", options.host));
            let worker = remote::capture(options, target, now).map_err(|e| told(&e))?;
            recordings.push(Box::new(worker));
        }
        for interface in limits.interface.iter().filter(|_| remote.is_none()) {
            let options = Options {
                interface: interface.clone(),
                filter: limits.capture_filter.clone().unwrap_or_default(),
                packets: limits.packets,
                snap_octets: limits.snap_length,
                promiscuous: !limits.no_promiscuous,
                buffer_mebibytes: None,
            };
            let recording = Recording::start(options, target(interface)).map_err(|e| told(&e))?;
            recordings.push(Box::new(recording));
        }
        for listen in &limits.hep {
            let options = HepOptions {
                listen: *listen,
                senders: limits.hep_from.clone(),
                key: limits.hep_key.as_deref().map(read_key).transpose()?,
                packets: limits.packets,
                limits: hep_listener::Limits::default(),
            };
            let target = target(&format!("hep-{listen}"));
            let (worker, _) = hep_listener::listen(options, target, now).map_err(|e| told(&e))?;
            recordings.push(Box::new(worker));
        }
        Ok(Self {
            recordings,
            ready: 0,
            announce: false,
            duration: limits.duration,
            packets: limits.packets,
            begun: None,
            on_file: None,
            growing: (0..limits.sources()).map(|_| None).collect(),
            keep_free: limits.keep_free,
            looked: None,
            standstill: Standstill::default(),
            stopped: None,
            failure: None,
        })
    }

    /// What was captured so far.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for recording in &self.recordings {
            sum += recording.counts();
        }
        sum
    }

    /// Wants to be handed the files.
    pub fn on_file(&mut self, take: OnFile) {
        self.on_file = Some(take);
    }

    /// All interfaces are open.
    pub fn is_ready(&self) -> bool {
        self.ready == self.recordings.len()
    }

    /// Takes in what happened; false when all is over.
    pub fn step(&mut self, patience: Duration, interrupted: bool) -> Result<bool, Failure> {
        let count = u32::try_from(self.recordings.len()).unwrap_or(1).max(1);
        let mut over = true;
        for (at, recording) in self.recordings.iter_mut().enumerate() {
            let mut wait = patience / count;
            while let Some(event) = recording.next_event(wait) {
                wait = Duration::ZERO;
                match event {
                    Event::Ready => {
                        self.ready += 1;
                        self.begun.get_or_insert_with(Instant::now);
                        if self.announce {
                            complain(&format!("capturing on {}", recording.name()));
                        }
                    }
                    Event::Counted | Event::Ended | Event::File(_) => {}
                    Event::Told(words) => complain(&words),
                    Event::RingStuck => {
                        let path = recording.path();
                        let path = path.display();
                        complain(&format!("no further file could be begun: {path} grows on"));
                    }
                    Event::Failed(error) => {
                        self.stopped.get_or_insert_with(Instant::now);
                        self.failure.get_or_insert(error);
                    }
                }
            }
            while let Some(take) = &mut self.on_file
                && let Some((_, file)) = recording.next_file()
            {
                let begun = take(at, file);
                let before = self.growing.get_mut(at).and_then(|g| g.replace(begun));
                // The one before is whole.
                before.inspect(Growth::finish);
            }
            if recording.is_over() {
                let last = self.growing.get_mut(at).and_then(Option::take);
                last.inspect(Growth::finish);
            }
            over &= recording.is_over();
        }
        if over {
            // Whoever follows waits for no further file.
            self.on_file = None;
        }
        if over {
            return Ok(false);
        }
        let out_of_time = self
            .duration
            .zip(self.begun)
            .is_some_and(|(most, begun)| begun.elapsed() >= most);
        let enough = self.packets.is_some_and(|n| self.counts().packets >= n);
        if let Some(words) = self.standstill.look(now()) {
            complain(&words);
            // So it stands in the file as well.
            self.recordings.iter().for_each(|r| r.mark(&words));
        }
        if self.stopped.is_none() && (interrupted || out_of_time || enough || self.disk_is_full()) {
            self.stopped = Some(Instant::now());
        }
        if let Some(since) = self.stopped {
            // Said again each time: it costs nothing, and one of them may have started late.
            for recording in self.recordings.iter().filter(|r| !r.is_over()) {
                recording.stop();
            }
            if since.elapsed() > ENDING {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks each second whether as much is left on the disk as is wished.
    fn disk_is_full(&mut self) -> bool {
        let Some(least) = self.keep_free else {
            return false;
        };
        if self
            .looked
            .is_some_and(|looked| looked.elapsed() < Duration::from_secs(1))
        {
            return false;
        }
        self.looked = Some(Instant::now());
        let mut free = self.recordings.iter().filter_map(|r| free_bytes(&r.path()));
        let full = free.any(|free| free < least);
        if full {
            complain("stopped: less than --keep-free is left on the disk");
        }
        full
    }

    /// Says what was captured, and who sent it.
    pub fn tell_result(&self) {
        complain(&summary(&self.counts()));
        for agent in self.recordings.iter().flat_map(|r| r.agents()) {
            complain(&agent.to_string());
        }
    }

    /// How it ended, with its exit code.
    pub fn outcome(self) -> Outcome {
        match self.failure {
            None => Ok(()),
            // Whoever read it has seen enough.
            Some(LiveError::Output { path, why })
                if path == Path::new("-") && why.contains("Broken pipe") =>
            {
                Ok(())
            }
            // What was captured before is there, and the word says why there is no more.
            Some(
                error @ (LiveError::Interface { .. }
                | LiveError::Gone { .. }
                | LiveError::Remote { .. }),
            ) if self.ready > 0 => {
                complain(&error.to_string());
                Ok(())
            }
            Some(error) => Err(told(&error)),
        }
    }
}

/// The sentence for people, with what helps.
pub(super) fn told(error: &LiveError) -> Failure {
    let code = match error {
        LiveError::Filter { .. } => exit::USAGE,
        LiveError::Output { .. } => exit::OUTPUT,
        _ => exit::INPUT,
    };
    let mut why = error.to_string();
    match error {
        LiveError::NotPermitted { .. } => {
            if let Some(command) = permit_command() {
                why.push_str(&format!(
                    "\nThis lets everyone who may start the capture program (and nobody else's program) take packets:\n  {command}"
                ));
            }
        }
        LiveError::Interface { .. } => why.push_str("\n`sipscope interfaces` lists them"),
        _ => {}
    }
    Failure::Told(code, why)
}

/// `12,345 packets captured, 3 dropped by the kernel`.
fn summary(counts: &Counts) -> String {
    let mut line = match counts.packets {
        1 => "1 packet captured".to_owned(),
        n => format!("{} packets captured", text::grouped(n)),
    };
    for (count, by) in [
        (counts.dropped_by_kernel, "kernel"),
        (counts.dropped_by_interface, "interface"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {} dropped by the {by}", text::grouped(count)));
        }
    }
    for (count, how) in [
        (counts.dropped_here, "lost here"),
        (counts.refused, "refused"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {} {how}", text::grouped(count)));
        }
    }
    line
}

/// `trace.pcapng` becomes `trace-eth0.pcapng`.
pub(super) fn named_after(path: &Path, interface: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(path.file_stem().unwrap_or_default());
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.push(format!(
        "-{}",
        interface.chars().map(safe).collect::<String>()
    ));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
