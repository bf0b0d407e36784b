//! The audit log: every call to the vaults with its caller, operation and answer, in the form of Key Vault's diagnostic log.
//!
//! The router records each call, including refused calls. Tests read the records through the fixture's `calls()`, clients through
//! the admin API, and people as JSON lines in the data folder. A separate thread writes the file.
//!
//! **No key is used without a record.** The router asks [`AuditLog::ready`] before a call that uses a key, and
//! gives the answer to the client only when [`AuditLog::record`] says that the record is written. No other call waits
//! for the disk. Records in the file survive the end of the process; after a kill, the last calls that used no key may be
//! missing.
//!
//! The log never holds key material, tokens or bodies. A URI keeps only the parameters of Key Vault, and an error message is cut
//! before it quotes a body.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::operation::Operation;
use azure_emulator_core::disk_space::{DiskSpace, Purpose};
use azure_emulator_core::lines::{Limits, Lines, Unwritable};

/// How many calls are kept in memory; older calls are only in the file.
const KEPT: usize = 10_000;

const LIMITS: Limits = Limits { bytes: 16 << 20, old_files: 4 };

/// The largest record: it has a few texts of [`MAX_TEXT`] characters.
const MAX_RECORD: usize = 32 << 10;

/// Longer texts from a client are cut.
const MAX_TEXT: usize = 1024;

/// One call of the keys API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When the call arrived, by the emulator's clock.
    pub time: OffsetDateTime,
    /// The operation.
    pub operation: Operation,
    /// The vault.
    pub vault: String,
    /// The vault as a resource of the control plane.
    pub resource_id: String,
    /// The name of the key, if the call named one.
    pub key: Option<String>,
    /// The version in the request; `None` means the newest.
    pub version: Option<String>,
    /// The version that answered, if one did.
    pub used_version: Option<String>,
    /// The client id of the caller, if the token was valid.
    pub app_id: Option<String>,
    /// The object id of the caller, if the token was valid.
    pub object_id: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The code of a refusal: the inner one if there is one.
    pub code: Option<&'static str>,
    /// The message of a refusal.
    pub description: Option<String>,
    /// The address of the client.
    pub client: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The full URI of the request.
    pub request_uri: String,
    /// The API version of the request.
    pub api_version: Option<String>,
    /// How long the call took, in real time.
    pub duration: Duration,
    /// The id that the answer carried as `x-ms-request-id`.
    pub request_id: String,
    /// The id that the client gave, if any.
    pub client_request_id: Option<String>,
    /// Whether the caller has the permission; `None` if that was not checked.
    pub is_allowed: Option<bool>,
    /// Whether roles decided that, rather than access policies.
    pub by_roles: bool,
}

/// A call in the form of the diagnostic log.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record<'a> {
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    category: &'static str,
    operation_name: &'static str,
    /// Recorded logs of the service also say `Success` for refused calls; the signature and the status tell them apart.
    result_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_description: Option<&'a str>,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_ip_address: Option<&'a str>,
    identity: Identity<'a>,
    properties: Properties<'a>,
    resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_version: Option<&'a str>,
    result_signature: &'static str,
    duration_ms: String,
}

#[derive(Serialize)]
struct Identity<'a> {
    claim: Claim<'a>,
}

#[derive(Serialize)]
struct Claim<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    oid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_info: Option<&'a str>,
    http_status_code: u16,
    request_uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_access_policy_match: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_rbac_authorized: Option<bool>,
    /// Ours: the code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    /// Ours: the id of the answer, even if the client gave its own.
    request_id: &'a str,
}

/// The calls since the start, and the thread that writes them.
pub(crate) struct AuditLog {
    calls: Mutex<VecDeque<Call>>,
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

/// A request to the writer thread, which answers when it is done.
struct Request {
    /// The record to write; `None` asks whether a record could be written.
    line: Option<Vec<u8>>,
    done: oneshot::Sender<Result<(), Unwritable>>,
}

/// The file, and its state after a failed write.
struct File {
    lines: Lines,
    /// The last record that could not be written. It is written before the next one.
    left: Option<Vec<u8>>,
    /// How many records before that one were lost.
    missing: u64,
}

impl Call {
    /// The record of the call in the diagnostic log.
    pub(crate) fn record(&self) -> Record<'_> {
        let status = StatusCode::from_u16(self.status).ok();
        Record {
            time: self.time,
            category: "AuditEvent",
            operation_name: diagnostic_name(self.operation),
            result_type: "Success",
            result_description: self.description.as_deref(),
            correlation_id: self.client_request_id.as_deref().unwrap_or(&self.request_id),
            caller_ip_address: self.client.as_deref(),
            identity: Identity {
                claim: Claim { oid: self.object_id.as_deref(), appid: self.app_id.as_deref() },
            },
            properties: Properties {
                id: self.id(),
                client_info: self.user_agent.as_deref(),
                http_status_code: self.status,
                request_uri: &self.request_uri,
                is_access_policy_match: self.is_allowed.filter(|_| !self.by_roles),
                is_rbac_authorized: self.is_allowed.filter(|_| self.by_roles),
                error_code: self.code,
                request_id: &self.request_id,
            },
            // The service writes the id in capitals here, and nowhere else.
            resource_id: self.resource_id.to_ascii_uppercase(),
            operation_version: self.api_version.as_deref(),
            result_signature: status.and_then(|status| status.canonical_reason()).unwrap_or(""),
            duration_ms: self.duration.as_millis().to_string(),
        }
    }

    /// The URI of the key at the host that the client used, with the version that answered.
    fn id(&self) -> Option<String> {
        let authority = self.request_uri.strip_prefix("https://")?.split('/').next()?;
        let key = self.key.as_deref()?;
        let version = self.used_version.as_deref().or(self.version.as_deref());
        let area = if self.is_of_deleted_key() { "deletedkeys" } else { "keys" };
        Some(match version {
            Some(version) if !self.is_of_all_versions() => {
                format!("https://{authority}/{area}/{key}/{version}")
            }
            _ => format!("https://{authority}/{area}/{key}"),
        })
    }

    fn is_of_deleted_key(&self) -> bool {
        matches!(
            self.operation,
            Operation::GetDeletedKey | Operation::PurgeDeletedKey | Operation::RecoverDeletedKey
        )
    }

    fn is_of_all_versions(&self) -> bool {
        self.is_of_deleted_key()
            || matches!(
                self.operation,
                Operation::DeleteKey
                    | Operation::ListKeyVersions
                    | Operation::GetKeyRotationPolicy
                    | Operation::UpdateKeyRotationPolicy
                    | Operation::BackupKey
            )
    }
}

/// The name of an operation in the published list of log operations. Release and attestation are not in that list.
pub(crate) fn diagnostic_name(operation: Operation) -> &'static str {
    match operation {
        Operation::BackupKey => "KeyBackup",
        Operation::CreateKey => "KeyCreate",
        Operation::Decrypt => "KeyDecrypt",
        Operation::DeleteKey => "KeyDelete",
        Operation::Encrypt => "KeyEncrypt",
        Operation::GetDeletedKey => "KeyGetDeleted",
        Operation::GetKey => "KeyGet",
        Operation::GetKeyAttestation => "KeyGetAttestation",
        Operation::GetKeyRotationPolicy => "KeyRotationPolicyGet",
        Operation::ImportKey => "KeyImport",
        Operation::ListDeletedKeys => "KeyListDeleted",
        Operation::ListKeys => "KeyList",
        Operation::ListKeyVersions => "KeyListVersions",
        Operation::PurgeDeletedKey => "KeyPurge",
        Operation::RecoverDeletedKey => "KeyRecover",
        Operation::Release => "KeyRelease",
        Operation::RestoreKey => "KeyRestore",
        Operation::RotateKey => "KeyRotate",
        Operation::Sign => "KeySign",
        Operation::UnwrapKey => "KeyUnwrap",
        Operation::UpdateKey => "KeyUpdate",
        Operation::UpdateKeyRotationPolicy => "KeyRotationPolicySet",
        Operation::Verify => "KeyVerify",
        Operation::WrapKey => "KeyWrap",
    }
}

/// The URI of a request with only the parameters of Key Vault: any other parameter may hold a secret.
pub(crate) fn request_uri(host: &str, uri: &http::Uri) -> String {
    let known = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.as_str(), "api-version" | "maxresults" | "$skiptoken" | "%24skiptoken")
    });
    let query: Vec<&str> = known.collect();
    let mark = if query.is_empty() { "" } else { "?" };
    cut(&format!("https://{host}{}{mark}{}", uri.path(), query.join("&")))
}

/// The message of a refusal, cut before it quotes a body.
pub(crate) fn described(message: &str) -> String {
    let quotes_a_body = message.starts_with("The request body");
    let start = if quotes_a_body { message.split(':').next().unwrap_or_default() } else { message };
    cut(start)
}

/// Cuts a client's text to [`MAX_TEXT`] characters.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

impl AuditLog {
    /// Opens the log; lines are appended to `path`. Blocks.
    pub(crate) fn open(path: &Path, disk_space: Arc<DiskSpace>) -> io::Result<Self> {
        let lines = Lines::open(path, LIMITS, disk_space, Purpose::Audit)?;
        let mut file = File { lines, left: None, missing: 0 };
        let (requests, queue) = mpsc::channel::<Request>();
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            for Request { line, done } in queue {
                // Only a call that uses a key waits for the answer.
                let _ = done.send(file.answer(line));
            }
        })?;
        let writer = Mutex::new(Some(Writer { requests, thread }));
        Ok(Self { calls: Mutex::default(), writer })
    }

    /// Resolves when a record can be written. After an error, no key may be used.
    pub(crate) fn ready(&self) -> impl Future<Output = Result<(), Unwritable>> + use<> {
        self.ask(None)
    }

    /// Records a call. The future resolves when the record is written; a caller that drops it does not wait.
    pub(crate) fn record(
        &self,
        call: Call,
    ) -> impl Future<Output = Result<(), Unwritable>> + use<> {
        let written = self.ask(serde_json::to_vec(&call.record()).ok());
        self.push(call);
        written
    }

    fn ask(&self, line: Option<Vec<u8>>) -> impl Future<Output = Result<(), Unwritable>> + use<> {
        let (done, answer) = oneshot::channel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &*writer {
            // The thread ends only when the log is closed.
            let _ = writer.requests.send(Request { line, done });
        }
        async move { answer.await.unwrap_or(Err(Unwritable::Failed(io::ErrorKind::BrokenPipe))) }
    }

    fn push(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The calls in memory, the oldest first.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }

    /// Returns when all lines are written. Later calls are only kept in memory.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { requests, thread }) = writer {
            drop(requests);
            let _ = thread.join();
        }
    }
}

impl File {
    fn answer(&mut self, line: Option<Vec<u8>>) -> Result<(), Unwritable> {
        let written = self.write_what_is_left().and_then(|()| match &line {
            Some(line) => self.lines.append(line),
            None => self.lines.ensure_space(MAX_RECORD),
        });
        let Err(error) = written else { return Ok(()) };
        if line.is_some() {
            // A full disk fails every record. The program's log, which may be on the same disk, gets only one line.
            if self.left.is_none() {
                tracing::error!(%error, "the audit log cannot be written: no key is used until it can be");
            }
            self.missing += u64::from(self.left.is_some());
            self.left = line;
        }
        Err(Unwritable::from(&error))
    }

    fn write_what_is_left(&mut self) -> io::Result<()> {
        let Some(line) = &self.left else { return Ok(()) };
        self.lines.append(line)?;
        tracing::warn!(missing = self.missing, "the audit log is written again");
        (self.left, self.missing) = (None, 0);
        Ok(())
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_keeps_only_the_parameters_of_key_vault() {
        let uri: http::Uri =
            "/keys/k?api-version=7.4&code=secret&maxresults=2&$skiptoken=abc&sig=x"
                .parse()
                .unwrap();

        let kept = request_uri("local.vault.localhost:1", &uri);

        assert_eq!(
            kept,
            "https://local.vault.localhost:1/keys/k?api-version=7.4&maxresults=2&$skiptoken=abc"
        );
        assert_eq!(request_uri("h", &"/keys".parse().unwrap()), "https://h/keys");
    }

    #[test]
    fn a_message_is_cut_before_it_quotes_a_body() {
        let message =
            "The request body is not what this operation takes: invalid type: string \"s3cret\"";

        assert_eq!(described(message), "The request body is not what this operation takes");
        assert_eq!(
            described("Invalid length of 'value': 3 bytes."),
            "Invalid length of 'value': 3 bytes."
        );
        assert_eq!(described(&"x".repeat(5000)).len(), MAX_TEXT);
    }
}
