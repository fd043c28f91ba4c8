//! What a filter costs on an index, without making the index and without output.
//!
//! ```text
//! cargo run --release --no-default-features --example filter_times -- CAPTURE [FILTER...]
//! ```
//!
//! Prints for each filter the median wall time of making it ready for the index and asking it for
//! all messages, and how many it let through.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use sipscope::index::filter::Filter;
use sipscope::ingest;

/// Filters on indexed fields, one of each kind of question.
const FILTERS: [&str; 10] = [
    "method == BYE",
    "status >= 400",
    "request",
    "retransmission",
    "ip.addr == 10.0.0.1",
    "from_user contains \"10\"",
    "call_id == \"x\"",
    "method == INVITE and status == 486",
    // These read all messages, from the page cache.
    "text contains \"z9hG4bKnothing\"",
    "text contains \"SIP/2.0 486\"",
];
const ROUNDS: usize = 9;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let Some(file) = args.next().map(PathBuf::from) else {
        eprintln!("usage: filter_times CAPTURE [FILTER...]");
        std::process::exit(2);
    };
    let mut filters: Vec<String> = args.map(|a| a.to_string_lossy().into_owned()).collect();
    if filters.is_empty() {
        filters = FILTERS.map(str::to_owned).to_vec();
    }
    let loaded = ingest::load(&[file], &ingest::Options::default());
    let view = &loaded.view;
    println!(
        "{} messages, {} texts, {} parties, {} flows",
        view.messages().len(),
        view.texts().len(),
        view.all_parties().len(),
        view.flows().len()
    );
    for text in &filters {
        let filter = match Filter::parse(text) {
            Ok(filter) => filter,
            Err(error) => {
                println!("{text}: {error}");
                continue;
            }
        };
        let mut found = 0;
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let begin = Instant::now();
                let ready = filter.compile(view);
                found = if ready.needs_bytes() {
                    let (stop, threads) = (AtomicBool::new(false), 2);
                    ready
                        .search(view, &*loaded.bytes, threads, &stop, &|_, _| ())
                        .map_or(0, |found| found.len())
                } else {
                    ready.run(view).len()
                };
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
        println!("{median:>10.2?}  {found:>9}  {text}");
    }
}
