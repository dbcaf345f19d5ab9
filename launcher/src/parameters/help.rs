//! The texts of `-h` and `--help`, made of the groups. `-h` has the flags, a line of at most 80 columns for each; `--help` has
//! everything.

use std::fmt::Write as _;

use super::{GROUPS, Parameter, Takes};

/// How the launcher is called.
pub const USAGE: &str = "go-auto-launch [OPTIONS] [--] COMMAND [ARG]...";

const ABOUT: &str = "Starts a Go program and traces it with OpenTelemetry, unchanged.";
/// The two flags that are no parameters.
const OTHERS: [(&str, &str); 2] =
    [("-h, --help", "Print the flags; --help prints everything"), ("-V, --version", "Print the version")];

const EXIT_STATUS: &str = "Exit status
  that of the command; 128+n if signal n ended it
  127  the command was not found
  126  the command cannot be executed
  125  usage error, or --strict and nothing would be traced
  1    nothing would be traced (--check)
";

/// The flags with a line each, in groups.
#[must_use]
pub fn short_help() -> String {
    let mut text = format!("{ABOUT}\n\nUsage: {USAGE}\n");
    let written: Vec<(&str, Vec<(String, &str)>)> = GROUPS.iter().map(|group| (group.title, lines(group.parameters))).collect();
    let width = written.iter().flat_map(|(_, lines)| lines).map(|(flag, _)| flag.len()).max().unwrap_or(0);
    for (title, lines) in written.iter().filter(|(_, lines)| !lines.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}");
        for (flag, meaning) in lines {
            let _ = writeln!(text, "  {flag:width$}  {meaning}");
        }
    }
    for (flag, meaning) in OTHERS {
        let _ = writeln!(text, "  {flag:width$}  {meaning}");
    }
    text
}

fn lines(parameters: &[Parameter]) -> Vec<(String, &'static str)> {
    parameters.iter().filter_map(|parameter| Some((flag(parameter)?, parameter.meaning))).collect()
}

/// Every flag and variable, in groups, and the exit status.
#[must_use]
pub fn whole_help() -> String {
    let mut text = format!("{ABOUT}\n\nUsage: {USAGE}\n\nA flag wins over its variable, a variable over the default.\n");
    for group in GROUPS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}", group.title);
        for parameter in group.parameters {
            write_whole(&mut text, parameter);
        }
    }
    for (flag, meaning) in OTHERS {
        let _ = writeln!(text, "  {flag}\n      {meaning}");
    }
    let _ = write!(text, "\n{EXIT_STATUS}");
    text
}

fn write_whole(text: &mut String, parameter: &Parameter) {
    let Parameter { name, flag: _, allowed, default, meaning, more, secret: _ } = parameter;
    let flag = flag(parameter).map(|flag| format!("{flag}, ")).unwrap_or_default();
    let more = if more.is_empty() { String::new() } else { format!("; {more}") };
    // Writing to a String cannot fail.
    let _ = write!(text, "  {flag}{name}\n      {meaning}{more}\n      {allowed}; default: {default}\n");
}

/// `-p, --parent-death-signal SIGNAL`
fn flag(parameter: &Parameter) -> Option<String> {
    let flag = parameter.flag?;
    let short = flag.short.map_or_else(String::new, |short| format!("-{short}, "));
    let value = match flag.takes {
        Takes::Nothing => String::new(),
        Takes::One(name) | Takes::Several(name) | Takes::Number(name) => format!(" {name}"),
    };
    Some(format!("{short}{}{value}", flag.long))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::all;

    #[test]
    fn the_short_help_is_a_line_for_each_flag() {
        let help = short_help();
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        let flags = all().filter_map(|parameter| parameter.flag);
        for flag in flags {
            assert_eq!(help.lines().filter(|line| line.contains(&format!("{} ", flag.long))).count(), 1, "{}", flag.long);
        }
        assert!(!help.contains("OTEL_"), "{help}");
    }

    #[test]
    fn the_whole_help_has_every_variable_in_its_group() {
        let help = whole_help();
        for group in GROUPS {
            let (_, rest) = help.split_once(&format!("\n{}\n", group.title)).unwrap();
            let (of_group, _) = rest.split_once("\n\n").unwrap();
            for parameter in group.parameters {
                let is_its = |line: &str| line.split([' ', ',']).any(|word| word == parameter.name);
                assert!(of_group.lines().any(is_its), "{} in {}", parameter.name, group.title);
            }
        }
    }
}
