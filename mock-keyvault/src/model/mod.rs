//! The types of a vault: names, keys and their material, policies, settings, and the refusals.
//!
//! Used by the whole crate. These types are stored, decided on and rendered elsewhere: this folder knows neither rows nor HTTP.

pub mod algorithm;
pub mod ec;
pub mod error;
pub mod key;
pub mod names;
pub mod network;
pub mod permission;
pub mod policy;
pub mod rsa;
pub mod settings;

pub(crate) mod material;
pub(crate) mod rotation;
pub(crate) mod schedule;
pub(crate) mod version;

mod caller;
mod reference;
#[cfg(test)]
mod vectors;

pub use caller::Caller;
pub use reference::KeyReference;
