//! Arbitrary text as a token, and as edits to one that holds: nothing but the token itself is taken.
#![no_main]

use std::sync::{Arc, LazyLock};

use mock_keyvault::clock::Clock;
use mock_keyvault::identity::{Issuer, OWNER_CLIENT_ID, Secrets};
use mock_keyvault::sealing::SealingKey;

struct World {
    issuer: Issuer,
    token: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let sealing = Arc::new(SealingKey::open(&folder.path().join("key")).expect("a key"));
    let clock = Clock::system();
    let issuer = Issuer::open(&folder.path().join("identity"), Secrets::WellKnown, &sealing, &clock)
        .expect("an issuer");
    let owner = issuer.principal(OWNER_CLIENT_ID).expect("the owner");
    let token = issuer.token_for(&owner, "r").expect("a token").expose().to_owned();
    World { issuer, token }
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let text = String::from_utf8_lossy(data);
    assert!(text == world.token || world.issuer.verify(&text, |_| true).is_err());

    // Each two bytes change one of the token's.
    let mut token = world.token.clone().into_bytes();
    for edit in data.chunks_exact(2) {
        let at = usize::from(edit[0]) * token.len() / 256;
        token[at] ^= edit[1] & 0x7f;
    }
    let Ok(edited) = String::from_utf8(token) else { return };
    let verified = world.issuer.verify(&edited, |_| true);
    assert_eq!(verified.is_ok(), edited == world.token);
});
