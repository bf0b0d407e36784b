//! `GET /metadata/endpoints`: the description of this cloud that a client needs before sign-in.
//!
//! `az cloud register` reads it. Under the public name it describes the public cloud, whose names lead to the emulator;
//! under any other host it describes a cloud of local names, with the port that the client used.

use axum::response::Response;
use azure_emulator_core::authority::Authority;
use azure_emulator_core::identity::TENANT;
use serde_json::{Value, json};

use super::error::ArmError;
use super::reply;

/// The name of the public control plane.
const PUBLIC: &str = "management.azure.com";

/// The endpoints, for a client that used this host.
pub(super) fn get(host: &str) -> Result<Response, ArmError> {
    Ok(reply::json(document(host)?))
}

/// The same, as the template function `environment` shows it: there the suffixes begin with a dot.
pub(super) fn environment(host: &str) -> Result<Value, ArmError> {
    let mut environment = document(host)?;
    let suffixes = &environment["suffixes"];
    let dotted = |name: &str| format!(".{}", suffixes[name].as_str().unwrap_or_default());
    environment["suffixes"] =
        json!({ "acrLoginServer": dotted("acrLoginServer"), "keyvaultDns": dotted("keyVaultDns") });
    Ok(environment)
}

fn document(host: &str) -> Result<Value, ArmError> {
    let authority: Authority = host.parse().map_err(|_| ArmError::Host(host.to_owned()))?;
    Ok(if authority.name() == PUBLIC { public() } else { local(authority.port()) })
}

/// Azure's own description, as far as it is emulated.
fn public() -> Value {
    json!({
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.com",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": "https://management.azure.com/",
        "graphAudience": "https://graph.microsoft.com/",
        "graph": "https://graph.microsoft.com/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "suffixes": { "keyVaultDns": "vault.azure.net", "acrLoginServer": "azurecr.io" },
    })
}

/// Names under `localhost`. Other services that `az` looks for lead to the same control plane, which refuses them.
fn local(port: Option<u16>) -> Value {
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let management = format!("https://management.localhost{port}");
    let graph = format!("https://graph.localhost{port}");
    json!({
        "name": "Sealyard",
        "portal": management,
        "authentication": {
            "loginEndpoint": format!("https://login.localhost{port}"),
            "audiences": [management],
            "tenant": TENANT,
            "identityProvider": "AAD",
        },
        "resourceManager": management,
        "graphAudience": graph,
        "graph": graph,
        "microsoftGraphResourceId": graph,
        "gallery": management,
        "batch": management,
        "media": management,
        "sqlManagement": management,
        "suffixes": {
            "keyVaultDns": format!("vault.localhost{port}"),
            "acrLoginServer": format!("azurecr.localhost{port}"),
            "storage": format!("storage.localhost{port}"),
        },
    })
}
