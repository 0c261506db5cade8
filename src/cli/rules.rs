//! `rules`: what the program knows, whether it is right, and what it makes of a text.

use super::exit::{configuration, fail, refused};
use super::{Exit, replay, table};
use crate::classify::{BouncePolicy, Case, Field, Rule, Rules, Shadow, Table, cases, classify};
use crate::config::{self, Secrets};
use crate::message::{Mail, to_crlf};
use crate::mistake::hint;
use crate::plural::count;
use clap::Subcommand;
use comfy_table::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Look at the rules by which mails are judged, check them, and try them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest rules list --table bounce_category --search quota
  reply-ingest rules check our-rules.toml
  reply-ingest rules test our-cases.toml --rules our-rules.toml
  reply-ingest rules coverage archive.tar.gz --rules our-rules.toml
  reply-ingest rules test bounce.eml")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the rules: those of the program and those of the files given.
    List(List),
    /// Check rule files: syntax, words and codes, every mistake with its line, and whether each rule's example is
    /// decided by that rule.
    Check(Check),
    /// Run known answers of servers and people (a TOML file of [[case]]), or show the rules whose words stand in a
    /// mail's subject, sender and text, and which of them decided.
    Test(Test),
    /// Count over an archive which rules decide, and which never do. Asks no DNS.
    Coverage(Coverage),
}

#[derive(Debug, clap::Args)]
struct Coverage {
    #[command(flatten)]
    files: Files,
    /// Mails, as `replay` takes them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Of one table only, such as `bounce_category`.
    #[arg(long, value_name = "NAME", value_parser = table_named)]
    table: Option<Table>,
    /// List the rules that never decided, instead of those that did.
    #[arg(long)]
    unused: bool,
}

#[derive(Debug, clap::Args)]
struct Files {
    /// Further rules; one with a known id takes the place of the program's. May be given several times.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Take the rule files and the bounce policy from this configuration.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Rule files; the same as with --rules.
    #[arg(value_name = "FILE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    files: Files,
    /// Of one table only, such as `bounce_category`.
    #[arg(long, value_name = "NAME", value_parser = table_named)]
    table: Option<Table>,
    /// Only rules with this in their id, verdict, phrases or source.
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// One JSON object a line, with everything that the rule says.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Test {
    /// A .toml file of cases, or a mail.
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    files: Files,
}

fn table_named(name: &str) -> Result<Table, String> {
    Table::ALL.into_iter().find(|t| t.as_str() == name).ok_or_else(|| hint(name, &Table::ALL.map(Table::as_str)))
}

pub async fn main(args: &Args) -> Exit {
    match &args.command {
        Command::List(args) => list(args),
        Command::Check(args) => check(args),
        Command::Test(args) => test(args),
        Command::Coverage(args) => coverage(args).await,
    }
}

/// The program's rules, those of the configuration, those of the files, in this order.
fn load(files: &Files) -> Result<Rules, Exit> {
    let mut paths = Vec::new();
    let mut policy = BouncePolicy::default();
    if let Some(path) = &files.config {
        let (config, _) =
            config::check_file(path, &config::environment(), Secrets::MayBeMissing).map_err(|e| configuration(&e))?;
        paths.extend(config.rules.files);
        policy = config.bounces;
    }
    paths.extend(files.rules.iter().cloned());
    let mut texts = Vec::new();
    for path in paths {
        texts.push((path.display().to_string(), read(&path).map(|b| String::from_utf8_lossy(&b).into_owned())?));
    }
    Rules::with_extra(&texts, policy).map_err(|error| fail(&refused(&error)))
}

fn read(path: &Path) -> Result<Vec<u8>, Exit> {
    std::fs::read(path).map_err(|error| {
        complain!("error: {}: {error}: name a file that can be read", path.display());
        Exit::Configuration
    })
}

fn list(args: &List) -> Exit {
    let rules = match load(&args.files) {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    let words = args.search.as_deref().map(str::to_lowercase);
    let chosen: Vec<&Rule> = rules
        .all()
        .iter()
        .filter(|r| args.table.is_none_or(|t| r.table == t))
        .filter(|r| words.as_deref().is_none_or(|w| holds(r, w)))
        .collect();
    if args.json {
        for rule in chosen {
            say!("{}", serde_json::to_string(rule).unwrap_or_default());
        }
        return Exit::Success;
    }
    let mut out = table::new(&["rule", "gives", "language", "confidence", "phrases", "source"]);
    for rule in &chosen {
        out.add_row(vec![
            Cell::new(&rule.id),
            Cell::new(&rule.gives),
            Cell::new(rule.language.as_deref().unwrap_or_default()),
            Cell::new(format!("{:.2}", rule.confidence)),
            table::number((rule.any.len() + usize::from(rule.pattern.is_some())) as u64),
            Cell::new(&rule.source),
        ]);
    }
    say!("{out}\n{} of {} rules, version {}", chosen.len(), rules.all().len(), rules.version());
    Exit::Success
}

/// Whether a rule speaks of `words`, in lower case.
fn holds(rule: &Rule, words: &str) -> bool {
    [&rule.id, &rule.gives, &rule.source, &rule.example]
        .into_iter()
        .chain(&rule.any)
        .chain(&rule.when.provider)
        .any(|text| text.to_lowercase().contains(words))
}

fn check(args: &Check) -> Exit {
    let Check { paths, files: Files { rules, config } } = args;
    let files = Files { rules: rules.iter().chain(paths).cloned().collect(), config: config.clone() };
    let rules = match load(&files) {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    let faults = rules.faults();
    for fault in &faults {
        say!("{fault}");
    }
    // What stands in the way of the program's own words is known and harmless; a dead rule is nobody's wish.
    let shadows: Vec<Shadow> = rules.shadows().into_iter().filter(|s| s.of_a_user || s.dead).collect();
    for shadow in &shadows {
        say!("{shadow}");
    }
    let dead = shadows.iter().filter(|s| s.dead).count();
    say!(
        "{} rules, version {}: {}, {} dead, {} shadowed",
        rules.all().len(),
        rules.version(),
        of("fault", faults.len()),
        dead,
        shadows.len() - dead
    );
    if faults.is_empty() && dead == 0 { Exit::Success } else { Exit::Configuration }
}

fn of(what: &str, number: usize) -> String {
    if number == 0 { format!("no {what}s") } else { count(number, what) }
}

fn test(args: &Test) -> Exit {
    let rules = match load(&args.files) {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Success;
    for path in &args.paths {
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(exit) => return exit,
        };
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml")) {
            match cases(&String::from_utf8_lossy(&bytes)) {
                Ok(cases) if run(&cases, &rules, path) => {}
                Ok(_) => exit = Exit::Configuration,
                Err(mistakes) => {
                    for mistake in mistakes {
                        complain!("error: {}", mistake.in_file(path));
                    }
                    exit = Exit::Configuration;
                }
            }
        } else {
            show(&bytes, &rules, path);
        }
    }
    exit
}

/// Runs cases, and says which went wrong.
fn run(cases: &[(u32, Case)], rules: &Rules, path: &Path) -> bool {
    let mut wrong = 0;
    for (line, case) in cases {
        let answer = case.ask(rules);
        if let Some(difference) = case.difference(&answer) {
            wrong += 1;
            let text: String = case.text.chars().take(100).collect();
            let rule = answer.rule.as_deref().unwrap_or("no rule");
            say!("{}:{line}: {difference} ({rule}): {text}", path.display());
        }
    }
    say!("{}: {}, {}", path.display(), count(cases.len(), "case"), of("difference", wrong));
    wrong == 0
}

/// The rules whose words stand in a mail, and what the mail is taken for. Rules that ask for a provider or a code are
/// not among them: `replay --explain` names the ones that decided.
fn show(bytes: &[u8], rules: &Rules, path: &Path) {
    let bytes = to_crlf(bytes);
    let mail = Mail::parse(&bytes);
    let findings = classify(&mail, rules);
    let kinds: Vec<&str> = findings.iter().map(|f| f.kind().as_str()).collect();
    let mut out = table::new(&["table", "field", "rule", "gives", "confidence", "words", "decided"]);
    let from = mail.headers_raw("From").next().unwrap_or_default().into_owned();
    let text = mail.text();
    let fields = [(Field::Subject, mail.subject().unwrap_or_default()), (Field::From, &from), (Field::Body, &text)];
    let looks = Table::ALL
        .into_iter()
        .flat_map(|table| fields.into_iter().map(move |(field, text)| (table, field, text)))
        .chain([(Table::BounceCategory, Field::Diagnostic, &*text)]);
    for (table, field, text) in looks {
        for hit in rules.matches(table, field, text) {
            let words: String = text.get(hit.start..hit.end).unwrap_or_default().chars().take(60).collect();
            let decided = findings.iter().any(|f| f.hits.iter().any(|h| h.rule == hit.rule.id));
            out.add_row(vec![
                table.as_str().to_owned(),
                format!("{field:?}").to_lowercase(),
                hit.rule.id.clone(),
                hit.rule.gives.clone(),
                format!("{:.2}", hit.rule.confidence),
                words.split_whitespace().collect::<Vec<_>>().join(" "),
                if decided { "yes" } else { "" }.to_owned(),
            ]);
        }
    }
    say!("{}: {}\n{out}", path.display(), kinds.join(", "));
}

/// Which rules decide over an archive. A report on many recipients counts once for each.
async fn coverage(args: &Coverage) -> Exit {
    let rules = match load(&args.files) {
        Ok(rules) => Arc::new(rules),
        Err(exit) => return exit,
    };
    let counted = replay::coverage(&args.paths, Arc::clone(&rules)).await;
    let (counts, mails, exit) = match counted {
        Ok(counted) => counted,
        Err(exit) => return exit,
    };
    // That nothing could be read was said; a table of noughts would look like an answer.
    if mails == 0 && exit != Exit::Success {
        return exit;
    }
    let chosen = |rule: &&Rule| rule.table != Table::Provider && args.table.is_none_or(|t| rule.table == t);
    let all: Vec<&Rule> = rules.all().iter().filter(chosen).collect();
    let used = |rule: &Rule| counts.get(&rule.id).copied().unwrap_or(0);
    let mut shown: Vec<&Rule> = all.iter().copied().filter(|r| (used(r) == 0) == args.unused).collect();
    shown.sort_by_key(|r| std::cmp::Reverse(used(r)));
    let mut out = table::new(&["rule", "gives", "decided"]);
    for rule in &shown {
        out.add_row(vec![Cell::new(&rule.id), Cell::new(&rule.gives), table::number(used(rule))]);
    }
    say!("{out}\n");
    let mut out = table::new(&["table", "rules", "decided", "never"]);
    for name in Table::ALL {
        let of_table: Vec<&&Rule> = all.iter().filter(|r| r.table == name).collect();
        let decided = of_table.iter().filter(|r| used(r) > 0).count() as u64;
        if !of_table.is_empty() {
            let count = of_table.len() as u64;
            out.add_row(vec![
                Cell::new(name.as_str()),
                table::number(count),
                table::number(decided),
                table::number(count - decided),
            ]);
        }
    }
    say!("{out}\n{}", count(mails, "mail"));
    exit
}
