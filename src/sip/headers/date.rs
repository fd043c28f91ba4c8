//! Date: RFC 1123 dates in GMT, and nothing else (RFC 3261, 20.17).

use nom::IResult;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::combinator::{all_consuming, map_opt, value};

use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::Piece;
use crate::sip::sink::Sink;

/// A moment in GMT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year, four digits.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60 (a leap second).
    pub second: u8,
}

const WEEKDAYS: &str = "Mon Tue Wed Thu Fri Sat Sun";

pub(super) fn decode(text: Piece<'_>, sink: &mut Sink) -> Option<Date> {
    let date = all_consuming(date)
        .parse(text.bytes())
        .ok()
        .map(|(_, date)| date);
    let date = date.filter(|date| {
        date.day >= 1
            && date.day <= days_in(date.year, date.month)
            && date.hour < 24
            && date.minute < 60
            && date.second <= 60
    });
    if date.is_none() {
        sink.add(
            Kind::BadDate,
            text.span(),
            "A date reads like Sat, 13 Nov 2010 23:29:00 GMT",
        );
    }
    date
}

fn days_in(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn date(input: &[u8]) -> IResult<&[u8], Date> {
    let (rest, _) = map_opt(
        take_while_m_n(3, 3, |b: u8| b.is_ascii_alphabetic()),
        |day: &[u8]| {
            WEEKDAYS
                .split(' ')
                .find(|name| name.as_bytes().eq_ignore_ascii_case(day))
        },
    )
    .parse(input)?;
    let (rest, (_, day, _, month, _)) =
        (tag(&b", "[..]), two, tag(&b" "[..]), month, tag(&b" "[..])).parse(rest)?;
    let (rest, (century, years)) = (two, two).parse(rest)?;
    let (rest, (_, hour, _, minute, _, second, _)) = (
        tag(&b" "[..]),
        two,
        tag(&b":"[..]),
        two,
        tag(&b":"[..]),
        two,
        tag(&b" GMT"[..]),
    )
        .parse(rest)?;
    let year = u16::from(century) * 100 + u16::from(years);
    Ok((
        rest,
        Date {
            year,
            month,
            day,
            hour,
            minute,
            second,
        },
    ))
}

fn two(input: &[u8]) -> IResult<&[u8], u8> {
    map_opt(
        take_while_m_n(2, 2, |b: u8| b.is_ascii_digit()),
        |digits: &[u8]| str::from_utf8(digits).ok()?.parse().ok(),
    )
    .parse(input)
}

fn month(input: &[u8]) -> IResult<&[u8], u8> {
    let name = |text: &'static [u8], number| value(number, tag(text));
    alt((
        name(b"Jan", 1),
        name(b"Feb", 2),
        name(b"Mar", 3),
        name(b"Apr", 4),
        name(b"May", 5),
        name(b"Jun", 6),
        name(b"Jul", 7),
        name(b"Aug", 8),
        name(b"Sep", 9),
        name(b"Oct", 10),
        name(b"Nov", 11),
        name(b"Dec", 12),
    ))
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, good: bool) {
        let date = decode(Piece::whole(text.as_bytes()), &mut Sink::default());
        assert_eq!(date.is_some(), good, "{text}");
    }

    #[test]
    fn only_rfc_1123_dates_in_gmt_will_do() {
        check("Sat, 13 Nov 2010 23:29:00 GMT", true);
        check("Thu, 29 Feb 2024 00:00:00 GMT", true);
        check("Fri, 01 Jan 2010 16:00:00 EST", false);
        check("Wed, 29 Feb 2023 00:00:00 GMT", false);
        check("Sat, 13 Nov 10 23:29:00 GMT", false);
        check("Sat, 13 Nov 2010 24:29:00 GMT", false);
        check("2010-11-13T23:29:00Z", false);
    }
}
