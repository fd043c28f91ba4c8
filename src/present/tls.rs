//! TLS connections in words: what their handshakes said, and why one could not be read.

use super::text::grouped;
use crate::packet::tls::{Alert, TlsConnection, alert_name, suite_name, version_name};

/// How far a connection could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsState {
    /// To the end, in both directions.
    Decrypted,
    /// Something stood in the way of one direction, or of the rest.
    Partly,
    /// Nothing but the handshake.
    Encrypted,
    /// The handshake ended with an alert.
    Failed,
    /// No application data came.
    NoData,
}

impl TlsState {
    /// Of a connection.
    pub fn of(connection: &TlsConnection) -> Self {
        let facts = &connection.facts;
        match (facts.is_decrypted(), facts.obstacle().is_some()) {
            (true, false) => Self::Decrypted,
            (true, true) => Self::Partly,
            (false, true) => Self::Encrypted,
            (false, false) if facts.alerts.iter().any(|alert| alert.fatal) => Self::Failed,
            (false, false) => Self::NoData,
        }
    }

    /// Word for the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decrypted => "decrypted",
            Self::Partly => "partly_decrypted",
            Self::Encrypted => "encrypted",
            Self::Failed => "failed",
            Self::NoData => "no_data",
        }
    }
}

/// What stood in the way, and what may be inside.
pub fn why(connection: &TlsConnection) -> Option<String> {
    let obstacle = connection.facts.obstacle()?.to_string();
    Some(match connection.probably_sip() {
        true => format!("{obstacle}; probably SIP inside"),
        false => obstacle,
    })
}

/// Name of a cipher suite, or its number.
pub fn suite(number: u16) -> String {
    suite_name(number).map_or_else(|| format!("0x{number:04x}"), ToOwned::to_owned)
}

/// An alert: who sent it, its name and meaning.
pub fn alert(alert: &Alert) -> String {
    let (name, meaning) = alert_name(alert.number);
    let sender = if alert.from_server {
        "server"
    } else {
        "client"
    };
    format!("alert of the {sender}: {name} ({meaning})")
}

/// One line for people.
pub fn line(connection: &TlsConnection) -> String {
    let facts = &connection.facts;
    let mut out = format!("{} -> {}", connection.client, connection.server);
    if let Some(name) = &facts.sni {
        out.push_str(&format!(" ({name})"));
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend(facts.version.map(version_name));
    parts.extend(facts.suite.map(suite));
    parts.extend(facts.alpn.as_ref().map(|alpn| format!("ALPN {alpn}")));
    if facts.resumed {
        parts.push("resumed".to_owned());
    }
    if let Some(own) = facts.certificates.first() {
        parts.push(format!("certificate of {}", own.subject));
    }
    parts.push(match TlsState::of(connection) {
        TlsState::Decrypted => "decrypted".to_owned(),
        TlsState::Partly => "partly decrypted".to_owned(),
        TlsState::Encrypted => "not decrypted".to_owned(),
        TlsState::Failed => "the handshake failed".to_owned(),
        TlsState::NoData => "no application data".to_owned(),
    });
    if connection.messages > 0 {
        let over = if connection.websocket {
            " over WebSocket"
        } else {
            ""
        };
        let count = grouped(u64::from(connection.messages));
        parts.push(format!("{count} SIP messages{over}"));
    }
    parts.extend(why(connection));
    // The usual end of a connection is no news.
    parts.extend(facts.alerts.iter().filter(|a| a.number != 0).map(alert));
    format!("{out}: {}", parts.join(", "))
}

/// The state of all connections in one short line; none when there is no TLS and no secret.
pub fn summary(secrets: usize, connections: &[TlsConnection]) -> Option<String> {
    if secrets == 0 && connections.is_empty() {
        return None;
    }
    let read = connections
        .iter()
        .filter(|c| c.facts.is_decrypted())
        .count();
    let all = connections.len();
    let noun = |n: usize, one: &str| {
        format!(
            "{} {one}{}",
            grouped(n as u64),
            if n == 1 { "" } else { "s" }
        )
    };
    let log = match secrets {
        0 => "No key log".to_owned(),
        n => format!("Key log: {}", noun(n, "secret")),
    };
    Some(match all {
        0 => format!("{log}, no TLS connection"),
        _ => format!("{log}, {read} of {} decrypted", noun(all, "TLS connection")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Endpoint;
    use crate::packet::tls::{Obstacle, TlsFacts};

    fn connection(facts: TlsFacts) -> TlsConnection {
        let at = |port| Endpoint {
            ip: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
            port,
        };
        TlsConnection {
            file: 0,
            client: at(40_000),
            server: at(5061),
            first_frame: 4,
            time: 0,
            facts,
            messages: 0,
            websocket: false,
        }
    }

    #[test]
    fn an_encrypted_connection_on_5061_probably_carries_sip() {
        let facts = TlsFacts {
            version: Some(0x0304),
            suite: Some(0x1301),
            obstacles: [Some(Obstacle::NoSecrets), None],
            ..TlsFacts::default()
        };
        let line = line(&connection(facts));
        assert_eq!(
            line,
            "192.0.2.1:40000 -> 192.0.2.1:5061: TLS 1.3, TLS_AES_128_GCM_SHA256, not decrypted, \
             no key log holds the secrets of this connection; probably SIP inside"
        );
    }

    #[test]
    fn a_refused_handshake_says_why() {
        let facts = TlsFacts {
            alerts: vec![Alert {
                from_server: false,
                fatal: true,
                number: 48,
                frame: 7,
            }],
            ..TlsFacts::default()
        };
        let connection = connection(facts);
        assert_eq!(TlsState::of(&connection), TlsState::Failed);
        assert!(
            line(&connection)
                .contains("alert of the client: unknown_ca (the certificate was issued")
        );
        assert_eq!(
            summary(0, &[connection]).as_deref(),
            Some("No key log, 0 of 1 TLS connection decrypted")
        );
        assert_eq!(summary(0, &[]), None);
    }
}
