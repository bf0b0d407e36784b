//! The lists of repositories and tags, in pages.

use std::sync::Arc;

use crate::names::RepositoryName;
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;

/// A page of a list, and where the next one begins.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The entries of the page.
    pub items: Vec<T>,
    /// The value of `last` for the next page, if there is one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a list that was read one entry longer than the page, to know whether there is more.
    pub(in crate::registry) fn cut(
        mut items: Vec<T>,
        limit: usize,
        key: impl Fn(&T) -> String,
    ) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(key);
        Self { items, next }
    }
}

impl Content {
    /// The tags of a repository in lexical order, after `last`, at most `n`.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        last: Option<String>,
        n: Option<usize>,
    ) -> Result<Page<String>, Error> {
        let parts = Arc::clone(&self.0);
        let repository = repository.clone();
        blocking(move || {
            let limit = n.unwrap_or(parts.settings.page_len).min(parts.settings.page_len);
            let tags = parts.store.tags(&parts.name, &repository, last.as_deref(), limit + 1)?;
            let tags = tags.ok_or(Error::RepositoryUnknown(repository))?;
            let tags = tags.iter().map(ToString::to_string).collect();
            Ok::<_, Error>(Page::cut(tags, limit, Clone::clone))
        })
        .await
    }

    /// The repositories in lexical order, after `last`, at most `n`.
    pub async fn repositories(
        &self,
        last: Option<String>,
        n: Option<usize>,
    ) -> Result<Page<String>, Error> {
        let parts = Arc::clone(&self.0);
        blocking(move || {
            let limit = n.unwrap_or(parts.settings.page_len).min(parts.settings.page_len);
            let names = parts.store.repositories(&parts.name, last.as_deref(), limit + 1)?;
            let names = names.iter().map(ToString::to_string).collect();
            Ok::<_, Error>(Page::cut(names, limit, Clone::clone))
        })
        .await
    }
}
