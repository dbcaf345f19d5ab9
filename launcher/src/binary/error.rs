//! What can be wrong with a file, and what that means for the person who wanted it traced.

use super::{FileOffset, VirtAddr};

/// Why a file cannot be read as a Go program. The application is not affected by any of these: it runs untraced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// The file does not begin as a 64-bit little-endian ELF file does.
    #[error("not a 64-bit ELF program; name the Go program itself")]
    NotElf {
        /// What the ELF reader missed.
        what: String,
    },
    /// Neither build information nor a function table: some other language made this program.
    #[error("not a Go program")]
    NotGo,
    /// Built by a Go that is too old.
    #[error("built with {version}: Go 1.18 is the oldest version whose tables are understood; rebuild with a newer Go")]
    UnsupportedGoVersion {
        /// The version as the build information or the table's magic number states it.
        version: String,
    },
    /// A processor other than amd64 and arm64.
    #[error("ELF machine {machine} at offset 0x12 is neither x86-64 (62) nor AArch64 (183): this architecture cannot be traced")]
    UnsupportedArchitecture {
        /// `e_machine`.
        machine: u16,
    },
    /// A Go program by its build information, whose function table is not to be found.
    #[error(
        "a Go program ({version}) without a function table that is understood: obfuscated (garble), packed (UPX) or of an unknown Go version; build it without that tool to have it traced"
    )]
    FunctionTableNotFound {
        /// The Go version that the build information states.
        version: String,
    },
    /// The function table is there, but no `runtime.moduledata` that belongs to it.
    #[error(
        "no runtime.moduledata refers to the function table at {pclntab}: an unknown Go version or a damaged file; it cannot be traced"
    )]
    ModuleDataNotFound {
        /// The address of the function table.
        pclntab: VirtAddr,
    },
    /// Text in several sections: addresses of functions would need a table that no supported platform writes.
    #[error(
        "the program's text has {count} sections (runtime.moduledata at {module_data}), only one is supported: it was linked as a plugin or is too large; it cannot be traced"
    )]
    ManyTextSections {
        /// Entries in `textsectmap`.
        count: u64,
        /// Where the module data lies.
        module_data: VirtAddr,
    },
    /// The file is shorter than its own headers say.
    #[error("{what} at offset {offset} reaches beyond the end of the file ({len} bytes): the file is truncated; copy it again")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// Where it should begin.
        offset: FileOffset,
        /// The length of the file.
        len: u64,
    },
    /// A table contradicts itself.
    #[error(
        "{what} at {address} is corrupt: the file is damaged or of an unknown Go version; what needs this table cannot be traced"
    )]
    Corrupt {
        /// Which table or record.
        what: &'static str,
        /// Where it begins.
        address: VirtAddr,
    },
    /// The end of a function cannot be told from its code.
    #[error(
        "the end of {function} cannot be told from its code: {why}; what needs it is not traced (--engine bpf needs no such room)"
    )]
    UnknownEnd {
        /// The function.
        function: String,
        /// What its code does.
        why: &'static str,
    },
    /// A function cannot be made to go through a thunk.
    #[error("{function} has no room for a detour at {address}: {why}; what needs it is not traced")]
    NoWindow {
        /// The function.
        function: String,
        /// Where.
        address: VirtAddr,
        /// What lies in the way.
        why: &'static str,
    },
}

impl BinaryError {
    /// What is behind it, for `--check` and `--verbose`: at a start, one clause is enough.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotElf { what } => Some(format!("{what}: a script or another format cannot be traced")),
            Self::NotGo => Some(
                "it has no Go build information and no Go function table in any loaded segment; one packed by UPX must be \
                 unpacked first"
                    .to_owned(),
            ),
            Self::UnsupportedGoVersion { .. }
            | Self::UnsupportedArchitecture { .. }
            | Self::FunctionTableNotFound { .. }
            | Self::ModuleDataNotFound { .. }
            | Self::ManyTextSections { .. }
            | Self::Truncated { .. }
            | Self::Corrupt { .. }
            | Self::UnknownEnd { .. }
            | Self::NoWindow { .. } => None,
        }
    }
}
