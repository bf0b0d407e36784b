//! The names of registries in a `Host`: `NAME.azurecr.localhost` and `NAME.azurecr.io`.
//!
//! Called by what selects a registry, and by the guard, which has to know the names that are ours. Other names under
//! `localhost` are only other ways to say it: `registry.localhost` is not a registry called `registry`.

/// The ends of a registry's names: the local one, and that of the public service.
const SUFFIXES: [&str; 2] = [".azurecr.localhost", ".azurecr.io"];

/// Whether the control plane may be asked under this name: its own, or one that is nobody else's, such as an address.
pub(super) fn may_manage(host: &str) -> bool {
    let is_login = ["login.microsoftonline.com", "login.localhost"].contains(&host);
    let is_vault = [".vault.azure.net", ".vault.localhost"].iter().any(|end| host.ends_with(end));
    let is_graph = ["graph.microsoft.com", "graph.localhost"].contains(&host);
    !is_login && !is_vault && !is_graph && !is_registry_name(host)
}

/// The registry that a host names. `host` is as [`azure_emulator_core::authority`] reads it; the name may be no registry's.
pub(super) fn registry_named(host: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))
}

/// Whether a host, in lower case and without a port, is the name of a registry, whether there is one or not.
pub(crate) fn is_registry_name(host: &str) -> bool {
    registry_named(host).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_by_its_own_label_alone() {
        for (host, named) in [
            ("team1.azurecr.localhost", Some("team1")),
            ("team1.azurecr.io", Some("team1")),
            ("team1.eastus.data.azurecr.io", Some("team1.eastus.data")),
            ("azurecr.io", None),
            ("team1.azurecr.io.evil.test", None),
            ("team1azurecr.io", None),
            ("team1.localhost", None),
            ("localhost", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(registry_named(host), named, "{host}");
        }
    }
}
