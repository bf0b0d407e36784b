//! ISO 8601 durations in the form of Azure: `PT1H`, `P90D`, `P1DT12H30M`.
//!
//! The admin API and the command line use them for moves and the offset of the clock. Months and years
//! are refused, because they have no fixed length.
//!
//! `azure_emulator_core::duration` reads the same notation into a different type, and neither can replace the other. Here a
//! duration is a number of seconds: it has a sign, because an offset may be negative, it is compared, and it is written in
//! the largest units that fit. There a duration is the text of a policy: `P18M` stays `P18M`, its length depends on the
//! calendar, and it is never negative.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const UNITS: [(u8, u64); 5] =
    [(b'W', 7 * 86_400), (b'D', 86_400), (b'H', 3600), (b'M', 60), (b'S', 1)];

/// A positive or negative span of time in seconds, in the notation of ISO 8601.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct IsoDuration {
    seconds: i64,
}

/// The text is not a duration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as PT1H or P90D"
)]
pub struct DurationError(String);

impl IsoDuration {
    /// A number of seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds }
    }

    /// The number of seconds.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// The span, if it is not negative.
    #[cfg(feature = "command-line")]
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.seconds).ok().map(Duration::from_secs)
    }

    fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let rest = rest.strip_prefix('P')?;
        let (date, time) =
            rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
        if (date.is_empty() && time.is_none()) || time == Some("") {
            return None;
        }
        let date = sum(date, &UNITS[..2])?;
        let time = sum(time.unwrap_or_default(), &UNITS[2..])?;
        let seconds = i64::try_from(date.checked_add(time)?).ok()?;
        Some(Self { seconds: sign * seconds })
    }
}

impl TryFrom<Duration> for IsoDuration {
    type Error = DurationError;

    fn try_from(duration: Duration) -> Result<Self, DurationError> {
        let seconds = i64::try_from(duration.as_secs())
            .map_err(|_| DurationError(format!("{duration:?}")))?;
        Ok(Self { seconds })
    }
}

impl FromStr for IsoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        Self::parse(text).ok_or_else(|| DurationError(text.to_owned()))
    }
}

impl fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 0 {
            return f.write_str("PT0S");
        }
        if self.seconds < 0 {
            f.write_str("-")?;
        }
        let mut left = self.seconds.unsigned_abs();
        f.write_str("P")?;
        for (index, (letter, length)) in UNITS.into_iter().enumerate().skip(1) {
            let count = left / length;
            if index == 2 && left > 0 {
                f.write_str("T")?;
            }
            left %= length;
            if count > 0 {
                write!(f, "{count}{}", char::from(letter))?;
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

/// Adds up `NUMBER LETTER` pairs, whose letters come in the order of `units`, each at most once.
fn sum(mut text: &str, mut units: &[(u8, u64)]) -> Option<u64> {
    let mut total = 0_u64;
    while !text.is_empty() {
        let digits = text.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (number, rest) = text.split_at_checked(digits)?;
        let letter = *rest.as_bytes().first()?;
        let index = units.iter().position(|(unit, _)| *unit == letter)?;
        total = number.parse::<u64>().ok()?.checked_mul(units[index].1)?.checked_add(total)?;
        units = &units[index + 1..];
        text = rest.get(1..)?;
    }
    Some(total)
}

/// Rounds to the second, because some nanoseconds pass between two readings of a frozen clock.
pub(crate) fn rounded_seconds(span: time::Duration) -> i64 {
    (span + time::Duration::milliseconds(500))
        .whole_milliseconds()
        .div_euclid(1000)
        .try_into()
        .unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, seconds: i64) {
        assert_eq!(text.parse(), Ok(IsoDuration { seconds }), "{text:?}");
    }

    #[test]
    fn the_forms_of_azure_are_parsed() {
        check("PT1H", 3600);
        check("P90D", 90 * 86_400);
        check("P1DT12H30M", 86_400 + 12 * 3600 + 30 * 60);
        check("P2W", 14 * 86_400);
        check("PT0S", 0);
        check("-PT5M", -300);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "P",
            "PT",
            "1h",
            "PT1",
            "P1H",
            "PT1D",
            "PT1M1H",
            "PT1H1H",
            "P1Y",
            "P1M",
            "PT1.5H",
            "PT+1H",
            "P1DT",
            "PTH",
            "P99999999999999999999D",
            "PT9223372036854775808S",
            "é",
            "P1é",
        ] {
            assert!(text.parse::<IsoDuration>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_is_parsed_to_the_same_value(seconds in -1_000_000_000_000_i64..1_000_000_000_000) {
            let duration = IsoDuration { seconds };
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_causes_a_panic(text in "-?P?[0-9WDHMSTY.é]{0,24}") {
            let _ = text.parse::<IsoDuration>();
        }
    }
}
