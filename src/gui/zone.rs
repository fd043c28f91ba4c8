//! Time zones: that of this computer, and fixed offsets.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone of this computer; read once.
fn here() -> &'static TimeZone {
    static HERE: std::sync::LazyLock<TimeZone> = std::sync::LazyLock::new(TimeZone::system);
    &HERE
}

fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// How far this computer's clock is ahead of UTC at a moment, summer time included.
pub fn offset_nanos(nanos: i64) -> i64 {
    i64::from(here().to_offset(moment(nanos)).seconds()) * 1_000_000_000
}

/// The zone of this computer at a moment: `CET`, or `UTC+01:00` where it has no name.
pub fn words(nanos: i64) -> String {
    let info = here().to_offset_info(moment(nanos));
    let name = info.abbreviation();
    match name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => name.to_owned(),
        false => offset_words((info.offset().seconds() / 60).try_into().unwrap_or(0)),
    }
}

/// The time of day on this computer: `09:41:02`.
pub fn clock_here(time: std::time::SystemTime) -> String {
    let moment = Timestamp::try_from(time).unwrap_or_default();
    let zoned = moment.to_zoned(here().clone());
    let (hour, minute, second) = (zoned.hour(), zoned.minute(), zoned.second());
    format!("{hour:02}:{minute:02}:{second:02}")
}

/// An offset in words: `UTC+05:30`.
pub fn offset_words(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Offsets that clocks somewhere on earth have, in minutes.
pub const OFFSETS: &[i16] = &[
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -120, -60, 0, 60, 120,
    180, 210, 240, 270, 300, 330, 345, 360, 390, 420, 480, 525, 540, 570, 600, 630, 660, 720, 765,
    780, 840,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_a_sign_and_two_digits() {
        assert_eq!(offset_words(330), "UTC+05:30");
        assert_eq!(offset_words(-570), "UTC-09:30");
        assert_eq!(offset_words(0), "UTC+00:00");
        assert!(OFFSETS.is_sorted());
    }

    #[test]
    fn the_zone_here_has_a_name() {
        assert!(!words(1_767_225_600_000_000_000).is_empty());
        // No clock on earth is further from UTC than this.
        assert!(offset_nanos(1_767_225_600_000_000_000).abs() <= 14 * 3_600_000_000_000);
    }
}
