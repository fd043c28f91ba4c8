//! Formats that write `from -> to`: sngrep, ngrep and sipgrep, baresip, Homer, and `tcpdump -A`.

use super::super::marks::{Context, Facts, Mark, group, place_and_port, place_with};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::Transport;
use crate::source::TextFormat;

patterns! {
    ARROW = r"^(.*?)(\[?[0-9A-Za-z_.:%-]+\]?:\d{1,5}) -+> (\[?[0-9A-Za-z_.:%-]+\]?:\d{1,5})(?:\s.*)?$";
    NGREP = r"^([UT])\(?\d*\)? ";
    PROTOCOL = r"^\s*(?:proto:)?([A-Za-z]{2,4})\b";
    TCPDUMP = r"^(.*?)\b(?:IP6?|ethertype IPv[46](?: \(0x[0-9a-f]+\))?,(?: length \d+:)?|length \d+:) ?(?:\([^>]*\) )?([0-9A-Za-z_.:%-]+)\.([0-9a-z_-]+) > ([0-9A-Za-z_.:%-]+)\.([0-9a-z_-]+): (.*)$";
    PACKET = r"^(.*?)(?:\bIP6? |, |: )\((?:tos|class|flowlabel|hlim)";
    SECOND = r"^\s+([0-9A-Za-z_.:%-]+)\.([0-9a-z_-]+) > ([0-9A-Za-z_.:%-]+)\.([0-9a-z_-]+): (.*)$";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    // With -v addresses stand on the line of the packet for IPv6, on the next for IPv4.
    if let Some(found) = find(&TCPDUMP, line) {
        let stamp = stamp::find(group(&found, 1)?);
        return tcpdump(&found, 2, stamp, line.len());
    }
    if let Some(found) = find(&PACKET, line) {
        context.packet = stamp::find(group(&found, 1)?);
        return Some(Mark::End);
    }
    if context.packet.is_some()
        && let Some(found) = find(&SECOND, line)
    {
        return tcpdump(&found, 1, context.packet, line.len());
    }
    let found = find(&ARROW, line)?;
    let src = place_and_port(group(&found, 2)?)?;
    let dst = place_and_port(group(&found, 3)?)?;
    let head = group(&found, 1)?;
    let plain = String::from_utf8_lossy(head);
    let ngrep = find(&NGREP, line);
    let named = find(&PROTOCOL, head).and_then(|p| group(&p, 1).and_then(Transport::named));
    let stamp = stamp::find(head);
    let (format, transport) = match &ngrep {
        Some(kind) => {
            let transport = match group(kind, 1)? {
                b"U" => Transport::Udp,
                _ => Transport::Tcp,
            };
            (TextFormat::Ngrep, Some(transport))
        }
        None if named.is_some() && stamp.is_none() => (TextFormat::Baresip, named),
        None if named.is_some() => (TextFormat::Homer, named),
        None => (TextFormat::Sngrep, None),
    };
    // What stands in front must be a time and a protocol, not a sentence.
    if plain.split_whitespace().count() > 4 {
        return None;
    }
    let mut facts = Facts::new(format).at(stamp).over(transport);
    (facts.src, facts.dst) = (Some(src), Some(dst));
    // `ngrep -W single` prints the packet on the same line.
    let end = found.get(3)?.end();
    let same = ngrep.is_some() && memchr::memmem::find(line.get(end..)?, b"SIP/2.0").is_some();
    Some(Mark::Begin(facts, if same { end } else { line.len() }))
}

fn tcpdump(
    found: &regex::bytes::Captures<'_>,
    at: usize,
    stamp: Option<stamp::Stamp>,
    end: usize,
) -> Option<Mark> {
    let side = |at: usize| {
        let port = match group(found, at + 1)? {
            b"sip" => b"5060",
            b"sip-tls" | b"sips" => b"5061",
            digits if digits.iter().all(u8::is_ascii_digit) => digits,
            // Another name of a service: the port is known to that machine only.
            _ => b"",
        };
        place_with(group(found, at), Some(port))
    };
    let mut facts = Facts::new(TextFormat::Tcpdump).at(stamp);
    facts.src = Some(side(at)?);
    facts.dst = Some(side(at + 2)?);
    let rest = group(found, at + 4)?;
    facts.transport = Some(if rest.starts_with(b"Flags [") {
        Transport::Tcp
    } else if memchr::memmem::find(rest, b"sctp").is_some() {
        Transport::Sctp
    } else {
        Transport::Udp
    });
    Some(Mark::Begin(facts, end))
}
