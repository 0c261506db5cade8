//! The `reply-ingest` program; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    reply_ingest::cli::main()
}
