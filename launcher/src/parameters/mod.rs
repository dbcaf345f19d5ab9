//! Everything that can be set, as data, one item for each thing: the command line, the configuration's messages, `--help` and
//! the tables of docs/configuration.md are made of these items. What a value means is [`crate::config`]'s matter.
//!
//! A new one is an item in a group below, and a line where its value is used.

mod export;
mod help;
mod launching;
mod spans;
mod values;

pub use help::{USAGE, short_help, whole_help};

/// Something that can be set: by a variable, and much of it by a flag too.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The variable, by whose name the parameter is known in the code as well.
    pub name: &'static str,
    /// The flag that wins over it.
    pub flag: Option<Flag>,
    /// What the value may be.
    pub allowed: &'static str,
    /// What holds without one.
    pub default: &'static str,
    /// What it is for, in a few words.
    pub meaning: &'static str,
    /// What else there is to say; may be empty.
    pub more: &'static str,
    /// Its value is not to be shown.
    pub secret: bool,
}

/// How a parameter is typed.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// With its two dashes.
    pub long: &'static str,
    /// The letter.
    pub short: Option<char>,
    /// What comes behind it.
    pub takes: Takes,
    /// Whether it goes with a command.
    pub command: Command,
    /// Names of parameters whose flags do not go with it.
    pub excludes: &'static [&'static str],
}

/// What a flag takes; the text is the value's name in the help.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// Nothing: it is a switch.
    Nothing,
    /// A value; of several the last one counts.
    One(&'static str),
    /// A value, each time it is typed.
    Several(&'static str),
    /// A number from 1; anything else is a usage error.
    Number(&'static str),
}

/// Whether a flag goes with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// As the user likes.
    Optional,
    /// Without one it is a usage error.
    Needed,
    /// With one it is a usage error.
    Excluded,
}

/// Parameters that concern the same thing.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// Those of the group, in the order of the documents.
    pub parameters: &'static [Parameter],
}

/// All groups, in the order of the documents.
pub const GROUPS: &[Group] = &[
    Group { title: "Service", parameters: spans::SERVICE },
    Group { title: "Export (OTLP)", parameters: export::OTLP },
    Group { title: "Proxies", parameters: export::PROXIES },
    Group { title: "Batches", parameters: export::BATCHES },
    Group { title: "Sampling and propagation", parameters: spans::SAMPLING },
    Group { title: "What is traced", parameters: spans::TRACED },
    Group { title: "Limits of a span", parameters: spans::LIMITS },
    Group { title: "Probes", parameters: launching::PROBES },
    Group { title: "Process and init (PID 1)", parameters: launching::PROCESS },
    Group { title: "Messages", parameters: launching::MESSAGES },
    Group { title: "Modes", parameters: launching::MODES },
];

/// All parameters.
pub fn all() -> impl Iterator<Item = &'static Parameter> {
    GROUPS.iter().flat_map(|group| group.parameters)
}

const fn parameter(name: &'static str, allowed: &'static str, default: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, flag: None, allowed, default, meaning, more: "", secret: false }
}

impl Parameter {
    const fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn flag(mut self, long: &'static str, takes: Takes) -> Self {
        self.flag = Some(Flag { long, short: None, takes, command: Command::Optional, excludes: &[] });
        self
    }

    const fn switch(self, long: &'static str) -> Self {
        self.flag(long, Takes::Nothing)
    }

    const fn short(mut self, short: char) -> Self {
        if let Some(flag) = &mut self.flag {
            flag.short = Some(short);
        }
        self
    }

    const fn command(mut self, command: Command) -> Self {
        if let Some(flag) = &mut self.flag {
            flag.command = command;
        }
        self
    }

    const fn excludes(mut self, excludes: &'static [&'static str]) -> Self {
        if let Some(flag) = &mut self.flag {
            flag.excludes = excludes;
        }
        self
    }

    /// Whether this value of it may hold credentials. A URL's user and query may, where a URL does not belong too.
    pub(crate) fn may_be_secret(&self, value: &str) -> bool {
        let is_url = self.allowed == values::URL || value.contains("://");
        self.secret || is_url && value.contains(['@', '?'])
    }

    /// The parameter whose variable has that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        all().find(|parameter| parameter.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_flags_are_unique() {
        let mut seen = HashSet::new();
        for parameter in all() {
            assert!(seen.insert(parameter.name.to_owned()), "{}", parameter.name);
            let Some(flag) = parameter.flag else { continue };
            assert!(flag.long.starts_with("--") && seen.insert(flag.long.to_owned()), "{}", flag.long);
            assert!(flag.short.is_none_or(|short| seen.insert(short.to_string())), "{}", flag.long);
        }
    }

    #[test]
    fn what_a_flag_excludes_exists() {
        for name in all().filter_map(|parameter| parameter.flag).flat_map(|flag| flag.excludes) {
            assert!(Parameter::named(name).is_some_and(|parameter| parameter.flag.is_some()), "{name}");
        }
    }
}
