//! Rules that look at a whole message rather than at one value.

use super::header_name::{Header, HeaderName};
use super::headers::{Address, Value};
use super::lex;
use super::lines::{self, LineEnd};
use super::message::{Message, each_part};
use super::method::Method;
use super::registry;
use super::scan::{ContentLength, Framing};
use super::sink::{Sink, find_param};
use super::start_line::{self, StartKind, StartLine};
use super::status;
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind, Severity};
use crate::piece::Piece;
use crate::span::Span;

/// The magic cookie of RFC 3261 branches (8.1.1.7).
const COOKIE: &str = "z9hG4bK";
/// Content-Length beyond this does not fit the integers of common programs.
const LARGEST_COMMON_INT: u64 = i32::MAX as u64;
/// Values longer than this deserve a word.
const LONG_VALUE: usize = 4096;
/// More header fields than this deserve a word.
const MANY_FIELDS: usize = 200;

/// Judges the start line.
pub(super) fn start_line(bytes: &[u8], start: &StartLine, sink: &mut Sink) {
    if start_line::recognise(bytes).is_none() {
        sink.add(
            Kind::BadStartLine,
            start.span,
            "This is neither a request line nor a status line",
        );
    }
    match start.kind {
        StartKind::Request => request_line(bytes, start, sink),
        StartKind::Response => status_line(bytes, start, sink),
    }
    let version = start.version.of(bytes);
    if !version.is_empty() && !version.eq_ignore_ascii_case(b"SIP/2.0") {
        sink.add(
            Kind::BadVersion,
            start.version,
            "The version is not SIP/2.0",
        );
    }
}

fn request_line(bytes: &[u8], start: &StartLine, sink: &mut Sink) {
    let method = start.method_span.of(bytes);
    if !lex::is_token(method) {
        sink.add(
            Kind::BadStartLine,
            start.span,
            "A request begins with a method, which is a token",
        );
    } else if start.method == Method::Other {
        let text = format!(
            "The method {} is in no registry",
            String::from_utf8_lossy(method)
        );
        sink.add(Kind::MethodUnknown, start.method_span, text);
    }
    if start.uri.is_empty() {
        sink.add(
            Kind::MissingRequestUri,
            start.span,
            "The request line has no Request-URI",
        );
    }
    if start.version.is_empty() {
        sink.add(
            Kind::BadStartLine,
            start.span,
            "The request line does not end in SIP/2.0",
        );
    }
    let (mut at, mut parts) = (
        start.span.start,
        [start.method_span, start.uri, start.version].into_iter(),
    );
    if let Some(method) = parts.next() {
        gap(
            bytes,
            Span {
                start: at,
                end: method.start,
            },
            b"",
            sink,
        );
        at = method.end;
    }
    for part in parts.filter(|part| !part.is_empty()) {
        gap(
            bytes,
            Span {
                start: at,
                end: part.start,
            },
            b" ",
            sink,
        );
        at = part.end;
    }
    gap(
        bytes,
        Span {
            start: at,
            end: start.span.end,
        },
        b"",
        sink,
    );
}

fn status_line(bytes: &[u8], start: &StartLine, sink: &mut Sink) {
    let code = start.status_span;
    gap(
        bytes,
        Span {
            start: start.version.end,
            end: code.start,
        },
        b" ",
        sink,
    );
    if code.of(bytes).len() != 3 || !status::is_valid(start.status) {
        let text = "A status code has three digits, from 100 to 699";
        sink.add(Kind::BadStatusCode, code, text);
    } else if code.end == start.span.end {
        // Common, and everybody reads it.
        sink.push(
            Diagnostic::new(
                Kind::BadStartLine,
                code,
                "There is no blank behind the status code",
            )
            .with_severity(Severity::Warning),
        );
    } else if bytes.get(code.end as usize) != Some(&b' ') {
        sink.add(
            Kind::ExtraWhitespace,
            code,
            "A single blank has to follow the status code",
        );
    }
}

/// White space between the parts of a start line.
fn gap(bytes: &[u8], span: Span, expected: &[u8], sink: &mut Sink) {
    if span.of(bytes) != expected && span.end > span.start {
        let text = if expected.is_empty() {
            "White space at an end of the start line"
        } else {
            "A single blank separates the parts of the start line"
        };
        sink.add(Kind::ExtraWhitespace, span, text);
    }
}

/// Judges the message as a whole, and gives all diagnostics in wire order.
pub(super) fn message(
    bytes: &[u8],
    message: &Message,
    framing: Framing,
    mut sink: Sink,
) -> Vec<Diagnostic> {
    let judge = Judge {
        bytes,
        message,
        framing,
    };
    judge.octets(&mut sink);
    judge.sizes(&mut sink);
    judge.duplicates(&mut sink);
    judge.presence(&mut sink);
    judge.cseq(&mut sink);
    judge.tags(&mut sink);
    judge.branch(&mut sink);
    judge.contacts(&mut sink);
    if framing.cut {
        // What the capture does not hold cannot be counted.
        judge.content_length_text(&mut sink);
    } else {
        judge.content_length_text(&mut sink);
        judge.framing(&mut sink);
        judge.bodies(&mut sink);
    }
    judge.accept(&mut sink);
    let mut diagnostics = sink.diagnostics;
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    diagnostics
}

struct Judge<'a> {
    bytes: &'a [u8],
    message: &'a Message,
    framing: Framing,
}

impl<'a> Judge<'a> {
    fn piece(&self, span: Span) -> Piece<'a> {
        Piece::of(self.bytes, span)
    }

    fn header(&self) -> &'a [u8] {
        self.bytes
            .get(..self.message.header_len as usize)
            .unwrap_or(self.bytes)
    }

    fn end_of_header(&self) -> Span {
        let end = self
            .message
            .headers
            .last()
            .map_or(self.message.start.span.end, |f| f.line.end);
        Span { start: end, end }
    }

    /// Line ends, control characters, UTF-8.
    fn octets(&self, sink: &mut Sink) {
        let header = self.header();
        let odd = header.iter().fold(0_usize, |odd, &byte| {
            odd | usize::from((byte < 0x20 && byte != b'\r' && byte != b'\n') || byte == 0x7f)
        });
        if odd != 0 {
            for line in self.header_lines() {
                control_characters(self.piece(line), sink);
            }
        }
        self.line_ends(header, sink);
        if !header.is_ascii() {
            for line in self.header_lines() {
                if let Err(error) = str::from_utf8(line.of(self.bytes)) {
                    let cut_off = error.error_len().is_none() && self.framing.cut;
                    let text = self.piece(line).skip(error.valid_up_to());
                    let octets = text.take(error.error_len().unwrap_or(text.len()));
                    if !cut_off {
                        sink.add(
                            Kind::InvalidUtf8,
                            octets.span(),
                            "These octets are no UTF-8",
                        );
                    }
                }
            }
        }
    }

    fn header_lines(&self) -> impl Iterator<Item = Span> {
        let fields = self.message.headers.iter().map(|field| field.line);
        std::iter::once(self.message.start.span).chain(fields)
    }

    fn line_ends(&self, header: &[u8], sink: &mut Sink) {
        let (mut at, mut first, mut count) = (0, None, 0_usize);
        while at < header.len() {
            let line = lines::line_at(header, at);
            if matches!(line.line_end, LineEnd::Lf | LineEnd::Cr) {
                first = first.or(Some(Span::new(line.end, line.next)));
                count = count.saturating_add(1);
            }
            at = line.next;
        }
        // In a cut capture a CR at the very end may have had its LF.
        if let Some(first) = first
            && !(self.framing.cut && count == 1 && first.end as usize == self.bytes.len())
        {
            let text = format!("{count} header lines do not end in CR LF");
            sink.add(Kind::BadLineEnd, first, text);
        }
    }

    fn sizes(&self, sink: &mut Sink) {
        let message = self.message;
        for field in &message.headers {
            if field.value.len() > LONG_VALUE || field.name_span.len() > 256 {
                let text = format!("A header field of {} octets", field.line.len());
                sink.add(Kind::UnusualSize, field.line, text);
            }
        }
        if message.headers.len() > MANY_FIELDS {
            let text = format!("{} header fields", message.headers.len());
            sink.add(Kind::UnusualSize, self.end_of_header(), text);
        }
        if message.start.span.len() > LONG_VALUE {
            sink.add(
                Kind::UnusualSize,
                message.start.span,
                "A very long start line",
            );
        }
    }

    fn duplicates(&self, sink: &mut Sink) {
        let mut seen: Vec<(HeaderName, Span)> = Vec::with_capacity(self.message.headers.len());
        for field in &self.message.headers {
            let Some(info) = field
                .name
                .info()
                .filter(|info| info.registered && !info.multi)
            else {
                continue;
            };
            match seen.iter().find(|(name, _)| *name == field.name) {
                Some((_, first)) => {
                    let same = first.of(self.bytes) == field.value.of(self.bytes);
                    let how = if same {
                        "the same value"
                    } else {
                        "another value"
                    };
                    let text = format!("{} stands here once more, with {how}", info.name);
                    sink.add(Kind::DuplicateHeader, field.line, text);
                }
                None => seen.push((field.name, field.value)),
            }
        }
    }

    fn has(&self, header: Header) -> bool {
        self.message.all(header).next().is_some()
    }

    fn missing(&self, header: Header, name: &str, severity: Severity, sink: &mut Sink) {
        // Nobody knows what stands behind the fields that were split.
        if !self.has(header) && self.message.more_headers.is_empty() {
            let text = format!("The header {name} is missing");
            let missing = Diagnostic::new(Kind::MissingHeader, self.end_of_header(), text);
            sink.push(missing.with_severity(severity));
        }
    }

    fn presence(&self, sink: &mut Sink) {
        let start = &self.message.start;
        for (header, name) in [
            (Header::Via, "Via"),
            (Header::From, "From"),
            (Header::To, "To"),
            (Header::CallId, "Call-ID"),
            (Header::CSeq, "CSeq"),
        ] {
            self.missing(header, name, Severity::Error, sink);
        }
        if !self.framing.datagram {
            self.missing(
                Header::ContentLength,
                "Content-Length",
                Severity::Warning,
                sink,
            );
        }
        if start.kind == StartKind::Response {
            match start.status {
                401 if !self.has(Header::ProxyAuthenticate) => {
                    self.missing(
                        Header::WwwAuthenticate,
                        "WWW-Authenticate",
                        Severity::Warning,
                        sink,
                    );
                }
                407 if !self.has(Header::WwwAuthenticate) => {
                    self.missing(
                        Header::ProxyAuthenticate,
                        "Proxy-Authenticate",
                        Severity::Warning,
                        sink,
                    );
                }
                _ => {}
            }
            return;
        }
        self.missing(Header::MaxForwards, "Max-Forwards", Severity::Info, sink);
        match start.method {
            // RFC 2543 did without, and many examples leave it out.
            Method::Invite => self.missing(Header::Contact, "Contact", Severity::Info, sink),
            Method::Subscribe | Method::Publish => {
                self.missing(Header::Event, "Event", Severity::Warning, sink);
            }
            Method::Notify => {
                self.missing(Header::Event, "Event", Severity::Warning, sink);
                let name = "Subscription-State";
                self.missing(Header::SubscriptionState, name, Severity::Warning, sink);
            }
            Method::Prack => self.missing(Header::RAck, "RAck", Severity::Warning, sink),
            Method::Refer => self.missing(Header::ReferTo, "Refer-To", Severity::Warning, sink),
            _ => {}
        }
    }

    fn cseq(&self, sink: &mut Sink) {
        let start = &self.message.start;
        let Some(cseq) = self.message.cseq() else {
            return;
        };
        let (ours, theirs) = (
            start.method_span.of(self.bytes),
            cseq.method_span.of(self.bytes),
        );
        if start.kind == StartKind::Request && !theirs.is_empty() && ours != theirs {
            let text = "CSeq names another method than the request line";
            sink.add(Kind::CSeqMethodMismatch, cseq.method_span, text);
        }
    }

    fn addresses(&self, header: Header) -> impl Iterator<Item = &'a Address> {
        self.message
            .values(header)
            .filter_map(|value| match &value.value {
                Value::Address(address) => Some(address),
                _ => None,
            })
    }

    fn tags(&self, sink: &mut Sink) {
        let start = &self.message.start;
        let has_tag = |address: &Address| find_param(&address.params, self.bytes, "tag").is_some();
        if let Some(from) = self.addresses(Header::From).next()
            && !has_tag(from)
        {
            sink.add(Kind::MissingTag, from.uri.span, "From has no tag");
        }
        if start.kind == StartKind::Response
            && start.status != 100
            && let Some(to) = self.addresses(Header::To).next()
            && !has_tag(to)
        {
            sink.add(Kind::MissingTag, to.uri.span, "To has no tag in a response");
        }
    }

    fn branch(&self, sink: &mut Sink) {
        let Some(via) = self.message.top_via() else {
            return;
        };
        let span = via.branch(self.bytes);
        let branch = self.piece(span);
        if branch.is(COOKIE) {
            let text = "The branch is only the magic cookie and identifies no transaction";
            sink.add(Kind::BranchNotUnique, span, text);
        } else if !branch.starts_with(COOKIE) {
            let at = if span.is_empty() { via.sent_by } else { span };
            let text = "The top branch has no magic cookie: RFC 2543 matching";
            sink.add(Kind::BranchWithoutCookie, at, text);
        }
    }

    fn contacts(&self, sink: &mut Sink) {
        for address in self.addresses(Header::Contact) {
            for param in &address.params {
                let value = self.piece(param.value.unwrap_or(param.name));
                if param.is(self.bytes, "expires") {
                    if value
                        .number()
                        .is_none_or(|seconds| seconds > u64::from(u32::MAX))
                    {
                        let text = "Expires of a Contact is a number of seconds below 2^32";
                        sink.add(Kind::NumberOutOfRange, value.span(), text);
                    }
                } else if param.is(self.bytes, "q") && !super::headers::is_qvalue(value.bytes()) {
                    let text = "q goes from 0 to 1 with at most three digits behind the point";
                    sink.add(Kind::NumberOutOfRange, value.span(), text);
                }
            }
        }
    }

    fn content_length_text(&self, sink: &mut Sink) {
        for field in self.message.all(Header::ContentLength) {
            let value = self.piece(field.value);
            let (kind, text) = match value.bytes() {
                [b'-', digits @ ..] if Piece::whole(digits).is_digits() => {
                    (Kind::ContentLengthNegative, "Content-Length is below zero")
                }
                _ => match value.number() {
                    None => (
                        Kind::ContentLengthInvalid,
                        "Content-Length is not digits only",
                    ),
                    Some(length) if length > LARGEST_COMMON_INT => (
                        Kind::ContentLengthOverflow,
                        "Content-Length is larger than 2^31-1",
                    ),
                    Some(_) => continue,
                },
            };
            let span = if value.is_empty() {
                field.line
            } else {
                field.value
            };
            sink.add(kind, span, text);
        }
    }

    /// Where header and body end.
    fn framing(&self, sink: &mut Sink) {
        let message = self.message;
        if !message.blank_line {
            let text = "No empty line ends the header";
            sink.add(Kind::MissingBlankLine, self.end_of_header(), text);
        }
        let field = message.all(Header::ContentLength).next();
        if let (ContentLength::Value(length), Some(field)) = (message.content_length, field) {
            let there = message.body.len() as u64;
            if length > there && self.framing.datagram {
                let text = format!("Content-Length is {length}, but {there} octets follow");
                sink.add(Kind::ContentLengthTooLarge, field.value, text);
            }
            if self.body_goes_on() || length < there {
                let text = "The body evidently goes on behind the Content-Length";
                sink.add(Kind::ContentLengthTooSmall, field.value, text);
            }
        }
        if !message.trailing.is_empty() {
            let text = format!(
                "{} octets are left over behind the body",
                message.trailing.len()
            );
            sink.add(Kind::TrailingOctets, message.trailing, text);
        }
    }

    /// True when what is left over is the rest of the body rather than something new.
    fn body_goes_on(&self) -> bool {
        let trailing = self.message.trailing.of(self.bytes);
        let blank = trailing
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n' | 0 | b' '))
            .count();
        let rest = trailing.get(blank..).unwrap_or_default();
        if rest.is_empty() || start_line::recognise(rest).is_some() {
            return false;
        }
        let body = self.message.body.of(self.bytes);
        let has_type = !self.message.first_value(Header::ContentType).is_empty();
        // Cut within a line, or a typed body that goes on with the next line.
        (!body.is_empty() && !body.ends_with(b"\n") && blank == 0) || has_type
    }

    fn bodies(&self, sink: &mut Sink) {
        let message = self.message;
        let content_type = message.first_value(Header::ContentType);
        let body = message.body;
        let has_text = body
            .of(self.bytes)
            .iter()
            .any(|b| !b.is_ascii_whitespace() && *b != 0);
        if content_type.is_empty() && has_text {
            let severity = Severity::Warning;
            self.missing(Header::ContentType, "Content-Type", severity, sink);
        }
        if !content_type.is_empty() && !body.is_empty() {
            self.body(content_type, body, sink);
        }
        each_part(&message.parts, &mut |part| {
            if !part.content_type.is_empty() {
                self.body(part.content_type, part.content, sink);
            }
        });
    }

    fn body(&self, content_type: Span, body: Span, sink: &mut Sink) {
        let value = self.piece(content_type);
        let whole = value.take(value.find(b';').unwrap_or(value.len())).trim();
        if !is_known_type(whole) {
            let text = format!("The body type {} is in no table", whole.text());
            sink.add(Kind::ContentTypeUnknown, whole.span(), text);
        }
        let name = whole.bytes().to_ascii_lowercase();
        if name.ends_with(b"+xml") || name.ends_with(b"/xml") {
            let text = self.piece(body);
            for declaration in [&b"<!DOCTYPE"[..], b"<!ENTITY"] {
                if let Some(at) = memchr::memmem::find(text.bytes(), declaration) {
                    let span = text.range(at, at.saturating_add(declaration.len())).span();
                    let words = "A declaration in XML: it is not expanded, and nothing is loaded";
                    sink.add(Kind::XmlEntity, span, words);
                }
            }
        }
    }

    /// The answer to an offer has to come as SDP (8.2.3, 20.1).
    fn accept(&self, sink: &mut Sink) {
        let message = self.message;
        let asks = message.start.kind == StartKind::Request
            && matches!(message.start.method, Method::Invite | Method::Update);
        if !asks || !self.has(Header::Accept) {
            return;
        }
        let types = message
            .values(Header::Accept)
            .filter_map(|value| match &value.value {
                Value::MediaType(media_type) => Some(media_type),
                _ => None,
            });
        let mut fits = types.map(|range| (self.piece(range.kind), self.piece(range.subtype)));
        if fits.any(|(kind, subtype)| {
            (kind.is("*") || kind.is("application")) && (subtype.is("*") || subtype.is("sdp"))
        }) {
            return;
        }
        if let Some(field) = message.all(Header::Accept).next() {
            let text = "Accept excludes application/sdp, in which the answer has to come";
            sink.add(Kind::AcceptMismatch, field.line, text);
        }
    }
}

/// NUL, ESC and the like, unless a backslash within quotes stands before them.
fn control_characters(line: Piece<'_>, sink: &mut Sink) {
    let mut in_quotes = false;
    let mut bytes = line.bytes().iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\\' if in_quotes => {
                bytes.next();
            }
            b'\t' | b'\r' | b'\n' => {}
            0..0x20 | 0x7f => {
                let span = line.range(at, at.saturating_add(1)).span();
                let text = format!("A control character (octet {byte:#04x})");
                sink.add(Kind::ControlCharacter, span, text);
                return;
            }
            _ => {}
        }
    }
}

/// Types of our table, and families that no table can hold completely.
fn is_known_type(media_type: Piece<'_>) -> bool {
    if registry::is_body_type(media_type.bytes()) {
        return true;
    }
    let Some((kind, subtype)) = media_type.split_once(b'/') else {
        return false;
    };
    let (kind, subtype) = (kind.trim(), subtype.trim());
    let any = |names: &[&str]| names.iter().any(|name| subtype.is(name));
    // Vendor and personal trees (RFC 6838, 3.2 to 3.4) and structured suffixes (4.2.8).
    let tree = ["vnd.", "prs.", "x-", "x."]
        .iter()
        .any(|tree| subtype.starts_with(tree));
    let text = subtype.text().to_ascii_lowercase();
    let suffix = ["+xml", "+json", "+cbor", "+zip"]
        .iter()
        .any(|suffix| text.ends_with(suffix));
    if lex::is_token(subtype.bytes()) && (tree || suffix) {
        return true;
    }
    if kind.is("text") {
        any(&[
            "plain",
            "html",
            "xml",
            "csv",
            "css",
            "rtf",
            "calendar",
            "vcard",
            "enriched",
            "uri-list",
            "markdown",
            "parameters",
            "directory",
            "javascript",
            "richtext",
            "t140",
        ])
    } else if kind.is("application") {
        any(&[
            "octet-stream",
            "xml",
            "json",
            "pdf",
            "zip",
            "gzip",
            "cpl+xml",
            "pkcs7-signature",
            "pkcs10",
            "pgp-encrypted",
            "pgp-signature",
            "cms",
            "jwt",
            "rtf",
            "soap+xml",
            "http",
            "sdp",
            "sip",
            "mikey",
            "index.cmd",
            "media-policy-dataset+xml",
            "pkix-cert",
            "pkix-crl",
            "ocsp-response",
            "batch-smtp",
            "cybercash",
            "javascript",
            "hookflash",
            "session-info",
            "mscml",
            "msml",
        ])
    } else if kind.is("image") {
        any(&[
            "jpeg", "jpg", "png", "gif", "tiff", "bmp", "webp", "svg+xml", "t38", "jp2", "g3fax",
            "heic",
        ])
    } else if kind.is("message") {
        any(&[
            "rfc822",
            "partial",
            "external-body",
            "http",
            "sip",
            "sipfrag",
            "cpim",
            "delivery-status",
            "disposition-notification",
            "global",
            "news",
            "tracking-status",
        ])
    } else if kind.is("multipart") {
        any(&[
            "mixed",
            "alternative",
            "related",
            "signed",
            "encrypted",
            "digest",
            "parallel",
            "form-data",
            "report",
            "byteranges",
            "voice-message",
            "appledouble",
        ])
    } else {
        ["audio", "video", "font", "model"]
            .iter()
            .any(|family| kind.is(family))
    }
}
