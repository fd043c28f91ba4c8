//! Status codes of responses (RFC 3261, 7.2 and 21).

use std::borrow::Cow;
use std::sync::LazyLock;

use super::registry;

static REASONS: LazyLock<Vec<(u16, Cow<'static, str>)>> = LazyLock::new(|| {
    let mut reasons: Vec<_> = registry::rows(registry::STATUS_CODES)
        .filter_map(|row| {
            let mut columns = row.into_iter();
            Some((columns.next()?.parse().ok()?, columns.next()?))
        })
        .collect();
    reasons.sort_by_key(|&(code, _)| code);
    reasons
});

/// The reason phrase that the registry has for a status code.
pub fn reason_phrase(code: u16) -> Option<&'static str> {
    let reasons = &*REASONS;
    let at = reasons
        .binary_search_by_key(&code, |&(code, _)| code)
        .ok()?;
    reasons.get(at).map(|(_, reason)| &**reason)
}

/// True for a code that the grammar allows: three digits, classes 1 to 6.
pub fn is_valid(code: u16) -> bool {
    (100..700).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_codes_have_their_phrase() {
        assert_eq!(reason_phrase(180), Some("Ringing"));
        assert_eq!(reason_phrase(486), Some("Busy Here"));
        assert_eq!(reason_phrase(299), None);
        assert!(is_valid(699) && !is_valid(700) && !is_valid(99));
    }
}
