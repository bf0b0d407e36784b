//! An emulator whose stored files the tests know by their content, and damage to these files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use sealyard::Sealyard;

use crate::support::{Answer, Client, content, start};

pub(super) const SEGMENT: usize = sealed_envelope::SEGMENT_LEN as usize;

/// A kind of damage to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Missing,
    Empty,
    /// The last bytes are missing.
    Cut,
    /// One bit is flipped at this sixteenth of the file; 16 is the last byte.
    Flipped(usize),
    /// The file has the bytes of another sealed file of the same kind and length.
    Swapped,
    /// A folder is in the place of the file, so it cannot be read.
    Unreadable,
}

pub(super) const HARMS: [Harm; 10] = [
    Harm::Missing,
    Harm::Empty,
    Harm::Cut,
    Harm::Flipped(0),
    Harm::Flipped(1),
    Harm::Flipped(8),
    Harm::Flipped(15),
    Harm::Flipped(16),
    Harm::Swapped,
    Harm::Unreadable,
];

/// The object of an image that the test damages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Layer,
    Config,
    Manifest,
}

pub(super) const PARTS: [Part; 3] = [Part::Layer, Part::Config, Part::Manifest];

pub(super) struct World {
    pub(super) emulator: Sealyard,
    pub(super) client: Client,
}

/// An image with one layer, and the files of its parts.
pub(super) struct Image {
    pub(super) repository: String,
    pub(super) layer: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    files: [PathBuf; 3],
}

impl World {
    pub(super) async fn new() -> Self {
        let (emulator, client) = start().await;
        Self { emulator, client }
    }

    pub(super) async fn push(&self, seed: u64, repository: &str) -> Image {
        let layer = content::bytes(seed, 3 * SEGMENT + 17);
        let config =
            format!("{{\"architecture\":\"amd64\",\"os\":\"linux\",\"comment\":\"{seed:4}\"}}");
        let config = config.into_bytes();
        let manifest = content::image(&config, &[&layer]).to_string().into_bytes();
        let mut files = Vec::new();
        for blob in [&layer, &config] {
            let before = self.files();
            assert_eq!(self.client.push_blob(repository, blob).await.status, StatusCode::CREATED);
            files.extend(self.files().difference(&before).cloned());
        }
        let before = self.files();
        let put = self.client.put_manifest(repository, "v1", &manifest).await;
        assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
        files.extend(self.files().difference(&before).cloned());
        let files = files.try_into().unwrap();
        Image { repository: repository.to_owned(), layer, config, manifest, files }
    }

    /// Damages the file of a part. `Swapped` copies the file of the other image.
    pub(super) fn harm(image: &Image, part: Part, harm: Harm, other: &Image) {
        let (file, other) = (image.file(part), other.file(part));
        match harm {
            Harm::Missing => fs_err::remove_file(file).unwrap(),
            Harm::Empty => fs_err::write(file, b"").unwrap(),
            Harm::Cut => {
                let bytes = fs_err::read(file).unwrap();
                fs_err::write(file, &bytes[..bytes.len() - 7]).unwrap();
            }
            Harm::Flipped(place) => {
                let mut bytes = fs_err::read(file).unwrap();
                let at = (bytes.len() * place / 16).min(bytes.len() - 1);
                bytes[at] ^= 4;
                fs_err::write(file, bytes).unwrap();
            }
            Harm::Swapped => {
                let bytes = fs_err::read(other).unwrap();
                assert_eq!(bytes.len(), fs_err::read(file).unwrap().len());
                fs_err::write(file, bytes).unwrap();
            }
            Harm::Unreadable => {
                fs_err::remove_file(file).unwrap();
                fs_err::create_dir(file).unwrap();
            }
        }
    }

    pub(super) async fn head(&self, image: &Image, part: Part) -> StatusCode {
        self.client.request(Method::HEAD, &image.path(part)).send().await.unwrap().status()
    }

    /// The answer, or `None` if the connection broke during the body.
    pub(super) async fn get(&self, image: &Image, part: Part) -> Option<Answer> {
        let response = self.client.request(Method::GET, &image.path(part)).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.ok()?.to_vec();
        Some(Answer { status, headers, body })
    }

    /// Pushes a part again: a layer in chunks, a config in one request, a manifest by its tag.
    pub(super) async fn push_again(&self, image: &Image, part: Part) -> StatusCode {
        match part {
            Part::Layer => self.client.push_blob(&image.repository, &image.layer).await.status,
            Part::Config => {
                let digest = content::digest(&image.config);
                let path = format!("/v2/{}/blobs/uploads/?digest={digest}", image.repository);
                self.client.send(Method::POST, &path, image.config.clone()).await.status
            }
            Part::Manifest => {
                self.client.put_manifest(&image.repository, "v1", &image.manifest).await.status
            }
        }
    }

    pub(super) async fn mount(&self, image: &Image, part: Part, to: &str) -> StatusCode {
        let (digest, from) = (content::digest(image.bytes(part)), &image.repository);
        let path = format!("/v2/{to}/blobs/uploads/?mount={digest}&from={from}");
        self.client.send(Method::POST, &path, "").await.status
    }

    /// All published files, and the folders that replace one.
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        let shards = fs_err::read_dir(self.data_dir().join("files")).unwrap();
        let entries = shards.flat_map(|shard| fs_err::read_dir(shard.unwrap().path()).unwrap());
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.emulator.endpoints().data_dir().to_owned()
    }
}

impl Image {
    pub(super) fn file(&self, part: Part) -> &Path {
        &self.files[part as usize]
    }

    pub(super) fn bytes(&self, part: Part) -> &[u8] {
        match part {
            Part::Layer => &self.layer,
            Part::Config => &self.config,
            Part::Manifest => &self.manifest,
        }
    }

    pub(super) fn path(&self, part: Part) -> String {
        let what = if part == Part::Manifest { "manifests" } else { "blobs" };
        format!("/v2/{}/{what}/{}", self.repository, content::digest(self.bytes(part)))
    }
}

impl Part {
    pub(super) fn code(self) -> &'static str {
        if self == Self::Manifest { "MANIFEST_UNKNOWN" } else { "BLOB_UNKNOWN" }
    }
}

impl Harm {
    /// The cause that the error detail names.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Empty | Self::Cut | Self::Flipped(_) | Self::Swapped => "damaged",
        }
    }

    /// Whether the damage shows without the content of the file.
    pub(super) fn is_seen(self) -> bool {
        matches!(self, Self::Missing | Self::Empty | Self::Cut | Self::Unreadable)
    }

    /// Whether the damage is in the content of a layer, so that only a read finds it.
    pub(super) fn is_within(self, part: Part) -> bool {
        part == Part::Layer && matches!(self, Self::Flipped(1..16))
    }
}
