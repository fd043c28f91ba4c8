//! Finds what an ICMP error quotes: a SIP message, or media.

use std::net::IpAddr;

use crate::index::icmp::{IcmpError, Quote, Start};
use crate::index::{Indexer, branch_hash};
use crate::packet::icmp::Quoted;
use crate::packet::rtp_brief::{is_rtcp, rtp_header};
use crate::sip::framing;
use crate::sip::scan::{Framing, scan};

/// Ties an error to what it quotes; leaves it when that is neither SIP nor media.
pub(super) fn tie(
    indexer: &mut Indexer,
    quoted: &Quoted<'_>,
    from: IpAddr,
    frame: (u16, u32),
    time: i64,
) {
    let error = IcmpError {
        frame,
        time,
        kind: quoted.kind,
        code: quoted.code,
        v6: quoted.v6,
        from,
        count: 1,
    };
    let data = quoted.udp.map(|(data, _)| data);
    let quote = Quote {
        addressing: quoted.addressing,
        sent: quoted.udp.map(|(_, sent)| sent),
        start: data.and_then(start),
    };
    // Eight octets of the datagram, all that RFC 792 asks for, tell only the addresses.
    let media = data.is_some_and(|d| d.is_empty() || rtp_header(d).is_some() || is_rtcp(d));
    indexer.icmp(&quote, error, media);
}

/// The start of a quoted message; none when the quote is too short to tell.
fn start(data: &[u8]) -> Option<Start> {
    let data = data.get(framing::datagram_start(data)?..)?;
    let framing = Framing {
        datagram: true,
        cut: true,
        whole: false,
    };
    let scan = scan(data, framing)?;
    // What ends with the quote may be longer in the message.
    let whole = |end: u32| (end as usize) < data.len();
    let branch = (!scan.branch.is_empty() && whole(scan.branch.end))
        .then(|| branch_hash(scan.branch.of(data)));
    let cseq = scan.cseq.filter(|_| whole(scan.cseq_method_span.end));
    Some(Start {
        method: scan.method,
        status: scan.status,
        branch,
        cseq,
    })
}
