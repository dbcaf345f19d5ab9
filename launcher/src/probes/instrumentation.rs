//! One entry of the catalog: what an instrumentation looks for in a binary, and how it makes probes of that.

use super::facts::Facts;
use super::left_out::LeftOut;
use super::library::Library;
use super::planned::Planned;
use super::tables;

/// What an instrumentation looks for in a binary, and how it makes probes of what is found.
#[derive(Debug)]
pub struct Instrumentation {
    /// Name for people and for `OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS`, for example `net/http/server`.
    pub name: &'static str,
    /// What is instrumented, in a few words.
    pub description: &'static str,
    /// Versions of the library that are tested; others are tried.
    pub tested_versions: &'static str,
    /// Names of all functions it may probe; of a table, they are in it.
    pub functions: &'static [&'static str],
    /// Full names of all types it may read.
    pub types: &'static [&'static str],
    /// Instrumentations by the OpenTelemetry SDK that make spans of the same operations: their scopes.
    pub wrappers: &'static [&'static str],
    /// Its layer, one of [`bpf::config::instrumentation`]; 0 for that of its place in the catalog.
    pub layer: u32,
    /// Its operations have parents within the process: contexts are remembered, and what goroutines do for whom.
    pub has_parents: bool,
    /// It is about the program's own use of OpenTelemetry.
    pub is_of_sdk: bool,
    /// Makes the probes, or says why there are none.
    pub how: How,
}

/// How an instrumentation makes its probes.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// By code of its own, and bodies of its own.
    Code(fn(&Facts<'_>) -> Result<Planned, LeftOut>),
    /// By a table.
    Table(&'static Library),
}

impl Instrumentation {
    /// The instrumentation of a library that is described by a table.
    #[must_use]
    pub const fn table(library: &'static Library) -> Self {
        let Library { name, description, tested_versions, wrappers, .. } = library;
        let types = match library.protocol {
            Some(protocol) => protocol.types,
            None => &[],
        };
        // Annotations are about spans that are there.
        let has_parents = !library.operations.is_empty();
        Self {
            name,
            description,
            tested_versions,
            functions: &[],
            types,
            wrappers,
            layer: 0,
            has_parents,
            is_of_sdk: false,
            how: How::Table(library),
        }
    }

    /// The table by which it is described, if it is.
    #[must_use]
    pub const fn library(&self) -> Option<&'static Library> {
        match self.how {
            How::Code(_) => None,
            How::Table(library) => Some(library),
        }
    }

    /// Names of all functions it may probe, as the linker writes them.
    #[must_use]
    pub fn function_names(&self) -> Vec<String> {
        match self.how {
            How::Code(_) => self.functions.iter().map(|&name| name.to_owned()).collect(),
            How::Table(library) => tables::functions(library).collect(),
        }
    }
}
