//! Arbitrary text as the identifier of a key.
#![no_main]

use sealyard::internals::keys::KeyId;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<KeyId>() {
        let written = key.public_identifier();
        assert_eq!(
            written.parse::<KeyId>().as_ref(),
            Ok(&key),
            "an identifier survives a round trip"
        );
    }
});
