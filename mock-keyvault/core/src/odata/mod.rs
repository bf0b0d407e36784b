//! The part of `OData` that clients of Azure use in the query of a list: parameters, and the grammar of `$filter`.
//!
//! Called by every list that accepts a filter. It only parses text; each list decides which properties and functions it
//! supports. A filter that cannot be parsed is refused, because an ignored filter would list everything.

mod expression;
mod lexer;
mod parameters;

pub use self::expression::{Argument, Expression, Operator, parse};
pub use self::parameters::parameters;
