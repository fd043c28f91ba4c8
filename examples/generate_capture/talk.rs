//! What happens inside an answered call: re-INVITE, UPDATE, REFER and the rest, media, hanging up.

use crate::builder::{Builder, MS, SECOND};
use crate::call::{Body, Call, Rtp, Step};
use crate::world::{Callee, World};

/// Directions of an SDP body that is neither hold nor resume.
pub const BOTH: &str = "sendrecv";

/// The hops of a leg, nearest the caller first.
pub fn path(b: &Builder<'_>) -> Vec<u8> {
    (0..=b.call.common as u8).collect()
}

/// The same from the far end.
pub fn back(b: &Builder<'_>) -> Vec<u8> {
    (0..=b.call.common as u8).rev().collect()
}

/// A talk with nothing in it but media; gives the number of RTP packets it will have.
pub fn talk(b: &mut Builder<'_>, hold_ms: u64, left: u64) -> u64 {
    let packets = (hold_ms / 10).min(left);
    let start = b.now + 20 * MS;
    let codec = b.call.parties[0].profile.codecs[0].0;
    b.call.rtp = Some(Rtp {
        left: [packets - packets / 2, packets / 2],
        sequence: [b.rng.bits() as u16, b.rng.bits() as u16],
        timestamp: [b.rng.bits() as u32, b.rng.bits() as u32],
        ticks: [0; 2],
        event_left: [0; 2],
        start,
        payload_type: codec,
    });
    // Lost packets make the talk a little longer than its packets.
    b.now = start + packets * 10 * MS + packets * 10 * MS / 50 + SECOND;
    packets
}

/// What happens while people talk; gives when a transferred call starts.
pub fn conversation(b: &mut Builder<'_>, hold_ms: u64) -> Option<u64> {
    let end = b.now + hold_ms * MS;
    let mut version = 1;
    let mut transfer = None;
    for _ in 0..3 {
        let room = end.saturating_sub(b.now);
        if room < 4 * SECOND {
            break;
        }
        b.wait(1_000, (room / MS / 3).max(1_001));
        let backwards = b.rng.chance(400);
        version += 1;
        match b.rng.below(1000) {
            0..90 => {
                re_invite(
                    b,
                    backwards,
                    Body::Sdp(version, "sendonly"),
                    Body::Sdp(version, "recvonly"),
                );
                b.wait(1_000, 20_000);
                version += 1;
                re_invite(
                    b,
                    backwards,
                    Body::Sdp(version, BOTH),
                    Body::Sdp(version, BOTH),
                );
            }
            90..120 => re_invite(
                b,
                backwards,
                Body::Sdp(version, BOTH),
                Body::Sdp(version, BOTH),
            ),
            120..130 => rejected_re_invite(b, backwards, version),
            130..190 => {
                let update = b.inside("UPDATE", backwards, 0);
                b.transact(update, 200, Body::None);
            }
            190..240 => {
                for digit in 0..b.rng.range(1, 6) as u32 {
                    let info = b.inside("INFO", backwards, 0);
                    b.transact(
                        Step {
                            body: Body::Dtmf(digit * 7),
                            ..info
                        },
                        200,
                        Body::None,
                    );
                    b.wait(200, 900);
                }
            }
            240..255 => {
                let ping = b.inside("OPTIONS", backwards, 0);
                b.transact(ping, 200, Body::None);
            }
            255..265 => {
                let message = b.inside("MESSAGE", backwards, 0);
                b.transact(
                    Step {
                        body: Body::Text(5),
                        ..message
                    },
                    200,
                    Body::None,
                );
            }
            265..290 => {
                // The callee sends the caller on (RFC 3515), who reports how it goes.
                let refer = b.inside("REFER", true, 0);
                b.transact(refer, 202, Body::None);
                let trying = b.inside("NOTIFY", false, 0);
                b.transact(
                    Step {
                        body: Body::SipFrag(100),
                        ..trying
                    },
                    200,
                    Body::None,
                );
                transfer = Some(b.now);
                b.wait(2_000, 6_000);
                let done = b.inside("NOTIFY", false, 0);
                b.transact(
                    Step {
                        body: Body::SipFrag(200),
                        ..done
                    },
                    200,
                    Body::None,
                );
                b.gap(10_000, 200_000);
                return transfer;
            }
            _ => {}
        }
    }
    b.now = b.now.max(end);
    transfer
}

fn re_invite(b: &mut Builder<'_>, backwards: bool, offer: Body, answer: Body) {
    let invite = Step {
        body: offer,
        ..b.inside("INVITE", backwards, 0)
    };
    b.invite(invite);
    b.gap(5_000, 150_000);
    b.answer(invite, answer);
}

fn rejected_re_invite(b: &mut Builder<'_>, backwards: bool, version: u32) {
    let invite = Step {
        body: Body::Sdp(version, BOTH),
        ..b.inside("INVITE", backwards, 0)
    };
    b.invite(invite);
    b.gap(5_000, 50_000);
    let hops = if backwards { path(b) } else { back(b) };
    b.fail(invite, 488, invite.tag, &hops);
}

/// One of them hangs up, or the capture ends before.
pub fn finish(b: &mut Builder<'_>, stays_up: bool) {
    if stays_up || b.rng.chance(5) {
        b.call.state = "answered";
        return;
    }
    let backwards = b.rng.chance(400);
    hang_up(b, backwards, 0);
}

/// BYE and its 200 on a leg.
pub fn hang_up(b: &mut Builder<'_>, backwards: bool, leg: u8) {
    let bye = b.inside("BYE", backwards, leg);
    b.transact(bye, 200, Body::None);
    b.call.state = "completed";
    b.call.ended_by = Some(if backwards { "callee" } else { "caller" });
}

/// One dialog with that many messages.
pub fn long_dialog(world: &mut World, now: u64, messages: usize) -> Call {
    let (caller, callee) = (world.user(), Callee::Device(world.user()));
    let tcp = std::mem::take(&mut world.tcp);
    let mut call = world.call("call", caller, false, &[], &[callee]);
    world.tcp = tcp;
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    b.lossy = false;
    let offer = Body::Sdp(0, BOTH);
    let invite = Step {
        initial: true,
        body: offer,
        ..b.request("INVITE", false)
    };
    b.send(invite, 0);
    b.gap(1_000, 5_000);
    b.respond(invite, 180, Body::None, 0);
    b.wait(1_000, 3_000);
    b.answer(invite, offer);
    let mut version = 0;
    // What is left for BYE and its 200.
    while b.call.steps.len() + 2 < messages {
        let left = messages - 2 - b.call.steps.len();
        let backwards = b.rng.chance(450);
        b.wait(40, 160);
        match b.rng.below(10) {
            // INVITE, 200, ACK
            kind if left == 3 || left >= 5 && kind < 2 => {
                version += 1;
                let body = Body::Sdp(version, if version % 4 == 1 { "sendonly" } else { BOTH });
                let invite = Step {
                    body,
                    ..b.inside("INVITE", backwards, 0)
                };
                b.send(invite, 0);
                b.gap(2_000, 30_000);
                b.answer(invite, Body::Sdp(version, BOTH));
            }
            kind if left >= 2 => {
                let method = match kind {
                    2..5 => "INFO",
                    5..7 => "UPDATE",
                    7..9 => "OPTIONS",
                    _ => "MESSAGE",
                };
                let body = match method {
                    "INFO" => Body::Dtmf(left as u32),
                    "MESSAGE" => Body::Text(12),
                    _ => Body::None,
                };
                let request = Step {
                    body,
                    ..b.inside(method, backwards, 0)
                };
                let lost = left >= 6 && b.rng.chance(30);
                let first = b.send(request, 0);
                if lost {
                    b.now += 500 * MS;
                    b.again(first, b.now);
                }
                b.gap(1_000, 10_000);
                b.respond(request, 200, Body::None, 0);
            }
            _ => {
                let info = b.inside("INFO", backwards, 0);
                b.send(info, 0);
            }
        }
    }
    let bye = b.inside("BYE", false, 0);
    b.send(bye, 0);
    b.gap(1_000, 5_000);
    b.respond(bye, 200, Body::None, 0);
    b.call.ended_by = Some("caller");
    b.finish();
    call
}
