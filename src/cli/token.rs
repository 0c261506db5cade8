//! `token`: makes and verifies the signed tokens that campaign mails carry.

use super::Exit;
use crate::correlate::token::{self, MAX_TRUNCATE, MIN_KEY, MIN_TRUNCATE, Signer, TRUNCATE};
use crate::correlate::{Captured, Name, Pattern};
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Octets of a key file that are read.
const MAX_KEY: u64 = 64 * 1024;

/// Make and verify the signed tokens by which a reply finds its campaign. schemas/token.md is the specification.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  head -c 32 /dev/urandom | base64 > token.key
  reply-ingest token make --key-file token.key --campaign spring26 --send s1042 \\
      --pattern 'reply+{campaign}.{send}.{sig}@replies.example.com'
  reply-ingest token verify --key-file token.key \\
      --pattern 'reply+{campaign}.{send}.{sig}@replies.example.com' ADDRESS")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a token, or the whole address when the pattern is one.
    Make(Make),
    /// Is the signature right? Prints what the token says; ends with 78 when it is wrong.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
struct Shape {
    /// File with the key, at least 16 characters; a line end at its end is dropped. To verify, several may be given.
    #[arg(long, value_name = "FILE", required = true)]
    key_file: Vec<PathBuf>,
    /// As the correlator's `address` or `pattern` is.
    #[arg(long, value_name = "PATTERN", default_value = "{campaign}.{send}.{recipient}.{sig}")]
    pattern: String,
    /// As the correlator's `verify.truncate` is.
    #[arg(long, value_name = "OCTETS", default_value_t = TRUNCATE, value_parser = octets)]
    truncate: usize,
    /// As the correlator's `verify.context` is.
    #[arg(long, value_name = "TEXT", default_value = "")]
    context: String,
}

#[derive(Debug, clap::Args)]
struct Make {
    #[command(flatten)]
    shape: Shape,
    #[arg(long)]
    campaign: Option<String>,
    #[arg(long)]
    send: Option<String>,
    #[arg(long)]
    recipient: Option<String>,
    #[arg(long)]
    step: Option<u32>,
    #[arg(long)]
    variant: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Verify {
    #[command(flatten)]
    shape: Shape,
    /// The token, or the address that it stands in.
    token: String,
}

fn octets(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (MIN_TRUNCATE..=MAX_TRUNCATE).contains(n));
    number.ok_or_else(|| format!("write a number from {MIN_TRUNCATE} to {MAX_TRUNCATE}"))
}

pub fn main(args: &Args) -> Exit {
    let done = match &args.command {
        Command::Make(args) => make(args),
        Command::Verify(args) => verify(args),
    };
    match done {
        Ok(text) => {
            say!("{text}");
            Exit::Success
        }
        Err((exit, problem)) => {
            complain!("error: {problem}");
            exit
        }
    }
}

type Done = Result<String, (Exit, String)>;

fn make(args: &Make) -> Done {
    let (pattern, signer) = prepared(&args.shape)?;
    let ids = Captured {
        campaign: args.campaign.clone(),
        send: args.send.clone(),
        recipient: args.recipient.clone(),
        step: args.step,
        variant: args.variant.clone(),
        list: None,
    };
    token::make(&pattern, &signer, &ids).map_err(|error| (Exit::Usage, error.to_string()))
}

fn verify(args: &Verify) -> Done {
    let (pattern, signer) = prepared(&args.shape)?;
    let read = pattern.read(&args.token, true);
    let Some(read) = read else {
        return Err((Exit::Configuration, "this does not fit the pattern: it is no token of this shape".to_owned()));
    };
    let signature = read.signature.as_deref().unwrap_or_default();
    let Some(key) = signer.verify(&read.raw, signature) else {
        return Err((
            Exit::Configuration,
            "the signature is wrong: the token was made with another key or context, or changed".to_owned(),
        ));
    };
    let mut lines = vec![format!("signed with {key}")];
    lines.extend(Name::SIGNED.into_iter().filter_map(|n| Some(format!("{:10} {}", n.as_str(), read.captured.get(n)?))));
    Ok(lines.join("\n"))
}

fn prepared(shape: &Shape) -> Result<(Pattern, Signer), (Exit, String)> {
    let pattern = Pattern::new(&shape.pattern).map_err(|e| (Exit::Usage, format!("--pattern: {e}")))?;
    if !pattern.has(Name::Sig) {
        return Err((Exit::Usage, format!("--pattern: {}", token::TokenError::NoSignature)));
    }
    let mut keys = Vec::new();
    for path in &shape.key_file {
        keys.push((path.display().to_string(), key(path).map_err(|e| (Exit::Configuration, e))?));
    }
    let keys = keys.iter().map(|(id, key)| (id.as_str(), key.expose_secret().as_bytes()));
    Ok((pattern, Signer::new(keys, shape.truncate, &shape.context)))
}

fn key(path: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_KEY).read_to_string(&mut text))
        .map_err(|e| format!("cannot read the key {}: {e}", path.display()))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.len() < MIN_KEY {
        return Err(format!(
            "the key in {} has fewer than {MIN_KEY} characters: signatures could be guessed",
            path.display()
        ));
    }
    Ok(SecretString::from(text))
}
