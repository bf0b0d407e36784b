//! The embedded vault's issuer and roles, as registries query them: implements [`Directory`] of the domain.

use azure_emulator_core::directory::Directory as VaultDirectory;
use azure_emulator_core::identity::Principal;

use crate::registry::{Directory, VerifiedPrincipal};

/// The audiences of tokens that registries accept: registries, and Azure's resource manager.
const AUDIENCES: [&str; 5] = [
    "https://containerregistry.azure.net",
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://management.localhost",
    "https://azurecr.localhost",
];

/// The directory of the embedded vault.
#[derive(Clone, Debug)]
pub struct EmbeddedDirectory(VaultDirectory);

impl EmbeddedDirectory {
    /// A directory with the identities and roles of this vault.
    pub fn new(directory: VaultDirectory) -> Self {
        Self(directory)
    }
}

impl Directory for EmbeddedDirectory {
    fn verify_token(&self, token: &str) -> Result<VerifiedPrincipal, String> {
        let found = self.0.by_token(token, is_audience).map_err(|refused| refused.to_string())?;
        Ok(verified_principal(&found))
    }

    fn verify_secret(&self, client_id: &str, secret: &str) -> Option<VerifiedPrincipal> {
        self.0.by_secret(client_id, secret).map(|found| verified_principal(&found))
    }

    fn has(&self, principal: &VerifiedPrincipal) -> bool {
        self.0.has(&principal.client_id, &principal.object_id)
    }

    fn allows(&self, object_id: &str, operation: &str, resource_id: &str) -> bool {
        self.0.allows(object_id, operation, resource_id)
    }
}

/// Whether a registry accepts tokens for this audience. It may end with slashes, and a local name may have a port.
fn is_audience(audience: &str) -> bool {
    let audience = audience.trim_end_matches('/');
    AUDIENCES.iter().any(|known| match audience.strip_prefix(known) {
        Some("") => true,
        Some(rest) if known.ends_with(".localhost") => {
            rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        }
        _ => false,
    })
}

fn verified_principal(principal: &Principal) -> VerifiedPrincipal {
    VerifiedPrincipal {
        client_id: principal.client_id().to_owned(),
        object_id: principal.object_id().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_for_registries_and_for_the_resource_manager_are_accepted() {
        for audience in [
            "https://containerregistry.azure.net",
            "https://management.azure.com/",
            "https://management.core.windows.net//",
            "https://management.localhost:8443",
        ] {
            assert!(is_audience(audience), "{audience}");
        }
        for audience in [
            "",
            "https://vault.azure.net",
            "https://management.azure.com:8443",
            "https://management.azure.com.evil.example",
            "https://management.localhost:99999",
            "http://management.azure.com",
        ] {
            assert!(!is_audience(audience), "{audience}");
        }
    }
}
