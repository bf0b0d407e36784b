//! The paths of Graph, whose version may be `v1.0` or `beta`. Letter case does not matter.

use percent_encoding::percent_decode_str;

use super::error::GraphError;

/// The object or list that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The signed-in user, if the caller is a user.
    Me,
    ServicePrincipals,
    /// By object id.
    ServicePrincipal(String),
    /// By application id.
    ServicePrincipalOf(String),
    Applications,
    /// Users and groups, of which there are none.
    Nobody,
    /// An object of any kind, by its id.
    Object(String),
    /// Objects of any kind, by their ids.
    ByIds,
}

impl Target {
    pub(super) fn parse(path: &str) -> Result<Self, GraphError> {
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
        let folded: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
        let last = || parts.last().map(|last| (*last).to_owned()).unwrap_or_default();
        let unknown = || GraphError::NoSegment(last().chars().take(256).collect());
        let ["v1.0" | "beta", rest @ ..] = folded.as_slice() else { return Err(unknown()) };
        match rest {
            ["me"] => Ok(Self::Me),
            ["serviceprincipals"] => Ok(Self::ServicePrincipals),
            ["serviceprincipals", _] => Ok(Self::ServicePrincipal(last())),
            [by_app_id] => match by_app_id
                .strip_prefix("serviceprincipals(appid='")
                .and_then(|rest| rest.strip_suffix("')"))
            {
                Some(app_id) => Ok(Self::ServicePrincipalOf(app_id.to_owned())),
                None => match *by_app_id {
                    "applications" => Ok(Self::Applications),
                    "users" | "groups" => Ok(Self::Nobody),
                    _ => Err(unknown()),
                },
            },
            ["directoryobjects", "getbyids" | "microsoft.graph.getbyids"] => Ok(Self::ByIds),
            ["directoryobjects" | "users" | "groups", _] => Ok(Self::Object(last())),
            _ => Err(unknown()),
        }
    }

    /// Whether Azure's Graph accepts writes here.
    pub(super) fn is_written_in_graph(&self) -> bool {
        match self {
            Self::ServicePrincipals
            | Self::ServicePrincipal(_)
            | Self::ServicePrincipalOf(_)
            | Self::Applications
            | Self::Nobody
            | Self::Object(_) => true,
            Self::Me | Self::ByIds => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read_in_any_case() {
        for (path, target) in [
            ("/v1.0/me", Target::Me),
            ("//V1.0/ServicePrincipals/", Target::ServicePrincipals),
            ("/v1.0/servicePrincipals/A", Target::ServicePrincipal("A".into())),
            ("/v1.0/servicePrincipals(appId='a')", Target::ServicePrincipalOf("a".into())),
            ("/v1.0/servicePrincipals%28appId=%27a%27%29", Target::ServicePrincipalOf("a".into())),
            ("/beta/applications", Target::Applications),
            ("/v1.0/users", Target::Nobody),
            ("/v1.0/directoryObjects/A", Target::Object("A".into())),
            ("/v1.0/directoryObjects/getByIds", Target::ByIds),
        ] {
            assert_eq!(Target::parse(path).unwrap(), target, "{path}");
        }
        for path in ["/", "/v2.0/me", "/v1.0", "/v1.0/me/memberOf", "/v1.0/sites"] {
            assert!(Target::parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,40}") {
            let _ = Target::parse(&path);
        }
    }
}
