//! What is wrong with an expression: as text, and for a program.

use bpf::config::MAX_RESULTS;

/// A text that is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ExpressionError {
    /// Where, in bytes from the start of the text.
    pub at: usize,
    /// What was expected.
    pub what: &'static str,
}

/// Why an expression cannot be read in a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The function has no such parameter or result.
    #[error("there is no parameter or result {0}")]
    NoName(String),
    /// A result at the start, or a parameter at the end.
    #[error("{0} is not there at this moment: parameters are read when the function is called, results when it returns")]
    NotNow(String),
    /// Its place is not known.
    #[error("where {0} is passed is not known: the program does not describe a type that is passed by value")]
    NoPlace(String),
    /// A floating-point register.
    #[error("{0} is passed in a floating-point register, which a probe does not see")]
    Float(String),
    /// On the stack, where a function ends.
    #[error("{0} is returned on the stack, where it is not looked for")]
    OnStack(String),
    /// In a register, where a function ends, of which a probe does not see the value there.
    #[error("{0} is returned behind the first {MAX_RESULTS} words, which are all that a probe reads")]
    BeyondResults(String),
    /// The type has no such field.
    #[error("{type_name} has no field {field}")]
    NoField {
        /// The type.
        type_name: String,
        /// The field.
        field: String,
    },
    /// The program does not describe a type.
    #[error("the program does not describe the type {0}")]
    NoType(String),
    /// A type name means several.
    #[error("the program has several types {0}: write the whole import path")]
    Several(String),
    /// An operation that this type has not.
    #[error("{what} of {type_name} cannot be read")]
    NotOf {
        /// `an element`, for example.
        what: &'static str,
        /// The type.
        type_name: String,
    },
    /// An index beyond an array's length.
    #[error("{0} is beyond the end of the array")]
    Beyond(u64),
    /// Too many steps.
    #[error("it takes too many steps")]
    TooLong,
}
