//! Standard output that takes nothing more.

use super::Exit;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a part of the output is lost.
static LOST: AtomicBool = AtomicBool::new(false);

/// Takes how writing went; a failure is spoken of once. That whoever reads us has read enough is none.
pub fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        complain!("error: cannot write all of the output: see whether the disk is full: {error}");
    }
}

/// How a command ended, or that its output is not all there where it would have been a success.
pub fn or_unwritten(exit: Exit) -> Exit {
    if exit == Exit::Success && LOST.load(Ordering::Relaxed) { Exit::Temporary } else { exit }
}
