//! The requested part of a list of metadata: its order, its start and its length.

use time::OffsetDateTime;

use super::lists::Page;
use crate::store::StoreError;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name or digest.
    #[default]
    Name,
    /// By the time of the last change, oldest first.
    TimeAscending,
    /// By the time of the last change, newest first.
    TimeDescending,
}

/// The requested part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The name after which it begins.
    pub last: Option<String>,
    /// The maximum number of entries.
    pub n: Option<usize>,
    /// The order of the list.
    pub order: Order,
}

impl Window {
    /// The name after which a scan for [`Window::page`] begins. To sort by time, the scan reads all rows.
    pub(super) fn after(&self) -> Option<&str> {
        self.last.as_deref().filter(|_| self.order == Order::Name)
    }

    /// A page of at most `limit` entries; by name, it reads no more rows than needed. The rows are sorted by name.
    /// `key` returns the time and the name of a row.
    pub(super) fn page<T>(
        &self,
        rows: impl Iterator<Item = Result<T, StoreError>>,
        limit: usize,
        key: impl Fn(&T) -> (OffsetDateTime, &str),
    ) -> Result<Page<T>, StoreError> {
        let items = match self.order {
            Order::Name => rows.take(limit.saturating_add(1)).collect::<Result<_, _>>()?,
            Order::TimeAscending | Order::TimeDescending => rows.collect::<Result<_, _>>()?,
        };
        Ok(Page::cut(self.sort(items, &key), limit, |item| key(item).1.to_owned()))
    }

    /// Sorts a list and drops the entries before the window. By name, the list has both already.
    ///
    /// If the last entry of the previous page was deleted, its place in the order of time is unknown: then the list
    /// ends.
    fn sort<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> (OffsetDateTime, &str)) -> Vec<T> {
        match self.order {
            Order::Name => return items,
            Order::TimeAscending => items.sort_by(|a, b| key(a).cmp(&key(b))),
            Order::TimeDescending => items.sort_by(|a, b| {
                let ((time_a, name_a), (time_b, name_b)) = (key(a), key(b));
                time_b.cmp(&time_a).then(name_a.cmp(name_b))
            }),
        }
        if let Some(last) = &self.last {
            let place = items.iter().position(|item| key(item).1 == last);
            items.drain(..place.map_or(items.len(), |place| place + 1));
        }
        items
    }
}
