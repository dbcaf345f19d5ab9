//! The launcher binary: an outcome becomes an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    go_auto_launch::modes::main().into()
}
