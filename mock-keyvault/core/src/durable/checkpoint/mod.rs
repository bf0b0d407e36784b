//! A checkpoint: all rows at one generation, in ascending order.
//!
//! The file is a header, chunks of rows, and a footer. Each chunk is authentic for its place in this checkpoint only.

mod frames;
mod reader;
mod writer;

pub use frames::{Row, checkpoint_name, parse_checkpoint_name};
pub use reader::CheckpointReader;
pub use writer::CheckpointWriter;
pub(super) use writer::with_chunk;
