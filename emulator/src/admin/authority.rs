//! Serves the certificates that clients have to trust, for clients that cannot read the emulator's files.
//!
//! A client in another container, or on another machine, cannot open the path that `status` reports. The route needs no
//! token, because certificates are public. It never serves a private key, even if the file contains one.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use super::error::AdminError;
use crate::app::App;

/// The path below [`PREFIX`](super::PREFIX).
pub const CA_PATH: &str = "/ca.pem";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// `GET /_sealyard/ca.pem`.
pub(super) async fn certificates(State(app): State<App>) -> Result<Response, AdminError> {
    let path = app.endpoints.ca().to_owned();
    let text = tokio::fs::read_to_string(&path).await.map_err(|error| {
        tracing::error!(path = %path.display(), %error, "cannot read the certificate authority");
        let message = "cannot read the certificate authority of this emulator; its log says why";
        AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", message)
    })?;
    let headers = [(header::CONTENT_TYPE, "application/x-pem-file")];
    Ok((headers, only_certificates(&text)).into_response())
}

/// The certificates of a PEM file, without its other content.
fn only_certificates(pem: &str) -> String {
    let mut found = String::new();
    for section in pem.split_inclusive(END) {
        if let (Some(begin), true) = (section.rfind(BEGIN), section.ends_with(END)) {
            found.push_str(&section[begin..]);
            found.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_in_the_authority_file_is_never_served() {
        let one = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----";
        let two = "-----BEGIN CERTIFICATE-----\r\nREVG\r\n-----END CERTIFICATE-----";
        let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----";
        let file = format!("# a comment\n{key}\n{one}\n{key}\n{two}\r\n{key}\n");

        assert_eq!(only_certificates(&file), format!("{one}\n{two}\n"));
        assert_eq!(only_certificates(key), "");
        assert_eq!(only_certificates("-----BEGIN CERTIFICATE-----\nQUJD\n"), "");
    }
}
