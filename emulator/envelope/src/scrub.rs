//! Erases what work with a key has left on the stack and in the registers.
//!
//! A cipher or a hash copies its key to places that its own types cannot wipe: spilled registers, temporaries of inlined
//! functions, values that were moved, and the vector registers themselves. On a thread of a pool such copies can stay for as
//! long as the thread lives. So all work with a key in this project runs in [`scrubbed`], and returns only values that are no
//! secret, or boxes.
//!
//! The work runs in a function that is never inlined, so its frames begin where the frame of [`scrubbed`] ends. The functions
//! that erase are called from the same frame: one overwrites the stack there, the other uses the same ciphers and hashes
//! with a key of zeros, which replaces the content of the registers. This needs no unsafe code and works on every thread.
//!
//! Limits: work that uses more than [`STACK_LEN`] of stack leaves its deepest frames, and a signal handler or a
//! debugger can copy registers in the middle of the work. `scripts/check-memory` searches the memory and the registers of a
//! running program.

use std::cell::Cell;
use std::hint::black_box;

use aes_gcm::aead::inout::InOutBuf;
use sha2::{Digest as _, Sha256};

use super::cipher::{Cipher, KEY_LEN};
use super::nonce::Nonce;

/// How much of the stack is overwritten, in bytes. The ciphers use less than a tenth of it, also in unoptimised builds.
pub(super) const STACK_LEN: usize = 64 << 10;

/// Long enough that each cipher, hash and copy uses its widest registers: 16 vectors of 64 bytes, and a rest.
const DUMMY_LEN: usize = 16 * 64 + 48;

thread_local! {
    /// Whether this thread is in scrubbed work.
    static IS_SCRUBBED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, then erases the stack below the caller's frame and the registers, also if `work` panics. Scrubbed work within
/// scrubbed work is erased when the outer work ends.
///
/// The result must not contain a secret except in a box, since it is returned by value. The work must not wait for long.
///
/// It takes a few microseconds in addition to the work, so callers run it around calls for a segment, not for a block.
pub fn scrubbed<R>(work: impl FnOnce() -> R) -> R {
    if IS_SCRUBBED.replace(true) {
        return work();
    }
    let _scrub = Scrub;
    call(work)
}

/// Erases when it is dropped.
struct Scrub;

impl Drop for Scrub {
    fn drop(&mut self) {
        wipe_stack();
        wipe_registers();
        IS_SCRUBBED.set(false);
    }
}

#[inline(never)]
fn call<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Overwrites the stack below the caller's frame.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "it overwrites this much of the stack")]
fn wipe_stack() {
    black_box(&mut [0_u8; STACK_LEN]);
}

/// Puts zeros, or results that depend only on zeros, into the registers that copies, hashes and ciphers use.
#[inline(never)]
fn wipe_registers() {
    let mut dummy = black_box([0_u8; DUMMY_LEN]);
    let mut copy = [0_u8; DUMMY_LEN];
    // Copies of different lengths use different registers.
    for len in [32, 64, 128, 256, DUMMY_LEN] {
        copy[..len].copy_from_slice(black_box(&dummy[..len]));
        black_box(&mut copy);
    }
    black_box(Sha256::digest(&dummy[..64]));
    let cipher = black_box(Cipher::new(&[0; KEY_LEN]));
    let buffer = InOutBuf::from(dummy.as_mut_slice());
    // The buffer is short, so that this cannot fail.
    let _ = black_box(cipher.seal(&Nonce::VALUE, &[], buffer));
}
