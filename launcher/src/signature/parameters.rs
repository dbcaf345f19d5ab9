//! Lists of parameters and results, read from text.

use super::Parameter;
use super::error::{Problem, SignatureError};
use super::go_type::GoType;
use super::scanner::{Scanner, is_identifier};
use super::type_text::Scope;

/// Which list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    /// The last one may be variadic.
    OfFunction,
    /// None may be.
    Results,
}

/// What stands between two commas.
#[derive(Debug)]
enum Item<'t> {
    /// A name and a type.
    Whole { name: &'t str, go_type: GoType, is_variadic: bool },
    /// A type, or the name of what has its type behind one of the next commas.
    Single { at: usize, name: Option<&'t str>, go_type: Result<GoType, SignatureError>, is_variadic: bool },
}

impl Scope<'_> {
    /// Reads a list in brackets.
    ///
    /// # Errors
    /// It is not what Go allows.
    pub(super) fn parameters(&self, scanner: &mut Scanner<'_>, which: Parameters) -> Result<Vec<Parameter>, SignatureError> {
        scanner.expect("(")?;
        let mut items = Vec::new();
        while scanner.peek() != Some(')') {
            items.push(self.item(scanner)?);
            let is_variadic = match items.last() {
                Some(Item::Whole { is_variadic, .. } | Item::Single { is_variadic, .. }) => *is_variadic,
                None => false,
            };
            let is_last = !scanner.eat(",") || scanner.peek() == Some(')');
            if is_variadic && (which == Parameters::Results || !is_last) {
                return Err(scanner.error(Problem::Variadic));
            }
            if is_last {
                break;
            }
        }
        let end = scanner.at;
        if !scanner.eat(")") {
            return scanner.expected(", or )");
        }
        if items.iter().any(|item| matches!(item, Item::Whole { .. })) { with_names(items, end) } else { without_names(items) }
    }

    /// Reads what follows the parameters: nothing, a type, or a list.
    ///
    /// # Errors
    /// As [`Self::parameters`].
    pub(super) fn results(&self, scanner: &mut Scanner<'_>) -> Result<Vec<Parameter>, SignatureError> {
        match scanner.peek() {
            None | Some(',' | ')' | ';' | '}' | ']' | '{' | '"' | '`') => Ok(Vec::new()),
            Some('(') => self.parameters(scanner, Parameters::Results),
            Some(_) => Ok(vec![Parameter { name: None, go_type: self.go_type(scanner)? }]),
        }
    }

    fn item<'t>(&self, scanner: &mut Scanner<'t>) -> Result<Item<'t>, SignatureError> {
        let start = scanner.clone();
        let name = scanner.word();
        if !is_identifier(name) {
            return self.single(scanner, None);
        }
        scanner.at += name.len();
        let has_arguments = scanner.has_type_arguments();
        scanner.skip_space();
        let rest = scanner.rest();
        if rest.is_empty() || rest.starts_with([',', ')']) || has_arguments {
            *scanner = start;
            return self.single(scanner, (!has_arguments).then_some(name));
        }
        let is_variadic = scanner.eat("...");
        let go_type = self.go_type(scanner)?;
        Ok(Item::Whole { name, go_type: variadic(go_type, is_variadic), is_variadic })
    }

    fn single<'t>(&self, scanner: &mut Scanner<'t>, name: Option<&'t str>) -> Result<Item<'t>, SignatureError> {
        scanner.skip_space();
        let at = scanner.at;
        let is_variadic = scanner.eat("...");
        let go_type = self.go_type(scanner).map(|go_type| variadic(go_type, is_variadic));
        // A name alone need not be that of a type.
        if name.is_none() {
            go_type.clone()?;
        }
        Ok(Item::Single { at, name, go_type, is_variadic })
    }
}

fn variadic(go_type: GoType, is_variadic: bool) -> GoType {
    if is_variadic { GoType::Slice(Box::new(go_type)) } else { go_type }
}

fn without_names(items: Vec<Item<'_>>) -> Result<Vec<Parameter>, SignatureError> {
    let mut parameters = Vec::with_capacity(items.len());
    for item in items {
        if let Item::Single { go_type, .. } = item {
            parameters.push(Parameter { name: None, go_type: go_type? });
        }
    }
    Ok(parameters)
}

/// From the last to the first: a name alone has the type of the one behind it.
fn with_names(items: Vec<Item<'_>>, end: usize) -> Result<Vec<Parameter>, SignatureError> {
    let mut parameters = Vec::with_capacity(items.len());
    let mut behind: Option<(GoType, bool)> = None;
    for item in items.into_iter().rev() {
        let (name, go_type) = match item {
            Item::Whole { name, go_type, is_variadic } => {
                behind = Some((go_type.clone(), is_variadic));
                (name, go_type)
            }
            Item::Single { at, name, .. } => match (name, &behind) {
                (Some(_), Some((_, true))) => return Err(SignatureError::new(at, Problem::Variadic)),
                (Some(name), Some((go_type, false))) => (name, go_type.clone()),
                (Some(_), None) => return Err(SignatureError::new(end, Problem::Expected("a type"))),
                (None, _) => return Err(SignatureError::new(at, Problem::MixedNames)),
            },
        };
        parameters.push(Parameter { name: Some(name.to_owned()).filter(|name| name != "_"), go_type });
    }
    parameters.reverse();
    Ok(parameters)
}
