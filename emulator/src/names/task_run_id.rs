//! Ids of task runs.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The id of a task run, such as `cb1`. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRunId(u64);

/// A text that is not the id of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the id of a run must be cb and a number, such as cb1")]
pub struct InvalidTaskRunId;

impl FromStr for TaskRunId {
    type Err = InvalidTaskRunId;

    fn from_str(text: &str) -> Result<Self, InvalidTaskRunId> {
        let number = text.strip_prefix("cb").ok_or(InvalidTaskRunId)?;
        let is_canonical =
            number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        number.parse().ok().filter(|_| is_canonical).map(Self).ok_or(InvalidTaskRunId)
    }
}

impl TaskRunId {
    /// The id of the run with this number.
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number of the run in its registry.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cb{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_of_a_run_has_one_form() {
        assert_eq!("cb12".parse(), Ok(TaskRunId(12)));
        for text in
            ["", "cb", "cb0", "cb01", "cb-1", "cb+1", "12", "CB1", "cb1 ", "cb99999999999999999999"]
        {
            assert!(text.parse::<TaskRunId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_run_id_is_written_unchanged(text in "(cb)?[0-9a-z+-]{0,22}") {
            if let Ok(id) = text.parse::<TaskRunId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
