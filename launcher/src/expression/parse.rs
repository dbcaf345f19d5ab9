//! Text into an [`Expression`].

use super::error::ExpressionError;
use super::scanner::Scanner;

/// Terms within terms.
const MAX_DEPTH: usize = 32;

/// One or several terms: the first that there is counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// In the order in which they are tried.
    pub alternatives: Vec<Term>,
}

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// A parameter or result, by its name; the receiver too.
    Name(String),
    /// `x.field`, of a struct or of what a pointer to one points to; fields of embedded structs too.
    Field(Box<Term>, String),
    /// `x.(T)`.
    Assert(Box<Term>, String),
    /// `x[1]`, of a slice or array.
    Element(Box<Term>, u64),
    /// `len(x)`.
    Length(Box<Term>),
    /// `typeof(x)`, of an interface: the type of what it holds.
    TypeOf(Box<Term>),
    /// `x.Error()`, of an error.
    ErrorText(Box<Term>),
}

/// `expression == number`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is compared.
    pub expression: Expression,
    /// To what.
    pub value: u64,
}

impl Expression {
    /// Parses `a.b | c.(T).d`.
    ///
    /// # Errors
    /// Where the text is no expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut scanner = Scanner::new(text);
        let expression = Self::next(&mut scanner)?;
        end(&mut scanner)?;
        Ok(expression)
    }

    fn next(scanner: &mut Scanner<'_>) -> Result<Self, ExpressionError> {
        let mut alternatives = vec![Term::next(scanner, 0)?];
        while scanner.take("|") {
            alternatives.push(Term::next(scanner, 0)?);
        }
        Ok(Self { alternatives })
    }
}

impl Condition {
    /// Parses `a.b == 0`.
    ///
    /// # Errors
    /// Where the text is no condition.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut scanner = Scanner::new(text);
        let expression = Expression::next(&mut scanner)?;
        scanner.expect("==", "`==` is missing")?;
        let value = scanner.number().ok_or_else(|| scanner.error("a number is missing"))?;
        end(&mut scanner)?;
        Ok(Self { expression, value })
    }
}

fn end(scanner: &mut Scanner<'_>) -> Result<(), ExpressionError> {
    match scanner.peek() {
        None => Ok(()),
        Some(_) => Err(scanner.error("nothing more is expected")),
    }
}

impl Term {
    fn next(scanner: &mut Scanner<'_>, depth: usize) -> Result<Self, ExpressionError> {
        if depth > MAX_DEPTH {
            return Err(scanner.error("this is nested too deeply"));
        }
        let name = scanner.identifier().ok_or_else(|| scanner.error("a name is missing"))?;
        let function: Option<fn(Box<Self>) -> Self> = match name {
            "len" => Some(Self::Length),
            "typeof" => Some(Self::TypeOf),
            _ => None,
        };
        let mut term = match function {
            Some(function) if scanner.take("(") => {
                let argument = Self::next(scanner, depth + 1)?;
                scanner.expect(")", "`)` is missing")?;
                function(Box::new(argument))
            }
            Some(_) | None => Self::Name(name.to_owned()),
        };
        let mut selectors = 0;
        loop {
            if scanner.take("[") {
                let index = scanner.number().ok_or_else(|| scanner.error("an index, which is a number, is missing"))?;
                scanner.expect("]", "`]` is missing")?;
                term = Self::Element(Box::new(term), index);
            } else if scanner.take(".") {
                term = Self::selected(term, scanner)?;
            } else {
                return Ok(term);
            }
            selectors += 1;
            if selectors > MAX_DEPTH {
                return Err(scanner.error("there are too many selectors"));
            }
        }
    }

    /// What comes behind a dot.
    fn selected(self, scanner: &mut Scanner<'_>) -> Result<Self, ExpressionError> {
        let term = Box::new(self);
        if scanner.take("(") {
            let asserted = scanner.up_to_closing().filter(|text| !text.is_empty());
            let asserted = asserted.ok_or_else(|| scanner.error("a type in brackets is missing"))?;
            return Ok(Self::Assert(term, asserted.to_owned()));
        }
        let field = scanner.identifier().ok_or_else(|| scanner.error("a field is missing"))?;
        if !scanner.take("(") {
            return Ok(Self::Field(term, field.to_owned()));
        }
        scanner.expect(")", "methods cannot be called, but for `Error()` of an error")?;
        if field != "Error" {
            return Err(scanner.error("methods cannot be called, but for `Error()` of an error"));
        }
        Ok(Self::ErrorText(term))
    }

    /// The name that it begins with.
    #[must_use]
    pub fn root(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Field(inner, _)
            | Self::Assert(inner, _)
            | Self::Element(inner, _)
            | Self::Length(inner)
            | Self::TypeOf(inner)
            | Self::ErrorText(inner) => inner.root(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Term {
        Term::Name(text.to_owned())
    }

    fn field(term: Term, text: &str) -> Term {
        Term::Field(Box::new(term), text.to_owned())
    }

    #[test]
    fn terms_are_read_as_go_reads_them() {
        let parsed = |text: &str| Expression::parse(text).unwrap().alternatives;
        assert_eq!(parsed("req.URL.Host"), [field(field(name("req"), "URL"), "Host")]);
        let asserted =
            Term::Assert(Box::new(field(name("db"), "connector")), "*github.com/go-sql-driver/mysql.connector".to_owned());
        assert_eq!(parsed(" db.connector.(*github.com/go-sql-driver/mysql.connector) "), [asserted]);
        assert_eq!(
            parsed("len(batch)|typeof( x.y )"),
            [Term::Length(Box::new(name("batch"))), Term::TypeOf(Box::new(field(name("x"), "y")))]
        );
        let element = Term::Element(Box::new(field(name("cmd"), "args")), 0);
        assert_eq!(parsed("cmd.args[0].(string)"), [Term::Assert(Box::new(element), "string".to_owned())]);
        assert_eq!(parsed("err.Error()"), [Term::ErrorText(Box::new(name("err")))]);
        assert_eq!(parsed("len"), [name("len")]);
        assert_eq!(parsed("a.(func(int) [2]string)[1]")[0].root(), "a");
        let condition = Condition::parse("tx.done.v == 0").unwrap();
        assert_eq!((condition.value, condition.expression.alternatives.len()), (0, 1));
    }

    #[test]
    fn what_is_no_expression_says_where() {
        for (text, at) in
            [("", 0), ("a.", 2), ("a.(", 3), ("a b", 2), ("a[x]", 2), ("a[1", 3), ("len(a", 5), ("a.F()", 5), ("a |", 3)]
        {
            assert_eq!(Expression::parse(text).unwrap_err().at, at, "{text}");
        }
        assert!(Condition::parse("a").is_err() && Condition::parse("a == b").is_err());
    }

    #[test]
    fn no_text_does_harm() {
        let deep = [&"len(".repeat(10_000), "a", &")".repeat(10_000)].concat();
        assert!(Expression::parse(&deep).is_err());
        assert!(Expression::parse(&[&"a.".repeat(10_000), "b"].concat()).is_err());
        let text = "len(a.b[1].(*x/y.T[int])).é | typeof(ü) == 1";
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            for start in (0..=end).filter(|&start| text.is_char_boundary(start)) {
                let _ = Expression::parse(&text[start..end]);
                let _ = Condition::parse(&text[start..end]);
            }
        }
    }
}
