//! Parts of texts that several commands print.

use super::hints::{Hint, Hints};
use super::output::to_the_second;
use crate::admin::{StatusReport, UnfinishedReport};
use crate::keys::{Cause, State};

/// The data folder, and how to remove the data.
pub(super) fn describe_data(report: &StatusReport, hints: &Hints) -> String {
    let folder = report.data_dir.display();
    if report.ephemeral {
        return format!("{folder}, which is removed at exit");
    }
    format!("{folder}; `{}` removes all content", hints.line(&Hint::Reset))
}

/// A state and its cause, in the form that every command prints.
pub(super) fn describe_state(state: State, cause: Option<Cause>) -> String {
    match cause {
        Some(cause) => format!("{state} ({cause})"),
        None => state.to_string(),
    }
}

/// The setting that docker needs for a registry that is not on the loopback. Docker accepts plain HTTP only from the
/// loopback, and its daemon does not use the certificates of a shell.
pub(super) fn insecure_registries(login_server: &str) -> Option<String> {
    let is_needed = !is_on_loopback(&format!("http://{login_server}"));
    is_needed.then(|| {
        format!(
            "docker needs \"insecure-registries\": [\"{login_server}\"] in /etc/docker/daemon.json"
        )
    })
}

/// A line about an interrupted operation.
pub(super) fn unfinished(one: &UnfinishedReport) -> String {
    let subject =
        one.subject.as_deref().map_or_else(String::new, |subject| format!(" of {subject}"));
    let error = one
        .error
        .as_deref()
        .map_or_else(|| "continues now".to_owned(), |error| format!("is tried again: {error}"));
    format!("{}{subject}, begun {}, {error}", one.operation, to_the_second(one.begun))
}

/// Whether a URL is on the loopback of this machine.
fn is_on_loopback(url: &str) -> bool {
    let Ok(url) = url.parse::<url::Url>() else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_many_names_and_no_other_host_has_one_of_them() {
        for (url, is) in [
            ("https://127.0.0.1:8443", true),
            ("https://login.localhost:8443", true),
            ("https://[::1]:8443", true),
            ("https://192.0.2.1:8443", false),
            ("https://localhost.evil.test", false),
        ] {
            assert_eq!(is_on_loopback(url), is, "{url}");
        }
    }
}
