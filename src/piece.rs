//! A piece of a message that knows where it lies.
//!
//! Decoders hand pieces down to smaller decoders; what comes back up is spans.

use crate::span::Span;
use crate::swar;

/// Some octets of one message, and their offset in it.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    bytes: &'a [u8],
    start: u32,
}

impl<'a> Piece<'a> {
    /// The whole message. Octets beyond 4 GiB do not exist for us: spans are 32 bits wide.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.get(..u32::MAX as usize).unwrap_or(bytes),
            start: 0,
        }
    }

    /// The part of the message that `span` names; empty when it lies outside.
    pub fn of(bytes: &'a [u8], span: Span) -> Self {
        Self {
            bytes: span.of(bytes),
            start: span.start,
        }
    }

    /// The octets.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Where the piece lies in its message.
    #[inline]
    pub fn span(self) -> Span {
        Span {
            start: self.start,
            end: self.start.wrapping_add(self.bytes.len() as u32),
        }
    }

    /// Number of octets.
    #[inline]
    pub fn len(self) -> usize {
        self.bytes.len()
    }

    /// True when there is no octet.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The first octet.
    #[inline]
    pub fn first(self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// The first `count` octets, or all there are.
    #[inline]
    pub fn take(self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(..count).unwrap_or(self.bytes),
            start: self.start,
        }
    }

    /// What follows the first `count` octets.
    #[inline]
    pub fn skip(self, count: usize) -> Self {
        let (skipped, bytes) = self
            .bytes
            .split_at_checked(count)
            .unwrap_or((self.bytes, Default::default()));
        Self {
            bytes,
            start: self.start.wrapping_add(skipped.len() as u32),
        }
    }

    /// From octet `from` up to octet `to`, both counted within the piece.
    #[inline]
    pub fn range(self, from: usize, to: usize) -> Self {
        self.take(to).skip(from)
    }

    /// Without linear white space (blanks, tabs, line ends) in front.
    #[inline]
    pub fn trim_start(self) -> Self {
        match self.first() {
            Some(byte) if is_white(byte) => {
                let count = self.bytes.iter().take_while(|&&b| is_white(b)).count();
                self.skip(count)
            }
            _ => self,
        }
    }

    /// Without linear white space at the end.
    #[inline]
    pub fn trim_end(self) -> Self {
        match self.bytes.last() {
            Some(&byte) if is_white(byte) => {
                let count = self
                    .bytes
                    .iter()
                    .rev()
                    .take_while(|&&b| is_white(b))
                    .count();
                self.take(self.len().saturating_sub(count))
            }
            _ => self,
        }
    }

    /// Without linear white space at both ends.
    #[inline]
    pub fn trim(self) -> Self {
        self.trim_start().trim_end()
    }

    /// Offset of the first such octet within the piece.
    #[inline]
    pub fn find(self, byte: u8) -> Option<usize> {
        swar::find_octet(self.bytes, byte)
    }

    /// Before and behind the first such octet.
    #[inline]
    pub fn split_once(self, byte: u8) -> Option<(Self, Self)> {
        let at = self.find(byte)?;
        Some((self.take(at), self.skip(at.wrapping_add(1))))
    }

    /// The first word and what follows the white space behind it.
    #[inline]
    pub fn split_word(self) -> (Self, Self) {
        let text = self.trim_start();
        let end = text
            .bytes
            .iter()
            .position(|&b| is_white(b))
            .unwrap_or(text.len());
        (text.take(end), text.skip(end).trim_start())
    }

    /// Equal to `text`, upper and lower case being the same.
    #[inline]
    pub fn is(self, text: &str) -> bool {
        self.bytes.eq_ignore_ascii_case(text.as_bytes())
    }

    /// Begins with `text`, upper and lower case being the same.
    #[inline]
    pub fn starts_with(self, text: &str) -> bool {
        self.bytes
            .get(..text.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes()))
    }

    /// True when there is at least one octet and all are decimal digits.
    #[inline]
    pub fn is_digits(self) -> bool {
        !self.is_empty() && self.bytes.iter().all(u8::is_ascii_digit)
    }

    /// A number of digits only; too large ones saturate, since nothing from the wire may wrap.
    #[inline]
    pub fn number(self) -> Option<u64> {
        let mut value = 0_u64;
        for &byte in self.bytes {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.saturating_mul(10).saturating_add(u64::from(digit));
        }
        (!self.bytes.is_empty()).then_some(value)
    }

    /// As text; octets that are no UTF-8 are replaced.
    pub fn text(self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes)
    }
}

/// White space as it may stand in a folded header value.
#[inline]
pub fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
