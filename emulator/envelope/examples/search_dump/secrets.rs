//! All secrets that the program computes from a data key for its files, in the forms in which it may hold them.

use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

use crate::schedule::{self, Schedule};
use crate::sealed::Files;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Names and bytes of all secrets.
pub(crate) fn all(files: &Files, data_keys: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let schedule = Schedule::new();
    let mut all = Vec::new();
    for data_key in data_keys {
        let Ok(data_key) = <[u8; 32]>::try_from(data_key.as_slice()) else { continue };
        all.push(("a data key".to_owned(), data_key.to_vec()));
        all.push(("a data key in the byte order of SHA-256".to_owned(), swapped(&data_key)));
        all.push(("a data key in base64url".to_owned(), text(&data_key)));
        for file in &files.all {
            for message in file.messages(&data_key).into_iter().flatten() {
                let name = |what: &str| format!("{what} of {}", message.name);
                let (prk, okm) = message.derive(&data_key);
                all.push((name("the pseudorandom key"), prk.to_vec()));
                all.push((
                    name("the pseudorandom key in the byte order of SHA-256"),
                    swapped(&prk),
                ));
                let Some(key) = okm.first_chunk() else { continue };
                all.push((name("the key"), key.to_vec()));
                all.push((name("the key in the byte order of SHA-256"), swapped(key)));
                let mut hash_key = [0; 16].into();
                Aes256Enc::new(key.into()).encrypt_block(&mut hash_key);
                all.push((name("the hash key"), hash_key.to_vec()));
                all.push((name("the reversed hash key"), hash_key.iter().rev().copied().collect()));
                for (round, key) in schedule.expand(key).iter().enumerate() {
                    all.push((name(&format!("round key {round}")), key.to_vec()));
                    let decryption = schedule::inverse_mix_columns(key).to_vec();
                    all.push((name(&format!("decryption key {round}")), decryption));
                }
            }
        }
    }
    all
}

/// The same numbers of four bytes in the other byte order.
fn swapped(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(4).flat_map(|word| word.iter().rev().copied()).collect()
}

/// Base64url without padding.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let bits = (0..3)
            .fold(0_usize, |bits, at| (bits << 8) | usize::from(*group.get(at).unwrap_or(&0)));
        let letters = (0..=group.len()).map(|at| ALPHABET[(bits >> (18 - 6 * at)) & 63]);
        text.extend(letters);
    }
    text
}
