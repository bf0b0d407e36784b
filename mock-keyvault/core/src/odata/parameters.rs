//! The parameters of a query.

use percent_encoding::percent_decode_str;

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
