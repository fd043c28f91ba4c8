//! Puts the steps of a call together: what travels over which hops, what gets lost and is repeated.

use crate::call::{Body, Call, NONE, Step};
use crate::rng::Rng;

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;
/// A second in nanoseconds.
pub const SECOND: u64 = 1_000 * MS;
/// Transactions in which a message gets lost, in a thousand.
const LOSS: u64 = 14;
/// Sendings after the first by timer E (RFC 3261, 17.1.2.2), from the first one.
const TIMER_E: [u64; 10] = [
    500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500,
];

/// Writes the script of one call, front to back.
pub struct Builder<'a> {
    /// The call.
    pub call: &'a mut Call,
    /// The run's random source.
    pub rng: &'a mut Rng,
    /// Time of the next step.
    pub now: u64,
    /// To tag of each leg.
    pub tags: Vec<u8>,
    /// Which target the caller tries.
    pub target: u8,
    /// Losses happen.
    pub lossy: bool,
    transactions: u32,
    tag_count: u8,
    cseqs: [u32; 2],
    dialogs: Vec<u8>,
}

impl<'a> Builder<'a> {
    /// A script that starts at a time.
    pub fn new(call: &'a mut Call, rng: &'a mut Rng, now: u64) -> Self {
        let cseqs = [rng.range(1, 200) as u32, rng.range(1, 40_000) as u32];
        let legs = call.parties.len() - 1;
        let tags = (1..=legs as u8).collect();
        let lossy = !call.tcp;
        Self {
            call,
            rng,
            now,
            tags,
            target: 0,
            lossy,
            transactions: 0,
            tag_count: legs as u8,
            cseqs,
            dialogs: Vec::new(),
        }
    }

    /// Sorts the steps by time and closes the script.
    pub fn finish(self) {
        let call = self.call;
        let mut order: Vec<u32> = (0..call.steps.len() as u32).collect();
        order.sort_by_key(|n| call.steps[*n as usize].at);
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old as usize] = new as u32;
        }
        let steps = order.iter().map(|old| {
            let mut step = call.steps[*old as usize];
            if step.original != NONE {
                step.original = place[step.original as usize];
            }
            step
        });
        call.steps = steps.collect();
        call.numbers = vec![0; call.steps.len()];
        call.dialogs = self.dialogs.len() as u64;
    }

    /// Lets time pass, microseconds; over TCP never so little that segments of an answer could come
    /// before the end of the question.
    pub fn gap(&mut self, low: u64, high: u64) {
        let floor = if self.call.tcp { 12 * MS } else { 0 };
        self.now += floor + self.rng.range(low * 1000, high * 1000);
    }

    /// Lets seconds pass.
    pub fn wait(&mut self, low_ms: u64, high_ms: u64) {
        self.gap(low_ms * 1000, high_ms * 1000);
    }

    /// A tag no one used.
    pub fn fresh_tag(&mut self) -> u8 {
        self.tag_count += 1;
        self.tag_count
    }

    /// A request in a transaction of its own, from the caller's or the callee's side.
    pub fn request(&mut self, method: &'static str, backwards: bool) -> Step {
        self.transactions += 1;
        let cseq = &mut self.cseqs[usize::from(backwards)];
        *cseq += 1;
        let target = self.target;
        let mut step = Step::request(method, self.transactions, *cseq);
        step.backwards = backwards;
        step.target = target;
        step
    }

    /// A request inside the dialog of a leg.
    pub fn inside(&mut self, method: &'static str, backwards: bool, leg: u8) -> Step {
        let tag = self.tags[usize::from(leg)];
        Step {
            tag,
            leg,
            ..self.request(method, backwards)
        }
    }

    /// Sends a step over one hop, now.
    pub fn send(&mut self, step: Step, pos: u8) -> u32 {
        let opens = step.method == "INVITE" && (101..300).contains(&step.status)
            || matches!(step.method, "SUBSCRIBE") && (200..300).contains(&step.status);
        if opens && step.tag != 0 {
            self.opened(step.tag);
        }
        self.call.steps.push(Step {
            at: self.now,
            pos,
            ..step
        });
        self.call.steps.len() as u32 - 1
    }

    /// Notes a dialog.
    pub fn opened(&mut self, tag: u8) {
        if !self.dialogs.contains(&tag) {
            self.dialogs.push(tag);
        }
    }

    /// Sends the same bytes again.
    pub fn again(&mut self, index: u32, at: u64) {
        let first = self.call.steps[index as usize];
        let original = if first.original == NONE {
            index
        } else {
            first.original
        };
        self.call.steps.push(Step {
            at,
            original,
            ..first
        });
    }

    fn path(&self, backwards: bool) -> Vec<u8> {
        let last = self.call.common as u8;
        if backwards {
            (0..=last).rev().collect()
        } else {
            (0..=last).collect()
        }
    }

    fn loses(&mut self) -> bool {
        self.lossy && self.rng.chance(LOSS)
    }

    /// Passes an INVITE over the hops from one position to another, with 100 from each proxy.
    pub fn pass_invite(&mut self, invite: Step, hops: &[u8]) {
        for pos in hops.iter().copied() {
            let first = self.send(invite, pos);
            if self.loses() {
                // Timer A doubles until something comes back (17.1.1.2).
                let start = self.now;
                let times = self.rng.range(1, 3);
                for n in 0..times {
                    self.now = start + ((2 << n) - 1) * 500 * MS;
                    self.again(first, self.now);
                }
            }
            self.gap(300, 3000);
            let to_proxy = if invite.backwards {
                pos > 0
            } else {
                pos < self.call.common as u8
            };
            if to_proxy || self.rng.chance(300) {
                let trying = Step {
                    by_proxy: to_proxy,
                    ..invite.response(100, Body::None)
                };
                let trying = self.send(trying, pos);
                if self.lossy && pos == 0 && self.rng.chance(LOSS / 3) {
                    let next = self.now + 500 * MS;
                    self.again(first, next);
                    self.again(trying, next + MS);
                    self.now = next + 2 * MS;
                }
                self.gap(200, 2500);
            }
        }
    }

    /// Passes an INVITE over the whole path of its leg.
    pub fn invite(&mut self, invite: Step) {
        let path = self.path(invite.backwards);
        self.pass_invite(invite, &path);
    }

    /// Passes a response back over all hops.
    pub fn respond(&mut self, request: Step, status: u16, body: Body, rseq: u32) -> Vec<u32> {
        let tag = if request.backwards {
            request.tag
        } else {
            self.tag_of(&request)
        };
        let response = Step {
            tag,
            rseq,
            ..request.response(status, body)
        };
        let mut sent = Vec::with_capacity(3);
        for pos in self.path(!request.backwards) {
            sent.push(self.send(response, pos));
            self.gap(300, 3000);
        }
        sent
    }

    fn tag_of(&self, request: &Step) -> u8 {
        match request.tag {
            0 => self.tags[usize::from(request.leg)],
            tag => tag,
        }
    }

    /// Passes a request over all hops of its path.
    pub fn travel(&mut self, request: Step) -> Vec<u32> {
        let mut sent = Vec::with_capacity(3);
        for pos in self.path(request.backwards) {
            sent.push(self.send(request, pos));
            self.gap(300, 4000);
        }
        sent
    }

    /// The 2xx to an INVITE and its ACK, either of which may get lost after it was captured.
    pub fn answer(&mut self, invite: Step, body: Body) {
        let started = self.now;
        let answers = self.respond(invite, 200, body, 0);
        self.transactions += 1;
        let ack = Step {
            method: "ACK",
            tx: self.transactions,
            tag: self.tag_of(&invite),
            initial: false,
            body: Body::None,
            ..invite
        };
        let repeat = |b: &mut Self, after: u64| {
            // The UAS core repeats the 2xx at T1, then twice that (13.3.1.4).
            b.now = b.now.max(started + after);
            for answer in answers.iter().copied() {
                b.again(answer, b.now);
                b.gap(300, 2000);
            }
        };
        if self.loses() {
            repeat(self, 500 * MS);
            if self.rng.chance(300) {
                repeat(self, 1500 * MS);
            }
            self.travel(ack);
        } else if self.loses() {
            let path = self.path(invite.backwards);
            let first = self.send(ack, path[0]);
            self.gap(300, 2000);
            repeat(self, 500 * MS);
            self.again(first, self.now);
            self.gap(300, 2000);
            for pos in path.into_iter().skip(1) {
                self.send(ack, pos);
                self.gap(300, 2000);
            }
        } else {
            self.travel(ack);
        }
    }

    /// A final response other than 2xx to an INVITE, with the ACK of each hop, from the hop at
    /// position `from` to the one at `to` on the way to the one who asked.
    pub fn fail(&mut self, invite: Step, status: u16, tag: u8, hops: &[u8]) {
        for (n, pos) in hops.iter().copied().enumerate() {
            let by_proxy = if invite.backwards {
                pos > 0
            } else {
                pos < self.call.common as u8
            };
            let by_proxy = by_proxy && n == 0;
            let response = Step {
                tag,
                by_proxy,
                ..invite.response(status, Body::None)
            };
            let response = self.send(response, pos);
            let ack = Step {
                method: "ACK",
                tag,
                hop_only: true,
                body: Body::None,
                auth: false,
                ..invite
            };
            if self.loses() {
                self.now += 500 * MS;
                self.again(response, self.now);
                self.gap(300, 2000);
                self.send(ack, pos);
            } else if self.loses() {
                self.gap(300, 2000);
                let ack = self.send(ack, pos);
                self.now += 500 * MS;
                self.again(response, self.now);
                self.gap(300, 2000);
                self.again(ack, self.now);
            } else {
                self.gap(300, 2000);
                self.send(ack, pos);
            }
            self.gap(300, 2000);
        }
    }

    /// CANCEL and its 200 over some hops.
    pub fn cancel(&mut self, invite: Step, hops: &[u8]) {
        for pos in hops.iter().copied() {
            let cancel = Step {
                method: "CANCEL",
                tag: 0,
                hop_only: true,
                body: Body::None,
                auth: false,
                ..invite
            };
            let first = self.send(cancel, pos);
            self.gap(300, 2000);
            let to_proxy = pos < self.call.common as u8;
            let tag = self.tags[usize::from(invite.leg)];
            let ok = Step {
                tag,
                by_proxy: to_proxy,
                ..cancel.response(200, Body::None)
            };
            let ok = self.send(ok, pos);
            if self.loses() {
                let again = self.now + 500 * MS;
                self.again(first, again);
                self.again(ok, again + MS);
            }
            self.gap(300, 2000);
        }
    }

    /// A request other than INVITE over the whole path and its response, with what may get lost.
    pub fn transact(&mut self, request: Step, status: u16, body: Body) {
        let path = self.path(request.backwards);
        if self.loses() {
            // Lost after the capture point on one hop: everybody up to there repeats (timer E).
            let at = self.rng.below(path.len() as u64) as usize;
            let times = self.rng.range(1, 3) as usize;
            let mut success = self.now;
            for (n, pos) in path.iter().copied().enumerate() {
                if n == at + 1 {
                    self.now = success;
                    self.gap(500, 3000);
                }
                let first = self.send(request, pos);
                if n <= at {
                    for after in &TIMER_E[..times] {
                        success = self.now + after * MS;
                        self.again(first, success);
                    }
                }
                self.gap(500, 3000);
            }
            self.now = self.now.max(success);
            self.gap(500, 3000);
            self.respond(request, status, body, 0);
        } else if self.loses() {
            let started = self.now;
            let sent = self.travel(request);
            self.gap(300, 3000);
            let answers = self.respond(request, status, body, 0);
            if let (Some(question), Some(answer)) = (sent.first(), answers.last()) {
                let again = self.now.max(started + 500 * MS);
                self.again(*question, again);
                self.again(*answer, again + 2 * MS);
                self.now = again + 3 * MS;
            }
        } else {
            self.travel(request);
            self.gap(500, 20_000);
            self.respond(request, status, body, 0);
        }
        self.gap(500, 3000);
    }

    /// A request that nobody answers, repeated by timer E until timer F gives up.
    pub fn unanswered(&mut self, request: Step, sendings: usize) {
        let first = self.send(
            request,
            if request.backwards {
                self.call.common as u8
            } else {
                0
            },
        );
        if self.lossy {
            for after in TIMER_E.iter().take(sendings.saturating_sub(1)) {
                self.again(first, self.now + after * MS);
            }
        }
        self.now += 32 * SECOND;
    }
}
