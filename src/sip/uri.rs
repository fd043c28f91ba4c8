//! URIs: sip, sips (RFC 3261, 19.1), tel (RFC 3966), urn, and others as they stand.

use std::net::Ipv6Addr;

use super::lex;
use super::sink::{Param, Sink};
use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::{Piece, is_white};
use crate::span::Span;

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// `urn`
    Urn,
    /// Another one, or none at all.
    #[default]
    Other,
}

/// A URI, cut into its parts. Empty spans mean absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uri {
    /// All of it.
    pub span: Span,
    /// Which scheme.
    pub scheme: Scheme,
    /// The name of the scheme.
    pub scheme_span: Span,
    /// User part, escapes kept; of a tel URI the number.
    pub user: Span,
    /// Password.
    pub password: Span,
    /// Host; an IPv6 address with its brackets. Of other schemes: what follows the colon.
    pub host: Span,
    /// Port, when it is a number that fits.
    pub port: Option<u16>,
    /// Port as it stands.
    pub port_span: Span,
    /// Parameters.
    pub params: Vec<Param>,
    /// Headers behind the question mark.
    pub headers: Vec<Param>,
}

/// Where a URI stands; what is allowed depends on it (RFC 3261, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the request line.
    Request,
    /// In From or To.
    FromTo,
    /// In a Contact that answers or registers.
    Contact,
    /// In a Contact that a dialog is built from.
    DialogContact,
    /// In Route, Record-Route, Path, Service-Route.
    Route,
    /// Anywhere else.
    Elsewhere,
}

/// Host and port as they stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostPort<'a> {
    pub(super) host: Piece<'a>,
    pub(super) port: Option<Piece<'a>>,
    /// Several colons without brackets.
    pub(super) bare_ipv6: bool,
}

/// Splits `host:port`.
pub(super) fn host_port(text: Piece<'_>) -> HostPort<'_> {
    if text.first() == Some(b'[') {
        let end = text.find(b']').map_or(text.len(), |at| at.wrapping_add(1));
        let rest = text.skip(end).trim_start();
        let port = match rest.first() {
            Some(b':') => Some(rest.skip(1).trim()),
            Some(_) => Some(rest),
            None => None,
        };
        return HostPort {
            host: text.take(end),
            port,
            bare_ipv6: false,
        };
    }
    let Some((host, port)) = text.split_once(b':') else {
        return HostPort {
            host: text,
            port: None,
            bare_ipv6: false,
        };
    };
    if port.find(b':').is_some() {
        return HostPort {
            host: text,
            port: None,
            bare_ipv6: true,
        };
    }
    HostPort {
        host: host.trim(),
        port: Some(port.trim()),
        bare_ipv6: false,
    }
}

/// The scheme in front of the first colon, and what follows.
fn split_scheme(text: Piece<'_>) -> Option<(Piece<'_>, Piece<'_>)> {
    let (scheme, rest) = text.split_once(b':')?;
    let valid = scheme.first().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme
            .bytes()
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    valid.then_some((scheme, rest))
}

/// Cuts a URI into its parts and says what is wrong with it.
pub(super) fn decode(text: Piece<'_>, place: Place, sink: &mut Sink) -> Uri {
    let mut uri = Uri {
        span: text.span(),
        ..Uri::default()
    };
    if text.is_empty() {
        sink.add(Kind::BadUri, text.span(), "There is no URI here");
        return uri;
    }
    if text.first() == Some(b'(') && text.bytes().last() == Some(&b')') {
        // Documents print placeholders such as "(whatever URI)".
        sink.info(
            Kind::BadUri,
            text.span(),
            "A remark in parentheses instead of a URI",
        );
        return uri;
    }
    if let Some(at) = text.bytes().iter().position(|&b| is_white(b)) {
        let rest = text.skip(at);
        let count = rest.bytes().iter().take_while(|&&b| is_white(b)).count();
        let blanks = rest.take(count);
        if blanks.find(b'\n').is_some() {
            // RFC 7118, 8.2 prints such a Contact.
            sink.info(
                Kind::ExtraWhitespace,
                blanks.span(),
                "The line is folded within a URI",
            );
        } else {
            sink.add(Kind::ExtraWhitespace, blanks.span(), "White space in a URI");
        }
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        sink.add(
            Kind::BadUri,
            text.span(),
            "A URI has to begin with a scheme and a colon",
        );
        return uri;
    };
    uri.scheme_span = scheme.span();
    if scheme.is("sip") || scheme.is("sips") {
        uri.scheme = if scheme.is("sip") {
            Scheme::Sip
        } else {
            Scheme::Sips
        };
        sip(&mut uri, rest, place, sink);
        return uri;
    }
    if scheme.is("tel") {
        uri.scheme = Scheme::Tel;
        tel(&mut uri, rest, sink);
    } else {
        uri.host = rest.span();
        if scheme.is("urn") {
            uri.scheme = Scheme::Urn;
            if rest
                .split_once(b':')
                .is_none_or(|(nid, nss)| nid.is_empty() || nss.is_empty())
            {
                sink.add(
                    Kind::BadUri,
                    text.span(),
                    "A URN needs a namespace and a name",
                );
            }
        }
    }
    if !is_usual(scheme, place) {
        sink.add(
            Kind::SchemeUnsupported,
            scheme.span(),
            format!("The scheme \"{}\" makes no sense here", scheme.text()),
        );
    }
    uri
}

/// Schemes that SIP elements can do something with in that place.
fn is_usual(scheme: Piece<'_>, place: Place) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| scheme.is(name));
    match place {
        Place::Route => false,
        Place::Request | Place::FromTo => any(&["tel", "urn", "im", "pres"]),
        // 20.10 shows a mailto URI in Contact; a redirection may lead anywhere known.
        Place::Contact | Place::DialogContact => any(&[
            "tel", "urn", "im", "pres", "mailto", "http", "https", "xmpp", "h323",
        ]),
        Place::Elsewhere => true,
    }
}

fn sip(uri: &mut Uri, rest: Piece<'_>, place: Place, sink: &mut Sink) {
    let rest = match rest.split_once(b'@') {
        Some((user_info, rest)) => {
            let (user, password) = user_info
                .split_once(b':')
                .unwrap_or((user_info, rest.take(0)));
            uri.user = user.span();
            uri.password = if password.is_empty() {
                Span::default()
            } else {
                password.span()
            };
            if user.is_empty() {
                sink.add(
                    Kind::BadUri,
                    user_info.span(),
                    "There is no user before the @",
                );
            }
            check_octets(user, b"&=+$,;?/", sink);
            check_octets(password, b"&=+$,", sink);
            rest
        }
        None => rest,
    };
    let end = rest
        .bytes()
        .iter()
        .position(|b| matches!(b, b';' | b'?'))
        .unwrap_or(rest.len());
    let host = host_port(rest.take(end));
    uri.host = host.host.span();
    if host.host.trim().is_empty() {
        sink.add(
            Kind::BadUri,
            rest.take(end).span(),
            "There is no host in this URI",
        );
    } else {
        check_host(host, Kind::BadUri, sink);
    }
    if let Some(port) = host.port {
        uri.port_span = port.span();
        uri.port = check_port(port, Kind::BadUri, sink);
    }
    let rest = rest.skip(end);
    let question = rest.find(b'?').unwrap_or(rest.len());
    for raw in lex::params(rest.take(question)) {
        if raw.name.is_empty() {
            sink.add(
                Kind::BadSeparator,
                raw.whole.span(),
                "An empty URI parameter",
            );
        } else if sink.may_decode(raw.whole.span()) {
            check_octets(raw.name, b"[]/:&+$", sink);
            if let Some(value) = raw.value {
                check_octets(value, b"[]/:&+$", sink);
            }
            uri.params.push(raw.into());
        }
    }
    let headers = rest.skip(question);
    if headers.is_empty() {
        return;
    }
    if matches!(
        place,
        Place::Request | Place::FromTo | Place::DialogContact | Place::Route
    ) {
        sink.add(
            Kind::UriHeadersNotAllowed,
            headers.span(),
            "A URI in this place may not carry headers behind a question mark",
        );
    }
    let mut rest = headers.skip(1);
    while !rest.is_empty() {
        let (one, more) = rest
            .split_once(b'&')
            .unwrap_or((rest, rest.skip(rest.len())));
        rest = more;
        let raw = lex::raw_param(one);
        if raw.name.is_empty() || raw.value.is_none() {
            sink.add(
                Kind::BadUri,
                one.span(),
                "A URI header has to read name=value",
            );
        } else if sink.may_decode(one.span()) {
            check_octets(raw.name, b"[]/?:+$", sink);
            check_octets(raw.value.unwrap_or(one), b"[]/?:+$", sink);
            uri.headers.push(raw.into());
        }
    }
}

fn tel(uri: &mut Uri, rest: Piece<'_>, sink: &mut Sink) {
    let end = rest.find(b';').unwrap_or(rest.len());
    let number = rest.take(end);
    uri.user = number.span();
    let digits = if number.first() == Some(b'+') {
        number.skip(1)
    } else {
        number
    };
    let valid = digits
        .bytes()
        .iter()
        .all(|b| b.is_ascii_hexdigit() || b"*#-.()".contains(b) || is_white(*b));
    if !valid
        || !digits
            .bytes()
            .iter()
            .any(|b| b.is_ascii_hexdigit() || b"*#".contains(b))
    {
        sink.add(
            Kind::BadUri,
            number.span(),
            "This is no telephone number (RFC 3966, 3)",
        );
    }
    uri.params = sink.params(rest.skip(end));
}

/// Octets that may stand in a part of a URI: unreserved ones, escapes, and some more.
fn check_octets(text: Piece<'_>, more: &[u8], sink: &mut Sink) {
    let mut bytes = text.bytes();
    while let [first, rest @ ..] = bytes {
        let at = text.len().wrapping_sub(bytes.len());
        bytes = rest;
        let valid = match first {
            b'%' => {
                matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
            }
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => true,
            // White space has a diagnostic of its own.
            _ if is_white(*first) => true,
            _ => first.is_ascii_alphanumeric() || more.contains(first),
        };
        if !valid {
            let text = text.range(at, at.wrapping_add(1));
            sink.add(
                Kind::BadUri,
                text.span(),
                "This octet has to be escaped as %hh in a URI",
            );
            return;
        }
    }
}

/// Checks a host: a name, an IPv4 address or an IPv6 reference.
pub(super) fn check_host(host: HostPort<'_>, kind: Kind, sink: &mut Sink) {
    let text = host.host;
    if host.bare_ipv6 {
        let sixth = text
            .bytes()
            .iter()
            .all(|b| b.is_ascii_hexdigit() || b":.".contains(b));
        let (kind, words) = if sixth {
            (
                Kind::BadIpv6,
                "An IPv6 address has to stand in square brackets",
            )
        } else {
            (kind, "Several colons in host and port")
        };
        sink.add(kind, text.span(), words);
    } else if text.first() == Some(b'[') {
        let inner = text.range(1, text.len().saturating_sub(1));
        let valid = text.bytes().last() == Some(&b']')
            && str::from_utf8(inner.bytes()).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
        if !valid {
            sink.add(
                Kind::BadIpv6,
                text.span(),
                "What stands in the brackets is no IPv6 address",
            );
        }
    } else if let Some(at) = text
        .bytes()
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || b"-._".contains(b)))
    {
        let octet = text.range(at, at.wrapping_add(1));
        if !octet.first().is_some_and(is_white) {
            sink.add(kind, octet.span(), "This octet cannot stand in a host name");
        }
    } else if let Some(at) = text.find(b'_') {
        // Names of containers have it all the time.
        sink.info(
            kind,
            text.range(at, at.wrapping_add(1)).span(),
            "No host name has an underscore",
        );
    } else if looks_like_ipv4(text.bytes()) && !is_ipv4(text.bytes()) {
        sink.add(kind, text.span(), "This is no IPv4 address");
    }
}

fn looks_like_ipv4(host: &[u8]) -> bool {
    host.contains(&b'.') && host.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

fn is_ipv4(host: &[u8]) -> bool {
    let mut count = 0_usize;
    host.split(|b| *b == b'.').all(|part| {
        count = count.saturating_add(1);
        (1..=3).contains(&part.len()) && Piece::whole(part).number().is_some_and(|n| n <= 255)
    }) && count == 4
}

/// Checks a port and gives it when it fits.
pub(super) fn check_port(port: Piece<'_>, kind: Kind, sink: &mut Sink) -> Option<u16> {
    let Some(number) = port.number() else {
        sink.add(kind, port.span(), "The port is no number");
        return None;
    };
    let fits = u16::try_from(number).ok();
    if fits.is_none() || port.len() > 5 {
        sink.add(
            Kind::PortOutOfRange,
            port.span(),
            "A port has at most five digits, up to 65535",
        );
    }
    fits
}

impl Uri {
    /// The same resource by the rules of RFC 3261, 19.1.4. Both URIs stand in messages of their own.
    pub fn equivalent(&self, bytes: &[u8], other: &Self, other_bytes: &[u8]) -> bool {
        let (ours, theirs) = (
            Side { uri: self, bytes },
            Side {
                uri: other,
                bytes: other_bytes,
            },
        );
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                unescape(ours.of(self.user)) == unescape(theirs.of(other.user))
                    && unescape(ours.of(self.password)) == unescape(theirs.of(other.password))
                    && ours
                        .of(self.host)
                        .eq_ignore_ascii_case(theirs.of(other.host))
                    && self.port == other.port
                    && ours.params_match(&theirs)
                    && theirs.params_match(&ours)
                    && ours.headers_match(&theirs)
            }
            Scheme::Tel => {
                number(ours.of(self.user)) == number(theirs.of(other.user))
                    && ours.params_match(&theirs)
                    && theirs.params_match(&ours)
            }
            Scheme::Urn | Scheme::Other => ours
                .of(self.span)
                .eq_ignore_ascii_case(theirs.of(other.span)),
        }
    }
}

struct Side<'a> {
    uri: &'a Uri,
    bytes: &'a [u8],
}

impl<'a> Side<'a> {
    fn of(&self, span: Span) -> &'a [u8] {
        span.of(self.bytes)
    }

    /// A parameter in both must be equal; these few may not stand in one only.
    fn params_match(&self, other: &Self) -> bool {
        self.uri.params.iter().all(|ours| {
            let name = unescape(self.of(ours.name));
            let theirs = other
                .uri
                .params
                .iter()
                .find(|p| unescape(other.of(p.name)).eq_ignore_ascii_case(&name));
            match theirs {
                Some(theirs) => {
                    let ours = unescape(ours.value.map_or(&[][..], |span| self.of(span)));
                    let theirs = unescape(theirs.value.map_or(&[][..], |span| other.of(span)));
                    ours.eq_ignore_ascii_case(&theirs)
                }
                None => !["user", "ttl", "method", "maddr"]
                    .iter()
                    .any(|never| name.eq_ignore_ascii_case(never.as_bytes())),
            }
        })
    }

    fn headers_match(&self, other: &Self) -> bool {
        let list = |side: &Self| {
            let mut list: Vec<(Vec<u8>, Vec<u8>)> = side
                .uri
                .headers
                .iter()
                .map(|header| {
                    let value = header.value.map_or(&[][..], |span| side.of(span));
                    (
                        unescape(side.of(header.name)).to_ascii_lowercase(),
                        unescape(value),
                    )
                })
                .collect();
            list.sort_unstable();
            list
        };
        list(self) == list(other)
    }
}

/// Digits of a telephone number, visual separators left out (RFC 3966, 4).
fn number(text: &[u8]) -> Vec<u8> {
    text.iter()
        .filter(|b| !b"-.()".contains(b))
        .map(u8::to_ascii_lowercase)
        .collect()
}

/// Octets with their `%hh` escapes resolved. NUL is an octet as any other.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, more)) = rest.split_first() {
        let octet = match more {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match octet {
            Some((high, low)) => {
                result.push((high << 4) | low);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                result.push(*first);
                rest = more;
            }
        }
    }
    result
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Uri, Vec<&'static str>) {
        let mut sink = Sink::default();
        let uri = decode(Piece::whole(text.as_bytes()), Place::Elsewhere, &mut sink);
        (
            uri,
            sink.diagnostics
                .iter()
                .map(|diagnostic| diagnostic.kind.id())
                .collect(),
        )
    }

    #[track_caller]
    fn check(text: &str, parts: [&str; 4], kinds: &[&str]) {
        let (uri, found) = read(text);
        let at = |span: Span| String::from_utf8_lossy(span.of(text.as_bytes())).into_owned();
        assert_eq!(
            [
                at(uri.user),
                at(uri.password),
                at(uri.host),
                at(uri.port_span)
            ],
            parts
        );
        assert_eq!(found, kinds, "{text}");
    }

    #[test]
    fn uris_fall_into_their_parts() {
        check(
            "sip:alice:secret@[2001:db8::1]:5070;lr?a=b",
            ["alice", "secret", "[2001:db8::1]", "5070"],
            &[],
        );
        check(
            "sip:user;par=u%40example.net@example.com",
            ["user;par=u%40example.net", "", "example.com", ""],
            &[],
        );
        check(
            "sips:1_u.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,w!@example.com",
            [
                "1_u.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
                "&it+has=1,w!",
                "example.com",
                "",
            ],
            &[],
        );
        check("tel:+41-44-123", ["+41-44-123", "", "", ""], &[]);
        check("urn:service:sos", ["", "", "service:sos", ""], &[]);
        check(
            "sip:2001:db8::10",
            ["", "", "2001:db8::10", ""],
            &["bad-ipv6"],
        );
        check(
            "sip:u@[2001:db8:::192.0.2.1]",
            ["u", "", "[2001:db8:::192.0.2.1]", ""],
            &["bad-ipv6"],
        );
        check(
            "sip:u@h:70000",
            ["u", "", "h", "70000"],
            &["port-out-of-range"],
        );
        check("sip:u@h:5o60", ["u", "", "h", "5o60"], &["bad-uri"]);
        check("sip:a b@h", ["a b", "", "h", ""], &["extra-whitespace"]);
        check("sip:", ["", "", "", ""], &["bad-uri"]);
        check("user@host", ["", "", "", ""], &["bad-uri"]);
        check("sip:%zz@h", ["%zz", "", "h", ""], &["bad-uri"]);
        check("sip:u@300.1.2.3", ["u", "", "300.1.2.3", ""], &["bad-uri"]);
    }

    #[test]
    fn equivalence_follows_rfc_3261_19_1_4() {
        let same = |a: &str, b: &str| read(a).0.equivalent(a.as_bytes(), &read(b).0, b.as_bytes());
        assert!(same(
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtlanTa.CoM;Transport=tcp"
        ));
        assert!(same(
            "sip:carol@chicago.com",
            "sip:carol@chicago.com;newparam=5"
        ));
        assert!(same(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"
        ));
        assert!(!same(
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP"
        ));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
        assert!(!same(
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off"
        ));
        assert!(!same(
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting"
        ));
        assert!(same("tel:+1-201-555-0123", "tel:+12015550123"));
    }
}
