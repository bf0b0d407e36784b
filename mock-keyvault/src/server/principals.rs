//! The handle's methods for principals and their tokens.

use std::io;
use std::sync::Arc;

use super::handle::MockKeyVault;
use azure_emulator_core::identity::{
    CreatedPrincipal, Issuer, NewPrincipal, Principal, PrincipalError, Secret,
};

impl MockKeyVault {
    /// All principals, including the two well-known ones.
    pub fn principals(&self) -> Vec<Arc<Principal>> {
        self.app.issuer.principals()
    }

    /// Creates an application with a secret and without permissions: see [`Self::set_access_policy`].
    pub async fn add_application(&self, name: &str) -> Result<CreatedPrincipal, PrincipalError> {
        self.add_principal(NewPrincipal::application(name)?).await
    }

    /// Creates a principal, and returns when it is durable.
    pub async fn add_principal(
        &self,
        new: NewPrincipal,
    ) -> Result<CreatedPrincipal, PrincipalError> {
        self.issue(move |issuer| issuer.add_principal(new)).await
    }

    /// Removes a principal by its client id: it gets no more tokens, and its next call is refused.
    pub async fn remove_principal(&self, client_id: &str) -> Result<(), PrincipalError> {
        let client_id = client_id.to_owned();
        self.issue(move |issuer| issuer.remove_principal(&client_id)).await
    }

    /// A token for a principal, by its client id, and a resource such as `https://vault.azure.net`: like one from the issuer.
    pub fn token(&self, client_id: &str, resource: &str) -> Result<Secret, PrincipalError> {
        let issuer = &self.app.issuer;
        Ok(issuer.token_for(&*issuer.principal(client_id)?, resource)?)
    }

    async fn issue<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Issuer) -> Result<T, PrincipalError> + Send + 'static,
    ) -> Result<T, PrincipalError> {
        let issuer = Arc::clone(&self.app.issuer);
        tokio::task::spawn_blocking(move || call(&issuer)).await.map_err(io::Error::other)?
    }
}
