//! The published test vectors: reproduced byte for byte, and opened.
//!
//! They are frozen. If this test fails, the format has changed and needs a new version. To write vectors for a new
//! version, run it with `SEALYARD_WRITE_VECTORS=1`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::support::{SEG, binding, key_of, opened_as, scanned_with};
use crate::random::{Salt, Salts};
use crate::value::seal_value_with;
use crate::{DataKey, DataKeyId, MIN_SEGMENT_LEN, Sealer, open_value};

const ID: DataKeyId = DataKeyId::from_bytes(*b"vector data key.");

struct Vector {
    name: &'static str,
    len: usize,
    /// The writer stopped after this many bytes, and unsealed content was sent again.
    interrupted: Option<usize>,
    /// The first byte of each salt, which is that byte 32 times, in the order in which they are drawn.
    salts: &'static [u8],
}

const VECTORS: [Vector; 6] = [
    Vector { name: "empty", len: 0, interrupted: None, salts: &[0xa1] },
    Vector { name: "one-byte", len: 1, interrupted: None, salts: &[0xb1, 0xb2] },
    Vector { name: "segment-less-one", len: SEG - 1, interrupted: None, salts: &[0xc1, 0xc2] },
    Vector { name: "segment", len: SEG, interrupted: None, salts: &[0xd1, 0xd2] },
    Vector { name: "segment-and-one", len: SEG + 1, interrupted: None, salts: &[0xe1, 0xe2] },
    Vector {
        name: "two-runs",
        len: 2 * SEG + 10,
        interrupted: Some(SEG + 77),
        salts: &[0xf1, 0xf2, 0xf3],
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn key() -> DataKey {
    key_of(0x42)
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 167 + (n >> 8) * 59).to_le_bytes()[0]).collect()
}

fn identity(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

fn salts(bytes: &[u8]) -> Salts {
    Salts::Script(bytes.iter().map(|byte| Salt([*byte; 32])).collect::<VecDeque<_>>())
}

fn seal(vector: &Vector) -> Vec<u8> {
    let content = content(vector.len);
    let (first, later) = vector.salts.split_at(1);
    let mut sent = 0;
    let begin =
        |salts| Sealer::create_with(Vec::new(), ID, binding(), MIN_SEGMENT_LEN, salts).unwrap();
    let mut sealer = match vector.interrupted {
        None => begin(salts(vector.salts)),
        Some(interrupted) => {
            let mut file = Vec::new();
            let mut sealer =
                Sealer::create_with(&mut file, ID, binding(), MIN_SEGMENT_LEN, salts(first))
                    .unwrap();
            sealer.append(&key(), &content[..interrupted]).unwrap();
            drop(sealer);
            let (_, recovered) = scanned_with(&file, &key()).unwrap();
            sent = usize::try_from(recovered.plaintext_len()).unwrap();
            Sealer::resume_with(file, recovered, salts(later))
        }
    };
    sealer.append(&key(), &content[sent..]).unwrap();
    sealer.finish(&key(), &identity(&content)).unwrap().0
}

fn sealed_value() -> Vec<u8> {
    seal_value_with(&key(), b"vector context", b"vector row", b"a value", &mut salts(&[0x91]))
        .unwrap()
}

/// The index, as the file has it.
fn index() -> String {
    let mut files = Vec::new();
    for vector in &VECTORS {
        let mut salts: Vec<_> =
            vector.salts.iter().map(|byte| format!("\"{}\"", hex::encode([*byte; 32]))).collect();
        let trailer = salts.pop().unwrap();
        files.push(format!(
            "    {{\n      \"file\": \"{}.sealed\",\n      \"plaintextLength\": {},\n      \
             \"identity\": \"{}\",\n      \"runSalts\": [{}],\n      \"trailerSalt\": {trailer}\n    }}",
            vector.name,
            vector.len,
            identity(&content(vector.len)),
            salts.join(", "),
        ));
    }
    let mut json = String::from("{\n  \"format\": \"sealyard envelope\",\n  \"version\": 1,\n");
    let _ = writeln!(json, "  \"dataKey\": \"{}\",", hex::encode(key().expose()));
    let _ = writeln!(json, "  \"dataKeyId\": \"{ID}\",");
    let _ = writeln!(json, "  \"registry\": \"local\",\n  \"kind\": 1,");
    let _ = writeln!(json, "  \"segmentLength\": {MIN_SEGMENT_LEN},");
    json.push_str("  \"plaintext\": \"byte n is (n * 167 + floor(n / 256) * 59) mod 256\",\n");
    let _ = writeln!(json, "  \"files\": [\n{}\n  ],", files.join(",\n"));
    let _ = writeln!(
        json,
        "  \"values\": [\n    {{\n      \"context\": \"vector context\",\n      \
         \"associated\": \"vector row\",\n      \"plaintext\": \"a value\",\n      \
         \"salt\": \"{}\",\n      \"sealed\": \"{}\"\n    }}\n  ]\n}}",
        hex::encode([0x91; 32]),
        hex::encode(sealed_value()),
    );
    json
}

#[test]
fn the_published_files_are_reproduced_byte_for_byte() {
    let write = std::env::var_os("SEALYARD_WRITE_VECTORS").is_some();
    let mut files = vec![("index.json".to_owned(), index().into_bytes())];
    files.extend(VECTORS.iter().map(|vector| (format!("{}.sealed", vector.name), seal(vector))));
    for (name, bytes) in files {
        let path = folder().join(&name);
        if write {
            fs_err::write(&path, &bytes).unwrap();
        }
        assert!(fs_err::read(&path).unwrap() == bytes, "{name} is another");
    }
}

#[test]
fn the_published_files_open() {
    for vector in &VECTORS {
        let file = fs_err::read(folder().join(format!("{}.sealed", vector.name))).unwrap();
        let content = content(vector.len);
        let opened = opened_as(&file, binding(), &key(), &identity(&content)).unwrap();
        assert!(opened == content, "{}", vector.name);
    }
}

#[test]
fn the_published_value_opens() {
    let opened = open_value(&key(), b"vector context", b"vector row", &sealed_value()).unwrap();
    assert_eq!(opened.as_slice(), b"a value");
}
