//! `iaspec`: conformance tests for implementations of the Inedo Agent protocol.

mod arguments;
mod commands;
mod exit;
mod mistakes;
mod signals;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};
use exit::Failure;
use iaspec_reference::host::Sleeper;

fn main() -> ExitCode {
    let given = commands::host::spelled_out(std::env::args_os().collect());
    if let Some(launched) = Sleeper::from_words(&given) {
        launched.run();
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = mistakes::completed(error, Arguments::command(), &given);
            return commands::host::refusal(&given, &error).map_or_else(|| error.exit(), Failure::report);
        }
    };
    let outcome = match arguments.command {
        Command::Run(run) => commands::run::run(&run),
        Command::Report(report) => commands::report::report(&report),
        Command::List(list) => commands::list::list(&list),
        Command::Show(show) => commands::show::show(&show),
        Command::Explain(explain) => commands::explain::explain(&explain),
        Command::Vectors(vectors) => commands::vectors::vectors(&vectors),
        Command::Probe(probe) => commands::probe::probe(&probe),
        Command::Faults(given) => commands::faults::faults(&given),
        Command::Completions { shell } => commands::completions::completions(shell),
        Command::Codec(codec) => commands::codec::codec(&codec),
        Command::Client(client) => commands::client::client(&client),
        Command::Agent(agent) => commands::agent::agent(*agent),
        Command::Host(host) => commands::host::host(host),
    };
    outcome.unwrap_or_else(|error| error.report())
}
