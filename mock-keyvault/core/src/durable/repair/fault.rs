//! A fault that a survey finds.

/// A fault, as a sentence that names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);
