//! The end of a finished file: its name, its length, and the list of its runs, sealed.
//!
//! The trailer is the only proof that a file is finished and complete. It is found from the end through a footer of
//! fixed length. The parser gets authenticated bytes, and still checks all of them.

use super::cipher::TAG_LEN;
use super::kdf::FileContext;
use super::message_key::COMMITMENT_LEN;
use super::nonce::Nonce;
use super::random::{SALT_LEN, Salt};
use super::runs::{MAX_RUNS, Run};
use super::{DataKey, OpenError, SealError};

/// The longest identity, in bytes: room for any digest.
pub const MAX_IDENTITY_LEN: usize = 200;

/// The length of the footer: the length of the sealed trailer, and the end magic.
pub(super) const FOOTER_LEN: usize = 4 + END_MAGIC.len();

/// Must not change, or old files become unreadable.
const END_MAGIC: [u8; 4] = *b"DRAY";

const RUN_LEN: usize = SALT_LEN + 8;
const MIN_BODY_LEN: usize = 8 + 2 + 4;
const MAX_BODY_LEN: usize = MIN_BODY_LEN + MAX_IDENTITY_LEN + MAX_RUNS * RUN_LEN;
const OVERHEAD: usize = SALT_LEN + COMMITMENT_LEN + TAG_LEN;
const MIN_SEALED_LEN: usize = MIN_BODY_LEN + OVERHEAD;
const MAX_SEALED_LEN: usize = MAX_BODY_LEN + OVERHEAD;

/// The content of a trailer.
pub(super) struct Trailer {
    pub(super) plaintext_len: u64,
    pub(super) identity: String,
    pub(super) runs: Vec<Run>,
}

impl Trailer {
    /// Seals the trailer under a salt of its own and appends the footer.
    pub(super) fn seal(
        &self,
        context: &FileContext,
        key: &DataKey,
        salt: &Salt,
    ) -> Result<Vec<u8>, SealError> {
        Self::seal_body(self.to_bytes()?, context, key, salt)
    }

    /// Seals any bytes as the body of a trailer.
    pub(super) fn seal_body(
        mut body: Vec<u8>,
        context: &FileContext,
        key: &DataKey,
        salt: &Salt,
    ) -> Result<Vec<u8>, SealError> {
        let (commitment, tag) = context
            .trailer(key, salt)
            .seal(&Nonce::TRAILER, &context.header.to_bytes(), body.as_mut_slice().into())
            .map_err(|_| SealError::TooLong)?;
        let sealed_len = body.len() + OVERHEAD;
        let mut sealed = Vec::with_capacity(sealed_len + FOOTER_LEN);
        sealed.extend_from_slice(&salt.0);
        sealed.extend_from_slice(&commitment);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(&tag);
        let sealed_len = u32::try_from(sealed_len).map_err(|_| SealError::TooLong)?;
        sealed.extend_from_slice(&sealed_len.to_be_bytes());
        sealed.extend_from_slice(&END_MAGIC);
        Ok(sealed)
    }

    /// The length of the sealed trailer according to a footer, if a file of this length can hold it.
    pub(super) fn sealed_len(footer: [u8; FOOTER_LEN]) -> Result<usize, OpenError> {
        let [l0, l1, l2, l3, magic @ ..] = footer;
        if magic != END_MAGIC {
            return Err(OpenError::Malformed("no trailer at the end"));
        }
        match usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])) {
            Ok(len) if (MIN_SEALED_LEN..=MAX_SEALED_LEN).contains(&len) => Ok(len),
            _ => Err(OpenError::Malformed("trailer length out of bounds")),
        }
    }

    /// Opens a sealed trailer, without its footer.
    pub(super) fn open(
        context: &FileContext,
        key: &DataKey,
        mut sealed: Vec<u8>,
    ) -> Result<Self, OpenError> {
        let head = sealed.split_first_chunk::<SALT_LEN>();
        let Some((salt, (commitment, _))) =
            head.and_then(|(salt, rest)| Some((salt, rest.split_first_chunk::<COMMITMENT_LEN>()?)))
        else {
            return Err(OpenError::Malformed("trailer too short"));
        };
        let (salt, commitment) = (Salt(*salt), *commitment);
        sealed.drain(..SALT_LEN + COMMITMENT_LEN);
        context
            .trailer(key, &salt)
            .open(&commitment, &Nonce::TRAILER, &context.header.to_bytes(), &mut sealed)
            .map_err(|_| OpenError::Damaged)?;
        Self::parse(&sealed).ok_or(OpenError::Malformed("trailer does not follow the format"))
    }

    fn to_bytes(&self) -> Result<Vec<u8>, SealError> {
        let identity_len = u16::try_from(self.identity.len())
            .ok()
            .filter(|_| self.identity.len() <= MAX_IDENTITY_LEN)
            .ok_or(SealError::IdentityLen(self.identity.len()))?;
        let runs = u32::try_from(self.runs.len())
            .ok()
            .filter(|_| self.runs.len() <= MAX_RUNS)
            .ok_or(SealError::TooManyRuns)?;
        let len = MIN_BODY_LEN + self.identity.len() + self.runs.len() * RUN_LEN;
        let mut body = Vec::with_capacity(len);
        body.extend_from_slice(&self.plaintext_len.to_be_bytes());
        body.extend_from_slice(&identity_len.to_be_bytes());
        body.extend_from_slice(self.identity.as_bytes());
        body.extend_from_slice(&runs.to_be_bytes());
        for run in &self.runs {
            body.extend_from_slice(&run.salt.0);
            body.extend_from_slice(&run.segments.to_be_bytes());
        }
        Ok(body)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (plaintext_len, rest) = body.split_first_chunk()?;
        let (identity_len, rest) = rest.split_first_chunk()?;
        let identity_len = usize::from(u16::from_be_bytes(*identity_len));
        if MAX_IDENTITY_LEN < identity_len {
            return None;
        }
        let (identity, rest) = rest.split_at_checked(identity_len)?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
        if MAX_RUNS < count || rest.len() != count * RUN_LEN {
            return None;
        }
        let runs = rest.chunks_exact(RUN_LEN).map(|run| {
            let (salt, segments) = run.split_first_chunk()?;
            Some(Run { salt: Salt(*salt), segments: u64::from_be_bytes(segments.try_into().ok()?) })
        });
        Some(Self {
            plaintext_len: u64::from_be_bytes(*plaintext_len),
            identity: String::from_utf8(identity.to_vec()).ok()?,
            runs: runs.collect::<Option<_>>()?,
        })
    }
}
