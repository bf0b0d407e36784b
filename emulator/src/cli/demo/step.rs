//! The steps of the demo, with their titles and introductions.

use super::report::Heading;

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Registry,
    Push,
    Search,
    Rotate,
    Revoke,
    Refused,
    Restore,
    Pull,
}

impl Step {
    /// All steps, in their order.
    pub(super) const ALL: [Self; 8] = [
        Self::Registry,
        Self::Push,
        Self::Search,
        Self::Rotate,
        Self::Revoke,
        Self::Refused,
        Self::Restore,
        Self::Pull,
    ];

    pub(super) fn heading(self) -> Heading {
        let (step, title, text) = match self {
            Self::Registry => (
                "registry",
                "Create a registry with its own key",
                "This demo has started an emulator, in a folder that it removes at the end. Now it creates a registry with a customer-managed key: an RSA key that never leaves its vault, and an identity that may use it.",
            ),
            Self::Push => (
                "push",
                "Push an image",
                "This is a real OCI image: a config, two gzipped layers, a manifest. The registry encrypts all content with AES data keys before it writes it to the disk. The vault's key wraps the data keys.",
            ),
            Self::Search => (
                "search",
                "Search the disk for the image",
                "The demo searches every file of the data folder for every window of 16 bytes of the image, compressed and plain. It also searches a plain copy, to show that the search works.",
            ),
            Self::Rotate => (
                "rotate",
                "Rotate the key",
                "The vault creates a new version of the key. The registry wraps its data keys again, and does not change the image: a rotation takes as long with a million images as with one.",
            ),
            Self::Revoke => (
                "revoke",
                "Revoke the key",
                "The owner of the key removes the registry's access policy from the vault. The registry itself is unchanged, but may no longer use the key.",
            ),
            Self::Refused => (
                "refused",
                "See the errors of clients",
                "The registry refuses pulls and pushes of all clients. Some clients print only the status, so the demo shows the cause as well. The emulator itself is healthy, and says why it refuses.",
            ),
            Self::Restore => (
                "restore",
                "Restore the key",
                "The owner restores the exact policy. The registry asks the vault, and serves content again.",
            ),
            Self::Pull => (
                "pull",
                "Pull the image, and compare it",
                "The image is available again. The demo pulls each part and compares it with the pushed one.",
            ),
        };
        Heading { step, title, text }
    }
}
