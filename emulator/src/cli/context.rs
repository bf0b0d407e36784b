//! The values that every command gets.

use super::global::GlobalArgs;
use super::hints::Hints;
use super::output::Output;

/// The values that every command gets.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) global: GlobalArgs,
    pub(super) output: Output,
    pub(super) hints: Hints,
}
