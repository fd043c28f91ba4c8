//! Finding octets in a short text, sixteen at a time.
//!
//! Header values are short: a call into `memchr` costs more than looking, and a loop over
//! octets costs a mispredicted branch at its end.

use wide::u8x16;

/// Texts longer than this are handed to `memchr`.
const LONG: usize = 128;
const LANES: usize = 16;

/// One bit for each octet that is `one` or `two`.
#[inline(always)]
fn either_mask(part: &[u8; LANES], one: u8, two: u8) -> u32 {
    let part = u8x16::from(*part);
    (part.simd_eq(u8x16::splat(one)) | part.simd_eq(u8x16::splat(two))).to_bitmask()
}

#[inline(always)]
fn one_mask(part: &[u8; LANES], wanted: u8) -> u32 {
    u8x16::from(*part)
        .simd_eq(u8x16::splat(wanted))
        .to_bitmask()
}

const LOW: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Marks the octets of `word` that are `wanted`; exact up to the first one.
#[inline(always)]
fn marks_8(word: u64, wanted: u8) -> u64 {
    let differs = word ^ LOW.wrapping_mul(u64::from(wanted));
    differs.wrapping_sub(LOW) & !differs & HIGH
}

#[inline(always)]
fn find(text: &[u8], [one, two]: [u8; 2]) -> Option<usize> {
    let Some(last) = text.last_chunk::<LANES>() else {
        return find_short(text, [one, two]);
    };
    let mut at = 0_usize;
    while let Some(part) = text.get(at..).and_then(<[u8]>::first_chunk::<LANES>) {
        let mask = either_mask(part, one, two);
        if mask != 0 {
            return Some(at.wrapping_add(mask.trailing_zeros() as usize));
        }
        at = at.wrapping_add(LANES);
        if at >= LONG {
            let rest = text.get(at..)?;
            return memchr::memchr2(one, two, rest).map(|found| found.wrapping_add(at));
        }
    }
    // The last sixteen overlap those that were looked at and hold nothing.
    let mask = either_mask(last, one, two);
    let start = text.len().wrapping_sub(LANES);
    (mask != 0).then(|| start.wrapping_add(mask.trailing_zeros() as usize))
}

#[inline(always)]
fn find_short(text: &[u8], [one, two]: [u8; 2]) -> Option<usize> {
    if let (Some(head), Some(tail)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let word = u64::from_le_bytes(*head);
        let found = marks_8(word, one) | marks_8(word, two);
        if found != 0 {
            return Some((found.trailing_zeros() / 8) as usize);
        }
        let word = u64::from_le_bytes(*tail);
        let found = marks_8(word, one) | marks_8(word, two);
        let skipped = text.len().wrapping_sub(8);
        return (found != 0).then(|| (found.trailing_zeros() / 8) as usize + skipped);
    }
    text.iter().position(|&byte| byte == one || byte == two)
}

/// Where the first CR or LF is, and the first colon before it.
#[inline(always)]
pub(crate) fn line_and_colon(text: &[u8]) -> (Option<usize>, Option<usize>) {
    let mut at = 0_usize;
    let mut colon = None;
    while let Some(part) = text.get(at..).and_then(<[u8]>::first_chunk::<LANES>) {
        let ends = either_mask(part, b'\r', b'\n');
        if colon.is_none() {
            // Only those before the first line end.
            let colons = one_mask(part, b':') & (ends.wrapping_sub(1) & !ends);
            if colons != 0 {
                colon = Some(at.wrapping_add(colons.trailing_zeros() as usize));
            }
        }
        if ends != 0 {
            return (Some(at.wrapping_add(ends.trailing_zeros() as usize)), colon);
        }
        at = at.wrapping_add(LANES);
        if at >= LONG {
            break;
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', rest);
    let before = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let colon = colon.or_else(|| find_octet(before, b':').map(|found| found.wrapping_add(at)));
    (end.map(|end| end.wrapping_add(at)), colon)
}

/// First octet that is `wanted`.
#[inline]
pub(crate) fn find_octet(text: &[u8], wanted: u8) -> Option<usize> {
    find(text, [wanted, wanted])
}

/// First octet that is one of two.
#[inline]
pub(crate) fn find_either(text: &[u8], one: u8, two: u8) -> Option<usize> {
    find(text, [one, two])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_every_length_is_found() {
        for len in (0..80).chain([127, 128, 129, 150]) {
            let mut text = vec![b'x'; len];
            // Neighbours in value, and octets with the high bit, must not be taken.
            text.iter_mut().step_by(3).for_each(|byte| *byte = b';' + 1);
            text.iter_mut()
                .skip(1)
                .step_by(3)
                .for_each(|byte| *byte = b';' | 0x80);
            assert_eq!(find_octet(&text, b';'), None);
            for at in 0..len {
                for later in at..len {
                    let mut text = text.clone();
                    text[later] = b'"';
                    text[at] = b';';
                    assert_eq!(find_octet(&text, b';'), Some(at));
                    assert_eq!(find_either(&text, b'"', b';'), Some(at));
                }
            }
        }
    }

    #[test]
    fn the_first_line_end_and_the_colon_before_it_are_found() {
        for len in 0..200 {
            for end in 0..=len {
                let mut text = vec![b'x'; len];
                if let Some(octet) = text.get_mut(end) {
                    *octet = if end % 2 == 0 { b'\r' } else { b'\n' };
                }
                let expected = (end < len).then_some(end);
                assert_eq!(line_and_colon(&text), (expected, None));
                for colon in [0, 1, 7, 15, 16, 17, 31, 32, 63, 127, 128, 140] {
                    let mut text = text.clone();
                    if colon >= len || colon == end {
                        continue;
                    }
                    text[colon] = b':';
                    if let Some(last) = text.last_mut().filter(|last| **last == b'x') {
                        *last = b':';
                    }
                    let before = &text[..expected.unwrap_or(len)];
                    let colon = before.iter().position(|octet| *octet == b':');
                    assert_eq!(line_and_colon(&text), (expected, colon), "{text:?}");
                }
            }
        }
    }
}
