//! How far a long piece of work is, and whether somebody still wants it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by who works and who waits.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<State>);

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    remark: Mutex<Option<String>>,
}

impl Watch {
    /// It is not wanted any more.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// True when it is not wanted any more.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// So much is done of so much.
    pub fn set(&self, done: u64, total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
        self.0.done.store(done, Ordering::Relaxed);
    }

    /// Something to be said of the result.
    pub fn say(&self, remark: &str) {
        let mut place = self.0.remark.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(remark.to_owned());
    }

    /// What was said of the result.
    pub fn remark(&self) -> Option<String> {
        let remark = self.0.remark.lock();
        remark.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is done, from 0 to 1; none while nobody knows.
    pub fn share(&self) -> Option<f32> {
        let total = self.0.total.load(Ordering::Relaxed);
        let done = self.0.done.load(Ordering::Relaxed);
        (total > 0).then(|| (done as f64 / total as f64).min(1.0) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_the_same() {
        let watch = Watch::default();
        let theirs = watch.clone();
        assert_eq!(watch.share(), None);
        theirs.set(3, 4);
        assert_eq!(watch.share(), Some(0.75));
        theirs.set(5, 4);
        assert_eq!(watch.share(), Some(1.0));
        theirs.say("without its keys");
        assert_eq!(watch.remark().as_deref(), Some("without its keys"));
        watch.stop();
        assert!(theirs.is_stopped());
    }
}
