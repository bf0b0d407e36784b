//! Whether a registry is open to everybody who can connect, or wants a login.

use crate::registry::Registry;

impl Registry {
    /// Whether everybody who can connect may do everything, without a login.
    pub fn is_open(&self) -> bool {
        self.profile().anonymous
    }
}
