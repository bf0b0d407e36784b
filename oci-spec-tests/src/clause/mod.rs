//! The clauses of the specification, with their source and their level.
//!
//! Every clause has a case of the same name in `cases`, and every case has a clause: a test checks both. The suite phrases the
//! statements itself; the sections are those of the specification.

mod requirement;
mod section;
mod table;

pub use requirement::{Clause, Level};
pub use section::Section;
pub use table::{CLAUSES, clause};
