//! Functions by name: what the program says of each, and which of several that share a name is meant.

use std::collections::BTreeMap;

use super::VirtAddr;

/// A function that the program contains as such. (An inlined copy has no entry and cannot be found.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// The name as the linker wrote it, for example `net/http.(*conn).serve`; `[...]` stands for type arguments,
    /// and dots in the last element of an import path are `%2e`.
    pub name: String,
    /// The first instruction.
    pub entry: VirtAddr,
    /// Behind the last instruction, without padding.
    pub end: VirtAddr,
    /// Whether it was written in assembly (`abi.FuncFlagAsm`).
    pub is_assembly: bool,
    /// Bytes for parameters and results on the stack, with room to spill those in registers; `None` where it does not say.
    pub args: Option<u32>,
    /// The `CALL runtime.deferreturn` to which it comes back after a recovered panic; `None` if it has no `defer`.
    pub deferreturn: Option<VirtAddr>,
    /// Where its [`super::func_record::FuncRecord`] begins in the function table.
    pub(super) record: u64,
    /// `funcID`.
    pub(super) id: u8,
}

impl Function {
    /// Whether it has a `defer`.
    #[must_use]
    pub fn has_defer(&self) -> bool {
        self.deferreturn.is_some()
    }

    /// A function of which nothing is known but its place.
    #[cfg(test)]
    pub(super) fn at(name: &str, entry: VirtAddr, end: VirtAddr) -> Self {
        let name = name.to_owned();
        Self { name, entry, end, is_assembly: false, args: None, deferreturn: None, record: 0, id: 0 }
    }
}

/// Several functions share a name, and nothing tells which one is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} functions are called {name} (at {first}, {second}{}), and nothing tells which one is meant", if *.count > 2 { ", …" } else { "" })]
pub struct Ambiguous {
    /// What they are called.
    pub name: String,
    /// How many they are, wrappers left out.
    pub count: usize,
    /// The first.
    pub first: VirtAddr,
    /// The second.
    pub second: VirtAddr,
}

/// The functions found of those that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    by_name: BTreeMap<String, Vec<Function>>,
    /// The id of wrappers, where a name has several functions.
    wrapper_id: Option<u8>,
}

impl Functions {
    /// From functions in the order of addresses; `wrapper_id` looks for the id of wrappers.
    pub(super) fn new(functions: impl Iterator<Item = Function>, wrapper_id: impl FnOnce() -> Option<u8>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Function>> = BTreeMap::new();
        for function in functions {
            by_name.entry(function.name.clone()).or_default().push(function);
        }
        let has_several = by_name.values().any(|all| all.len() > 1);
        Self { by_name, wrapper_id: has_several.then(wrapper_id).flatten() }
    }

    /// Every function called `name`, in the order of addresses; none if the program has none, or it was not asked for.
    #[must_use]
    pub fn all(&self, name: &str) -> &[Function] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The function called `name`, if the program has it and it was asked for.
    ///
    /// Of a body and its wrapper for the other ABI (Go or assembly, either way round) the body is taken: the wrapper calls it,
    /// so that every call comes by the body, and only those from the other ABI by the wrapper. A body in assembly says so
    /// ([`Function::is_assembly`]): its parameters may all be on the stack.
    ///
    /// # Errors
    /// Several functions are called so, and it is not all but one that are wrappers.
    pub fn only(&self, name: &str) -> Result<Option<&Function>, Ambiguous> {
        let all = self.all(name);
        if let [] | [_] = all {
            return Ok(all.first());
        }
        let mut bodies = all.iter().filter(|function| Some(function.id) != self.wrapper_id);
        match (bodies.next(), bodies.next()) {
            (Some(body), None) => Ok(Some(body)),
            (Some(first), Some(second)) => Err(ambiguous(name, 2 + bodies.count(), first, second)),
            (None, _) => match all {
                [first, second, ..] => Err(ambiguous(name, all.len(), first, second)),
                [] | [_] => Ok(None),
            },
        }
    }

    /// Whether the program has a function called `name`, or several.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// All that were found, by name, then by address.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.by_name.values().flatten()
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

fn ambiguous(name: &str, count: usize, first: &Function, second: &Function) -> Ambiguous {
    Ambiguous { name: name.to_owned(), count, first: first.entry, second: second.entry }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAPPER: u8 = 22;

    fn function(entry: u64, is_assembly: bool, id: u8) -> Function {
        Function { is_assembly, id, ..Function::at("main.F", VirtAddr(entry), VirtAddr(entry + 1)) }
    }

    fn only(functions: &[Function]) -> Result<Option<u64>, Ambiguous> {
        let found = Functions::new(functions.iter().cloned(), || Some(WRAPPER));
        assert_eq!(found.all("main.F"), functions);
        assert_eq!(found.has("main.F"), !functions.is_empty());
        found.only("main.F").map(|function| function.map(|function| function.entry.0))
    }

    #[test]
    fn of_several_the_one_that_is_no_wrapper() {
        let (go, assembly, wrapper) = (function(1, false, 0), function(2, true, 0), function(3, false, WRAPPER));
        assert_eq!(only(&[]), Ok(None));
        assert_eq!(only(std::slice::from_ref(&wrapper)), Ok(Some(3)), "a method of a pointer");
        assert_eq!(only(&[go.clone(), wrapper.clone()]), Ok(Some(1)));
        assert_eq!(only(&[wrapper.clone(), assembly]), Ok(Some(2)));
        let error = only(&[go.clone(), function(2, false, 10), wrapper.clone()]).unwrap_err();
        assert_eq!((error.count, error.first, error.second), (2, VirtAddr(1), VirtAddr(2)));
        assert_eq!(only(&[wrapper, function(4, false, WRAPPER)]).unwrap_err().count, 2);
        let error = only(&[go.clone(), go.clone(), go]).unwrap_err();
        let text = "3 functions are called main.F (at 0x1, 0x1, …), and nothing tells which one is meant";
        assert_eq!(error.to_string(), text);
    }
}
