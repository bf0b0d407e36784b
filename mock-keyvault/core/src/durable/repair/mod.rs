//! Bringing rows back from what is left of a damaged journal.
//!
//! [`Repair`] leads through it. [`Survey::of`] reads everything that is there and changes nothing: it finds the newest state of
//! the rows that can be proven, and what was changed after it. [`Survey::write`] writes that state as a new journal into a
//! folder beside the damaged one, under a new epoch, so that no old index is taken for its own. [`WorkFolder::switch`]
//! exchanges the two in one step and keeps the damaged one.
//!
//! A state is proven when it begins at a whole checkpoint, at an index whose rows add up, or at the beginning of the
//! journal, and every record from there on is authentic and continues the one before it. Records behind a gap are authentic
//! too, but nobody knows what the missing ones changed: they are not applied, and are handed out as lost.
//!
//! This module does not know what a row says. It asks nobody: its callers do.

mod command;
mod earlier;
mod files;
mod index;
mod lost;
mod records;
mod run;
mod survey;
mod work;
mod write;

#[cfg(test)]
mod tests;

pub use command::{RepairCommand, quoted};
pub use earlier::{Earlier, LOST_FILE};
pub use index::IndexLook;
pub use lost::LostRow;
pub use records::OwnedOp;
pub use run::{Applied, Repair};
pub use survey::{Attachment, Fault, LostRecord, ProvenIndex, Source, Survey};
pub use work::{Leftover, WorkFolder};
