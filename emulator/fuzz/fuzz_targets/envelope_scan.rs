//! Arbitrary bytes as an unfinished sealed file, and as edits to one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealed_envelope::fuzzing::scan(data));
