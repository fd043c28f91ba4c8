//! Via values (RFC 3261, 20.42).

use std::net::{IpAddr, Ipv4Addr};

use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::Piece;
use crate::sip::lex;
use crate::sip::sink::{Param, Sink, find_param};
use crate::sip::uri::{check_host, check_port, host_port};
use crate::span::Span;

/// One hop of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `SIP`.
    pub protocol: Span,
    /// `2.0`.
    pub version: Span,
    /// `UDP`, `TCP`, `TLS` ...
    pub transport: Span,
    /// Host and port.
    pub sent_by: Span,
    /// Host, an IPv6 address with its brackets.
    pub host: Span,
    /// Port, when it is a number that fits.
    pub port: Option<u16>,
    /// Port as it stands; empty when absent.
    pub port_span: Span,
    /// `branch`, `received`, `rport` ...
    pub params: Vec<Param>,
}

impl Via {
    /// The branch, which identifies the transaction; empty when absent.
    pub fn branch(&self, bytes: &[u8]) -> Span {
        find_param(&self.params, bytes, "branch")
            .and_then(|param| param.value)
            .unwrap_or_default()
    }
}

pub(super) fn decode(value: Piece<'_>, sink: &mut Sink) -> Via {
    let raw = lex::raw_via(value);
    let host = host_port(raw.sent_by);
    let mut via = Via {
        protocol: raw.protocol.span(),
        version: raw.version.span(),
        transport: raw.transport.span(),
        sent_by: raw.sent_by.span(),
        host: host.host.span(),
        port: None,
        port_span: Span::default(),
        params: Vec::new(),
    };
    if raw.protocol.is_empty() || raw.version.is_empty() || raw.transport.is_empty() {
        sink.add(
            Kind::BadVia,
            value.span(),
            "A Via begins with SIP/2.0/ and a transport",
        );
    } else if !raw.protocol.is("SIP") {
        sink.add(
            Kind::BadVia,
            raw.protocol.span(),
            "The protocol in Via is not SIP",
        );
    } else if raw.version.bytes() != b"2.0" {
        sink.add(
            Kind::BadVersion,
            raw.version.span(),
            "The version in Via is not 2.0",
        );
    }
    if raw.sent_by.is_empty() {
        sink.add(
            Kind::BadVia,
            value.span(),
            "A Via has to name the host that sent the request",
        );
    } else {
        check_host(host, Kind::BadVia, sink);
        check_reachable(host.host, sink);
        if let Some(at) = raw.sent_by.bytes().iter().position(|b| *b == b' ')
            && host.port.is_none()
        {
            sink.add(
                Kind::BadVia,
                raw.sent_by.skip(at).span(),
                "Text behind the host in Via",
            );
        }
    }
    if let Some(port) = host.port {
        via.port_span = port.span();
        via.port = check_port(port, Kind::BadVia, sink);
    }
    via.params = sink.params(raw.rest);
    for raw in lex::params(raw.rest) {
        check_param(raw, sink);
    }
    via
}

fn check_param(raw: lex::RawParam<'_>, sink: &mut Sink) {
    let Some(value) = raw.value else { return };
    if value.is_empty() && !raw.name.is("rport") {
        if ["branch", "received", "maddr", "ttl"]
            .iter()
            .any(|name| raw.name.is(name))
        {
            sink.add(
                Kind::BadVia,
                raw.whole.span(),
                "This parameter needs a value",
            );
        }
    } else if raw.name.is("rport") && !value.is_empty() {
        check_port(value, Kind::BadVia, sink);
    } else if raw.name.is("ttl") && value.number().is_none_or(|ttl| ttl > 255) {
        sink.add(
            Kind::NumberOutOfRange,
            value.span(),
            "A ttl is a number from 0 to 255",
        );
    } else if raw.name.is("branch") && !lex::is_token(value.bytes()) {
        sink.add(Kind::BadVia, value.span(), "A branch is a token");
    }
}

/// Broadcast, multicast and unspecified addresses get no response back.
fn check_reachable(host: Piece<'_>, sink: &mut Sink) {
    let text = host.bytes();
    let inner = text
        .strip_prefix(b"[")
        .and_then(|text| text.strip_suffix(b"]"))
        .unwrap_or(text);
    let Some(first) = inner
        .first()
        .filter(|b| b.is_ascii_hexdigit() || **b == b':')
    else {
        return;
    };
    if !(first.is_ascii_digit() || text.first() == Some(&b'[')) {
        return;
    }
    let Some(address) = str::from_utf8(inner)
        .ok()
        .and_then(|text| text.parse::<IpAddr>().ok())
    else {
        return;
    };
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if broadcast || address.is_multicast() || address.is_unspecified() {
        let what = if broadcast {
            "a broadcast"
        } else {
            "a multicast or unspecified"
        };
        sink.add(
            Kind::ViaUnusableAddress,
            host.span(),
            format!("No response can go to {what} address"),
        );
    }
}
