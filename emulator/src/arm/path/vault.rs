//! Paths of vaults. The vault answers them; the control plane only recognizes some of them.

/// A path in one spelling.
pub(in crate::arm) fn folded(path: &str) -> String {
    let parts: Vec<String> =
        path.split('/').filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
    parts.join("/")
}

/// Whether a path names a vault as a resource.
pub(in crate::arm) fn is_vault(path: &str) -> bool {
    let path = folded(path);
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.keyvault", "vaults", _]
    )
}

/// Whether a path purges a deleted vault.
pub(in crate::arm) fn is_purge(path: &str) -> bool {
    let path = folded(path);
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [
            "subscriptions",
            _,
            "providers",
            "microsoft.keyvault",
            "locations",
            _,
            "deletedvaults",
            _,
            "purge"
        ]
    )
}
