//! The list of resources of all types.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{ListError, shorten};
use super::filter::ResourceFilter;
use super::page::Page;
use super::resource::Resource;
use crate::odata;

/// A parsed query of the list.
#[derive(Clone, Debug)]
pub struct ResourceList {
    filter: ResourceFilter,
    page: Page,
    created_time: bool,
    changed_time: bool,
    provisioning_state: bool,
}

impl ResourceList {
    /// Parses the query of a request.
    pub fn from_query(query: &str) -> Result<Self, ListError> {
        let mut list = Self {
            filter: ResourceFilter::from_query(query)?,
            page: Page::from_query(query)?,
            created_time: false,
            changed_time: false,
            provisioning_state: false,
        };
        let expanded = odata::parameters(query).filter(|(name, _)| name == "$expand");
        for (_, names) in expanded {
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match name.to_ascii_lowercase().as_str() {
                    "createdtime" => list.created_time = true,
                    "changedtime" => list.changed_time = true,
                    "provisioningstate" => list.provisioning_state = true,
                    _ => return Err(ListError::Expand(shorten(&names))),
                }
            }
        }
        Ok(list)
    }

    /// The answer: a page of the resources that the filter selects. `url` is that of the list, without a query.
    pub fn answer(&self, resources: Vec<Resource>, url: &str) -> Value {
        let selected = resources.into_iter().filter(|resource| self.filter.selects(resource));
        self.page.answer(selected.map(|resource| self.shown(resource)).collect(), url)
    }

    fn shown(&self, resource: Resource) -> Value {
        let mut shown = Map::from_iter([
            ("id".to_owned(), resource.id.into()),
            ("name".to_owned(), resource.name.into()),
            ("type".to_owned(), resource.kind.into()),
        ]);
        let mut add = |name: &str, value: Option<Value>| {
            shown.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("sku", resource.sku);
        add("location", Some(resource.location.into()));
        add("identity", resource.identity);
        // Azure leaves the tags out of a list that is filtered by a tag.
        add("tags", (!self.filter.is_of_tags()).then(|| json!(resource.tags)));
        let when = |moment: OffsetDateTime| moment.format(&Rfc3339).ok().map(Value::from);
        add("createdTime", resource.created.filter(|_| self.created_time).and_then(when));
        add("changedTime", resource.changed.filter(|_| self.changed_time).and_then(when));
        // A resource is listed only after it was created completely.
        add("provisioningState", self.provisioning_state.then(|| "Succeeded".into()));
        Value::Object(shown)
    }
}
