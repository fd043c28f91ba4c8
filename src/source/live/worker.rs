//! A live source whose packets come to threads of this process.

use std::{
    collections::VecDeque,
    fs::File,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use super::{Agent, Counts, Event, LiveError, LiveSource};

/// Threads get this long to end the file.
const ENDING: Duration = Duration::from_secs(2);
/// Most marks that wait for a packet.
const MARKS: usize = 64;

/// A live source whose packets come to threads of this process; they end when it is dropped.
pub struct Worker {
    name: String,
    events: Receiver<Event>,
    shared: Arc<Shared>,
    over: bool,
}

/// What the threads and their owner both know.
#[derive(Default)]
pub(in crate::source) struct Shared {
    state: Mutex<State>,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    counts: Counts,
    path: PathBuf,
    files: VecDeque<(PathBuf, File)>,
    marks: VecDeque<String>,
    agents: Vec<Agent>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The owner wants an end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the threads.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// A comment for the next packet.
    pub fn take_mark(&self) -> Option<String> {
        self.state().marks.pop_front()
    }

    /// The newest counters.
    pub fn set_counts(&self, counts: Counts) {
        self.state().counts = counts;
    }

    /// Who sent packets.
    pub fn set_agents(&self, agents: Vec<Agent>) {
        self.state().agents = agents;
    }

    /// This file was begun; the reader is for somebody who follows it.
    pub fn begin_file(&self, path: PathBuf, reader: Option<(PathBuf, File)>) {
        let mut state = self.state();
        state.path = path;
        state.files.extend(reader);
    }
}

impl Worker {
    /// What threads do that tell `events` and know `shared`.
    pub(in crate::source) fn new(
        name: String,
        events: Receiver<Event>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            name,
            events,
            shared,
            over: false,
        }
    }
}

impl LiveSource for Worker {
    fn name(&self) -> &str {
        &self.name
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        if self.over {
            return None;
        }
        let event = match self.events.recv_timeout(patience) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => Event::Failed(LiveError::Interface {
                interface: self.name.clone(),
                why: "its thread ended without a word".to_owned(),
            }),
        };
        self.over = is_last(&event);
        Some(event)
    }

    fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    fn path(&self) -> PathBuf {
        self.shared.state().path.clone()
    }

    fn next_file(&mut self) -> Option<(PathBuf, File)> {
        self.shared.state().files.pop_front()
    }

    fn stop(&self) {
        self.shared.stop();
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn mark(&self, text: &str) {
        let mut state = self.shared.state();
        if state.marks.len() < MARKS {
            state.marks.push_back(text.replace(['\n', '\r'], " "));
        }
    }

    fn agents(&self) -> Vec<Agent> {
        self.shared.state().agents.clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop();
        // Its last word is that the file is whole.
        while !self.over
            && self
                .events
                .recv_timeout(ENDING)
                .is_ok_and(|event| !is_last(&event))
        {}
    }
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::Ended | Event::Failed(_))
}
