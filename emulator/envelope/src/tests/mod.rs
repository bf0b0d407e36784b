//! What the format must keep and must defeat, by subject. `support` makes files and keys.

mod adapters;
mod arbitrary;
mod resume;
mod round_trip;
mod support;
mod tamper;
mod vectors;
