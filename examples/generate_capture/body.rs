//! Bodies: SDP (RFC 8866) in offers and answers, and the small ones.

use crate::call::{Body, Call, Step};
use crate::text::{Hex, put};

/// Media type of a body.
pub fn content_type(body: Body) -> &'static str {
    match body {
        Body::None | Body::Sdp(..) => "application/sdp",
        Body::SipFrag(_) => "message/sipfrag;version=2.0",
        Body::Text(_) => "text/plain;charset=UTF-8",
        Body::Dtmf(_) => "application/dtmf-relay",
        Body::Mwi(_) => "application/simple-message-summary",
        Body::Presence(_) => "application/pidf+xml",
        Body::DialogInfo(_) => "application/dialog-info+xml",
    }
}

/// Appends the body of a step.
pub fn write_body(call: &Call, step: &Step, out: &mut Vec<u8>) {
    match step.body {
        Body::None => {}
        Body::Sdp(version, direction) => sdp(call, step, version, direction, out),
        Body::SipFrag(status) => {
            put!(
                out,
                "SIP/2.0 ",
                status,
                if status < 200 {
                    " Trying\r\n"
                } else {
                    " OK\r\n"
                }
            );
        }
        Body::Text(length) => {
            const WORDS: [&str; 6] = [
                "Grüße aus Köln ",
                "see you at 3 ",
                "👍 ",
                "call me back ",
                "привет ",
                "ok ",
            ];
            for n in 0..u64::from(length) {
                put!(out, WORDS[(call.number(n) % 6) as usize]);
            }
        }
        Body::Dtmf(digit) => put!(out, "Signal=", digit % 10, "\r\nDuration=160\r\n"),
        Body::Mwi(count) => {
            put!(
                out,
                "Messages-Waiting: ",
                if count > 0 { "yes" } else { "no" },
                "\r\n"
            );
            put!(out, "Message-Account: ", call.from_uri, "\r\n");
            put!(out, "Voice-Message: ", count, "/4 (0/0)\r\n");
        }
        Body::Presence(n) => {
            put!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
            put!(
                out,
                "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"",
                call.to_uri
            );
            put!(out, "\">\r\n <tuple id=\"t", n, "\">\r\n  <status><basic>");
            put!(out, if n % 2 == 0 { "open" } else { "closed" });
            put!(
                out,
                "</basic></status>\r\n  <contact>",
                call.to_uri,
                "</contact>\r\n"
            );
            put!(out, " </tuple>\r\n</presence>\r\n");
        }
        Body::DialogInfo(n) => {
            put!(out, "<?xml version=\"1.0\"?>\r\n<dialog-info ");
            put!(
                out,
                "xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"",
                n,
                "\" "
            );
            put!(out, "state=\"full\" entity=\"", call.to_uri, "\">\r\n");
            if n % 2 == 1 {
                put!(
                    out,
                    "<dialog id=\"d",
                    n,
                    "\" direction=\"recipient\"><state>"
                );
                put!(out, "confirmed</state></dialog>\r\n");
            }
            put!(out, "</dialog-info>\r\n");
        }
    }
}

fn sdp(call: &Call, step: &Step, version: u32, direction: &str, out: &mut Vec<u8>) {
    let party = call.author(step);
    let node = call.author_node(step);
    let host = node.host.trim_matches(['[', ']']);
    let family = if node.addr.is_ipv6() { "IP6 " } else { "IP4 " };
    let session = call.number(0x5d9 + u64::from(party.media_port)) % 1_000_000_000 + 1_000_000_000;
    let answer = step.status != 0;
    // Both sides speak what the caller offered first: the answer takes its first codec.
    let codecs = call.parties[0].profile.codecs;
    let codecs = if answer { &codecs[..1] } else { codecs };
    put!(
        out,
        "v=0\r\no=",
        if step.by_proxy { "proxy" } else { "-" },
        " ",
        session,
        " "
    );
    put!(
        out,
        session + u64::from(version),
        " IN ",
        family,
        host,
        "\r\ns="
    );
    put!(
        out,
        if call.seed & 2 == 0 { "-" } else { "SIP Call" },
        "\r\nc=IN ",
        family,
        host
    );
    put!(out, "\r\nt=0 0\r\n");
    let ice = party.profile.ice;
    if ice {
        put!(
            out,
            "a=ice-ufrag:",
            Hex(call.number(1), 4),
            "\r\na=ice-pwd:"
        );
        put!(out, Hex(call.number(2), 16), Hex(call.number(3), 8), "\r\n");
    }
    put!(out, "m=audio ", party.media_port, " RTP/AVP");
    for (payload_type, _) in codecs {
        put!(out, " ", u64::from(*payload_type));
    }
    put!(out, " 101\r\n");
    for (payload_type, codec) in codecs {
        let (map, parameters) = codec.split_once('|').unwrap_or((codec, ""));
        let number = u64::from(*payload_type);
        put!(out, "a=rtpmap:", number, " ", map, "\r\n");
        if !parameters.is_empty() {
            put!(out, "a=fmtp:", number, " ", parameters, "\r\n");
        }
    }
    put!(
        out,
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    );
    if call.seed & 4 == 0 {
        put!(out, "a=ptime:20\r\na=maxptime:150\r\n");
    }
    put!(
        out,
        "a=",
        direction,
        "\r\na=rtcp:",
        party.media_port + 1,
        "\r\n"
    );
    if ice {
        let candidates = if answer { 3 } else { 2 + call.number(4) % 9 };
        for n in 0..candidates {
            put!(
                out,
                "a=candidate:",
                Hex(call.number(20 + n / 2), 8),
                " ",
                n % 2 + 1,
                " UDP "
            );
            put!(
                out,
                2_130_706_431 - n * 256,
                " ",
                host,
                " ",
                party.media_port + n as u16 % 2
            );
            put!(
                out,
                " typ ",
                if n < 2 {
                    "host"
                } else {
                    "srflx raddr 10.0.0.1 rport 9"
                }
            );
            put!(out, "\r\n");
        }
        put!(
            out,
            "a=rtcp-mux\r\na=setup:",
            if answer { "active" } else { "actpass" },
            "\r\n"
        );
        put!(out, "a=fingerprint:sha-256 ");
        for n in 0..32 {
            put!(
                out,
                Hex(call.number(100 + n), 2),
                if n < 31 { ":" } else { "\r\n" }
            );
        }
    }
}
