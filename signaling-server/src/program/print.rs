//! `--print-config`: all settings in force, as a file that can be given back to the server.

use clap::ArgMatches;
use clap::builder::StyledStr;

use super::plan::Plan;
use super::sources::{NOT_IN_FILE, command};

/// Settings that are told to nobody.
const SECRET: [&str; 2] = ["relay_secret", "turn_secret"];
const WIDTH: usize = 100;
const HEADER: &str = "\
# Settings of eyeline-server: every key, what it means, and what is in force. A key behind # is not set; where it has
# a value all the same, that follows from the others.
";

/// The file's text.
pub(crate) fn config(matches: &ArgMatches, plan: &Plan) -> String {
    let mut text = String::from(HEADER);
    let mut heading = None;
    for arg in command().get_arguments() {
        let id = arg.get_id().as_str();
        if NOT_IN_FILE.contains(&id) {
            continue;
        }
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            text += &format!("\n## {}\n", heading.unwrap_or("Other"));
        }
        let help = arg.get_long_help().or(arg.get_help()).map(StyledStr::to_string).unwrap_or_default();
        text += "\n";
        for line in wrapped(&help) {
            text += &format!("# {line}\n");
        }
        let key = id.replace('_', "-");
        let many = matches!(arg.get_action(), clap::ArgAction::Append);
        let given = given(matches, id);
        // What follows from other settings is shown and not set: who sets another one later means what follows then.
        let (mark, values) = match plan.chosen(id) {
            Some(chosen) if given.is_empty() => ("# ", chosen),
            Some(_) | None => ("", given),
        };
        text += mark;
        text += &match values.as_slice() {
            [] if mark.is_empty() => format!("# {key} =\n"),
            [] => format!("{key} = []\n"),
            _ if SECRET.contains(&id) => format!("# {key} = \"(set, and not shown)\"\n"),
            values if many => {
                format!("{key} = [{}]\n", values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(", "))
            }
            values => format!("{key} = {}\n", values.iter().map(|v| bare_or_quoted(v)).collect::<String>()),
        };
    }
    text
}

fn given(matches: &ArgMatches, id: &str) -> Vec<String> {
    let raw = matches.get_raw(id).into_iter().flatten();
    raw.map(|value| value.to_string_lossy().into_owned()).collect()
}

fn bare_or_quoted(text: &str) -> String {
    let bare = text.parse::<bool>().is_ok() || text.parse::<u64>().is_ok_and(|number| number.to_string() == text);
    if bare { text.to_owned() } else { quoted(text) }
}

/// A basic string (TOML 1.0, "String").
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + word.len() < WIDTH {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_quoting() {
        for text in ["plain", "with \"quotes\" and \\", "tab\there", "ü"] {
            let table: toml::Table = format!("key = {}", quoted(text)).parse().unwrap();
            assert_eq!(table["key"].as_str(), Some(text));
        }
        assert_eq!(bare_or_quoted("30"), "30");
        assert_eq!(bare_or_quoted("007"), "\"007\"");
    }
}
