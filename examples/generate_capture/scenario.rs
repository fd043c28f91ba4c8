//! What happens in the capture: the mix of calls, registrations and the rest.

use crate::builder::{Builder, MS, SECOND};
use crate::call::{Body, Call, Rtp, Step};
use crate::people::{User, edge, registrar};
use crate::world::{Callee, World};

/// Directions of an SDP body that is neither hold nor resume.
const BOTH: &str = "sendrecv";

/// What becomes of the call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
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

/// How long people talk, milliseconds.
fn hold(world: &mut World) -> u64 {
    match world.rng.below(10) {
        0..4 => world.rng.range(5_000, 30_000),
        4..8 => world.rng.range(30_000, 120_000),
        _ => world.rng.range(120_000, 300_000),
    }
}

fn call(world: &mut World, now: u64, outcome: Outcome) -> Vec<Call> {
    let v6 = world.v6();
    let mut proxies = world.proxies(v6);
    let caller = world.user();
    let legs = if outcome == Outcome::Fork { world.rng.range(2, 3) } else { 1 };
    let needs_proxy = matches!(
        outcome,
        Outcome::Fork | Outcome::ProxyFailed(..) | Outcome::Challenged | Outcome::NoAnswer
    );
    if needs_proxy && proxies.is_empty() {
        proxies.push(edge(world.rng.below(6), v6));
    }
    let callees: Vec<Callee> = (0..legs).map(|_| Callee::Device(world.user())).collect();
    let mut call = world.call("call", caller, v6, &proxies, &callees);
    let hold = if world.media_only { world.rng.range(20_000, 80_000) } else { hold(world) };
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
                    let answered = b.now;
                    if media {
                        let packets = talk(&mut b, hold, world.rtp_left);
                        world.rtp_left -= packets;
                        finish(&mut b, false);
                    } else {
                        let transfer = conversation(&mut b, hold);
                        finish(&mut b, stays_up);
                        also.extend(transfer);
                    }
                    debug_assert!(answered <= b.now);
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

/// The hops of a leg, nearest the caller first.
fn path(b: &Builder<'_>) -> Vec<u8> {
    (0..=b.call.common as u8).collect()
}

/// The same from the far end.
fn back(b: &Builder<'_>) -> Vec<u8> {
    (0..=b.call.common as u8).rev().collect()
}

/// The INVITE on its way to the callee, after a challenge or redirection perhaps.
fn first_invite(b: &mut Builder<'_>, outcome: Outcome) -> Step {
    let offer = Body::Sdp(0, BOTH);
    let mut invite = Step { initial: true, body: offer, ..b.request("INVITE", false) };
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
        invite = Step { initial: true, auth: true, body: offer, ..b.request("INVITE", false) };
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
        invite = Step { initial: true, auth, body: offer, ..b.request("INVITE", false) };
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
                b.transact(Step { body: Body::Sdp(1, BOTH), ..update }, 200, Body::Sdp(1, BOTH));
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
    let rack = Step { rseq, expires: invite.cseq, ..prack };
    b.transact(rack, 200, Body::None);
}

/// A talk with nothing in it but media; gives the number of RTP packets it will have.
fn talk(b: &mut Builder<'_>, hold_ms: u64, left: u64) -> u64 {
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
fn conversation(b: &mut Builder<'_>, hold_ms: u64) -> Option<u64> {
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
                re_invite(b, backwards, Body::Sdp(version, "sendonly"), Body::Sdp(version, "recvonly"));
                b.wait(1_000, 20_000);
                version += 1;
                re_invite(b, backwards, Body::Sdp(version, BOTH), Body::Sdp(version, BOTH));
            }
            90..120 => re_invite(b, backwards, Body::Sdp(version, BOTH), Body::Sdp(version, BOTH)),
            120..130 => rejected_re_invite(b, backwards, version),
            130..190 => {
                let update = b.inside("UPDATE", backwards, 0);
                b.transact(update, 200, Body::None);
            }
            190..240 => {
                for digit in 0..b.rng.range(1, 6) as u32 {
                    let info = b.inside("INFO", backwards, 0);
                    b.transact(Step { body: Body::Dtmf(digit * 7), ..info }, 200, Body::None);
                    b.wait(200, 900);
                }
            }
            240..255 => {
                let ping = b.inside("OPTIONS", backwards, 0);
                b.transact(ping, 200, Body::None);
            }
            255..265 => {
                let message = b.inside("MESSAGE", backwards, 0);
                b.transact(Step { body: Body::Text(5), ..message }, 200, Body::None);
            }
            265..290 => {
                // The callee sends the caller on (RFC 3515), who reports how it goes.
                let refer = b.inside("REFER", true, 0);
                b.transact(refer, 202, Body::None);
                let trying = b.inside("NOTIFY", false, 0);
                b.transact(Step { body: Body::SipFrag(100), ..trying }, 200, Body::None);
                transfer = Some(b.now);
                b.wait(2_000, 6_000);
                let done = b.inside("NOTIFY", false, 0);
                b.transact(Step { body: Body::SipFrag(200), ..done }, 200, Body::None);
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
    let invite = Step { body: offer, ..b.inside("INVITE", backwards, 0) };
    b.invite(invite);
    b.gap(5_000, 150_000);
    b.answer(invite, answer);
}

fn rejected_re_invite(b: &mut Builder<'_>, backwards: bool, version: u32) {
    let invite = Step { body: Body::Sdp(version, BOTH), ..b.inside("INVITE", backwards, 0) };
    b.invite(invite);
    b.gap(5_000, 50_000);
    let hops = if backwards { path(b) } else { back(b) };
    b.fail(invite, 488, invite.tag, &hops);
}

/// One of them hangs up, or the capture ends before.
fn finish(b: &mut Builder<'_>, stays_up: bool) {
    if stays_up || b.rng.chance(5) {
        b.call.state = "answered";
        return;
    }
    let backwards = b.rng.chance(400);
    hang_up(b, backwards, 0);
}

fn hang_up(b: &mut Builder<'_>, backwards: bool, leg: u8) {
    let bye = b.inside("BYE", backwards, leg);
    b.transact(bye, 200, Body::None);
    b.call.state = "completed";
    b.call.ended_by = Some(if backwards { "callee" } else { "caller" });
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
            b.transact(Step { losing: true, ..bye }, 200, Body::None);
        } else {
            b.now = up + u64::from(leg) * 20 * MS;
            b.cancel(invite, &[last]);
            let tag = b.tags[usize::from(leg)];
            b.fail(Step { losing: true, ..invite }, 487, tag, &[last]);
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
    if b.rng.chance(300) {
        // A reminder each minute keeps proxies from giving up (13.3.1.1).
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
    let invite =
        Step { initial: true, body: Body::Sdp(0, BOTH), ..b.request("INVITE", false) };
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
        for after in [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
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
    proxies: &[std::net::SocketAddr],
) -> Call {
    let callee = Callee::Device(world.user());
    let mut call = world.call("call", caller, v6, proxies, &[callee]);
    let hold = hold(world);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let offer = Body::Sdp(0, BOTH);
    let invite = Step { initial: true, body: offer, ..b.request("INVITE", false) };
    b.invite(invite);
    let answer = early(&mut b, invite);
    b.answer(invite, answer);
    b.now += hold * MS;
    hang_up(&mut b, false, 0);
    b.finish();
    call
}

fn registration(world: &mut World, now: u64) -> Call {
    let v6 = world.v6();
    let user = User(world.registered);
    world.registered += 1;
    let server = registrar(world.rng.below(3), v6);
    let proxies = if world.rng.chance(500) {
        vec![edge(world.rng.below(6), v6)]
    } else {
        Vec::new()
    };
    let callee = Callee::Server(user, server);
    let mut call = world.call("registration", user, v6, &proxies, &[callee]);
    call.to_uri = format!("sip:{}", user.domain());
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let tag = b.fresh_tag();
    let expires = if b.rng.chance(700) { 300 } else { 3600 };
    let register = |b: &mut Builder<'_>, expires: u32, auth: bool, status: u16| {
        let request = b.request("REGISTER", false);
        let request = Step { initial: true, auth, expires, tag, ..request };
        b.transact(request, status, Body::None);
    };
    let last = match b.rng.below(1000) {
        0..20 => {
            let request = Step { initial: true, ..b.request("REGISTER", false) };
            b.unanswered(request, 11);
            "no_response"
        }
        20..50 => {
            register(&mut b, expires, false, 401);
            b.gap(2_000, 20_000);
            register(&mut b, expires, true, 401);
            "challenged"
        }
        50..70 => {
            register(&mut b, expires, false, 401);
            b.gap(2_000, 20_000);
            register(&mut b, expires, true, 403);
            "rejected"
        }
        _ => {
            register(&mut b, expires, false, 401);
            b.gap(2_000, 20_000);
            register(&mut b, expires, true, 200);
            for _ in 0..b.rng.below(5) {
                b.wait(25_000, 140_000);
                if b.rng.chance(200) {
                    // The nonce is stale.
                    register(&mut b, expires, true, 401);
                    b.gap(2_000, 20_000);
                }
                register(&mut b, expires, true, 200);
            }
            if b.rng.chance(150) {
                b.wait(5_000, 60_000);
                register(&mut b, 0, true, 200);
                "unregistered"
            } else {
                "registered"
            }
        }
    };
    b.call.state = last;
    b.finish();
    call
}

/// OPTIONS from a proxy to a device.
pub fn ping(world: &mut World, now: u64, may_fail: bool) -> Call {
    let v6 = world.v6();
    // The proxy speaks for a user of its own; its address is the first node.
    let caller = User(1 << 19);
    let device = Callee::Device(world.user());
    let tcp = std::mem::take(&mut world.tcp);
    let mut call = world.call("options", caller, v6, &[], &[device]);
    world.tcp = tcp;
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    b.lossy = may_fail;
    let request = Step { initial: true, ..b.request("OPTIONS", false) };
    if may_fail && b.rng.chance(40) {
        b.unanswered(request, 11);
        b.call.state = "no_response";
    } else {
        b.transact(request, 200, Body::None);
    }
    b.finish();
    call
}

/// One OPTIONS without answer, to make the number of messages even.
pub fn lone_ping(world: &mut World, now: u64) -> Call {
    let device = Callee::Device(world.user());
    let tcp = std::mem::take(&mut world.tcp);
    let mut call = world.call("options", User(1 << 19), false, &[], &[device]);
    world.tcp = tcp;
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let request = Step { initial: true, ..b.request("OPTIONS", false) };
    b.unanswered(request, 1);
    b.call.state = "no_response";
    b.finish();
    call
}

fn text(world: &mut World, now: u64) -> Call {
    let v6 = world.v6();
    let (caller, callee) = (world.user(), Callee::Device(world.user()));
    let proxies = world.proxies(v6);
    let mut call = world.call("message", caller, v6, &proxies, &[callee]);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let body = Body::Text(b.rng.range(1, 20) as u32);
    let request = Step { initial: true, body, ..b.request("MESSAGE", false) };
    match b.rng.below(100) {
        0..3 => {
            b.unanswered(request, 11);
            b.call.state = "no_response";
        }
        3..8 => {
            b.transact(request, 404, Body::None);
            b.call.state = "failed";
        }
        8..40 => b.transact(request, 202, Body::None),
        _ => b.transact(request, 200, Body::None),
    }
    b.finish();
    call
}

fn subscription(world: &mut World, now: u64) -> Call {
    let v6 = world.v6();
    let caller = world.user();
    let server = registrar(world.rng.below(3), v6);
    let proxies = if world.rng.chance(600) {
        vec![edge(world.rng.below(6), v6)]
    } else {
        Vec::new()
    };
    let watched = Callee::Server(world.user(), server);
    let mut call = world.call("subscription", caller, v6, &proxies, &[watched]);
    call.event = *world.rng.pick(&["presence", "message-summary", "dialog"]);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let body = |b: &Builder<'_>, n: u32| match b.call.event {
        "presence" => Body::Presence(n),
        "dialog" => Body::DialogInfo(n),
        _ => Body::Mwi(n),
    };
    let mut auth = false;
    if b.rng.chance(400) {
        let request = Step { initial: true, ..b.request("SUBSCRIBE", false) };
        let tag = b.fresh_tag();
        let request = Step { tag, ..request };
        b.transact(request, 401, Body::None);
        b.gap(2_000, 20_000);
        auth = true;
    }
    let request = Step { initial: true, auth, expires: 600, ..b.request("SUBSCRIBE", false) };
    let state = match b.rng.below(100) {
        0..3 => {
            b.unanswered(request, 11);
            "no_response"
        }
        3..10 => {
            b.transact(request, 489, Body::None);
            "rejected"
        }
        10..16 => {
            b.transact(request, 202, Body::None);
            let notify = b.inside("NOTIFY", true, 0);
            // `rseq` 1 stands for "pending".
            b.transact(Step { rseq: 1, expires: 590, ..notify }, 200, Body::None);
            "pending"
        }
        choice => {
            b.transact(request, 200, Body::None);
            for n in 0..b.rng.range(1, 6) as u32 {
                let notify = b.inside("NOTIFY", true, 0);
                let body = body(&b, n);
                b.transact(Step { body, expires: 590, ..notify }, 200, Body::None);
                b.wait(2_000, 80_000);
                if n == 2 {
                    let refresh = b.inside("SUBSCRIBE", false, 0);
                    b.transact(Step { auth, expires: 600, ..refresh }, 200, Body::None);
                }
            }
            if choice < 60 {
                let stop = b.inside("SUBSCRIBE", false, 0);
                b.transact(Step { auth, expires: 0, ..stop }, 200, Body::None);
                let notify = b.inside("NOTIFY", true, 0);
                let body = body(&b, 9);
                b.transact(Step { body, expires: 0, ..notify }, 200, Body::None);
                "terminated"
            } else {
                "active"
            }
        }
    };
    b.call.state = state;
    b.finish();
    call
}

fn publication(world: &mut World, now: u64) -> Call {
    let v6 = world.v6();
    let caller = world.user();
    let server = Callee::Server(caller, registrar(world.rng.below(3), v6));
    let mut call = world.call("other", caller, v6, &[], &[server]);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let request = b.request("PUBLISH", false);
    let request = Step { initial: true, body: Body::Presence(1), ..request };
    b.transact(request, 200, Body::None);
    b.finish();
    call
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
    let invite = Step { initial: true, body: offer, ..b.request("INVITE", false) };
    let first = b.send(invite, 0);
    debug_assert_eq!(first, 0);
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
                let invite = Step { body, ..b.inside("INVITE", backwards, 0) };
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
                let request = Step { body, ..b.inside(method, backwards, 0) };
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
