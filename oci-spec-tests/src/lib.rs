//! A black-box suite for any OCI registry: one case for each clause of the OCI distribution specification 1.1 that clients see.
//!
//! [`CLAUSES`] lists the requirements and their sources, [`CASES`] has the checks, [`run_case`] runs one against a [`Registry`].
//! `tests/conformance` makes a test of every case, and the program `oci-spec-tests` prints a table of the results.
//!
//! The suite does not depend on the registry: it speaks HTTP/1.1, works in repositories with random names, and leaves them there.
#![deny(rustdoc::broken_intra_doc_links)]

mod cases;
mod clause;
mod content;
mod context;
mod http1;
mod outcome;
mod raw;
mod registry;
pub mod report;

pub use cases::{CASES, Case, run_case};
pub use clause::{CLAUSES, Clause, Level, Section, clause};
pub use context::Context;
pub use outcome::{Failure, Outcome};
pub use registry::Registry;
