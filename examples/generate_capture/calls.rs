//! Calls, from the first INVITE to whatever becomes of them.

use crate::builder::{Builder, MS, SECOND};
use crate::call::{Body, Call, Step};
use crate::people::{User, edge};
use crate::scenario::Outcome;
use crate::talk::{BOTH, back, conversation, finish, hang_up, path, talk};
use crate::world::{Callee, World};
use std::net::SocketAddr;

/// How long people talk, milliseconds.
fn hold(world: &mut World) -> u64 {
    match world.rng.below(10) {
        0..4 => world.rng.range(5_000, 30_000),
        4..8 => world.rng.range(30_000, 120_000),
        _ => world.rng.range(120_000, 300_000),
    }
}

/// A call with that outcome, and perhaps the one it is transferred to.
pub fn call(world: &mut World, now: u64, outcome: Outcome) -> Vec<Call> {
    let v6 = world.v6();
    let mut proxies = world.proxies(v6);
    let caller = world.user();
    let legs = if outcome == Outcome::Fork {
        world.rng.range(2, 3)
    } else {
        1
    };
    let needs_proxy = matches!(
        outcome,
        Outcome::Fork | Outcome::ProxyFailed(..) | Outcome::Challenged | Outcome::NoAnswer
    );
    if needs_proxy && proxies.is_empty() {
        proxies.push(edge(world.rng.below(6), v6));
    }
    let callees: Vec<Callee> = (0..legs).map(|_| Callee::Device(world.user())).collect();
    let mut call = world.call("call", caller, v6, &proxies, &callees);
    let hold = if world.media_only {
        world.rng.range(20_000, 80_000)
    } else {
        hold(world)
    };
    let media = world.rtp_left > 0;
    let stays_up = world.ending && world.rng.chance(400) && !media;
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let mut also = Vec::new();
    match outcome {
        Outcome::Middle => middle(&mut b),
        Outcome::NoResponse => no_response(&mut b),
        _ => {
            let invite = first_invite(&mut b, outcome);
            match outcome {
                Outcome::Answered => {
                    let before_answer = early(&mut b, invite);
                    b.answer(invite, before_answer);
                    if media {
                        let packets = talk(&mut b, hold, world.rtp_left);
                        world.rtp_left -= packets;
                        finish(&mut b, false);
                    } else {
                        let transfer = conversation(&mut b, hold);
                        finish(&mut b, stays_up);
                        also.extend(transfer);
                    }
                }
                Outcome::Fork => fork(&mut b, invite, hold, stays_up),
                Outcome::Cancelled => cancelled(&mut b, invite),
                Outcome::CancelTooLate => cancel_too_late(&mut b, invite, hold),
                Outcome::NoAnswer => no_answer(&mut b, invite),
                Outcome::Failed(status, state) => failed(&mut b, invite, status, state),
                Outcome::NoAck => no_ack(&mut b, invite),
                Outcome::Unfinished(state) => unfinished(&mut b, invite, state),
                // These have been dealt with where the first INVITE went.
                _ => {}
            }
        }
    }
    b.finish();
    let mut calls = vec![call];
    for at in also {
        calls.push(transferred(world, at, caller, v6, &proxies));
    }
    calls
}

/// The INVITE on its way to the callee, after a challenge or redirection perhaps.
fn first_invite(b: &mut Builder<'_>, outcome: Outcome) -> Step {
    let offer = Body::Sdp(0, BOTH);
    let mut invite = Step {
        initial: true,
        body: offer,
        ..b.request("INVITE", false)
    };
    let proxied = b.call.common > 0;
    if outcome == Outcome::Challenged || proxied && b.rng.chance(250) {
        b.pass_invite(invite, &[0]);
        let tag = b.fresh_tag();
        b.fail(invite, 407, tag, &[0]);
        if outcome == Outcome::Challenged {
            b.call.state = "challenged";
            b.call.ended_by = Some("network");
            return invite;
        }
        b.gap(2_000, 30_000);
        invite = Step {
            initial: true,
            auth: true,
            body: offer,
            ..b.request("INVITE", false)
        };
    }
    if let Outcome::ProxyFailed(status, state) = outcome {
        b.pass_invite(invite, &[0]);
        let tag = b.fresh_tag();
        b.fail(invite, status, tag, &[0]);
        b.call.state = state;
        b.call.ended_by = Some("network");
        return invite;
    }
    if outcome == Outcome::Redirected || b.rng.chance(15) {
        b.invite(invite);
        b.gap(20_000, 300_000);
        let (tag, hops) = (b.fresh_tag(), back(b));
        b.fail(invite, 302, tag, &hops);
        if outcome == Outcome::Redirected {
            b.call.state = "redirected";
            b.call.ended_by = Some("callee");
            return invite;
        }
        b.gap(2_000, 30_000);
        b.target = 1;
        let auth = invite.auth;
        invite = Step {
            initial: true,
            auth,
            body: offer,
            ..b.request("INVITE", false)
        };
    }
    match outcome {
        Outcome::Fork => {
            let shared: Vec<u8> = (0..b.call.common as u8).collect();
            b.pass_invite(invite, &shared);
        }
        _ => b.invite(invite),
    }
    invite
}

/// What comes before the answer; gives the body of the 200.
fn early(b: &mut Builder<'_>, invite: Step) -> Body {
    b.wait(200, 2_500);
    let answer = Body::Sdp(0, BOTH);
    match b.rng.below(100) {
        0..66 => {
            b.respond(invite, 180, Body::None, 0);
            // Some remind the caller that it still rings; some try another way first.
            if b.rng.chance(40) {
                b.wait(500, 2_000);
                b.respond(invite, 181, Body::None, 0);
            }
            b.wait(1_000, 15_000);
            answer
        }
        66..80 => {
            b.respond(invite, 183, answer, 0);
            b.wait(1_000, 12_000);
            answer
        }
        80..86 => {
            b.respond(invite, 183, answer, 0);
            b.wait(300, 2_000);
            b.respond(invite, 180, Body::None, 0);
            b.wait(1_000, 12_000);
            answer
        }
        86..97 => {
            let rseq = b.rng.range(1, 900_000) as u32;
            reliable(b, invite, 183, answer, rseq);
            if b.rng.chance(350) {
                let update = b.inside("UPDATE", false, invite.leg);
                b.transact(
                    Step {
                        body: Body::Sdp(1, BOTH),
                        ..update
                    },
                    200,
                    Body::Sdp(1, BOTH),
                );
            }
            b.wait(200, 2_000);
            reliable(b, invite, 180, Body::None, rseq + 1);
            b.wait(1_000, 12_000);
            Body::None
        }
        _ => answer,
    }
}

/// A reliable provisional response and its PRACK (RFC 3262).
fn reliable(b: &mut Builder<'_>, invite: Step, status: u16, body: Body, rseq: u32) {
    b.respond(invite, status, body, rseq);
    let prack = b.inside("PRACK", false, invite.leg);
    // `RAck` names the CSeq of the INVITE.
    let rack = Step {
        rseq,
        expires: invite.cseq,
        ..prack
    };
    b.transact(rack, 200, Body::None);
}

fn fork(b: &mut Builder<'_>, invite: Step, hold_ms: u64, stays_up: bool) {
    let last = b.call.common as u8;
    let legs = b.call.parties.len() as u8 - 1;
    let start = b.now;
    for leg in 0..legs {
        b.now = start + u64::from(leg) * 400_000;
        b.pass_invite(Step { leg, ..invite }, &[last]);
        b.wait(200, 2_000);
        let status = if b.rng.chance(800) { 180 } else { 183 };
        b.respond(Step { leg, ..invite }, status, Body::None, 0);
    }
    b.now = start + 3 * SECOND;
    b.wait(1_000, 12_000);
    let second_answer = b.rng.chance(100);
    b.answer(invite, Body::Sdp(0, BOTH));
    let up = b.now;
    for leg in 1..legs {
        let invite = Step { leg, ..invite };
        if second_answer && leg == 1 {
            // Both pick up at once: the caller takes the first and hangs up on the other (13.2.2.4).
            b.now = up + 30 * MS;
            b.answer(invite, Body::Sdp(0, BOTH));
            let bye = b.inside("BYE", false, leg);
            b.transact(
                Step {
                    losing: true,
                    ..bye
                },
                200,
                Body::None,
            );
        } else {
            b.now = up + u64::from(leg) * 20 * MS;
            b.cancel(invite, &[last]);
            let tag = b.tags[usize::from(leg)];
            b.fail(
                Step {
                    losing: true,
                    ..invite
                },
                487,
                tag,
                &[last],
            );
        }
    }
    b.now = b.now.max(up) + hold_ms * MS;
    finish(b, stays_up);
}

fn cancelled(b: &mut Builder<'_>, invite: Step) {
    if b.rng.chance(850) {
        b.wait(200, 2_500);
        b.respond(invite, 180, Body::None, 0);
    }
    b.wait(800, 15_000);
    let (hops, tag) = (path(b), b.tags[0]);
    b.cancel(invite, &hops);
    let hops = back(b);
    b.fail(invite, 487, tag, &hops);
    b.call.state = "cancelled";
    b.call.ended_by = Some("caller");
}

/// CANCEL and 200 cross: the call is up all the same, and the caller hangs up at once.
fn cancel_too_late(b: &mut Builder<'_>, invite: Step, hold_ms: u64) {
    b.wait(200, 2_500);
    b.respond(invite, 180, Body::None, 0);
    b.wait(800, 9_000 + hold_ms / 100);
    b.cancel(invite, &[0]);
    b.answer(invite, Body::Sdp(0, BOTH));
    b.gap(2_000, 20_000);
    hang_up(b, false, 0);
}

fn no_answer(b: &mut Builder<'_>, invite: Step) {
    b.wait(200, 2_500);
    let ringing = b.respond(invite, 180, Body::None, 0);
    // A reminder each minute keeps proxies from giving up (13.3.1.1). Not over TCP: a new connection in
    // between would leave open whether it is the same hop.
    if b.lossy && b.rng.chance(300) {
        b.now += 60 * SECOND;
        for step in ringing {
            b.again(step, b.now);
            b.gap(300, 2_000);
        }
    }
    b.wait(15_000, 30_000);
    b.call.state = "no_answer";
    let (last, tag) = (b.call.common as u8, b.tags[0]);
    if b.rng.chance(400) {
        let hops = back(b);
        b.fail(invite, 480, tag, &hops);
        b.call.ended_by = Some("callee");
    } else {
        // The last proxy gives up: CANCEL to the callee, 408 to the caller.
        b.cancel(invite, &[last]);
        b.fail(invite, 487, tag, &[last]);
        let (tag, hops) = (b.fresh_tag(), (0..last).rev().collect::<Vec<u8>>());
        b.fail(invite, 408, tag, &hops);
        b.call.ended_by = Some("network");
    }
}

fn failed(b: &mut Builder<'_>, invite: Step, status: u16, state: &'static str) {
    b.wait(100, 1_500);
    if matches!(status, 486 | 600 | 603) && b.rng.chance(400) {
        b.respond(invite, 180, Body::None, 0);
        b.wait(1_000, 8_000);
    }
    let (tag, hops) = (b.tags[0], back(b));
    b.fail(invite, status, tag, &hops);
    b.call.state = state;
    b.call.ended_by = Some("callee");
}

/// Seven times by timer A, until timer B (64 T1).
fn no_response(b: &mut Builder<'_>) {
    let invite = Step {
        initial: true,
        body: Body::Sdp(0, BOTH),
        ..b.request("INVITE", false)
    };
    let first = b.send(invite, 0);
    if b.lossy {
        for after in [500, 1_500, 3_500, 7_500, 15_500, 31_500] {
            let at = b.now + after * MS;
            b.again(first, at);
        }
    }
    b.call.state = "no_response";
    b.call.ended_by = Some("network");
}

/// The 200 never gets its ACK: repeated for 64 T1, then the callee hangs up (13.3.1.4).
fn no_ack(b: &mut Builder<'_>, invite: Step) {
    b.wait(500, 2_000);
    b.respond(invite, 180, Body::None, 0);
    b.wait(1_000, 8_000);
    let start = b.now;
    let answers = b.respond(invite, 200, Body::Sdp(0, BOTH), 0);
    if b.lossy {
        for after in [
            500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
        ] {
            b.now = start + after * MS;
            for answer in answers.iter().copied() {
                b.again(answer, b.now);
                b.gap(300, 1_500);
            }
        }
    }
    b.now = start + 32 * SECOND;
    hang_up(b, true, 0);
}

fn unfinished(b: &mut Builder<'_>, invite: Step, state: &'static str) {
    match state {
        "ringing" => {
            b.wait(200, 2_500);
            b.respond(invite, 180, Body::None, 0);
        }
        "early_media" => {
            b.wait(200, 2_500);
            b.respond(invite, 183, Body::Sdp(0, BOTH), 0);
        }
        // Someone has to say 100, else it is "no response".
        _ if b.call.common == 0 => {
            let trying = invite.response(100, Body::None);
            if !b.call.steps.iter().any(|step| step.status == 100) {
                b.send(trying, 0);
            }
        }
        _ => {}
    }
    b.call.state = state;
}

/// The call was up before the capture began.
fn middle(b: &mut Builder<'_>) {
    let tag = b.tags[0];
    b.opened(tag);
    if b.rng.chance(500) {
        let update = b.inside("UPDATE", false, 0);
        b.transact(update, 200, Body::None);
        b.wait(2_000, 30_000);
    }
    let backwards = b.rng.chance(500);
    hang_up(b, backwards, 0);
    b.call.state = "partial";
}

/// The call that a REFER asked for.
fn transferred(
    world: &mut World,
    now: u64,
    caller: User,
    v6: bool,
    proxies: &[SocketAddr],
) -> Call {
    let callee = Callee::Device(world.user());
    let mut call = world.call("call", caller, v6, proxies, &[callee]);
    let hold = hold(world);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let offer = Body::Sdp(0, BOTH);
    let invite = Step {
        initial: true,
        body: offer,
        ..b.request("INVITE", false)
    };
    b.invite(invite);
    let answer = early(&mut b, invite);
    b.answer(invite, answer);
    b.now += hold * MS;
    hang_up(&mut b, false, 0);
    b.finish();
    call
}
