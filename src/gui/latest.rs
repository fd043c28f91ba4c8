//! A worker that answers the newest question.
//!
//! The window asks whenever something changed and shows the last answer until a newer one is
//! there. Questions that nobody got to are dropped. After heavy work the worker rests, so that
//! lists that follow a growing capture do not slow down its loading.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// Rest after each answer, in times the work took.
const REST_FACTOR: u32 = 6;
const LONGEST_REST: Duration = Duration::from_secs(1);

struct Shared<Q> {
    state: Mutex<State<Q>>,
    changed: Condvar,
}

struct State<Q> {
    question: Option<Q>,
    urgent: bool,
    closed: bool,
    busy: bool,
}

/// Tells a piece of work whether its answer is still wanted.
pub struct Wanted<'a>(&'a (dyn Fn() -> bool + Sync));

impl Wanted<'_> {
    /// False once there is a newer question of a person, or the window is gone.
    pub fn still(&self) -> bool {
        (self.0)()
    }
}

/// The worker, as the window sees it.
pub struct Latest<Q, A> {
    shared: Arc<Shared<Q>>,
    answer: Arc<ArcSwapOption<A>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Q: Send + 'static, A: Send + Sync + 'static> Latest<Q, A> {
    /// Starts it. `work` gives no answer when it was no longer wanted; `wake` tells the window.
    pub fn spawn(
        name: &str,
        wake: Arc<dyn Fn() + Send + Sync>,
        mut work: impl FnMut(Q, &Wanted<'_>) -> Option<A> + Send + 'static,
    ) -> Self {
        let state = State {
            question: None,
            urgent: false,
            closed: false,
            busy: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let answer = Arc::new(ArcSwapOption::empty());
        let (theirs, place) = (Arc::clone(&shared), Arc::clone(&answer));
        let job = move || {
            while let Some(question) = next(&theirs) {
                let since = Instant::now();
                let still = || {
                    let state = lock(&theirs.state);
                    !(state.closed || state.urgent && state.question.is_some())
                };
                // A defect in the work must cost one answer, not all that would follow.
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    work(question, &Wanted(&still))
                }));
                if let Ok(Some(new)) = outcome {
                    place.store(Some(Arc::new(new)));
                }
                lock(&theirs.state).busy = false;
                wake();
                rest(
                    &theirs,
                    since
                        .elapsed()
                        .saturating_mul(REST_FACTOR)
                        .min(LONGEST_REST),
                );
            }
        };
        if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(job) {
            log::error!("no thread for {name}: {error}");
        }
        Self { shared, answer }
    }
}

impl<Q, A> Latest<Q, A> {
    /// Asks; an earlier question that still waits is dropped. A person waits for urgent ones.
    pub fn ask(&self, question: Q, urgent: bool) {
        let mut state = lock(&self.shared.state);
        state.question = Some(question);
        state.urgent |= urgent;
        self.shared.changed.notify_all();
    }

    /// The newest answer.
    pub fn answer(&self) -> Option<Arc<A>> {
        self.answer.load_full()
    }

    /// Forgets the answer.
    pub fn clear(&self) {
        lock(&self.shared.state).question = None;
        self.answer.store(None);
    }

    /// True while a question waits or is worked on.
    pub fn is_busy(&self) -> bool {
        let state = lock(&self.shared.state);
        state.busy || state.question.is_some()
    }
}

impl<Q, A> Drop for Latest<Q, A> {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
    }
}

fn next<Q>(shared: &Shared<Q>) -> Option<Q> {
    let mut state = lock(&shared.state);
    loop {
        if state.closed {
            return None;
        }
        if let Some(question) = state.question.take() {
            state.urgent = false;
            state.busy = true;
            return Some(question);
        }
        state = shared
            .changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

fn rest<Q>(shared: &Shared<Q>, how_long: Duration) {
    let until = Instant::now() + how_long;
    let mut state = lock(&shared.state);
    while !state.closed && !state.urgent {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        state = shared
            .changed
            .wait_timeout(state, left)
            .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_newest_question_is_answered() {
        let (done, woken) = mpsc::channel();
        let done = Mutex::new(done);
        let wake = Arc::new(move || lock(&done).send(()).unwrap());
        let worker = Latest::spawn("test", wake, |q: u32, _| Some(q * 2));
        for q in 1..=100 {
            worker.ask(q, true);
        }
        while worker.answer().is_none_or(|answer| *answer != 200) {
            woken.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        worker.clear();
        assert!(worker.answer().is_none());
    }

    #[test]
    fn a_panic_costs_one_answer() {
        let (done, woken) = mpsc::channel();
        let done = Mutex::new(done);
        let wake = Arc::new(move || lock(&done).send(()).unwrap());
        let worker = Latest::spawn("test", wake, |q: u32, _| {
            Some(100_u32.checked_div(q).unwrap())
        });
        worker.ask(0, true);
        woken.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(worker.answer().is_none());
        worker.ask(5, true);
        woken.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(*worker.answer().unwrap(), 20);
    }
}
