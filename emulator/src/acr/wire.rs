//! The JSON of the metadata API, with ACR's names in ACR's order. Fields that ACR leaves out are absent.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, iso8601};

use crate::registry::{
    Attributes, DeletedRepository, Listed, ManifestInfo, RepositoryInfo, RepositoryName, TagInfo,
};

/// ISO 8601 with seven digits after the second, as .NET writes it.
const TIME: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second { decimal_digits: std::num::NonZeroU8::new(7) })
    .set_formatted_components(iso8601::FormattedComponents::DateTimeOffset)
    .encode();

#[derive(Serialize)]
pub(super) struct Catalog {
    pub(super) repositories: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the names and values are ACR's")]
struct ChangeableAttributes {
    delete_enabled: bool,
    write_enabled: bool,
    read_enabled: bool,
    list_enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Repository {
    registry: String,
    image_name: String,
    created_time: String,
    last_update_time: String,
    manifest_count: u64,
    tag_count: u64,
    changeable_attributes: ChangeableAttributes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deleted {
    manifests_deleted: Vec<String>,
    tags_deleted: Vec<String>,
}

/// One tag or manifest, or a list of them, of a repository.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InRepository<T> {
    registry: String,
    image_name: String,
    #[serde(flatten)]
    what: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tags {
    Tag(Tag),
    Tags(Vec<Tag>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Manifests {
    Manifest(Box<Manifest>),
    Manifests(Vec<Manifest>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tag {
    name: String,
    digest: String,
    created_time: String,
    last_update_time: String,
    /// Content trust cannot be enabled in a registry with a customer-managed key, so nothing is signed.
    signed: bool,
    changeable_attributes: ChangeableAttributes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    digest: String,
    image_size: u64,
    created_time: String,
    last_update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_media_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    changeable_attributes: ChangeableAttributes,
}

#[derive(Serialize)]
struct Reference {
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
}

impl Repository {
    pub(super) fn new(registry: String, name: &RepositoryName, info: &RepositoryInfo) -> Self {
        Self {
            registry,
            image_name: name.to_string(),
            created_time: time(info.created),
            last_update_time: time(info.updated),
            manifest_count: info.manifests,
            tag_count: info.tags,
            changeable_attributes: info.attributes.into(),
        }
    }
}

impl<T> InRepository<T> {
    pub(super) fn new(registry: String, name: &RepositoryName, what: T) -> Self {
        Self { registry, image_name: name.to_string(), what }
    }
}

impl From<DeletedRepository> for Deleted {
    fn from(deleted: DeletedRepository) -> Self {
        Self { manifests_deleted: deleted.manifests, tags_deleted: deleted.tags }
    }
}

impl From<TagInfo> for Tag {
    fn from(info: TagInfo) -> Self {
        Self {
            name: info.name,
            digest: info.digest,
            created_time: time(info.created),
            last_update_time: time(info.updated),
            signed: false,
            changeable_attributes: info.attributes.into(),
        }
    }
}

impl From<ManifestInfo> for Manifest {
    fn from(info: ManifestInfo) -> Self {
        Self {
            digest: info.digest,
            image_size: info.image_size,
            created_time: time(info.created),
            last_update_time: time(info.created),
            architecture: info.architecture,
            os: info.os,
            media_type: info.media_type,
            config_media_type: info.config_media_type,
            tags: info.tags,
            references: info.listed.into_iter().map(Reference::from).collect(),
            changeable_attributes: info.attributes.into(),
        }
    }
}

impl From<Listed> for Reference {
    fn from(listed: Listed) -> Self {
        let Listed { digest, architecture, os } = listed;
        Self { digest, architecture, os }
    }
}

impl From<Attributes> for ChangeableAttributes {
    fn from(attributes: Attributes) -> Self {
        Self {
            delete_enabled: attributes.delete,
            write_enabled: attributes.write,
            read_enabled: attributes.read,
            list_enabled: attributes.list,
        }
    }
}

/// A time as ACR writes it.
fn time(at: OffsetDateTime) -> String {
    // It fails only for years with more than four digits.
    at.format(&Iso8601::<TIME>).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ::time::macros::datetime;

    use super::*;

    #[test]
    fn times_have_seven_digits_after_the_second() {
        assert_eq!(
            time(datetime!(2018-09-06 06:17:20.9531248 UTC)),
            "2018-09-06T06:17:20.9531248Z"
        );
        assert_eq!(time(datetime!(2018-09-06 06:17:20 UTC)), "2018-09-06T06:17:20.0000000Z");
    }
}
