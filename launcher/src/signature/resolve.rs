//! The types of a declaration become shapes, and a declaration the places of its values.

use super::abi::{Assignment, Shapes};
use super::go_type::{Basic, Field, GoType};
use super::named::NamedTypes;
use super::shape::{MAX_NODES, Shape};
use super::{Parameter, Signature};
use crate::binary::Architecture;

/// Why the places of a declaration's values are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAssigned {
    /// What a type consists of is not known.
    #[error("the program does not describe the type {0}, which is passed by value")]
    UnknownType(String),
    /// The parameters and results have 4 GiB and more.
    #[error("the parameters and results are too large")]
    TooLarge,
}

/// Where the words of each value of a function are that is not generic.
///
/// # Errors
/// What a type consists of that comes by value is not known.
pub fn assign(signature: &Signature, architecture: Architecture, types: &dyn NamedTypes) -> Result<Assignment, NotAssigned> {
    let shapes = Resolver::new(types, &[]).values(signature).known()?;
    shapes.assign(architecture).ok_or(NotAssigned::TooLarge)
}

/// The shapes of a declaration's values as far as they are known; else the type.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub(super) receiver: Option<Result<Shape, String>>,
    pub(super) parameters: Vec<Result<Shape, String>>,
    pub(super) results: Vec<Result<Shape, String>>,
    pub(super) has_dictionary: bool,
}

impl Values {
    /// # Errors
    /// The first type that is not known.
    pub(super) fn known(self) -> Result<Shapes, NotAssigned> {
        let Self { receiver, parameters, results, has_dictionary } = self;
        let all = |shapes: Vec<Result<Shape, String>>| -> Result<Vec<Shape>, NotAssigned> {
            shapes.into_iter().collect::<Result<_, _>>().map_err(NotAssigned::UnknownType)
        };
        let receiver = receiver.transpose().map_err(NotAssigned::UnknownType)?;
        Ok(Shapes { receiver, has_dictionary, parameters: all(parameters)?, results: all(results)? })
    }
}

/// What names mean.
#[derive(Clone, Copy)]
pub(super) struct Resolver<'r> {
    types: &'r dyn NamedTypes,
    /// Type parameters and what they stand for.
    arguments: &'r [(String, GoType)],
}

impl<'r> Resolver<'r> {
    pub(super) fn new(types: &'r dyn NamedTypes, arguments: &'r [(String, GoType)]) -> Self {
        Self { types, arguments }
    }

    /// All values of `signature`.
    pub(super) fn values(&self, signature: &Signature) -> Values {
        let shape = |Parameter { go_type, name: _ }: &Parameter| self.resolve(go_type);
        Values {
            receiver: signature.receiver.as_ref().map(shape),
            parameters: signature.parameters.iter().map(shape).collect(),
            results: signature.results.iter().map(shape).collect(),
            has_dictionary: signature.is_generic,
        }
    }

    /// The shape of `go_type`, or the name of what is not known of it.
    pub(super) fn resolve(&self, go_type: &GoType) -> Result<Shape, String> {
        self.shape(go_type, &mut MAX_NODES.clone())
    }

    fn shape(&self, go_type: &GoType, left: &mut usize) -> Result<Shape, String> {
        *left = left.checked_sub(1).ok_or_else(|| go_type.to_string())?;
        Ok(match go_type {
            GoType::Basic(basic) => basic_shape(*basic),
            GoType::Pointer(_) | GoType::Map(..) | GoType::Chan(_) | GoType::Func(_) => Shape::POINTER,
            GoType::Slice(_) => Shape::Triple,
            GoType::Interface { .. } => Shape::Pair,
            GoType::Array(len, element) => Shape::Array(*len, Box::new(self.shape(element, left)?)),
            GoType::Struct(fields) => {
                let fields = fields.iter().map(|Field { go_type, name: _ }| self.shape(go_type, left));
                Shape::Struct(fields.collect::<Result<_, _>>()?)
            }
            GoType::Named { package, name } => match well_known(package.as_deref(), name) {
                Some(shape) => shape,
                None => match self.arguments.iter().find(|(parameter, _)| package.is_none() && parameter == name) {
                    Some((_, argument)) => Resolver { arguments: &[], ..*self }.shape(argument, left)?,
                    None => self.types.shape(package.as_deref(), name).ok_or_else(|| go_type.to_string())?,
                },
            },
        })
    }
}

fn basic_shape(basic: Basic) -> Shape {
    let word = |size| Shape::Word { size, is_float: false };
    match basic {
        Basic::Bool | Basic::Int8 | Basic::Uint8 => word(1),
        Basic::Int16 | Basic::Uint16 => word(2),
        Basic::Int32 | Basic::Uint32 => word(4),
        Basic::Int | Basic::Int64 | Basic::Uint | Basic::Uint64 | Basic::Uintptr | Basic::UnsafePointer => word(8),
        Basic::Float32 => Shape::Word { size: 4, is_float: true },
        Basic::Float64 => Shape::Word { size: 8, is_float: true },
        Basic::Complex64 => Shape::Complex(8),
        Basic::Complex128 => Shape::Complex(16),
        Basic::String => Shape::Pair,
    }
}

/// Types that are the same in all versions of Go, and in most signatures.
fn well_known(package: Option<&str>, name: &str) -> Option<Shape> {
    match (package?, name) {
        ("context", "Context") => Some(Shape::Pair),
        ("time", "Duration") => Some(Shape::POINTER),
        ("time", "Time") => Some(Shape::Struct(vec![Shape::POINTER; 3])),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;
