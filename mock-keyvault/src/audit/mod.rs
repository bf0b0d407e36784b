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

mod call;
mod log;
mod record;
mod text;

pub use self::call::Call;
pub(crate) use self::log::AuditLog;
pub(crate) use self::record::diagnostic_name;
pub(crate) use self::text::{cut, described, request_uri};
