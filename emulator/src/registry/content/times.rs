//! Times as rows have them.

use std::time::Duration;

/// A duration in the unit of stored times. A duration that is too long is limited so that a little more can be added.
pub(in crate::registry) fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX / 2)
}
