//! Work in pieces, on several threads, with the results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Pieces that may be finished before their turn, for each thread: bounds the memory.
const AHEAD: usize = 4;

/// Makes the pieces 0 to `count` on `threads` threads, and hands them to `take` in order.
/// The first error of `take` ends the work.
pub(super) fn in_order<T: Send, E>(
    count: usize,
    threads: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.clamp(1, count.max(1));
    if threads == 1 {
        return (0..count).try_for_each(|piece| take(make(piece)));
    }
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done: Mutex<(BTreeMap<usize, T>, usize)> = Mutex::new((BTreeMap::new(), 0));
    let changed = Condvar::new();
    let work = || {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count {
                return;
            }
            {
                let mut state = done.lock().unwrap_or_else(PoisonError::into_inner);
                while piece > state.1 + AHEAD * threads && !stop.load(Ordering::Relaxed) {
                    state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let made = make(piece);
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .insert(piece, made);
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
        let mut result = Ok(());
        for piece in 0..count {
            let made = {
                let mut state = done.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if let Some(made) = state.0.remove(&piece) {
                        state.1 = piece + 1;
                        break made;
                    }
                    state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            changed.notify_all();
            result = take(made);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
                next.store(count, Ordering::Relaxed);
                changed.notify_all();
                break;
            }
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let mut seen = Vec::new();
            let result: Result<(), ()> = in_order(
                1000,
                threads,
                |i| i * 2,
                |v| {
                    seen.push(v);
                    Ok(())
                },
            );
            assert_eq!(result, Ok(()));
            assert!(seen.iter().copied().eq((0..1000).map(|i| i * 2)));
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let mut taken = 0;
        let result = in_order(
            100_000,
            3,
            |i| i,
            |_| {
                taken += 1;
                if taken == 5 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((result, taken), (Err("enough"), 5));
    }
}
