//! Times and memory of a run, for benches.
//!
//! CPU time comes from `/proc/self/stat`: it counts threads that have ended as well, in ticks of
//! 10 ms. Anonymous memory is `RssAnon` of `/proc/self/status`, sampled while the program works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TICK_MS: u64 = 10;
const SAMPLE: Duration = Duration::from_millis(25);

/// Milestones of one run.
pub(super) struct Clock {
    start: Instant,
    opened: Option<Instant>,
    indexed: Option<Instant>,
    sampler: Option<Sampler>,
}

struct Sampler {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Clock {
    /// Starts; nothing but the clock runs unless `wanted`.
    pub fn start(wanted: bool) -> Self {
        let sampler = wanted.then(|| {
            let sampler = Sampler {
                peak: Arc::default(),
                stop: Arc::default(),
            };
            let (peak, stop) = (Arc::clone(&sampler.peak), Arc::clone(&sampler.stop));
            // Without the thread the peak is that of the milestones.
            let _ = std::thread::Builder::new()
                .name("timings".to_owned())
                .spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        peak.fetch_max(anonymous(), Ordering::Relaxed);
                        std::thread::sleep(SAMPLE);
                    }
                });
            sampler
        });
        Self {
            start: Instant::now(),
            opened: None,
            indexed: None,
            sampler,
        }
    }

    /// The arguments are understood; reading begins.
    pub fn opened(&mut self) {
        self.opened = Some(Instant::now());
    }

    /// The index is complete.
    pub fn indexed(&mut self) {
        self.indexed = Some(Instant::now());
        if let Some(sampler) = &self.sampler {
            sampler.peak.fetch_max(anonymous(), Ordering::Relaxed);
        }
    }

    /// Writes one JSON object to standard error, if it was wanted.
    pub fn report(&self, threads: usize) {
        let Some(sampler) = &self.sampler else { return };
        sampler.stop.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let (user, sys) = cpu_ms();
        let anonymous = anonymous();
        let peak = sampler
            .peak
            .fetch_max(anonymous, Ordering::Relaxed)
            .max(anonymous);
        let opened = self.opened.unwrap_or(now);
        let indexed = self.indexed.unwrap_or(opened);
        let ms = |from: Instant, to: Instant| {
            (to.saturating_duration_since(from).as_secs_f64() * 1e6).round() / 1e3
        };
        eprintln!(
            "{{\"wall_ms\":{},\"cpu_ms\":{},\"user_ms\":{user},\"sys_ms\":{sys},\
             \"peak_anonymous_bytes\":{peak},\"anonymous_bytes\":{anonymous},\"threads\":{threads},\
             \"open_ms\":{},\"index_ms\":{},\"output_ms\":{}}}",
            ms(self.start, now),
            user + sys,
            ms(self.start, opened),
            ms(opened, indexed),
            ms(indexed, now),
        );
    }
}

/// CPU time of the process: user, system.
fn cpu_ms() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the name in parentheses and may hold anything.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut ticks = rest
        .split_ascii_whitespace()
        .skip(11)
        .map(|n| n.parse().unwrap_or(0));
    let mut next = || ticks.next().unwrap_or(0_u64).saturating_mul(TICK_MS);
    (next(), next())
}

/// Anonymous memory of the process, in octets.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line
        .and_then(|l| l.split_ascii_whitespace().next())
        .and_then(|n| n.parse().ok());
    kib.unwrap_or(0_u64).saturating_mul(1024)
}
