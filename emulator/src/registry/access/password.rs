//! Passwords that the registry makes: shown once, and kept as a salted hash.
//!
//! A slow hash such as Argon2 would add nothing: nobody chooses these passwords. Each is 256 random bits, and nobody
//! guesses those, however fast a hash is computed.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::store::PasswordRow;

/// A password in text. It is wiped when it is dropped, and never shown by accident.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A new one, of 256 random bits: letters and digits alone, so that no shell and no command line trips over it.
    pub(super) fn random() -> Self {
        let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
        Self(Zeroizing::new(hex::encode(bytes.as_slice())))
    }

    pub(super) fn of_text(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a guess is right. Hashes are compared, so that neither content nor length shows in the time.
    pub(super) fn is(&self, guess: &str) -> bool {
        Sha256::digest(self.0.as_bytes())
            .as_slice()
            .ct_eq(Sha256::digest(guess.as_bytes()).as_slice())
            .into()
    }

    /// What is kept of it.
    pub(super) fn row(&self, created: i64, expiry: Option<i64>) -> PasswordRow {
        let salt = rand::random();
        PasswordRow { created, expiry, salt, hash: salted(&salt, &self.0) }
    }
}

/// Whether a guess is the password that a row was made of, in the same time for every guess of one length.
pub(super) fn proves(row: &PasswordRow, guess: &str) -> bool {
    row.hash.ct_eq(&salted(&row.salt, guess)).into()
}

fn salted(salt: &[u8; 16], password: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(password.as_bytes()).finalize().into()
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_its_password_and_no_other_and_does_not_hold_it() {
        let (password, other) = (Password::random(), Password::random());

        let row = password.row(0, None);

        assert!(proves(&row, password.expose()) && password.is(password.expose()));
        assert!(!proves(&row, other.expose()) && !proves(&row, "") && !password.is(""));
        assert!(!serde_json::to_string(&row).unwrap().contains(password.expose()));
        assert_ne!(row.hash, password.row(0, None).hash, "each has a salt of its own");
        assert!(!format!("{password:?}").contains(password.expose()));
    }
}
