//! Declarations of functions, read from text: as Go declares them, and with the name as stack traces write it.

use super::error::{Problem, SignatureError};
use super::go_type::GoType;
use super::parameters::Parameters;
use super::scanner::{Scanner, end_of_item};
use super::type_text::Scope;
use super::{Parameter, RECEIVER, Signature, unescaped};

/// The base type of a receiver.
#[derive(Debug)]
struct Receiver {
    name: Option<String>,
    is_pointer: bool,
    base: String,
    is_generic: bool,
    type_parameters: Vec<String>,
}

impl Receiver {
    fn into_parameter(self, package: &str) -> Parameter {
        let Self { name, is_pointer, base, is_generic, type_parameters: _ } = self;
        let name_of_type = if is_generic { format!("{base}[...]") } else { base };
        let base = GoType::Named { package: Some(package.to_owned()), name: name_of_type };
        Parameter { name, go_type: if is_pointer { GoType::Pointer(Box::new(base)) } else { base } }
    }
}

impl Signature {
    /// Reads a declaration as it stands in the source of the package whose import path is `package`:
    /// `func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error)`.
    ///
    /// # Errors
    /// It is no declaration of a function.
    pub fn parse(package: &str, text: &str) -> Result<Self, SignatureError> {
        let mut scanner = Scanner::new(text)?;
        if !scanner.eat_word("func") {
            return scanner.expected("func");
        }
        let receiver = if scanner.peek() == Some('(') {
            scanner.eat("(");
            Some(receiver(&mut scanner, true)?)
        } else {
            None
        };
        let name = scanner.identifier()?.to_owned();
        finish(&mut scanner, package.to_owned(), receiver, name)
    }

    /// Reads a declaration with the name as stack traces write it, such as
    /// `example.com/shop/orders.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error)`. It may begin with `func`.
    ///
    /// A receiver is called [`RECEIVER`]. `main.Map[...](x []T)` is a generic function. In the last element of an import path
    /// dots are allowed as they are where it ends in a version (`gopkg.in/yaml.v3.Unmarshal`) or a receiver in brackets follows;
    /// else as `%2e`.
    ///
    /// # Errors
    /// It is no declaration of a function.
    pub fn parse_full(text: &str) -> Result<Self, SignatureError> {
        let mut scanner = Scanner::new(text)?;
        scanner.eat_word("func");
        let start = scanner.word();
        if start.is_empty() {
            return Err(scanner.error(Problem::NoPackage));
        }
        let at = scanner.at;
        scanner.at += start.len();
        if scanner.rest().starts_with(".(") {
            scanner.at += 2;
            let found = receiver(&mut scanner, false)?;
            scanner.expect(".")?;
            let name = scanner.identifier()?.to_owned();
            return finish(&mut scanner, unescaped(start), Some(found), name);
        }
        let last = start.rfind('/').map_or(0, |slash| slash + 1);
        let mut behind = Behind { scanner: &mut scanner, start, at, name: start.len() };
        if let Some(generic) = behind.generic_value_receiver(last)? {
            let (package, found, name) = generic;
            return finish(&mut scanner, package, Some(found), name);
        }
        let name = behind.take_name(last)?;
        let package_end = behind.name;
        let Some((package, base)) = split_receiver(start.get(..package_end).unwrap_or_default(), last) else {
            return finish(&mut scanner, unescaped(start.get(..package_end).unwrap_or_default()), None, name);
        };
        let base = base.to_owned();
        let name_of = Some(RECEIVER.to_owned());
        let found = Receiver { name: name_of, is_pointer: false, base, is_generic: false, type_parameters: Vec::new() };
        finish(&mut scanner, unescaped(package), Some(found), name)
    }
}

/// A package and names that have been read, to be taken apart from the end.
struct Behind<'s, 't> {
    scanner: &'s mut Scanner<'t>,
    start: &'t str,
    /// Where it begins.
    at: usize,
    /// Where what has not been taken apart ends.
    name: usize,
}

impl Behind<'_, '_> {
    /// The last name, which stands behind a dot of the element of the path that begins at `last`.
    fn take_name(&mut self, last: usize) -> Result<String, SignatureError> {
        let head = self.start.get(..self.name).unwrap_or_default();
        let Some(dot) = head.rfind('.').filter(|&dot| dot > last) else {
            return Err(SignatureError::new(self.at + last, Problem::NoPackage));
        };
        let name = head.get(dot + 1..).unwrap_or_default();
        let mut there = self.scanner.clone();
        there.at = self.at + dot + 1;
        there.check_identifier(name)?;
        self.name = dot;
        Ok(name.to_owned())
    }

    /// `List[...].Push`: brackets that a dot follows belong to a receiver.
    fn generic_value_receiver(&mut self, last: usize) -> Result<Option<(String, Receiver, String)>, SignatureError> {
        let before = self.scanner.clone();
        if !self.scanner.rest().starts_with('[') {
            return Ok(None);
        }
        let type_parameters = type_parameters(self.scanner)?;
        if !self.scanner.rest().starts_with('.') {
            *self.scanner = before;
            return Ok(None);
        }
        self.scanner.at += 1;
        let base = self.take_name(last)?;
        let name = self.scanner.identifier()?.to_owned();
        let package = unescaped(self.start.get(..self.name).unwrap_or_default());
        let name_of = Some(RECEIVER.to_owned());
        let found = Receiver { name: name_of, is_pointer: false, base, is_generic: true, type_parameters };
        Ok(Some((package, found, name)))
    }
}

/// `path.Type` of a method's name whose receiver is a value; `None` where it is a path alone, as in `gopkg.in/yaml.v3`.
fn split_receiver(path: &str, last: usize) -> Option<(&str, &str)> {
    let dot = path.rfind('.').filter(|&dot| dot > last)?;
    let base = path.get(dot + 1..)?;
    let is_version = base.strip_prefix('v').is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()));
    (!is_version && super::scanner::is_identifier(base)).then_some((path.get(..dot)?, base))
}

/// Behind the `(` of a receiver, up to the `)`. Its own name is there if `has_name`, or not.
fn receiver(scanner: &mut Scanner<'_>, has_name: bool) -> Result<Receiver, SignatureError> {
    let mut name = (!has_name).then(|| RECEIVER.to_owned());
    let mut base = None;
    if has_name && scanner.peek() != Some('*') {
        let first = scanner.identifier()?.to_owned();
        if scanner.peek().is_none_or(|next| matches!(next, ')' | '[')) {
            base = Some(first);
        } else {
            name = Some(first).filter(|first| first != "_");
        }
    }
    let is_pointer = base.is_none() && scanner.eat("*");
    let base = match base {
        Some(base) => base,
        None => scanner.identifier()?.to_owned(),
    };
    let is_generic = scanner.peek() == Some('[');
    let type_parameters = if is_generic { type_parameters(scanner)? } else { Vec::new() };
    if scanner.peek() == Some(',') {
        return Err(scanner.error(Problem::Receiver));
    }
    scanner.expect(")")?;
    Ok(Receiver { name, is_pointer, base, is_generic, type_parameters })
}

/// The names in `[T, U any]`; none of `[...]`.
fn type_parameters(scanner: &mut Scanner<'_>) -> Result<Vec<String>, SignatureError> {
    scanner.expect("[")?;
    let mut names = Vec::new();
    if !scanner.eat("...") {
        loop {
            names.push(scanner.identifier()?.to_owned());
            scanner.at += end_of_item(scanner.rest(), |c| c == ',');
            if !scanner.eat(",") || scanner.peek() == Some(']') {
                break;
            }
        }
    }
    scanner.expect("]")?;
    Ok(names)
}

/// What follows the name.
fn finish(
    scanner: &mut Scanner<'_>,
    package: String,
    receiver: Option<Receiver>,
    name: String,
) -> Result<Signature, SignatureError> {
    let is_own_generic = scanner.rest().starts_with('[');
    let mut names = receiver.as_ref().map(|receiver| receiver.type_parameters.clone()).unwrap_or_default();
    if is_own_generic {
        names.extend(type_parameters(scanner)?);
    }
    let is_generic = is_own_generic || receiver.as_ref().is_some_and(|receiver| receiver.is_generic);
    let scope = Scope { package: &package, type_parameters: &names };
    let parameters = scope.parameters(scanner, Parameters::OfFunction)?;
    let results = scope.results(scanner)?;
    // The body may begin.
    scanner.eat("{");
    if scanner.peek().is_some() {
        return Err(scanner.error(Problem::Behind));
    }
    let receiver = receiver.map(|receiver| receiver.into_parameter(&package));
    Ok(Signature { package, receiver, name, is_generic, type_parameters: names, parameters, results, is_own_generic })
}

#[cfg(test)]
mod tests;
