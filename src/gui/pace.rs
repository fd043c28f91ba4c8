//! How often the index is published: often enough for an eye, seldom enough for the work.

use std::time::{Duration, Instant};

/// The index is published at most once in this time, and at the latest after it.
const PACE: Duration = Duration::from_millis(50);

/// Says when it is time to publish.
pub struct Pace {
    every: Duration,
    last: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::of(PACE)
    }
}

impl Pace {
    /// At most once in this time.
    pub fn of(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// True when it is time; counts from then on.
    pub fn due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= self.every);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_in_its_time_and_not_more_often() {
        let mut pace = Pace::of(Duration::from_secs(3600));
        assert!(pace.due(), "the first comes at once");
        assert!(!pace.due() && !pace.due());
        let mut hurried = Pace::of(Duration::ZERO);
        assert!(hurried.due() && hurried.due());
    }
}
