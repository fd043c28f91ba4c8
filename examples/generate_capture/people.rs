//! Who takes part: users, devices, proxies, and the words they use.

use crate::rng::mix2;
use crate::wire::Vlan;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a device of one make writes about itself.
pub struct Profile {
    /// `User-Agent` or `Server`.
    pub agent: &'static str,
    /// `Allow`.
    pub allow: &'static str,
    /// `Supported`.
    pub supported: &'static str,
    /// Formats of an audio offer: payload type and `rtpmap`, with `fmtp` after a bar.
    pub codecs: &'static [(u8, &'static str)],
    /// Offers ICE candidates and everything else a browser does, in long bodies.
    pub ice: bool,
    /// Puts an instance id and more parameters into its Contact.
    pub outbound: bool,
}

const CLASSIC: &[(u8, &str)] = &[
    (0, "PCMU/8000"),
    (8, "PCMA/8000"),
    (18, "G729/8000|annexb=no"),
];
const WIDE: &[(u8, &str)] = &[
    (9, "G722/8000"),
    (8, "PCMA/8000"),
    (0, "PCMU/8000"),
    (3, "GSM/8000"),
];
const MOBILE: &[(u8, &str)] = &[
    (116, "AMR-WB/16000/1|mode-change-capability=2;max-red=0"),
    (118, "AMR/8000/1|mode-change-capability=2;max-red=0"),
    (8, "PCMA/8000"),
];
const OPUS: &[(u8, &str)] = &[
    (111, "opus/48000/2|minptime=10;useinbandfec=1"),
    (9, "G722/8000"),
    (0, "PCMU/8000"),
    (8, "PCMA/8000"),
    (13, "CN/8000"),
];
const PLAIN: &[(u8, &str)] = &[(8, "PCMA/8000")];

/// The makes of devices in the capture.
pub const PROFILES: &[Profile] = &[
    Profile {
        agent: "Yealink SIP-T46S 66.86.0.15",
        allow: "INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER, SUBSCRIBE, REFER, PUBLISH, UPDATE, MESSAGE",
        supported: "replaces, 100rel",
        codecs: CLASSIC,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "snomD785/10.1.169.16",
        allow: "INVITE, ACK, CANCEL, BYE, REFER, OPTIONS, NOTIFY, SUBSCRIBE, PRACK, MESSAGE, INFO, UPDATE",
        supported: "timer, 100rel, replaces, from-change",
        codecs: WIDE,
        ice: false,
        outbound: true,
    },
    Profile {
        agent: "PolycomVVX-VVX_411-UA/5.9.5.0614",
        allow: "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, PRACK, UPDATE, REFER",
        supported: "100rel, replaces",
        codecs: WIDE,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "Cisco-CP8845/12.8.1",
        allow: "ACK, BYE, CANCEL, INVITE, NOTIFY, OPTIONS, REFER, REGISTER, UPDATE, SUBSCRIBE, INFO, PRACK",
        supported: "replaces, join, sdp-anat, norefersub, resource-priority, extended-refer, X-cisco-callinfo",
        codecs: CLASSIC,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "Grandstream GXP2170 1.0.11.64",
        allow: "INVITE, ACK, OPTIONS, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, REFER, UPDATE, MESSAGE, PRACK",
        supported: "replaces, path, timer, eventlist",
        codecs: CLASSIC,
        ice: false,
        outbound: true,
    },
    Profile {
        agent: "Linphone-Desktop/5.2.4 (Debian) belle-sip/5.3.29",
        allow: "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE",
        supported: "replaces, outbound, gruu, path, record-aware",
        codecs: OPUS,
        ice: true,
        outbound: true,
    },
    Profile {
        agent: "baresip v3.10.1 (x86_64/Linux)",
        allow: "INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,UPDATE,REFER,PRACK",
        supported: "gruu,timer,norefersub",
        codecs: OPUS,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "AVM FRITZ!Box 7590 154.07.57 (Sep  4 2023)",
        allow: "INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, PRACK, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, PUBLISH",
        supported: "100rel,replaces",
        codecs: WIDE,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "Asterisk PBX 20.5.0",
        allow: "OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, MESSAGE, REFER",
        supported: "100rel, timer, replaces, norefersub, histinfo",
        codecs: CLASSIC,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "FreeSWITCH-mod_sofia/1.10.10-release~64bit",
        allow: "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PRACK",
        supported: "timer, path, replaces",
        codecs: OPUS,
        ice: false,
        outbound: false,
    },
    Profile {
        agent: "iOS/17.1 (21B80) iPhone",
        allow: "ACK,BYE,CANCEL,INFO,INVITE,MESSAGE,NOTIFY,OPTIONS,PRACK,REFER,UPDATE",
        supported: "100rel,path,replaces,timer",
        codecs: MOBILE,
        ice: false,
        outbound: true,
    },
    Profile {
        agent: "Oracle SCZ9.0.0 Patch 4",
        allow: "ACK, BYE, CANCEL, INFO, INVITE, OPTIONS, PRACK, REFER, UPDATE, SUBSCRIBE, NOTIFY, MESSAGE",
        supported: "100rel",
        codecs: PLAIN,
        ice: false,
        outbound: false,
    },
];

/// What proxies and registrars call themselves.
pub const SERVERS: &[&str] = &[
    "kamailio (5.7.2 (x86_64/linux))",
    "OpenSIPS (3.4.2 (x86_64/linux))",
    "Twilio Gateway",
    "edge-sbc/4.18",
];

const FIRST_NAMES: &[&str] = &[
    "Alice",
    "Bob",
    "Jürgen",
    "Zoë",
    "Łukasz",
    "François",
    "민준",
    "Søren",
    "Ingrid",
    "Marta",
    "José",
    "Anna",
    "Čeněk",
    "Priya",
    "Олена",
    "Emma",
    "Noah",
    "Mehmet",
    "Åsa",
    "Giulia",
];
const LAST_NAMES: &[&str] = &[
    "Müller",
    "Smith",
    "Żak",
    "Dupont",
    "김",
    "Nilsen",
    "Kowalska",
    "García",
    "Novák",
    "Patel",
    "Шевченко",
    "Johnson",
    "Öztürk",
    "Rossi",
    "van den Berg",
    "O'Neill",
    "Weiß",
    "Lindström",
];
const DOMAINS: &[&str] = &[
    "example.com",
    "sip.example.net",
    "voice.example.org",
    "pbx.example.com",
    "ims.mnc001.mcc262.3gppnetwork.org",
];

/// A user: everything about one follows from its number.
#[derive(Clone, Copy)]
pub struct User(pub u64);

impl User {
    fn hash(self) -> u64 {
        mix2(self.0, 0x7573_6572)
    }

    /// The user part of its address of record; different for each user.
    pub fn name(self) -> String {
        let h = self.hash();
        let first = FIRST_NAMES[(h % 2) as usize].to_ascii_lowercase();
        match h >> 8 & 3 {
            0 => format!("+4930{:07}", self.0),
            1 => format!("{}", 100_000 + self.0),
            2 => format!("{first}.{}", self.0),
            _ => format!("user-{}", self.0),
        }
    }

    /// Its display name, with quotes where the grammar wants them; sometimes empty.
    pub fn display(self) -> String {
        let h = self.hash() >> 16;
        let first = FIRST_NAMES[(h % FIRST_NAMES.len() as u64) as usize];
        let last = LAST_NAMES[((h >> 8) % LAST_NAMES.len() as u64) as usize];
        match h >> 16 & 7 {
            0 => String::new(),
            1 => format!("{} ", FIRST_NAMES[(h % 2) as usize]),
            2 => format!("\"{last}, {first} \\\"{}\\\"\" ", h >> 20 & 0xfff),
            _ => format!("\"{first} {last}\" "),
        }
    }

    /// Its domain.
    pub fn domain(self) -> &'static str {
        DOMAINS[((self.hash() >> 40) % DOMAINS.len() as u64) as usize]
    }

    /// The make of its device.
    pub fn profile(self) -> &'static Profile {
        &PROFILES[((self.hash() >> 44) % PROFILES.len() as u64) as usize]
    }

    /// Where its device listens.
    pub fn address(self, v6: bool) -> SocketAddr {
        let n = self.0 % (1 << 20);
        let port = match self.hash() >> 52 & 7 {
            0 => 5062,
            1 => 10_000 + (self.hash() >> 24 & 0x3fff) as u16,
            _ => 5060,
        };
        let ip = if v6 {
            let (high, low) = ((n >> 16) as u16, n as u16);
            IpAddr::V6(Ipv6Addr::new(
                0x2001,
                0xdb8,
                0x10 + self.site() as u16,
                1,
                0,
                0,
                high,
                low,
            ))
        } else {
            let n = n as u32;
            IpAddr::V4(Ipv4Addr::from(0x0a20_0000 + n))
        };
        SocketAddr::new(ip, port)
    }

    fn site(self) -> u64 {
        self.0 % 23
    }

    /// Tags of the network its device is in: most sites have none, a few one or two.
    pub fn vlan(self) -> Vlan {
        match self.site() {
            0 | 7 => Vlan {
                outer: 0,
                inner: 110 + self.site() as u16,
            },
            13 => Vlan {
                outer: 2001,
                inner: 313,
            },
            _ => Vlan::default(),
        }
    }
}

/// Address of an edge proxy, which users talk to.
pub fn edge(n: u64, v6: bool) -> SocketAddr {
    server(0x100 + n % 6, v6)
}

/// Address of a core proxy, behind the edge.
pub fn core(n: u64, v6: bool) -> SocketAddr {
    server(0x200 + n % 4, v6)
}

/// Address of a registrar or another server.
pub fn registrar(n: u64, v6: bool) -> SocketAddr {
    server(0x300 + n % 3, v6)
}

fn server(n: u64, v6: bool) -> SocketAddr {
    let ip = if v6 {
        IpAddr::V6(Ipv6Addr::new(
            0x2001,
            0xdb8,
            0xffff,
            (n >> 8) as u16,
            0,
            0,
            0,
            n as u16 & 0xff,
        ))
    } else {
        IpAddr::V4(Ipv4Addr::from(0xac10_0010 + n as u32))
    };
    SocketAddr::new(ip, 5060)
}
