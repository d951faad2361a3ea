//! The program's entry; everything else is in the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// What a burst took goes back to the system within seconds; glibc's heap keeps it (`docs/adr/0018-jemalloc.md`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    bmcwatch::run_main()
}
