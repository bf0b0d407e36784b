//! The JSON Web Key that importKey accepts (RFC 7517, RFC 7518), and how it becomes the numbers of a key.
//!
//! Private members are wiped when they are dropped. This module does not check whether the numbers belong together.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::parameters::AttributesIn;
use super::values::{Family, Kty, SecretText, bad, curve, decoded};
use crate::model::ec::EcPublic;
use crate::model::error::VaultError;
use crate::model::rsa::RsaParts;
use crate::vault::{KeyParts, NewVersion};

/// `KeyImportParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyImportParameters {
    key: Option<JsonWebKey>,
    /// With a capital letter, as Azure spells it.
    #[serde(rename = "Hsm", alias = "hsm")]
    hsm: Option<bool>,
    attributes: Option<AttributesIn>,
    tags: Option<BTreeMap<String, Option<String>>>,
    release_policy: Option<IgnoredAny>,
}

/// `JsonWebKey` with its private members. Its `kid` is ignored, as Azure does.
#[derive(Debug, Deserialize)]
struct JsonWebKey {
    kty: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<SecretText>,
    y: Option<SecretText>,
    n: Option<SecretText>,
    e: Option<SecretText>,
    d: Option<SecretText>,
    p: Option<SecretText>,
    q: Option<SecretText>,
    dp: Option<SecretText>,
    dq: Option<SecretText>,
    qi: Option<SecretText>,
    /// A key that was wrapped for another hardware module (BYOK).
    key_hsm: Option<IgnoredAny>,
}

impl KeyImportParameters {
    pub(super) fn into_parts(self) -> Result<(KeyParts, NewVersion), VaultError> {
        let mut key = self.key.ok_or_else(|| bad("Property 'key' is required.\r\n"))?;
        let kty = Kty::parse(key.kty.as_deref())?;
        if key.key_hsm.is_some() {
            return Err(bad(
                "Property 'key_hsm' has invalid value: this vault has no hardware module that could open a transferred key.\r\n",
            ));
        }
        let attributes = self.attributes.unwrap_or_default();
        attributes.refuse_release(self.release_policy)?;
        let in_hsm = kty.in_hsm || self.hsm == Some(true);
        let version = attributes.into_new_version(in_hsm, key.key_ops.take(), self.tags)?;
        let parts = match kty.family {
            Family::Rsa => KeyParts::Rsa(key.rsa()?),
            Family::Ec => key.ec()?,
        };
        Ok((parts, version))
    }
}

impl JsonWebKey {
    fn rsa(&self) -> Result<RsaParts, VaultError> {
        let optional = |property, text: &Option<SecretText>| match text {
            None => Ok(None),
            text => decoded(property, text.as_ref()).map(Some),
        };
        let primes = match (optional("p", &self.p)?, optional("q", &self.q)?) {
            (Some(p), Some(q)) => Some([p, q]),
            (None, None) => None,
            (Some(_), None) => return Err(bad("Property 'q' is required.\r\n")),
            (None, Some(_)) => return Err(bad("Property 'p' is required.\r\n")),
        };
        Ok(RsaParts {
            modulus: decoded("n", self.n.as_ref())?.to_vec(),
            exponent: decoded("e", self.e.as_ref())?.to_vec(),
            private_exponent: optional("d", &self.d)?,
            primes,
            crt: [optional("dp", &self.dp)?, optional("dq", &self.dq)?, optional("qi", &self.qi)?],
        })
    }

    fn ec(&self) -> Result<KeyParts, VaultError> {
        if self.crv.as_deref().unwrap_or_default().is_empty() {
            return Err(bad("Property 'crv' is required.\r\n"));
        }
        let curve = curve(self.crv.as_deref())?;
        let number = |property, text: &Option<SecretText>| {
            wide(property, &decoded(property, text.as_ref())?, curve.width())
        };
        let (x, y) = (number("x", &self.x)?.to_vec(), number("y", &self.y)?.to_vec());
        let scalar = number("d", &self.d)?;
        Ok(KeyParts::Ec { public: EcPublic { curve, x, y }, scalar })
    }
}

/// Pads a number to the width of the field. RFC 7518 requires that width; some libraries omit leading zeros.
fn wide(property: &str, bytes: &[u8], width: usize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let missing = width.checked_sub(bytes.len()).ok_or_else(|| {
        let len = bytes.len();
        bad(format!(
            "Invalid length of '{property}': {len} bytes. The curve has {width} bytes.\r\n"
        ))
    })?;
    let mut wide = Zeroizing::new(vec![0; width]);
    wide[missing..].copy_from_slice(bytes);
    Ok(wide)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parts(body: Value) -> Result<KeyParts, VaultError> {
        serde_json::from_value::<KeyImportParameters>(body).unwrap().into_parts().map(|made| made.0)
    }

    #[test]
    fn leading_zeros_that_a_library_omitted_are_added() {
        let key = json!({"kty": "EC", "crv": "P-521", "x": "AQ", "y": "AgM", "d": "BA"});

        let Ok(KeyParts::Ec { public, scalar }) = parts(json!({"key": key})) else {
            panic!("not parsed as a key on a curve");
        };

        assert_eq!((public.x.len(), public.y.len(), scalar.len()), (66, 66, 66));
        assert_eq!((public.x[65], public.y[64], public.y[65], scalar[65]), (1, 2, 3, 4));
    }

    #[test]
    fn debug_output_holds_no_number() {
        let key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "c2VjcmV0"});
        let parameters: KeyImportParameters = serde_json::from_value(json!({"key": key})).unwrap();

        assert!(!format!("{parameters:?}").contains("c2VjcmV0"));
    }

    fn member() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            Just(json!("AQAB")),
            "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!(["x"])),
            Just(json!(7)),
        ]
    }

    proptest! {
        #[test]
        fn no_json_web_key_panics_and_a_refusal_is_a_client_error(
            kty in prop_oneof!["EC", "RSA", "EC-HSM", "RSA-HSM", "oct", ".{0,4}"],
            crv in prop_oneof!["P-256", "P-256K", "P-384", "P-521", ".{0,6}"],
            members in proptest::collection::btree_map(
                prop_oneof!["n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "key_hsm", "kid", "key_ops"],
                member(),
                0..12,
            ),
            hsm in any::<Option<bool>>(),
        ) {
            let mut key = json!({"kty": kty, "crv": crv});
            for (name, value) in members {
                key[name] = value;
            }
            let body = json!({"key": key, "Hsm": hsm});

            if let Ok(parameters) = serde_json::from_value::<KeyImportParameters>(body)
                && let Err(refused) = parameters.into_parts()
            {
                prop_assert!(!matches!(refused, VaultError::Internal(_)));
            }
        }
    }
}
