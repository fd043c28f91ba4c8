//! The mix of the traffic: what comes next, and how often.

use crate::call::Call;
use crate::calls::call;
use crate::services::{ping, publication, registration, subscription, text};
use crate::world::World;

/// What becomes of the call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    Fork,
    Cancelled,
    CancelTooLate,
    NoAnswer,
    Failed(u16, &'static str),
    /// The proxy knows it will not work: nothing behind it hears of the call.
    ProxyFailed(u16, &'static str),
    Challenged,
    Redirected,
    NoResponse,
    NoAck,
    Unfinished(&'static str),
    Middle,
}

/// Starts whatever comes next, mostly one call, sometimes two that belong together.
pub fn next(world: &mut World, now: u64) -> Vec<Call> {
    if world.media_only {
        return call(world, now, Outcome::Answered);
    }
    match world.rng.below(1000) {
        0..150 => vec![registration(world, now)],
        150..240 => vec![ping(world, now, true)],
        240..290 => vec![text(world, now)],
        290..335 => vec![subscription(world, now)],
        335..350 => vec![publication(world, now)],
        _ => {
            let outcome = outcome(world);
            call(world, now, outcome)
        }
    }
}

fn outcome(world: &mut World) -> Outcome {
    if world.ending && world.rng.chance(150) {
        let states = ["calling", "ringing", "early_media"];
        return Outcome::Unfinished(world.rng.pick::<&str>(&states));
    }
    if world.beginning && world.rng.chance(60) {
        return Outcome::Middle;
    }
    match world.rng.below(1000) {
        0..630 => Outcome::Answered,
        630..710 => Outcome::Fork,
        710..790 => Outcome::Cancelled,
        790..793 => Outcome::CancelTooLate,
        793..830 => Outcome::NoAnswer,
        830..885 => Outcome::Failed(486, "busy"),
        885..890 => Outcome::Failed(600, "busy"),
        890..905 => Outcome::Failed(603, "declined"),
        905..915 => Outcome::Failed(488, "rejected"),
        915..920 => Outcome::Failed(403, "rejected"),
        920..925 => Outcome::Failed(500, "failed"),
        925..930 => Outcome::Failed(480, "failed"),
        930..955 => Outcome::ProxyFailed(404, "not_found"),
        955..960 => Outcome::ProxyFailed(410, "not_found"),
        960..968 => Outcome::ProxyFailed(503, "failed"),
        968..973 => Outcome::ProxyFailed(484, "failed"),
        973..979 => Outcome::ProxyFailed(403, "rejected"),
        979..984 => Outcome::Challenged,
        984..989 => Outcome::Redirected,
        989..997 => Outcome::NoResponse,
        _ => Outcome::NoAck,
    }
}
