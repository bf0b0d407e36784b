//! Checks the Azure side like a client of this shell: whether it answers under the certificates that `env` exports,
//! whether it issues tokens, and whether this shell trusts those certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use azure_emulator_core::identity::{OWNER_CLIENT_ID, TENANT, WELL_KNOWN_SECRET};
use fs_err as fs;
use reqwest::{Certificate, Client};
use url::Url;
use zeroize::Zeroizing;

use super::finding::{Check, Finding};
use crate::admin::StatusReport;
use crate::cli::client::{Emulator, install_crypto_provider};
use crate::cli::hints::{Hint, Hints};

/// The timeout of an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// The variables that name the authorities that programs trust.
const VARIABLES: [&str; 4] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

/// Whether the vault answers and tokens are issued, if only the emulator's own authority is trusted.
pub(super) async fn azure_side(
    emulator: &Emulator,
    report: &StatusReport,
    hints: &Hints,
) -> Vec<Finding> {
    let (Some(azure), Some(ca)) = (&report.azure, &report.ca) else {
        let what = format!(
            "the vault is external, at {}: the findings of the registries say whether they reach it",
            report.vault
        );
        return vec![Finding::ok(Check::Vault, what)];
    };
    let client = match client(azure, ca) {
        Ok(client) => client,
        Err(error) => {
            let what = format!("the authority in {} cannot be read", ca.display());
            return vec![Finding::wrong(Check::Trust, "caUnreadable", what).because(format!(
                "{error}; if there is no authority at the start, the emulator creates a new one"
            ))];
        }
    };
    let (vault, token) =
        tokio::join!(vault(&client, azure, hints), token(&client, azure, report, emulator));
    vec![vault, token]
}

/// A client that trusts only the certificates that `env` exports.
fn client(azure: &str, ca: &Path) -> Result<Client, Box<dyn std::error::Error>> {
    install_crypto_provider();
    let certificates = Certificate::from_pem_bundle(&fs::read(ca)?)?;
    let mut client = Client::builder().no_proxy().timeout(LIMIT).tls_certs_only(certificates);
    if let Ok(url) = Url::parse(azure)
        && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
        && let Ok(ip) = host.trim_matches(['[', ']']).parse()
    {
        // Another check tests whether the names resolve.
        client = client.resolve("login.localhost", SocketAddr::new(ip, port));
    }
    Ok(client.build()?)
}

/// Whether the vault answers. A refusal for lack of a token is an answer.
async fn vault(client: &Client, azure: &str, hints: &Hints) -> Finding {
    let answer = client.get(format!("{azure}/keys?api-version=7.4")).send().await;
    match answer {
        Ok(answer) if answer.status().is_server_error() => Finding::wrong(
            Check::Vault,
            "vaultUnreachable",
            format!("the vault at {azure} answers with {}", answer.status()),
        )
        .because("it gives this answer to every client; fault rules can cause that")
        .repaired_by(hints.line(&Hint::ClearFaults)),
        Ok(_) => {
            Finding::ok(Check::Vault, format!("{azure} answers, under the emulator's certificates"))
        }
        Err(error) => Finding::wrong(
            Check::Vault,
            "vaultUnreachable",
            format!("the vault at {azure} does not answer"),
        )
        .because(with_causes(&error.without_url()))
        .repaired_by(hints.line(&Hint::ListFaults)),
    }
}

fn read_secret(emulator: &Emulator, file: &Path) -> std::io::Result<String> {
    let elsewhere = || std::io::Error::other("its file is on the machine of the emulator");
    fs::read_to_string(emulator.secret_file(file).ok_or_else(elsewhere)?)
}

/// The form that Azure's clients for Go and Java send for a token: only they add the scopes of `OpenID` Connect.
fn form(secret: &str) -> [(&'static str, &str); 4] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", OWNER_CLIENT_ID),
        ("client_secret", secret),
        ("scope", "https://vault.azure.net/.default openid offline_access profile"),
    ]
}

/// Whether the owner gets a token, as Azure's clients would.
async fn token(
    client: &Client,
    azure: &str,
    report: &StatusReport,
    emulator: &Emulator,
) -> Finding {
    let secret = match &report.owner_secret {
        None => Zeroizing::new(WELL_KNOWN_SECRET.to_owned()),
        Some(file) => match read_secret(emulator, file) {
            Ok(secret) => Zeroizing::new(secret.trim().to_owned()),
            Err(error) => {
                let what = "the token issuer was not checked: the owner's secret cannot be read";
                return Finding::note(Check::Token, "secretUnreadable", what)
                    .because(error.to_string());
            }
        },
    };
    let form = form(&secret);
    let port = Url::parse(azure).ok().and_then(|url| url.port_or_known_default()).unwrap_or(443);
    let url = format!("https://login.localhost:{port}/{TENANT}/oauth2/v2.0/token");
    let why = match client.post(url).form(&form).send().await {
        Ok(answer) if answer.status().is_success() => {
            return Finding::ok(Check::Token, "the owner gets a token");
        }
        Ok(answer) => format!("the issuer answers {}", answer.status()),
        Err(error) => with_causes(&error.without_url()),
    };
    Finding::wrong(Check::Token, "issuerDown", "the owner gets no token").because(why)
}

/// Whether this shell trusts the emulator's certificates.
pub(super) fn shell(report: &StatusReport, hints: &Hints) -> Option<Finding> {
    report.azure.as_ref()?;
    let ca = fs::read_to_string(report.ca.as_ref()?).ok()?;
    let set = VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, PathBuf::from(std::env::var_os(name)?))))
        .collect::<Vec<_>>();
    Some(variables_finding(&ca, &set, hints))
}

fn variables_finding(ca: &str, set: &[(&str, PathBuf)], hints: &Hints) -> Finding {
    let repair = hints.line(&Hint::ExportEnv);
    if set.is_empty() {
        return Finding::note(Check::Trust, "notExported", "this shell does not trust the emulator's certificates")
            .because("clients of the vault in this shell refuse them; `run` and `az` set the trust themselves, and localhost:PORT needs no certificate")
            .repaired_by(repair);
    }
    let lacking: Vec<&str> = set
        .iter()
        .filter(|(_, file)| {
            !fs::read_to_string(file).is_ok_and(|text| contains_certificates(&text, ca))
        })
        .map(|(name, _)| *name)
        .collect();
    if lacking.is_empty() {
        return Finding::ok(Check::Trust, "this shell trusts the emulator's certificates");
    }
    let what = format!(
        "this shell names a file without the emulator's authority in {}",
        lacking.join(", ")
    );
    Finding::note(Check::Trust, "otherAuthority", what)
        .because("the file belongs to another emulator or to none, so clients refuse the certificates of this one")
        .repaired_by(repair)
}

/// Whether a file contains all certificates of another file, with any line endings.
pub(super) fn contains_certificates(bundle: &str, certificates: &str) -> bool {
    let plain = |text: &str| text.split_ascii_whitespace().collect::<String>();
    let bundle = plain(bundle);
    certificates
        .split_inclusive("-----END CERTIFICATE-----")
        .filter_map(|part| {
            part.find("-----BEGIN CERTIFICATE-----").map(|start| plain(&part[start..]))
        })
        .all(|certificate| bundle.contains(&certificate))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n";
    const OTHER: &str = "-----BEGIN CERTIFICATE-----\nWFla\n-----END CERTIFICATE-----\n";

    /// Its source: MSAL for Go appends these three scopes to each request.
    #[test]
    fn a_token_is_requested_like_azures_client_for_go() {
        let form = form("secret");

        let scope = form.iter().find(|(name, _)| *name == "scope").unwrap().1;
        assert_eq!(scope, "https://vault.azure.net/.default openid offline_access profile");
    }

    #[test]
    fn a_shell_trusts_an_authority_only_if_all_its_files_contain_it() {
        let folder = tempfile::tempdir().unwrap();
        let hints = Hints::new(Some(&"sealyard".into()), None);
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (good, bad) =
            (file("good", &format!("{OTHER}{}", ONE.replace('\n', "\r\n"))), file("bad", OTHER));
        let cause = |set: &[(&str, PathBuf)]| variables_finding(ONE, set, &hints).cause;

        assert_eq!(cause(&[]).as_deref(), Some("notExported"));
        assert_eq!(cause(&[("SSL_CERT_FILE", good.clone())]), None);
        let mixed = [("SSL_CERT_FILE", good), ("CURL_CA_BUNDLE", bad)];
        let finding = variables_finding(ONE, &mixed, &hints);
        assert_eq!(finding.cause.as_deref(), Some("otherAuthority"));
        assert!(finding.what.ends_with(" in CURL_CA_BUNDLE"), "{}", finding.what);
        assert_eq!(finding.repair.unwrap(), "eval \"$(sealyard env)\"");
        assert_eq!(
            cause(&[("SSL_CERT_FILE", folder.path().join("none"))]).as_deref(),
            Some("otherAuthority")
        );
    }
}
