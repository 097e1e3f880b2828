//! The Hobnob app: daemon and command line in one program.

use std::process::ExitCode;

fn main() -> ExitCode {
    hobnob_peer::cli::main()
}
