//! A property, and how it is treated.

/// A property, by its path in a body.
#[derive(Clone, Copy, Debug)]
pub(in crate::arm::registries) struct Property {
    pub(super) path: &'static str,
    pub(super) treatment: Treatment,
    /// Its effect, what it reports, or the alternative, as plain sentences.
    pub(super) description: &'static str,
}

/// How a property is treated.
#[derive(Clone, Copy, Debug)]
pub(in crate::arm::registries) enum Treatment {
    /// It has the same effect as in Azure.
    ActedOn,
    /// Only one value is accepted; [`check`](super::check()) refuses any other.
    Only {
        value: &'static str,
        /// The feature that another value would request.
        feature: &'static str,
    },
    /// Other values are refused elsewhere, because the error depends on the registry or the property belongs to another
    /// part.
    RefusedElsewhere,
    /// It is accepted and changes nothing.
    Inert,
}

impl Property {
    pub(super) const fn acted_on(path: &'static str, description: &'static str) -> Self {
        Self { path, treatment: Treatment::ActedOn, description }
    }

    pub(super) const fn inert(path: &'static str, description: &'static str) -> Self {
        Self { path, treatment: Treatment::Inert, description }
    }

    pub(super) const fn only(
        path: &'static str,
        value: &'static str,
        feature: &'static str,
        description: &'static str,
    ) -> Self {
        Self { path, treatment: Treatment::Only { value, feature }, description }
    }
}
