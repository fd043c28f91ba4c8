//! What is in a capture that has no SIP: ports, TLS.
//!
//! Reads the files once more, when somebody opened one in which nothing was found and wants to know why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::packet::{Payload, dissect};
use crate::source::{CaptureFile, Chunk, OpenOptions};

/// Packets that are looked at.
const MOST_PACKETS: u64 = 2_000_000;
/// Ports that are counted apart.
const MOST_PORTS: usize = 4096;
/// Octets read at a time.
const CHUNK: usize = 1 << 20;
/// Ports named to people.
const NAMED: usize = 5;
/// First octets of a TLS record: handshake, alert or data, and the version 3.x (RFC 8446, 5.1).
const TLS_RECORDS: std::ops::RangeInclusive<u8> = 20..=23;

/// Packets of one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortCount {
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// The lower one of both ports, for servers mostly have low ones.
    pub port: u16,
    /// Packets from and to it.
    pub packets: u64,
    /// TLS was seen on it.
    pub tls: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Packets that were looked at.
    pub packets: u64,
    /// The ports with most packets.
    pub ports: Vec<PortCount>,
    /// Ports that carried TLS.
    pub tls_ports: Vec<u16>,
    /// There were more packets than are looked at.
    pub more: bool,
}

/// Looks at the packets of these files; none when nobody waits any more.
pub fn survey(paths: &[PathBuf], still: &dyn Fn() -> bool) -> Option<Survey> {
    let mut out = Survey::default();
    let mut ports: BTreeMap<(&'static str, u16), (u64, bool)> = BTreeMap::new();
    for path in paths {
        let Ok(mut file) = CaptureFile::open(path, &OpenOptions::default()) else {
            continue;
        };
        let mut chunk = Chunk::default();
        while file.next_chunk_into(CHUNK, &mut chunk) {
            if !still() {
                return None;
            }
            for frame in &chunk.frames {
                if out.packets >= MOST_PACKETS {
                    out.more = true;
                    break;
                }
                out.packets += 1;
                let Ok(packet) = dissect(frame.link_type, frame.of(&chunk), frame.original) else {
                    continue;
                };
                let (transport, tls) = match &packet.payload {
                    Payload::Udp { .. } => ("UDP", false),
                    Payload::Tcp(segment) => ("TCP", is_tls(segment.data)),
                    _ => continue,
                };
                let ends = packet.addressing;
                let key = (transport, ends.src.port.min(ends.dst.port));
                if ports.len() < MOST_PORTS || ports.contains_key(&key) {
                    let entry = ports.entry(key).or_default();
                    entry.0 += 1;
                    entry.1 |= tls;
                }
            }
        }
    }
    let mut all: Vec<PortCount> = ports
        .into_iter()
        .map(|((transport, port), (packets, tls))| PortCount {
            transport,
            port,
            packets,
            tls,
        })
        .collect();
    out.tls_ports = all.iter().filter(|p| p.tls).map(|p| p.port).collect();
    // SIP over TLS first (RFC 3261, 26.2.2: port 5061).
    out.tls_ports.sort_by_key(|port| (*port != 5061, *port));
    all.sort_by_key(|p| (std::cmp::Reverse(p.packets), p.port));
    all.truncate(NAMED);
    out.ports = all;
    Some(out)
}

fn is_tls(data: &[u8]) -> bool {
    matches!(data, [kind, 3, 0..=4, ..] if TLS_RECORDS.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_known_by_its_first_octets() {
        assert!(is_tls(&[22, 3, 1, 0, 200]));
        assert!(!is_tls(b"INVITE sip:x SIP/2.0"));
        assert!(!is_tls(&[22, 3]));
    }

    #[test]
    fn files_that_cannot_be_opened_count_nothing() {
        let found = survey(&[PathBuf::from("/nowhere/at/all.pcap")], &|| true);
        assert_eq!(found, Some(Survey::default()));
    }
}
