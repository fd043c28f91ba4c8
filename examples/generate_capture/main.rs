//! Writes a capture of SIP (and RTP) traffic that looks like real traffic, and what is in it.
//!
//! ```text
//! cargo run --release --example generate_capture -- --set Q --out q.pcap --truth q.json
//! ```
//!
//! The same arguments give the same bytes. The capture is written as if taken on a switch in the middle:
//! every hop of a call is seen, nothing is lost before the capture point, and no packet is seen twice.
//! What counts as what in the truth file is said in `truth.rs`.

mod body;
mod builder;
mod call;
mod calls;
mod people;
mod rng;
mod scenario;
mod services;
mod simulation;
mod talk;
mod tcp;
mod text;
mod truth;
mod wire;
mod world;

use clap::{Parser, ValueEnum};
use simulation::{Simulation, Wanted};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use truth::Truth;
use wire::Capture;
use world::World;

/// Ready-made sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Set {
    /// 16,000 messages.
    S,
    /// 160,000 messages, about 100 MB.
    Q,
    /// 1.6 million messages, about 1 GB.
    M,
    /// One dialog of 50,000 messages.
    X,
    /// Two million RTP packets, about 500 MB.
    R,
    /// 160,000 messages, all over TCP, every connection out of order.
    H,
}

/// Writes a capture of made-up SIP traffic and exactly what is in it.
#[derive(Parser)]
struct Arguments {
    /// Kind and size of the traffic.
    #[arg(long, value_enum, ignore_case = true, default_value = "S")]
    set: Set,
    /// SIP messages, instead of the number of the set.
    #[arg(long)]
    messages: Option<u64>,
    /// RTP packets, instead of the number of the set (none but in R).
    #[arg(long)]
    rtp: Option<u64>,
    /// The same seed gives the same capture.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The pcap file to write.
    #[arg(long)]
    out: PathBuf,
    /// Where to write what is in it, as JSON.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Adds every message and call to the truth (at most 200,000 messages).
    #[arg(long, requires = "truth")]
    truth_messages: bool,
    /// Time stamps in nanoseconds.
    #[arg(long)]
    nanoseconds: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let set = arguments.set;
    let messages = arguments.messages.unwrap_or(match set {
        Set::S => 16_000,
        Set::Q | Set::H => 160_000,
        Set::M => 1_600_000,
        Set::X => 50_000,
        Set::R => 0,
    });
    if set == Set::X && messages < 10 {
        return Err("a dialog of fewer than ten messages is none".into());
    }
    if set != Set::R && messages == 0 {
        return Err("no messages wanted".into());
    }
    if arguments.truth_messages && messages > 200_000 {
        return Err("a list of more than 200,000 messages is too long".into());
    }
    let rtp = arguments
        .rtp
        .unwrap_or(if set == Set::R { 2_000_000 } else { 0 });
    let world = World::new(arguments.seed, set == Set::H, rtp, set == Set::R);
    let capture = Capture::create(&arguments.out, arguments.nanoseconds)?;
    let wanted = Wanted {
        // In R there are as many calls as the RTP needs.
        messages: if set == Set::R { 0 } else { messages },
        one_dialog: set == Set::X,
        pause: if set == Set::R {
            250_000_000
        } else {
            30_000_000
        },
    };
    let truth = Truth::new(arguments.truth_messages);
    let (capture, truth) = Simulation::new(world, capture, truth, wanted).run()?;
    if let Some(path) = arguments.truth {
        let mut out = BufWriter::new(File::create(path)?);
        truth.write(&mut out, &format!("{set:?}"), arguments.seed, &capture)?;
        out.flush()?;
    }
    println!(
        "{}: {} messages, {} packets, {} octets",
        arguments.out.display(),
        truth.messages,
        capture.frames(),
        capture.bytes()
    );
    capture.finish()?;
    Ok(())
}
