//! How long the view of a live capture stands still when the oldest messages leave memory.
//!
//! ```text
//! cargo run --release --no-default-features --example ring_pauses -- CAPTURE MEBIBYTES
//! ```
//!
//! Follows a pcap or pcapng as if somebody wrote it just now, within so much memory, and prints the
//! longest times between two views while messages left, and while none did.

#![allow(clippy::print_stdout)]

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sipscope::ingest::{self, Feed, GrowingFile, Options};
use sipscope::source::Growth;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(mebibytes)) = (args.next(), args.next().and_then(|n| n.parse().ok()))
    else {
        eprintln!("usage: ring_pauses CAPTURE MEBIBYTES");
        std::process::exit(2);
    };
    let mebibytes: usize = mebibytes;
    let growth = Growth::default();
    // It ends at its end.
    growth.finish();
    let path = PathBuf::from(path);
    let feed = Feed::of(GrowingFile {
        file: File::open(&path)?,
        path,
        growth,
    });
    let options = Options {
        memory_octets: Some(mebibytes << 20),
        threads: 1,
        ..Options::default()
    };
    let begun = Instant::now();
    let mut published = begun;
    let pace = move || {
        let due = published.elapsed() >= Duration::from_millis(10);
        if due {
            published = Instant::now();
        }
        due
    };
    let wake = std::sync::Arc::new(|| {});
    let loading = ingest::follow(vec![feed], options, Box::new(pace), wake);
    let mut last = (Instant::now(), 0, 0);
    let (mut while_leaving, mut otherwise) = (Vec::new(), Vec::new());
    loop {
        let over = loading.loaded().is_some();
        let view = loading.view();
        let now = (view.messages().end(), view.left.messages);
        if now.0 != last.1 {
            let pause = last.0.elapsed();
            let list = match now.1 > last.2 {
                true => &mut while_leaving,
                false => &mut otherwise,
            };
            list.push(pause);
            last = (Instant::now(), now.0, now.1);
        }
        if over {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    println!(
        "{} messages in {:.1} s, {} of them left memory",
        last.1,
        begun.elapsed().as_secs_f64(),
        last.2
    );
    for (what, mut pauses) in [
        ("while messages left", while_leaving),
        ("otherwise", otherwise),
    ] {
        pauses.sort_unstable();
        pauses.reverse();
        let shown: Vec<String> = pauses
            .iter()
            .take(8)
            .map(|pause| format!("{:.0}", pause.as_secs_f64() * 1000.0))
            .collect();
        println!(
            "{what}: {} views, the longest waits {} ms",
            pauses.len(),
            shown.join(" ")
        );
    }
    Ok(())
}
