//! The means of a revocation.

use crate::registry::Registries;
use crate::vault::OwnerVault;

/// The means to make changes.
#[derive(Clone, Copy, Debug)]
pub struct RevocationContext<'a> {
    /// The owner's access to the vault, or `None` if the emulator may not change the vault.
    pub owner: Option<&'a OwnerVault>,
    /// The registries, whose identities can be removed.
    pub registries: &'a Registries,
}
