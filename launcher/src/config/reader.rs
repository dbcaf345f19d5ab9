//! Text to values: reads variables, and notes what is wrong with them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::time::Duration;

use super::LONGEST_TIME;
use super::variables::Variable;

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
    /// A variable that stands for a mode without a program, and there is a program.
    NoEffect {
        /// The variable.
        name: &'static str,
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
            Self::NoEffect { name } => return write!(f, "{name} has no effect where a program is given"),
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

/// Reads variables from an environment.
pub(super) struct Reader<'a, E> {
    environment: &'a E,
    pub(super) problems: Vec<Problem>,
}

impl<'a, E: Fn(&str) -> Option<OsString>> Reader<'a, E> {
    pub(super) fn new(environment: &'a E) -> Self {
        Self { environment, problems: Vec::new() }
    }

    /// The first usable value of these variables; a value that cannot be used is noted and the next one read.
    pub(super) fn first<T>(&mut self, names: &[&'static str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        names.iter().find_map(|name| {
            let value = (self.environment)(name)?;
            self.parse(name, name, &value, &parse)
        })
    }

    /// The value of a flag, by the rules of its variable.
    pub(super) fn flag<T>(&mut self, typed: &OsStr, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let shown = Variable::named(name).and_then(|variable| variable.flag);
        self.parse(name, shown.unwrap_or(name), typed, &parse)
    }

    /// The flag if it was typed and can be used, else the first usable variable. `names` ends with the flag's twin.
    pub(super) fn flag_or<T>(
        &mut self,
        typed: Option<&OsStr>,
        names: &[&'static str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let twin = names.last().copied();
        typed.zip(twin).and_then(|(typed, twin)| self.flag(typed, twin, &parse)).or_else(|| self.first(names, parse))
    }

    /// A switch: on if the flag was typed or the variable is `true`.
    pub(super) fn switch(&mut self, typed: bool, name: &'static str) -> bool {
        typed || self.first(&[name], boolean).unwrap_or(false)
    }

    /// A list whose entries are looked at one by one: those that cannot be used are left out, and the whole is noted.
    /// `None` if the variable is unset or nothing of it is left.
    pub(super) fn list<T: PartialEq>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let text = self.first(&[name], |text| Some(text.to_owned()))?;
        self.entries(name, name, &text, parse)
    }

    /// The same for a flag that may be repeated, each time with a list: what was typed, else the variable.
    pub(super) fn list_flag_or<T: PartialEq>(
        &mut self,
        typed: &[OsString],
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let shown = Variable::named(name).and_then(|variable| variable.flag).unwrap_or(name);
        let texts: Vec<String> = typed.iter().filter_map(|typed| self.flag(typed, name, |text| Some(text.to_owned()))).collect();
        self.entries(name, shown, &texts.join(","), &parse).or_else(|| self.list(name, parse))
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
        let variable = Variable::named(name);
        self.problems.push(Problem::Unusable {
            name: shown,
            // What is not in the table is treated as a secret. (A test sees to it that everything is.)
            value: variable.filter(|variable| !variable.may_be_secret(value)).map(|_| value.to_owned()),
            allowed: variable.map_or("unknown", |variable| variable.allowed),
            used: used.or(variable.map(|variable| variable.default)).unwrap_or("nothing"),
        });
    }
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
pub(super) fn percent_decode(text: &str) -> Option<String> {
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
