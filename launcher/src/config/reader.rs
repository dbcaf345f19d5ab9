//! Text to values: reads flags and variables, and notes what is wrong with them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::time::Duration;

use super::LONGEST_TIME;
use crate::command_line::CommandLine;
use crate::parameters::Parameter;

/// Something in the configuration that cannot be used, and what is done instead. `Display` gives the whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A value that cannot be used.
    Unusable {
        /// The variable, or the flag.
        name: &'static str,
        /// Its value, if that may be shown.
        value: Option<String>,
        /// What is allowed.
        allowed: &'static str,
        /// What is used instead.
        used: &'static str,
    },
    /// A variable that stands for a mode without a command, and there is a command.
    NoEffect {
        /// The variable.
        name: &'static str,
    },
    /// A function of the user's own that cannot be read.
    Function {
        /// The variable, or the flag.
        name: &'static str,
        /// The line, with a caret under the place, and what is wrong there.
        what: String,
    },
    /// A variable that anybody may set by a header, because the launcher runs as a CGI program.
    Cgi {
        /// The variable.
        name: &'static str,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value, allowed, used) = match self {
            Self::Unusable { name, value, allowed, used } => (name, value, allowed, used),
            Self::Function { name, what } => return write!(f, "a function of {name} has no spans:\n{what}"),
            Self::NoEffect { name } => return write!(f, "{name} has no effect where a command is given"),
            Self::Cgi { name } => {
                return write!(
                    f,
                    "{name} has no effect where REQUEST_METHOD is set: in a CGI program the proxy may be a request's header"
                );
            }
        };
        match value {
            Some(value) => write!(f, "{name}={value:?} cannot be used")?,
            None => write!(f, "the value of {name} (not shown) cannot be used")?,
        }
        write!(f, ": allowed is {allowed}; used instead: {used}")
    }
}

/// Reads parameters, by their names, from what was typed and from an environment.
pub(super) struct Reader<'a, E> {
    pub(super) typed: &'a CommandLine,
    environment: &'a E,
    pub(super) problems: Vec<Problem>,
}

impl<'a, E: Fn(&str) -> Option<OsString>> Reader<'a, E> {
    pub(super) fn new(typed: &'a CommandLine, environment: &'a E) -> Self {
        Self { typed, environment, problems: Vec::new() }
    }

    /// The first usable value of these parameters, flags before variables; one that cannot be used is noted and the next one read.
    pub(super) fn first<T>(&mut self, names: &[&'static str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        names.iter().find_map(|name| self.flag(name, &parse)).or_else(|| self.variable(names, &parse))
    }

    /// The value of a parameter's flag.
    pub(super) fn flag<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.typed.value(name)?;
        self.parse(name, shown(name), value, &parse)
    }

    /// The first usable value of these variables, whatever was typed.
    pub(super) fn variable<T>(&mut self, names: &[&'static str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        names.iter().find_map(|name| {
            let value = (self.environment)(name)?;
            self.parse(name, name, &value, &parse)
        })
    }

    /// Whether one of these parameters is set at all.
    pub(super) fn is_set(&self, names: &[&'static str]) -> bool {
        let is_set = |name: &str| (self.environment)(name).is_some_and(|value| !value.is_empty());
        names.iter().any(|name| self.typed.has(name) || is_set(name))
    }

    /// A switch: on if the flag was typed or the variable is `true`.
    pub(super) fn switch(&mut self, name: &'static str) -> bool {
        self.typed.has(name) || self.variable(&[name], boolean).unwrap_or(false)
    }

    /// A list whose entries are looked at one by one: those that cannot be used are left out, and the whole is noted. The flag may
    /// be repeated, each time with a list. `None` if neither it nor the variable is set, or nothing of them is left.
    pub(super) fn list<T: PartialEq>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let text = |text: &str| Some(text.to_owned());
        let typed = self.typed;
        let typed = typed.values(name).iter();
        let texts: Vec<String> = typed.filter_map(|value| self.parse(name, shown(name), value, &text)).collect();
        self.entries(name, shown(name), &texts.join(","), &parse).or_else(|| {
            let text = self.variable(&[name], text)?;
            self.entries(name, name, &text, &parse)
        })
    }

    fn entries<T: PartialEq>(
        &mut self,
        name: &'static str,
        shown: &'static str,
        text: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut values = Vec::new();
        let mut complete = true;
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match parse(entry) {
                Some(value) if !values.contains(&value) => values.push(value),
                Some(_repeated) => {}
                None => complete = false,
            }
        }
        if !complete {
            let rest = if values.is_empty() { None } else { Some("the rest of the list") };
            self.note(name, shown, text, rest);
        }
        (!values.is_empty()).then_some(values)
    }

    fn parse<T>(
        &mut self,
        name: &'static str,
        shown: &'static str,
        value: &OsStr,
        parse: &impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(text) = value.to_str().map(str::trim) else {
            self.note(name, shown, &value.to_string_lossy(), None);
            return None;
        };
        if text.is_empty() {
            return None;
        }
        let parsed = parse(text);
        if parsed.is_none() {
            self.note(name, shown, text, None);
        }
        parsed
    }

    /// Notes that a value cannot be used. `used`: what is instead, if not the default.
    pub(super) fn note(&mut self, name: &'static str, shown: &'static str, value: &str, used: Option<&'static str>) {
        let parameter = Parameter::named(name);
        self.problems.push(Problem::Unusable {
            name: shown,
            // What is no parameter is treated as a secret. (A test sees to it that everything is one.)
            value: parameter.filter(|parameter| !parameter.may_be_secret(value)).map(|_| value.to_owned()),
            allowed: parameter.map_or("unknown", |parameter| parameter.allowed),
            used: used.or(parameter.map(|parameter| parameter.default)).unwrap_or("nothing"),
        });
    }
}

/// How a parameter that was typed is named: by its flag.
fn shown(name: &'static str) -> &'static str {
    Parameter::named(name).and_then(|parameter| parameter.flag).map_or(name, |flag| flag.long)
}

/// `true` or `false`, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A whole number of milliseconds; 0 is no limit
/// (<https://opentelemetry.io/docs/specs/otel/configuration/common/#timeout>).
pub(super) fn timeout(text: &str) -> Option<Duration> {
    let time = Duration::from_millis(text.parse().ok()?);
    Some(if time.is_zero() { LONGEST_TIME } else { time.min(LONGEST_TIME) })
}

/// `key=value` pairs separated by commas, white space around each trimmed, both percent-decoded. One mistake makes the
/// whole unusable, as the specification wants.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = percent_decode(key.trim())?;
            (!key.is_empty()).then_some((key, percent_decode(value.trim())?))
        })
        .collect()
}

/// Whether a text may be a header's name or a method (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char))
}

/// `None` for a `%` that is not followed by two hexadecimal digits, and for what is not UTF-8 afterwards.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { hex(bytes.next()?)? << 4 | hex(bytes.next()?)? } else { byte });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn pairs_are_decoded_and_one_mistake_discards_all() {
        assert_eq!(pairs(" a = 1 ,b=x%2Cy%3dz,c=,d=e=f,"), Some(owned(&[("a", "1"), ("b", "x,y=z"), ("c", ""), ("d", "e=f")])));
        assert_eq!(pairs("%C3%BC=%e2%82%ac"), Some(owned(&[("ü", "€")])));
        for bad in ["a", "=b", "a=%", "a=%4", "a=%zz", "a=%ff", "a=1,b", "a=%+1"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
    }
}
