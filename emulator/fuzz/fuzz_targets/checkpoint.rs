//! Arbitrary bytes as a checkpoint of the rows, and as edits to one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| azure_emulator_core::durable::fuzzing::checkpoint(data));
