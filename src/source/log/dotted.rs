//! Packets that ngrep prints as they are, with a dot for each octet that cannot be printed: two dots
//! stand for CR LF.

use super::start;

/// The lines of such a packet.
pub(super) fn lines(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(packet);
    let mut in_body = false;
    std::iter::from_fn(move || {
        let all = rest?;
        let mut dots = memchr::memchr_iter(b'.', all);
        let end = dots.find(|at| {
            let pair = all.get(*at..).and_then(|rest| rest.strip_prefix(b".."));
            pair.is_some_and(|next| begins_line(next, in_body || *at == 0))
        });
        let line = match end {
            Some(at) => {
                rest = all.get(at + 2..).filter(|rest| !rest.is_empty());
                all.get(..at).unwrap_or_default()
            }
            None => {
                rest = None;
                all
            }
        };
        in_body |= line.is_empty();
        Some(line)
    })
}

/// What can stand behind a line end.
fn begins_line(next: &[u8], in_body: bool) -> bool {
    let header = |text: &[u8]| start::header(text).is_some_and(|h| h.tight && h.name_len < 40);
    next.is_empty()
        || next.starts_with(b"..")
        || !in_body && (header(next) || next.first().is_some_and(|b| matches!(b, b' ' | b'\t')))
        || in_body
            && (matches!(next, [b'a'..=b'z', b'=', ..])
                || next.starts_with(b"--")
                || next.starts_with(b"<")
                || header(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(packet: &str, expected: &[&str]) {
        let found: Vec<_> = lines(packet.as_bytes())
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_dots_are_a_line_end_where_a_line_can_begin() {
        check(
            "BYE sip:a@b SIP/2.0..Via: SIP/2.0/UDP h;branch=z..1...To: x..l: 0....",
            &[
                "BYE sip:a@b SIP/2.0",
                "Via: SIP/2.0/UDP h;branch=z..1.",
                "To: x",
                "l: 0",
                "",
            ],
        );
        check(
            "SIP/2.0 200 OK..l: 9....v=0..s=a..b..t=0 0..",
            &["SIP/2.0 200 OK", "l: 9", "", "v=0", "s=a..b", "t=0 0"],
        );
    }
}
