//! The client of a registry's own API, signed in as the owner.
//!
//! The port of `local` serves all registries by their host names, so one address is enough, also on another machine.

use azure_emulator_core::identity::OWNER_CLIENT_ID;
use http::header::{ACCEPT, HOST, LINK};
use reqwest::{Method, Response};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::admin::{AccessReport, ErrorReport};
use crate::cli::client::{Emulator, segment};
use crate::cli::error::CliError;
use crate::cli::password;
use crate::keys::{Cause, State};
use crate::registry::RegistryName;

/// The number of entries on a page.
const PAGE: usize = 500;

/// One registry.
pub(super) struct Content<'a> {
    emulator: &'a Emulator,
    registry: &'a str,
    login: Option<(String, Zeroizing<String>)>,
}

impl<'a> Content<'a> {
    /// The registry of this name. If it has logins, requests use the owner's login.
    pub(super) async fn open(emulator: &'a Emulator, registry: &'a str) -> Result<Self, CliError> {
        let path = format!("/registries/{}/access", segment(registry));
        let access: AccessReport = emulator.get(&path, &[]).await?;
        let report = emulator.status().await?;
        let login = if !access.open {
            let secret = password::owner_secret(emulator, &report)?;
            Some((OWNER_CLIENT_ID.to_owned(), secret))
        } else if report.password.is_some() {
            let password = password::client_password(emulator, &report)?;
            Some(("sealyard".to_owned(), password))
        } else {
            None
        };
        Ok(Self { emulator, registry, login })
    }

    /// Gets a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        accept: &str,
    ) -> Result<T, CliError> {
        let response = self.send(Method::GET, path, &[], accept).await?;
        self.read(response).await
    }

    /// Gets all entries of a list, page by page. `last` returns the entry after which the next page begins.
    pub(super) async fn all(
        &self,
        path: &str,
        field: &str,
        last: impl Fn(&Value) -> Option<&str>,
    ) -> Result<Vec<Value>, CliError> {
        let mut entries: Vec<Value> = Vec::new();
        loop {
            let after = entries.last().and_then(&last).map(str::to_owned);
            let count = PAGE.to_string();
            let mut query = vec![("n", count.as_str())];
            query.extend(after.as_deref().map(|after| ("last", after)));
            let response = self.send(Method::GET, path, &query, "application/json").await?;
            let has_more = response.headers().contains_key(LINK);
            let mut page: Value = self.read(response).await?;
            let Value::Array(page) = page[field].take() else { return Ok(entries) };
            let is_empty = page.is_empty();
            entries.extend(page);
            if !has_more || is_empty {
                return Ok(entries);
            }
        }
    }

    /// Deletes something. Returns the registry's report of the deletion, if there is one.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, CliError> {
        let response = self.send(Method::DELETE, path, &[], "application/json").await?;
        let body = response.bytes().await.unwrap_or_default();
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        accept: &str,
    ) -> Result<Response, CliError> {
        let mut request = self.emulator.to_registries(method, path, query);
        request = request.header(ACCEPT, accept);
        if self.registry != RegistryName::LOCAL {
            request = request.header(HOST, format!("{}.azurecr.localhost", self.registry));
        }
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.as_str()));
        }
        let response = self.emulator.answer(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<Value>(&body) {
            Ok(body) if body["errors"][0]["message"].is_string() => {
                Err(CliError::Answer(report(&body["errors"][0], self.registry)))
            }
            _ => Err(CliError::NotAnEmulator { url: self.emulator.url().to_owned(), status }),
        }
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, CliError> {
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| CliError::ConnectionLost(Some(error.without_url())))?;
        serde_json::from_slice(&body)
            .map_err(|_| CliError::NotAnEmulator { url: self.emulator.url().to_owned(), status })
    }
}

/// Converts an error of a registry to an error of the command line. A refusal because of the key includes the state's cause.
fn report(error: &Value, registry: &str) -> ErrorReport {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    // Damaged content has a cause, too, but not one of a key.
    let cause = Cause::deserialize(&error["detail"]["cause"]).ok();
    ErrorReport {
        code: text(&error["code"]).unwrap_or_default(),
        message: text(&error["message"]).unwrap_or_default(),
        state: State::deserialize(&error["detail"]["state"])
            .ok()
            .or(cause.map(|_| State::Unavailable)),
        cause,
        registry: Some(registry.to_owned()),
    }
}
