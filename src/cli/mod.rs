//! The command line: what a person or a scheduler starts.

/// A line on standard output. Who reads us may have read enough (`| head -1`): that is no fault, and the exit code still
/// says how the work ended. A disk that is full is one.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let written = writeln!(std::io::stdout().lock(), $($words)*);
        $crate::cli::output::note(written);
    }};
}

/// The same on standard error.
macro_rules! complain {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), $($words)*);
    }};
}

mod archived;
mod check;
mod dead_letters;
#[cfg(feature = "demo")]
mod demo;
mod exit;
mod forget;
mod log;
mod manual;
#[cfg(feature = "otlp")]
mod otlp;
mod output;
mod poll;
mod replay;
mod reports;
mod rules;
mod run;
mod schema;
mod setup;
mod shard;
mod table;
mod token;

pub use exit::Exit;

use clap::{Parser, Subcommand};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::process::ExitCode;

/// Campaign reply mailboxes over POP3S to Kafka.
///
/// Polls mailboxes, checks each mail's SPF, DKIM and DMARC, understands what it is (bounce, delay,
/// complaint, automatic answer, unsubscribe, human reply …), finds the campaign it belongs to, and
/// publishes one event for each recipient it speaks of.
#[derive(Debug, Parser)]
#[command(name = "reply-ingest", version, max_term_width = 100, after_help = exit::TABLE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log, such as `warn` or `reply_ingest=debug`; `librdkafka` is silent unless named, as in `info,librdkafka=info`.
    #[arg(long, global = true, env = "REPLY_INGEST_LOG", default_value = log::DEFAULT, value_name = "FILTER")]
    log: String,
    /// How to log: text on a terminal and JSON otherwise, or always one of them.
    #[arg(long, global = true, env = "REPLY_INGEST_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    log_format: log::Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One pass over the mailboxes: fetch, judge, publish, then delete as the retention says.
    Poll(poll::Args),
    /// Poll on a schedule until SIGTERM, with /livez, /readyz and /metrics.
    Run(run::Args),
    /// Is everything in place? Checks the configuration, then mailboxes, Kafka and DNS; changes nothing unless asked to.
    Check(check::Args),
    /// Judge mails from files: prints one event a line.
    Replay(Box<replay::Args>),
    /// Show the whole line at work with sample mails: no configuration, no network.
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// List, check and try the rules by which mails are judged.
    Rules(rules::Args),
    /// Make and verify the signed tokens that campaign mails carry.
    Token(token::Args),
    /// Find, and remove, what this program has stored about a person.
    Forget(forget::Args),
    /// Print a published JSON Schema, or the AsyncAPI document.
    Schema(schema::Args),
    /// Print the completions of a shell.
    Completions(manual::Completions),
    /// Print the manual page, or write one for each command.
    Man(manual::Man),
}

/// Runs the program with this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success }.into();
        }
    };
    log::start(&cli.log, cli.log_format);
    // The message of a panic may hold a part of a mail; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a fault of this program");
    }));
    // rustls has no provider of its own; a second call would find the first one's, which is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Command::Replay(args) = &cli.command {
        runtime.worker_threads(args.jobs());
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain!("error: cannot start: {error}");
            return Exit::Internal.into();
        }
    };
    let exit = runtime.block_on(async {
        match cli.command {
            Command::Poll(args) => poll::main(args).await,
            Command::Run(args) => run::main(args).await,
            Command::Check(args) => check::main(args).await,
            Command::Replay(args) => replay::main(*args).await,
            #[cfg(feature = "demo")]
            Command::Demo(args) => demo::main(args).await,
            Command::Rules(args) => rules::main(&args).await,
            Command::Token(args) => token::main(&args),
            Command::Forget(args) => forget::main(args).await,
            Command::Schema(args) => schema::main(&args),
            Command::Completions(args) => manual::completions(&args),
            Command::Man(args) => manual::man(&args),
        }
    });
    // Blocking tasks (name resolution, a broker that does not answer) must not hold the process.
    runtime.shutdown_background();
    output::or_unwritten(exit).into()
}

/// A run's id: when it began, and enough chance to tell two workers apart.
fn run_id() -> String {
    // The keys of std's hash maps come from the system. A cryptographic generator gathers entropy for 30 ms first.
    let [.., a, b, c, d] = RandomState::new().build_hasher().finish().to_be_bytes();
    format!("{}-{:08x}", chrono::Utc::now().format("%Y%m%dT%H%M%SZ"), u32::from_be_bytes([a, b, c, d]))
}
