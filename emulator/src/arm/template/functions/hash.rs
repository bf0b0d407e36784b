//! `uniqueString` and `guid`: names derived from other names, always with the same result.
//!
//! `uniqueString` is a variant of `MurmurHash3` with 64 bits. Azure does not document it, but values of it are recorded,
//! and the tests check them. `guid` is a version 5 UUID in a namespace that Azure documents; no recorded value is known
//! here, so the test compares it with another implementation of version 5.

use serde_json::Value;
use sha1::{Digest as _, Sha1};
use uuid::Uuid;

use super::values::{FunctionResult, written, wrong_arguments};

/// The namespace of `guid`.
const NAMESPACE: Uuid = Uuid::from_u128(0x11fb_06fb_712d_4ddd_98c7_e71b_bd58_8830);

pub(super) fn call(name: &str, values: &[Value]) -> Option<FunctionResult> {
    let make = match name {
        "uniquestring" => unique,
        "guid" => guid,
        _ => return None,
    };
    let texts: Vec<String> = values
        .iter()
        .filter(|value| !value.is_array() && !value.is_object() && !value.is_null())
        .map(written)
        .collect();
    if texts.is_empty() || texts.len() != values.len() {
        return Some(Err(wrong_arguments("strings", values)));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Some(Ok(Value::String(make(&texts))))
}

/// Thirteen characters of base 32.
fn unique(texts: &[&str]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = murmur(texts.join("-").as_bytes());
    let mut unique = String::new();
    for _ in 0..13 {
        let letter = usize::try_from(hash >> 59).ok().and_then(|at| LETTERS.get(at));
        unique.push(char::from(*letter.unwrap_or(&b'a')));
        hash <<= 5;
    }
    unique
}

/// A UUID of version 5.
pub(in super::super) fn guid(texts: &[&str]) -> String {
    let digest =
        Sha1::new().chain_update(NAMESPACE.as_bytes()).chain_update(texts.join("-")).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid().to_string()
}

/// The 64-bit hash of Azure's deployment engine.
fn murmur(data: &[u8]) -> u64 {
    const FIRST: u32 = 0x239b_961b;
    const SECOND: u32 = 0xab0e_9789;
    let word = |bytes: &[u8]| {
        bytes.iter().take(4).rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte))
    };
    let left = |word: u32| word.wrapping_mul(FIRST).rotate_left(15).wrapping_mul(SECOND);
    let right = |word: u32| word.wrapping_mul(SECOND).rotate_left(17).wrapping_mul(FIRST);
    let (mut one, mut two) = (0_u32, 0_u32);
    let (chunks, tail) = data.as_chunks::<8>();
    for chunk in chunks {
        let (low, high) = chunk.split_at(4);
        one = (one ^ left(word(low))).rotate_left(19).wrapping_add(two);
        one = one.wrapping_mul(5).wrapping_add(0x561c_cd1b);
        two = (two ^ right(word(high))).rotate_left(13).wrapping_add(one);
        two = two.wrapping_mul(5).wrapping_add(0x0bca_a747);
    }
    if !tail.is_empty() {
        one ^= left(word(tail));
    }
    if let Some(high) = tail.get(4..).filter(|high| !high.is_empty()) {
        two ^= right(word(high));
    }
    // The hashed texts are far shorter than this.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    one ^= length;
    two ^= length;
    one = one.wrapping_add(two);
    two = two.wrapping_add(one);
    let mix = |mut word: u32| {
        word = (word ^ (word >> 16)).wrapping_mul(0x85eb_ca6b);
        word = (word ^ (word >> 13)).wrapping_mul(0xc2b2_ae35);
        word ^ (word >> 16)
    };
    one = mix(one);
    two = mix(two);
    one = one.wrapping_add(two);
    two = two.wrapping_add(one);
    (u64::from(two) << 32) | u64::from(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_strings_are_those_that_azure_gives() {
        assert_eq!(unique(&["tyeth"]), "zcztcwvu6iyg6");
        assert_eq!(unique(&["hello", "world"]), "a7wkljktk6wne");
        assert_eq!(murmur(b"hello-world"), 571_013_382_255_652_050);
    }

    #[test]
    fn a_guid_is_of_version_five_in_azures_namespace() {
        let guid: Uuid = guid(&["a", "b"]).parse().unwrap();

        assert_eq!(guid.get_version_num(), 5);
        // The value that other implementations of version 5 give for "a-b" in that namespace.
        assert_eq!(guid.to_string(), "2d796349-8c7e-55ec-9624-54ece82ed031");
    }
}
