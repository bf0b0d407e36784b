//! The `sealyard` program: passes its arguments to the command line of the library.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed: keys pass through the buffers of HTTP, TLS and JSON, whose types do not wipe.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    sealyard::run_program(std::env::args_os())
}
