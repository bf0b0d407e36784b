//! The changes of a record, as bytes and as values.

use super::bytes::Fields;

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const ATTACHMENT: u8 = 3;

/// One change of a transaction, borrowed from the bytes of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Sets the value of a row.
    Put {
        /// The number of the tree.
        tree: u8,
        /// The key of the row.
        key: &'a [u8],
        /// The value of the row.
        value: &'a [u8],
    },
    /// Removes a row.
    Remove {
        /// The number of the tree.
        tree: u8,
        /// The key of the row.
        key: &'a [u8],
    },
    /// Attaches the content of a small file that is stored outside the rows and was not synced itself.
    Attachment {
        /// The name of the file. Only the caller knows what it means.
        name: &'a [u8],
        /// The content of the file.
        content: &'a [u8],
    },
}

impl<'a> Op<'a> {
    /// The bytes that [`Op::write`] adds.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => 2 + 4 + key.len() + 4 + value.len(),
            Self::Remove { key, .. } => 2 + 4 + key.len(),
            Self::Attachment { name, content } => 1 + 4 + name.len() + 4 + content.len(),
        }
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Put { tree, key, value } => {
                to.extend_from_slice(&[PUT, *tree]);
                write_counted(to, key);
                write_counted(to, value);
            }
            Self::Remove { tree, key } => {
                to.extend_from_slice(&[REMOVE, *tree]);
                write_counted(to, key);
            }
            Self::Attachment { name, content } => {
                to.push(ATTACHMENT);
                write_counted(to, name);
                write_counted(to, content);
            }
        }
    }

    /// Takes the next change from the front; `None` if the bytes do not begin with one.
    pub(super) fn take(fields: &mut Fields<'a>) -> Option<Self> {
        Some(match fields.u8()? {
            PUT => {
                Self::Put { tree: fields.u8()?, key: fields.counted()?, value: fields.counted()? }
            }
            REMOVE => Self::Remove { tree: fields.u8()?, key: fields.counted()? },
            ATTACHMENT => Self::Attachment { name: fields.counted()?, content: fields.counted()? },
            _ => return None,
        })
    }
}

/// Writes a field after its length. The writers of frames ensure that they are far shorter than 4 GiB.
fn write_counted(to: &mut Vec<u8>, field: &[u8]) {
    to.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(field);
}

/// The changes of a record, in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Ops<'a>(Fields<'a>);

impl<'a> Ops<'a> {
    /// The changes in the body of a record; `None` if the body holds anything else.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let mut rest = Fields(body);
        while !rest.0.is_empty() {
            Op::take(&mut rest)?;
        }
        Some(Self(Fields(body)))
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        Op::take(&mut self.0)
    }
}
