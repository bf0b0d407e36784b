//! Authenticates requests, determines their permissions, and issues tokens for them.
//!
//! `acr/` calls it: for every request to a registry that requires a login, and for the token endpoints. It does not
//! know HTTP. Permissions are looked up when a token is requested or a password is used; an access token is trusted.

use std::fmt;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use zeroize::Zeroizing;

use super::access_name::AccessName;
use super::caller::{Audience, Caller};
use super::credentials::{Credentials, TokenGrant};
use super::directory::{Directory, VerifiedPrincipal};
use super::error::AccessError;
use super::jwt::TokenKey;
use super::permissions::{GrantedScopes, granted_scopes, intersection};
use super::required_access::Access;
use super::scope::Scope;
use super::{admin, password};
use crate::registry::{Error, Registry};
use crate::store::Store;

/// The user name for a client that sends a token of the registry instead of a password.
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// Authenticates callers and determines their permissions. Clones share it.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    key: TokenKey,
    directory: Arc<dyn Directory>,
    clock: Clock,
}

impl Authenticator {
    /// Opens the authenticator of a data folder. Blocks.
    pub fn open(store: &Store, directory: Arc<dyn Directory>, clock: Clock) -> Result<Self, Error> {
        let key = TokenKey::open(store)?;
        Ok(Self(Arc::new(Inner { key, directory, clock })))
    }

    /// The permissions of a request to a registry that requires a login, limited to these scopes.
    pub async fn authorize(
        &self,
        registry: &Registry,
        credentials: Credentials,
        scopes: Vec<Scope>,
    ) -> Result<Access, AccessError> {
        self.run_blocking(registry, move |this, registry| match credentials {
            Credentials::None => Err(AccessError::LoginRequired),
            Credentials::Bearer(token) => {
                let now = this.clock.unix_now();
                Ok(Access::Granted(this.key.verify_access(&token, &registry.audience(), now)?))
            }
            Credentials::Basic { user, password } => {
                if user == TOKEN_USER {
                    let now = this.clock.unix_now();
                    if let Ok(granted) =
                        this.key.verify_access(&password, &registry.audience(), now)
                    {
                        return Ok(Access::Granted(granted));
                    }
                }
                let caller = this.caller(registry, &user, &password)?;
                Ok(Access::Granted(this.granted(registry, &caller, &scopes)?.scopes))
            }
        })
        .await
    }

    /// An access token for the allowed part of these scopes. `service` is the client's name for the registry.
    pub async fn access_token(
        &self,
        registry: &Registry,
        service: String,
        grant: TokenGrant,
        scopes: Vec<Scope>,
    ) -> Result<Zeroizing<String>, AccessError> {
        self.run_blocking(registry, move |this, registry| {
            let now = this.clock.unix_now();
            let caller = match &grant {
                // An open registry ignores any login that a client still has.
                _ if registry.is_open() => Caller::Anyone,
                TokenGrant::None => Caller::Anyone,
                TokenGrant::Password { user, password } => {
                    // An access token from a login, sent as a password, gives the same permissions again.
                    let audience = registry.audience();
                    if user == TOKEN_USER
                        && let Ok(granted) = this.key.verify_access(password, &audience, now)
                    {
                        let granted = intersection(&granted, &scopes);
                        return this.issue(&audience, &service, &Caller::Anyone, &granted, &scopes);
                    }
                    this.caller(registry, user, password)?
                }
                TokenGrant::Refresh(token) => this.refresh_token_caller(registry, token)?,
            };
            let GrantedScopes { scopes: granted, is_open } =
                this.granted(registry, &caller, &scopes)?;
            // The registry may have been closed since: a token for everything must not outlive that.
            let audience = Audience { open: is_open, ..registry.audience() };
            this.issue(&audience, &service, &caller, &granted, &scopes)
        })
        .await
    }

    /// A refresh token for the principal of a Microsoft Entra access token.
    pub async fn exchange(
        &self,
        registry: &Registry,
        service: String,
        entra_token: Zeroizing<String>,
    ) -> Result<Zeroizing<String>, AccessError> {
        self.run_blocking(registry, move |this, registry| {
            let VerifiedPrincipal { client_id, object_id } =
                this.directory.verify_token(&entra_token).map_err(AccessError::Entra)?;
            let caller = Caller::Principal { client_id, object_id };
            let now = this.clock.unix_now();
            Ok(this.key.refresh_token(&registry.audience(), &service, &caller, now)?)
        })
        .await
    }

    async fn run_blocking<T: Send + 'static>(
        &self,
        registry: &Registry,
        work: impl FnOnce(&Inner, &Registry) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let (this, registry) = (Arc::clone(&self.0), registry.clone());
        tokio::task::spawn_blocking(move || work(&this, &registry)).await.map_err(Error::from)?
    }
}

impl Registry {
    /// The audience of its tokens.
    fn audience(&self) -> Audience {
        let profile = self.profile();
        Audience { name: self.name().to_owned(), id: profile.id.clone(), open: profile.anonymous }
    }
}

impl Inner {
    /// The caller with this name and this password.
    fn caller(&self, registry: &Registry, user: &str, given: &str) -> Result<Caller, AccessError> {
        let parts = &registry.0;
        if user == TOKEN_USER {
            return self.refresh_token_caller(registry, given);
        }
        if user.eq_ignore_ascii_case(registry.name()) {
            if !admin::settings(parts)?.admin_enabled {
                return Err(AccessError::AdminDisabled);
            }
            let right = admin::is_password(parts, given)?;
            return if right { Ok(Caller::Admin) } else { Err(AccessError::WrongPassword) };
        }
        if let Ok(name) = user.parse::<AccessName>()
            && let Some(row) = parts.store.login_token(&parts.name, name.as_str())?
        {
            let now = self.clock.unix_now();
            let mut proven = None;
            // Both are compared, so that the time does not reveal the right one.
            for row in row.passwords.iter().flatten() {
                if password::is_password_of(row, given) {
                    proven = Some(row.expiry.is_none_or(|expiry| now < expiry));
                }
            }
            return match proven {
                None => Err(AccessError::WrongPassword),
                Some(false) => Err(AccessError::PasswordExpired(name.to_string())),
                Some(true) if !row.enabled => Err(AccessError::TokenDisabled(name.to_string())),
                Some(true) => Ok(Caller::Token(name.to_string())),
            };
        }
        match self.directory.verify_secret(user, given) {
            Some(VerifiedPrincipal { client_id, object_id }) => {
                Ok(Caller::Principal { client_id, object_id })
            }
            None => Err(AccessError::WrongPassword),
        }
    }

    /// The caller of this refresh token.
    fn refresh_token_caller(
        &self,
        registry: &Registry,
        token: &str,
    ) -> Result<Caller, AccessError> {
        Ok(self.key.verify_refresh(token, &registry.audience(), self.clock.unix_now())?)
    }

    /// The allowed part of these scopes.
    fn granted(
        &self,
        registry: &Registry,
        caller: &Caller,
        scopes: &[Scope],
    ) -> Result<GrantedScopes, AccessError> {
        granted_scopes(&*self.directory, registry, caller, scopes)
    }

    /// Issues a token, unless scopes were requested and none is allowed.
    fn issue(
        &self,
        audience: &Audience,
        service: &str,
        caller: &Caller,
        granted: &[Scope],
        requested: &[Scope],
    ) -> Result<Zeroizing<String>, AccessError> {
        if granted.is_empty() && !requested.is_empty() {
            return Err(AccessError::NothingGranted);
        }
        let now = self.clock.unix_now();
        Ok(self.key.access_token(audience, service, caller, granted, now)?)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}
