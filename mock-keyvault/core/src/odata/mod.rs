//! The part of `OData` that clients of Azure use in the query of a list: parameters, and the grammar of `$filter`.
//!
//! Called by every list that takes a filter. Only text is read here: which properties and functions a list knows is for the
//! list to say. A filter that cannot be read is refused, because a filter that is ignored lists everything.

mod expression;
mod lexer;

use percent_encoding::percent_decode_str;

pub use self::expression::{Argument, Expression, Operator, parse};

/// The parameters of a query, decoded. Names are in lower case: Azure reads them in any case.
pub fn parameters(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plain(name).to_ascii_lowercase(), plain(value))
    })
}

fn plain(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
