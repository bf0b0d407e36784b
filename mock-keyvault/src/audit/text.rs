//! The texts of clients in a record, without secrets and of a limited length.

/// Longer texts from a client are cut.
const MAX_TEXT: usize = 1024;

/// The URI of a request with only the parameters of Key Vault: any other parameter may hold a secret.
pub(crate) fn request_uri(host: &str, uri: &http::Uri) -> String {
    let known = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.as_str(), "api-version" | "maxresults" | "$skiptoken" | "%24skiptoken")
    });
    let query: Vec<&str> = known.collect();
    let mark = if query.is_empty() { "" } else { "?" };
    cut(&format!("https://{host}{}{mark}{}", uri.path(), query.join("&")))
}

/// The message of a refusal, cut before it quotes a body.
pub(crate) fn described(message: &str) -> String {
    let quotes_a_body = message.starts_with("The request body");
    let start = if quotes_a_body { message.split(':').next().unwrap_or_default() } else { message };
    cut(start)
}

/// Cuts a client's text to [`MAX_TEXT`] characters.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_keeps_only_the_parameters_of_key_vault() {
        let uri: http::Uri =
            "/keys/k?api-version=7.4&code=secret&maxresults=2&$skiptoken=abc&sig=x"
                .parse()
                .unwrap();

        let kept = request_uri("local.vault.localhost:1", &uri);

        assert_eq!(
            kept,
            "https://local.vault.localhost:1/keys/k?api-version=7.4&maxresults=2&$skiptoken=abc"
        );
        assert_eq!(request_uri("h", &"/keys".parse().unwrap()), "https://h/keys");
    }

    #[test]
    fn a_message_is_cut_before_it_quotes_a_body() {
        let message =
            "The request body is not what this operation takes: invalid type: string \"s3cret\"";

        assert_eq!(described(message), "The request body is not what this operation takes");
        assert_eq!(
            described("Invalid length of 'value': 3 bytes."),
            "Invalid length of 'value': 3 bytes."
        );
        assert_eq!(described(&"x".repeat(5000)).len(), MAX_TEXT);
    }
}
