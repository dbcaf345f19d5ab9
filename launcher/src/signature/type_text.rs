//! Types, read from text.

use super::error::{Problem, SignatureError};
use super::go_type::{Basic, Field, GoType};
use super::parameters::Parameters;
use super::scanner::Scanner;
use super::unescaped;

/// What names without a package mean in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'s> {
    /// The import path of the package of the declaration.
    pub(super) package: &'s str,
    /// The names of the type parameters.
    pub(super) type_parameters: &'s [String],
}

impl GoType {
    /// Reads a type that stands by itself; names without a package belong to the one with the import path `package`.
    ///
    /// # Errors
    /// The text is no type.
    pub fn parse(package: &str, text: &str) -> Result<Self, SignatureError> {
        let mut scanner = Scanner::new(text)?;
        let found = Scope { package, type_parameters: &[] }.go_type(&mut scanner)?;
        if scanner.peek().is_some() { scanner.expected("the end of the type") } else { Ok(found) }
    }
}

impl Scope<'_> {
    /// Reads a type.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn go_type(&self, scanner: &mut Scanner<'_>) -> Result<GoType, SignatureError> {
        scanner.nested(|scanner| self.go_type_here(scanner))
    }

    fn boxed(&self, scanner: &mut Scanner<'_>) -> Result<Box<GoType>, SignatureError> {
        self.go_type(scanner).map(Box::new)
    }

    fn go_type_here(&self, scanner: &mut Scanner<'_>) -> Result<GoType, SignatureError> {
        if scanner.eat("*") {
            return self.boxed(scanner).map(GoType::Pointer);
        }
        if scanner.eat("(") {
            let inner = self.go_type(scanner)?;
            scanner.expect(")")?;
            return Ok(inner);
        }
        if scanner.eat("[") {
            return self.slice_or_array(scanner);
        }
        if scanner.eat("<-") {
            if !scanner.eat_word("chan") {
                return scanner.expected("chan");
            }
            return self.boxed(scanner).map(GoType::Chan);
        }
        if scanner.rest().starts_with("...") {
            return Err(scanner.error(Problem::Variadic));
        }
        let start = scanner.at;
        let word = scanner.word();
        match word {
            "map" | "chan" | "func" | "struct" | "interface" => scanner.at += word.len(),
            _ => return self.named(scanner),
        }
        match word {
            "map" => {
                scanner.expect("[")?;
                let key = self.boxed(scanner)?;
                scanner.expect("]")?;
                Ok(GoType::Map(key, self.boxed(scanner)?))
            }
            "chan" => {
                scanner.eat("<-");
                self.boxed(scanner).map(GoType::Chan)
            }
            "func" => {
                self.parameters(scanner, Parameters::OfFunction)?;
                self.results(scanner)?;
                Ok(GoType::Func(scanner.since(start).trim_end().to_owned()))
            }
            "struct" => self.fields(scanner),
            _ => {
                scanner.expect("{")?;
                let is_empty = scanner.peek() == Some('}');
                scanner.skip_to('}')?;
                Ok(GoType::Interface { is_empty })
            }
        }
    }

    /// Behind the `[`.
    fn slice_or_array(&self, scanner: &mut Scanner<'_>) -> Result<GoType, SignatureError> {
        if scanner.eat("]") {
            return self.boxed(scanner).map(GoType::Slice);
        }
        let digits = scanner.word();
        let len = match digits.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => digits.replace('_', "").parse().ok(),
        };
        let len = len.ok_or_else(|| scanner.error(Problem::ArrayLength))?;
        scanner.at += digits.len();
        scanner.expect("]")?;
        Ok(GoType::Array(len, self.boxed(scanner)?))
    }

    /// A name, with its package and type arguments.
    fn named(&self, scanner: &mut Scanner<'_>) -> Result<GoType, SignatureError> {
        let word = scanner.word();
        if word.is_empty() {
            return scanner.expected("a type");
        }
        if let Some(basic) = Basic::named(word) {
            scanner.at += word.len();
            return Ok(GoType::Basic(basic));
        }
        let name_at = word.rfind(['.', '/']).map_or(0, |last| last + 1);
        let (path, name) = word.split_at_checked(name_at).unwrap_or(("", word));
        let package = path.strip_suffix('.');
        if package.is_none_or(str::is_empty) && !path.is_empty() {
            scanner.at += word.len();
            return scanner.expected("a type's name behind the import path");
        }
        scanner.at += path.len();
        scanner.check_identifier(name)?;
        scanner.at += name.len();
        let package = match (package, name) {
            (None, "any") => return Ok(GoType::Interface { is_empty: true }),
            (None, "error") => return Ok(GoType::Interface { is_empty: false }),
            (None, name) if self.type_parameters.iter().any(|parameter| parameter == name) => None,
            (None, _) => Some(self.package.to_owned()),
            (Some(package), _) => Some(unescaped(package)),
        };
        let arguments = self.type_arguments(scanner)?;
        Ok(GoType::Named { package, name: format!("{name}{arguments}") })
    }

    /// `[A,B]` directly behind a name, as Go writes it in the names of types; else nothing.
    fn type_arguments(&self, scanner: &mut Scanner<'_>) -> Result<String, SignatureError> {
        if !scanner.has_type_arguments() {
            return Ok(String::new());
        }
        scanner.expect("[")?;
        if scanner.eat("...") {
            scanner.expect("]")?;
            return Ok("[...]".to_owned());
        }
        let mut arguments = vec![self.go_type(scanner)?.to_string()];
        while scanner.eat(",") {
            arguments.push(self.go_type(scanner)?.to_string());
        }
        scanner.expect("]")?;
        Ok(format!("[{}]", arguments.join(",")))
    }

    /// Behind `struct`.
    fn fields(&self, scanner: &mut Scanner<'_>) -> Result<GoType, SignatureError> {
        scanner.expect("{")?;
        let mut fields = Vec::new();
        while scanner.peek().is_some_and(|next| next != '}') {
            self.field(scanner, &mut fields)?;
            if let Some(quote @ ('"' | '`')) = scanner.peek() {
                skip_tag(scanner, quote)?;
            }
            if !scanner.eat(";") {
                break;
            }
        }
        scanner.expect("}")?;
        Ok(GoType::Struct(fields))
    }

    /// `a, b T`, or an embedded type. Names may be those of shapes, with a package.
    fn field(&self, scanner: &mut Scanner<'_>, fields: &mut Vec<Field>) -> Result<(), SignatureError> {
        let start = scanner.clone();
        let (mut names, mut has_argument) = (Vec::new(), false);
        loop {
            let word = scanner.word();
            scanner.at += word.len();
            has_argument |= scanner.has_type_arguments();
            names.push(word.rsplit('.').next().unwrap_or(word));
            if word.is_empty() || !scanner.eat(",") {
                break;
            }
        }
        let is_embedded = matches!(scanner.peek(), None | Some(';' | '}' | '"' | '`')) || names.first() == Some(&"");
        if is_embedded || has_argument {
            *scanner = start;
            let go_type = self.go_type(scanner)?;
            let base = if let GoType::Pointer(base) = &go_type { base } else { &go_type };
            fields.push(Field { name: base.short_name(), go_type });
            return Ok(());
        }
        let go_type = self.go_type(scanner)?;
        fields.extend(names.into_iter().map(|name| Field { name: name.to_owned(), go_type: go_type.clone() }));
        Ok(())
    }
}

/// A string behind a field.
fn skip_tag(scanner: &mut Scanner<'_>, quote: char) -> Result<(), SignatureError> {
    let mut is_escaped = true;
    for (at, c) in scanner.rest().char_indices() {
        if c == quote && !is_escaped {
            scanner.at += at + 1;
            return Ok(());
        }
        // The first one opens the string.
        is_escaped = c == '\\' && quote == '"' && !is_escaped;
    }
    scanner.expected("the end of the string")
}
