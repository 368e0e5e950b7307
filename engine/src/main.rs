//! The `vecdelta` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vecdelta::cli::main()
}
