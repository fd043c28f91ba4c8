//! The whole of one message as a tree of spans (RFC 3261, 7).
//!
//! [`decode`] never fails: what cannot be understood is kept as octets and noted. Spans count
//! from the first octet of the message, also within bodies.

use super::check;
use super::header_name::{Header, HeaderName};
use super::headers::{self, HeaderValue, Surroundings, Value};
use super::lex;
use super::lines::{self, RawField, Step};
use super::method::Method;
use super::multipart;
use super::scan::{self, ContentLength, Framing, Scan, some};
use super::sink::{Sink, find_param};
use super::start_line::{self, StartKind, StartLine};
use super::uri::{self, Place, Uri};
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};
use crate::piece::Piece;
use crate::sdp::session::{self, SessionDescription};
use crate::span::Span;

pub use super::sink::Param;

/// Header fields that are split; what follows in the header stays octets.
const MOST_FIELDS: usize = 10_000;

/// One decoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The start line.
    pub start: StartLine,
    /// The Request-URI; none in a response.
    pub request_uri: Option<Uri>,
    /// All header fields in wire order.
    pub headers: Vec<HeaderField>,
    /// Header lines beyond the limit of fields, unsplit.
    pub more_headers: Span,
    /// Offset of the body.
    pub header_len: u32,
    /// An empty line closes the header.
    pub blank_line: bool,
    /// Content-Length of the first such header.
    pub content_length: ContentLength,
    /// The body: by Content-Length, or the rest of the datagram.
    pub body: Span,
    /// Parts of a multipart body.
    pub parts: Vec<BodyPart>,
    /// Session descriptions in the body or its parts.
    pub sessions: Vec<SessionDescription>,
    /// Octets of a datagram behind the body.
    pub trailing: Span,
}

/// One header field with its continuation lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// Which header.
    pub name: HeaderName,
    /// The name as it stands; empty in a line without colon.
    pub name_span: Span,
    /// The whole field without its last line end.
    pub line: Span,
    /// The value without white space around it.
    pub value: Span,
    /// The decoded values: several in a list with commas.
    pub values: Vec<HeaderValue>,
}

/// A part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyPart {
    /// Header and content.
    pub span: Span,
    /// Header fields of the part.
    pub headers: Vec<HeaderField>,
    /// Content-Type of the part.
    pub content_type: Span,
    /// The content.
    pub content: Span,
    /// Parts within.
    pub parts: Vec<BodyPart>,
}

/// Decodes one message. Never fails: what could not be understood is kept raw and noted.
pub fn decode(bytes: &[u8], framing: Framing) -> (Message, Vec<Diagnostic>) {
    let bytes = Piece::whole(bytes).bytes();
    let mut sink = Sink::default();
    let (start, line) = start_line::parse(bytes);
    let mut message = Message {
        start,
        request_uri: None,
        headers: Vec::with_capacity(16),
        more_headers: Span::default(),
        header_len: 0,
        blank_line: false,
        content_length: ContentLength::Absent,
        body: Span::default(),
        parts: Vec::new(),
        sessions: Vec::new(),
        trailing: Span::default(),
    };
    check::start_line(bytes, &start, &mut sink);
    if start.kind == StartKind::Request && !start.uri.is_empty() {
        message.request_uri = Some(request_uri(Piece::of(bytes, start.uri), &mut sink));
    }
    let around = Surroundings {
        kind: start.kind,
        method: start.method,
        status: start.status,
    };
    let body = message.read_header(bytes, line.next, around, &mut sink);
    message.read_body(bytes, body, framing, &mut sink);
    let mut diagnostics = check::message(bytes, &message, framing, sink);
    if framing.cut && message.blank_line {
        // Nobody knows how the body went on.
        diagnostics.retain(|diagnostic| diagnostic.span.start < message.header_len);
    } else if framing.cut {
        // The last field that the capture holds may be half a field.
        let whole = message
            .headers
            .last()
            .map_or(start.span.start, |field| field.line.start);
        diagnostics.retain(|diagnostic| {
            diagnostic.span.end <= whole && diagnostic.kind != Kind::MissingHeader
        });
    }
    if framing.cut {
        let end = Span::new(bytes.len(), bytes.len());
        let text = "The capture ends here, the message goes on: not all of it was captured";
        diagnostics.push(Diagnostic::new(Kind::NotAllCaptured, end, text));
    }
    (message, diagnostics)
}

fn request_uri(text: Piece<'_>, sink: &mut Sink) -> Uri {
    let bracketed = text.first() == Some(b'<');
    let inner = if bracketed {
        sink.add(
            Kind::UriInBrackets,
            text.span(),
            "The Request-URI may not stand in angle brackets",
        );
        let end = text.find(b'>').unwrap_or(text.len());
        text.range(1, end)
    } else {
        text
    };
    uri::decode(inner, Place::Request, sink)
}

impl HeaderField {
    fn decode(bytes: &[u8], raw: &RawField<'_>, around: Surroundings, sink: &mut Sink) -> Self {
        let name = if raw.has_colon {
            HeaderName::from_bytes(raw.name.bytes())
        } else {
            HeaderName::OTHER
        };
        if !raw.has_colon {
            sink.add(
                Kind::BadHeaderLine,
                raw.line.span(),
                "A header line needs a colon",
            );
        } else if !lex::is_token(raw.name.bytes()) {
            sink.add(
                Kind::BadHeaderLine,
                raw.line.span(),
                "This cannot be the name of a header",
            );
        }
        let values = match name.info() {
            Some(info) => headers::decode(bytes, raw, info, around, sink),
            None => Vec::new(),
        };
        Self {
            name,
            name_span: raw.name.span(),
            line: raw.line.span(),
            value: raw.value.span(),
            values,
        }
    }
}

impl Message {
    fn read_header(
        &mut self,
        bytes: &[u8],
        from: usize,
        around: Surroundings,
        sink: &mut Sink,
    ) -> usize {
        let mut at = from;
        loop {
            match lines::step(bytes, at) {
                Step::Field(raw) => {
                    if self.headers.len() < MOST_FIELDS {
                        self.headers
                            .push(HeaderField::decode(bytes, &raw, around, sink));
                    } else if self.more_headers.is_empty() {
                        self.more_headers = raw.line.span();
                        let text = "More than 10,000 header fields: the rest is kept as octets";
                        sink.add(Kind::UnusualSize, raw.line.span(), text);
                    } else {
                        self.more_headers.end = raw.line.span().end;
                    }
                    at = raw.next;
                }
                Step::End { body, blank_line } => {
                    self.blank_line = blank_line;
                    self.header_len = u32::try_from(body).unwrap_or(u32::MAX);
                    return body;
                }
            }
        }
    }

    fn read_body(&mut self, bytes: &[u8], at: usize, framing: Framing, sink: &mut Sink) {
        let length = self
            .all(Header::ContentLength)
            .next()
            .map(|field| field.value);
        if let Some(value) = length {
            self.content_length = ContentLength::read(Piece::of(bytes, value));
        }
        let rest = Piece::whole(bytes).skip(at);
        let body = scan::body_of(rest, self.content_length, framing);
        self.body = body.span();
        if framing.datagram {
            self.trailing = rest.skip(body.len()).span();
        }
        let content_type = Piece::of(bytes, self.first_value(Header::ContentType));
        if content_type.starts_with("multipart") {
            let mut budget = multipart::MOST_PARTS;
            self.parts = body_parts(bytes, body, content_type, framing, 0, &mut budget, sink);
            let mut sessions = Vec::new();
            each_part(&self.parts, &mut |part| {
                let content_type = Piece::of(bytes, part.content_type);
                if lex::is_media_type(content_type, ("application", "sdp")) {
                    sessions.push(part.content);
                }
            });
            for span in sessions {
                self.read_sdp(bytes, span, framing, sink);
            }
        } else if let Some(sdp) = scan::sdp_in(bytes, body, content_type) {
            self.read_sdp(bytes, sdp.span(), framing, sink);
        }
    }

    fn read_sdp(&mut self, bytes: &[u8], span: Span, framing: Framing, sink: &mut Sink) {
        if span.is_empty() {
            return;
        }
        let (session, diagnostics) = session::decode(bytes, span);
        self.sessions.push(session);
        // A description that the snap length cut lacks its end for no fault of its own.
        if !framing.cut {
            for diagnostic in diagnostics {
                sink.push(diagnostic);
            }
        }
    }

    /// All fields of a header, in wire order.
    pub fn all(&self, header: Header) -> impl Iterator<Item = &HeaderField> {
        self.headers
            .iter()
            .filter(move |field| field.name.header() == header)
    }

    /// The value of the first field of a header that is not empty; else an empty span.
    pub fn first_value(&self, header: Header) -> Span {
        let mut fields = self.all(header);
        fields
            .find(|field| !field.value.is_empty())
            .map(|field| field.value)
            .unwrap_or_default()
    }

    /// All decoded values of a header, in wire order.
    pub fn values(&self, header: Header) -> impl Iterator<Item = &HeaderValue> {
        self.all(header).flat_map(|field| &field.values)
    }

    /// The top Via: who sent the request on this hop.
    pub fn top_via(&self) -> Option<&headers::Via> {
        self.values(Header::Via)
            .find_map(|value| match &value.value {
                Value::Via(via) => Some(via),
                _ => None,
            })
    }

    /// The method of a request, or the method in CSeq of a response.
    pub fn method(&self) -> Method {
        match self.start.kind {
            StartKind::Request => self.start.method,
            StartKind::Response => self.cseq().map_or(Method::Other, |cseq| cseq.method),
        }
    }

    /// The first CSeq that names a method; without such a one the last.
    pub fn cseq(&self) -> Option<&headers::CSeq> {
        let mut found: Option<&headers::CSeq> = None;
        for value in self.values(Header::CSeq) {
            if let Value::CSeq(cseq) = &value.value
                && found.is_none_or(|found| found.method_span.is_empty())
            {
                found = Some(cseq);
            }
        }
        found
    }

    /// The facts that the fast pass finds, from the decoded message.
    pub fn facts(&self, bytes: &[u8]) -> Scan {
        let mut facts = Scan::empty(self.start.kind);
        facts.status = self.start.status;
        facts.ruri_or_reason = match self.start.kind {
            StartKind::Request => self.start.uri,
            StartKind::Response => self.start.reason,
        };
        self.text_facts(&mut facts);
        self.number_facts(bytes, &mut facts);
        self.address_facts(bytes, &mut facts);
        self.via_facts(bytes, &mut facts);
        if let Some(cseq) = self.cseq() {
            facts.cseq = cseq.number;
            facts.cseq_method = cseq.method;
            facts.cseq_method_span = normal(cseq.method_span);
        }
        (facts.method, facts.method_span) = match self.start.kind {
            StartKind::Request => (self.start.method, self.start.method_span),
            StartKind::Response => (facts.cseq_method, facts.cseq_method_span),
        };
        facts.header_len = self.header_len;
        facts.content_length = self.content_length;
        facts.body = self.body;
        facts.len = self.body.end;
        if let Some(session) = self.sessions.first() {
            facts.is_sdp = true;
            facts.sdp_body = session.span;
        }
        facts
    }

    fn text_facts(&self, facts: &mut Scan) {
        facts.call_id = self.first_value(Header::CallId);
        facts.content_type = self.first_value(Header::ContentType);
        facts.event = self.first_value(Header::Event);
        facts.subscription_state = self.first_value(Header::SubscriptionState);
        facts.rack = self.first_value(Header::RAck);
        facts.refer_to = self.first_value(Header::ReferTo);
        facts.replaces = self.first_value(Header::Replaces);
        facts.user_agent = self.first_value(Header::UserAgent);
        if facts.user_agent.is_empty() {
            facts.user_agent = self.first_value(Header::Server);
        }
        facts.reason_header = self
            .values(Header::Reason)
            .next()
            .map(|value| value.span)
            .unwrap_or_default();
        let filled = |header| !self.first_value(header).is_empty();
        facts.has_credentials = filled(Header::Authorization) || filled(Header::ProxyAuthorization);
        facts.has_challenge = filled(Header::WwwAuthenticate) || filled(Header::ProxyAuthenticate);
    }

    fn number_facts(&self, bytes: &[u8], facts: &mut Scan) {
        let number = |header| {
            self.all(header)
                .find_map(|field| scan::number(Piece::of(bytes, field.value)))
        };
        facts.expires = number(Header::Expires);
        facts.rseq = number(Header::RSeq);
        facts.session_expires = number(Header::SessionExpires);
        facts.max_forwards = number(Header::MaxForwards);
        let count = |header| u32::try_from(self.values(header).count()).unwrap_or(u32::MAX);
        facts.route_count = count(Header::Route);
        facts.record_route_count = count(Header::RecordRoute);
        facts.contact_count = count(Header::Contact);
        facts.via_count = count(Header::Via);
    }

    fn address_facts(&self, bytes: &[u8], facts: &mut Scan) {
        let addresses = |header| {
            self.values(header).filter_map(|value| match &value.value {
                Value::Address(address) => Some(address),
                _ => None,
            })
        };
        let tag = |address: &headers::Address| {
            let value = find_param(&address.params, bytes, "tag").and_then(|param| param.value);
            value.map_or(Span::default(), |span| {
                some(lex::tag(Piece::of(bytes, span)))
            })
        };
        for from in addresses(Header::From) {
            if facts.from_uri.is_empty() {
                (facts.from_uri, facts.from_name) = (normal(from.uri.span), normal(from.name));
                facts.from_tag = tag(from);
            }
        }
        for to in addresses(Header::To) {
            if facts.to_uri.is_empty() {
                (facts.to_uri, facts.to_name) = (normal(to.uri.span), normal(to.name));
                facts.to_tag = tag(to);
            }
        }
        for field in self.all(Header::PAssertedIdentity) {
            if facts.asserted.is_empty()
                && let Some(Value::Address(address)) = field.values.first().map(|v| &v.value)
            {
                facts.asserted = normal(address.uri.span);
            }
        }
        if let Some(contact) = self.values(Header::Contact).next() {
            facts.contact = contact.span;
            match &contact.value {
                Value::Address(address) => {
                    facts.contact_uri = normal(address.uri.span);
                    facts.contact_expires = find_param(&address.params, bytes, "expires")
                        .and_then(|param| scan::number(Piece::of(bytes, param.value?)));
                }
                _ => facts.contact_uri = contact.span,
            }
        }
    }

    fn via_facts(&self, bytes: &[u8], facts: &mut Scan) {
        let Some(top) = self.values(Header::Via).next() else {
            return;
        };
        facts.top_via = top.span;
        if let Value::Via(via) = &top.value {
            facts.via_transport = normal(via.transport);
            facts.sent_by = normal(via.sent_by);
            facts.branch = normal(via.branch(bytes));
        }
    }
}

/// Empty spans are all the same: absent.
fn normal(span: Span) -> Span {
    if span.is_empty() {
        Span::default()
    } else {
        span
    }
}

/// Visits parts in wire order, outer ones first.
pub(super) fn each_part<'p>(parts: &'p [BodyPart], visit: &mut impl FnMut(&'p BodyPart)) {
    for part in parts {
        visit(part);
        each_part(&part.parts, visit);
    }
}

fn body_parts(
    bytes: &[u8],
    body: Piece<'_>,
    content_type: Piece<'_>,
    framing: Framing,
    depth: usize,
    budget: &mut usize,
    sink: &mut Sink,
) -> Vec<BodyPart> {
    if body.is_empty() {
        return Vec::new();
    }
    let Some(boundary) = multipart::boundary(content_type) else {
        let text = "A multipart body needs a boundary in its Content-Type";
        sink.add(Kind::BadMultipart, content_type.span(), text);
        return Vec::new();
    };
    if depth >= multipart::DEEPEST {
        sink.add(
            Kind::UnusualSize,
            body.span(),
            "Parts are nested too deep: kept as octets",
        );
        return Vec::new();
    }
    let around = Surroundings {
        kind: StartKind::Request,
        method: Method::Other,
        status: 0,
    };
    let mut result = Vec::new();
    let mut parts = multipart::parts(bytes, body, boundary);
    loop {
        if *budget == 0 {
            sink.add(
                Kind::UnusualSize,
                body.span(),
                "Too many parts: the rest is kept as octets",
            );
            return result;
        }
        let Some(raw) = parts.next() else { break };
        *budget = budget.saturating_sub(1);
        let headers = part_headers(bytes, raw.whole.span(), around, sink);
        let inner = if raw.content_type.starts_with("multipart") {
            let deeper = depth.wrapping_add(1);
            body_parts(
                bytes,
                raw.content,
                raw.content_type,
                framing,
                deeper,
                budget,
                sink,
            )
        } else {
            Vec::new()
        };
        result.push(BodyPart {
            span: raw.whole.span(),
            headers,
            content_type: raw.content_type.span(),
            content: raw.content.span(),
            parts: inner,
        });
    }
    if !framing.cut {
        if result.is_empty() {
            let text = "The boundary of the Content-Type is nowhere in the body";
            sink.add(Kind::BadMultipart, boundary.span(), text);
        } else if !parts.closed {
            let text = "The multipart body is never closed by its boundary and two dashes";
            sink.add(Kind::BadMultipart, body.span(), text);
        }
    }
    result
}

fn part_headers(
    bytes: &[u8],
    whole: Span,
    around: Surroundings,
    sink: &mut Sink,
) -> Vec<HeaderField> {
    let bytes = bytes.get(..whole.end as usize).unwrap_or(bytes);
    let mut fields = Vec::new();
    let mut at = whole.start as usize;
    while let Step::Field(raw) = lines::step(bytes, at) {
        if !sink.may_decode(raw.line.span()) {
            break;
        }
        fields.push(HeaderField::decode(bytes, &raw, around, sink));
        at = raw.next;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speed, by hand: `cargo test --release --no-default-features -- --ignored speed --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn decode_speed() {
        let bytes = b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
            Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;rport\r\n\
            Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
            To: Bob <sip:bob@biloxi.example.com>\r\nCall-ID: 3848276298220188511@atlanta.example.com\r\n\
            CSeq: 1 INVITE\r\nContact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n\
            Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\nSupported: 100rel, timer\r\n\
            User-Agent: Example/1.0\r\nContent-Type: application/sdp\r\nContent-Length: 151\r\n\r\n\
            v=0\r\no=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\ns=-\r\n\
            c=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
        let framing = Framing {
            datagram: true,
            cut: false,
            whole: false,
        };
        let count = 200_000_u32;
        let begin = std::time::Instant::now();
        for _ in 0..count {
            std::hint::black_box(decode(std::hint::black_box(bytes), framing));
        }
        let took = begin.elapsed() / count;
        let (_, diagnostics) = decode(bytes, framing);
        println!(
            "{} octets: {took:?} a message, {diagnostics:?}",
            bytes.len()
        );
    }
}
