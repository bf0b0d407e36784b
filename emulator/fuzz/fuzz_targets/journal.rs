//! Arbitrary bytes as a segment of the journal of the rows, and as edits to one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mock_keyvault::durable::fuzzing::journal(data));
