//! A store in a folder of its own, and short functions that push into it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::names::{Digest, RegistryName, RepositoryName, Tag, UploadId};
use crate::store::*;

pub(super) static REGISTRY: LazyLock<RegistryName> = LazyLock::new(RegistryName::local);
pub(super) const DATA_KEY: [u8; 16] = [7; 16];

/// A store with a ring of one data key. The folder is deleted with it.
pub(super) struct TestStore {
    pub(super) store: Store,
    folder: tempfile::TempDir,
}

impl TestStore {
    pub(super) fn new() -> Self {
        Self::with(Durability::Relaxed)
    }

    pub(super) fn with(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data"), durability).unwrap();
        let ring = RingRow { generation: 1, head: Vec::new(), entries: vec![(DATA_KEY, vec![1])] };
        assert!(store.replace_ring(&REGISTRY, None, &ring).unwrap());
        Self { store, folder }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Closes the store and opens it again.
    pub(super) fn reopened(self) -> Self {
        let path = self.path();
        drop(self.store);
        Self { store: Store::open(&path, Durability::Relaxed).unwrap(), folder: self.folder }
    }

    /// Closes the store and keeps its folder.
    pub(super) fn closed(self) -> tempfile::TempDir {
        drop(self.store);
        self.folder
    }

    /// The store after a kill at this moment: a store over a copy of the folder.
    pub(super) fn killed(&self) -> Self {
        self.powered_off(|_| ())
    }

    /// The store after a power cut: a store over a copy of the folder in which `lose` has changed the unsynced data.
    pub(super) fn powered_off(&self, lose: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.path(), &folder.path().join("data"));
        lose(&folder.path().join("data"));
        let store = Store::open(&folder.path().join("data"), Durability::Relaxed).unwrap();
        Self { store, folder }
    }

    pub(super) fn upload(&self, repository: &str, now: i64) -> (UploadRow, ObjectWriter) {
        let file = FileId::random();
        let row = UploadRow {
            id: UploadId::random().to_string(),
            repository: repository.to_owned(),
            file,
            data_key: DATA_KEY,
            algorithm: "sha256".to_owned(),
            started: now,
            touched: now,
        };
        let writer = self.store.create_upload(&REGISTRY, &row, usize::MAX).unwrap();
        (row, writer)
    }

    /// Publishes the object of an upload as the blob of a label.
    pub(super) fn publish(
        &self,
        repository: &str,
        label: &str,
        upload: &UploadRow,
        object: &ObjectRow,
        writer: ObjectWriter,
    ) -> Result<(), StoreError> {
        let (repository, digest) = (repository_of(repository), digest(label));
        self.store.publish_blob(&REGISTRY, &repository, &digest, id_of(upload), object, writer)
    }

    /// Pushes a blob whose content is its label.
    pub(super) fn push_blob(&self, repository: &str, label: &str, now: i64) {
        let (upload, mut writer) = self.upload(repository, now);
        writer.write_all(label.as_bytes()).unwrap();
        let object = object(upload.file, label, now);
        self.publish(repository, label, &upload, &object, writer).unwrap();
    }

    pub(super) fn put(&self, repository: &str, manifest: &Manifest) -> Put {
        self.try_put(repository, manifest).unwrap()
    }

    /// Pushes a manifest whose content is its label.
    pub(super) fn try_put(&self, repository: &str, manifest: &Manifest) -> Result<Put, StoreError> {
        let mut new_object = self.store.new_object().unwrap();
        new_object.write_all(manifest.digest.as_bytes()).unwrap();
        let digests = |labels: &[String]| labels.iter().map(|label| digest(label)).collect();
        let (blobs, children): (Vec<_>, Vec<_>) =
            (digests(&manifest.blobs), digests(&manifest.children));
        let tags: Vec<_> = manifest.tag.iter().map(|text| tag(text)).collect();
        let row = ManifestRow {
            object: object(new_object.id(), &manifest.digest, manifest.now),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            artifact_type: Some("application/x".to_owned()),
            subject: manifest.subject.as_ref().map(|label| digest(label).to_string()),
            pushed: manifest.now,
            pushed_nanos: 0,
            attributes: Attributes::default(),
        };
        let new = NewManifest {
            digest: &digest(&manifest.digest),
            row,
            tags: &tags,
            blobs: &blobs,
            children: &children,
            sparse: false,
            condemned: None,
        };
        self.store.put_manifest(&REGISTRY, &repository_of(repository), new, new_object)
    }

    pub(super) fn blob(&self, repository: &str, label: &str) -> Option<ObjectRow> {
        self.store.blob(&REGISTRY, &repository_of(repository), &digest(label)).unwrap()
    }

    pub(super) fn see_blob(&self, repository: &str, label: &str, now: i64) -> Option<ObjectRow> {
        self.store.see_blob(&REGISTRY, &repository_of(repository), &digest(label), now).unwrap()
    }

    pub(super) fn link_blob(&self, repository: &str, label: &str, now: i64) -> bool {
        self.store.link_blob(&REGISTRY, &repository_of(repository), &digest(label), now).unwrap()
    }

    pub(super) fn unlink_blob(&self, repository: &str, label: &str) -> Unlinked {
        self.store.unlink_blob(&REGISTRY, &repository_of(repository), &digest(label)).unwrap()
    }

    pub(super) fn manifest(&self, repository: &str, label: &str) -> Option<ManifestRow> {
        self.store.manifest(&REGISTRY, &repository_of(repository), &digest(label)).unwrap()
    }

    pub(super) fn delete_manifest(&self, repository: &str, label: &str) -> Deleted {
        self.store.delete_manifest(&REGISTRY, &repository_of(repository), &digest(label)).unwrap()
    }

    /// The label of the manifest that a tag points to.
    pub(super) fn tagged(&self, repository: &str, text: &str) -> Option<String> {
        let row = self.store.tag_row(&REGISTRY, &repository_of(repository), &tag(text)).unwrap();
        row.map(|row| label(&row.digest().unwrap()))
    }

    pub(super) fn delete_tag(&self, repository: &str, text: &str) -> Deleted {
        self.store.delete_tag(&REGISTRY, &repository_of(repository), &tag(text)).unwrap()
    }

    pub(super) fn repository(&self, repository: &str) -> Option<rows::RepositoryRow> {
        self.store.repository(&REGISTRY, &repository_of(repository)).unwrap()
    }

    pub(super) fn delete_repository(&self, repository: &str) -> DeletedRepository {
        self.store.delete_repository(&REGISTRY, &repository_of(repository)).unwrap()
    }

    /// Removes everything unreferenced and idle that was last seen before `before`.
    pub(super) fn collect(&self, before: i64) -> Collected {
        let rules = CollectRules {
            unreferenced_before: before,
            uploads_touched_before: before,
            is_live: &|_| false,
            is_recent: &|_, _| false,
            untagged: false,
            on_retained: &|_| (),
        };
        self.store.collect(&REGISTRY, rules, &mut |_| ()).unwrap()
    }

    pub(super) fn read(&self, object: &ObjectRow) -> String {
        text(&self.store.open_object(object.file).unwrap())
    }

    /// Names of all files of content, published or not.
    pub(super) fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        for part in ["files", "uploads"] {
            files_under(&self.path().join(part), &mut names);
        }
        names
    }
}

/// All of an object.
pub(super) fn text(reader: &ObjectReader) -> String {
    let mut bytes = Vec::new();
    reader.read_at(0, 1 << 20, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

pub(super) fn registry(name: &str) -> RegistryName {
    name.parse().unwrap()
}

pub(super) fn repository_of(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub(super) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// A digest that consists of a short label, so that digests have the order of their labels.
pub(super) fn digest(label: &str) -> Digest {
    format!("sha256:{:0<64}", hex::encode(label)).parse().unwrap()
}

/// The label of a digest of [`digest`].
pub(super) fn label(digest: &Digest) -> String {
    let bytes = hex::decode(digest.as_str().trim_start_matches("sha256:")).unwrap();
    String::from_utf8(bytes).unwrap().trim_end_matches('\0').to_owned()
}

pub(super) fn labels(digests: &[Digest]) -> Vec<String> {
    digests.iter().map(label).collect()
}

pub(super) fn texts(names: &[impl ToString]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

pub(super) fn id_of(upload: &UploadRow) -> UploadId {
    upload.id.parse().unwrap()
}

/// A manifest to store in a test. Labels stand for digests.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifest {
    pub(super) digest: String,
    pub(super) tag: Option<String>,
    pub(super) blobs: Vec<String>,
    pub(super) children: Vec<String>,
    pub(super) subject: Option<String>,
    pub(super) now: i64,
}

pub(super) fn manifest(digest: &str, blobs: &[&str]) -> Manifest {
    Manifest {
        digest: digest.to_owned(),
        blobs: blobs.iter().map(|blob| (*blob).to_owned()).collect(),
        ..Manifest::default()
    }
}

pub(super) fn object(file: FileId, content: &str, now: i64) -> ObjectRow {
    ObjectRow {
        file,
        size: content.len() as u64,
        data_key: DATA_KEY,
        created: now,
        sealed_len: None,
    }
}

fn files_under(folder: &Path, names: &mut Vec<String>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files_under(&entry.path(), names);
        } else {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}
