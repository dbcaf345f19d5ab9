//! What was captured of an operation, by name: what a table's function makes a span of.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::Database;
use crate::expression::ValueKind;
use crate::panic_value::PanicValue;

/// The name of the error that was returned. Names of this kind are no attribute's: a user cannot write them.
pub const ERROR: &str = "\0error";
/// That of the one that it wraps.
pub const CAUSE: &str = "\0cause";

/// A captured value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string, or bytes.
    Text {
        /// What was captured of it; bytes that are no UTF-8 are replaced.
        text: Arc<str>,
        /// Whether there was more.
        is_cut: bool,
    },
    /// An integer; one beyond the range is the largest.
    Integer(i64),
    /// A boolean.
    Bool(bool),
    /// A floating-point number.
    Float(f64),
    /// The full name of a type, where it is known.
    Type(Option<Arc<str>>),
    /// What an interface holds.
    Held(PanicValue),
}

/// What is captured under a number: its name, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: Cow<'static, str>,
    /// How it is read.
    pub kind: ValueKind,
}

/// All values of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'c> {
    /// The function, as stack traces write it.
    pub function: &'c str,
    /// Names and values: of the start, then of the end. Of several with one name the last counts.
    pub values: &'c [(Cow<'static, str>, Value)],
    /// The same, of what is known by an object.
    pub known: &'c [(Cow<'static, str>, Value)],
    /// What is said of statements.
    pub database: &'c Database,
    /// Whether its end is known.
    pub is_ended: bool,
    /// What is learnt of a request: whether that was within what was learnt of it before, or there too, on its goroutine's stack.
    pub is_inner: bool,
}

/// An error that an operation has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its type; of one that only wraps another, the other's.
    pub type_name: Arc<str>,
    /// Its text, where that can be read.
    pub message: Option<Arc<str>>,
}

impl<'c> Captured<'c> {
    /// The value with this name, if there was one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'c Value> {
        self.values.iter().rev().chain(self.known).find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'c str> {
        self.shared_text(name).map(|text| &**text)
    }

    /// The same, which an attribute can share.
    #[must_use]
    pub fn shared_text(&self, name: &str) -> Option<&'c Arc<str>> {
        match self.get(name)? {
            Value::Text { text, .. } => Some(text),
            Value::Integer(_) | Value::Bool(_) | Value::Float(_) | Value::Type(_) | Value::Held(_) => None,
        }
    }

    /// All texts with this name, in the order in which they were captured.
    pub fn texts(&self, name: &'c str) -> impl Iterator<Item = &'c str> {
        self.values.iter().filter(move |(known, _)| known == name).filter_map(|(_, value)| match value {
            Value::Text { text, .. } => Some(&**text),
            Value::Integer(_) | Value::Bool(_) | Value::Float(_) | Value::Type(_) | Value::Held(_) => None,
        })
    }

    /// All integers with this name, in the order in which they were captured.
    pub fn integers(&self, name: &'c str) -> impl Iterator<Item = i64> {
        self.values.iter().filter(move |(known, _)| known == name).filter_map(|(_, value)| match value {
            Value::Integer(number) => Some(*number),
            Value::Text { .. } | Value::Bool(_) | Value::Float(_) | Value::Type(_) | Value::Held(_) => None,
        })
    }

    /// An integer.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Integer(number) => Some(*number),
            Value::Text { .. } | Value::Bool(_) | Value::Float(_) | Value::Type(_) | Value::Held(_) => None,
        }
    }

    /// The name of a type.
    #[must_use]
    pub fn type_name(&self, name: &str) -> Option<&'c str> {
        match self.get(name)? {
            Value::Type(name) => name.as_deref(),
            Value::Text { .. } | Value::Integer(_) | Value::Bool(_) | Value::Float(_) | Value::Held(_) => None,
        }
    }

    /// The error that was returned. A table may capture a better text than that of the value itself, as `message`.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let held = |name: &str| match self.get(name) {
            Some(Value::Held(value)) => Some(value),
            Some(Value::Text { .. } | Value::Integer(_) | Value::Bool(_) | Value::Float(_) | Value::Type(_)) | None => None,
        };
        let error = held(ERROR)?;
        let cause = held(CAUSE).unwrap_or(error);
        let message = error.message.clone().or_else(|| self.shared_text("message").cloned()).or_else(|| cause.message.clone());
        Some(match (&*cause.type_name, cause.message.as_deref()) {
            // The only way to tell this one from any other (`context/context.go`).
            ("*errors.errorString", Some("context canceled")) => Failure { type_name: "context.Canceled".into(), message },
            // Its text is no value: its method makes it.
            ("context.deadlineExceededError", _) => Failure {
                type_name: "context.DeadlineExceeded".into(),
                message: message.or_else(|| Some("context deadline exceeded".into())),
            },
            _ => Failure { type_name: cause.type_name.clone(), message },
        })
    }
}
