//! Referrers: the manifests that name another manifest as their subject.
//!
//! The rows are made and deleted with the manifest that refers (in `manifests`), never with the subject: it may come later, and
//! its referrers stay when it is deleted. Annotations are not here: they are content and sealed.

use super::encoding::{decode, last_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::rows::Referrer;
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName};

impl Store {
    /// The manifests of the repository that name `subject` as theirs, in the order of their digests. The subject
    /// itself may exist, may be deleted, or may come later.
    pub fn referrers(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Referrer>, StoreError> {
        self.database
            .scan(Table::Referrers, &prefix(&[registry, repository, subject]))
            .map(|row| {
                let (key, bytes) = row?;
                Ok(Referrer { digest: last_part(&key)?, artifact_type: decode(&bytes)? })
            })
            .collect()
    }
}
