//! Durations as ISO 8601 and Azure write them, such as `P90D`, `P18M`, `P1Y10D` and `PT48H`, and what they come to on a calendar.
//!
//! Called by rotation policies and by the admin API. A month is a month: what it adds depends on where it begins, so a
//! duration stays what was written and is never a number of seconds. A part keeps its unit: `P18M` is not `P1Y6M`.
//! Written down again, it is the same text but for leading zeros and parts that are zero.
//!
//! There are no fractions and no signs. The registry's admin API has a type of its own for spans that are a number of
//! seconds and may be negative, `emulator/src/admin/duration.rs`: a sign would make no sense in a policy, and a month has no
//! number of seconds. This module knows nothing of vaults. The crates that read this form either make
//! fractions of it, in floating point, or want to own the calendar as well; the calendar here is `time`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month, OffsetDateTime};

/// The largest number of one unit: more than anybody waits for, and small enough that sums do not overflow.
const MAX_COUNT: u32 = 99_999_999;

/// A duration of whole years, months, weeks, days, hours, minutes and seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IsoDuration {
    /// In the order of [`UNITS`].
    counts: [u32; 7],
}

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a duration such as P90D, P18M, P1Y10D or PT48H")]
pub struct DurationError(String);

/// The letters in their order; those from [`TIME`] on stand after a `T`.
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

    /// The moment that lies this long after another, or none beyond the end of the calendar.
    ///
    /// Years and months come first, then days, then hours: a day that the month does not have is its last one.
    pub fn after(self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let months = i64::from(self.counts[0]) * 12 + i64::from(self.counts[1]);
        moved(moment, months)?.checked_add(self.fixed())
    }

    /// The moment that lies this long before another, or none beyond the beginning of the calendar.
    pub fn before(self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let months = i64::from(self.counts[0]) * 12 + i64::from(self.counts[1]);
        moved(moment, -months)?.checked_sub(self.fixed())
    }

    /// The fewest seconds that this comes to: a month has 28 days here, and a year 365.
    pub fn shortest_seconds(self) -> i64 {
        let months = i64::from(self.counts[0]) * 12 + i64::from(self.counts[1]);
        // From the first of February of a common year, months are as short as they get.
        let start = time::macros::datetime!(2001-02-01 0:00 UTC);
        let calendar =
            moved(start, months).map_or(i64::MAX / 2, |end| (end - start).whole_seconds());
        calendar.saturating_add(self.fixed().whole_seconds())
    }

    /// What does not depend on the calendar.
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

/// Reads numbers with these units, each at most once and in this order.
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

/// The same day and time some months later or, if negative, earlier.
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

    fn of(text: &str) -> IsoDuration {
        text.parse().unwrap()
    }

    #[test]
    fn durations_as_azure_writes_them_keep_their_words() {
        for text in
            ["P30D", "P18M", "P2Y", "P1M", "P1Y10D", "PT48H", "P2W", "P1Y2M3DT4H5M6S", "PT0S"]
        {
            assert_eq!(of(text).to_string(), text);
        }
        assert_eq!(of("P007DT0H").to_string(), "P7D");
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
    fn a_month_ends_on_its_last_day_and_a_year_knows_leap_days() {
        let end_of_january = datetime!(2024-01-31 12:00 UTC);

        assert_eq!(of("P1M").after(end_of_january), Some(datetime!(2024-02-29 12:00 UTC)));
        assert_eq!(of("P13M").after(end_of_january), Some(datetime!(2025-02-28 12:00 UTC)));
        assert_eq!(
            of("P1Y").after(datetime!(2024-02-29 0:00 UTC)),
            Some(datetime!(2025-02-28 0:00 UTC))
        );
        assert_eq!(
            of("P2M").before(datetime!(2024-04-30 0:00 UTC)),
            Some(datetime!(2024-02-29 0:00 UTC))
        );
        assert_eq!(of("P1M1D").after(end_of_january), Some(datetime!(2024-03-01 12:00 UTC)));
        assert_eq!(of("P99999Y").after(end_of_january), None);
    }

    #[test]
    fn the_shortest_month_is_february() {
        const DAY: i64 = 86_400;

        assert_eq!(of("P1M").shortest_seconds(), 28 * DAY);
        assert_eq!(of("P1Y").shortest_seconds(), 365 * DAY);
        assert_eq!(of("P1W").shortest_seconds(), 7 * DAY);
        assert_eq!(of("PT48H").shortest_seconds(), 2 * DAY);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "P?[0-9YMWDTHS.-]{0,12}|.*") {
            let _ = text.parse::<IsoDuration>();
        }

        #[test]
        fn what_is_written_is_read_back(counts in prop::array::uniform7(0..=MAX_COUNT)) {
            let duration = IsoDuration { counts };

            prop_assert_eq!(duration.to_string().parse::<IsoDuration>().unwrap(), duration);
        }

        #[test]
        fn what_lies_after_lies_no_earlier_and_no_sooner_than_the_shortest(
            counts in (0..200_u32, 0..200_u32, 0..200_u32, 0..2000_u32, 0..100_u32),
            start in 0..4_000_000_000_i64,
        ) {
            let (years, months, weeks, days, hours) = counts;
            let duration = IsoDuration { counts: [years, months, weeks, days, hours, 0, 0] };
            let start = OffsetDateTime::from_unix_timestamp(start).unwrap();

            let end = duration.after(start).unwrap();

            // How many leap days there are depends on where it begins.
            let slack = time::Duration::days(3);
            prop_assert!(end - start + slack >= time::Duration::seconds(duration.shortest_seconds()));
            prop_assert!(end >= start);
            if years == 0 && months == 0 {
                prop_assert_eq!(duration.before(end), Some(start));
            }
        }
    }
}
