//! Everything but calls: registrations, pings, texts, subscriptions, publications.

use crate::builder::Builder;
use crate::call::{Body, Call, Step};
use crate::people::{User, edge, registrar};
use crate::world::{Callee, World};

/// A device registers, refreshes, perhaps leaves.
pub fn registration(world: &mut World, now: u64) -> Call {
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
        let request = Step {
            initial: true,
            auth,
            expires,
            tag,
            ..request
        };
        b.transact(request, status, Body::None);
    };
    let last = match b.rng.below(1000) {
        0..20 => {
            let request = Step {
                initial: true,
                ..b.request("REGISTER", false)
            };
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
    let tcp = world.udp_only();
    let mut call = world.call("options", caller, v6, &[], &[device]);
    world.tcp = tcp;
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    b.lossy = may_fail;
    let request = Step {
        initial: true,
        ..b.request("OPTIONS", false)
    };
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
    let tcp = world.udp_only();
    let mut call = world.call("options", User(1 << 19), false, &[], &[device]);
    world.tcp = tcp;
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let request = Step {
        initial: true,
        ..b.request("OPTIONS", false)
    };
    b.unanswered(request, 1);
    b.call.state = "no_response";
    b.finish();
    call
}

/// A MESSAGE outside of any dialog (RFC 3428).
pub fn text(world: &mut World, now: u64) -> Call {
    let v6 = world.v6();
    let (caller, callee) = (world.user(), Callee::Device(world.user()));
    let proxies = world.proxies(v6);
    let mut call = world.call("message", caller, v6, &proxies, &[callee]);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let body = Body::Text(b.rng.range(1, 20) as u32);
    let request = Step {
        initial: true,
        body,
        ..b.request("MESSAGE", false)
    };
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

/// SUBSCRIBE with its NOTIFYs (RFC 6665).
pub fn subscription(world: &mut World, now: u64) -> Call {
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
        let request = Step {
            initial: true,
            ..b.request("SUBSCRIBE", false)
        };
        let tag = b.fresh_tag();
        let request = Step { tag, ..request };
        b.transact(request, 401, Body::None);
        b.gap(2_000, 20_000);
        auth = true;
    }
    let request = Step {
        initial: true,
        auth,
        expires: 600,
        ..b.request("SUBSCRIBE", false)
    };
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
            b.transact(
                Step {
                    rseq: 1,
                    expires: 590,
                    ..notify
                },
                200,
                Body::None,
            );
            "pending"
        }
        choice => {
            b.transact(request, 200, Body::None);
            for n in 0..b.rng.range(1, 6) as u32 {
                let notify = b.inside("NOTIFY", true, 0);
                let body = body(&b, n);
                b.transact(
                    Step {
                        body,
                        expires: 590,
                        ..notify
                    },
                    200,
                    Body::None,
                );
                b.wait(2_000, 80_000);
                if n == 2 {
                    let refresh = b.inside("SUBSCRIBE", false, 0);
                    b.transact(
                        Step {
                            auth,
                            expires: 600,
                            ..refresh
                        },
                        200,
                        Body::None,
                    );
                }
            }
            if choice < 60 {
                let stop = b.inside("SUBSCRIBE", false, 0);
                b.transact(
                    Step {
                        auth,
                        expires: 0,
                        ..stop
                    },
                    200,
                    Body::None,
                );
                let notify = b.inside("NOTIFY", true, 0);
                let body = body(&b, 9);
                b.transact(
                    Step {
                        body,
                        expires: 0,
                        ..notify
                    },
                    200,
                    Body::None,
                );
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

/// PUBLISH (RFC 3903).
pub fn publication(world: &mut World, now: u64) -> Call {
    let v6 = world.v6();
    let caller = world.user();
    let server = Callee::Server(caller, registrar(world.rng.below(3), v6));
    let mut call = world.call("other", caller, v6, &[], &[server]);
    let mut b = Builder::new(&mut call, &mut world.rng, now);
    let request = b.request("PUBLISH", false);
    let request = Step {
        initial: true,
        body: Body::Presence(1),
        ..request
    };
    b.transact(request, 200, Body::None);
    b.finish();
    call
}
