//! Writes a step as a SIP message (RFC 3261), with or without compact header names.

use crate::body;
use crate::call::{Body, Call, Party, Step};
use crate::people::SERVERS;

/// Something that can be appended to a message.
pub trait Put {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);
}

impl Put for &str {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Put for String {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Put for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = *self;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits[at..]);
    }
}

impl Put for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }
}

impl Put for u16 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }
}

/// A number in that many hexadecimal digits.
pub struct Hex(pub u64, pub u32);

impl Put for Hex {
    fn put(&self, out: &mut Vec<u8>) {
        for n in (0..self.1).rev() {
            out.push(b"0123456789abcdef"[(self.0 >> (4 * n) & 15) as usize]);
        }
    }
}

/// Appends several things.
macro_rules! put {
    ($out:expr, $($what:expr),+ $(,)?) => {{ $( $crate::text::Put::put(&$what, $out); )+ }};
}
pub(crate) use put;

/// Appends the message of a step; `scratch` holds its body meanwhile.
pub fn write_message(call: &Call, step: &Step, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    scratch.clear();
    body::write_body(call, step, scratch);
    start_line(call, step, out);
    if call.from_first {
        identity(call, step, out);
        vias(call, step, out);
        routes(call, step, out);
    } else {
        vias(call, step, out);
        routes(call, step, out);
        identity(call, step, out);
    }
    if step.status == 0 {
        let hops = if step.hop_only {
            0
        } else {
            position(call, step)
        };
        put!(out, "Max-Forwards: ", 70 - hops as u64, "\r\n");
    }
    contact(call, step, out);
    particulars(call, step, out);
    capabilities(call, step, out);
    credentials(call, step, out);
    if !scratch.is_empty() {
        name(call, "Content-Type: ", "c: ", out);
        put!(out, body::content_type(step.body), "\r\n");
    }
    name(call, "Content-Length: ", "l: ", out);
    put!(out, scratch.len() as u64, "\r\n\r\n");
    out.extend_from_slice(scratch);
}

fn name(call: &Call, long: &str, compact: &str, out: &mut Vec<u8>) {
    put!(out, if call.compact { compact } else { long });
}

/// How many nodes have forwarded it before this hop.
fn position(call: &Call, step: &Step) -> usize {
    let pos = usize::from(step.pos);
    if step.backwards {
        call.common - pos
    } else {
        pos
    }
}

fn contact_uri(call: &Call, party: usize, out: &mut Vec<u8>) {
    let leg = party.saturating_sub(1) as u8;
    let pos = if party == 0 { 0 } else { call.common + 1 };
    put!(
        out,
        "sip:",
        call.parties[party].name,
        "@",
        call.node(pos, leg).host_port
    );
    let hop = call.hop_index(if party == 0 { 0 } else { call.common as u8 }, leg);
    if call.hops[hop].connection.is_some() {
        put!(out, ";transport=tcp");
    }
}

fn start_line(call: &Call, step: &Step, out: &mut Vec<u8>) {
    if step.status != 0 {
        put!(
            out,
            "SIP/2.0 ",
            step.status,
            " ",
            reason(step.status),
            "\r\n"
        );
        return;
    }
    put!(out, step.method, " ");
    let last = usize::from(step.pos) == call.common;
    if !step.initial {
        contact_uri(
            call,
            if step.backwards {
                0
            } else {
                1 + usize::from(step.leg)
            },
            out,
        );
    } else if last && call.common > 0 && call.kind != "registration" {
        contact_uri(call, 1 + usize::from(step.leg), out);
    } else if step.target > 0 {
        put!(out, call.next_uri);
    } else {
        put!(out, call.to_uri);
    }
    put!(out, " SIP/2.0\r\n");
}

fn vias(call: &Call, step: &Step, out: &mut Vec<u8>) {
    let pos = usize::from(step.pos);
    let top = if step.backwards { pos + 1 } else { pos };
    let count = if step.hop_only {
        1
    } else {
        1 + position(call, step)
    };
    for n in 0..count {
        let node = if step.backwards { top + n } else { top - n };
        let sent_on = if step.backwards { node - 1 } else { node };
        let hop = call.hops[call.hop_index(sent_on as u8, step.leg)];
        if n > 0 && call.comma_lists {
            put!(out, ", ");
        } else {
            name(call, "Via: ", "v: ", out);
        }
        let transport = if hop.connection.is_some() {
            "TCP"
        } else {
            "UDP"
        };
        let place = call.node(node, step.leg);
        let branch = call.branch(step.tx, node, step.leg);
        put!(out, "SIP/2.0/", transport, " ", place.host_port);
        let received = n > 0 || step.status != 0;
        if call.rport && received {
            put!(out, ";received=", place.host.trim_matches(['[', ']']));
            put!(out, ";rport=", place.addr.port());
        } else if call.rport {
            put!(out, ";rport");
        }
        put!(out, ";branch=z9hG4bK");
        if node == 0 || node > call.common {
            put!(out, Hex(branch, 16));
        } else {
            put!(
                out,
                Hex(branch >> 48, 4),
                ".",
                Hex(branch.rotate_left(13), 16),
                ".0"
            );
        }
        if !call.comma_lists || n + 1 == count {
            put!(out, "\r\n");
        }
    }
}

fn routes(call: &Call, step: &Step, out: &mut Vec<u8>) {
    let pos = usize::from(step.pos);
    let opens = step.initial && matches!(step.method, "INVITE" | "SUBSCRIBE");
    if opens && step.status == 0 {
        proxies(call, "Record-Route: ", (1..=pos).rev(), out);
    } else if opens && (101..300).contains(&step.status) {
        proxies(call, "Record-Route: ", (1..=call.common).rev(), out);
    } else if step.status == 0 && !step.initial {
        if step.backwards {
            proxies(call, "Route: ", (1..=pos).rev(), out);
        } else {
            proxies(call, "Route: ", pos + 1..=call.common, out);
        }
    } else if step.method == "REGISTER" && step.status == 0 {
        proxies(call, "Path: ", (1..=pos).rev(), out);
    }
}

fn proxies(call: &Call, header: &str, nodes: impl Iterator<Item = usize>, out: &mut Vec<u8>) {
    let mut open = false;
    for node in nodes {
        let hop = call.hops[call.hop_index(node as u8, 0)];
        put!(
            out,
            if open && call.comma_lists {
                ","
            } else {
                header
            }
        );
        put!(out, "<sip:", call.node(node, 0).host_port);
        if hop.connection.is_some() {
            put!(out, ";transport=tcp");
        }
        put!(
            out,
            ";lr",
            if call.seed & 64 == 0 {
                ";ftag="
            } else {
                ";did="
            }
        );
        put!(out, Hex(call.tag(0), 6), ">");
        if !call.comma_lists {
            put!(out, "\r\n");
        }
        open = true;
    }
    if open && call.comma_lists {
        put!(out, "\r\n");
    }
}

fn identity(call: &Call, step: &Step, out: &mut Vec<u8>) {
    let to_uri = if call.kind == "registration" {
        &call.from_uri
    } else {
        &call.to_uri
    };
    let first = step.initial && step.status == 0 && step.method != "ACK";
    let tagged = step.tag != 0 && !first;
    name(call, "From: ", "f: ", out);
    let caller = &call.parties[0];
    if step.backwards {
        let callee = &call.parties[1 + usize::from(step.leg)];
        put!(
            out,
            callee.display,
            "<",
            *to_uri,
            ">;tag=",
            Hex(call.tag(step.tag), 10),
            "\r\n"
        );
    } else {
        put!(
            out,
            caller.display,
            "<",
            call.from_uri,
            ">;tag=",
            Hex(call.tag(0), 8),
            "\r\n"
        );
    }
    name(call, "To: ", "t: ", out);
    if step.backwards {
        put!(
            out,
            caller.display,
            "<",
            call.from_uri,
            ">;tag=",
            Hex(call.tag(0), 8),
            "\r\n"
        );
    } else {
        put!(out, "<", *to_uri, ">");
        if tagged {
            put!(out, ";tag=", Hex(call.tag(step.tag), 10));
        }
        put!(out, "\r\n");
    }
    name(call, "Call-ID: ", "i: ", out);
    put!(
        out,
        call.call_id,
        "\r\nCSeq: ",
        step.cseq,
        " ",
        step.method,
        "\r\n"
    );
}

fn contact(call: &Call, step: &Step, out: &mut Vec<u8>) {
    let wanted = match (step.method, step.status) {
        ("INVITE" | "SUBSCRIBE" | "UPDATE" | "REFER" | "NOTIFY", 0) => true,
        ("REGISTER" | "OPTIONS", 0 | 200) => true,
        ("INVITE" | "UPDATE" | "SUBSCRIBE" | "REFER", 101..=299) => true,
        (_, 302) => {
            name(call, "Contact: ", "m: ", out);
            put!(out, "<", call.next_uri, ">;q=0.8\r\n");
            false
        }
        _ => false,
    };
    if !wanted || step.hop_only {
        return;
    }
    name(call, "Contact: ", "m: ", out);
    let registers = step.method == "REGISTER";
    let callee = (step.status != 0) != step.backwards && !registers;
    let party = if callee { 1 + usize::from(step.leg) } else { 0 };
    put!(out, "<");
    contact_uri(call, party, out);
    let outbound = call.parties[party].profile.outbound;
    put!(out, if outbound { ";ob>" } else { ">" });
    if outbound {
        instance(&call.parties[party], out);
    }
    if registers {
        put!(out, ";expires=", step.expires);
    }
    put!(out, "\r\n");
}

fn instance(party: &Party, out: &mut Vec<u8>) {
    let id = crate::rng::mix2(party.user.0, 0x1d);
    put!(
        out,
        ";reg-id=1;+sip.instance=\"<urn:uuid:",
        Hex(id, 8),
        "-",
        Hex(id >> 9, 4),
        "-4"
    );
    put!(
        out,
        Hex(id >> 21, 3),
        "-8",
        Hex(id >> 33, 3),
        "-",
        Hex(id.rotate_left(29), 12),
        ">\""
    );
}

/// Header fields that belong to one method or status.
fn particulars(call: &Call, step: &Step, out: &mut Vec<u8>) {
    if (101..200).contains(&step.status) && step.rseq != 0 {
        put!(out, "Require: 100rel\r\nRSeq: ", step.rseq, "\r\n");
    }
    match (step.method, step.status) {
        ("PRACK", 0) => put!(out, "RAck: ", step.rseq, " ", step.expires, " INVITE\r\n"),
        ("SUBSCRIBE" | "REGISTER" | "PUBLISH", 0) | ("SUBSCRIBE" | "PUBLISH", 200) => {
            if step.method != "REGISTER" {
                name(call, "Event: ", "o: ", out);
                put!(out, call.event, "\r\n");
            }
            put!(out, "Expires: ", step.expires, "\r\n");
        }
        ("NOTIFY", 0) => {
            name(call, "Event: ", "o: ", out);
            let refer = matches!(step.body, Body::SipFrag(_));
            put!(out, if refer { "refer" } else { call.event }, "\r\n");
            let ended = step.expires == 0 || matches!(step.body, Body::SipFrag(200..));
            if ended {
                put!(out, "Subscription-State: terminated;reason=noresource\r\n");
            } else if step.rseq == 1 {
                put!(
                    out,
                    "Subscription-State: pending;expires=",
                    step.expires,
                    "\r\n"
                );
            } else {
                put!(
                    out,
                    "Subscription-State: active;expires=",
                    step.expires,
                    "\r\n"
                );
            }
        }
        ("REFER", 0) => {
            name(call, "Refer-To: ", "r: ", out);
            put!(out, "<", call.next_uri, ">\r\n");
            name(call, "Referred-By: ", "b: ", out);
            put!(out, "<", call.from_uri, ">\r\n");
        }
        ("CANCEL", 0) if call.seed & 128 == 0 => {
            put!(out, "Reason: SIP;cause=487;text=\"ORIGINATOR_CANCEL\"\r\n");
        }
        ("BYE", 0) if call.seed & 128 == 0 => {
            put!(
                out,
                "Reason: Q.850;cause=16;text=\"Normal call clearing\"\r\n"
            );
        }
        (_, 503) => put!(out, "Retry-After: 30\r\n"),
        (_, 423) => put!(out, "Min-Expires: 60\r\n"),
        (_, 489) => put!(out, "Allow-Events: presence, message-summary\r\n"),
        _ => {}
    }
    if step.initial && step.method == "INVITE" && step.status == 0 && step.pos > 1 {
        put!(
            out,
            "P-Asserted-Identity: ",
            call.parties[0].display,
            "<",
            call.from_uri,
            ">\r\n"
        );
        put!(
            out,
            "P-Charging-Vector: icid-value=",
            Hex(call.number(0x1c1d), 16)
        );
        put!(out, ";icid-generated-at=", call.node(1, 0).host, "\r\n");
    }
}

fn capabilities(call: &Call, step: &Step, out: &mut Vec<u8>) {
    let party = call.author(step);
    if step.by_proxy || call.kind == "registration" && step.status != 0 {
        let server = SERVERS[(call.seed >> 9) as usize % SERVERS.len()];
        put!(out, "Server: ", server, "\r\n");
    } else if step.status != 0 {
        put!(out, "Server: ", party.profile.agent, "\r\n");
    } else if !step.hop_only {
        put!(out, "User-Agent: ", party.profile.agent, "\r\n");
    }
    let full = match (step.method, step.status) {
        ("INVITE" | "REGISTER", 0) => call.seed & 3072 != 0,
        ("OPTIONS" | "UPDATE" | "SUBSCRIBE", 0) => call.seed & 1024 == 0,
        ("INVITE" | "OPTIONS", 200) => call.seed & 1024 == 0,
        ("INVITE", 101..=199) => call.seed & 3072 == 0,
        _ => false,
    };
    if full {
        put!(out, "Allow: ", party.profile.allow, "\r\n");
        name(call, "Supported: ", "k: ", out);
        put!(out, party.profile.supported, "\r\n");
    }
    if step.method == "OPTIONS" && step.status == 0 || full && call.seed & 0x700 == 0x400 {
        put!(
            out,
            "Accept: application/sdp, application/dtmf-relay, text/plain\r\n"
        );
        name(call, "Allow-Events: ", "u: ", out);
        put!(out, "presence, dialog, message-summary, refer\r\n");
    }
    if full && step.method == "INVITE" && party.profile.supported.contains("timer") {
        if step.status == 0 {
            name(call, "Session-Expires: ", "x: ", out);
            put!(out, "1800\r\nMin-SE: 90\r\n");
        } else if step.status >= 200 {
            name(call, "Session-Expires: ", "x: ", out);
            put!(out, "1800;refresher=uas\r\n");
        }
    }
}

fn credentials(call: &Call, step: &Step, out: &mut Vec<u8>) {
    let realm = call.parties[0].user.domain();
    match step.status {
        401 | 407 => {
            let header = if step.status == 401 {
                "WWW-Authenticate: "
            } else {
                "Proxy-Authenticate: "
            };
            put!(out, header, "Digest realm=\"", realm, "\", nonce=\"");
            put!(
                out,
                Hex(call.number(u64::from(step.cseq)), 16),
                Hex(call.number(77), 16)
            );
            put!(out, "\", algorithm=MD5, qop=\"auth\"\r\n");
        }
        0 if step.auth => {
            let register = matches!(step.method, "REGISTER" | "SUBSCRIBE" | "PUBLISH");
            let header = if register {
                "Authorization: "
            } else {
                "Proxy-Authorization: "
            };
            put!(
                out,
                header,
                "Digest username=\"",
                call.parties[0].name,
                "\", realm=\"",
                realm
            );
            put!(
                out,
                "\", nonce=\"",
                Hex(call.number(u64::from(step.cseq - 1)), 16)
            );
            put!(
                out,
                Hex(call.number(77), 16),
                "\", uri=\"",
                call.to_uri,
                "\", response=\""
            );
            put!(
                out,
                Hex(call.number(u64::from(step.cseq) + 500), 16),
                Hex(call.number(78), 16)
            );
            put!(
                out,
                "\", algorithm=MD5, cnonce=\"",
                Hex(call.number(79), 8),
                "\", qop=auth"
            );
            put!(out, ", nc=00000001\r\n");
        }
        _ => {}
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Unknown",
    }
}
