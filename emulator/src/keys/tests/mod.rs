//! Tests of the whole ring, with a vault and a store in memory that fail where a test says so.

mod events;
mod leases;
mod probing;
mod rotation;
mod support;
mod waiting;
mod watching;
