//! The audit log: every use of the keys of all registries, and every event of a key, as JSON lines in the store's
//! folder.
//!
//! A record has registry, time, caller, operation, key version, purpose, result and request id; it never has key
//! material. Records come from async threads, so the log writes them on its own thread. The caller waits for the record
//! of a key use, because no key is used without one: on a full disk the record uses the reserve, and when the reserve
//! is used up the caller is refused. A file that reaches its limit becomes the previous file, and the one before that
//! is deleted.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::disk_space::{DiskSpace, Purpose};
use azure_emulator_core::lines::{Limits, Lines, Unwritable};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::error::Error;
use crate::keys::{AuditUnavailable, KeyEvent, KeyUse};
use crate::names::RegistryName;
use crate::store::Store;

const CURRENT: &str = "key-uses.jsonl";
const PREVIOUS: &str = "key-uses.jsonl.1";
const FORMER_PREVIOUS: &str = "key-uses.1.jsonl";
/// A file of this length holds about a day of constant use.
const LIMITS: Limits = Limits { bytes: 8 << 20, old_files: 1 };
/// The maximum length of a record: a name, two ids and some text.
const MAX_RECORD: usize = 8 << 10;
/// The maximum number of lines that wait until the file can be written again.
const MAX_LEFT: usize = 1000;

/// Receives the records of one store. The writer ends when this is dropped.
#[derive(Debug)]
pub(super) struct AuditLog(Sender<Message>);

#[derive(Debug)]
enum Message {
    Ready(oneshot::Sender<Result<(), AuditUnavailable>>),
    Record(Box<Line>, oneshot::Sender<Result<(), AuditUnavailable>>),
    Event(Box<KeyEvent>),
    /// Answered when everything before it is in the file.
    Flush(Sender<()>),
}

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// The registry of the key. Lines from before there were several registries have none.
    #[serde(default = "local")]
    registry: String,
    #[serde(flatten)]
    key_use: KeyUse,
}

impl AuditLog {
    pub(super) fn open(store: &Store) -> Result<Self, Error> {
        let mut writer = Writer::open(&store.audit_folder(), Arc::clone(store.disk_space()))?;
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || receiver.into_iter().for_each(|message| writer.take(message)))?;
        Ok(Self(sender))
    }

    /// The newest records of a registry, oldest first.
    pub(super) fn newest(
        &self,
        store: &Store,
        registry: &str,
        count: usize,
    ) -> Result<Vec<KeyUse>, Error> {
        let (sender, flushed) = mpsc::channel();
        if self.0.send(Message::Flush(sender)).is_ok() {
            // An error means that the writer has ended; everything that it wrote is in the file.
            let _ = flushed.recv();
        }
        let mut uses = Vec::new();
        for name in [PREVIOUS, CURRENT] {
            let text = match fs::read_to_string(store.audit_folder().join(name)) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            // A line that a kill cut in two is skipped.
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
            let own = lines.filter(|line| line.registry == registry);
            uses.extend(own.map(|line| line.key_use));
        }
        Ok(uses.split_off(uses.len().saturating_sub(count)))
    }

    /// Resolves when a record can be written.
    pub(super) fn ready(&self) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        self.ask(Message::Ready)
    }

    /// Adds one record. Resolves when it is written.
    pub(super) fn record(
        &self,
        registry: &str,
        key_use: KeyUse,
    ) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        let line = Box::new(Line { registry: registry.to_owned(), key_use });
        self.ask(|done| Message::Record(line, done))
    }

    pub(super) fn event(&self, event: KeyEvent) {
        // It fails only when the writer has ended, which it has logged.
        let _ = self.0.send(Message::Event(Box::new(event)));
    }

    /// Also returns an error if the writer has ended.
    fn ask(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<(), AuditUnavailable>>) -> Message,
    ) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        let (done, answer) = oneshot::channel();
        let _ = self.0.send(message(done));
        async move {
            let gone = AuditUnavailable(Unwritable::Failed(std::io::ErrorKind::BrokenPipe));
            answer.await.unwrap_or(Err(gone))
        }
        .boxed()
    }
}

/// Writes the file, on its own thread.
struct Writer {
    lines: Lines,
    /// The lines that could not be written, oldest first. They are written before anything else.
    left: VecDeque<Left>,
    /// The number of lines lost because too many were waiting.
    lost: u64,
}

/// A line that could not be written.
struct Left {
    line: Vec<u8>,
    is_use: bool,
}

impl Writer {
    fn open(folder: &Path, disk_space: Arc<DiskSpace>) -> std::io::Result<Self> {
        let path = folder.join(CURRENT);
        // The name in older versions.
        let former = folder.join(FORMER_PREVIOUS);
        if former.try_exists()? {
            fs::rename(former, folder.join(PREVIOUS))?;
        }
        let lines = Lines::open(&path, LIMITS, disk_space, Purpose::Audit)?;
        Ok(Self { lines, left: VecDeque::new(), lost: 0 })
    }

    fn take(&mut self, message: Message) {
        // The caller may be gone.
        match message {
            Message::Ready(done) => {
                let ready = self.append_left().and_then(|()| self.lines.ensure_space(MAX_RECORD));
                let _ =
                    done.send(ready.map_err(|error| AuditUnavailable(Unwritable::from(&error))));
            }
            Message::Record(line, done) => {
                let _ = done.send(self.write(&line, true));
            }
            Message::Event(event) => {
                let _ = self.write(&event, false);
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, record: &impl Serialize, is_use: bool) -> Result<(), AuditUnavailable> {
        let line = serde_json::to_vec(record).map_err(|error| {
            tracing::error!(%error, "cannot write a record of the audit log as JSON");
            AuditUnavailable(Unwritable::Failed(std::io::ErrorKind::InvalidData))
        })?;
        self.append_left().and_then(|()| self.lines.append(&line)).map_err(|error| {
            // A full disk fails every record; this is logged once.
            if self.left.is_empty() {
                tracing::error!(%error, "cannot write the audit log: no key is used until writing succeeds");
            }
            self.leave(Left { line, is_use });
            AuditUnavailable(Unwritable::from(&error))
        })
    }

    /// Keeps a line for later. If there are too many, events are dropped before uses of keys.
    fn leave(&mut self, line: Left) {
        self.left.push_back(line);
        if self.left.len() > MAX_LEFT {
            let event = self.left.iter().position(|left| !left.is_use);
            self.left.remove(event.unwrap_or(0));
            self.lost += 1;
        }
    }

    fn append_left(&mut self) -> std::io::Result<()> {
        while let Some(left) = self.left.front() {
            self.lines.append(&left.line)?;
            self.left.pop_front();
            if self.left.is_empty() {
                tracing::warn!(lost = self.lost, "the audit log can be written again");
                self.lost = 0;
            }
        }
        Ok(())
    }
}

fn local() -> String {
    RegistryName::local().to_string()
}

#[cfg(test)]
mod tests {
    use azure_emulator_core::disk_space::SimulatedDisk;
    use serde_json::json;

    use super::*;

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn a_new_file_that_could_not_be_created_is_created_later() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer =
            Writer::open(folder.path(), Arc::new(DiskSpace::without_reserve(folder.path())))
                .unwrap();
        let long = "x".repeat(usize::try_from(LIMITS.bytes).unwrap());
        writer.write(&long, true).unwrap();
        // The state after an attempt that found no room for the new file.
        fs::rename(folder.path().join(CURRENT), folder.path().join(PREVIOUS)).unwrap();

        let written = writer.write(&json!("next"), true);

        assert_eq!(written, Ok(()));
        assert_eq!(text(folder.path(), CURRENT), "\"next\"\n");
        assert!(text(folder.path(), PREVIOUS).len() > long.len());
    }

    #[test]
    fn a_half_line_and_an_old_file_name_are_repaired_at_opening() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CURRENT), "1\n{\"half").unwrap();
        fs::write(folder.path().join(FORMER_PREVIOUS), "0\n").unwrap();

        let mut writer =
            Writer::open(folder.path(), Arc::new(DiskSpace::without_reserve(folder.path())))
                .unwrap();
        writer.write(&2, true).unwrap();

        assert_eq!(text(folder.path(), CURRENT), "1\n2\n");
        assert_eq!(text(folder.path(), PREVIOUS), "0\n");
    }

    #[test]
    fn failed_records_are_written_later_in_order_and_uses_are_kept_over_events() {
        let folder = tempfile::tempdir().unwrap();
        let disk_space = Arc::new(DiskSpace::open(folder.path()));
        let mut writer = Writer::open(folder.path(), Arc::clone(&disk_space)).unwrap();

        disk_space.simulate(SimulatedDisk::UsedUp);
        let refused = writer.write(&"a use", true);
        for number in 0..MAX_LEFT {
            writer.write(&number, false).unwrap_err();
        }
        disk_space.simulate(SimulatedDisk::Off);
        writer.write(&"the last", true).unwrap();

        assert_eq!(refused, Err(AuditUnavailable(Unwritable::DiskFull)));
        let written = text(folder.path(), CURRENT);
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!((lines.len(), lines[0]), (MAX_LEFT + 1, "\"a use\""));
        assert_eq!((lines[1], lines[MAX_LEFT]), ("1", "\"the last\""));
    }
}
