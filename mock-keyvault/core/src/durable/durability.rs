//! How durable the rows are.

/// How durable a commit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A commit waits for the disk: acknowledged changes survive a power cut.
    #[default]
    Full,
    /// A commit only waits for the operating system: acknowledged changes survive the end of the process. For test suites.
    Relaxed,
}
