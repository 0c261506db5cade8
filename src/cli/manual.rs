//! `completions` and `man`: what shells and readers of manuals want to know, made from the command line's definition.

use super::{Cli, Exit};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print the completions of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest completions bash > /etc/bash_completion.d/reply-ingest
  reply-ingest completions zsh > ~/.zfunc/_reply-ingest
  reply-ingest completions fish > ~/.config/fish/completions/reply-ingest.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, or write one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest man | man -l -
  reply-ingest man --out /usr/local/share/man/man1")]
pub struct Man {
    /// Write a page for the program and one for each of its commands into this folder, which must exist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reply-ingest", &mut script);
    written(io::stdout().write_all(&script))
}

pub fn man(args: &Man) -> Exit {
    let command = Cli::command();
    match &args.out {
        Some(folder) => match clap_mangen::generate_to(command, folder) {
            Ok(()) => Exit::Success,
            Err(error) => {
                eprintln!("error: {}: {error}: name a folder that exists and can be written to", folder.display());
                Exit::Usage
            }
        },
        None => written(clap_mangen::Man::new(command).render(&mut io::stdout())),
    }
}

fn written(result: io::Result<()>) -> Exit {
    match result {
        Ok(()) => Exit::Success,
        // Who reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            Exit::Temporary
        }
    }
}
