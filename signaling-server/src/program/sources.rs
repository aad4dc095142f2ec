//! Where settings come from. The file's values become the defaults of the command line's parser, which knows the other
//! three sources and their order already; so each value is checked by the same rules wherever it was written.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use toml::{Table, Value};

use super::settings::Settings;

const DEFAULT_FILE: &str = "/etc/eyeline/server.toml";
/// Settings that are about this one start: they make no sense in a file.
pub(super) const NOT_IN_FILE: [&str; 4] = ["config", "print_config", "help", "version"];

/// Something the user set is wrong; one sentence.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was set, and how it was written.
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) matches: ArgMatches,
}

/// Reads all sources. Can be repeated: the file is read anew.
///
/// # Errors
/// When a source cannot be read or says something wrong. Asked for help or the version, it prints that and ends the program.
pub(crate) fn load(args: &[OsString]) -> Result<Loaded, Wrong> {
    let first = parse(command(), args)?;
    let file = match first.get_one::<PathBuf>("config") {
        Some(path) => Some((path.clone(), read(path)?)),
        None => read_default()?,
    };
    let mut command = command();
    if let Some((path, table)) = &file {
        check_file(path, table)?;
        for (key, value) in table {
            let values = texts(path, key, value)?;
            command = command.mut_arg(id(key), |arg| arg.default_values(values));
        }
    }
    let matches = parse(command, args)?;
    let settings = Settings::from_arg_matches(&matches).map_err(|error| sentence(&error))?;
    Ok(Loaded { settings, matches })
}

/// The parser, with the variables.
pub(super) fn command() -> Command {
    Settings::command().mut_args(|arg| {
        let name = arg.get_id().as_str().to_owned();
        if NOT_IN_FILE[1..].contains(&name.as_str()) {
            return arg;
        }
        arg.env(format!("EYELINE_{}", name.to_ascii_uppercase())).hide_env_values(true)
    })
}

fn parse(command: Command, args: &[OsString]) -> Result<ArgMatches, Wrong> {
    command.try_get_matches_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => sentence(&error),
    })
}

/// The first line of what the parser says; the rest is advice on how to use it.
fn sentence(error: &clap::Error) -> Wrong {
    let text = error.to_string();
    let line: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    Wrong(line.join(" ").trim_start_matches("error: ").to_owned())
}

fn read(path: &Path) -> Result<Table, Wrong> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        Wrong(format!("{} line {line}: {}", path.display(), error.message().replace('\n', ", ")))
    })
}

fn read_default() -> Result<Option<(PathBuf, Table)>, Wrong> {
    let path = PathBuf::from(DEFAULT_FILE);
    match std::fs::exists(&path) {
        Ok(false) => Ok(None),
        Ok(true) => read(&path).map(|table| Some((path, table))),
        Err(error) => Err(cannot_read(&path, &error)),
    }
}

pub(super) fn cannot_read(path: &Path, error: &io::Error) -> Wrong {
    Wrong(format!("cannot read {}: {error}", path.display()))
}

/// Parses the file's values by themselves, so that what is wrong with them is told of the file.
fn check_file(path: &Path, table: &Table) -> Result<(), Wrong> {
    let mut args = vec![OsString::from("eyeline-server")];
    for (key, value) in table {
        let arg_id = id(key);
        let known = Settings::command();
        let known = known.get_arguments().find(|arg| arg.get_id() == arg_id.as_str());
        let Some(arg) = known.filter(|_| !NOT_IN_FILE.contains(&arg_id.as_str())) else {
            return Err(Wrong(format!("{}: there is no setting {key}", path.display())));
        };
        if value.is_array() && !matches!(arg.get_action(), ArgAction::Append) {
            return Err(Wrong(format!("{}: {key} takes one value", path.display())));
        }
        for text in texts(path, key, value)? {
            args.push(format!("--{}={text}", arg_id.replace('_', "-")).into());
        }
    }
    let wrong = |error: &clap::Error| Wrong(format!("{}: {}", path.display(), sentence(error)));
    Settings::command().try_get_matches_from(args).map(drop).map_err(|error| wrong(&error))
}

/// Keys are written as flags are; underscores are taken as well.
fn id(key: &str) -> String {
    key.replace('-', "_")
}

fn texts(path: &Path, key: &str, value: &Value) -> Result<Vec<String>, Wrong> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Integer(number) => Ok(vec![number.to_string()]),
        Value::Boolean(flag) => Ok(vec![flag.to_string()]),
        Value::Array(values) => {
            let texts: Result<Vec<_>, _> = values.iter().map(|value| texts(path, key, value)).collect();
            texts.map(|texts| texts.concat())
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => {
            Err(Wrong(format!("{}: {key} takes a text, a whole number, true or false", path.display())))
        }
    }
}
