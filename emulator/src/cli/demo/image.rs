//! The image that the demo pushes: a config, two gzipped layers of a small file tree, and a manifest, as any builder makes them.
//!
//! It is always the same. No line of its text occurs twice, so that a search for any part of it is meaningful.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::registry::{Algorithm, Digest};

/// The media types of the OCI image specification.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An annotation of the manifest, for the search.
const NOTE: &str = "An annotation that a copy of the disk must not reveal";

/// Content that is pushed as a blob.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) what: &'static str,
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

/// An image.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// The config, then the layers.
    pub(super) blobs: Vec<Blob>,
    pub(super) manifest: Vec<u8>,
    /// Its content before compression, which the disk must not reveal.
    contents: Vec<Vec<u8>>,
}

impl Image {
    /// Creates the image.
    pub(super) fn make() -> io::Result<Self> {
        let program = "#!/bin/sh\n# The program of the demonstration image.\necho \"Hello from a sealed registry\"\n";
        let trees = [
            (
                "the layer of the program",
                vec![("app/hello", program.to_owned()), ("app/words", prose(1, 600))],
            ),
            ("the layer of the data", vec![("data/customers.csv", records(2, 2500))]),
        ];
        let mut blobs = Vec::new();
        let mut contents: Vec<Vec<u8>> = Vec::new();
        let mut diff_ids = Vec::new();
        for (what, files) in trees {
            let tar = tar_of(&files)?;
            diff_ids.push(Digest::of(Algorithm::Sha256, &tar).as_str().to_owned());
            blobs.push(Blob::new(what, gzip(&tar)?));
            contents.extend(files.into_iter().map(|(_, text)| text.into_bytes()));
        }
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Cmd": ["/app/hello"], "Env": ["DATABASE_PASSWORD=correct horse battery staple"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = Blob::new("the config", config.to_string().into_bytes());
        let layers: Vec<Value> = blobs.iter().map(|blob| blob.descriptor(LAYER)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": layers,
            "annotations": { "org.opencontainers.image.description": NOTE },
        });
        blobs.insert(0, config);
        Ok(Self { blobs, manifest: manifest.to_string().into_bytes(), contents })
    }

    /// Everything that must not be found on the disk: the sent bytes, and their content. Of the manifest only its
    /// annotation: its media types, digests and sizes are readable by design.
    pub(super) fn secrets(&self) -> Vec<&[u8]> {
        let sent = self.blobs.iter().map(|blob| blob.bytes.as_slice());
        sent.chain(self.contents.iter().map(Vec::as_slice)).chain([NOTE.as_bytes()]).collect()
    }

    /// The number of bytes that are sent.
    pub(super) fn len(&self) -> usize {
        self.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>() + self.manifest.len()
    }
}

impl Blob {
    fn new(what: &'static str, bytes: Vec<u8>) -> Self {
        Self { what, digest: Digest::of(Algorithm::Sha256, &bytes), bytes }
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest.as_str(), "size": self.bytes.len() })
    }
}

fn tar_of(files: &[(&str, String)]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, text.as_bytes())?;
    }
    tar.into_inner()
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A reproducible sequence of random numbers (xorshift).
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), |&state| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 7);
        Some(state ^ (state << 17))
    })
    .skip(8)
}

fn prose(seed: u64, lines: usize) -> String {
    const WORDS: [&str; 16] = [
        "harbor", "lantern", "copper", "meadow", "thunder", "velvet", "granite", "whisper",
        "orchard", "compass", "ember", "glacier", "marble", "saffron", "timber", "willow",
    ];
    let mut numbers = numbers(seed);
    let mut word = || {
        let at = numbers.next().unwrap_or_default() % WORDS.len() as u64;
        WORDS[usize::try_from(at).unwrap_or_default()]
    };
    (0..lines).fold(String::new(), |text, line| {
        format!("{text}{line} {} {} {} {} {}\n", word(), word(), word(), word(), word())
    })
}

fn records(seed: u64, lines: usize) -> String {
    let records = numbers(seed).take(lines).enumerate();
    records.fold("customer,card,balance\n".to_owned(), |mut text, (line, number)| {
        use std::fmt::Write as _;
        let _ = writeln!(text, "{line},{number:020},{}", number % 100_000);
        text
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_layers_are_gzipped_archives_of_the_contents() {
        let image = Image::make().unwrap();

        let mut found = Vec::new();
        for blob in &image.blobs[1..] {
            let mut archive = tar::Archive::new(GzDecoder::new(blob.bytes.as_slice()));
            for entry in archive.entries().unwrap() {
                let mut bytes = Vec::new();
                entry.unwrap().read_to_end(&mut bytes).unwrap();
                found.push(bytes);
            }
        }

        assert_eq!(found, image.contents);
        crate::registry::ParsedManifest::read(&image.manifest, None).unwrap();
    }

    #[test]
    fn the_image_is_always_the_same() {
        let (one, other) = (Image::make().unwrap(), Image::make().unwrap());

        assert_eq!(one.manifest, other.manifest);
        assert!(one.len() > 20_000);
    }
}
