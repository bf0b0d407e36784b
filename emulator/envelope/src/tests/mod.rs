//! Tests of the guarantees and defences of the format, by subject. `support` makes files and keys.

mod adapters;
mod arbitrary;
mod range;
mod resume;
mod round_trip;
// It reads the memory of the process.
#[cfg(target_os = "linux")]
mod scrub;
mod support;
mod tamper;
mod vectors;
