//! The packorigin program; see `packorigin::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    packorigin::cli::run()
}
