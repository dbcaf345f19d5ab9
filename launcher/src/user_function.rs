//! A function of the user's own of which each call is to be a span, as a line of text: its declaration, and attributes.
//!
//! `example.com/shop/orders.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error); order.id=o.ID, items=len(o.Items)`

use crate::expression::Expression;
use crate::signature::{GoType, Signature};

/// A function, and what its spans say besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFunction {
    /// Its declaration.
    pub signature: Signature,
    /// Names of attributes, and what their values are.
    pub attributes: Vec<(String, Expression)>,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}\n{blank}^ {what}", blank = " ".repeat(*.column))]
pub struct UserFunctionError {
    /// The line.
    line: String,
    /// How many characters stand before the place where it is wrong.
    column: usize,
    /// What is wrong there.
    what: String,
}

/// Attributes of one function at most: each is captured with every call.
const MAX_ATTRIBUTES: usize = 16;

impl UserFunction {
    /// Parses a line.
    ///
    /// # Errors
    /// Where it is no declaration, or an attribute is no `name=expression`.
    pub fn parse(line: &str) -> Result<Self, UserFunctionError> {
        let error = |at: usize, what: String| {
            let column = line.get(..at).unwrap_or(line).chars().count();
            UserFunctionError { line: line.to_owned(), column, what }
        };
        let end = outside_brackets(line, ';').unwrap_or(line.len());
        let (declaration, rest) = line.split_at_checked(end).unwrap_or((line, ""));
        if let Some(at) = closure(declaration) {
            let what = "a closure has no declaration of its own: name the function that contains it".to_owned();
            return Err(error(at, what));
        }
        let signature = Signature::parse_full(declaration.trim_end()).map_err(|why| error(why.at, why.to_string()))?;
        let mut attributes = Vec::new();
        let mut at = end + 1;
        let mut rest = rest.strip_prefix(';').unwrap_or_default();
        while !rest.trim().is_empty() {
            let comma = outside_brackets(rest, ',').unwrap_or(rest.len());
            let (item, behind) = rest.split_at_checked(comma).unwrap_or((rest, ""));
            let (name, text) =
                item.split_once('=').ok_or_else(|| error(at, "expected an attribute, as order.id=o.ID".to_owned()))?;
            let value_at = at + name.len() + 1;
            if name.trim().is_empty() || name.trim().contains(char::is_whitespace) {
                return Err(error(at, "expected the name of an attribute".to_owned()));
            }
            if attributes.iter().any(|(known, _)| known == name.trim()) {
                return Err(error(at, format!("the attribute {} is there already", name.trim())));
            }
            let expression = Expression::parse(text).map_err(|why| error(value_at + why.at, why.what.to_owned()))?;
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(error(at, format!("a function has {MAX_ATTRIBUTES} attributes at most")));
            }
            attributes.push((name.trim().to_owned(), expression));
            at += item.len() + 1;
            rest = behind.strip_prefix(',').unwrap_or_default();
        }
        Ok(Self { signature, attributes })
    }

    /// Its name as stack traces write it, without the path of its package: `orders.(*Store).Place`.
    #[must_use]
    pub fn short_name(&self) -> String {
        let symbol = self.signature.symbol();
        symbol.rsplit('/').next().map(|name| name.replace("%2e", ".")).unwrap_or_default()
    }

    /// The first parameter that is a context, by its name.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        let is_context = |go_type: &GoType| matches!(go_type, GoType::Named { package: Some(package), name } if package == "context" && name == "Context");
        self.signature.parameters.iter().find(|one| is_context(&one.go_type)).and_then(|one| one.name.as_deref())
    }

    /// The last result, if it is an error: its name in expressions.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let last = self.signature.results.len().checked_sub(1)?;
        let result = self.signature.results.get(last)?;
        // Of predeclared interfaces it is the one with methods.
        let is_error = result.go_type == (GoType::Interface { is_empty: false });
        is_error.then(|| format!("result{last}"))
    }

    /// Whether an expression speaks of a result.
    #[must_use]
    pub fn is_of_result(&self, expression: &Expression) -> bool {
        let is_result = |root: &str| {
            let by_number = root.strip_prefix("result").is_some_and(|rest| rest.parse::<usize>().is_ok());
            by_number || self.signature.results.iter().any(|result| result.name.as_deref() == Some(root))
        };
        expression.alternatives.iter().any(|term| is_result(term.root()))
    }
}

/// Where a character stands outside of all brackets.
fn outside_brackets(text: &str, wanted: char) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices()
        .find(|&(_, c)| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && c == wanted
        })
        .map(|(at, _)| at)
}

/// Where the name of a closure begins that a declaration names, such as `main.run.func1`.
fn closure(declaration: &str) -> Option<usize> {
    let at = declaration.find(".func")?;
    let behind = declaration.get(at + 5..)?;
    behind.starts_with(|c: char| c.is_ascii_digit()).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "example.com/shop/orders.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error)";

    #[test]
    fn a_line_is_a_declaration_with_attributes() {
        let function =
            UserFunction::parse(&format!("{PLACE}; order.id=o.ID, items = len(o.Items), total=result0.Cents")).unwrap();
        assert_eq!(function.short_name(), "orders.(*Store).Place");
        assert_eq!((function.context(), function.error().as_deref()), (Some("ctx"), Some("result1")));
        let names: Vec<&str> = function.attributes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["order.id", "items", "total"]);
        let of_result: Vec<bool> = function.attributes.iter().map(|(_, one)| function.is_of_result(one)).collect();
        assert_eq!(of_result, [false, false, true]);
        assert!(UserFunction::parse("func main.run()").unwrap().attributes.is_empty());
        assert_eq!(UserFunction::parse("main.F(s struct{a, b int; c string});a=s.c").unwrap().attributes.len(), 1);
    }

    #[test]
    fn what_is_wrong_stands_under_the_place() {
        let error = |line: &str| UserFunction::parse(line).unwrap_err().to_string();
        assert_eq!(error("main.F(a int); x"), "main.F(a int); x\n              ^ expected an attribute, as order.id=o.ID");
        assert!(
            error("main.F(a int); x=a.").ends_with("\n                   ^ a field is missing"),
            "{}",
            error("main.F(a int); x=a.")
        );
        assert!(error("main.run.func1()").contains("\n         ^ a closure has no declaration"));
        assert!(error("main.F(a int").contains('^'));
        assert!(error("main.F(a int); x=a, x=a").ends_with("\n                   ^ the attribute x is there already"));
        let many: Vec<String> = (0..17).map(|number| format!("a{number}=a")).collect();
        assert!(error(&format!("main.F(a int); {}", many.join(","))).contains("16 attributes"));
    }

    #[test]
    fn no_line_does_harm() {
        let line = format!("{PLACE}; order.ïd=o.ID[1].(*T), x=len(o.Items) | y");
        for end in (0..=line.len()).filter(|&end| line.is_char_boundary(end)) {
            let _ = UserFunction::parse(&line[..end]).map_err(|error| error.to_string());
        }
    }
}
