//! Makes new calls: who calls whom over which path.

use crate::call::{Call, Hop, Node, Party, Times};
use crate::people::{User, core, edge};
use crate::rng::{Rng, mix2};
use crate::tcp::Connections;
use crate::wire::Vlan;
use std::net::SocketAddr;

/// Users that call and are called.
const POPULATION: u64 = 20_000;

/// Everything new calls are made from.
pub struct World {
    /// The run's random source.
    pub rng: Rng,
    /// TCP connections.
    pub connections: Connections,
    /// Devices on TCP, in a thousand.
    pub tcp: u64,
    /// Everything over TCP, and every batch of segments out of order.
    pub harsh: bool,
    /// The capture will end soon: some calls will still be up.
    pub ending: bool,
    /// The capture has just begun: some calls were up before.
    pub beginning: bool,
    /// RTP packets still wanted.
    pub rtp_left: u64,
    /// Only answered calls, with G.711 or G.722.
    pub media_only: bool,
    /// Registered users so far; each registers once.
    pub registered: u64,
    seed: u64,
    calls: u32,
}

/// Somebody to call.
#[derive(Clone, Copy)]
pub enum Callee {
    /// A user's device.
    Device(User),
    /// A server, at an address.
    Server(User, SocketAddr),
}

impl World {
    /// A world without calls.
    pub fn new(seed: u64, harsh: bool, rtp: u64, media_only: bool) -> Self {
        Self {
            rng: Rng::new(seed),
            connections: Connections::new(harsh),
            tcp: if harsh { 1000 } else { 90 },
            harsh,
            ending: false,
            beginning: true,
            rtp_left: rtp,
            media_only,
            registered: 0,
            seed,
            calls: 0,
        }
    }

    /// Switches TCP off, unless everything is to be TCP; gives what it was.
    pub fn udp_only(&mut self) -> u64 {
        let before = self.tcp;
        if !self.harsh {
            self.tcp = 0;
        }
        before
    }

    /// Somebody.
    pub fn user(&mut self) -> User {
        loop {
            let user = User(self.rng.below(POPULATION));
            if !self.media_only || matches!(user.profile().codecs[0].0, 0 | 8 | 9) {
                return user;
            }
        }
    }

    /// Whether this one is an IPv6 call.
    pub fn v6(&mut self) -> bool {
        self.rng.chance(80)
    }

    /// None, one or two proxies.
    pub fn proxies(&mut self, v6: bool) -> Vec<SocketAddr> {
        let (e, c) = (self.rng.below(6), self.rng.below(4));
        match self.rng.below(100) {
            0..15 => Vec::new(),
            15..62 => vec![edge(e, v6)],
            _ => vec![edge(e, v6), core(c, v6)],
        }
    }

    /// A call without steps.
    pub fn call(
        &mut self,
        kind: &'static str,
        caller: User,
        v6: bool,
        proxies: &[SocketAddr],
        callees: &[Callee],
    ) -> Call {
        self.calls += 1;
        let seed = mix2(self.seed, u64::from(self.calls));
        let party = |user: User, n: u64| Party {
            user,
            profile: user.profile(),
            display: user.display(),
            name: user.name(),
            media_port: 10_000 + 2 * (mix2(seed, 900 + n) % 20_000) as u16,
        };
        let mut parties = vec![party(caller, 0)];
        let mut nodes = vec![Node::new(caller.address(v6))];
        nodes.extend(proxies.iter().map(|addr| Node::new(*addr)));
        let mut hops = Vec::with_capacity(3);
        for n in 0..proxies.len() {
            let (near, far) = (nodes[n].addr, nodes[n + 1].addr);
            let vlan = if n == 0 {
                caller.vlan()
            } else {
                Vlan::default()
            };
            let tcp = self.rng.chance(self.tcp);
            let connection = tcp.then(|| match n {
                0 => self.connections.own(near, far, vlan, &mut self.rng),
                _ => self.connections.trunk(near, far, &mut self.rng),
            });
            hops.push(Hop {
                connection,
                flipped: false,
                own: n == 0,
                vlan,
            });
        }
        let last = nodes[nodes.len() - 1].addr;
        for (n, callee) in callees.iter().enumerate() {
            let tcp = self.rng.chance(self.tcp);
            let direct = proxies.is_empty();
            let (user, addr) = match *callee {
                Callee::Device(user) => (user, user.address(v6)),
                Callee::Server(user, addr) => (user, addr),
            };
            let device = matches!(callee, Callee::Device(_));
            let vlan = match (direct, device) {
                (true, _) => caller.vlan(),
                (false, true) => user.vlan(),
                (false, false) => Vlan::default(),
            };
            // A device behind a proxy has opened the connection itself, when it registered.
            let flipped = tcp && !direct && device;
            let connection = tcp.then(|| match (flipped, direct) {
                (true, _) => self.connections.own(addr, last, vlan, &mut self.rng),
                (false, true) => self.connections.own(last, addr, vlan, &mut self.rng),
                (false, false) => self.connections.trunk(last, addr, &mut self.rng),
            });
            hops.push(Hop {
                connection,
                flipped,
                own: device || direct,
                vlan,
            });
            parties.push(party(user, 1 + n as u64));
            nodes.push(Node::new(addr));
        }
        let callee = &parties[1];
        let from_uri = format!("sip:{}@{}", parties[0].name, caller.domain());
        let to_uri = match seed >> 60 {
            0 => format!(
                "sip:{};phone-context=+49@{};user=phone",
                callee.name,
                caller.domain()
            ),
            1 => format!("sips:{}@{}", callee.name, callee.user.domain()),
            _ => format!("sip:{}@{}", callee.name, callee.user.domain()),
        };
        let next_uri = format!(
            "sip:{}@{}",
            User(mix2(seed, 5) % POPULATION).name(),
            caller.domain()
        );
        let call_id = call_id(seed, &nodes[0]);
        Call {
            id: self.calls,
            seed,
            kind,
            state: "completed",
            ended_by: None,
            compact: seed.is_multiple_of(17),
            comma_lists: seed % 13 == 1,
            rport: seed >> 20 & 1 == 0,
            from_first: seed >> 21 & 7 == 0,
            tcp: hops.iter().any(|hop| hop.connection.is_some()),
            call_id,
            parties,
            nodes,
            common: proxies.len(),
            hops,
            to_uri,
            next_uri,
            from_uri,
            event: "presence",
            steps: Vec::with_capacity(32),
            next: 0,
            done: 0,
            numbers: Vec::new(),
            dialogs: 0,
            times: Times::default(),
            rtp: None,
        }
    }
}

fn call_id(seed: u64, node: &Node) -> String {
    let (a, b) = (mix2(seed, 11), mix2(seed, 12));
    let host = node.host.trim_matches(['[', ']']);
    match seed >> 30 & 3 {
        0 => format!("{a:016x}@{host}"),
        1 => format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a as u32,
            a >> 48,
            a >> 32 & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        ),
        2 => format!("{}_{}@{host}", a % 10_000_000_000, b % 1_000_000_000),
        _ => format!("{a:016x}{:08x}", b as u32),
    }
}
