//! How long the view of a live capture stands still when the oldest messages leave memory.
//!
//! ```text
//! cargo run --release --no-default-features --example ring_pauses -- CAPTURE MEBIBYTES [PACE]
//! ```
//!
//! Follows a pcap or pcapng as if somebody wrote it just now, within so much memory, and prints the
//! longest times between two views while messages left, and while none did. With a pace, the packets
//! of a pcap (each a message) are written to `CAPTURE.paced` at so many a second, and it prints also how
//! long the last of each 5 ms took to be in a view.

#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use sipscope::ingest::{self, Feed, GrowingFile, Options};
use sipscope::source::Growth;

/// Writes so many packets a second, and tells when how many were there.
fn write_paced(
    from: &Path,
    mut to: File,
    pace: f64,
    written: &Sender<(Instant, u64)>,
) -> io::Result<()> {
    let mut from = BufReader::new(File::open(from)?);
    let mut head = [0; 24];
    from.read_exact(&mut head)?;
    to.write_all(&head)?;
    let (begun, mut packets, mut out) = (Instant::now(), 0_u64, Vec::new());
    loop {
        std::thread::sleep(Duration::from_millis(5));
        let due = (begun.elapsed().as_secs_f64() * pace) as u64;
        let mut over = false;
        while packets < due && !over {
            let mut head = [0; 16];
            over = from.read_exact(&mut head).is_err();
            if !over {
                let [.., a, b, c, d, _, _, _, _] = head;
                let begin = out.len() + head.len();
                out.extend(head);
                out.resize(begin + u32::from_le_bytes([a, b, c, d]) as usize, 0);
                from.read_exact(out.get_mut(begin..).unwrap_or_default())?;
                packets += 1;
            }
        }
        to.write_all(&out)?;
        out.clear();
        // Nobody listens any more when the other side ended.
        let _ = written.send((Instant::now(), packets));
        if over {
            return Ok(());
        }
    }
}

fn longest(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    times.reverse();
    let shown: Vec<String> = times
        .iter()
        .take(8)
        .map(|time| format!("{:.0}", time.as_secs_f64() * 1000.0))
        .collect();
    format!("{} times, the longest {} ms", times.len(), shown.join(" "))
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(mebibytes)) = (args.next(), args.next().and_then(|n| n.parse().ok()))
    else {
        eprintln!("usage: ring_pauses CAPTURE MEBIBYTES [PACE]");
        std::process::exit(2);
    };
    let mebibytes: usize = mebibytes;
    let pace: Option<f64> = args.next().and_then(|n| n.parse().ok());
    let growth = Growth::default();
    let mut path = PathBuf::from(path);
    let (send, written) = mpsc::channel();
    if let Some(pace) = pace {
        let from = path.clone();
        path.as_mut_os_string().push(".paced");
        let (to, growth) = (File::create(&path)?, growth.clone());
        std::thread::spawn(move || {
            if let Err(error) = write_paced(&from, to, pace, &send) {
                eprintln!("{error}");
            }
            growth.finish();
        });
    } else {
        // It ends at its end.
        growth.finish();
    }
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
    let (mut behind, mut next) = (Vec::new(), None);
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
        while let Some((when, count)) = next.take().or_else(|| written.try_recv().ok()) {
            if count > now.0 as u64 {
                next = Some((when, count));
                break;
            }
            behind.push(Instant::now() - when);
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
    for (what, times) in [
        ("between two views while messages left", while_leaving),
        ("between two views otherwise", otherwise),
        ("from written to seen", behind),
    ] {
        println!("{what}: {}", longest(times));
    }
    Ok(())
}
