//! Runs the readers on arbitrary bytes, as the fuzz targets do, for a short time.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::fuzzing;

/// Short edits reach deeper than noise: a trailer body of plausible numbers, one byte changed, a cut, a repetition.
const SEEDS: [&[u8]; 7] = [
    b"",
    b"\0\0\0\0\0\0\0\0\0\0\0\x0bsha256:fuzz\0\0\0\0",
    b"\x10\x50\0\0\0\0\0\0\x10\0\0\x0bsha256:fuzz\0\0\0\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0\0\0\0\0\0\0\x01",
    b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x0bsha256:fuzz\0\0\0\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0\0\0\x01\0\0\0\0",
    b"\0\x20\x04\x01",
    b"\0\x60\0\0",
    b"\0\x60\x02\0",
];

#[test]
fn seeds_are_refused_or_opened_to_the_sealed_content() {
    for seed in SEEDS {
        fuzzing::open(seed);
        fuzzing::scan(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_are_refused_or_opened_to_the_sealed_content(data in vec(any::<u8>(), 0..300)) {
        fuzzing::open(&data);
        fuzzing::scan(&data);
    }

    #[test]
    fn arbitrary_run_lists_are_refused(
        content in 0..9000_u16,
        plaintext_len in prop_oneof![0..9000_u64, any::<u64>()],
        runs in vec(prop_oneof![0..4_u64, any::<u64>()], 0..6),
    ) {
        let mut data = content.to_be_bytes().to_vec();
        data.extend_from_slice(&plaintext_len.to_be_bytes());
        data.extend_from_slice(b"\0\x0bsha256:fuzz");
        data.extend_from_slice(&u32::try_from(runs.len()).unwrap().to_be_bytes());
        for segments in runs {
            data.extend_from_slice(&[9; 32]);
            data.extend_from_slice(&segments.to_be_bytes());
        }
        fuzzing::open(&data);
    }
}
