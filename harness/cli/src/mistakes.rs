//! What the parser of command lines says of a mistake, with what it leaves out: that the value came from the
//! environment. What it must not say is taken away: a secret.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

/// Completes an error about the command line `given`.
pub(crate) fn completed(mut error: Error, mut command: Command, given: &[OsString]) -> Error {
    command.build();
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(arg) = argument(&command, shown, given.get(1..).unwrap_or_default()) else { return error };
    if arg.is_hide_env_values_set() && error.get(ContextKind::InvalidValue).is_some() {
        error.insert(ContextKind::InvalidValue, ContextValue::String("***".to_owned()));
    }
    if let Some(variable) = arg.get_env().filter(|_| !is_given(arg, given))
        && std::env::var_os(variable).is_some()
    {
        let tip = format!("the value is that of the environment variable {}", variable.display());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

/// The argument that an error shows as `--jobs <N>`, of a command or of the one below it that was given: others may
/// have an option of that name, too.
fn argument<'a>(command: &'a Command, shown: &str, given: &[OsString]) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|arg| arg.to_string() == shown);
    own.or_else(|| {
        let mut words = given.iter().enumerate();
        let (place, below) =
            words.find_map(|(place, word)| Some((place, command.find_subcommand(word.to_str()?)?)))?;
        argument(below, shown, &given[place + 1..])
    })
}

/// Whether an option stands in a command line, as a word or as the beginning of one.
fn is_given(arg: &Arg, given: &[OsString]) -> bool {
    let Some(name) = arg.get_long() else { return true };
    given
        .iter()
        .filter_map(|word| word.to_str()?.strip_prefix("--"))
        .any(|word| word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}
