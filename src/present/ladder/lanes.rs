//! Which addresses share a lane, and in what order the lanes stand.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::arrangement::{Arrangement, LaneKey};
use super::{Lane, Titled};
use crate::index::IndexView;
use crate::index::ids::{FlowId, TextId};
use crate::index::message_store::{Flow, MessageRow, Repeat, Transport};
use crate::packet::Endpoint;
use crate::sip::method::Method;

/// Hops of one request that are remembered to find out who passed it on.
const MAX_HOPS: usize = 16;

/// Pairs of flows that are looked at for what stands between.
const MAX_SIDES: usize = 64;

/// An address of a private network (RFC 1918, RFC 4193, RFC 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// One message as seen on one hop: Call-ID, CSeq, method, status.
type Step = (TextId, Option<u32>, Method, u16);

/// The lanes of a ladder and the way to them.
#[derive(Default)]
pub(super) struct Lanes {
    pub list: Vec<Lane>,
    by_key: HashMap<LaneKey, usize>,
    arrangement: Arrangement,
    split: HashSet<IpAddr>,
    /// Ends of TCP connections that were opened from there, and the port of their program where
    /// it could be found out.
    clients: HashMap<Endpoint, Option<u16>>,
}

impl Lanes {
    /// Makes the lanes for some messages, in their order.
    pub fn of<'a>(
        view: &IndexView,
        rows: impl Iterator<Item = &'a MessageRow> + Clone,
        arrangement: &Arrangement,
    ) -> Self {
        let mut lanes = Self {
            arrangement: arrangement.clone(),
            ..Self::default()
        };
        lanes.find_splits(view, rows.clone());
        if !lanes.clients.is_empty() {
            lanes.find_owners(view, rows.clone());
        }
        lanes.place(view, rows);
        lanes
    }

    /// The lane of an end of a flow.
    pub fn lane(&self, endpoint: Endpoint, transport: Transport) -> Option<usize> {
        self.by_key.get(&self.key(endpoint, transport)).copied()
    }

    /// The lane of an address, if it has one only.
    pub fn host(&self, ip: IpAddr) -> Option<usize> {
        let key = self.arrangement.lane_of(LaneKey { ip, port: None });
        self.by_key.get(&key).copied()
    }

    /// The lane as which an end of a flow is drawn, also when it is left out.
    fn key(&self, endpoint: Endpoint, transport: Transport) -> LaneKey {
        let Endpoint { ip, port } = endpoint;
        let port = if !self.split.contains(&ip) {
            None
        } else if transport.has_connections()
            && let Some(owner) = self.clients.get(&endpoint)
        {
            *owner
        } else {
            Some(port)
        };
        self.arrangement.lane_of(LaneKey { ip, port })
    }

    /// Finds the addresses that need a lane for each port.
    fn find_splits<'a>(
        &mut self,
        view: &IndexView,
        rows: impl Iterator<Item = &'a MessageRow> + Clone,
    ) {
        let mut servers: HashMap<IpAddr, HashSet<u16>> = HashMap::new();
        let mut serves = |endpoint: Endpoint| {
            servers
                .entry(endpoint.ip)
                .or_default()
                .insert(endpoint.port);
        };
        let mut seen: HashSet<(FlowId, bool)> = HashSet::new();
        let mut connections: HashSet<(Endpoint, Endpoint)> = HashSet::new();
        for row in rows {
            if !seen.insert((row.flow, row.is_request())) {
                continue;
            }
            let Some(flow) = view.flow(row.flow) else {
                continue;
            };
            if flow.src.ip == flow.dst.ip && flow.src.port != flow.dst.port {
                self.split.insert(flow.src.ip);
            }
            for ip in [flow.src.ip, flow.dst.ip] {
                if self.arrangement.is_split(ip) {
                    self.split.insert(ip);
                }
            }
            if flow.transport.has_connections() {
                let pair = (flow.src.min(flow.dst), flow.src.max(flow.dst));
                if connections.insert(pair) {
                    let (client, server) = ends_of_connection(flow, row.is_request());
                    serves(server);
                    self.clients.insert(client, None);
                }
            } else if row.is_request() {
                serves(flow.dst);
            }
        }
        // A port that serves is no client, whatever one connection looked like.
        self.clients.retain(|client, _| {
            !servers
                .get(&client.ip)
                .is_some_and(|ports| ports.contains(&client.port))
        });
        self.split.extend(
            servers
                .iter()
                .filter(|(_, p)| p.len() > 1)
                .map(|(ip, _)| *ip),
        );
        self.clients
            .retain(|client, _| self.split.contains(&client.ip));
    }

    /// Finds out whose the client ends of TCP connections are: a request that has one Via more than
    /// an earlier one was passed on by who received that.
    fn find_owners<'a>(&mut self, view: &IndexView, rows: impl Iterator<Item = &'a MessageRow>) {
        let mut hops: HashMap<Step, Vec<(u8, Endpoint)>> = HashMap::new();
        for row in rows.filter(|row| row.is_request()) {
            let Some(flow) = view.flow(row.flow) else {
                continue;
            };
            let known = hops.entry(step(view, row)).or_default();
            if flow.transport.has_connections()
                && let Some(owner) = self.clients.get_mut(&flow.src)
                && owner.is_none()
            {
                *owner = known
                    .iter()
                    .find(|(count, to)| {
                        count.checked_add(1) == Some(row.via_count) && to.ip == flow.src.ip
                    })
                    .map(|(_, to)| to.port);
            }
            let hop = (row.via_count, flow.dst);
            if known.len() < MAX_HOPS && !known.contains(&hop) {
                known.push(hop);
            }
        }
    }

    /// Numbers the lanes by first contact, the caller first, and names them.
    fn place<'a>(&mut self, view: &IndexView, rows: impl Iterator<Item = &'a MessageRow> + Clone) {
        let path = path(view, rows.clone());
        let mut keys: Vec<LaneKey> = Vec::new();
        for row in path.into_iter().chain(rows.clone()) {
            let Some(flow) = view.flow(row.flow) else {
                continue;
            };
            // A response that comes first has its asker on the left.
            let ends = if row.is_request() {
                [flow.src, flow.dst]
            } else {
                [flow.dst, flow.src]
            };
            for end in ends {
                let key = self.key(end, flow.transport);
                if self.arrangement.is_hidden(key) {
                    continue;
                }
                let next = self.list.len();
                let at = *self.by_key.entry(key).or_insert(next);
                if at == next {
                    keys.push(key);
                    self.list.push(Lane::new(key));
                }
                if let Some(lane) = self.list.get_mut(at)
                    && !lane.endpoints.contains(&end)
                    && lane.endpoints.len() < 64
                {
                    lane.endpoints.push(end);
                }
            }
        }
        self.between(view, rows.clone(), &mut keys);
        let places = self.arrangement.places(&keys);
        for at in self.by_key.values_mut() {
            *at = places.get(*at).copied().unwrap_or(*at);
        }
        let mut order: Vec<(usize, Lane)> = places
            .into_iter()
            .zip(std::mem::take(&mut self.list))
            .collect();
        order.sort_by_key(|(place, _)| *place);
        self.list = order.into_iter().map(|(_, lane)| lane).collect();
        self.name(view, rows);
        for lane in &mut self.list {
            lane.endpoints.sort_unstable();
            // A trace may have a name, or no address at all, where packets have one.
            if let Some(name) = view.name_of(lane.key.ip) {
                name.clone_into(&mut lane.address);
            }
            if let Some(alias) = self.arrangement.alias(lane.key) {
                lane.title = alias.to_owned();
                lane.titled = Titled::Alias;
            } else if lane.title.is_empty() {
                lane.title.clone_from(&lane.address);
            } else {
                lane.titled = Titled::Agent;
            }
        }
    }

    /// Who a request passed on its way without a Via, as it does a NAT, stands between its two ends: its
    /// far side is seen after the receiver.
    fn between<'a>(
        &mut self,
        view: &IndexView,
        rows: impl Iterator<Item = &'a MessageRow>,
        keys: &mut [LaneKey],
    ) {
        let mut done: HashSet<(FlowId, FlowId)> = HashSet::new();
        for row in rows.filter(|row| row.is_request()) {
            let Repeat::SeenAs(of) = row.repeat() else {
                continue;
            };
            let Some(other) = view.message(of) else {
                continue;
            };
            if !done.insert((other.flow, row.flow)) || done.len() > MAX_SIDES {
                continue;
            }
            let (Some(one), Some(two)) = (view.flow(other.flow), view.flow(row.flow)) else {
                continue;
            };
            if one.dst != two.dst || one.src.ip == two.src.ip {
                continue;
            }
            // The private side is the one that began it, whichever was captured first.
            let (near, far) = match (is_private(one.src.ip), is_private(two.src.ip)) {
                (false, true) => (two, one),
                _ => (one, two),
            };
            let key = |end, flow: &Flow| self.key(end, flow.transport);
            let ends = [key(near.src, near), key(far.src, far), key(near.dst, near)];
            let places = ends.map(|key| keys.iter().position(|known| *known == key));
            let [Some(a), Some(b), Some(c)] = places else {
                continue;
            };
            if a < b && b < c || a == b || b == c || a == c {
                continue;
            }
            // The three take the places that they have, in the order of the way.
            let mut free = [a, b, c];
            free.sort_unstable();
            let mut moved = self.list.clone();
            for (from, to) in [a, b, c].into_iter().zip(free) {
                let (Some(lane), Some(place)) = (self.list.get(from), moved.get_mut(to)) else {
                    continue;
                };
                place.clone_from(lane);
            }
            self.list = moved;
            for (place, lane) in self.list.iter().enumerate() {
                if let Some(known) = keys.get_mut(place) {
                    *known = lane.key;
                }
            }
            for (place, key) in keys.iter().enumerate() {
                self.by_key.insert(*key, place);
            }
        }
    }

    /// A lane is called by the User-Agent of what it sends on its own account.
    fn name<'a>(&mut self, view: &IndexView, rows: impl Iterator<Item = &'a MessageRow>) {
        let mut unnamed = self.list.len();
        // Responses that arrived somewhere: who sends one on has received it with one Via more.
        let mut arrived: HashSet<(Step, u8, usize)> = HashSet::new();
        for row in rows {
            if unnamed == 0 {
                return;
            }
            let Some(flow) = view.flow(row.flow) else {
                continue;
            };
            let (Some(from), Some(to)) = (
                self.lane(flow.src, flow.transport),
                self.lane(flow.dst, flow.transport),
            ) else {
                continue;
            };
            let step = step(view, row);
            let own = if row.is_request() {
                row.via_count <= 1
            } else {
                arrived.insert((step, row.via_count, to));
                !arrived.contains(&(step, row.via_count.saturating_add(1), from))
            };
            if let (true, Some(agent), Some(lane)) = (own, row.user_agent, self.list.get_mut(from))
                && lane.title.is_empty()
            {
                lane.title = view.texts().get(agent).trim().to_owned();
                unnamed -= usize::from(!lane.title.is_empty());
            }
        }
    }
}

/// The way of the first INVITE, hop by hop. Its Via values tell the order of the hops also where
/// the clocks of two capture points differ.
fn path<'a>(
    view: &IndexView,
    rows: impl Iterator<Item = &'a MessageRow> + Clone,
) -> Vec<&'a MessageRow> {
    let invites = || {
        rows.clone()
            .filter(|row| row.is_request() && row.method == Method::Invite)
    };
    let Some(first) = invites().find(|row| row.is_initial()).or(invites().next()) else {
        return Vec::new();
    };
    let mut hops: Vec<&MessageRow> = invites()
        .filter(|row| step(view, row) == step(view, first))
        .take(MAX_HOPS)
        .collect();
    hops.sort_by_key(|row| row.via_count);
    hops
}

fn step(view: &IndexView, row: &MessageRow) -> Step {
    let call_id = view.parties(row).call_id;
    (call_id, row.cseq(), row.cseq_method, row.status)
}

/// Client and server of a TCP connection, by its first message.
fn ends_of_connection(flow: &Flow, request: bool) -> (Endpoint, Endpoint) {
    let known = |port: u16| port < 1024 || (5060..5100).contains(&port);
    match (known(flow.src.port), known(flow.dst.port)) {
        (true, false) => (flow.dst, flow.src),
        (false, true) => (flow.src, flow.dst),
        // Who asks first has most likely opened the connection.
        _ if request => (flow.src, flow.dst),
        _ => (flow.dst, flow.src),
    }
}
