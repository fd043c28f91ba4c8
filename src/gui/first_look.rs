//! The pause after the first rows: people see the start of a large capture as soon as that of a
//! small one.
//!
//! Workers that load take all cores, and the window then waits for its first pictures. So they
//! rest after the first view until its rows have been painted, or for as long as [`PATIENCE`].

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::pace::Pace;

/// A window that is not painted (hidden, on another desktop) holds nothing up for longer.
const PATIENCE: Duration = Duration::from_millis(700);

#[derive(Default)]
struct Shared {
    painted: Mutex<bool>,
    changed: Condvar,
}

/// The window's end; the workers go on when it is dropped.
#[derive(Default)]
pub struct FirstLook {
    shared: Arc<Shared>,
    /// The frame that ends next paints rows.
    rows_there: bool,
}

/// The workers' end.
pub struct Rest {
    shared: Arc<Shared>,
    published: u32,
    pace: Pace,
}

impl FirstLook {
    /// Something that says when to publish, at most as often as `pace` says.
    pub fn rest(&self, pace: Pace) -> Rest {
        Rest {
            shared: Arc::clone(&self.shared),
            published: 0,
            pace,
        }
    }

    /// Called when a frame begins; true when rows have been painted and this is of no more use.
    pub fn begin_frame(&mut self, rows_there: bool) -> bool {
        let painted = self.rows_there;
        self.rows_there = rows_there;
        painted
    }
}

impl Drop for FirstLook {
    fn drop(&mut self) {
        let painted = &self.shared.painted;
        *painted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_all();
    }
}

impl Rest {
    /// True when the index shall be published now; rests first when that was done once.
    pub fn due(&mut self) -> bool {
        if self.published == 1 {
            self.published = 2;
            let painted = &self.shared.painted;
            let painted = painted.lock().unwrap_or_else(PoisonError::into_inner);
            // Whether it was painted or the time is over, the work goes on.
            let _ = self
                .shared
                .changed
                .wait_timeout_while(painted, PATIENCE, |painted| !*painted);
        }
        let due = self.pace.due();
        if due {
            self.published = self.published.max(1);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn workers_go_on_when_the_rows_are_painted() {
        let mut look = FirstLook::default();
        let mut rest = look.rest(Pace::of(Duration::ZERO));
        assert!(rest.due(), "the first view comes at once");
        let worker = std::thread::spawn(move || rest.due());
        assert!(!look.begin_frame(false) && !look.begin_frame(true));
        assert!(!worker.is_finished());
        assert!(look.begin_frame(true));
        let since = Instant::now();
        drop(look);
        assert!(worker.join().is_ok_and(|due| due));
        assert!(since.elapsed() < PATIENCE);
    }
}
