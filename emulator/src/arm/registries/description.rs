//! Reads a registry's description from a body: a new registry, or changes to an existing one.
//!
//! Called by the handlers of a registry. A PUT describes the whole registry: it removes identities and tags that it
//! does not list. Other omitted properties stay, above all the key. A PATCH changes the properties it names; its list
//! of identities adds to the existing ones, and `null` in it removes one.

use serde_json::Value;

use super::properties;
use crate::arm::body::{self, Fields};
use crate::arm::error::{ArmError, Refusal};
use crate::keys::KeyId;
use crate::registry::{
    AccessSettings, Change, Encryption, IdentityRef, IdentityResource, KeyChange, Location,
    NewRegistry, Profile, RegistryName, ResourceGroup, Sku, Tags, Update,
};

/// How a description is applied to a registry that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpdateMode {
    /// It describes the whole registry: PUT.
    Replace,
    /// It names only changes: PATCH.
    Patch,
}

/// A description of a registry.
#[derive(Clone, Debug)]
pub(super) struct Description {
    location: Option<Location>,
    tags: Option<Tags>,
    sku: Option<Sku>,
    identity: Option<Identities>,
    admin_enabled: Option<bool>,
    anonymous_pull: Option<bool>,
    content_trust: Option<bool>,
    no_bypass: Option<bool>,
    encryption: Option<KeyDescription>,
}

/// The identities in a description.
#[derive(Clone, Debug)]
struct Identities {
    kind: String,
    /// The listed identities, and whether each should be assigned. `None`: there is no list.
    listed: Option<Vec<(IdentityResource, bool)>>,
}

/// The key in a description.
#[derive(Clone, Debug)]
enum KeyDescription {
    /// It has none.
    Disabled,
    /// It has one.
    Enabled { key: Option<KeyId>, key_identity: Option<IdentityRef> },
}

impl Description {
    /// Reads a body.
    pub(super) fn read(body: &Value) -> Result<Self, ArmError> {
        let fields = Fields::new(body)?;
        let properties = fields.object("properties")?;
        properties::check(body)?;
        let trust = properties.object("policies")?.object("trustPolicy")?;
        let has_tags = !fields.value("tags").is_null();
        Ok(Self {
            location: fields.parsed("location")?,
            tags: has_tags.then(|| body::tags(body)).transpose()?,
            sku: fields.object("sku")?.parsed("name")?,
            identity: Identities::read(&fields.object("identity")?)?,
            admin_enabled: properties.flag("adminUserEnabled")?,
            anonymous_pull: properties.flag("anonymousPullEnabled")?,
            content_trust: trust.status("status")?,
            no_bypass: no_bypass(&properties)?,
            encryption: KeyDescription::read(&properties.object("encryption")?)?,
        })
    }

    /// The identity that is named for the key.
    pub(super) fn key_identity(&self) -> Option<&IdentityRef> {
        match &self.encryption {
            Some(KeyDescription::Enabled { key_identity, .. }) => key_identity.as_ref(),
            Some(KeyDescription::Disabled) | None => None,
        }
    }

    /// The listed identities to assign.
    pub(super) fn assigned(&self) -> impl Iterator<Item = &IdentityResource> {
        let listed = self.identity.iter().flat_map(|identity| identity.listed.iter().flatten());
        listed.filter(|(_, is_assigned)| *is_assigned).map(|(resource, _)| resource)
    }

    /// The new registry.
    pub(super) fn new_registry(
        self,
        name: RegistryName,
        group: ResourceGroup,
    ) -> Result<NewRegistry, ArmError> {
        let (identities, system_identity) = match self.identity {
            Some(identity) => identity.apply_to(&[])?,
            None => (Vec::new(), false),
        };
        let encryption = match self.encryption {
            Some(KeyDescription::Enabled { key, key_identity }) => {
                Some(require_key_and_identity(key, key_identity)?)
            }
            Some(KeyDescription::Disabled) | None => None,
        };
        Ok(NewRegistry {
            sku: self.sku.ok_or(Refusal::Missing("sku.name"))?,
            location: self.location.ok_or(ArmError::NoLocation)?,
            group,
            tags: self.tags.unwrap_or_default(),
            identities,
            system_identity,
            encryption,
            content_trust: self.content_trust.unwrap_or_default(),
            anonymous: false,
            no_bypass: self.no_bypass.unwrap_or_default(),
            access: AccessSettings {
                admin_enabled: self.admin_enabled.unwrap_or_default(),
                anonymous_pull: self.anonymous_pull.unwrap_or_default(),
            },
            ..NewRegistry::named(name)
        })
    }

    /// The changes to a registry.
    pub(super) fn update(
        self,
        mode: UpdateMode,
        profile: &Profile,
        name: &RegistryName,
    ) -> Result<Update, ArmError> {
        if let Some(requested) = self.location.filter(|requested| *requested != profile.location) {
            return Err(Refusal::OtherLocation {
                name: name.to_string(),
                group: profile.group.to_string(),
                there: profile.location.to_string(),
                requested: requested.to_string(),
            }
            .into());
        }
        let own: Vec<IdentityResource> =
            profile.identities.iter().map(|own| own.resource.clone()).collect();
        let (identities, system_identity) = match self.identity {
            None => (None, None),
            Some(identity) => {
                let begins_with: &[IdentityResource] = match mode {
                    UpdateMode::Replace if identity.listed.is_some() => &[],
                    UpdateMode::Replace | UpdateMode::Patch => &own,
                };
                let (identities, system) = identity.apply_to(begins_with)?;
                (Some(identities), Some(system))
            }
        };
        let (encryption, key) = match self.encryption {
            None => (None, KeyChange::default()),
            Some(KeyDescription::Disabled) => (Some(false), KeyChange::default()),
            Some(KeyDescription::Enabled { key, key_identity }) => {
                if mode == UpdateMode::Replace {
                    require_key_and_identity(key.clone(), key_identity.clone())?;
                }
                (Some(true), KeyChange { key, identity: key_identity })
            }
        };
        let tags = match mode {
            UpdateMode::Replace => Some(self.tags.unwrap_or_default()),
            UpdateMode::Patch => self.tags,
        };
        let change = Change {
            sku: self.sku,
            tags,
            system_identity,
            encryption,
            content_trust: self.content_trust,
            admin_enabled: self.admin_enabled,
            anonymous_pull: self.anonymous_pull,
            no_bypass: self.no_bypass,
            ..Change::default()
        };
        // A request for a rotation names the current key and wants its newest version.
        Ok(Update { change, identities, key, refresh: mode == UpdateMode::Patch })
    }
}

/// Whether trusted services may not pass network rules.
fn no_bypass(properties: &Fields<'_>) -> Result<Option<bool>, ArmError> {
    const NAME: &str = "networkRuleBypassOptions";
    match properties.text(NAME)? {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("AzureServices") => Ok(Some(false)),
        Some(text) if text.eq_ignore_ascii_case("None") => Ok(Some(true)),
        Some(_) => Err(properties.wrong(NAME, "AzureServices or None")),
    }
}

impl Identities {
    fn read(fields: &Fields<'_>) -> Result<Option<Self>, ArmError> {
        if !fields.is_present() {
            return Ok(None);
        }
        let list = fields.object("userAssignedIdentities")?;
        let listed = list.all().map(|(id, value)| Ok((id.parse()?, !value.is_null())));
        let listed = listed.collect::<Result<Vec<_>, ArmError>>()?;
        let kind = fields.text("type")?.ok_or(Refusal::Missing("identity.type"))?;
        let kinds = || kind.split(',').map(str::trim);
        let known = ["none", "systemassigned", "userassigned"];
        if kinds().any(|kind| !known.contains(&kind.to_ascii_lowercase().as_str())) {
            let expected = "None, SystemAssigned, UserAssigned or 'SystemAssigned, UserAssigned'";
            return Err(fields.wrong("type", expected));
        }
        Ok(Some(Self { kind: kind.to_owned(), listed: list.is_present().then_some(listed) }))
    }

    fn includes(&self, what: &str) -> bool {
        self.kind.split(',').any(|one| one.trim().eq_ignore_ascii_case(what))
    }

    /// All user-assigned identities after the change, given those before, and whether the registry has its own.
    fn apply_to(
        self,
        before: &[IdentityResource],
    ) -> Result<(Vec<IdentityResource>, bool), ArmError> {
        let system = self.includes("SystemAssigned");
        let is_user = self.includes("UserAssigned");
        let listed = self.listed.unwrap_or_default();
        let mut all = if is_user { before.to_vec() } else { Vec::new() };
        for (resource, is_assigned) in listed {
            all.retain(|own| *own != resource);
            if is_assigned {
                all.push(resource);
            }
        }
        if is_user == all.is_empty() {
            return Err(Refusal::IdentityType(self.kind).into());
        }
        Ok((all, system))
    }
}

impl KeyDescription {
    fn read(fields: &Fields<'_>) -> Result<Option<Self>, ArmError> {
        let vault = fields.object("keyVaultProperties")?;
        match fields.status("status")? {
            Some(false) => return Ok(Some(Self::Disabled)),
            None if !vault.is_present() => return Ok(None),
            Some(true) | None => (),
        }
        let key = vault.text("keyIdentifier")?.filter(|text| !text.is_empty());
        let key = key.map(|text| text.parse().map_err(Refusal::Key)).transpose()?;
        let key_identity = vault.text("identity")?.filter(|text| !text.is_empty());
        let key_identity = key_identity.map(|text| match text.parse() {
            Ok(IdentityRef::Name(_)) | Err(_) => {
                Err(Refusal::InvalidKeyIdentity(text.chars().take(100).collect()))
            }
            Ok(named) => Ok(named),
        });
        Ok(Some(Self::Enabled { key, key_identity: key_identity.transpose()? }))
    }
}

/// A key and its identity, both of which must be named.
fn require_key_and_identity(
    key: Option<KeyId>,
    key_identity: Option<IdentityRef>,
) -> Result<Encryption, Refusal> {
    let key = key.ok_or(Refusal::NoKeyProperty("keyIdentifier"))?;
    let key_identity = key_identity.ok_or(Refusal::NoKeyProperty("identity"))?;
    Ok(Encryption { key, identity: Some(key_identity) })
}

#[cfg(test)]
mod tests {
    use azure_emulator_core::identity::SUBSCRIPTION;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn id(name: &str) -> String {
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        )
    }

    /// The remaining identities of `one` and `two` under this description, by name, and the registry's own.
    fn apply_to(identity: &Value) -> Option<(Vec<String>, bool)> {
        let described = Description::read(&json!({ "identity": identity })).ok()?;
        let before = [id("one"), id("two")].map(|id| id.parse().unwrap());
        let (left, system) = described.identity?.apply_to(&before).ok()?;
        Some((left.iter().map(|own| own.name().to_owned()).collect(), system))
    }

    #[test]
    fn a_patch_adds_the_listed_identities_and_null_removes_one() {
        let list =
            |kind: &str, list: Value| json!({ "type": kind, "userAssignedIdentities": list });
        let left = |names: &[&str], system: bool| {
            Some((names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), system))
        };

        for (identity, expected) in [
            (json!({ "type": "UserAssigned" }), left(&["one", "two"], false)),
            (json!({ "type": "systemAssigned,userAssigned" }), left(&["one", "two"], true)),
            (json!({ "type": "SystemAssigned" }), left(&[], true)),
            (json!({ "type": "None" }), left(&[], false)),
            (list("None", json!({})), left(&[], false)),
            (
                list("UserAssigned", json!({ id("three"): {} })),
                left(&["one", "two", "three"], false),
            ),
            (list("UserAssigned", json!({ id("ONE"): null })), left(&["two"], false)),
            (list("UserAssigned", json!({ id("one"): null, id("two"): null })), None),
            (list("SystemAssigned", json!({ id("one"): {} })), None),
            (list("UserAssigned", json!(["one"])), None),
            (json!({ "type": "Both" }), None),
            (list("UserAssigned", json!({ "one": {} })), None),
        ] {
            assert_eq!(apply_to(&identity), expected, "{identity}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            Just("properties".to_owned()),
            Just("identity".to_owned()),
            Just("type".to_owned()),
            Just("userAssignedIdentities".to_owned()),
            Just("encryption".to_owned()),
            Just("keyVaultProperties".to_owned()),
            Just("status".to_owned()),
            Just("policies".to_owned()),
            Just("sku".to_owned()),
            "\\PC{0,8}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in any_json()) {
            if let Ok(described) = Description::read(&body) {
                let _ = described.new_registry("team1".parse().unwrap(), ResourceGroup::default());
            }
        }
    }
}
