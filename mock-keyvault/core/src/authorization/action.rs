//! Actions, and patterns of them, such as `Microsoft.KeyVault/vaults/*/read`.
//!
//! Called by the role definitions. A star stands for any text, slashes included; letter case does not matter.

/// The action to decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// An action of the control plane, such as `Microsoft.KeyVault/vaults/write`.
    Control(&'a str),
    /// An action of a data plane, such as `Microsoft.KeyVault/vaults/keys/wrap/action`.
    Data(&'a str),
}

/// Whether a pattern matches an action. The time is at most the product of both lengths.
pub fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last star was, and how far the action had come there.
    let mut star: Option<(usize, usize)> = None;
    while seen < action.len() {
        match (pattern.get(at), action.get(seen)) {
            (Some(b'*'), _) => {
                star = Some((at, seen));
                at += 1;
            }
            (Some(wanted), Some(found)) if wanted.eq_ignore_ascii_case(found) => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                // The star matches one byte more, and the rest of the pattern is tried again.
                Some((star_at, star_seen)) => {
                    star = Some((star_at, star_seen + 1));
                    at = star_at + 1;
                    seen = star_seen + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_case_does_not_matter() {
        for (pattern, action) in [
            ("*", ""),
            ("*", "Microsoft.KeyVault/vaults/write"),
            ("*/read", "Microsoft.KeyVault/vaults/keys/read"),
            ("Microsoft.KeyVault/vaults/*", "microsoft.keyvault/VAULTS/keys/wrap/action"),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write"),
            ("a*b*c", "a-b-b-c"),
            ("", ""),
        ] {
            assert!(matches(pattern, action), "{pattern} {action}");
        }
        for (pattern, action) in [
            ("", "a"),
            ("*/read", "Microsoft.KeyVault/vaults/write"),
            ("Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/read/x"),
            ("Microsoft.KeyVault/vaults/*", "Microsoft.KeyVault/vaults"),
            ("a*b*c", "a-c-b"),
        ] {
            assert!(!matches(pattern, action), "{pattern} {action}");
        }
    }

    /// The plain definition, exponential and obvious.
    fn plain(pattern: &[u8], action: &[u8]) -> bool {
        match (pattern.split_first(), action.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                plain(rest, action)
                    || action.split_first().is_some_and(|(_, after)| plain(pattern, after))
            }
            (Some((wanted, rest)), Some((found, after))) => {
                wanted.eq_ignore_ascii_case(found) && plain(rest, after)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_plain_definition(pattern in "[ab*]{0,7}", action in "[abAB]{0,9}") {
            prop_assert_eq!(
                matches(&pattern, &action),
                plain(pattern.as_bytes(), action.as_bytes())
            );
        }

        #[test]
        fn a_text_matches_after_a_star_replaces_a_part_of_it(a in ".{0,8}", b in ".{0,8}", c in ".{0,8}") {
            let (pattern, action) = (format!("{a}*{c}"), format!("{a}{b}{c}"));
            prop_assume!(!a.contains('*') && !c.contains('*'));
            prop_assert!(matches(&pattern, &action));
        }
    }
}
