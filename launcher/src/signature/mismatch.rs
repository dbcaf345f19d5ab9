//! Why a declaration is not that of a function of the program, in words for the user.

use crate::binary::VirtAddr;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// There is none, or it exists only as copies within others.
    #[error("the program has no function {0}")]
    NotFound(String),
    /// Of a generic function there are no instances whose type arguments the program tells.
    #[error("the program has no instance of the generic function {0} whose type arguments it tells")]
    NoInstance(String),
    /// Several bodies have the name.
    #[error("{count} functions are called {name} (the first ones at {first} and {second}), and nothing tells which one is meant")]
    Ambiguous {
        /// What they are called.
        name: String,
        /// How many.
        count: usize,
        /// The first.
        first: VirtAddr,
        /// The second.
        second: VirtAddr,
    },
    /// It is not written in Go.
    #[error("{0} is written in assembly: where its parameters are is not known")]
    Assembly(String),
    /// The compiler made it to call another one.
    #[error("{0} is not written by anybody: the compiler made it to call the method of an embedded field, or of the type itself")]
    Generated(String),
    /// A type that is passed by value is not described by the program, and nothing else tells.
    #[error("{name}: the program does not describe the type {type_name}, which is passed by value")]
    UnknownType {
        /// The function.
        name: String,
        /// The type.
        type_name: String,
    },
    /// The program says other things of it.
    #[error("{name} has other parameters or results than these: they take {expected}, but in the program {found}")]
    Differs {
        /// The function.
        name: String,
        /// What follows from the declaration.
        expected: String,
        /// What the program says.
        found: String,
    },
    /// The program has its types, and they are others.
    #[error("{name} is declared otherwise in the program: {found}")]
    OtherTypes {
        /// The function.
        name: String,
        /// Its declaration, see [`super::true_signature`].
        found: String,
    },
    /// Calls of it would be missed.
    #[error("{name} is inlined into {caller}: such calls would be missed")]
    Inlined {
        /// The function.
        name: String,
        /// One that contains it.
        caller: String,
    },
    /// What the program says cannot be read.
    #[error("{name}: {why}")]
    Unreadable {
        /// The function.
        name: String,
        /// Why.
        why: String,
    },
    /// The values have 4 GiB and more.
    #[error("{0}: its parameters and results are too large")]
    TooLarge(String),
}
