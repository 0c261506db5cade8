//! `completions` and `man`: what shells and readers of manuals want to know, made from the command line's definition.

use super::{Cli, Exit, output};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// The program, as shells know it.
const NAME: &str = "reply-ingest";

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
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    if args.shell == Shell::Bash {
        script = with_right_labels(&String::from_utf8_lossy(&script)).into_bytes();
    }
    output::note(io::stdout().write_all(&script));
    Exit::Success
}

/// Crate `clap_complete` writes a hyphen of the program's name in one way where bash notes the command, and in another where it
/// looks it up, so that nothing behind the command would be completed.
fn with_right_labels(script: &str) -> String {
    let noted = NAME.replace('-', "__");
    script.replace(&NAME.replace('-', "__subcmd__"), &noted)
}

pub fn man(args: &Man) -> Exit {
    let command = Cli::command();
    let Some(folder) = &args.out else {
        output::note(clap_mangen::Man::new(command).render(&mut io::stdout()));
        return Exit::Success;
    };
    match clap_mangen::generate_to(command, folder) {
        Ok(()) => Exit::Success,
        Err(error) => {
            complain!("error: {}: {error}: name a folder that exists and can be written to", folder.display());
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, NAME, with_right_labels};
    use clap::CommandFactory;

    #[test]
    fn what_bash_notes_is_what_it_looks_up() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), NAME, &mut script);
        let script = with_right_labels(&String::from_utf8(script).expect("is text"));
        let mut noted = 0;
        for command in script.lines().filter_map(|l| l.trim().strip_prefix("cmd=\"")?.strip_suffix('"')) {
            let label = format!("{command})");
            assert!(command.is_empty() || script.lines().any(|l| l.trim() == label), "{label}");
            noted += 1;
        }
        assert!(noted > 20, "{noted}");
    }
}
