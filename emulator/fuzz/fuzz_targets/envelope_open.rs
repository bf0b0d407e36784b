//! Arbitrary bytes as a finished sealed file, as a trailer, and as edits to a finished file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealed_envelope::fuzzing::open(data));
