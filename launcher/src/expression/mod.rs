//! Expressions of Go about the parameters and results of a function become steps that a probe's body follows.
//!
//! Text → [`Expression`] ([`Expression::parse`]) → steps and the kind of value that they capture ([`Scope::capture`]), by the places
//! of the parameters and the program's own type descriptors.
//!
//! `req.URL.Host`, `c.args[0].(string)`, `len(batch)`, `typeof(err)`, `err.Error()`; `a | b` is the first of both that there is.

mod compile;
mod error;
mod held;
mod parse;
mod scanner;
mod terms;
mod typed;

pub use compile::{Block, Captured, Scope, Stage, ValueKind};
pub use error::{ExpressionError, Unreadable};
pub use parse::{Condition, Expression, Term};
pub use terms::SERVED;
