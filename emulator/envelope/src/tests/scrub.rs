//! The copies that work with keys leaves on the stack of its thread. The tests read their own stack through the file of the process's
//! memory, which needs no unsafe code.

use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::panic::catch_unwind;

use super::support::{SEG, binding, content, opened_as, sealer};
use crate::scrub::STACK_LEN;
use crate::{DataKey, scrubbed, seal_value};

/// How many copies [`leave_copies`] makes: half of the stack that is erased.
const COPIES: usize = STACK_LEN / 2 / 32;

/// How often 32 bytes that begin with these 16 are on the stack below the caller's frame. The bytes are compared as they
/// are read, so that the search puts none of them there.
#[inline(never)]
fn found_below(start: &[u8]) -> usize {
    let mut stack = vec![0; 2 * STACK_LEN];
    let here = 0_u8;
    let at = u64::try_from((&raw const here).addr() - stack.len()).unwrap();
    let memory = fs_err::File::open("/proc/self/mem").unwrap();
    memory.file().read_exact_at(&mut stack, at).unwrap();
    stack.windows(start.len()).filter(|window| *window == start).count()
}

/// Fills a frame with copies of a byte and its successors.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "it fills the stack")]
fn leave_copies(first: u8) {
    let copy: [u8; 32] = std::array::from_fn(|at| first.wrapping_add(u8::try_from(at).unwrap()));
    black_box(&mut [black_box(copy); COPIES]);
}

fn start_of_copy(first: u8) -> Vec<u8> {
    (first..first + 16).collect()
}

#[test]
fn work_leaves_copies_on_the_stack_and_scrubbed_work_does_not() {
    leave_copies(33);
    let control = found_below(&start_of_copy(33));

    let result = scrubbed(|| {
        leave_copies(77);
        5
    });

    assert!(control > COPIES / 2, "the search found {control} copies");
    assert_eq!((result, found_below(&start_of_copy(77))), (5, 0));
}

#[test]
fn scrubbed_work_that_panics_leaves_no_copies_either() {
    let panicked = |scrub: bool, first: u8| {
        let work = || {
            leave_copies(first);
            std::panic::resume_unwind(Box::new(()));
        };
        let ended = catch_unwind(|| if scrub { scrubbed(work) } else { work() });
        assert!(ended.is_err());
        found_below(&start_of_copy(first))
    };

    assert!(panicked(false, 100) > 0, "the search finds copies");
    assert_eq!(panicked(true, 140), 0);
}

#[test]
fn sealing_and_opening_leave_no_part_of_the_data_key_on_the_stack() {
    let key = DataKey::generate().unwrap();
    // It is compared on the heap, where it is.
    let found = || found_below(&key.expose()[..16]);
    let content = content(3 * SEG + 100);
    let mut sealer = sealer();
    sealer.append(&key, &content).unwrap();
    let after_append = found();
    let (file, _) = sealer.finish(&key, "identity").unwrap();
    let after_finish = found();
    assert_eq!(opened_as(&file, binding(), &key, "identity").unwrap(), content);
    let after_opening = found();
    seal_value(&key, b"context", b"", b"value").unwrap();
    assert!(key.ct_eq(&key));

    let after_value = found();

    assert_eq!([after_append, after_finish, after_opening, after_value], [0; 4]);
}
