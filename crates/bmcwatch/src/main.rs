//! The program's entry; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    bmcwatch::run_main()
}
