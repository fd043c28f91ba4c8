//! What can be captured on, with its traffic, while somebody chooses.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::session::Wake;
use crate::source::live::{
    self, Event, LiveError, LiveSource as _, NetworkInterface, Options, Recording, Target,
};

/// Counters of interfaces are read this often while the picker is shown.
const WATCH: Duration = Duration::from_millis(500);
/// Points of a small chart.
const HISTORY: usize = 60;
/// SIP is counted on so many interfaces.
const COUNTED: usize = 16;

/// An interface with its traffic.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The interface.
    pub interface: NetworkInterface,
    /// Packets in each of the last half seconds.
    pub history: Vec<u64>,
    /// Packets on the ports of SIP in each of the last half seconds; none where nobody may count them.
    pub sip: Option<Vec<u64>>,
}

/// Why nobody may capture here, and the command that gives the right to.
pub type Denied = (String, Option<String>);

/// Looks at the interfaces of this machine for as long as it is kept.
pub struct InterfaceWatch {
    list: Arc<ArcSwap<Vec<Watched>>>,
    denied: Arc<OnceLock<Denied>>,
    stop: Arc<AtomicBool>,
}

impl InterfaceWatch {
    /// Begins to look; counts SIP if it may capture.
    pub fn start(wake: Wake, may_capture: bool) -> Self {
        let watch = Self {
            list: Arc::default(),
            denied: Arc::default(),
            stop: Arc::default(),
        };
        let (list, stop) = (Arc::clone(&watch.list), Arc::clone(&watch.stop));
        let denied = Arc::clone(&watch.denied);
        let job = move || {
            let mut before: BTreeMap<String, u64> = live::packet_counters();
            let mut histories: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            let mut counters = SipCounters::new(may_capture);
            while !stop.load(Ordering::Relaxed) {
                let now = live::packet_counters();
                let interfaces = live::interfaces();
                if let Some(words) = counters.look(&interfaces) {
                    // It stays as it was when the picker was opened.
                    let _ = denied.set((words, live::permit_command()));
                }
                let mut watched = Vec::new();
                for interface in interfaces {
                    let grown = match interface.name.as_str() {
                        "any" => growth_of_all(&before, &now),
                        name => growth_of(&before, &now, name),
                    };
                    let history = histories.entry(interface.name.clone()).or_default();
                    push(history, grown);
                    watched.push(Watched {
                        history: history.clone(),
                        sip: counters.history(&interface.name),
                        interface,
                    });
                }
                before = now;
                list.store(Arc::new(watched));
                wake();
                thread::sleep(WATCH);
            }
        };
        // Without the thread the list stays empty, and a name can be typed.
        let _ = thread::Builder::new()
            .name("interfaces".to_owned())
            .spawn(job);
        watch
    }

    /// Why nothing can be captured, once that is known.
    pub fn denied(&self) -> Option<Denied> {
        self.denied.get().cloned()
    }

    /// What was seen last.
    pub fn list(&self) -> Arc<Vec<Watched>> {
        self.list.load_full()
    }
}

impl Drop for InterfaceWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn push(history: &mut Vec<u64>, count: u64) {
    history.push(count);
    let more = history.len().saturating_sub(HISTORY);
    history.drain(..more);
}

fn growth_of(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>, name: &str) -> u64 {
    match (before.get(name), now.get(name)) {
        (Some(before), Some(now)) => now.saturating_sub(*before),
        _ => 0,
    }
}

fn growth_of_all(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> u64 {
    now.keys().map(|name| growth_of(before, now, name)).sum()
}

/// Counts packets on the ports of SIP, by a capture program for each interface. Nothing of them is
/// kept.
struct SipCounters {
    /// It may capture, as far as is known.
    may: bool,
    running: BTreeMap<String, SipCounter>,
}

struct SipCounter {
    /// None when this interface cannot be captured.
    recording: Option<Recording>,
    counted: u64,
    history: Vec<u64>,
}

impl SipCounters {
    fn new(may: bool) -> Self {
        Self {
            may: may && live::program().is_some(),
            running: BTreeMap::new(),
        }
    }

    /// Why this user may not capture at all, when that is so.
    fn look(&mut self, interfaces: &[NetworkInterface]) -> Option<String> {
        for interface in interfaces.iter().filter(|i| i.up) {
            let known = self.running.contains_key(&interface.name);
            if self.may && !known && self.running.len() < COUNTED {
                let counter = SipCounter {
                    recording: begin(interface),
                    counted: 0,
                    history: Vec::new(),
                };
                self.running.insert(interface.name.clone(), counter);
            }
        }
        let mut counters = self.running.values_mut();
        let denied = counters.find_map(SipCounter::look)?;
        self.may = false;
        self.running.clear();
        Some(denied)
    }

    fn history(&self, name: &str) -> Option<Vec<u64>> {
        let counter = self.running.get(name)?;
        counter.recording.as_ref()?;
        Some(counter.history.clone())
    }
}

impl SipCounter {
    /// Why this user may not capture at all, when that is so.
    fn look(&mut self) -> Option<String> {
        let recording = self.recording.as_mut()?;
        let mut failed = None;
        while let Some(event) = recording.next_event(Duration::ZERO) {
            if let Event::Failed(error) = event {
                failed = Some(error);
            }
        }
        let count = recording.counts().packets;
        push(&mut self.history, count.saturating_sub(self.counted));
        self.counted = count;
        let failed = failed?;
        self.recording = None;
        matches!(failed, LiveError::NotPermitted { .. }).then(|| failed.to_string())
    }
}

fn begin(interface: &NetworkInterface) -> Option<Recording> {
    let nothing = File::options().append(true).open("/dev/null").ok()?;
    let options = Options {
        interface: interface.name.clone(),
        filter: live::sip_filter(interface.link_type == Some(1)),
        snap_octets: Some(64),
        buffer_mebibytes: Some(2),
        ..Options::default()
    };
    Recording::start(options, Target::unnamed(nothing)).ok()
}
