//! Small files of the data folder: the service-managed key and other secrets, settings, and the folder of sealed logs.
//!
//! Each is replaced as a whole. Names are constants of the program, never from a client. The caller knows the content,
//! and whether it should be sealed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use azure_emulator_core::disk_calls as fs;
use zeroize::Zeroizing;

use super::disk::replace_file;
use super::error::StoreError;
use super::handle::Store;

/// The largest secret file that is read, in bytes: the buffer never grows while it is filled, which would leave copies.
const MAX_SECRET: u64 = 64 << 10;

impl Store {
    /// Reads a small secret file in the data folder, such as `service.key`. `None` if it does not exist.
    pub fn read_secret_file(
        &self,
        name: &'static str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        read_secret(&self.layout.named(name), name)
    }

    /// Replaces a small secret file, mode 0600: a kill leaves the old or the new one, never a part. Durable on return.
    pub fn write_secret_file(&self, name: &'static str, bytes: &[u8]) -> Result<(), StoreError> {
        replace_file(&self.layout.named(name), bytes, self.durability)
    }

    /// Reads a settings file in the data folder. `None` if it does not exist.
    pub fn read_settings(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.layout.named(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces a settings file as [`Store::write_secret_file`] does.
    pub fn write_settings(&self, name: &'static str, bytes: &[u8]) -> Result<(), StoreError> {
        replace_file(&self.layout.named(name), bytes, self.durability)
    }

    /// The folder of the sealed logs; the domain writes in it.
    pub fn audit_folder(&self) -> PathBuf {
        self.layout.audit()
    }
}

/// Reads a small secret file. `None` if it does not exist.
pub(super) fn read_secret(
    path: &Path,
    name: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let len = file.metadata()?.len();
    if MAX_SECRET < len {
        return Err(StoreError::Damaged(format!("{name} is too long")));
    }
    let len = usize::try_from(len).unwrap_or_default();
    let mut bytes = Zeroizing::new(vec![0; len]);
    (&file).read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
