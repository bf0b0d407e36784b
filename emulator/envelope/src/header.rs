//! The first 32 bytes of a sealed file: the format, the data key, the segment length, and the kind of object.
//!
//! The header is read before any key is available, because it names the key. It is therefore not trusted: its fields are
//! bounded here, before anything is allocated for them, and authenticated by every key derivation (`kdf.rs`).
//! [`Header::read`] accepts only bytes that [`Header::to_bytes`] writes, so a header has exactly one form.

use std::io::{self, Read};

use super::{DataKeyId, OpenError, ReadRange, SealError};

/// The length of a header.
pub const HEADER_LEN: usize = MAGIC.len() + 2 + 1 + 1 + 4 + DataKeyId::LEN;

/// The usual plaintext length of a segment: 256 KiB.
pub const SEGMENT_LEN: u32 = 256 << 10;

/// The shortest plaintext length that a header may ask for.
pub const MIN_SEGMENT_LEN: u32 = 4 << 10;

/// The longest plaintext length that a header may ask for. It bounds what a reader allocates.
pub const MAX_SEGMENT_LEN: u32 = 4 << 20;

/// Must not change, or old files become unreadable.
const MAGIC: [u8; 8] = *b"SEALYARD";

/// Must not change within this format.
const VERSION: u16 = 1;

/// The kind of a sealed file. It is part of every key derivation, so that a file cannot pass for another kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum ObjectKind {
    /// A blob, or an upload that may become one.
    Blob = 1,
    /// A manifest.
    Manifest = 2,
    /// The log of a task run.
    Log = 3,
    /// A snapshot of a registry.
    Snapshot = 4,
}

impl ObjectKind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Blob),
            2 => Some(Self::Manifest),
            3 => Some(Self::Log),
            4 => Some(Self::Snapshot),
            _ => None,
        }
    }
}

/// The header of a sealed file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    data_key: DataKeyId,
    segment_len: u32,
    kind: ObjectKind,
}

impl Header {
    /// Makes a header. Fails if the segment length is out of bounds or not a power of two.
    pub fn new(data_key: DataKeyId, segment_len: u32, kind: ObjectKind) -> Result<Self, SealError> {
        if !is_segment_len(segment_len) {
            return Err(SealError::SegmentLen(segment_len));
        }
        Ok(Self { data_key, segment_len, kind })
    }

    /// Reads a header from a stream. Its fields are bounded, but not yet authenticated.
    pub fn read(input: &mut impl Read) -> Result<Self, OpenError> {
        let mut bytes = [0; HEADER_LEN];
        input.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => OpenError::NotSealed,
            _ => OpenError::Io(error),
        })?;
        Self::parse(&bytes)
    }

    /// Reads the header of a file that is read in ranges. Its fields are bounded, but not yet authenticated.
    pub fn of_file(input: &mut impl ReadRange) -> Result<Self, OpenError> {
        let mut bytes = Vec::new();
        input.read_range(0, HEADER_LEN, &mut bytes)?;
        Self::read(&mut bytes.as_slice())
    }

    /// The data key that opens the file.
    pub fn data_key(&self) -> DataKeyId {
        self.data_key
    }

    /// How many bytes of plaintext a full segment holds.
    pub fn segment_len(&self) -> u32 {
        self.segment_len
    }

    /// The kind of the file.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// The only encoding of this header.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[10] = self.kind as u8;
        // Byte 11 is reserved and zero.
        bytes[12..16].copy_from_slice(&self.segment_len.to_be_bytes());
        bytes[16..].copy_from_slice(self.data_key.as_bytes());
        bytes
    }

    fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, OpenError> {
        let [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, kind, reserved, s0, s1, s2, s3, id @ ..] =
            *bytes;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Err(OpenError::NotSealed);
        }
        let version = u16::from_be_bytes([v0, v1]);
        if version != VERSION {
            return Err(OpenError::UnsupportedVersion(version));
        }
        let Some(kind) = ObjectKind::from_byte(kind) else {
            return Err(OpenError::Malformed("unknown kind of object"));
        };
        if reserved != 0 {
            return Err(OpenError::Malformed("reserved byte in use"));
        }
        let segment_len = u32::from_be_bytes([s0, s1, s2, s3]);
        if !is_segment_len(segment_len) {
            return Err(OpenError::Malformed("segment length out of bounds"));
        }
        Ok(Self { data_key: DataKeyId::from_bytes(id), segment_len, kind })
    }
}

fn is_segment_len(len: u32) -> bool {
    len.is_power_of_two() && (MIN_SEGMENT_LEN..=MAX_SEGMENT_LEN).contains(&len)
}
