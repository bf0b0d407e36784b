//! Finds the site that a request is for, by its Host: a vault, the issuer, or both.
//!
//! Called by the router. Answers render URIs (key ids, next links, the challenge) from the host that the client used, never from
//! the listener's address: so mapped ports and container aliases work.

use crate::model::names::VaultName;

/// The site that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Host and port as the client sent them.
    pub(crate) host: String,
    pub(crate) role: Role,
    /// The kind of names that the client uses.
    naming: Naming,
}

/// The service of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The vault of this name.
    Vault(VaultName),
    /// The issuer.
    Login,
    /// The vault called `local`, and the issuer at its own paths: a client needs only one address.
    Both,
    /// The resource providers, which manage vaults.
    Arm,
    /// Microsoft Graph, which lists the principals.
    Graph,
    /// A vault name that is not valid.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// `*.vault.azure.net` and `login.microsoftonline.com`.
    Public,
    /// `*.vault.localhost` and `login.localhost`.
    Local,
    /// Anything else: an address, a container's name.
    Other,
}

impl Site {
    /// The site that this Host header names. A dot at the end, which marks an absolute name, changes nothing.
    pub(crate) fn from_host(host: &str) -> Self {
        let name = without_port(host).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let vault = |name: &str| name.parse().map_or(Role::Nothing, Role::Vault);
        let (role, naming) = if name == "management.azure.com" {
            (Role::Arm, Naming::Public)
        } else if name == "management.localhost" {
            (Role::Arm, Naming::Local)
        } else if name == "graph.microsoft.com" {
            (Role::Graph, Naming::Public)
        } else if name == "graph.localhost" {
            (Role::Graph, Naming::Local)
        } else if name == "login.microsoftonline.com" {
            (Role::Login, Naming::Public)
        } else if name == "login.localhost" {
            (Role::Login, Naming::Local)
        } else if let Some(name) = name.strip_suffix(".vault.azure.net") {
            (vault(name), Naming::Public)
        } else if let Some(name) = name.strip_suffix(".vault.localhost") {
            (vault(name), Naming::Local)
        } else {
            (Role::Both, Naming::Other)
        };
        Self { host: host.to_owned(), role, naming }
    }

    /// The vault of this site.
    pub(crate) fn vault(&self) -> Option<VaultName> {
        match &self.role {
            Role::Vault(name) => Some(name.clone()),
            Role::Both => Some(VaultName::local()),
            Role::Login | Role::Arm | Role::Graph | Role::Nothing => None,
        }
    }

    /// Whether a path belongs to the resource providers on this site. A vault has no such paths.
    pub(crate) fn is_of_arm(&self, path: &str) -> bool {
        let first = path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
        match self.role {
            Role::Arm => true,
            Role::Both => {
                ["subscriptions", "providers"].iter().any(|own| first.eq_ignore_ascii_case(own))
            }
            Role::Login | Role::Graph | Role::Vault(_) | Role::Nothing => false,
        }
    }

    /// The address of a vault in answers of the resource providers: always its own name, as in Azure, with a slash at the end.
    pub(crate) fn managed_vault_uri(&self, vault: &VaultName) -> String {
        match self.naming {
            Naming::Public => format!("https://{vault}.vault.azure.net/"),
            Naming::Local | Naming::Other => {
                format!("https://{vault}.vault.localhost{}/", self.port())
            }
        }
    }

    /// Whether the client used a name of the public service.
    pub(crate) fn is_public(&self) -> bool {
        self.naming == Naming::Public
    }

    /// Whether the client used a name of Azure or its local counterpart, rather than an address or a name of the machine.
    pub(crate) fn is_named(&self) -> bool {
        self.naming != Naming::Other
    }

    /// The address of a vault for the client of this site: under the vault's own name if the client uses such names, or the same
    /// address for the vault of this site.
    pub(crate) fn vault_uri(&self, vault: &str) -> String {
        if self.vault().is_some_and(|here| here.as_str() == vault) {
            return format!("https://{}", self.host);
        }
        match self.naming {
            Naming::Public => format!("https://{vault}.vault.azure.net{}", self.port()),
            Naming::Local | Naming::Other => {
                format!("https://{vault}.vault.localhost{}", self.port())
            }
        }
    }

    /// Host and port of the issuer, as this client reaches it.
    pub(crate) fn authority(&self) -> String {
        match self.naming {
            Naming::Public => "login.microsoftonline.com".to_owned(),
            Naming::Local => format!("login.localhost{}", self.port()),
            Naming::Other => self.host.clone(),
        }
    }

    /// The resource for which a client needs a token. SDKs compare it with the host, some of them with the port as well.
    pub(crate) fn resource(&self) -> String {
        match self.naming {
            Naming::Public | Naming::Other => "https://vault.azure.net".to_owned(),
            Naming::Local => format!("https://vault.localhost{}", self.port()),
        }
    }

    /// The port of the Host with its colon, or an empty text.
    fn port(&self) -> &str {
        self.host.get(without_port(&self.host).len()..).unwrap_or_default()
    }
}

pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 address without port ends in a bracket.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, vault: Option<&str>, authority: &str, resource: &str) {
        let site = Site::from_host(host);

        assert_eq!(site.vault().map(|name| name.to_string()).as_deref(), vault, "{host}");
        assert_eq!(site.authority(), authority);
        assert_eq!(site.resource(), resource);
    }

    #[test]
    fn the_host_selects_the_vault_and_the_names_in_the_challenge() {
        let public = "https://vault.azure.net";
        check("a-b.vault.azure.net", Some("a-b"), "login.microsoftonline.com", public);
        check(
            "Local.vault.localhost:8443",
            Some("local"),
            "login.localhost:8443",
            "https://vault.localhost:8443",
        );
        check("a-b.vault.azure.net.:443", Some("a-b"), "login.microsoftonline.com", public);
        check("kv1.vault.localhost.", Some("kv1"), "login.localhost", "https://vault.localhost");
        check("login.localhost.", None, "login.localhost", "https://vault.localhost");
        check("x.vault.localhost", None, "login.localhost", "https://vault.localhost");
        check("localhost:8443", Some("local"), "localhost:8443", public);
        check("127.0.0.1:1", Some("local"), "127.0.0.1:1", public);
        check("[::1]:8443", Some("local"), "[::1]:8443", public);
        check("[::1]", Some("local"), "[::1]", public);
        check("vault:8443", Some("local"), "vault:8443", public);
        check("login.localhost:1", None, "login.localhost:1", "https://vault.localhost:1");
        check("management.azure.com", None, "login.microsoftonline.com", public);
    }

    #[test]
    fn the_host_and_the_path_select_the_resource_providers_and_the_names_of_vaults() {
        let vault: VaultName = "kv1".parse().unwrap();
        for (host, path, is_arm, uri) in [
            ("management.azure.com", "/x", true, "https://kv1.vault.azure.net/"),
            ("management.localhost:1", "/", true, "https://kv1.vault.localhost:1/"),
            ("127.0.0.1:8443", "//Subscriptions/s", true, "https://kv1.vault.localhost:8443/"),
            ("localhost", "/keys/subscriptions", false, "https://kv1.vault.localhost/"),
            ("a-b.vault.azure.net", "/subscriptions/s", false, "https://kv1.vault.azure.net/"),
            ("login.localhost:1", "/subscriptions/s", false, "https://kv1.vault.localhost:1/"),
        ] {
            let site = Site::from_host(host);
            assert_eq!(site.is_of_arm(path), is_arm, "{host} {path}");
            assert_eq!(site.managed_vault_uri(&vault), uri);
        }
    }
}
