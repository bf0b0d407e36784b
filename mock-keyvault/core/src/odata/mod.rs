//! The part of `OData` that clients of Azure use in the query of a list: parameters, and the grammar of `$filter`.
//!
//! Called by every list that accepts a filter. It only parses text; each list decides which properties and functions it
//! supports. A filter that cannot be parsed is refused, because an ignored filter would list everything.

mod expression;
mod lexer;

use percent_encoding::percent_decode_str;

pub use self::expression::{Argument, Expression, Operator, parse};

/// The parameters of a query, decoded. Names are in lower case, since Azure accepts them in any case.
pub fn parameters(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plain(name).to_ascii_lowercase(), plain(value))
    })
}

fn plain(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
