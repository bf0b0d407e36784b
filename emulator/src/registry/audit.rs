//! The audit log: every use of the keys of all registries and everything that happens to them, as JSON lines in the folder of
//! the store.
//!
//! A record says registry, time, caller, operation, key version, purpose, result and request id; it never holds key material.
//! Records are taken on async threads, so a thread of the log's own writes them, and it alone. A file that has grown
//! to its limit becomes the previous one, and the one before that goes.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use fs_err::{self as fs, File, OpenOptions};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::names::RegistryName;
use crate::keys::{KeyEvent, KeyUse};
use crate::store::Store;

const CURRENT: &str = "key-uses.jsonl";
const PREVIOUS: &str = "key-uses.1.jsonl";
/// A file of this length is about a day of constant use.
const MAX_LEN: u64 = 8 << 20;

/// Takes the records of one store. The writer ends when this is dropped.
#[derive(Debug)]
pub(super) struct AuditLog(Sender<Message>);

#[derive(Debug)]
enum Message {
    Record(Box<Line>),
    Event(Box<KeyEvent>),
    /// Answered when everything before it is in the file.
    Flush(Sender<()>),
}

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Whose key it is. Lines from before there were several registries do not say.
    #[serde(default = "local")]
    registry: String,
    #[serde(flatten)]
    key_use: KeyUse,
}

impl AuditLog {
    pub(super) fn open(store: &Store) -> Result<Self, Error> {
        let folder = store.audit_folder();
        let file = open(&folder)?;
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || write(&folder, file, &receiver))?;
        Ok(Self(sender))
    }

    /// The newest records of a registry, the oldest of them first.
    pub(super) fn newest(
        &self,
        store: &Store,
        registry: &str,
        count: usize,
    ) -> Result<Vec<KeyUse>, Error> {
        let (sender, flushed) = mpsc::channel();
        if self.0.send(Message::Flush(sender)).is_ok() {
            // An error means that the writer is gone; what it wrote is there.
            let _ = flushed.recv();
        }
        let mut uses = Vec::new();
        for name in [PREVIOUS, CURRENT] {
            let text = match fs::read_to_string(store.audit_folder().join(name)) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            // A line that a kill cut in two is left out.
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
            let own = lines.filter(|line| line.registry == registry);
            uses.extend(own.map(|line| line.key_use));
        }
        Ok(uses.split_off(uses.len().saturating_sub(count)))
    }

    pub(super) fn record(&self, registry: &str, key_use: KeyUse) {
        let line = Line { registry: registry.to_owned(), key_use };
        // It fails only when the writer has ended, which it has logged.
        let _ = self.0.send(Message::Record(Box::new(line)));
    }

    pub(super) fn event(&self, event: KeyEvent) {
        let _ = self.0.send(Message::Event(Box::new(event)));
    }
}

fn local() -> String {
    RegistryName::local().to_string()
}

fn open(folder: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(folder.join(CURRENT))
}

fn write(folder: &Path, mut file: File, messages: &Receiver<Message>) {
    for message in messages {
        let written = match message {
            Message::Record(line) => append(folder, &mut file, &line),
            Message::Event(event) => append(folder, &mut file, &event),
            Message::Flush(done) => {
                let _ = done.send(());
                Ok(())
            }
        };
        if let Err(error) = written {
            tracing::error!(%error, "a use of the key could not be written to the audit log");
        }
    }
}

fn append(folder: &Path, file: &mut File, record: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    if file.metadata()?.len() + line.len() as u64 > MAX_LEN {
        fs::rename(folder.join(CURRENT), folder.join(PREVIOUS))?;
        *file = open(folder)?;
    }
    file.write_all(&line)
}
