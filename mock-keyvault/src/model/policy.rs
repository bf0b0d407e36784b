//! Access policies: the permissions of one identity on the keys of a vault.
//!
//! Called by the vault before each operation. An identity is its object id, as in Azure; an absent policy and a policy without the
//! permission are refused with different inner codes. A vault of the role-based model ignores access policies.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use azure_emulator_core::identity::TENANT;

use super::permission::KeyPermission;

/// Why an access policy is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No permission on keys has this name.
    #[error("'{0}' is not a permission on keys")]
    Permission(String),
    /// A list of permissions is too long, or contains an invalid entry.
    #[error("the permissions on {0} are not a list of permissions")]
    List(&'static str),
    /// The identity is not an object id.
    #[error("'{0}' is not an object id")]
    ObjectId(String),
}

/// The permissions of one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPolicy {
    /// The tenant of the identity.
    pub(crate) tenant_id: String,
    /// The object id of the identity.
    pub(crate) object_id: String,
    /// Set if the policy only applies to calls that come through this application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) application_id: Option<String>,
    /// As the client wrote them.
    keys: Vec<String>,
    /// Stored and shown without effect, like the next two.
    pub(crate) secrets: Option<Vec<String>>,
    pub(crate) certificates: Option<Vec<String>>,
    pub(crate) storage: Option<Vec<String>>,
}

/// The lists of an access policy, as the client sent them.
#[derive(Clone, Debug, Default)]
pub(crate) struct PermissionLists {
    pub(crate) keys: Vec<String>,
    pub(crate) secrets: Option<Vec<String>>,
    pub(crate) certificates: Option<Vec<String>>,
    pub(crate) storage: Option<Vec<String>>,
}

/// The longest list; there are fewer permissions of every kind.
const MAX_PERMISSIONS: usize = 24;
/// The longest name; the name of every permission is shorter.
const MAX_PERMISSION_LEN: usize = 24;
/// Every permission at once. That it includes `purge` is our reading: Azure's documents do not say it.
const EVERYTHING: &str = "all";

impl AccessPolicy {
    /// Creates a policy of an identity with these permissions on keys.
    pub fn new(object_id: &str, permissions: &[KeyPermission]) -> Self {
        let permissions: BTreeSet<KeyPermission> = permissions.iter().copied().collect();
        Self {
            tenant_id: TENANT.to_owned(),
            object_id: object_id.to_ascii_lowercase(),
            application_id: None,
            keys: permissions.into_iter().map(|permission| permission.to_string()).collect(),
            secrets: None,
            certificates: None,
            storage: None,
        }
    }

    /// Creates a policy that permits an identity everything, including the resources that are not emulated here.
    pub(crate) fn everything(object_id: &str) -> Self {
        let everything = || vec![EVERYTHING.to_owned()];
        Self {
            keys: everything(),
            secrets: Some(everything()),
            certificates: Some(everything()),
            storage: Some(everything()),
            ..Self::new(object_id, &[])
        }
    }

    /// Parses the policy in a request.
    pub(crate) fn parse(
        tenant_id: String,
        object_id: &str,
        application_id: Option<String>,
        lists: PermissionLists,
    ) -> Result<Self, PolicyError> {
        let is_id = |text: &str| uuid::Uuid::parse_str(text).is_ok();
        if !is_id(object_id) || application_id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(PolicyError::ObjectId(object_id.chars().take(64).collect()));
        }
        let known = |text: &String| {
            text.eq_ignore_ascii_case(EVERYTHING) || KeyPermission::parse(text).is_some()
        };
        if let Some(unknown) = lists.keys.iter().find(|text| !known(text)) {
            return Err(PolicyError::Permission(unknown.chars().take(64).collect()));
        }
        for (kind, list) in [
            ("keys", Some(&lists.keys)),
            ("secrets", lists.secrets.as_ref()),
            ("certificates", lists.certificates.as_ref()),
            ("storage", lists.storage.as_ref()),
        ] {
            let is_list = |list: &Vec<String>| {
                list.len() <= MAX_PERMISSIONS
                    && list.iter().all(|text| {
                        text.len() <= MAX_PERMISSION_LEN
                            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    })
            };
            if list.is_some_and(|list| !is_list(list)) {
                return Err(PolicyError::List(kind));
            }
        }
        Ok(Self {
            tenant_id,
            object_id: object_id.to_ascii_lowercase(),
            application_id: application_id.map(|id| id.to_ascii_lowercase()),
            keys: lists.keys,
            secrets: lists.secrets,
            certificates: lists.certificates,
            storage: lists.storage,
        })
    }

    /// The policy in an older folder: an identity and its permissions.
    pub(crate) fn from_old_row(object_id: &str, keys: Vec<String>) -> Self {
        Self { keys, ..Self::new(object_id, &[]) }
    }

    /// Whether the policy includes the permission.
    pub fn allows(&self, permission: KeyPermission) -> bool {
        self.keys.iter().any(|text| {
            text.eq_ignore_ascii_case(EVERYTHING) || text.eq_ignore_ascii_case(permission.as_str())
        })
    }

    /// Whether the policy applies to a caller.
    pub(crate) fn is_for(&self, object_id: &str, app_id: &str) -> bool {
        self.tenant_id.eq_ignore_ascii_case(TENANT)
            && self.object_id.eq_ignore_ascii_case(object_id)
            && self.application_id.as_ref().is_none_or(|id| id.eq_ignore_ascii_case(app_id))
    }

    /// Whether both policies are for the same identity.
    pub(crate) fn is_of_the_same(&self, other: &Self) -> bool {
        self.object_id == other.object_id
            && self.application_id == other.application_id
            && self.tenant_id.eq_ignore_ascii_case(&other.tenant_id)
    }

    /// The permissions on keys, as the client wrote them.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Adds the permissions of another policy of the same identity.
    pub(crate) fn merge(&mut self, other: &Self) {
        add(&mut self.keys, &other.keys);
        for (own, other) in [
            (&mut self.secrets, &other.secrets),
            (&mut self.certificates, &other.certificates),
            (&mut self.storage, &other.storage),
        ] {
            if let Some(other) = other {
                add(own.get_or_insert_default(), other);
            }
        }
    }

    /// Removes the permissions that another policy of the same identity names.
    pub(crate) fn subtract(&mut self, other: &Self) {
        let is_all = |text: &String| text.eq_ignore_ascii_case(EVERYTHING);
        let take = |own: &mut Vec<String>, other: &[String]| {
            let all = other.iter().any(is_all);
            own.retain(|text| !all && !other.iter().any(|taken| taken.eq_ignore_ascii_case(text)));
        };
        // A permission that is removed from `all` leaves the other ones.
        if !other.keys.is_empty() && self.keys.iter().any(is_all) {
            self.keys = KeyPermission::ALL.iter().map(ToString::to_string).collect();
        }
        take(&mut self.keys, &other.keys);
        for (own, other) in [
            (&mut self.secrets, &other.secrets),
            (&mut self.certificates, &other.certificates),
            (&mut self.storage, &other.storage),
        ] {
            if let (Some(own), Some(other)) = (own, other) {
                take(own, other);
            }
        }
    }

    /// Whether the policy permits nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        let none = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
        self.keys.is_empty()
            && none(&self.secrets)
            && none(&self.certificates)
            && none(&self.storage)
    }
}

fn add(own: &mut Vec<String>, other: &[String]) {
    for text in other {
        if !own.iter().any(|had| had.eq_ignore_ascii_case(text)) {
            own.push(text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-0000-4000-8000-000000000001";

    fn parsed(keys: &[&str]) -> Result<AccessPolicy, PolicyError> {
        let keys = keys.iter().map(|text| (*text).to_owned()).collect();
        let lists = PermissionLists { keys, ..PermissionLists::default() };
        AccessPolicy::parse(TENANT.to_owned(), ID, None, lists)
    }

    #[test]
    fn permissions_are_parsed_in_any_case_and_all_means_all() {
        let some = parsed(&["Get", "WRAPKEY", "GetRotationPolicy"]).unwrap();
        let all = parsed(&["all"]).unwrap();

        assert!(some.allows(KeyPermission::WrapKey));
        assert!(some.allows(KeyPermission::GetRotationPolicy));
        assert!(!some.allows(KeyPermission::UnwrapKey));
        assert!(KeyPermission::ALL.iter().all(|permission| all.allows(*permission)));
        assert_eq!(parsed(&["fly"]), Err(PolicyError::Permission("fly".into())));
    }

    #[test]
    fn policies_are_merged_and_subtracted_without_regard_to_case() {
        let mut policy = parsed(&["get", "wrapKey"]).unwrap();

        policy.merge(&parsed(&["Get", "unwrapKey"]).unwrap());
        assert_eq!(policy.keys(), ["get", "wrapKey", "unwrapKey"]);
        policy.subtract(&parsed(&["GET", "wrapkey", "unwrapkey"]).unwrap());

        assert!(policy.is_empty());
    }

    #[test]
    fn a_permission_can_be_removed_from_all_and_all_removes_everything() {
        let mut everything = parsed(&["all"]).unwrap();
        let mut some = parsed(&["get", "wrapKey"]).unwrap();

        everything.subtract(&parsed(&["purge"]).unwrap());
        some.subtract(&parsed(&["All"]).unwrap());

        assert!(!everything.allows(KeyPermission::Purge));
        assert!(everything.allows(KeyPermission::UnwrapKey));
        assert!(some.is_empty());
    }

    #[test]
    fn a_policy_through_an_application_only_applies_to_that_application() {
        let lists = PermissionLists { keys: vec!["get".into()], ..PermissionLists::default() };
        let policy = AccessPolicy::parse(TENANT.into(), ID, Some(ID.into()), lists).unwrap();

        assert!(policy.is_for(ID, ID));
        assert!(!policy.is_for(ID, "other"));
    }
}
