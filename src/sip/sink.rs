//! Where decoders put their diagnostics, and what bounds their work.

use std::borrow::Cow;

use super::lex::{self, RawParam};
use crate::diagnostic::{Diagnostic, DiagnosticKind, Severity};
use crate::piece::Piece;
use crate::span::Span;

/// Header values that are decoded in one message; the rest stays octets.
pub(super) const MOST_VALUES: usize = 10_000;
/// Diagnostics of one message; more would help nobody.
const MOST_DIAGNOSTICS: usize = 500;

/// Collects diagnostics of one message.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Values and parameters decoded so far.
    pub(super) values: usize,
    told_of_values: bool,
}

impl Sink {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MOST_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    pub(super) fn add(
        &mut self,
        kind: DiagnosticKind,
        span: Span,
        text: impl Into<Cow<'static, str>>,
    ) {
        self.push(Diagnostic::new(kind, span, text));
    }

    pub(super) fn info(
        &mut self,
        kind: DiagnosticKind,
        span: Span,
        text: impl Into<Cow<'static, str>>,
    ) {
        self.push(Diagnostic::new(kind, span, text).with_severity(Severity::Info));
    }

    /// Counts one more value; false when the limit is reached.
    pub(super) fn may_decode(&mut self, at: Span) -> bool {
        self.values = self.values.saturating_add(1);
        if self.values <= MOST_VALUES {
            return true;
        }
        if !self.told_of_values {
            self.told_of_values = true;
            self.add(
                DiagnosticKind::UnusualSize,
                at,
                "More than 10,000 values: from here on they are kept as octets",
            );
        }
        false
    }

    /// The parameters in `rest`, which begins at a semicolon or is empty.
    pub(super) fn params(&mut self, rest: Piece<'_>) -> Vec<Param> {
        if rest.is_empty() {
            return Vec::new();
        }
        if rest.first() != Some(b';') {
            let end = lex::find_unquoted(rest.bytes(), b';').unwrap_or(rest.len());
            self.add(
                DiagnosticKind::BadSeparator,
                rest.take(end).trim_end().span(),
                "Text where parameters should begin with a semicolon",
            );
        }
        let mut params = Vec::new();
        let mut seen_empty = false;
        for raw in lex::params(rest) {
            if raw.name.is_empty() {
                let at = Span {
                    start: raw.whole.span().start.saturating_sub(1),
                    ..raw.whole.span()
                };
                let text = "A semicolon without a parameter behind it";
                let diagnostic = Diagnostic::new(DiagnosticKind::BadSeparator, at, text);
                // A single one is common, and examples of RFC 3428 have it.
                let severity = if seen_empty {
                    diagnostic.severity
                } else {
                    Severity::Info
                };
                self.push(diagnostic.with_severity(severity));
                seen_empty = true;
            } else if self.may_decode(raw.whole.span()) {
                params.push(Param::from(raw));
            } else {
                break;
            }
        }
        params
    }
}

/// A parameter, `name` or `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Where the name stands.
    pub name: Span,
    /// Where the value stands, quotes included; none without `=`.
    pub value: Option<Span>,
}

impl From<RawParam<'_>> for Param {
    fn from(raw: RawParam<'_>) -> Self {
        Self {
            name: raw.name.span(),
            value: raw.value.map(Piece::span),
        }
    }
}

impl Param {
    /// True when the parameter has this name; upper and lower case are the same.
    pub fn is(&self, bytes: &[u8], name: &str) -> bool {
        self.name.of(bytes).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The first parameter of that name.
pub fn find_param<'p>(params: &'p [Param], bytes: &[u8], name: &str) -> Option<&'p Param> {
    params.iter().find(|param| param.is(bytes, name))
}
