//! Continues a file in later requests: an upload is one file.

use std::io::{self, Seek as _, SeekFrom};

use azure_emulator_core::disk_calls as fs;

use super::engine::FolderObjects;
use super::reader::FileReader;
use super::writer::{AfterDrop, FileWriter};
use crate::store::disk::{not_found, remove_if_there};
use crate::store::error::StoreError;
use crate::store::file_id::FileId;
use crate::store::objects::{Continue, ObjectReader, ObjectWriter};

impl Continue for FolderObjects {
    fn begin(&self, id: FileId) -> Result<ObjectWriter, StoreError> {
        let path = self.layout.upload(id);
        FileWriter::create(&self.layout, self.durability, id, &path, AfterDrop::Unfinished)
    }

    fn open_unfinished(&self, id: FileId) -> Result<ObjectReader, StoreError> {
        FileReader::open(&self.layout.upload(id)).map_err(|error| not_found(error, id))
    }

    fn resume(&self, id: FileId, len: u64) -> Result<ObjectWriter, StoreError> {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.layout.upload(id))
            .map_err(|error| not_found(error, id))?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        let after_drop = AfterDrop::Unfinished;
        Ok(FileWriter::for_file(&self.layout, self.durability, id, file, after_drop))
    }

    fn unfinished_len(&self, id: FileId) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.layout.upload(id)) {
            Ok(file) => Ok(Some(file.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn remove_unfinished(&self, id: FileId) -> Result<(), StoreError> {
        Ok(remove_if_there(&self.layout.upload(id))?)
    }

    fn unfinish(&self, id: FileId) -> Result<bool, StoreError> {
        let published = self.layout.file(id);
        if !published.try_exists()? {
            return Ok(false);
        }
        fs::rename(published, self.layout.upload(id))?;
        Ok(true)
    }
}
