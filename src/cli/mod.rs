//! The command line: arguments to library calls to output. The doc comments of arguments are their help texts.

mod announce;
mod apply;
mod completions;
mod destroy;
mod drift;
mod error;
mod forget;
mod graph;
mod history;
mod init;
mod kinds;
mod pipeline;
mod plan;
mod progress;
pub mod reference;
mod report;
mod rollback;
mod run;
mod schema;
mod shell;
mod show;
mod simulate;
mod state;
mod unlock;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use error::Failure;
use shell::Shell;

/// Exit code: all is well, or nothing to do.
pub const OK: u8 = 0;
/// Exit code: something failed.
pub const FAILED: u8 = 1;
/// Exit code: changes (`plan --detailed-exitcode`) or drift (`drift`) found.
pub const FOUND: u8 = 2;
/// Exit code: wrong usage.
pub const USAGE: u8 = 64;

/// Rebuild a whole hosted system from code: plan, apply, drift, destroy.
///
/// Exit codes: 0 fine; 1 failed; 2 changes or drift found, where asked; 64 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "saiken", version, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Arguments of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The project's folder
    #[arg(short = 'C', long = "directory", value_name = "DIR", default_value = ".", global = true)]
    pub directory: PathBuf,
    /// The environment: a file in environments/ [default: the only one there is]
    #[arg(short, long, value_name = "NAME", env = "SAIKEN_ENVIRONMENT", global = true)]
    pub environment: Option<String>,
    /// Form of the data on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub format: Format,
    /// Colour
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    pub color: Color,
    /// How many calls may be under way at once
    #[arg(long, value_name = "N", default_value_t = 16, global = true, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// Say more on standard error (-v: steps, -vv: calls, -vvv: all)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
}

/// Form of the data on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For pull requests
    Markdown,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Arguments),
    Validate(validate::Arguments),
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    Destroy(destroy::Arguments),
    Drift(drift::Arguments),
    Announce(announce::Arguments),
    Show(show::Arguments),
    History(history::Arguments),
    Forget(forget::Arguments),
    Unlock(unlock::Arguments),
    Graph(graph::Arguments),
    Schema(schema::Arguments),
    Kinds(kinds::Arguments),
    Simulate(simulate::Arguments),
    Completions(completions::Arguments),
}

/// Parses the arguments, runs the verb, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let wrong = e.use_stderr();
            // Nothing can be done about a closed pipe here.
            let _ = e.print();
            return ExitCode::from(if wrong { USAGE } else { OK });
        }
    };
    let shell = Shell::new(&cli.global);
    start_log(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            shell.failure(&Failure::new("the asynchronous runtime can't be started").because(e));
            return ExitCode::from(FAILED);
        }
    };
    match runtime.block_on(dispatch(cli, &shell)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            shell.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

async fn dispatch(cli: Cli, shell: &Shell) -> Result<u8, Failure> {
    let global = &cli.global;
    match cli.verb {
        Verb::Init(arguments) => init::run(&arguments, global, shell),
        Verb::Validate(arguments) => validate::run(&arguments, global, shell),
        Verb::Plan(arguments) => plan::run(&arguments, global, shell).await,
        Verb::Apply(arguments) => apply::run(&arguments, global, shell).await,
        Verb::Destroy(arguments) => destroy::run(&arguments, global, shell).await,
        Verb::Drift(arguments) => drift::run(&arguments, global, shell).await,
        Verb::Announce(arguments) => announce::run(&arguments, global, shell).await,
        Verb::Show(arguments) => show::run(&arguments, global, shell).await,
        Verb::History(arguments) => history::run(&arguments, global, shell).await,
        Verb::Unlock(arguments) => unlock::run(&arguments, global, shell).await,
        Verb::Forget(arguments) => forget::run(&arguments, global, shell).await,
        Verb::Graph(arguments) => graph::run(&arguments, global, shell),
        Verb::Schema(arguments) => schema::run(&arguments, shell),
        Verb::Kinds(arguments) => kinds::run(&arguments, global, shell),
        Verb::Simulate(arguments) => simulate::run(&arguments, global, shell).await,
        Verb::Completions(arguments) => completions::run(&arguments, shell),
    }
}

/// The command as clap knows it, for completions and the reference page.
pub(crate) fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

fn start_log(global: &Global) {
    let level = match global.verbose {
        0 => "warn",
        1 => "saiken=info,warn",
        2 => "saiken=debug,warn",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("SAIKEN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process (tests) is no error.
    let _ = match global.log_format {
        LogFormat::Text => builder.with_ansi(false).with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
