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
    /// `x[:8]`: each of the first elements of a slice, as many as there are.
    Elements(Box<Term>, u64),
    /// `len(x)`.
    Length(Box<Term>),
    /// `unsafe.StringData(x)`: where the bytes of a string are.
    Data(Box<Term>),
    /// `typeof(x)`, of an interface: the type of what it holds.
    TypeOf(Box<Term>),
    /// `x.Error()`, of an error.
    ErrorText(Box<Term>),
}

/// `expression == number`, or `!=`, or with `nil`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is compared.
    pub expression: Expression,
    /// To what; `nil` is 0.
    pub value: u64,
    /// Whether it is compared to `nil`.
    pub is_nil: bool,
    /// Whether it holds where they are equal, or else where they are not.
    pub is_equal: bool,
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

    /// If it is of several elements (`x[:8].Key`): how many at most.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        self.alternatives.first().and_then(Term::elements)
    }

    /// The same of the element with this number.
    #[must_use]
    pub fn at(&self, number: u64) -> Self {
        self.changed(&|term| {
            if let Term::Elements(inner, _) = term { Some(Term::Element(inner.clone(), number)) } else { None }
        })
    }

    /// The same with another name in place of this one.
    #[must_use]
    pub fn renamed(&self, from: &str, to: &str) -> Self {
        self.changed(&|term| (*term == Term::Name(from.to_owned())).then(|| Term::Name(to.to_owned())))
    }

    fn changed(&self, change: &impl Fn(&Term) -> Option<Term>) -> Self {
        Self { alternatives: self.alternatives.iter().map(|term| term.changed(change)).collect() }
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
        let is_equal = !scanner.take("!=");
        if is_equal {
            scanner.expect("==", "`==` is missing")?;
        }
        let is_nil = scanner.take("nil");
        let number = if is_nil { Some(0) } else { scanner.number() };
        let value = number.ok_or_else(|| scanner.error("a number is missing"))?;
        end(&mut scanner)?;
        Ok(Self { expression, value, is_nil, is_equal })
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
            "unsafe" if scanner.take(".StringData") => Some(Self::Data),
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
                let is_first = scanner.take(":");
                let index = scanner.number().ok_or_else(|| scanner.error("an index, which is a number, is missing"))?;
                scanner.expect("]", "`]` is missing")?;
                let element = if is_first { Self::Elements } else { Self::Element };
                term = element(Box::new(term), index);
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

    /// What it is a part of, or is made of.
    fn inner(&self) -> Option<&Self> {
        match self {
            Self::Name(_) => None,
            Self::Field(inner, _)
            | Self::Assert(inner, _)
            | Self::Element(inner, _)
            | Self::Elements(inner, _)
            | Self::Length(inner)
            | Self::Data(inner)
            | Self::TypeOf(inner)
            | Self::ErrorText(inner) => Some(inner),
        }
    }

    /// The name that it begins with.
    #[must_use]
    pub fn root(&self) -> &str {
        match (self, self.inner()) {
            (Self::Name(name), _) => name,
            (_, Some(inner)) => inner.root(),
            (_, None) => "",
        }
    }

    fn elements(&self) -> Option<u64> {
        if let Self::Elements(_, count) = self { Some(*count) } else { self.inner().and_then(Self::elements) }
    }

    /// The same with what `change` puts in the place of terms in it.
    fn changed(&self, change: &impl Fn(&Self) -> Option<Self>) -> Self {
        if let Some(changed) = change(self) {
            return changed;
        }
        let within = |inner: &Self| Box::new(inner.changed(change));
        match self {
            Self::Name(name) => Self::Name(name.clone()),
            Self::Field(inner, field) => Self::Field(within(inner), field.clone()),
            Self::Assert(inner, asserted) => Self::Assert(within(inner), asserted.clone()),
            Self::Element(inner, index) => Self::Element(within(inner), *index),
            Self::Elements(inner, count) => Self::Elements(within(inner), *count),
            Self::Length(inner) => Self::Length(within(inner)),
            Self::Data(inner) => Self::Data(within(inner)),
            Self::TypeOf(inner) => Self::TypeOf(within(inner)),
            Self::ErrorText(inner) => Self::ErrorText(within(inner)),
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
        assert_eq!((condition.value, condition.expression.alternatives.len(), condition.is_equal), (0, 1, true));
        let condition = Condition::parse("handle != nil").unwrap();
        assert_eq!((condition.value, condition.is_nil, condition.is_equal), (0, true, false));
    }

    #[test]
    fn several_elements() {
        let parsed = |text: &str| Expression::parse(text).unwrap();
        assert_eq!(parsed("c.names").elements(), None);
        let data = parsed("unsafe.StringData(p[:6].Value)");
        assert_eq!((data.elements(), data.at(2)), (Some(6), parsed("unsafe.StringData(p[2].Value)")));
        assert_eq!(parsed("len(x[:3])").at(0), parsed("len(x[0])"));
        assert_eq!(parsed("len(x.y)").renamed("x", "z"), parsed("len(z.y)"));
        assert_eq!(parsed("unsafe"), Expression { alternatives: vec![name("unsafe")] });
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
