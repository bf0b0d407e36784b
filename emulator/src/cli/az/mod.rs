//! `sealyard az -- ARGS`: runs the user's own `az` against the emulator.
//!
//! Its configuration is in a separate folder in the data folder (with `--endpoint`: in the cache folder), so that it neither
//! reads nor changes the user's sign-ins, and `az` without this command does not reach the emulator. At the first use it is
//! signed in as the owner. By default it uses Azure's host names through the emulator's proxy, which forwards to no other
//! host, so a script for Azure runs unchanged. Then `az` replaces this process, or this process waits for it if it has to
//! print something afterwards. The exit code and the output are those of `az`.

mod beforehand;
pub(super) mod docker;
mod prepare;
mod sign_in;
mod watch;

pub(super) use self::prepare::{AzArgs, EXAMPLES, prepare};
