//! The fast pass: what the index needs from one message, in one walk and without allocating.
//!
//! The rules are those of [`decode`](super::message::decode): where a header may stand once the
//! first one that is not empty counts, white space and folding are skipped, quoted strings and
//! angle brackets hide separators.

use serde::Serialize;

use super::lex;
use super::lines;
use super::method::Method;
use super::multipart;
use super::start_line;
pub use super::start_line::StartKind;
use crate::piece::Piece;
use crate::span::Span;

/// What is known of a message from the packet that brought it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// The bytes are a whole datagram (or WebSocket message), not a part of a stream.
    pub datagram: bool,
    /// The capture holds fewer bytes than were sent (snap length).
    pub cut: bool,
    /// The bytes are the message and nothing else: in text that people edit, lengths are often
    /// wrong, so Content-Length is compared with the body and does not decide where it ends.
    pub whole: bool,
}

/// The Content-Length of a message (RFC 3261, 20.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentLength {
    /// There is no such header.
    #[default]
    Absent,
    /// It is not a number.
    Invalid,
    /// Its value; what is larger than a `u64` saturates.
    Value(u64),
}

impl ContentLength {
    /// Reads a header value.
    pub(crate) fn read(value: Piece<'_>) -> Self {
        value.number().map_or(Self::Invalid, Self::Value)
    }
}

/// Facts of one message. Spans count from its first byte; an empty span means absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Request or response.
    pub kind: StartKind,
    /// Method of the request; of a response that of its CSeq.
    pub method: Method,
    /// Where the name of that method stands.
    pub method_span: Span,
    /// Status code, 0 for requests; out of range codes saturate at 65535.
    pub status: u16,
    /// Request-URI, or the reason phrase.
    pub ruri_or_reason: Span,
    /// CSeq number.
    pub cseq: Option<u32>,
    /// CSeq method.
    pub cseq_method: Method,
    /// Name of the CSeq method.
    pub cseq_method_span: Span,
    /// Call-ID.
    pub call_id: Span,
    /// URI in From.
    pub from_uri: Span,
    /// Tag of From.
    pub from_tag: Span,
    /// Display name in From, without quotes.
    pub from_name: Span,
    /// URI in To.
    pub to_uri: Span,
    /// Tag of To.
    pub to_tag: Span,
    /// Display name in To, without quotes.
    pub to_name: Span,
    /// Branch of the top Via.
    pub branch: Span,
    /// Host and port of the top Via.
    pub sent_by: Span,
    /// Transport of the top Via.
    pub via_transport: Span,
    /// Number of Via values.
    pub via_count: u32,
    /// The whole top Via value.
    pub top_via: Span,
    /// The whole first Contact value.
    pub contact: Span,
    /// URI of the first Contact value.
    pub contact_uri: Span,
    /// Number of Contact values; `*` is one.
    pub contact_count: u32,
    /// User-Agent, else Server.
    pub user_agent: Span,
    /// Content-Type with its parameters.
    pub content_type: Span,
    /// Content-Length.
    pub content_length: ContentLength,
    /// Expires, in seconds; too large values saturate.
    pub expires: Option<u32>,
    /// Parameter `expires` of the first Contact, in seconds.
    pub contact_expires: Option<u32>,
    /// Event with its parameters.
    pub event: Span,
    /// Subscription-State with its parameters.
    pub subscription_state: Span,
    /// RSeq.
    pub rseq: Option<u32>,
    /// RAck.
    pub rack: Span,
    /// First Reason value.
    pub reason_header: Span,
    /// URI of the first P-Asserted-Identity.
    pub asserted: Span,
    /// Refer-To, whole value.
    pub refer_to: Span,
    /// Replaces, whole value.
    pub replaces: Span,
    /// Session-Expires, in seconds.
    pub session_expires: Option<u32>,
    /// Number of Route values.
    pub route_count: u32,
    /// Number of Record-Route values.
    pub record_route_count: u32,
    /// Authorization or Proxy-Authorization is there.
    pub has_credentials: bool,
    /// WWW-Authenticate or Proxy-Authenticate is there.
    pub has_challenge: bool,
    /// Max-Forwards.
    pub max_forwards: Option<u32>,
    /// The body: by Content-Length, or the rest of the datagram.
    pub body: Span,
    /// Offset of the body.
    pub header_len: u32,
    /// The body is, or holds, a session description.
    pub is_sdp: bool,
    /// The session description; in a multipart body its first one.
    pub sdp_body: Span,
    /// Header and body: what the message takes of the bytes.
    pub len: u32,
}

/// Scans one message; `None` when the bytes do not begin with a SIP start line.
pub fn scan(bytes: &[u8], framing: Framing) -> Option<Scan> {
    walk::<true>(bytes, framing)
}

/// As [`scan`], without what the index does not ask for: routes, reasons, transfer targets,
/// asserted identities and Max-Forwards stay empty.
pub fn scan_for_index(bytes: &[u8], framing: Framing) -> Option<Scan> {
    walk::<false>(bytes, framing)
}

fn walk<const ALL: bool>(bytes: &[u8], framing: Framing) -> Option<Scan> {
    let kind = start_line::recognise(bytes)?;
    let whole = Piece::whole(bytes);
    let bytes = whole.bytes();
    let (start, line) = start_line::parse_as(kind, bytes);
    let mut scan = Scan::empty(start.kind);
    scan.status = start.status;
    scan.ruri_or_reason = match start.kind {
        StartKind::Request => start.uri,
        StartKind::Response => start.reason,
    };
    let mut server = Span::default();
    let mut at = line.next;
    // The same walk as `lines::step`, but nothing is built for headers that nobody asks for.
    let body = loop {
        let (line, colon) = lines::folded_line_at(bytes, at);
        if line.start == line.end {
            break line.next;
        }
        let text = bytes.get(line.start..line.end).unwrap_or_default();
        let Some(colon) = colon else {
            if lines::is_session_description(text) {
                break line.start;
            }
            at = line.next;
            continue;
        };
        let known = known(text.get(..colon).unwrap_or_default());
        if known != Known::Skipped && (ALL || known.is_indexed()) {
            let value = line.start.wrapping_add(colon).wrapping_add(1);
            scan.field(known, whole.range(value, line.end).trim(), &mut server);
        }
        at = line.next;
    };
    scan.finish(bytes, body, framing, &start, server);
    Some(scan)
}

impl Scan {
    pub(crate) fn empty(kind: StartKind) -> Self {
        let none = Span::default();
        Self {
            kind,
            method: Method::Other,
            method_span: none,
            status: 0,
            ruri_or_reason: none,
            cseq: None,
            cseq_method: Method::Other,
            cseq_method_span: none,
            call_id: none,
            from_uri: none,
            from_tag: none,
            from_name: none,
            to_uri: none,
            to_tag: none,
            to_name: none,
            branch: none,
            sent_by: none,
            via_transport: none,
            via_count: 0,
            top_via: none,
            contact: none,
            contact_uri: none,
            contact_count: 0,
            user_agent: none,
            content_type: none,
            content_length: ContentLength::Absent,
            expires: None,
            contact_expires: None,
            event: none,
            subscription_state: none,
            rseq: None,
            rack: none,
            reason_header: none,
            asserted: none,
            refer_to: none,
            replaces: none,
            session_expires: None,
            route_count: 0,
            record_route_count: 0,
            has_credentials: false,
            has_challenge: false,
            max_forwards: None,
            body: none,
            header_len: 0,
            is_sdp: false,
            sdp_body: none,
            len: 0,
        }
    }

    #[inline]
    fn field(&mut self, known: Known, value: Piece<'_>, server: &mut Span) {
        match known {
            Known::Skipped => {}
            Known::Via => self.via(value),
            Known::From if self.from_uri.is_empty() && !value.is_empty() => {
                let address = lex::raw_address(value);
                (self.from_uri, self.from_name) = (some(address.uri), some(address.name));
                self.from_tag = tag(address.rest);
            }
            Known::To if self.to_uri.is_empty() && !value.is_empty() => {
                let address = lex::raw_address(value);
                (self.to_uri, self.to_name) = (some(address.uri), some(address.name));
                self.to_tag = tag(address.rest);
            }
            Known::CallId => first(&mut self.call_id, value),
            Known::CSeq if self.cseq_method_span.is_empty() && !value.is_empty() => {
                let (number, method) = cseq_parts(value);
                self.cseq = number
                    .number()
                    .and_then(|number| u32::try_from(number).ok());
                self.cseq_method = Method::from_bytes(method.bytes());
                self.cseq_method_span = some(method);
            }
            Known::Contact => self.contact(value),
            Known::UserAgent => first(&mut self.user_agent, value),
            Known::Server => first(server, value),
            Known::ContentType => first(&mut self.content_type, value),
            Known::ContentLength if self.content_length == ContentLength::Absent => {
                self.content_length = ContentLength::read(value);
            }
            Known::Expires => first_number(&mut self.expires, value),
            Known::Event => first(&mut self.event, value),
            Known::SubscriptionState => first(&mut self.subscription_state, value),
            Known::RSeq => first_number(&mut self.rseq, value),
            Known::RAck => first(&mut self.rack, value),
            Known::Reason => {
                if self.reason_header.is_empty() {
                    self.reason_header = some(lex::first_and_count(value).0);
                }
            }
            Known::PAssertedIdentity => {
                if self.asserted.is_empty() {
                    self.asserted = some(lex::raw_address(lex::first_and_count(value).0).uri);
                }
            }
            Known::ReferTo => first(&mut self.refer_to, value),
            Known::Replaces => first(&mut self.replaces, value),
            Known::SessionExpires => first_number(&mut self.session_expires, value),
            Known::Route => {
                self.route_count = self
                    .route_count
                    .saturating_add(lex::first_and_count(value).1);
            }
            Known::RecordRoute => {
                self.record_route_count = self
                    .record_route_count
                    .saturating_add(lex::first_and_count(value).1);
            }
            Known::Credentials => self.has_credentials |= !value.is_empty(),
            Known::Challenge => self.has_challenge |= !value.is_empty(),
            Known::MaxForwards => first_number(&mut self.max_forwards, value),
            Known::From | Known::To | Known::CSeq | Known::ContentLength => {}
        }
    }

    #[inline]
    fn via(&mut self, value: Piece<'_>) {
        let (top, count) = lex::first_and_count(value);
        self.via_count = self.via_count.saturating_add(count);
        if self.top_via.is_empty() && !top.is_empty() {
            let via = lex::raw_via(top);
            self.top_via = top.span();
            self.via_transport = some(via.transport);
            self.sent_by = some(via.sent_by);
            self.branch = param(via.rest, "branch");
        }
    }

    #[inline]
    fn contact(&mut self, value: Piece<'_>) {
        let (top, count) = lex::first_and_count(value);
        self.contact_count = self.contact_count.saturating_add(count);
        if self.contact.is_empty() && !top.is_empty() {
            let address = lex::raw_address(top);
            self.contact = top.span();
            self.contact_uri = some(address.uri);
            self.contact_expires = lex::params(address.rest)
                .find(|param| param.name.is("expires"))
                .and_then(|param| number(param.value?));
        }
    }

    pub(crate) fn finish(
        &mut self,
        bytes: &[u8],
        header_len: usize,
        framing: Framing,
        start: &start_line::StartLine,
        server: Span,
    ) {
        if self.user_agent.is_empty() {
            self.user_agent = server;
        }
        (self.method, self.method_span) = match self.kind {
            StartKind::Request => (start.method, start.method_span),
            StartKind::Response => (self.cseq_method, self.cseq_method_span),
        };
        self.header_len = u32::try_from(header_len).unwrap_or(u32::MAX);
        let rest = Piece::whole(bytes).skip(header_len);
        let body = body_of(rest, self.content_length, framing);
        self.body = body.span();
        self.len = self.body.end;
        if let Some(sdp) = sdp_in(bytes, body, Piece::of(bytes, self.content_type)) {
            self.is_sdp = true;
            self.sdp_body = sdp.span();
        }
    }
}

/// The body among what follows the header (RFC 3261, 18.3).
pub(crate) fn body_of(rest: Piece<'_>, length: ContentLength, framing: Framing) -> Piece<'_> {
    match length {
        _ if framing.whole => rest,
        ContentLength::Value(length) => {
            usize::try_from(length).map_or(rest, |length| rest.take(length))
        }
        ContentLength::Absent if !framing.datagram => rest.take(0),
        ContentLength::Absent | ContentLength::Invalid => rest,
    }
}

/// The session description in a body: the body itself, or a part of it.
pub(crate) fn sdp_in<'a>(
    bytes: &'a [u8],
    body: Piece<'a>,
    content_type: Piece<'_>,
) -> Option<Piece<'a>> {
    if body.is_empty() {
        return None;
    }
    if content_type.is_empty() {
        return body.bytes().starts_with(b"v=0").then_some(body);
    }
    let plain = content_type.bytes() == b"application/sdp";
    if plain || lex::is_media_type(content_type, ("application", "sdp")) {
        return Some(body);
    }
    content_type
        .starts_with("multipart")
        .then(|| multipart::first_sdp(bytes, body, content_type))?
}

/// The number and the method of a CSeq value.
#[inline]
pub(crate) fn cseq_parts(value: Piece<'_>) -> (Piece<'_>, Piece<'_>) {
    let (number, rest) = value.split_word();
    let (method, _) = rest.split_word();
    (number, method)
}

/// The span of a piece; the default one when it is empty.
#[inline]
pub(crate) fn some(piece: Piece<'_>) -> Span {
    if piece.is_empty() {
        Span::default()
    } else {
        piece.span()
    }
}

#[inline]
fn first(target: &mut Span, value: Piece<'_>) {
    if target.is_empty() {
        *target = some(value);
    }
}

#[inline]
fn first_number(target: &mut Option<u32>, value: Piece<'_>) {
    if target.is_none() {
        *target = number(value);
    }
}

/// The number in front of parameters or a comment; too large ones saturate.
#[inline]
pub(crate) fn number(value: Piece<'_>) -> Option<u32> {
    let end = value
        .bytes()
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(value.len());
    if !matches!(
        value.bytes().get(end),
        None | Some(b';' | b' ' | b'\t' | b'\r' | b'\n' | b'(')
    ) {
        return None;
    }
    value
        .take(end)
        .number()
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

#[inline]
fn tag(params: Piece<'_>) -> Span {
    some(lex::tag(lex::value_of(params, "tag")))
}

#[inline]
fn param(params: Piece<'_>, name: &str) -> Span {
    some(lex::value_of(params, name))
}

/// Headers that the fast pass looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Skipped,
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    UserAgent,
    Server,
    ContentType,
    ContentLength,
    Expires,
    Event,
    SubscriptionState,
    RSeq,
    RAck,
    Reason,
    PAssertedIdentity,
    ReferTo,
    Replaces,
    SessionExpires,
    Route,
    RecordRoute,
    Credentials,
    Challenge,
    MaxForwards,
}

impl Known {
    /// False for what `scan_for_index` leaves out.
    #[inline]
    fn is_indexed(self) -> bool {
        !matches!(
            self,
            Self::PAssertedIdentity
                | Self::ReferTo
                | Self::Replaces
                | Self::Route
                | Self::RecordRoute
                | Self::MaxForwards
        )
    }
}

#[inline]
fn known(name: &[u8]) -> Known {
    let Some(first) = name.first() else {
        return Known::Skipped;
    };
    let name = match name.last() {
        Some(b' ' | b'\t' | b'\r' | b'\n') => Piece::whole(name).trim_end().bytes(),
        _ => name,
    };
    // Nearly all write names as RFC 3261 does, and equal octets are compared in one go.
    let is = |full: &[u8], known| {
        if is_name(name, full) {
            known
        } else {
            Known::Skipped
        }
    };
    match (name.len(), first | 0x20) {
        (1, b'v') => Known::Via,
        (1, b'f') => Known::From,
        (1, b't') => Known::To,
        (1, b'i') => Known::CallId,
        (1, b'm') => Known::Contact,
        (1, b'c') => Known::ContentType,
        (1, b'l') => Known::ContentLength,
        (1, b'o') => Known::Event,
        (1, b'r') => Known::ReferTo,
        (1, b'x') => Known::SessionExpires,
        (2, b't') => is(b"To", Known::To),
        (3, b'v') => is(b"Via", Known::Via),
        (4, b'f') => is(b"From", Known::From),
        (4, b'c') => is(b"CSeq", Known::CSeq),
        (4, b'r') if is_name(name, b"RSeq") => Known::RSeq,
        (4, b'r') => is(b"RAck", Known::RAck),
        (5, b'e') => is(b"Event", Known::Event),
        (5, b'r') => is(b"Route", Known::Route),
        (6, b'r') => is(b"Reason", Known::Reason),
        (6, b's') => is(b"Server", Known::Server),
        (7, b'c') if is_name(name, b"Call-ID") => Known::CallId,
        (7, b'c') => is(b"Contact", Known::Contact),
        (7, b'e') => is(b"Expires", Known::Expires),
        (8, b'r') if is_name(name, b"Refer-To") => Known::ReferTo,
        (8, b'r') => is(b"Replaces", Known::Replaces),
        (10, b'u') => is(b"User-Agent", Known::UserAgent),
        (12, b'c') => is(b"Content-Type", Known::ContentType),
        (12, b'm') => is(b"Max-Forwards", Known::MaxForwards),
        (12, b'r') => is(b"Record-Route", Known::RecordRoute),
        (13, b'a') => is(b"Authorization", Known::Credentials),
        (14, b'c') => is(b"Content-Length", Known::ContentLength),
        (15, b's') => is(b"Session-Expires", Known::SessionExpires),
        (16, b'w') => is(b"WWW-Authenticate", Known::Challenge),
        (18, b'p') => is(b"Proxy-Authenticate", Known::Challenge),
        (18, b's') => is(b"Subscription-State", Known::SubscriptionState),
        (19, b'p') if is_name(name, b"Proxy-Authorization") => Known::Credentials,
        (19, b'p') => is(b"P-Asserted-Identity", Known::PAssertedIdentity),
        _ => Known::Skipped,
    }
}

#[inline(always)]
fn is_name(name: &[u8], full: &[u8]) -> bool {
    name == full || name.eq_ignore_ascii_case(full)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const DATAGRAM: Framing = Framing {
        datagram: true,
        cut: false,
        whole: false,
    };

    #[test]
    fn a_folded_request_gives_its_facts() {
        let bytes = b"INVITE sip:b@x SIP/2.0\r\nTO :\r\n sip:v@x ;   tag    = 19n\r\n\
            from   : \"J \\\\\\\"\"       <sip:j@x;tag=no>\r\n  ;\r\n  tag = 98\r\ncseq: 0009\r\n  INVITE\r\n\
            Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390, SIP/2.0/TCP b\r\n\
            v: SIP/2.0/TLS c;branch=z\r\nm:\"a, <b>\" <sip:j@x>;expires=5, <sip:k@x>\r\nl:3\r\n\r\nabcd";
        let scan = scan(bytes, DATAGRAM).unwrap();
        assert_eq!(scan.to_uri.of(bytes), b"sip:v@x");
        assert_eq!(scan.to_tag.of(bytes), b"19n");
        assert_eq!(scan.from_tag.of(bytes), b"98");
        assert_eq!(scan.from_uri.of(bytes), b"sip:j@x;tag=no");
        assert_eq!(scan.from_name.of(bytes), b"J \\\\\\\"");
        assert_eq!((scan.cseq, scan.cseq_method), (Some(9), Method::Invite));
        assert_eq!(scan.branch.of(bytes), b"390");
        assert_eq!(scan.sent_by.of(bytes), b"192.0.2.2");
        assert_eq!(scan.via_transport.of(bytes), b"UDP");
        assert_eq!(scan.via_count, 3);
        assert_eq!((scan.contact_count, scan.contact_expires), (2, Some(5)));
        assert_eq!(scan.contact_uri.of(bytes), b"sip:j@x");
        assert_eq!(scan.body.of(bytes), b"abc");
        assert_eq!(scan.len as usize, bytes.len() - 1);
    }

    #[test]
    fn any_line_end_will_do() {
        for end in ["\r\n", "\n", "\r"] {
            let text = [
                "OPTIONS sip:a SIP/2.0",
                "i: 1@x",
                "CSeq: 7 OPTIONS",
                "",
                "body",
            ]
            .join(end);
            let scan = scan(text.as_bytes(), DATAGRAM).unwrap();
            assert_eq!(scan.call_id.of(text.as_bytes()), b"1@x");
            assert_eq!(scan.cseq, Some(7));
            assert_eq!(scan.body.of(text.as_bytes()), b"body", "{end:?}");
        }
    }

    #[test]
    fn a_header_without_its_empty_line_ends_where_sdp_begins() {
        let bytes = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nv=0\r\no=- 1 1 IN IP4 x\r\n";
        let scan = scan(bytes, DATAGRAM).unwrap();
        assert_eq!(scan.method, Method::Invite);
        assert!(scan.is_sdp && scan.sdp_body.of(bytes).starts_with(b"v=0"));
    }

    #[test]
    fn without_length_a_stream_has_no_body_and_a_datagram_has_the_rest() {
        let bytes = b"BYE sip:a SIP/2.0\r\ni: 1\r\n\r\nrest";
        let stream = Framing {
            datagram: false,
            cut: false,
            whole: false,
        };
        assert!(scan(bytes, stream).unwrap().body.is_empty());
        assert_eq!(scan(bytes, DATAGRAM).unwrap().body.of(bytes), b"rest");
    }

    /// Speed, by hand: `cargo test --release --no-default-features -- --ignored scan_speed --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn scan_speed() {
        let bytes = b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
            Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;rport\r\n\
            Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
            To: Bob <sip:bob@biloxi.example.com>\r\nCall-ID: 3848276298220188511@atlanta.example.com\r\n\
            CSeq: 1 INVITE\r\nContact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n\
            Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\nSupported: 100rel, timer\r\n\
            User-Agent: Example/1.0\r\nContent-Type: application/sdp\r\nContent-Length: 10\r\n\r\nv=0\r\no=-\r\n";
        let count = 2_000_000_u32;
        let begin = std::time::Instant::now();
        for _ in 0..count {
            std::hint::black_box(scan(std::hint::black_box(bytes), DATAGRAM));
        }
        println!(
            "{} octets: {:?} a message",
            bytes.len(),
            begin.elapsed() / count
        );
        let rtp = [0x80_u8; 172];
        let begin = std::time::Instant::now();
        for _ in 0..count {
            std::hint::black_box(super::super::framing::looks_like_sip(std::hint::black_box(
                &rtp,
            )));
        }
        println!(
            "looks_like_sip: {:?} an RTP packet",
            begin.elapsed() / count
        );
    }
}
