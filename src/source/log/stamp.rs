//! Times as logs write them.

use crate::packet::trace::TimeKind;

/// A time out of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds; since 1970-01-01 as far as the log tells the date.
    pub nanos: i64,
    pub kind: TimeKind,
}

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// A time stands at the beginning of its line: nothing behind these octets is looked at.
const REACH: usize = 160;
const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// The first time in the beginning of a line.
pub(super) fn find(line: &[u8]) -> Option<Stamp> {
    let head = line.get(..REACH).unwrap_or(line);
    let mut at = 0;
    while let Some(&byte) = head.get(at) {
        // `[0]0F80.1A4C::11/15/2012-23:47:22.467`: a double colon is a gap for a date.
        if head.get(..at).is_some_and(|before| before.ends_with(b"::"))
            && byte.is_ascii_digit()
            && let Some(stamp) = Reader(head.get(at..).unwrap_or_default()).numeric_date()
        {
            return Some(stamp);
        }
        let starts_word = at
            .checked_sub(1)
            .and_then(|before| head.get(before))
            .is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b':' | b'-' | b'/'));
        if starts_word && byte.is_ascii_alphanumeric() {
            let rest = Reader(head.get(at..).unwrap_or_default());
            if let Some(stamp) = rest.date_first().or_else(|| rest.clock_only()) {
                return Some(stamp);
            }
        }
        at += 1;
    }
    None
}

/// `05-03@10:11:12.123`: day and month, no year (AudioCodes).
pub(super) fn day_month(text: &[u8]) -> Option<Stamp> {
    let mut reader = Reader(text);
    let day = reader.number(1, 2)?;
    let month = reader.take(b'-').then(|| reader.number(1, 2)).flatten()?;
    let (nanos, _) = reader.take(b'@').then(|| reader.clock()).flatten()?;
    Some(dated(days(1970, month, day)?, nanos, None))
}

/// Uptime as Cisco writes it: `00:11:29`, `1w0d`, `2d03h`, with milliseconds where there are any.
pub(super) fn uptime(line: &[u8]) -> Option<Stamp> {
    let head = line.trim_ascii_start();
    let mut reader = Reader(head);
    let stamp = |nanos| Stamp {
        nanos,
        kind: TimeKind::Uptime,
    };
    if let Some((seconds, _)) = Reader(head).clock() {
        return Some(stamp(seconds));
    }
    let mut seconds = 0i64;
    let mut any = false;
    for _ in 0..4 {
        let Some(number) = reader.number(1, 5) else {
            break;
        };
        let unit = match reader.next() {
            Some(b'y') => 365 * DAY,
            Some(b'w') => 7 * DAY,
            Some(b'd') => DAY,
            Some(b'h') => 3600,
            Some(b'm') => 60,
            _ => return None,
        };
        any = true;
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
    }
    let ends = matches!(reader.0.first(), None | Some(b':' | b' ' | b'.'));
    (any && ends).then(|| stamp(seconds.saturating_mul(NANOS)))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; none for an impossible one.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1900..=2999).contains(&year) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * m + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.next();
        }
        found
    }

    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let first = *self.0.first()?;
        set.contains(&first).then(|| {
            self.next();
            first
        })
    }

    fn blanks(&mut self) -> usize {
        let count = self.0.iter().take_while(|b| **b == b' ').count();
        self.0 = self.0.get(count..).unwrap_or_default();
        count
    }

    /// A number of `least` to `most` digits that no further digit follows.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if count < least || count > most {
            return None;
        }
        let digits = self.0.get(..count)?;
        self.0 = self.0.get(count..)?;
        Some(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    }

    fn month(&mut self) -> Option<i64> {
        let word = self.0.get(..3)?.to_ascii_lowercase();
        let at = MONTHS.iter().position(|name| *name == word)?;
        // `March` and the like are spelt out by some.
        let rest = self.0.get(3..)?;
        let more = rest.iter().take_while(|b| b.is_ascii_lowercase()).count();
        if more > 6 {
            return None;
        }
        self.0 = rest.get(more..)?;
        i64::try_from(at).ok().map(|at| at + 1)
    }

    /// `hh:mm:ss` with a fraction, in nanoseconds, and how many digits the fraction had.
    fn clock(mut self) -> Option<(i64, Self)> {
        let hours = self.number(1, 2)?;
        if !self.take(b':') {
            return None;
        }
        let minutes = self.number(2, 2)?;
        if !self.take(b':') {
            return None;
        }
        let seconds = self.number(2, 2)?;
        if hours > 23 || minutes > 59 || seconds > 60 {
            return None;
        }
        let mut nanos = ((hours * 60 + minutes) * 60 + seconds) * NANOS;
        let mut unit = NANOS;
        // `.569658`, `,150` and K12's `,150,251`; a colon before three digits is belle-sip's.
        let mut before = self;
        let mut colon = false;
        while unit > 1 {
            let Some(mark) = self.one_of(b".,:") else {
                break;
            };
            let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
            let again = unit < NANOS;
            // Behind `.467.` a counter follows, behind `,150,` the microseconds, and so they do
            // behind `:487.` of old SIPp.
            let fits = match mark {
                b':' => count == 3 && !again,
                b'.' => !again || colon && count == 3,
                _ => !again || count == 3,
            };
            if !(1..=9).contains(&count) || !fits {
                self = before;
                break;
            }
            for _ in 0..count {
                let digit = self.next().map_or(0, |d| i64::from(d.saturating_sub(b'0')));
                unit /= 10;
                nanos += digit * unit;
            }
            before = self;
            colon = mark == b':';
            if count != 3 {
                break;
            }
        }
        Some((nanos, self))
    }

    fn clock_only(self) -> Option<Stamp> {
        let (nanos, rest) = self.clock()?;
        // `00:90:8f:0a:7c:cc` is a MAC address.
        if matches!(rest.0, [b':', x, ..] if x.is_ascii_hexdigit()) {
            return None;
        }
        Some(Stamp {
            nanos,
            kind: TimeKind::TimeOnly,
        })
    }

    fn date_first(self) -> Option<Stamp> {
        self.numeric_date()
            .or_else(|| self.named_month())
            .or_else(|| self.day_month_year())
            .or_else(|| self.month_day())
            .or_else(|| self.digits_only())
            .or_else(|| self.epoch())
    }

    /// `03-05 14:07:09.120`: month and day, no year (logcat of Android).
    fn month_day(mut self) -> Option<Stamp> {
        let month = self.number(2, 2)?;
        let day = self.take(b'-').then(|| self.number(2, 2)).flatten()?;
        let whole = self.take(b' ').then_some(self)?;
        let (nanos, rest) = whole.clock()?;
        // With fewer digits it may be the end of a range of days.
        let exact = whole.0.len() - rest.0.len() >= 12;
        exact.then_some(dated(days(1970, month, day)?, nanos, None))
    }

    /// `20240305140709.120`: date and time without marks between them.
    fn digits_only(mut self) -> Option<Stamp> {
        let all = self.number(14, 14)?;
        let part = |unit: i64, size: i64| all / unit % size;
        let day = days(
            all / 10_000_000_000,
            part(100_000_000, 100),
            part(1_000_000, 100),
        )?;
        let clock = [part(10_000, 100), part(100, 100), part(1, 100)];
        let text = clock.map(|n| format!("{n:02}")).join(":");
        let (mut nanos, _) = Reader(text.as_bytes()).clock()?;
        if self.take(b'.') {
            let mut unit = NANOS;
            for digit in self.0.iter().take_while(|b| b.is_ascii_digit()).take(9) {
                unit /= 10;
                nanos += i64::from(digit - b'0') * unit;
            }
        }
        Some(dated(day, nanos, None))
    }

    /// `2026-11-20 22:13:16`, `2024/11/19T…`, `11/15/2012-23:47:22`, `01/18/2012|…`.
    fn numeric_date(mut self) -> Option<Stamp> {
        let first = self.number(1, 4)?;
        let mark = self.one_of(b"-/.")?;
        let second = self.number(1, 2)?;
        if !self.take(mark) {
            return None;
        }
        let third = self.number(1, 4)?;
        let day = if first > 31 {
            days(first, second, third)?
        } else if mark == b'/' && first <= 12 {
            days(third, first, second)?
        } else {
            days(third, second, first)?
        };
        self.one_of(b" T-|,_@\t")?;
        self.blanks();
        let (nanos, rest) = self.clock()?;
        Some(dated(day, nanos, rest.zone()))
    }

    /// `Mar  6 13:34:49.416`, `Aug  1, 2011 06:37:22.150 UTC`, `Nov 21 02:51:09 UTC 2026`.
    fn named_month(mut self) -> Option<Stamp> {
        let month = self.month()?;
        if self.blanks() == 0 && !self.take(b'-') {
            return None;
        }
        let day = self.number(1, 2)?;
        self.take(b',');
        if self.blanks() == 0 && !self.take(b'-') {
            return None;
        }
        let mut year = None;
        let mut probe = self;
        if let Some(found) = probe.number(4, 4) {
            year = Some(found);
            probe.take(b',');
            probe.blanks();
            self = probe;
        }
        let (nanos, mut rest) = self.clock()?;
        let mut zone = rest.zone();
        if year.is_none() {
            // The year may stand behind the zone, as `date` and `ctime` write it.
            rest.blanks();
            let word = rest.0.iter().take_while(|b| b.is_ascii_uppercase()).count();
            let mut tail = rest;
            if (2..=5).contains(&word) {
                tail.0 = tail.0.get(word..).unwrap_or_default();
                tail.blanks();
            }
            year = tail.number(4, 4).filter(|y| (1990..=2100).contains(y));
            if year.is_none() {
                zone = None;
            }
        }
        let day = match year {
            Some(year) => days(year, month, day)?,
            // 29 February needs a leap year; without a year the 1st of March follows the 28th.
            None => days(1970, month, day)?,
        };
        Some(dated(day, nanos, zone))
    }

    /// `20 Nov 2026 22:13:16`, `20/Nov/2026:22:13:16`.
    fn day_month_year(mut self) -> Option<Stamp> {
        let day = self.number(1, 2)?;
        self.one_of(b" -/")?;
        let month = self.month()?;
        self.one_of(b" -/")?;
        let year = self.number(4, 4)?;
        self.one_of(b" :T,")?;
        self.blanks();
        let (nanos, rest) = self.clock()?;
        Some(dated(days(year, month, day)?, nanos, rest.zone()))
    }

    /// `1312180642.150251`, also in brackets.
    fn epoch(mut self) -> Option<Stamp> {
        let seconds = self.number(10, 10)?;
        if !self.take(b'.') {
            return None;
        }
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(3..=9).contains(&count) {
            return None;
        }
        let (mut nanos, mut unit) = (seconds * NANOS, NANOS);
        for digit in self.0.iter().take(count) {
            unit /= 10;
            nanos += i64::from(digit - b'0') * unit;
        }
        Some(Stamp {
            nanos,
            kind: TimeKind::Absolute,
        })
    }

    /// Seconds east of UTC, if a zone follows that says so.
    fn zone(mut self) -> Option<i64> {
        if self.take(b'Z') {
            return Some(0);
        }
        self.blanks();
        for name in [&b"UTC"[..], b"GMT"] {
            if let Some(rest) = self.0.strip_prefix(name)
                && !rest.first().is_some_and(u8::is_ascii_alphanumeric)
            {
                return Some(0);
            }
        }
        let sign = match self.one_of(b"+-")? {
            b'-' => -1,
            _ => 1,
        };
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (hours, minutes) = match count {
            4 => {
                let both = self.number(4, 4)?;
                (both / 100, both % 100)
            }
            2 => {
                let hours = self.number(2, 2)?;
                let minutes = if self.take(b':') {
                    self.number(2, 2)?
                } else {
                    0
                };
                (hours, minutes)
            }
            _ => return None,
        };
        (hours < 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn dated(day: i64, nanos: i64, zone: Option<i64>) -> Stamp {
    let local = day.saturating_mul(DAY * NANOS).saturating_add(nanos);
    Stamp {
        nanos: local.saturating_sub(zone.unwrap_or(0) * NANOS),
        kind: if zone.is_some() {
            TimeKind::Absolute
        } else {
            TimeKind::Local
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, nanos: i64, kind: TimeKind) {
        assert_eq!(find(line.as_bytes()), Some(Stamp { nanos, kind }), "{line}");
    }

    #[test]
    fn dates_with_and_without_zone() {
        let t = 1_312_180_642_150_251_000;
        check("2011-08-01T06:37:22.150251Z x", t, TimeKind::Absolute);
        check(
            "[2011-08-01 08:37:22.150251+02:00] x",
            t,
            TimeKind::Absolute,
        );
        check("2011-08-01 08:37:22,150251 +0200", t, TimeKind::Absolute);
        check(
            "2011/08/01 06:37:22.150251 1.2.3.4:5060",
            t,
            TimeKind::Local,
        );
        check("08/01/2011-06:37:22.150251 (x)", t, TimeKind::Local);
        check("08/01/2011|06:37:22.150251 A:B INFO", t, TimeKind::Local);
        check("Aug  1, 2011 06:37:22.150251000 UTC", t, TimeKind::Absolute);
        check("Mon Aug  1 06:37:22.150251 UTC 2011", t, TimeKind::Absolute);
        check("*Aug  1 2011 06:37:22.150251: //-1", t, TimeKind::Local);
        check("[1312180642.150251] x", t, TimeKind::Absolute);
        check("01 Aug 2011 06:37:22.150251", t, TimeKind::Local);
        check("01.08.2011 06:37:22.150251", t, TimeKind::Local);
        check(
            "2011-08-01\t06:37:22.150251\t1312180642.150251",
            t,
            TimeKind::Local,
        );
        check("2011-08-01 06:37:22:150.251", t, TimeKind::Local);
        check("+++ 1-8-2011 06:37:22.150251 INFO", t, TimeKind::Local);
        check("20110801063722.150251 <sip:INFO>", t, TimeKind::Local);
    }

    #[test]
    fn times_without_a_year_or_a_date() {
        let day = 86_400 * NANOS;
        check(
            "Mar  6 13:34:49.416 On [6:0]",
            64 * day + 48_889_416_000_000,
            TimeKind::Local,
        );
        check(
            "[Mar  6 13:34:49] VERBOSE",
            64 * day + 48_889_000_000_000,
            TimeKind::Local,
        );
        check(
            "Mar  6 13:34:49.416 UTC: //",
            64 * day + 48_889_416_000_000,
            TimeKind::Local,
        );
        check(
            "03-06 13:34:49.416  1203  1207 I sdk: ",
            64 * day + 48_889_416_000_000,
            TimeKind::Local,
        );
        check(
            "06:37:22,150,251   ETHER",
            23_842_150_251_000,
            TimeKind::TimeOnly,
        );
        check(
            "01382866.006 |12:52:49.858 |",
            46_369_858_000_000,
            TimeKind::TimeOnly,
        );
    }

    #[test]
    fn a_day_stands_in_front_of_its_month() {
        let found = day_month(b"05-03@10:11:12.123").map(|s| (s.nanos, s.kind));
        let wanted = 63 * 86_400 * NANOS + 36_672_123_000_000;
        assert_eq!(found, Some((wanted, TimeKind::Local)));
        assert_eq!(day_month(b"05-13@10:11:12.123"), None);
        assert_eq!(day_month(b"05-03 10:11:12.123"), None);
    }

    #[test]
    fn no_time_is_found_in_addresses() {
        for line in [
            "00:90:8f:0a:d5:76",
            "192.168.1.1:5060",
            "01:02:03:04:05:06",
            "a 25:00:00",
            "",
        ] {
            assert_eq!(find(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn uptimes() {
        let check = |line: &str, seconds| {
            let nanos = uptime(line.as_bytes()).map(|s| s.nanos / NANOS);
            assert_eq!(nanos, seconds, "{line}");
        };
        check("00:11:29: //-1", Some(689));
        check("1w0d:SIP Msg", Some(604_800));
        check("2d03h: x", Some(183_600));
        check("SIP Msg", None);
    }
}
