//! Whether a registry is open to every client, or requires a login.

use crate::registry::Registry;

impl Registry {
    /// Whether every client may do everything, without a login.
    pub fn is_open(&self) -> bool {
        self.profile().anonymous
    }
}
