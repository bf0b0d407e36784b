//! Functions that only compute, from JSON values to JSON values.
//!
//! Called by the evaluator, with evaluated arguments. An error is a sentence; the evaluator adds the function's name.
//! Function names come in lower case. The size of a result is checked before it is made.

mod call;
mod collections;
mod dates;
mod encoding;
mod hash;
mod logic;
mod numbers;
mod resources;
mod text;
mod values;

pub(super) use self::call::{call, is_unsupported};
pub(super) use self::dates::utc_now;
pub(super) use self::hash::guid;
pub(super) use self::values::{kind_of, size_of};

#[cfg(test)]
mod tests;
