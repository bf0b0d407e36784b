//! The purposes of writes.

/// The purpose of a write. It decides how much space must stay free, and whether the write may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// New content. It is refused first.
    Content,
    /// Changes of rows and of settings.
    Rows,
    /// Deletions, garbage collection, and the end of uploads. They may use the reserve.
    Removal,
    /// A start, with the rows that it writes. It uses the reserve for deletions.
    Maintenance,
    /// A small file that a running program keeps about itself. It uses the reserve for deletions, but needs no space for rows.
    SmallFile,
    /// A record of the audit log. It has a reserve of its own.
    Audit,
}
