//! Runs the fuzz targets on random bytes in each run of the tests.

use proptest::prelude::*;

use super::super::fuzzing;

proptest! {
    #[test]
    fn arbitrary_bytes_never_become_records_or_rows(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::journal(&data);
        fuzzing::checkpoint(&data);
    }

    #[test]
    fn truncated_or_modified_changes_never_cause_a_panic(changes in super::changes(), cut in 0..64_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut journal = super::Journal::new();
        let record = journal.append(&changes, 0);
        let mut body = record[112..record.len() - 32].to_vec();
        body.truncate(body.len().saturating_sub(cut));
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        fuzzing::journal(&body);
        fuzzing::checkpoint(&body);
    }
}
