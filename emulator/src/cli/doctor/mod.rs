//! `sealyard doctor`: finds why a pull, a push or a rotation fails now, and the command that repairs it.
//!
//! The emulator reports problems of registries and their keys over the admin API; this command itself checks the environment
//! (ports, names, certificates, docker, `az`), because it runs on the same machine as the clients. Each check is a
//! module that returns [`Finding`](finding::Finding)s. `doctor` changes and repairs nothing, and also works without a running emulator.

mod args;
mod emulator;
mod examine;
mod finding;
mod names;
mod registries;
mod repair;
mod tools;
mod trust;

pub(super) use self::args::{DoctorArgs, HELP};
pub(super) use self::examine::doctor;

#[cfg(test)]
mod tests;
