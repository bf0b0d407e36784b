//! Fields of a form or of a query string (`application/x-www-form-urlencoded`).
//!
//! Called by the issuer's endpoints. A decoded value may be a secret, so it is wiped when dropped.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// The value of the first field of this name that can be decoded.
pub(super) fn field(form: &[u8], name: &str) -> Option<Zeroizing<String>> {
    let form = std::str::from_utf8(form).ok()?;
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        if key != name {
            return None;
        }
        let spaced = Zeroizing::new(value.replace('+', " "));
        let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
        Some(Zeroizing::new(decoded.into_owned()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_is_decoded() {
        let body = b"a=1&scope=https%3A%2F%2Fvault.azure.net%2F.default&b=x+y%2Bz";

        assert_eq!(*field(body, "scope").unwrap(), "https://vault.azure.net/.default");
        assert_eq!(*field(body, "b").unwrap(), "x y+z");
        assert!(field(body, "c").is_none());
    }

    proptest! {
        #[test]
        fn no_form_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = field(&body, "a");
        }
    }
}
