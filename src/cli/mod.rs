//! The command line: arguments to library calls to output. One file a verb.

mod apply;
mod completions;
mod destroy;
mod drift;
mod error;
mod execution;
mod forget;
mod graph;
mod init;
mod kinds;
mod pipeline;
mod plan;
mod progress;
mod report;
mod schema;
mod shell;
mod show;
mod simulate;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub use error::{Error, Exit};
pub use kinds::markdown as kinds_markdown;
pub use schema::generate as generate_schema;
use shell::Shell;

/// Declare a whole hosted system, compare it with what is really there, and bring it into being.
///
/// Exit codes: 0 fine; 1 failed; 2 changes or drift found, where asked for; 64 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "saiken", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Arguments of every verb.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Folder of the project: the one that holds environments/ and stacks/
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true, default_value = ".")]
    pub directory: PathBuf,
    /// Environment: a file in environments/, without `.yaml`; may be left out if there is only one
    #[arg(short, long, value_name = "NAME", global = true, env = "SAIKEN_ENVIRONMENT")]
    pub environment: Option<String>,
    /// Form of the data on stdout, where the verb has it
    #[arg(long, value_enum, global = true, default_value_t = Format::Text)]
    pub format: Format,
    /// Colour
    #[arg(long, value_enum, global = true, default_value_t = Color::Auto)]
    pub color: Color,
    /// Most operations at a time
    #[arg(long, value_name = "N", global = true, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// Log more to stderr: -v what is done, -vv each call of an API, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Form of the log
    #[arg(long, value_enum, global = true, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs; documented and versioned
    Json,
    /// For pull requests and pages
    Markdown,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a small working project in an empty folder
    Init(init::Arguments),
    /// Check all files, without asking the cloud
    Validate,
    /// Show what would be done, and why; changes nothing
    Plan(plan::Arguments),
    /// Make the cloud as the files say
    Apply(apply::Arguments),
    /// Take down what saiken made
    Destroy(destroy::Arguments),
    /// Show what was changed outside saiken; changes nothing, exits with 2 if there is something
    Drift(drift::Arguments),
    /// Show what is there: addresses, ids, states, outputs
    Show(show::Arguments),
    /// Let go of objects: they stay as they are, and are no longer saiken's
    Forget(forget::Arguments),
    /// Print the graph of resources
    Graph(graph::Arguments),
    /// Print the JSON Schema of a kind of file
    Schema(schema::Arguments),
    /// Explain the kinds of resources: fields, attributes, permissions
    Kinds(kinds::Arguments),
    /// Look at the simulated cloud, and break it by hand
    Simulate(simulate::Arguments),
    /// Print a completion script
    Completions(completions::Arguments),
}

/// What every verb gets.
#[derive(Debug, Clone)]
pub struct Context {
    /// Arguments of every verb.
    pub globals: Globals,
    /// Output.
    pub shell: Shell,
}

impl Context {
    /// Refuses a form of output that a verb does not have.
    fn forms(&self, verb: &str, has: &[Format]) -> Result<(), Error> {
        if has.contains(&self.globals.format) {
            return Ok(());
        }
        let word = |f: &Format| f.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        let all: Vec<String> = has.iter().map(word).collect();
        Err(Error::usage(format!("`{verb}` has no output as {}", word(&self.globals.format)))
            .help(format!("it has: {}", all.join(", "))))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let usage = e.use_stderr();
            let _ = e.print();
            return if usage { Exit::Usage } else { Exit::Fine }.into();
        }
    };
    let shell = Shell::new(cli.globals.color);
    log(&cli.globals, shell.color_err);
    let cx = Context { globals: cli.globals, shell };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            shell.say(&Error::failed("can't start").because(&e).render(shell.color_err));
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(run(&cx, cli.command)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            shell.say(&error.render(shell.color_err));
            error.exit.into()
        }
    }
}

async fn run(cx: &Context, command: Command) -> Result<Exit, Error> {
    match command {
        Command::Init(arguments) => init::run(cx, &arguments),
        Command::Validate => validate::run(cx),
        Command::Plan(arguments) => plan::run(cx, &arguments).await,
        Command::Apply(arguments) => apply::run(cx, &arguments).await,
        Command::Destroy(arguments) => destroy::run(cx, &arguments).await,
        Command::Drift(arguments) => drift::run(cx, &arguments).await,
        Command::Show(arguments) => show::run(cx, &arguments).await,
        Command::Forget(arguments) => forget::run(cx, &arguments).await,
        Command::Graph(arguments) => graph::run(cx, &arguments),
        Command::Schema(arguments) => schema::run(cx, &arguments),
        Command::Kinds(arguments) => kinds::run(cx, &arguments),
        Command::Simulate(arguments) => simulate::run(cx, &arguments),
        Command::Completions(arguments) => completions::run(cx, &arguments, Cli::command()),
    }
}

/// Sends the log to stderr. `SAIKEN_LOG` takes a filter as `tracing` writes it and wins over `-v`.
fn log(globals: &Globals, color: bool) {
    use tracing_subscriber::EnvFilter;
    let level = match globals.verbose {
        0 => "warn,aws=error,saiken=warn",
        1 => "warn,saiken=info",
        2 => "warn,saiken=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("SAIKEN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    // A second subscriber in one process (tests) is no reason to stop.
    let _ = match globals.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
