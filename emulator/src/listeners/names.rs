//! The names of registries in a `Host`: `NAME.azurecr.localhost` and `NAME.azurecr.io`.
//!
//! The selection of a registry calls it, and the guard, which must recognise our own names. Other names under
//! `localhost` are only aliases: `registry.localhost` is not a registry called `registry`.

/// The suffixes of a registry's names: the local one, and that of the public service.
const SUFFIXES: [&str; 2] = [".azurecr.localhost", ".azurecr.io"];

/// Whether the control plane answers under this name: its own name, or a name with no other purpose, such as an address.
pub(super) fn may_manage(host: &str) -> bool {
    let is_login = ["login.microsoftonline.com", "login.localhost"].contains(&host);
    let is_vault = [".vault.azure.net", ".vault.localhost"].iter().any(|end| host.ends_with(end));
    let is_graph = ["graph.microsoft.com", "graph.localhost"].contains(&host);
    !is_login && !is_vault && !is_graph && !is_registry_name(host)
}

/// The registry that a host names. `host` is as [`azure_emulator_core::authority`] reads it; there may be no such registry.
pub(super) fn registry_named(host: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))
}

/// Whether a host, in lower case and without a port, has the form of a registry's name. The registry may not exist.
pub(super) fn is_registry_name(host: &str) -> bool {
    registry_named(host).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_by_the_part_before_its_suffix() {
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
