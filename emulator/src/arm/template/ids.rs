//! Builds the ids of resources from types and names, and splits ids into parts.

/// The id of a resource in a scope: `scope/providers/Namespace/type/name/type/name`. `None` unless there is one name
/// for each segment of the type after the namespace.
pub(super) fn id_under(scope: &str, kind: &str, names: &[&str]) -> Option<String> {
    let mut segments = kind.split('/');
    let namespace = segments.next().filter(|segment| !segment.is_empty())?;
    let types: Vec<&str> = segments.collect();
    if types.is_empty() || types.len() != names.len() {
        return None;
    }
    let mut id = format!("{}/providers/{namespace}", scope.trim_end_matches('/'));
    for segment in types.iter().zip(names).flat_map(|(kind, name)| [*kind, *name]) {
        if segment.is_empty() {
            return None;
        }
        id.push('/');
        id.push_str(segment);
    }
    Some(id)
}

/// The form of an id, name or type that is used for comparison: lower case, without slashes at the end.
pub(super) fn normalized(text: &str) -> String {
    text.trim_end_matches('/').to_lowercase()
}

/// Whether two ids, names or types are the same; letter case is ignored.
pub(super) fn same(left: &str, right: &str) -> bool {
    normalized(left) == normalized(right)
}

/// The resource group in an id.
pub(super) fn group_of(id: &str) -> Option<&str> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    segments.find(|segment| segment.eq_ignore_ascii_case("resourcegroups"))?;
    segments.next()
}

/// The subscription in an id.
pub(super) fn subscription_of(id: &str) -> Option<&str> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    segments.next().filter(|segment| segment.eq_ignore_ascii_case("subscriptions"))?;
    segments.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_a_type_and_as_many_names() {
        assert_eq!(id_under("/s", "N/a", &["x"]).as_deref(), Some("/s/providers/N/a/x"));
        assert_eq!(
            id_under("/s/", "N/a/b", &["x", "y"]).as_deref(),
            Some("/s/providers/N/a/x/b/y")
        );
        assert_eq!(id_under("", "N/a", &["x"]).as_deref(), Some("/providers/N/a/x"));
        for (kind, names) in [
            ("N", &[] as &[&str]),
            ("N/a", &[]),
            ("N/a", &["x", "y"]),
            ("", &[]),
            ("/a", &["x"]),
            ("N/a", &[""]),
        ] {
            assert_eq!(id_under("/s", kind, names), None, "{kind} {names:?}");
        }
    }

    #[test]
    fn an_id_names_its_subscription_and_group_in_any_letter_case() {
        assert_eq!(group_of("/subscriptions/s/resourcegroups/G/x"), Some("G"));
        assert_eq!(group_of("/subscriptions/s"), None);
        assert_eq!(subscription_of("/Subscriptions/s"), Some("s"));
        assert_eq!(subscription_of("/providers/x"), None);
        assert!(same("/A/b/", "/a/B"));
    }
}
