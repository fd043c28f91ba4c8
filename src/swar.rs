//! Finding an octet in a short text, eight or sixteen octets at a time.
//!
//! Header values are short: a call into `memchr` costs more than looking, and a loop over
//! octets costs a mispredicted branch at its end.

const LOW: u128 = u128::from_le_bytes([0x01; 16]);
const HIGH: u128 = u128::from_le_bytes([0x80; 16]);

/// Marks the octets of `word` that are `wanted`; exact up to the first one.
#[inline(always)]
fn marks(word: u128, wanted: u8) -> u128 {
    let differs = word ^ (LOW.wrapping_mul(wanted as u128));
    differs.wrapping_sub(LOW) & !differs & HIGH
}

#[inline(always)]
fn marks_8(word: u64, wanted: u8) -> u64 {
    let differs = word ^ ((LOW as u64).wrapping_mul(wanted as u64));
    differs.wrapping_sub(LOW as u64) & !differs & (HIGH as u64)
}

#[inline(always)]
fn find(text: &[u8], wanted: [u8; 2]) -> Option<usize> {
    let [one, two] = wanted;
    if let (Some(head), Some(tail)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        let word = u128::from_le_bytes(*head);
        let found = marks(word, one) | marks(word, two);
        if found != 0 {
            return Some((found.trailing_zeros() / 8) as usize);
        }
        if text.len() > 32 {
            return memchr::memchr2(one, two, text.get(16..)?).map(|at| at.wrapping_add(16));
        }
        let word = u128::from_le_bytes(*tail);
        let found = marks(word, one) | marks(word, two);
        let skipped = text.len().wrapping_sub(16);
        return (found != 0).then(|| (found.trailing_zeros() / 8) as usize + skipped);
    }
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
        for len in 0..80 {
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
}
