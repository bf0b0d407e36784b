//! Restores rows from the remains of a damaged journal.
//!
//! [`Repair`] carries out the steps. [`Survey::read`] reads all files and changes nothing: it finds the newest state of the rows
//! that can be proven, and the later changes. [`Survey::write`] writes that state as a new journal into a folder next to the
//! damaged one, under a new epoch, so that an old index cannot be mistaken for its own. [`WorkFolder::switch`] exchanges the
//! two in one step and keeps the damaged one.
//!
//! A state is proven if it begins at an undamaged checkpoint, at an index whose rows add up, or at the beginning of the
//! journal, and every record from there on is authentic and continues the one before it. Records after a gap are authentic
//! too, but the changes of the missing records are unknown. So these records are not applied, and are reported as lost.
//!
//! This module does not know the content of rows. It asks for no confirmation; its callers do.

mod command;
mod earlier;
mod fault;
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

pub use super::layout::LOST_FILE;

pub use command::{RepairCommand, quoted};
pub use earlier::Earlier;
pub use fault::Fault;
pub use index::IndexLook;
pub use lost::LostRow;
pub use records::OwnedOp;
pub use run::{Applied, Repair};
pub use survey::{Attachment, LostRecord, ProvenIndex, Source, Survey};
pub use work::{Leftover, WorkFolder};
