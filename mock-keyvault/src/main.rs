//! The `mock-keyvault` program, which runs a vault in its own process.

mod program;

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Wipes memory when it is freed: keys pass through the buffers of HTTP, TLS and JSON, whose types do not wipe.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    program::main()
}
