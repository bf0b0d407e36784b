//! RSA: key generation, encryption and signatures, with import in its own file. No other folder uses the `rsa` crate.
//!
//! Called through [`super::material`] on blocking threads, never on async ones: one private operation takes milliseconds.
//! Private operations are blinded with the system's generator, and each result is checked with the public key before it
//! leaves. Private numbers are wiped when they are dropped.
//!
//! Every failure to decrypt is the same error [`DecryptionFailed`], whatever its cause, and takes one private operation: a
//! ciphertext of the wrong length or beyond the modulus, which could be refused at once, is replaced by a valid one.
//!
//! Under OAEP the crate skips the first byte of the encoded message, which RFC 8017 requires to be 0, so that its value cannot leak
//! (Manger's attack). All bytes after it are checked.
//!
//! Under `RSA1_5` the crate rejects implicitly: a ciphertext with wrong padding decrypts to bytes that look random and are always
//! the same for that key and ciphertext. So there is no padding oracle, and the client's own protocol shows that the result is
//! nonsense. The real service answers with an error, which makes a padding oracle possible.

mod import;
mod key;

pub use import::NotAnRsaKey;
pub(crate) use import::RsaParts;
pub(crate) use key::{EXPONENT, RsaKey, RsaPublic};
pub use key::{KeySize, RsaError};
