//! Durations in the notation of ISO 8601 and Azure, such as `P90D`, `P18M`, `P1Y10D` and `PT48H`, applied to a calendar.
//!
//! Called by rotation policies and by the admin API. The length of a month depends on where it begins, so a duration keeps
//! its parts and is never converted to seconds. A part keeps its unit: `P18M` is not `P1Y6M`. A duration is written as the
//! text that it was parsed from, except for leading zeros and parts that are zero.
//!
//! There are no fractions and no signs. The registry's admin API has a type of its own for durations in seconds, which may
//! be negative: `emulator/src/duration.rs`. A sign would make no sense in a policy, and a month has no fixed number
//! of seconds. This module knows nothing of vaults. The crates that parse this notation either convert it to fractions, in
//! floating point, or bring their own calendar; the calendar here is that of `time`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month, OffsetDateTime};

/// The largest number of one unit: longer than any real duration, and small enough that sums do not overflow.
const MAX_COUNT: u32 = 99_999_999;

/// A duration of whole years, months, weeks, days, hours, minutes and seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IsoDuration {
    /// The numbers in the order of [`UNITS`].
    counts: [u32; 7],
}

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a duration such as P90D, P18M, P1Y10D or PT48H")]
pub struct DurationError(String);

/// The letters of the units in their order; those from [`TIME`] on follow a `T`.
const UNITS: [char; 7] = ['Y', 'M', 'W', 'D', 'H', 'M', 'S'];
const TIME: usize = 4;

impl IsoDuration {
    /// A number of days.
    pub const fn days(days: u32) -> Self {
        Self { counts: [0, 0, 0, if days > MAX_COUNT { MAX_COUNT } else { days }, 0, 0, 0] }
    }

    /// A number of seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self { counts: [0, 0, 0, 0, 0, 0, if seconds > MAX_COUNT { MAX_COUNT } else { seconds }] }
    }

    /// The moment this long after another; `None` if it is beyond the end of the calendar.
    ///
    /// Years and months are added first, then days, then hours. If the month does not have the day, its last day is used.
    pub fn after(self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let months = i64::from(self.counts[0]) * 12 + i64::from(self.counts[1]);
        moved(moment, months)?.checked_add(self.fixed())
    }

    /// The moment this long before another; `None` if it is beyond the beginning of the calendar.
    pub fn before(self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let months = i64::from(self.counts[0]) * 12 + i64::from(self.counts[1]);
        moved(moment, -months)?.checked_sub(self.fixed())
    }

    /// The shortest length of this duration in seconds: a month has 28 days here, and a year 365.
    pub fn shortest_seconds(self) -> i64 {
        let months = i64::from(self.counts[0]) * 12 + i64::from(self.counts[1]);
        // Counted from the first of February of a common year, months are shortest.
        let start = time::macros::datetime!(2001-02-01 0:00 UTC);
        let calendar =
            moved(start, months).map_or(i64::MAX / 2, |end| (end - start).whole_seconds());
        calendar.saturating_add(self.fixed().whole_seconds())
    }

    /// The parts that do not depend on the calendar.
    fn fixed(self) -> time::Duration {
        let [_, _, weeks, days, hours, minutes, seconds] = self.counts.map(i64::from);
        let days = weeks * 7 + days;
        time::Duration::seconds(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((date, time)) => (date, time),
            None => (rest, ""),
        };
        if date.is_empty() && time.is_empty() {
            return None;
        }
        let mut counts = [0; 7];
        counted(date, &UNITS[..TIME], &mut counts[..TIME])?;
        counted(time, &UNITS[TIME..], &mut counts[TIME..])?;
        Some(Self { counts })
    }
}

/// Parses numbers with these units, each at most once and in this order.
fn counted(mut text: &str, units: &[char], counts: &mut [u32]) -> Option<()> {
    let mut next = 0;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, rest) = text.split_at(digits);
        let count: u32 = number.parse().ok().filter(|count| *count <= MAX_COUNT)?;
        let unit = rest.chars().next()?;
        let at = next + units.get(next..)?.iter().position(|known| *known == unit)?;
        *counts.get_mut(at)? = count;
        next = at + 1;
        text = rest.get(unit.len_utf8()..)?;
    }
    Some(())
}

/// The same day and time `months` later or, if negative, earlier.
fn moved(moment: OffsetDateTime, months: i64) -> Option<OffsetDateTime> {
    let from_zero =
        i64::from(moment.year()) * 12 + i64::from(u8::from(moment.month())) - 1 + months;
    let year = i32::try_from(from_zero.div_euclid(12)).ok()?;
    let month = Month::try_from(u8::try_from(from_zero.rem_euclid(12) + 1).ok()?).ok()?;
    let day = moment.day().min(month.length(year));
    Some(moment.replace_date(Date::from_calendar_date(year, month, day).ok()?))
}

impl FromStr for IsoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        Self::parse(text).ok_or_else(|| DurationError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.counts == [0; 7] {
            return f.write_str("PT0S");
        }
        f.write_str("P")?;
        for (at, (count, unit)) in self.counts.iter().zip(UNITS).enumerate() {
            if at == TIME && self.counts[TIME..].iter().any(|count| *count > 0) {
                f.write_str("T")?;
            }
            if *count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for IsoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IsoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn parse(text: &str) -> IsoDuration {
        text.parse().unwrap()
    }

    #[test]
    fn durations_as_azure_writes_them_keep_their_text() {
        for text in
            ["P30D", "P18M", "P2Y", "P1M", "P1Y10D", "PT48H", "P2W", "P1Y2M3DT4H5M6S", "PT0S"]
        {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("P007DT0H").to_string(), "P7D");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "1h",
            "PT1",
            "P1H",
            "PT1S1H",
            "P-1D",
            "P1D1D",
            "P1DT",
            "p1d",
            "P1.5D",
            "P99999999999D",
            "PT1D",
            "P1S",
            " P1D",
            "P1D ",
            "P1М",
        ] {
            assert!(text.parse::<IsoDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_that_the_month_lacks_becomes_its_last_day_and_leap_days_count() {
        let end_of_january = datetime!(2024-01-31 12:00 UTC);

        assert_eq!(parse("P1M").after(end_of_january), Some(datetime!(2024-02-29 12:00 UTC)));
        assert_eq!(parse("P13M").after(end_of_january), Some(datetime!(2025-02-28 12:00 UTC)));
        assert_eq!(
            parse("P1Y").after(datetime!(2024-02-29 0:00 UTC)),
            Some(datetime!(2025-02-28 0:00 UTC))
        );
        assert_eq!(
            parse("P2M").before(datetime!(2024-04-30 0:00 UTC)),
            Some(datetime!(2024-02-29 0:00 UTC))
        );
        assert_eq!(parse("P1M1D").after(end_of_january), Some(datetime!(2024-03-01 12:00 UTC)));
        assert_eq!(parse("P99999Y").after(end_of_january), None);
    }

    #[test]
    fn the_shortest_month_is_february() {
        const DAY: i64 = 86_400;

        assert_eq!(parse("P1M").shortest_seconds(), 28 * DAY);
        assert_eq!(parse("P1Y").shortest_seconds(), 365 * DAY);
        assert_eq!(parse("P1W").shortest_seconds(), 7 * DAY);
        assert_eq!(parse("PT48H").shortest_seconds(), 2 * DAY);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "P?[0-9YMWDTHS.-]{0,12}|.*") {
            let _ = text.parse::<IsoDuration>();
        }

        #[test]
        fn a_written_duration_is_parsed_to_the_same(counts in prop::array::uniform7(0..=MAX_COUNT)) {
            let duration = IsoDuration { counts };

            prop_assert_eq!(duration.to_string().parse::<IsoDuration>().unwrap(), duration);
        }

        #[test]
        fn the_moment_after_a_duration_is_no_sooner_than_its_shortest_length(
            counts in (0..200_u32, 0..200_u32, 0..200_u32, 0..2000_u32, 0..100_u32),
            start in 0..4_000_000_000_i64,
        ) {
            let (years, months, weeks, days, hours) = counts;
            let duration = IsoDuration { counts: [years, months, weeks, days, hours, 0, 0] };
            let start = OffsetDateTime::from_unix_timestamp(start).unwrap();

            let end = duration.after(start).unwrap();

            // The number of leap days depends on where it begins.
            let slack = time::Duration::days(3);
            prop_assert!(end - start + slack >= time::Duration::seconds(duration.shortest_seconds()));
            prop_assert!(end >= start);
            if years == 0 && months == 0 {
                prop_assert_eq!(duration.before(end), Some(start));
            }
        }
    }
}
