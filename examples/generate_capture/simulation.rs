//! The clock: starts calls, sends what is due, in the order of time.
//!
//! Only calls that are going on are in memory, so a capture may be of any size.

use crate::call::Call;
use crate::people::edge;
use crate::rng::mix2;
use crate::scenario;
use crate::services;
use crate::talk;
use crate::text::write_message;
use crate::truth::Truth;
use crate::wire::{Capture, Route, Vlan};
use crate::world::World;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

/// 2024-03-14 08:00:00 UTC.
const BEGIN: u64 = 1_710_403_200 * 1_000_000_000;

/// What is due at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start,
    Step(usize),
    Connection(usize),
    Rtp(usize, usize),
}

/// What is wanted.
pub struct Wanted {
    /// SIP messages, exactly; 0 means as many as the RTP needs.
    pub messages: u64,
    /// One dialog has them all.
    pub one_dialog: bool,
    /// Mean time between two starts, nanoseconds.
    pub pause: u64,
}

/// A run.
pub struct Simulation {
    world: World,
    capture: Capture,
    truth: Truth,
    wanted: Wanted,
    planned: u64,
    calls: Vec<Option<Call>>,
    free: Vec<usize>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    scratch: Vec<u8>,
    message: Vec<u8>,
}

impl Simulation {
    /// A run that has not begun.
    pub fn new(world: World, capture: Capture, truth: Truth, wanted: Wanted) -> Self {
        Self {
            world,
            capture,
            truth,
            wanted,
            planned: 0,
            calls: Vec::new(),
            free: Vec::new(),
            queue: BinaryHeap::new(),
            order: 0,
            scratch: Vec::new(),
            message: Vec::new(),
        }
    }

    /// Runs to the end.
    pub fn run(mut self) -> std::io::Result<(Capture, Truth)> {
        self.schedule(BEGIN, Event::Start);
        let mut done = Vec::new();
        while let Some(Reverse((now, _, event))) = self.queue.pop() {
            match event {
                Event::Start => self.start(now)?,
                Event::Step(slot) => self.step(slot, now)?,
                Event::Rtp(slot, direction) => self.rtp(slot, direction, now)?,
                Event::Connection(connection) => {
                    let next = self.world.connections.run(
                        connection,
                        now,
                        &mut self.world.rng,
                        &mut self.capture,
                        &mut self.truth,
                        &mut done,
                    )?;
                    if let Some(at) = next {
                        self.schedule(at, Event::Connection(connection));
                    }
                    for ((slot, index), written) in done.drain(..) {
                        if let Some(Some(call)) = self.calls.get_mut(slot) {
                            self.truth.message(call, index, written);
                        }
                        self.end_if_over(slot, now);
                    }
                }
            }
        }
        Ok((self.capture, self.truth))
    }

    fn schedule(&mut self, at: u64, event: Event) {
        // Events of the same time happen in the order they were asked for.
        self.order += 1;
        self.queue.push(Reverse((at, self.order, event)));
    }

    fn start(&mut self, now: u64) -> std::io::Result<()> {
        if self.wanted.one_dialog {
            let count = self.wanted.messages as usize;
            let call = talk::long_dialog(&mut self.world, now, count);
            self.add(call);
            return Ok(());
        }
        let wanted = self.wanted.messages;
        self.world.beginning = self.planned * 50 < wanted;
        self.world.ending = wanted > 0 && self.planned * 100 > wanted * 96;
        let calls = scenario::next(&mut self.world, now);
        let size: u64 = calls.iter().map(|call| call.steps.len() as u64).sum();
        let left = wanted.saturating_sub(self.planned);
        if wanted == 0 || size <= left {
            calls.into_iter().for_each(|call| self.add(call));
        } else {
            // The last few: small things until the number is exact.
            for call in &calls {
                self.close(call, now);
            }
            let call = match left {
                1 => services::lone_ping(&mut self.world, now),
                _ => services::ping(&mut self.world, now, false),
            };
            self.add(call);
        }
        if self.world.rng.chance(40) && !self.world.media_only && !self.world.harsh {
            self.keep_alive(now)?;
        }
        let more = if wanted == 0 {
            self.world.rtp_left > 0
        } else {
            self.planned < wanted
        };
        if more {
            let pause = 1 + self.world.rng.below(2 * self.wanted.pause);
            self.schedule(now + pause, Event::Start);
        }
        Ok(())
    }

    fn add(&mut self, call: Call) {
        self.planned += call.steps.len() as u64;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        if let Some(first) = call.steps.first() {
            self.schedule(first.at, Event::Step(slot));
        }
        if let Some(rtp) = &call.rtp {
            let (start, offset) = (rtp.start, call.seed % 9_000_000);
            self.schedule(start, Event::Rtp(slot, 0));
            self.schedule(start + offset, Event::Rtp(slot, 1));
        }
        self.calls[slot] = Some(call);
    }

    fn step(&mut self, slot: usize, now: u64) -> std::io::Result<()> {
        let Some(Some(call)) = self.calls.get_mut(slot) else {
            return Ok(());
        };
        let index = call.next;
        let step = call.steps[index];
        call.next += 1;
        let next = call.steps.get(call.next).map(|step| step.at);
        self.message.clear();
        write_message(call, &step, &mut self.scratch, &mut self.message);
        let hop = call.hops[call.hop_index(step.pos, step.leg)];
        let away = step.away_from_caller();
        if let Some(connection) = hop.connection {
            let reverse = away == hop.flipped;
            let mark = (slot, index as u32);
            if self
                .world
                .connections
                .write(connection, reverse, &self.message, mark)
            {
                let delay = self.world.rng.below(1_500_000);
                self.schedule(now + delay, Event::Connection(connection));
            }
        } else {
            let near = call.node(usize::from(step.pos), step.leg).addr;
            let far = call.node(usize::from(step.pos) + 1, step.leg).addr;
            let (src, dst) = if away { (near, far) } else { (far, near) };
            let route = Route {
                src,
                dst,
                vlan: hop.vlan,
            };
            let reversed = self.message.len() > 1400 && self.world.rng.chance(200);
            let written = self.capture.udp(now, &route, &self.message, reversed)?;
            self.truth.message(call, index as u32, written);
        }
        if let Some(at) = next {
            self.schedule(at, Event::Step(slot));
        }
        self.end_if_over(slot, now);
        Ok(())
    }

    fn rtp(&mut self, slot: usize, direction: usize, now: u64) -> std::io::Result<()> {
        let Some(Some(call)) = self.calls.get_mut(slot) else {
            return Ok(());
        };
        let ends = [call.nodes[0].addr, call.nodes[call.common + 1].addr];
        let ports = [call.parties[0].media_port, call.parties[1].media_port];
        let ssrc = call.number(0x55c + direction as u64) as u32;
        let vlan = call.parties[0].user.vlan();
        let address = |n: usize, port: u16| SocketAddr::new(ends[n].ip(), port);
        let Some(rtp) = &mut call.rtp else {
            return Ok(());
        };
        if rtp.left[direction] == 0 {
            self.end_if_over(slot, now);
            return Ok(());
        }
        let tick = rtp.ticks[direction];
        rtp.ticks[direction] += 1;
        if tick == 0 {
            self.truth.rtp_streams += 1;
        }
        let sequence = rtp.sequence[direction];
        rtp.sequence[direction] = sequence.wrapping_add(1);
        rtp.timestamp[direction] = rtp.timestamp[direction].wrapping_add(160);
        let timestamp = rtp.timestamp[direction];
        if self.world.rng.below(400) == 0 {
            rtp.event_left[direction] = 5;
        }
        let event = rtp.event_left[direction];
        rtp.event_left[direction] = event.saturating_sub(1);
        let route = Route {
            src: address(direction, ports[direction]),
            dst: address(1 - direction, ports[1 - direction]),
            vlan,
        };
        // One in five hundred gets lost before the capture point; never the first.
        let lost = tick > 0 && self.world.rng.chance(2);
        if !lost {
            rtp.left[direction] -= 1;
            self.message.clear();
            let payload_type = if event > 0 { 101 } else { rtp.payload_type };
            let marker = if tick == 0 || event == 5 { 0x80 } else { 0 };
            self.message
                .extend_from_slice(&[0x80, payload_type | marker]);
            self.message.extend_from_slice(&sequence.to_be_bytes());
            self.message.extend_from_slice(&timestamp.to_be_bytes());
            self.message.extend_from_slice(&ssrc.to_be_bytes());
            if event > 0 {
                self.message
                    .extend_from_slice(&[5, if event < 3 { 0x8a } else { 10 }]);
                self.message
                    .extend_from_slice(&(160 * (6 - u16::from(event))).to_be_bytes());
            } else {
                let sound = mix2(u64::from(ssrc), tick / 4).to_le_bytes();
                for _ in 0..20 {
                    self.message.extend_from_slice(&sound);
                }
            }
            self.capture.udp(now, &route, &self.message, false)?;
            self.truth.rtp_packets += 1;
        }
        if tick % 250 == 249 {
            let route = Route {
                src: address(direction, ports[direction] + 1),
                dst: address(1 - direction, ports[1 - direction] + 1),
                vlan,
            };
            self.message.clear();
            // A sender report without report blocks (RFC 3550, 6.4.1), then CNAME.
            self.message.extend_from_slice(&[0x80, 200, 0, 6]);
            self.message.extend_from_slice(&ssrc.to_be_bytes());
            self.message
                .extend_from_slice(&(now / 1_000_000_000 + 2_208_988_800).to_be_bytes()[4..]);
            self.message.extend_from_slice(&[0; 4]);
            self.message.extend_from_slice(&timestamp.to_be_bytes());
            self.message.extend_from_slice(&(tick as u32).to_be_bytes());
            self.message
                .extend_from_slice(&(tick as u32 * 160).to_be_bytes());
            self.message.extend_from_slice(&[0x81, 202, 0, 3]);
            self.message.extend_from_slice(&ssrc.to_be_bytes());
            self.message.extend_from_slice(b"\x01\x03a@b\0\0\0");
            self.capture.udp(now, &route, &self.message, false)?;
            self.truth.rtcp_packets += 1;
        }
        let jitter = self.world.rng.below(400_000);
        self.schedule(
            now - now % 1_000 + 19_800_000 + jitter,
            Event::Rtp(slot, direction),
        );
        Ok(())
    }

    fn keep_alive(&mut self, now: u64) -> std::io::Result<()> {
        let v6 = self.world.v6();
        let user = self.world.user();
        let proxy = edge(self.world.rng.below(6), v6);
        let route = Route {
            src: user.address(v6),
            dst: proxy,
            vlan: Vlan::default(),
        };
        self.capture.udp(now, &route, b"\r\n\r\n", false)?;
        self.truth.udp_keep_alives += 1;
        Ok(())
    }

    fn end_if_over(&mut self, slot: usize, now: u64) {
        let Some(Some(call)) = self.calls.get(slot) else {
            return;
        };
        let talks = call.rtp.as_ref().is_some_and(|rtp| rtp.left != [0, 0]);
        if call.done < call.steps.len() || talks {
            return;
        }
        if let Some(call) = self.calls[slot].take() {
            self.truth.call(&call);
            self.close(&call, now);
        }
        self.free.push(slot);
    }

    fn close(&mut self, call: &Call, now: u64) {
        for hop in &call.hops {
            if let Some(connection) = hop.connection
                && hop.own
                && self.world.connections.close(connection)
            {
                self.schedule(now + 1_000_000, Event::Connection(connection));
            }
        }
    }
}
