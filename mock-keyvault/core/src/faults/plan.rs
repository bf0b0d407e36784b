//! The faults to apply to one request.

use std::time::Duration;

/// The header of an answer that rules affected: `NAME=KIND`, separated by commas.
pub const FAULT_HEADER: &str = "x-sealyard-fault";

/// The header of a request that only probes the state: rules apply to it without being counted.
pub const PROBE_HEADER: &str = "x-sealyard-probe";

/// The faults to apply to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long the request waits first.
    pub latency: Duration,
    /// The effect after that.
    pub effect: Option<Effect>,
    /// The rules that affect it, for the header of the answer.
    pub rules: Vec<String>,
}

/// The effect of a rule on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The server answers with this status and does nothing.
    Status {
        /// The status.
        status: u16,
        /// How many seconds the client should wait.
        retry_after: Option<u64>,
    },
    /// The server closes the connection without an answer and does nothing.
    Reset,
    /// The server carries the request out and closes the connection in the middle of the answer.
    Cut,
    /// The client gets the answer of an absent server.
    Outage,
}
