//! The layers a packet can have, and its way from the link down to an IP header.

use super::{Skip, be16, be32};

macro_rules! layers {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// One protocol on the way from the link to SIP.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Layer {
            /// None; stands for an empty place in a stack.
            None,
            $($(#[$doc])* $name,)*
        }

        impl Layer {
            const ALL: &'static [Layer] = &[$(Self::$name),*];

            /// Short name, as in the `layers` field of the command line.
            pub fn name(self) -> &'static str {
                match self {
                    Self::None => "",
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

layers! {
    /// Ethernet II, or 802.3 with a length.
    Ethernet = "eth",
    /// IEEE 802.1Q, 802.1ad and older tags.
    Vlan = "vlan",
    /// Linux cooked capture, version 1.
    Sll = "sll",
    /// Linux cooked capture, version 2.
    Sll2 = "sll2",
    /// BSD loopback (`NULL`, `LOOP`), and other headers that name an address family.
    Loopback = "null",
    /// Raw IP: no link header at all.
    Raw = "raw",
    /// Netfilter log.
    Nflog = "nflog",
    /// Cisco HDLC.
    Chdlc = "chdlc",
    /// IEEE 802.2 logical link control, with SNAP where it says so.
    Llc = "llc",
    /// PPP (RFC 1661).
    Ppp = "ppp",
    /// PPPoE session (RFC 2516).
    Pppoe = "pppoe",
    /// A label of MPLS (RFC 3032).
    Mpls = "mpls",
    /// IPv4.
    Ipv4 = "ipv4",
    /// IPv6.
    Ipv6 = "ipv6",
    /// IP authentication header (RFC 4302).
    Ah = "ah",
    /// Encapsulating security payload with NULL encryption (RFC 4303, RFC 2410).
    Esp = "esp",
    /// Generic routing encapsulation (RFC 2784, RFC 2890, RFC 2637).
    Gre = "gre",
    /// ERSPAN: mirrored Ethernet frames in GRE.
    Erspan = "erspan",
    /// EtherIP (RFC 3378).
    Etherip = "etherip",
    /// L2TP, version 2 (RFC 2661) and 3 (RFC 3931).
    L2tp = "l2tp",
    /// VXLAN (RFC 7348).
    Vxlan = "vxlan",
    /// Geneve (RFC 8926).
    Geneve = "geneve",
    /// GTP-U (3GPP TS 29.281).
    Gtp = "gtp",
    /// TaZmen sniffer protocol.
    Tzsp = "tzsp",
    /// Homer encapsulation.
    Hep = "hep",
    /// UDP.
    Udp = "udp",
    /// TCP.
    Tcp = "tcp",
    /// SCTP (RFC 9260).
    Sctp = "sctp",
    /// TLS.
    Tls = "tls",
    /// WebSocket (RFC 6455).
    WebSocket = "websocket",
    /// A line of a text trace: there is no packet.
    Text = "text",
    /// Network service header (RFC 8300).
    Nsh = "nsh",
    /// IEEE 802.1AE, not encrypted.
    Macsec = "macsec",
    /// Metadata of Cisco switches: the security group tag.
    CiscoMetadata = "cmd",
    /// VN-Tag of Cisco switches (IEEE 802.1Qbh draft).
    VnTag = "vntag",
    /// High-availability seamless redundancy (IEC 62439-3).
    Hsr = "hsr",
    /// Cisco FabricPath.
    FabricPath = "fabricpath",
    /// Wireless LAN (IEEE 802.11), not encrypted.
    Wlan = "wlan",
    /// Frame relay (RFC 2427).
    FrameRelay = "frelay",
}

/// Most layers that a stack names.
const MAX_LAYERS: u32 = 15;
/// Most tunnels one inside the other; a packet with more is counted and left alone.
pub const MAX_TUNNELS: u8 = 16;

/// The protocols of one packet, outermost first, and how many tunnels are among them.
///
/// Fifteen are named; behind them only the innermost is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LayerStack(u128);

impl LayerStack {
    /// Adds an inner layer.
    #[inline]
    pub fn push(&mut self, layer: Layer) {
        if self.0 >> 112 == 0 {
            self.0 = (self.0 << 8) | layer as u128;
        } else {
            self.push_deep(layer);
        }
    }

    /// With tunnels, or with all places taken.
    #[cold]
    fn push_deep(&mut self, layer: Layer) {
        let tunnels = self.0 >> 120 << 120;
        let named = self.0 ^ tunnels;
        let kept = if named >> 112 == 0 {
            named << 8
        } else {
            named >> 8 << 8
        };
        self.0 = tunnels | kept | layer as u128;
    }

    /// Counts a tunnel.
    ///
    /// # Errors
    /// There are too many, one inside the other.
    pub fn enter_tunnel(&mut self) -> Result<(), Skip> {
        if self.tunnels() >= MAX_TUNNELS {
            return Err(Skip::TooDeep);
        }
        self.0 += 1 << 120;
        Ok(())
    }

    /// Number of tunnels passed.
    pub fn tunnels(self) -> u8 {
        (self.0 >> 120) as u8
    }

    /// The layers, outermost first.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        (0..MAX_LAYERS).rev().filter_map(move |i| {
            let code = (self.0 >> (i * 8)) as u8;
            Layer::ALL.iter().copied().find(|l| *l as u8 == code)
        })
    }

    /// The innermost layer is this one.
    pub fn ends_with(self, layer: Layer) -> bool {
        self.0 as u8 == layer as u8 && self.0 != 0
    }

    /// The bits, for use as a key.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl std::fmt::Display for LayerStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, layer) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            f.write_str(layer.name())?;
        }
        Ok(())
    }
}

/// Is told of each layer on the way: the usual way keeps names only, the one that shows keeps places.
pub(super) trait Record<'a> {
    /// `from` begins with the header of `layer`, which takes `len` octets.
    fn passed(&mut self, layer: Layer, from: &'a [u8], len: usize);
    /// A tunnel begins.
    fn enter_tunnel(&mut self) -> Result<(), Skip>;
    /// The layers so far.
    fn stack(&self) -> LayerStack;
}

impl<'a> Record<'a> for LayerStack {
    #[inline(always)]
    fn passed(&mut self, layer: Layer, _from: &'a [u8], _len: usize) {
        self.push(layer);
    }

    fn enter_tunnel(&mut self) -> Result<(), Skip> {
        LayerStack::enter_tunnel(self)
    }

    #[inline]
    fn stack(&self) -> LayerStack {
        *self
    }
}

/// Tags on one frame.
const MAX_TAGS: usize = 16;

/// An IP packet: its octets, true for IPv6, and the realm it was found in.
pub(super) type Network<'a> = (&'a [u8], bool, u32);

/// Joins a realm with the number of an inner one: a VLAN, VNI, TEID, label …
pub(super) fn join(realm: u32, number: u32) -> u32 {
    realm
        .wrapping_mul(4099)
        .wrapping_add(number)
        .wrapping_add(1)
}

/// The IP header and what follows it; true for IPv6; and the realm made of the VLAN tags.
pub(super) fn network<'a, R: Record<'a>>(
    link_type: u16,
    frame: &'a [u8],
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    match link_type {
        1 => ethernet(frame, 0, layers),
        113 => {
            layers.passed(Layer::Sll, frame, 16);
            let kind = be16(frame, 14).ok_or(Skip::Short)?;
            ether_type(kind, frame.get(16..).unwrap_or_default(), 0, layers)
        }
        276 => {
            layers.passed(Layer::Sll2, frame, 20);
            let kind = be16(frame, 0).ok_or(Skip::Short)?;
            let rest = frame.get(20..).ok_or(Skip::Short)?;
            ether_type(kind, rest, 0, layers)
        }
        // RAW (101) and its platform-dependent numbers, IPV4, IPV6.
        12 | 14 | 101 | 228 | 229 => {
            layers.passed(Layer::Raw, frame, 0);
            by_version(frame, 0)
        }
        other => rare_link(other, frame, layers),
    }
}

#[inline(never)]
fn rare_link<'a, R: Record<'a>>(
    link_type: u16,
    frame: &'a [u8],
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    let behind = |len: usize| frame.get(len..).ok_or(Skip::Short);
    match link_type {
        // NULL is in the byte order of the capturing machine, LOOP in network order. ENC of OpenBSD
        // (109) has a family, flags and an index.
        0 | 108 | 109 => {
            let len = if link_type == 109 { 12 } else { 4 };
            layers.passed(Layer::Loopback, frame, len);
            let family = be32(frame, 0).ok_or(Skip::Short)?;
            let family = if family > 0xffff {
                family.swap_bytes()
            } else {
                family
            };
            of_family(family, behind(len)?)
        }
        9 | 50 => ppp(frame, 0, layers),
        // A direction, then PPP.
        166 => {
            let rest = match frame {
                [0 | 1, 0x03, rest @ ..] => rest,
                rest => rest,
            };
            ppp(rest, 0, layers)
        }
        // PPP_WITH_DIR, C_HDLC_WITH_DIR, FRELAY_WITH_DIR: one octet says who sent it.
        204 => ppp(behind(1)?, 0, layers),
        205 => rare_link(104, behind(1)?, layers),
        206 => rare_link(107, behind(1)?, layers),
        107 => frame_relay(frame, layers),
        // ATM_RFC1483, and the number it has on some systems.
        11 | 100 => llc(frame, 0, layers),
        105 => wlan(frame, 0, layers),
        // Radiotap: its length stands in little-endian order.
        127 => {
            let [low, high] = *frame
                .get(2..)
                .and_then(|f| f.first_chunk())
                .ok_or(Skip::Short)?;
            wlan(frame, usize::from(u16::from_le_bytes([low, high])), layers)
        }
        // PPP_ETHER: PPPoE without Ethernet.
        51 => ether_type(0x8864, frame, 0, layers),
        104 => {
            layers.passed(Layer::Chdlc, frame, 4);
            let kind = be16(frame, 2).ok_or(Skip::Short)?;
            ether_type(kind, behind(4)?, 0, layers)
        }
        219 => super::tunnel::mpls(frame, 0, layers),
        // PFLOG: its own length, rounded up to 4; the family is its second octet.
        117 => {
            let len = usize::from(*frame.first().ok_or(Skip::Short)?).next_multiple_of(4);
            layers.passed(Layer::Loopback, frame, len);
            let family = *frame.get(1).ok_or(Skip::Short)?;
            of_family(u32::from(family), behind(len)?)
        }
        239 => nflog(frame, layers),
        other => Err(Skip::LinkType(other)),
    }
}

/// Frame relay: an address of two octets, or up to the one whose last bit is set; then a protocol.
fn frame_relay<'a, R: Record<'a>>(frame: &'a [u8], layers: &mut R) -> Result<Network<'a>, Skip> {
    let last = frame.iter().take(4).position(|octet| octet & 1 == 1);
    let at = last.ok_or(Skip::Malformed)? + 1;
    // Cisco writes an EtherType there, RFC 2427 a control octet, perhaps padding, and an NLPID.
    let rest = frame.get(at..).unwrap_or_default();
    let (used, kind) = match rest {
        [0x03, 0xcc, ..] => (2, 0x0800),
        [0x03, 0x8e, ..] => (2, 0x86dd),
        [0x03, 0x00, 0x80, 0, 0, 0, high, low, ..] | [0x03, 0x80, 0, 0, 0, high, low, ..] => {
            let used = if rest.get(1) == Some(&0) { 8 } else { 7 };
            (used, u16::from_be_bytes([*high, *low]))
        }
        [high, low, ..] => (2, u16::from_be_bytes([*high, *low])),
        _ => return Err(Skip::Short),
    };
    layers.passed(Layer::FrameRelay, frame, at + used);
    layers.enter_tunnel()?;
    ether_type(kind, rest.get(used..).unwrap_or_default(), 0, layers)
}

/// A data frame of IEEE 802.11 that is not encrypted, behind `head` octets of the receiver's own.
fn wlan<'a, R: Record<'a>>(
    frame: &'a [u8],
    head: usize,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    let (Some(&kind), Some(&flags)) = (frame.get(head), frame.get(head + 1)) else {
        return Err(Skip::Short);
    };
    // Type 2 is data; subtypes with this bit carry none.
    if kind & 0x0c != 0x08 || kind & 0x40 != 0 || flags & 0x40 != 0 {
        return Err(Skip::Payload(Layer::Wlan));
    }
    let relayed = if flags & 3 == 3 { 6 } else { 0 };
    let qos = match (kind & 0x80 != 0, flags & 0x80 != 0) {
        (true, true) => 6,
        (true, false) => 2,
        (false, _) => 0,
    };
    let len: usize = 24 + relayed + qos;
    // Some receivers fill up to a multiple of four.
    let snap = [0xaa, 0xaa, 0x03];
    let starts = |len: usize| {
        frame
            .get(head + len..)
            .filter(|rest| rest.starts_with(&snap))
    };
    let padded = len.next_multiple_of(4);
    let (len, rest) = match (starts(len), starts(padded)) {
        (Some(rest), _) => (len, rest),
        (None, Some(rest)) => (padded, rest),
        (None, None) => return Err(Skip::Payload(Layer::Wlan)),
    };
    layers.passed(Layer::Wlan, frame, head + len);
    llc(rest, 0, layers)
}

/// Tags of switches other than 802.1Q: what is behind them, with its EtherType. Each is counted as a
/// tunnel, as one may follow the other.
fn tag<'a, R: Record<'a>>(
    layer: Layer,
    rest: &'a [u8],
    len: usize,
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    layers.enter_tunnel()?;
    layers.passed(layer, rest, len + 2);
    let kind = be16(rest, len).ok_or(Skip::Short)?;
    ether_type(kind, rest.get(len + 2..).unwrap_or_default(), realm, layers)
}

/// Network service header (RFC 8300, 2.2): its length in words of four octets, and what follows.
pub(super) fn nsh<'a, R: Record<'a>>(
    rest: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    let len = usize::from(be16(rest, 0).ok_or(Skip::Short)? & 0x3f) * 4;
    let next = *rest.get(3).ok_or(Skip::Short)?;
    if len < 8 {
        return Err(Skip::Malformed);
    }
    layers.enter_tunnel()?;
    layers.passed(Layer::Nsh, rest, len);
    let inner = rest.get(len..).ok_or(Skip::Short)?;
    match next {
        1 => Ok((inner, false, realm)),
        2 => Ok((inner, true, realm)),
        3 => ethernet(inner, realm, layers),
        5 => super::tunnel::mpls(inner, realm, layers),
        _ => Err(Skip::Payload(Layer::Nsh)),
    }
}

/// An IP packet by the number of its address family.
fn of_family(family: u32, rest: &[u8]) -> Result<Network<'_>, Skip> {
    match family {
        2 => Ok((rest, false, 0)),
        // AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS, Linux, Windows.
        24 | 28 | 30 | 10 | 23 => Ok((rest, true, 0)),
        other => Err(Skip::Family(other)),
    }
}

/// LINKTYPE_NFLOG: a family, then attributes in the byte order of the capturing machine, one of which
/// (9, `NFULA_PAYLOAD`) is the packet.
fn nflog<'a, R: Record<'a>>(frame: &'a [u8], layers: &mut R) -> Result<Network<'a>, Skip> {
    let family = *frame.first().ok_or(Skip::Short)?;
    let mut at = 4usize;
    // One attribute takes at least four octets.
    while let Some(&[a, b, c, d]) = frame.get(at..at + 4) {
        let little = [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])];
        let big = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        // No attribute has a number of 256 or more.
        let [len, kind] = if little[1] & 0x7fff < 256 {
            little
        } else {
            big
        };
        let len = usize::from(len);
        if len < 4 {
            return Err(Skip::Malformed);
        }
        if kind & 0x7fff == 9 {
            layers.passed(Layer::Nflog, frame, at + 4);
            let end = (at + len).min(frame.len());
            let rest = frame.get(at + 4..end).unwrap_or_default();
            return match family {
                // A bridge logs IP packets as well; their own version tells.
                0 | 7 => by_version(rest, 0),
                family => of_family(u32::from(family), rest),
            };
        }
        at += len.next_multiple_of(4);
    }
    Err(Skip::Short)
}

/// An Ethernet frame.
#[inline]
pub(super) fn ethernet<'a, R: Record<'a>>(
    frame: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    layers.passed(Layer::Ethernet, frame, 14);
    let kind = be16(frame, 12).ok_or(Skip::Short)?;
    ether_type(kind, frame.get(14..).unwrap_or_default(), realm, layers)
}

/// True for octets that can be an Ethernet frame with IP in it, perhaps behind tags.
pub(super) fn looks_like_ethernet(frame: &[u8]) -> bool {
    let mut at = 12;
    for _ in 0..3 {
        let rest = frame.get(at + 2..).unwrap_or_default();
        match be16(frame, at) {
            Some(0x0800) => return looks_like_ip(rest) == Some(false),
            Some(0x86dd) => return looks_like_ip(rest) == Some(true),
            Some(0x8100 | 0x88a8 | 0x9100) => at += 4,
            Some(0x0806 | 0x8847 | 0x8864) => return true,
            _ => return false,
        }
    }
    false
}

/// Whether octets can be an IP packet: false for IPv4, true for IPv6.
pub(super) fn looks_like_ip(bytes: &[u8]) -> Option<bool> {
    match bytes.first()? {
        0x45..=0x4f => {
            let total = usize::from(be16(bytes, 2)?);
            // Some octets may be missing behind it or be padding; a protocol must be there.
            let protocol = *bytes.get(9)?;
            (bytes.len() >= 20 && total >= 20 && protocol != 0).then_some(false)
        }
        0x60..=0x6f => (bytes.len() >= 40).then_some(true),
        _ => None,
    }
}

pub(super) fn by_version(bytes: &[u8], realm: u32) -> Result<Network<'_>, Skip> {
    match bytes.first().map(|b| b >> 4) {
        Some(4) => Ok((bytes, false, realm)),
        Some(6) => Ok((bytes, true, realm)),
        Some(_) => Err(Skip::Malformed),
        None => Err(Skip::Short),
    }
}

/// PPP, with address and control or without (RFC 1661, 2; RFC 1662, 3.1).
pub(super) fn ppp<'a, R: Record<'a>>(
    bytes: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    let rest = match bytes {
        [0xff, 0x03, rest @ ..] => rest,
        rest => rest,
    };
    // A protocol number whose first octet is odd was compressed to one octet (RFC 1661, 2).
    let (protocol, rest) = match rest {
        [first, rest @ ..] if first & 1 == 1 => (u16::from(*first), rest),
        [first, second, rest @ ..] => (u16::from_be_bytes([*first, *second]), rest),
        _ => return Err(Skip::Short),
    };
    layers.passed(Layer::Ppp, bytes, bytes.len() - rest.len());
    match protocol {
        0x21 => Ok((rest, false, realm)),
        0x57 => Ok((rest, true, realm)),
        0x281 => super::tunnel::mpls(rest, realm, layers),
        other => Err(Skip::Ppp(other)),
    }
}

#[inline]
pub(super) fn ether_type<'a, R: Record<'a>>(
    mut kind: u16,
    mut rest: &'a [u8],
    mut realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    for _ in 0..=MAX_TAGS {
        match kind {
            0x0800 => return Ok((rest, false, realm)),
            0x86dd => return Ok((rest, true, realm)),
            // 802.1Q, 802.1ad, and the numbers used before it was written.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                layers.passed(Layer::Vlan, rest, 4);
                let tag = be16(rest, 0).ok_or(Skip::Short)?;
                kind = be16(rest, 2).ok_or(Skip::Short)?;
                rest = rest.get(4..).unwrap_or_default();
                realm = join(realm, u32::from(tag & 0x0fff));
            }
            other => return rare_ether_type(other, rest, realm, layers),
        }
    }
    Err(Skip::TooDeep)
}

/// Anything but IP and tags. May lead to another Ethernet frame: each one is a tunnel, and counted.
#[inline(never)]
fn rare_ether_type<'a, R: Record<'a>>(
    kind: u16,
    rest: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    match kind {
        // PPPoE session: version and type, code, session, length, then PPP without framing.
        0x8864 => {
            layers.passed(Layer::Pppoe, rest, 6);
            let session = be16(rest, 2).ok_or(Skip::Short)?;
            let inner = rest.get(6..).ok_or(Skip::Short)?;
            ppp(inner, join(realm, u32::from(session)), layers)
        }
        0x8847 | 0x8848 => super::tunnel::mpls(rest, realm, layers),
        // 802.1ah: the tag of the provider, then the frame of the customer.
        0x88e7 => {
            layers.enter_tunnel()?;
            layers.passed(Layer::Vlan, rest, 4);
            let service = be32(rest, 0).ok_or(Skip::Short)? & 0x00ff_ffff;
            let inner = rest.get(4..).unwrap_or_default();
            ethernet(inner, join(realm, service), layers)
        }
        0x894f => nsh(rest, realm, layers),
        0x8909 => {
            let words = usize::from(*rest.get(1).ok_or(Skip::Short)?);
            tag(Layer::CiscoMetadata, rest, 2 + 4 * words, realm, layers)
        }
        0x8926 => tag(Layer::VnTag, rest, 4, realm, layers),
        0x892f => tag(Layer::Hsr, rest, 4, realm, layers),
        0x88e5 => match *rest.first().ok_or(Skip::Short)? {
            // Encrypted, or changed in another way.
            flags if flags & 0x8c != 0 => Err(Skip::Payload(Layer::Macsec)),
            flags if flags & 0x20 != 0 => tag(Layer::Macsec, rest, 14, realm, layers),
            _ => tag(Layer::Macsec, rest, 6, realm, layers),
        },
        0x8903 => {
            layers.enter_tunnel()?;
            layers.passed(Layer::FabricPath, rest, 2);
            ethernet(rest.get(2..).ok_or(Skip::Short)?, realm, layers)
        }
        // Linux cooked capture says 1 for Novell frames and 4 for 802.2.
        1 => Err(Skip::Llc(0xff)),
        kind if kind <= 1500 => llc(rest, realm, layers),
        other => Err(Skip::EtherType(other)),
    }
}

/// IEEE 802.2, with the extension of RFC 1042 that names an EtherType.
fn llc<'a, R: Record<'a>>(
    bytes: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    match bytes {
        // Organisation 0 is Ethernet; 0xf8 is a bridge that kept an EtherType.
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low, rest @ ..] => {
            layers.passed(Layer::Llc, bytes, 8);
            // Tags may lead here again.
            layers.enter_tunnel()?;
            let kind = u16::from_be_bytes([*high, *low]);
            if kind <= 1500 {
                return Err(Skip::EtherType(kind));
            }
            ether_type(kind, rest, realm, layers)
        }
        [6, 6, 3, rest @ ..] => {
            layers.passed(Layer::Llc, bytes, 3);
            by_version(rest, realm)
        }
        [service, _, ..] => Err(Skip::Llc(*service)),
        _ => Err(Skip::Short),
    }
}
