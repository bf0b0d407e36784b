//! Small files whose content is attached to records of the journal, because they are not synced themselves.

use std::path::PathBuf;

use crate::disk_calls as fs;

use super::error::FormatError;
use super::key::RowsKey;
use super::op::Op;
use super::scan::Scan;
use super::segment::read_segment;

/// Calls `each` with every change up to the generation `through`, in the order of the journal, since a later record can remove the
/// row that needs an attached file. The segments are in order.
///
/// A damaged segment is read up to the damage, and the next segments are still read, so that as many files as possible are
/// restored. Returns the first damage.
pub fn each_op<E: From<FormatError>>(
    key: &RowsKey,
    segments: &[PathBuf],
    through: u64,
    mut each: impl FnMut(&Op<'_>) -> Result<(), E>,
) -> Result<Option<FormatError>, E> {
    let mut damage = None;
    for path in segments {
        match each_op_of(key, path, through, &mut each)? {
            Ok(()) => {}
            Err(FormatError::Io(error)) => return Err(FormatError::Io(error).into()),
            Err(damaged) => {
                damage.get_or_insert(damaged);
            }
        }
    }
    Ok(damage)
}

/// The outer error is from `each`.
fn each_op_of<E>(
    key: &RowsKey,
    path: &PathBuf,
    through: u64,
    each: &mut impl FnMut(&Op<'_>) -> Result<(), E>,
) -> Result<Result<(), FormatError>, E> {
    let bytes =
        match fs::File::open(path).map_err(FormatError::Io).and_then(|file| read_segment(&file)) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
    let mut scan = match Scan::new(key, path, &bytes) {
        Ok(scan) => scan,
        Err(error) => return Ok(Err(error)),
    };
    while scan.position().generation < through {
        let Some(located) = scan.next() else { break };
        for op in located.record.ops() {
            each(&op)?;
        }
    }
    if through <= scan.position().generation {
        return Ok(Ok(()));
    }
    let fault = scan.end().fault();
    Ok(fault.map_or(Ok(()), |(offset, what)| Err(FormatError::damaged(path, offset, what))))
}
