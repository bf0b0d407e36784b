//! What the tests share: a client that pushes and pulls, and content to push.

pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod process;

use mock_keyvault::clock::Clock;
use sealyard::Sealyard;

pub(crate) use client::{Answer, Client};

/// A fresh emulator that is gone with the handle, and a client of it.
pub(crate) async fn start() -> (Sealyard, Client) {
    let emulator = Sealyard::builder().ephemeral().start().await.unwrap();
    let client = Client::of(&emulator);
    (emulator, client)
}

/// The same, with both times standing still.
pub(crate) async fn start_with_clock() -> (Sealyard, Client, Clock) {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let emulator = Sealyard::builder().ephemeral().clock(clock.clone()).start().await.unwrap();
    let client = Client::of(&emulator);
    (emulator, client, clock)
}
