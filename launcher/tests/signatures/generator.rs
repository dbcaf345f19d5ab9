//! Go programs with functions of all kinds of parameters and results, the same ones at each run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use go_auto_launch::signature::{NamedTypes, Shape};

use super::Random;

/// Defined types that the program describes, and that it does not.
const DESCRIBED: usize = 60;
const UNDESCRIBED: usize = 8;
const FUNCTIONS: usize = 2000;
const GENERIC: usize = 40;

/// A type: what Go calls it, and what it consists of.
#[derive(Clone, Debug)]
struct Type {
    text: String,
    shape: Shape,
    /// Whether it may be embedded and have methods: it is no pointer and no interface.
    is_base: bool,
}

impl Type {
    fn new(text: impl Into<String>, shape: Shape) -> Self {
        Self { text: text.into(), shape, is_base: true }
    }

    fn no_base(text: impl Into<String>, shape: Shape) -> Self {
        Self { is_base: false, ..Self::new(text, shape) }
    }
}

fn word(text: &str, size: u8) -> Type {
    Type::new(text, Shape::Word { size, is_float: false })
}

fn float(text: &str, size: u8) -> Type {
    Type::new(text, Shape::Word { size, is_float: true })
}

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    /// `main.go`.
    pub(super) source: String,
    /// The declarations of its functions, in the package `main`.
    pub(super) declarations: Vec<String>,
    /// What each defined type consists of.
    pub(super) types: Known,
}

/// All defined types of the package `main`.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Shape>);

impl NamedTypes for Known {
    fn shape(&self, package: Option<&str>, name: &str) -> Option<Shape> {
        self.0.get(name).filter(|_| package == Some("main")).cloned()
    }
}

#[derive(Debug)]
struct Generator {
    random: Random,
    named: Vec<Type>,
    declarations: Vec<String>,
    /// Expressions whose value is each function.
    values: Vec<String>,
    source: String,
}

/// The program.
pub(super) fn program() -> Program {
    let mut generator = Generator {
        random: Random(0x5eed_5eed_1234_0001),
        named: Vec::new(),
        declarations: Vec::new(),
        values: Vec::new(),
        source: "package main\n\nimport (\n\t\"context\"\n\t\"time\"\n\t\"unsafe\"\n)\n\n".to_owned(),
    };
    generator.types();
    for index in 0..FUNCTIONS {
        generator.function(index);
    }
    for index in 0..GENERIC {
        generator.generic(index);
    }
    generator.finish()
}

impl Generator {
    fn chance(&mut self, percent: usize) -> bool {
        self.random.below(100) < percent
    }

    fn pick(&mut self, from: &[Type]) -> Type {
        from[self.random.below(from.len())].clone()
    }

    /// Any type.
    fn any_type(&mut self, depth: usize) -> Type {
        match self.random.below(if depth < 3 { 100 } else { 70 }) {
            0..26 => self.integer(),
            26..34 => self.pick(&[float("float64", 8), float("float32", 4)]),
            34..37 => self.pick(&[Type::new("complex64", Shape::Complex(8)), Type::new("complex128", Shape::Complex(16))]),
            37..46 => Type::new("string", Shape::Pair),
            46..54 => self.interface(),
            54..62 => self.pointer(depth),
            62..70 if !self.named.is_empty() => self.named[self.random.below(self.named.len())].clone(),
            62..78 => Type::new(format!("[]{}", self.element(depth)), Shape::Triple),
            78..90 => self.array(depth),
            _ => self.structure(depth),
        }
    }

    fn integer(&mut self) -> Type {
        self.pick(&[
            word("bool", 1),
            word("int8", 1),
            word("uint16", 2),
            word("int32", 4),
            word("rune", 4),
            word("uint64", 8),
            word("int", 8),
            word("uintptr", 8),
            word("byte", 1),
            word("time.Duration", 8),
        ])
    }

    fn interface(&mut self) -> Type {
        let text = ["any", "error", "context.Context", "interface{ M(int) string }"][self.random.below(4)];
        Type::no_base(text, Shape::Pair)
    }

    /// What is only pointed to: of any size.
    fn element(&mut self, depth: usize) -> String {
        if depth < 2 { self.any_type(depth + 2).text } else { "int".to_owned() }
    }

    fn pointer(&mut self, depth: usize) -> Type {
        let element = self.element(depth);
        let text = match self.random.below(6) {
            0 | 1 => format!("*{element}"),
            2 => format!("map[string]{element}"),
            3 => format!("<-chan {element}"),
            4 => format!("func({element}, ...int) (a, b {element})"),
            _ => "unsafe.Pointer".to_owned(),
        };
        let is_base = !text.starts_with('*') && text != "unsafe.Pointer";
        Type { is_base, ..Type::new(text, Shape::POINTER) }
    }

    fn array(&mut self, depth: usize) -> Type {
        let len = [0, 1, 1, 1, 2, 3][self.random.below(6)];
        let Type { text, shape, .. } = self.any_type(depth + 1);
        Type::new(format!("[{len}]{text}"), Shape::Array(len, Box::new(shape)))
    }

    fn structure(&mut self, depth: usize) -> Type {
        let (mut text, mut fields) = (Vec::<String>::new(), Vec::new());
        for index in 0..self.random.below(5) {
            let Type { text: field, shape, is_base } = self.any_type(depth + 1);
            let is_named = field.starts_with(['T', 'U']) && !text.contains(&field);
            text.push(match self.random.below(8) {
                0 => format!("_ {field}"),
                1 if is_named && is_base => field,
                _ => format!("f{index} {field}"),
            });
            fields.push(shape);
        }
        Type::new(format!("struct {{ {} }}", text.join("; ")), Shape::Struct(fields))
    }

    /// Each may consist of those before it.
    fn types(&mut self) {
        for index in 0..DESCRIBED + UNDESCRIBED {
            let mut underlying = match index % 3 {
                0 => self.structure(0),
                1 => self.any_type(0),
                _ => self.any_type(3),
            };
            // Those without a descriptor come last: they are in none that has one.
            let name = if index < DESCRIBED { format!("T{index}") } else { format!("U{index}") };
            writeln!(self.source, "type {name} {}", underlying.text).unwrap();
            underlying.text = name;
            self.named.push(underlying);
        }
    }

    /// A list in brackets, with or without names, which begin with `letter`; some types come first.
    fn list(&mut self, first: &[&str], count: usize, letter: char, is_parameters: bool) -> String {
        let has_names = self.chance(80);
        let mut items: Vec<String> = Vec::new();
        for (index, text) in first.iter().enumerate() {
            items.push(if has_names { format!("t{index} {text}") } else { (*text).to_owned() });
        }
        for index in 0..count {
            let mut text = self.any_type(0).text;
            if is_parameters && index + 1 == count && self.chance(8) {
                text = format!("...{text}");
            }
            let is_blank = self.chance(5);
            items.push(match (has_names, is_blank) {
                (true, true) => format!("_ {text}"),
                (true, false) => format!("{letter}{index} {text}"),
                (false, _) => text,
            });
        }
        format!("({})", items.join(", "))
    }

    fn count(&mut self, most: usize) -> usize {
        // Small numbers are more frequent.
        self.random.below(most + 1).min(self.random.below(most + 1))
    }

    fn function(&mut self, index: usize) {
        let bases: Vec<Type> = self.named.iter().filter(|base| base.is_base).cloned().collect();
        let (receiver, value) = match self.random.below(10) {
            0 | 1 => {
                let base = self.pick(&bases).text;
                (format!("(r {base}) "), format!("{base}.m{index}"))
            }
            2 => {
                let base = self.pick(&bases).text;
                (format!("(r *{base}) "), format!("(*{base}).m{index}"))
            }
            _ => (String::new(), format!("m{index}")),
        };
        let (parameters, results) = (self.count(14), self.count(8));
        let parameters = self.list(&[], parameters, 'p', true);
        let results = self.list(&[], results, 'q', false);
        self.declare(format!("func {receiver}m{index}{parameters} {results}"), value);
    }

    fn declare(&mut self, declaration: String, value: String) {
        writeln!(self.source, "\n//go:noinline\n{declaration} {{\n\ttouch()\n\tpanic(0)\n}}").unwrap();
        self.declarations.push(declaration);
        self.values.push(value);
    }

    /// A generic function or method, with two instances.
    fn generic(&mut self, index: usize) {
        let arguments: [String; 2] = std::array::from_fn(|_| self.any_type(2).text);
        let list = self.list(&["T", "[]T", "U"], 3, 'p', false);
        if self.chance(50) {
            self.declare(format!("func g{index}[T any, U any]{list} (T, error)"), format!("g{index}[{}, string]", arguments[0]));
            self.values.push(format!("g{index}[{}, int8]", arguments[1]));
            return;
        }
        writeln!(self.source, "\ntype G{index}[T, U any] struct {{\n\tt T\n\tu U\n}}").unwrap();
        let value = |argument: &str| format!("(*G{index}[{argument}, uint16]).g{index}");
        self.declare(format!("func (r *G{index}[T, U]) g{index}{list} (T, error)"), value(&arguments[0]));
        self.values.push(value(&arguments[1]));
    }

    fn finish(mut self) -> Program {
        self.source.push_str("\n//go:noinline\nfunc touch() {}\n\n");
        // Function values keep the functions without describing their types.
        for (index, value) in self.values.iter().enumerate() {
            writeln!(self.source, "var v{index} = {value}").unwrap();
        }
        self.source.push_str("\nvar values = [...]unsafe.Pointer{\n");
        for index in 0..self.values.len() {
            writeln!(self.source, "\tunsafe.Pointer(&v{index}),").unwrap();
        }
        self.source.push_str("}\n\nvar types = [...]any{\n");
        for index in 0..DESCRIBED {
            writeln!(self.source, "\tnew(T{index}),").unwrap();
        }
        self.source.push_str("\tcontext.Context(nil), time.Duration(0),\n}\n\nfunc main() {\n\tprintln(&values, &types)\n}\n");
        let types = self.named.iter().map(|named| (named.text.clone(), named.shape.clone())).collect();
        Program { source: self.source, declarations: self.declarations, types: Known(types) }
    }
}
