//! The set sum: 32 bytes that identify a set of rows, regardless of the order in which the rows were written.

use super::key::RowsKey;

/// The sum, modulo 2²⁵⁶, of an HMAC over each row of a set.
///
/// Rows are added and removed one by one. Two sets of rows have the same sum only if they are the same set; to find a different set
/// with the same sum, the key is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetSum([u64; 4]);

impl SetSum {
    /// Adds a row.
    pub fn add(&mut self, key: &RowsKey, tree: u8, row: &[u8], value: &[u8]) {
        let mut carry = false;
        for (sum, share) in self.0.iter_mut().zip(share(key, tree, row, value)) {
            let (partial, first) = sum.overflowing_add(share);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            (*sum, carry) = (total, first || second);
        }
    }

    /// Removes a row. To change the value of a row, remove it with the old value and add it with the new one.
    pub fn remove(&mut self, key: &RowsKey, tree: u8, row: &[u8], value: &[u8]) {
        let mut borrow = false;
        for (sum, share) in self.0.iter_mut().zip(share(key, tree, row, value)) {
            let (partial, first) = sum.overflowing_sub(share);
            let (total, second) = partial.overflowing_sub(u64::from(borrow));
            (*sum, borrow) = (total, first || second);
        }
    }

    /// The sum as it is stored: a little-endian number of 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (to, from) in bytes.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes
    }

    /// The sum that was stored as these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut sum = Self::default();
        for (to, from) in sum.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *to = u64::from_le_bytes(*from);
        }
        sum
    }
}

/// The share of one row. The length of the key separates the key from the value.
fn share(key: &RowsKey, tree: u8, row: &[u8], value: &[u8]) -> [u64; 4] {
    let length = (row.len() as u64).to_le_bytes();
    SetSum::from_bytes(key.row(&[&[tree], &length, row, value])).0
}
