//! What a Go panic was about: the type of its value and, for the types whose text is known, its message.

use std::sync::Arc;

use bpf::config::operations::TABLE;

use crate::binary::{GoBinary, VirtAddr};
use crate::child::KeptExe;

/// Reads the names of types from the program's file, by their run-time address.
pub trait TypeNames {
    /// The full name of the type whose descriptor is at `address` in the process, `*errors.errorString` for example; with [`TABLE`] added,
    /// of that which the table at the address is for.
    fn type_name(&self, address: u64) -> Option<String>;
    /// The bytes of a constant string at `address` in the process; `None` where the program's file has none there, or it may change.
    fn constant(&self, address: u64, length: u64) -> Option<Vec<u8>>;
}

/// Type names from the program's file and the difference between its addresses in the process and in the file.
#[derive(Debug)]
pub struct FileTypeNames {
    /// The program's file.
    pub file: KeptExe,
    /// What to subtract from a run-time address; `None` where it is not known.
    pub load_bias: Option<u64>,
}

impl TypeNames for FileTypeNames {
    fn type_name(&self, address: u64) -> Option<String> {
        let is_table = address & TABLE != 0;
        let address = VirtAddr((address & !TABLE).checked_sub(self.load_bias?)?);
        let name = |bytes: &[u8]| {
            let binary = GoBinary::parse(bytes).ok()?;
            binary.type_name_at(if is_table { binary.type_of_itab(address)? } else { address })
        };
        self.file.look(name).ok()?
    }

    fn constant(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let address = VirtAddr(address.checked_sub(self.load_bias?)?);
        self.file.look(|bytes| GoBinary::parse(bytes).ok()?.constant(address, length).map(<[u8]>::to_vec)).ok()?
    }
}

/// A panic's value, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicValue {
    /// Full Go type, `string` for example; `unknown` where it could not be named.
    pub type_name: Arc<str>,
    /// The message, for types whose text is known.
    pub message: Option<Arc<str>>,
}

/// `runtime.boundsErrorFmts` (`runtime/error.go`), by `boundsError.code`.
const BOUNDS: [&str; 9] = [
    "index out of range [%x] with length %y",
    "slice bounds out of range [:%x] with length %y",
    "slice bounds out of range [:%x] with capacity %y",
    "slice bounds out of range [%x:%y]",
    "slice bounds out of range [::%x] with length %y",
    "slice bounds out of range [::%x] with capacity %y",
    "slice bounds out of range [:%x:%y]",
    "slice bounds out of range [%x:%y:]",
    "cannot convert slice with length %x to array or pointer to array with length %y",
];

impl PanicValue {
    /// Describes a value of the type called `type_name`, of which the first three words are `words`; `text` gives what they
    /// point to as a string header.
    #[must_use]
    pub fn new(type_name: Option<Arc<str>>, words: [u64; 3], text: impl FnOnce() -> Arc<str>) -> Self {
        let Some(type_name) = type_name else {
            return Self { type_name: "unknown".into(), message: None };
        };
        let message = match &*type_name {
            // A string, or a pointer to a struct that begins with one and whose Error method returns it.
            "string"
            | "runtime.plainError"
            | "runtime.plainErrorString"
            | "*errors.errorString"
            | "*fmt.wrapError"
            | "*fmt.wrapErrors" => Some(text()),
            "runtime.errorString" | "runtime.errorAddressString" => Some(format!("runtime error: {}", text()).into()),
            "runtime.boundsError" => bounds_error(words).map(Arc::from),
            "int" | "int64" => Some(words[0].cast_signed().to_string().into()),
            "uint" | "uint64" | "uintptr" => Some(words[0].to_string().into()),
            _ => None,
        };
        Self { type_name, message }
    }
}

/// Bytes of the program's as text; what is no UTF-8 is replaced.
#[must_use]
pub fn text(bytes: &[u8]) -> Arc<str> {
    Arc::from(&*String::from_utf8_lossy(bytes))
}

/// `runtime.boundsError{x int64; y int; signed bool; code uint8}`.
fn bounds_error([x, y, rest]: [u64; 3]) -> Option<String> {
    let [signed, code, ..] = rest.to_le_bytes();
    let x = if signed == 0 { x.to_string() } else { x.cast_signed().to_string() };
    let text = BOUNDS.get(usize::from(code))?;
    Some(format!("runtime error: {}", text.replace("%x", &x).replace("%y", &y.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, words: [u64; 3], bytes: &[u8]) -> Option<Arc<str>> {
        PanicValue::new(Some(name.into()), words, || text(bytes)).message
    }

    #[test]
    fn messages_of_known_types() {
        assert_eq!(message("string", [0; 3], b"boom").as_deref(), Some("boom"));
        assert_eq!(message("*errors.errorString", [0; 3], b"boom").as_deref(), Some("boom"));
        assert_eq!(
            message("runtime.errorString", [0; 3], b"integer divide by zero").as_deref(),
            Some("runtime error: integer divide by zero")
        );
        assert_eq!(
            message("runtime.boundsError", [5, 3, 1], b"").as_deref(),
            Some("runtime error: index out of range [5] with length 3")
        );
        assert_eq!(message("int", [u64::MAX, 0, 0], b"").as_deref(), Some("-1"));
    }

    #[test]
    fn other_types_have_no_message() {
        assert_eq!(message("*main.myError", [1, 2, 3], b"garbage"), None);
        assert_eq!(message("runtime.boundsError", [5, 3, 0xff01], b""), None);
        assert_eq!(&*PanicValue::new(None, [0; 3], || text(b"x")).type_name, "unknown");
    }
}
