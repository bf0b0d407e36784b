//! The sealed files that a key must open, as `FORMAT.md` describes them: the places where a right key shows itself.

use std::collections::HashMap;
use std::error::Error;

use aes_gcm::aead::KeyInit as _;
use aes_gcm::{AeadInOut as _, Aes256Gcm};
use hkdf::Hkdf;
use sha2::Sha256;

const HEADER_LEN: usize = 32;
const HEAD_LEN: usize = 64;
const TAG_LEN: usize = 16;
const FOOTER_LEN: usize = 8;

/// The block of the counter mode that encrypts the first 16 bytes of a run, and of a trailer.
pub(crate) const FIRST_BLOCKS: [[u8; 16]; 2] = [
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2],
];

/// A message under a derived key: a run or a trailer.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) salt: [u8; 32],
    pub(crate) commitment: [u8; 32],
    pub(crate) info: Vec<u8>,
}

/// One finished file.
pub(crate) struct Sealed {
    pub(crate) data_key: [u8; 16],
    pub(crate) trailer: Message,
    pub(crate) first_run: Option<Message>,
    header: Vec<u8>,
    registry: String,
    name: String,
    sealed_body: Vec<u8>,
}

/// All files, and the outputs of the cipher that a right key gives.
pub(crate) struct Files {
    pub(crate) all: Vec<Sealed>,
    keystreams: [HashMap<[u8; 16], String>; 2],
}

impl Files {
    /// Reads these files of a registry. `plain` is the content of files; the lengths tell which file has which content.
    pub(crate) fn read(
        stored: &[(String, Vec<u8>)],
        registry: &str,
        plain: &[Vec<u8>],
    ) -> Result<Self, Box<dyn Error>> {
        let mut files = Self { all: Vec::new(), keystreams: Default::default() };
        for (path, bytes) in stored {
            let Some(file) = Sealed::parse(path, registry, bytes) else { continue };
            let end = bytes.len() - FOOTER_LEN - HEAD_LEN - TAG_LEN - file.body_len();
            for content in plain {
                let segment_len = u32::from_be_bytes(bytes[12..16].try_into()?) as usize;
                let tags = content.len().div_ceil(segment_len) * TAG_LEN;
                let runs = 1..4;
                let fits = |runs| HEADER_LEN + runs * HEAD_LEN + content.len() + tags == end;
                if content.len() < 16 || !runs.into_iter().any(fits) {
                    continue;
                }
                let start = HEADER_LEN + HEAD_LEN;
                let mut body = (content.len() as u64).to_be_bytes().to_vec();
                body.extend_from_slice(b"\x00\x47sha256");
                let known = [(&bytes[start..], &content[..]), (&file.sealed_body[..], &body[..])];
                for (index, (sealed, clear)) in known.into_iter().enumerate() {
                    let stream = std::array::from_fn(|at| sealed[at] ^ clear[at]);
                    files.keystreams[index].insert(stream, file.name.clone());
                }
            }
            files.all.push(file);
        }
        Ok(files)
    }

    /// The file whose content or trailer these outputs for [`FIRST_BLOCKS`] decrypt.
    pub(crate) fn decrypted_by(&self, outputs: &[[u8; 16]; 2]) -> Option<&str> {
        let mut found =
            self.keystreams.iter().zip(outputs).filter_map(|(known, output)| known.get(output));
        found.next().map(String::as_str)
    }

    /// One file for each data key.
    pub(crate) fn one_for_each_data_key(&self) -> Vec<&Sealed> {
        let mut seen = std::collections::HashSet::new();
        self.all.iter().filter(|file| seen.insert(file.data_key)).collect()
    }
}

impl Sealed {
    fn parse(path: &str, registry: &str, bytes: &[u8]) -> Option<Self> {
        let name = path.rsplit('/').next()?.to_owned();
        let header = bytes.get(..HEADER_LEN)?.to_vec();
        let footer = bytes.len().checked_sub(FOOTER_LEN)?;
        if !header.starts_with(b"SEALYARD") || !bytes.ends_with(b"DRAY") {
            return None;
        }
        let trailer_len = u32::from_be_bytes(bytes[footer..footer + 4].try_into().ok()?) as usize;
        let trailer = footer.checked_sub(trailer_len)?;
        let mut file = Self {
            data_key: header[16..].try_into().ok()?,
            trailer: Message {
                name: format!("the trailer of {name}"),
                salt: bytes[trailer..trailer + 32].try_into().ok()?,
                commitment: bytes[trailer + 32..trailer + 64].try_into().ok()?,
                info: Vec::new(),
            },
            first_run: None,
            header,
            registry: registry.to_owned(),
            name,
            sealed_body: bytes[trailer + HEAD_LEN..footer].to_vec(),
        };
        file.trailer.info = file.info(b"sealyard envelope v1 trailer");
        if trailer > HEADER_LEN {
            let salt = bytes[HEADER_LEN..HEADER_LEN + 32].try_into().ok()?;
            let mut run = file.run(0, 0, salt, [0; 32]);
            run.commitment = bytes[HEADER_LEN + 32..HEADER_LEN + 64].try_into().ok()?;
            file.first_run = Some(run);
        }
        Some(file)
    }

    fn body_len(&self) -> usize {
        self.sealed_body.len() - TAG_LEN
    }

    fn info(&self, purpose: &[u8]) -> Vec<u8> {
        let len = (self.registry.len() as u64).to_be_bytes();
        [purpose, &len, self.registry.as_bytes(), &self.header].concat()
    }

    fn run(&self, number: usize, start: u64, salt: [u8; 32], previous: [u8; 32]) -> Message {
        let mut info = self.info(b"sealyard envelope v1 run");
        info.extend_from_slice(&start.to_be_bytes());
        info.extend_from_slice(&previous);
        Message { name: format!("run {number} of {}", self.name), salt, commitment: [0; 32], info }
    }

    /// All messages of the file: the trailer, opened with the data key, lists the runs.
    pub(crate) fn messages(&self, data_key: &[u8; 32]) -> Option<Vec<Message>> {
        let okm = self.trailer.opened_by(data_key)?;
        let mut body = self.sealed_body.clone();
        let nonce = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let cipher = Aes256Gcm::new_from_slice(&okm[..32]).ok()?;
        cipher.decrypt_in_place((&nonce).into(), &self.header, &mut body).ok()?;
        let identity_len = usize::from(u16::from_be_bytes(body[8..10].try_into().ok()?));
        let segment_len = u64::from(u32::from_be_bytes(self.header[12..16].try_into().ok()?));
        let (mut messages, mut start, mut previous) = (vec![self.trailer.clone()], 0, [0; 32]);
        for (number, run) in body[14 + identity_len..].chunks_exact(40).enumerate() {
            let salt = run[..32].try_into().ok()?;
            messages.push(self.run(number, start, salt, previous));
            start += u64::from_be_bytes(run[32..].try_into().ok()?) * segment_len;
            previous = salt;
        }
        Some(messages)
    }
}

impl Message {
    /// The pseudorandom key and the output of the derivation.
    pub(crate) fn derive(&self, data_key: &[u8]) -> ([u8; 32], [u8; 64]) {
        let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(&self.salt), data_key);
        let mut okm = [0; 64];
        hkdf.expand(&self.info, &mut okm).expect("64 bytes are within HKDF's limit");
        (prk.into(), okm)
    }

    /// The output of the derivation, if it gives the commitment in the file.
    pub(crate) fn opened_by(&self, data_key: &[u8]) -> Option<[u8; 64]> {
        let (_, okm) = self.derive(data_key);
        (okm[32..] == self.commitment).then_some(okm)
    }

    /// Whether this is the pseudorandom key of the derivation.
    pub(crate) fn is_expanded_from(&self, prk: &[u8]) -> bool {
        let mut okm = [0; 64];
        let expanded = Hkdf::<Sha256>::from_prk(prk)
            .is_ok_and(|hkdf| hkdf.expand(&self.info, &mut okm).is_ok());
        expanded && okm[32..] == self.commitment
    }
}
