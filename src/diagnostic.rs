//! Odd things in the octets of one message, each with its place and its rule.
//!
//! What is wrong between messages is a matter of findings, not of diagnostics.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::span::Span;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a word; legal messages have it too.
    Info,
    /// A rule is broken, and programs commonly get over it.
    Warning,
    /// The message cannot be understood as it was meant.
    Error,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $id:literal, $severity:ident, $rule:literal;)+) => {
        /// What is wrong with the octets of one message. The ids are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DiagnosticKind {
            $($(#[$doc])* $name,)+
        }

        impl DiagnosticKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable id, as JSON and filters have it.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// The severity that this kind has if nothing softens it.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// The rule that is broken: RFC and section.
            pub fn rfc(self) -> &'static str {
                match self { $(Self::$name => $rule,)+ }
            }
        }
    };
}

kinds! {
    /// The first line is neither a request line nor a status line.
    BadStartLine => "bad-start-line", Error, "RFC 3261, 7, 25.1";
    /// A request line without Request-URI.
    MissingRequestUri => "missing-request-uri", Error, "RFC 3261, 7.1";
    /// Blanks where the grammar has none or just one: in the start line, at its end, inside a URI.
    ExtraWhitespace => "extra-whitespace", Warning, "RFC 3261, 7.1, 7.2, 25.1";
    /// Another version than SIP/2.0.
    BadVersion => "bad-version", Error, "RFC 3261, 7.1, 21.5.6";
    /// The status code is not three digits from 100 to 699; nothing may wrap.
    BadStatusCode => "bad-status-code", Error, "RFC 3261, 7.2";
    /// A method that is in no registry: legal, worth a word.
    MethodUnknown => "method-unknown", Info, "RFC 3261, 8.2.1";
    /// A URI breaks the grammar in a way that no kind below names.
    BadUri => "bad-uri", Error, "RFC 3261, 19.1.1, 25.1";
    /// The Request-URI stands in angle brackets.
    UriInBrackets => "uri-in-brackets", Error, "RFC 3261, 7.1, 25.1";
    /// A URI carries `?name=value` where it may not.
    UriHeadersNotAllowed => "uri-headers-not-allowed", Error, "RFC 3261, 19.1.1";
    /// A URI with a comma or `?` in From, To or Contact without angle brackets.
    UriNeedsBrackets => "uri-needs-brackets", Error, "RFC 3261, 20.10";
    /// A URI scheme that is unknown or makes no sense for SIP in this place.
    SchemeUnsupported => "scheme-unsupported", Warning, "RFC 3261, 8.2.2.1, 21.4.14";
    /// An IPv6 address without brackets, or what is in the brackets is none.
    BadIpv6 => "bad-ipv6", Error, "RFC 3261, 25.1; RFC 5118, 4.2, 4.10";
    /// A port above 65535 or with too many digits (0 is legal in SDP).
    PortOutOfRange => "port-out-of-range", Error, "RFC 3261, 19.1.1, 25.1";
    /// A line of the header without colon or with an impossible name.
    BadHeaderLine => "bad-header-line", Error, "RFC 3261, 7.3.1";
    /// A mandatory header is absent (Max-Forwards alone: information, RFC 2543 had none).
    MissingHeader => "missing-header", Error, "RFC 3261, 8.1.1, 20";
    /// A header that may stand once stands twice, with equal or other value.
    DuplicateHeader => "duplicate-header", Warning, "RFC 3261, 7.3.1";
    /// Several values, separated by commas, in a header that takes one.
    TooManyValues => "too-many-values", Warning, "RFC 3261, 7.3.1";
    /// A header that needs a value has none.
    EmptyValue => "empty-value", Warning, "RFC 3261, 25.1";
    /// Empty list elements or parameters such as `;;` and `,,`.
    BadSeparator => "bad-separator", Warning, "RFC 3261, 7.3.1, 25.1";
    /// A display name that is neither a quoted string nor tokens.
    BadDisplayName => "bad-display-name", Error, "RFC 3261, 20.10, 25.1";
    /// A quoted string without its closing quote.
    UnterminatedQuote => "unterminated-quote", Error, "RFC 3261, 25.1";
    /// NUL, ESC or another control character in a header or SDP value without a backslash before it; to be shown escaped. With a backslash within quotes it is legal, and shown escaped as well.
    ControlCharacter => "control-character", Warning, "RFC 3261, 25.1";
    /// Octets in a header that are not UTF-8; to be shown with marks (a binary body is no fault).
    InvalidUtf8 => "invalid-utf8", Warning, "RFC 3261, 7, 25.1";
    /// A number larger than its header allows (Max-Forwards 255, Expires and Retry-After 2^32-1, ...) or than the program can hold.
    NumberOutOfRange => "number-out-of-range", Warning, "RFC 3261, 20.19, 20.22, 20.33";
    /// Far longer, deeper or more numerous than in real messages: shown in a bounded form, work stays linear.
    UnusualSize => "unusual-size", Info, "RFC 3261, 20";
    /// CSeq is not `number method`, or the number is not below 2^31.
    BadCSeq => "bad-cseq", Error, "RFC 3261, 8.1.1.5, 20.16";
    /// The method in CSeq is not the method of the request.
    CSeqMethodMismatch => "cseq-method-mismatch", Error, "RFC 3261, 8.1.1.5";
    /// A Via value breaks the grammar.
    BadVia => "bad-via", Error, "RFC 3261, 20.42";
    /// A Via names an address to which no response can go, such as a broadcast address.
    ViaUnusableAddress => "via-unusable-address", Warning, "RFC 3261, 18.2.2";
    /// The top branch does not begin with z9hG4bK, or there is none: RFC 2543 matching.
    BranchWithoutCookie => "branch-without-cookie", Info, "RFC 3261, 8.1.1.7, 17.2.3";
    /// The branch is only the cookie, so it identifies no transaction.
    BranchNotUnique => "branch-not-unique", Warning, "RFC 3261, 8.1.1.7";
    /// From without tag, or a response other than 100 whose To has none (RFC 2543, and RFC 3665 prints such).
    MissingTag => "missing-tag", Info, "RFC 3261, 8.1.1.3, 8.2.6.2";
    /// Date is not an RFC 1123 date in GMT.
    BadDate => "bad-date", Error, "RFC 3261, 20.17";
    /// Warning is not `code agent "text"`, or the code is not three digits.
    BadWarning => "bad-warning", Error, "RFC 3261, 20.43";
    /// Credentials or a challenge that cannot be read.
    BadAuthorization => "bad-authorization", Error, "RFC 3261, 20.7, 20.44, 22.1";
    /// An authentication scheme that nobody registered.
    AuthSchemeUnknown => "auth-scheme-unknown", Warning, "RFC 3261, 20.7, 22.1";
    /// The Identity token is not base64url, not JSON, or a claim is out of range.
    BadIdentity => "bad-identity", Error, "RFC 8224, 4; RFC 8225, 5";
    /// Require or Proxy-Require names an option tag that is in no registry.
    OptionTagUnknown => "option-tag-unknown", Warning, "RFC 3261, 8.2.2.3, 19.2";
    /// Lines end in a bare CR or a bare LF.
    BadLineEnd => "bad-line-end", Warning, "RFC 3261, 7";
    /// The header does not end with an empty line.
    MissingBlankLine => "missing-blank-line", Error, "RFC 3261, 7";
    /// Content-Length is not digits only (empty, sign, hex, fraction).
    ContentLengthInvalid => "content-length-invalid", Error, "RFC 3261, 20.14";
    /// Content-Length is below zero.
    ContentLengthNegative => "content-length-negative", Error, "RFC 3261, 20.14";
    /// Content-Length does not fit the integers of common programs; nothing may wrap.
    ContentLengthOverflow => "content-length-overflow", Error, "RFC 3261, 20.14";
    /// Content-Length is larger than what follows (a datagram: error; a stream: wait).
    ContentLengthTooLarge => "content-length-too-large", Error, "RFC 3261, 18.3, 20.14";
    /// Content-Length is smaller than the body that evidently follows.
    ContentLengthTooSmall => "content-length-too-small", Warning, "RFC 3261, 18.3, 20.14";
    /// Octets left over in a datagram after the body: ignored for the body, shown apart.
    TrailingOctets => "trailing-octets", Info, "RFC 3261, 18.3";
    /// The capture has not all octets of the message: a snap length, a hole in a stream. No fault of
    /// the sender.
    NotAllCaptured => "not-all-captured", Info, "RFC 3261, 18.3";
    /// A body type that is in no registry: kept and shown as octets.
    ContentTypeUnknown => "content-type-unknown", Warning, "RFC 3261, 8.2.3, 20.15";
    /// Accept excludes the type in which the answer has to come.
    AcceptMismatch => "accept-mismatch", Warning, "RFC 3261, 8.2.3, 20.1";
    /// Boundary missing, empty or never closed.
    BadMultipart => "bad-multipart", Error, "RFC 2046, 5.1.1";
    /// A document type or entity declaration in an XML body: never expanded, no file read.
    XmlEntity => "xml-entity", Warning, "XML 1.0 4.1";
    /// A mandatory SDP line (v, o, s, t) is absent, or c is nowhere.
    SdpMissingLine => "sdp-missing-line", Error, "RFC 8866, 5";
    /// An SDP line breaks its grammar or has an impossible value (port, clock rate, ptime).
    SdpBadLine => "sdp-bad-line", Error, "RFC 8866, 5, 6, 9";
    /// A media type that is in no registry.
    SdpUnknownMedia => "sdp-unknown-media", Warning, "RFC 8866, 5.14";
}

impl Serialize for DiagnosticKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// One odd thing in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of thing.
    pub kind: DiagnosticKind,
    /// How much it matters here.
    pub severity: Severity,
    /// Where it is; empty at the place where something is missing.
    pub span: Span,
    /// One plain sentence for the reader, without full stop.
    pub text: Cow<'static, str>,
}

impl Diagnostic {
    /// A diagnostic with the severity of its kind.
    pub fn new(kind: DiagnosticKind, span: Span, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            span,
            text: text.into(),
        }
    }

    /// The same with another severity.
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The rule that is broken: RFC and section.
    pub fn rfc(&self) -> &'static str {
        self.kind.rfc()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let mut ids: Vec<&str> = DiagnosticKind::ALL.iter().map(|kind| kind.id()).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        for kind in DiagnosticKind::ALL {
            assert!(
                kind.id()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
            );
            assert!(!kind.rfc().is_empty());
        }
    }
}
