//! Text for people: what came off the wire is made harmless, times are written in words.

use std::borrow::Cow;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// True for what must not reach a terminal or a single line of text: control characters, and the
/// marks that turn the direction of writing (they can make a line lie about its order).
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with each unsafe character as a visible escape (`\n`, `\x1b`, `\u{202e}`).
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) && (c as u32) < 0x100 => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c if is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Lines of text with everything unsafe but line ends and tabs made visible.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    let keep = |c: char| matches!(c, '\n' | '\t');
    if !text.chars().any(|c| is_unsafe(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if keep(c) || !is_unsafe(c) {
            out.push(c);
        } else {
            out.push_str(&visible(c.encode_utf8(&mut [0; 4])));
        }
    }
    Cow::Owned(out)
}

/// The first `width` characters; a cut is shown by `…`.
pub fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().nth(width).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    Cow::Owned(out)
}

/// Calendar day of a number of days since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, u32, u32) {
    // Howard Hinnant's algorithm: years begin in March, so that the leap day comes last.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        year,
        u32::try_from(month).unwrap_or(1),
        u32::try_from(day).unwrap_or(1),
    )
}

/// Writes `value` with at least `width` digits.
fn push_digits(out: &mut String, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut left = value;
    let mut at = digits.len();
    while at > 0 && (left > 0 || digits.len() - at < width) {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (left % 10) as u8;
        }
        left /= 10;
    }
    out.push_str(std::str::from_utf8(digits.get(at..).unwrap_or_default()).unwrap_or_default());
}

/// Appends RFC 3339 UTC with nine decimals: `2024-01-31T12:00:00.123456789Z`.
pub fn push_rfc3339(out: &mut String, nanos: i64) {
    let (year, month, day) = civil(nanos.div_euclid(86_400 * SECOND));
    push_digits(out, year.unsigned_abs(), 4);
    out.push('-');
    push_digits(out, u64::from(month), 2);
    out.push('-');
    push_digits(out, u64::from(day), 2);
    out.push('T');
    push_clock(out, nanos, 9);
    out.push('Z');
}

/// RFC 3339 UTC with nine decimals.
pub fn rfc3339(nanos: i64) -> String {
    let mut out = String::with_capacity(30);
    push_rfc3339(&mut out, nanos);
    out
}

/// Appends the time of day (UTC) with `decimals` (at most nine) decimals.
pub fn push_clock(out: &mut String, nanos: i64, decimals: usize) {
    let of_day = nanos.rem_euclid(86_400 * SECOND).unsigned_abs();
    let seconds = of_day / SECOND.unsigned_abs();
    push_digits(out, seconds / 3600, 2);
    out.push(':');
    push_digits(out, seconds / 60 % 60, 2);
    out.push(':');
    push_digits(out, seconds % 60, 2);
    if decimals > 0 {
        out.push('.');
        let decimals = decimals.min(9);
        let cut = 10_u64.pow(u32::try_from(9 - decimals).unwrap_or(0));
        push_digits(out, of_day % SECOND.unsigned_abs() / cut, decimals);
    }
}

/// Time of day (UTC) with `decimals` decimals.
pub fn clock(nanos: i64, decimals: usize) -> String {
    let mut out = String::with_capacity(18);
    push_clock(&mut out, nanos, decimals);
    out
}

/// Day (UTC) as `2024-01-31`.
pub fn date(nanos: i64) -> String {
    let mut out = rfc3339(nanos);
    out.truncate(10);
    out
}

/// Length of time in seconds with as many decimals as times have, signed: `+0.020000`.
pub fn delta(nanos: i64) -> String {
    let sign = if nanos < 0 { '-' } else { '+' };
    let micros = rounded(nanos, 1000);
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Length of time in whole `unit`s, rounded.
fn rounded(nanos: i64, unit: u64) -> u64 {
    (nanos.unsigned_abs() + unit / 2) / unit
}

/// Length of time as people say it, rounded: `42 µs`, `0.4 ms`, `182 ms`, `12.3 s`, `4 min 05 s`, `1 h 02 min`.
pub fn length(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (tenths, ms) = (rounded(nanos, 100_000), rounded(nanos, 1_000_000));
    let (ds, s) = (rounded(nanos, 100_000_000), rounded(nanos, 1_000_000_000));
    let words = match (tenths, ms, ds, s) {
        // A length that is not zero never reads as zero.
        (..=1, ..) if (1..1000).contains(&nanos.unsigned_abs()) => {
            format!("{} ns", nanos.unsigned_abs())
        }
        (..=1, ..) if (1..100).contains(&rounded(nanos, 1000)) => {
            format!("{} µs", rounded(nanos, 1000))
        }
        (..100, ..) => format!("{}.{} ms", tenths / 10, tenths % 10),
        (_, ..1000, ..) => format!("{ms} ms"),
        (_, _, ..600, _) => format!("{}.{} s", ds / 10, ds % 10),
        (_, _, _, ..3600) => format!("{} min {:02} s", s / 60, s % 60),
        _ => {
            let minutes = rounded(nanos, 60_000_000_000);
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    };
    format!("{sign}{words}")
}

/// From one length of time to another: `20–60 ms`, `0.5–32.0 s`.
pub fn range(first: i64, last: i64) -> String {
    let sign = |nanos: i64| if nanos < 0 { "-" } else { "" };
    if first.unsigned_abs().max(last.unsigned_abs()) < 999_500_000 {
        let ms = |nanos: i64| format!("{}{}", sign(nanos), rounded(nanos, 1_000_000));
        return format!("{}–{} ms", ms(first), ms(last));
    }
    let s = |nanos: i64| {
        let ds = rounded(nanos, 100_000_000);
        format!("{}{}.{}", sign(nanos), ds / 10, ds % 10)
    };
    format!("{}–{} s", s(first), s(last))
}

/// A number with commas: `12,304`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_nine_decimals() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(
            rfc3339(951_782_400 * SECOND + 5),
            "2000-02-29T00:00:00.000000005Z"
        );
        assert_eq!(
            rfc3339(1_735_689_599 * SECOND),
            "2024-12-31T23:59:59.000000000Z"
        );
        assert_eq!(rfc3339(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(clock(1_500_000, 3), "00:00:00.001");
        assert_eq!(delta(-1_234_000_000), "-1.234000");
        assert_eq!(delta(99_600), "+0.000100");
        assert_eq!(delta(99_400), "+0.000099");
    }

    #[test]
    fn lengths_are_rounded_and_say_their_unit() {
        for (nanos, words) in [
            (0, "0.0 ms"),
            (-999, "-999 ns"),
            (42_400, "42 µs"),
            (99_400, "99 µs"),
            (99_600, "0.1 ms"),
            (420_000, "0.4 ms"),
            (9_960_000, "10 ms"),
            (182_999_999, "183 ms"),
            (999_600_000, "1.0 s"),
            (12_345_000_000, "12.3 s"),
            (59_960_000_000, "1 min 00 s"),
            (245_000_000_000, "4 min 05 s"),
            (3_723_000_000_000, "1 h 02 min"),
            (-2_000_000_000, "-2.0 s"),
            (i64::MAX, "2562047 h 47 min"),
        ] {
            assert_eq!(length(nanos), words, "{nanos}");
        }
        assert_eq!(range(500_100_000, 31_960_000_000), "0.5–32.0 s");
        assert_eq!(range(20_000_000, 60_400_000), "20–60 ms");
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(
            visible("a\x1b[31mb\r\n\u{202e}c\u{9b}"),
            "a\\x1b[31mb\\r\\n\\u{202e}c\\x9b"
        );
        assert!(matches!(visible("Zürich, 東京"), Cow::Borrowed(_)));
        assert_eq!(visible_lines("a\nb\tc\x07"), "a\nb\tc\\x07");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
