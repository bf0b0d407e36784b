//! The name of a key in a vault, without host or port.
//!
//! A [`KeyId`] is parsed once, from a key identifier or from its parts, and is never a text again. It is stored
//! as vault, name and version; [`KeyId::kid`] renders it for the address in use. Ports change
//! from start to start, so none may be stored.
//!
//! It does not know whether the key exists.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// The shortest and the longest name of a vault, as in Azure.
const VAULT_NAME_LEN: std::ops::RangeInclusive<usize> = 3..=24;

/// The longest name of a key.
const MAX_KEY_NAME_LEN: usize = 127;

/// The vault that answers if a request names no other.
const LOCAL: &str = "local";

/// The path segment of keys in a vault.
const KEYS: &str = "keys";

/// The length of a version: 16 bytes in hexadecimal.
const VERSION_LEN: usize = 32;

/// A text that names no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyId {
    /// Not an absolute URL with a host.
    #[error(
        "this is not a key identifier; write https://NAME.vault.azure.net/keys/KEY or …/keys/KEY/VERSION"
    )]
    NotAnIdentifier,
    /// Not over TLS, which all vaults use.
    #[error(
        "a key identifier must begin with https; write https://NAME.vault.azure.net/keys/KEY or …/keys/KEY/VERSION"
    )]
    Scheme,
    /// A query or a fragment follows the path.
    #[error(
        "a key identifier must end with its path, without a query or a fragment; write https://NAME.vault.azure.net/keys/KEY or …/keys/KEY/VERSION"
    )]
    Surplus,
    /// A secret, a certificate or another object of a vault.
    #[error(
        "this is not the identifier of a key but of another object of a vault; write https://NAME.vault.azure.net/keys/KEY or …/keys/KEY/VERSION"
    )]
    NotAKey,
    /// A key of a managed HSM. Azure accepts those; the emulator has no managed HSMs.
    #[error(
        "managed HSMs are not emulated; use a key of a vault, which may be of type RSA-HSM: https://NAME.vault.azure.net/keys/KEY or …/keys/KEY/VERSION"
    )]
    ManagedHsm,
    /// The host is not a vault's.
    #[error("the host of a key identifier must be NAME.vault.azure.net or NAME.vault.localhost")]
    Host,
    /// The name of the vault.
    #[error(
        "the name of a vault must have 3 to 24 letters, digits and hyphens, and begin with a letter"
    )]
    VaultName,
    /// The name of the key.
    #[error("the name of a key must have 1 to 127 letters, digits and hyphens")]
    KeyName,
    /// The version of the key.
    #[error("the version of a key must have 32 hexadecimal digits")]
    KeyVersion,
}

/// The name of a vault, in lower case: vaults do not differ by case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VaultName(Arc<str>);

/// The name of a key, as it was written.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyName(Arc<str>);

/// A version of a key: 32 hexadecimal digits in lower case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyVersion(Arc<str>);

/// A key, or one version of a key.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct KeyId {
    vault: VaultName,
    name: KeyName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<KeyVersion>,
}

impl KeyId {
    /// The key of this name in this vault; without a version, its newest.
    pub fn new(vault: VaultName, name: KeyName, version: Option<KeyVersion>) -> Self {
        Self { vault, name, version }
    }

    /// The vault that holds the key.
    pub fn vault(&self) -> &VaultName {
        &self.vault
    }

    /// The name within the vault.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The version, if this names one.
    pub fn version(&self) -> Option<&KeyVersion> {
        self.version.as_ref()
    }

    /// The same key, with this version.
    #[must_use]
    pub fn at(&self, version: KeyVersion) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    /// The same key, without a version.
    #[must_use]
    pub fn unversioned(&self) -> Self {
        Self { version: None, ..self.clone() }
    }

    /// The identifier that the key would have in Azure's public cloud.
    #[cfg(any(test, feature = "internals"))]
    pub fn public_identifier(&self) -> String {
        let key = format!("https://{}.vault.azure.net/keys/{}", self.vault, self.name);
        match &self.version {
            Some(version) => format!("{key}/{version}"),
            None => key,
        }
    }

    /// The identifier of the key at the vault with the address `base`.
    pub fn kid(&self, base: &Url) -> String {
        let base = base.as_str().trim_end_matches('/');
        match &self.version {
            Some(version) => format!("{base}/keys/{}/{version}", self.name),
            None => format!("{base}/keys/{}", self.name),
        }
    }
}

/// For people: `NAME`, or `NAME version VERSION`, and the vault.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} version {version} in vault {}", self.name, self.vault),
            None => write!(f, "{} in vault {}", self.name, self.vault),
        }
    }
}

/// Reads a key identifier. Only the name of the vault is kept of its host and port.
impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let url = Url::parse(text).map_err(|_| InvalidKeyId::NotAnIdentifier)?;
        if url.scheme() != "https" {
            let http = url.scheme() == "http";
            return Err(if http { InvalidKeyId::Scheme } else { InvalidKeyId::NotAnIdentifier });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidKeyId::Surplus);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidKeyId::NotAnIdentifier);
        }
        let host = url.host_str().ok_or(InvalidKeyId::NotAnIdentifier)?;
        let (vault, rest) = host.split_once('.').ok_or(InvalidKeyId::Host)?;
        if rest.starts_with("managedhsm.") {
            return Err(InvalidKeyId::ManagedHsm);
        }
        if rest.strip_prefix("vault.").is_none_or(str::is_empty) {
            return Err(InvalidKeyId::Host);
        }
        let path = url.path().strip_prefix('/').ok_or(InvalidKeyId::NotAnIdentifier)?;
        // SDKs write a key without a version with a slash at the end.
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut path = path.split('/');
        match path.next() {
            // Azure compares identifiers without regard to case.
            Some(kind) if kind.eq_ignore_ascii_case(KEYS) => (),
            Some("") | None => return Err(InvalidKeyId::NotAnIdentifier),
            Some(_) => return Err(InvalidKeyId::NotAKey),
        }
        let name = path.next().ok_or(InvalidKeyId::KeyName)?.parse()?;
        let version = path.next().map(str::parse).transpose()?;
        if path.next().is_some() {
            return Err(InvalidKeyId::NotAnIdentifier);
        }
        Ok(Self { vault: vault.parse()?, name, version })
    }
}

impl VaultName {
    /// The vault that answers if a request names no other.
    pub fn local() -> Self {
        Self(LOCAL.into())
    }
}

impl FromStr for VaultName {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let fits = VAULT_NAME_LEN.contains(&text.len())
            && is_name(text)
            && text.starts_with(|first: char| first.is_ascii_alphabetic());
        if fits { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(InvalidKeyId::VaultName) }
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let fits = (1..=MAX_KEY_NAME_LEN).contains(&text.len()) && is_name(text);
        if fits { Ok(Self(text.into())) } else { Err(InvalidKeyId::KeyName) }
    }
}

impl FromStr for KeyVersion {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let fits = text.len() == VERSION_LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidKeyId::KeyVersion)
        }
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The three parts read and write in the same manner.
macro_rules! text_part {
    ($part:ty) => {
        impl $part {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $part {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $part {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $part {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_part!(VaultName);
text_part!(KeyName);
text_part!(KeyVersion);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERSION: &str = "0123456789abcdef0123456789abcdef";

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str, Option<&str>), InvalidKeyId>) {
        let parsed = text.parse::<KeyId>();
        let parts = parsed.as_ref().map(|id| {
            (id.vault().as_str(), id.name().as_str(), id.version().map(KeyVersion::as_str))
        });
        assert_eq!(parts, expected.as_ref().map(|parts| *parts), "{text}");
    }

    #[test]
    fn identifiers_are_read_with_any_host_and_port() {
        check("https://local.vault.localhost:8443/keys/k", Ok(("local", "k", None)));
        check("https://Acme.vault.azure.net/keys/My-Key/", Ok(("acme", "My-Key", None)));
        let versioned =
            format!("https://acme.vault.usgovcloudapi.net/keys/k/{}", VERSION.to_uppercase());
        check(&versioned, Ok(("acme", "k", Some(VERSION))));
        check(&format!("{versioned}/"), Ok(("acme", "k", Some(VERSION))));
        check("HTTPS://ACME.VAULT.AZURE.NET:443/KEYS/k", Ok(("acme", "k", None)));
        check("https://acme.vault.azure.net:8443/keys/k", Ok(("acme", "k", None)));
    }

    #[test]
    fn every_error_shows_a_valid_identifier() {
        for text in [
            "registry-key",
            "http://acme.vault.azure.net/keys/k",
            "https://acme.vault.azure.net/secrets/k",
            "https://acme.managedhsm.azure.net/keys/k",
            "https://acme.vault.azure.net/keys/k?x=1",
        ] {
            let message = text.parse::<KeyId>().unwrap_err().to_string();
            assert!(message.contains("https://NAME.vault.azure.net/keys/KEY"), "{text}: {message}");
        }
    }

    #[test]
    fn texts_that_name_no_key_are_refused() {
        check("", Err(InvalidKeyId::NotAnIdentifier));
        check("registry-key", Err(InvalidKeyId::NotAnIdentifier));
        check("ftp://acme.vault.azure.net/keys/k", Err(InvalidKeyId::NotAnIdentifier));
        check("https://acme.vault.azure.net", Err(InvalidKeyId::NotAnIdentifier));
        check("https://acme.vault.azure.net/", Err(InvalidKeyId::NotAnIdentifier));
        check("https://acme.vault.azure.net//keys/k", Err(InvalidKeyId::NotAnIdentifier));
        check("https://user@acme.vault.azure.net/keys/k", Err(InvalidKeyId::NotAnIdentifier));
        check("http://acme.vault.azure.net/keys/k", Err(InvalidKeyId::Scheme));
        check("https://acme.vault.azure.net/secrets/k", Err(InvalidKeyId::NotAKey));
        check("https://acme.vault.azure.net/certificates/k", Err(InvalidKeyId::NotAKey));
        check("https://acme.vault.azure.net/deletedkeys/k", Err(InvalidKeyId::NotAKey));
        check("https://acme.managedhsm.azure.net/keys/k", Err(InvalidKeyId::ManagedHsm));
        check("https://acme.vault.azure.net/keys/k?x=1", Err(InvalidKeyId::Surplus));
        check("https://acme.vault.azure.net/keys/k#x", Err(InvalidKeyId::Surplus));
        check("https://acme.blob.core.windows.net/keys/k", Err(InvalidKeyId::Host));
        check("https://vault.azure.net/keys/k", Err(InvalidKeyId::Host));
        check("https://acme.vault./keys/k", Err(InvalidKeyId::Host));
        check("https://acme.vault.azure.net/keys//", Err(InvalidKeyId::KeyName));
        check("https://acme.vault.azure.net/keys/k//", Err(InvalidKeyId::KeyVersion));
        check("https://127.0.0.1:8443/keys/k", Err(InvalidKeyId::Host));
        check("https://vault.localhost/keys/k", Err(InvalidKeyId::Host));
        check("https://ab.vault.azure.net/keys/k", Err(InvalidKeyId::VaultName));
        check("https://acme.vault.azure.net/keys", Err(InvalidKeyId::KeyName));
        check("https://acme.vault.azure.net/keys/", Err(InvalidKeyId::KeyName));
        check("https://acme.vault.azure.net/keys/k%20k", Err(InvalidKeyId::KeyName));
        check("https://acme.vault.azure.net/keys/k/v1", Err(InvalidKeyId::KeyVersion));
        let long = format!("https://acme.vault.azure.net/keys/k/{VERSION}/wrapkey");
        check(&long, Err(InvalidKeyId::NotAnIdentifier));
    }

    #[test]
    fn a_key_identifier_is_rendered_for_the_address_in_use() {
        let id: KeyId = format!("https://acme.vault.azure.net/keys/k/{VERSION}").parse().unwrap();

        let there = Url::parse("https://acme.vault.localhost:8443").unwrap();
        assert_eq!(id.kid(&there), format!("https://acme.vault.localhost:8443/keys/k/{VERSION}"));
        assert_eq!(id.unversioned().kid(&there), "https://acme.vault.localhost:8443/keys/k");
    }

    proptest! {
        #[test]
        fn any_key_survives_its_identifier_and_its_stored_form(
            vault in "[a-z][a-z0-9-]{2,23}",
            name in "[a-zA-Z0-9-]{1,127}",
            version in proptest::option::of("[0-9a-f]{32}"),
        ) {
            // A host must not begin with "xn--" unless it is an internationalised name.
            prop_assume!(!vault.contains("--") && !vault.ends_with('-'));
            let version = version.map(|version| version.parse().unwrap());
            let id = KeyId::new(vault.parse().unwrap(), name.parse().unwrap(), version);

            let base = Url::parse(&format!("https://{vault}.vault.azure.net:1234")).unwrap();
            prop_assert_eq!(id.kid(&base).parse::<KeyId>(), Ok(id.clone()));
            prop_assert_eq!(id.public_identifier().parse::<KeyId>(), Ok(id.clone()));
            let stored = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<KeyId>(&stored).unwrap(), id);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = text.parse::<KeyId>();
        }
    }
}
