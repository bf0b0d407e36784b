//! Arbitrary text as a token of the issuer or of a registry, and as edits to a valid one: only the token itself is
//! accepted. And arbitrary text as the scopes that a client asks for.
#![no_main]

use std::sync::{Arc, LazyLock};

use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::Clock;
use azure_emulator_core::identity::{Issuer, OWNER_CLIENT_ID, Secrets};
use azure_emulator_core::sealing::SealingKey;
use sealyard::internals::registry::{Audience, Caller, Scope, TokenKey};

struct World {
    registry: Audience,
    issuer: Issuer,
    token: String,
    key: TokenKey,
    refresh: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let sealing = Arc::new(SealingKey::open(&folder.path().join("key")).expect("a key"));
    let clock = Clock::system();
    let (path, changes) = (folder.path().join("identity"), Changes::default());
    let issuer =
        Issuer::open(&path, Secrets::WellKnown, &sealing, &clock, &changes).expect("an issuer");
    let owner = issuer.principal(OWNER_CLIENT_ID).expect("the owner");
    let token = issuer.token_for(&owner, "r").expect("a token").expose().to_owned();
    let key = TokenKey::from_bytes(&[7; 32]);
    let registry = Audience { name: "local".to_owned(), id: Some("1".to_owned()), open: false };
    let refresh =
        key.refresh_token(&registry, "here", &Caller::Admin, 0).expect("a token").to_string();
    World { registry, issuer, token, key, refresh }
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let text = String::from_utf8_lossy(data);
    assert!(text == world.token || world.issuer.verify(&text, |_| true).is_err());

    // Each pair of bytes changes one byte of the token.
    let mut token = world.token.clone().into_bytes();
    for edit in data.chunks_exact(2) {
        let at = usize::from(edit[0]) * token.len() / 256;
        token[at] ^= edit[1] & 0x7f;
    }
    if let Ok(edited) = String::from_utf8(token) {
        let verified = world.issuer.verify(&edited, |_| true);
        assert_eq!(verified.is_ok(), edited == world.token);
    }

    let of_registry = |text: &str| world.key.verify_refresh(text, &world.registry, 0);
    assert!(text == world.refresh || of_registry(&text).is_err());
    let mut token = world.refresh.clone().into_bytes();
    for edit in data.chunks_exact(2) {
        let at = usize::from(edit[0]) * token.len() / 256;
        token[at] ^= edit[1] & 0x7f;
    }
    if let Ok(edited) = String::from_utf8(token) {
        assert_eq!(of_registry(&edited).is_ok(), edited == world.refresh);
    }

    for scope in Scope::parse_all([text.as_ref()]) {
        assert_eq!(scope.to_string().parse(), Ok(scope));
    }
});
