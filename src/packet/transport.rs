//! The transports of SIP.

use serde::Serialize;

/// What carries SIP, as it was observed or as a trace names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP (RFC 4168).
    Sctp,
    /// TLS over SCTP (RFC 4168).
    TlsSctp,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// The one that logs and Via name with this word, in any case.
    pub fn named(word: &[u8]) -> Option<Self> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        Some(match () {
            () if is("udp") || is("udp6") || is("udp4") => Self::Udp,
            () if is("tcp") || is("tcp6") || is("tcp4") => Self::Tcp,
            () if is("tls") || is("tls6") || is("ssl") || is("sips") => Self::Tls,
            () if is("sctp") => Self::Sctp,
            () if is("tls-sctp") => Self::TlsSctp,
            () if is("ws") => Self::Ws,
            () if is("wss") => Self::Wss,
            () => return None,
        })
    }

    /// Name as in Via.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::TlsSctp => "TLS-SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The transport keeps the borders of messages: Content-Length need not tell where one ends
    /// (RFC 3261, 18.3; RFC 7118, 5).
    pub fn keeps_borders(self) -> bool {
        matches!(self, Self::Udp | Self::Sctp | Self::Ws | Self::Wss)
    }

    /// The transport repeats what is lost: SIP does not (RFC 3261, 17).
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The port of a client is made anew for each connection.
    pub fn has_connections(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls | Self::Ws | Self::Wss)
    }
}
