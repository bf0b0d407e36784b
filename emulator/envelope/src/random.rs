//! Random bytes from the operating system: the only source of keys, ids and salts in this area.
//!
//! [`Salts`] exists so that tests can reproduce published vectors. Outside of tests it has one variant.

use rand::TryRng;
use rand::rngs::SysRng;

use super::SealError;

/// The length of a salt.
pub(super) const SALT_LEN: usize = 32;

/// The public, random value that makes the key of a run unique.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Salt(pub(super) [u8; SALT_LEN]);

impl Salt {
    /// In place of the previous salt for the first run of a file. Never drawn.
    pub(super) const NONE: Self = Self([0; SALT_LEN]);
}

/// The source of salts.
pub(super) enum Salts {
    /// The operating system, always, outside of tests.
    System,
    /// Predefined salts, for test vectors.
    #[cfg(test)]
    Script(std::collections::VecDeque<Salt>),
}

impl Salts {
    /// A salt that was never used before.
    pub(super) fn draw(&mut self) -> Result<Salt, SealError> {
        match self {
            Self::System => {
                let mut salt = Salt::NONE;
                fill(&mut salt.0)?;
                Ok(salt)
            }
            #[cfg(test)]
            Self::Script(script) => script.pop_front().ok_or(SealError::Random),
        }
    }
}

/// Fills `bytes` from the operating system's generator.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), SealError> {
    SysRng.try_fill_bytes(bytes).map_err(|_| SealError::Random)
}
