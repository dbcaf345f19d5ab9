//! Catalog × binary → plan: which sites, with which layouts, and why the rest is left out. Pure.

use std::cell::OnceCell;

use bpf::config::parents::ContextType;
use serde::Serialize;

pub use super::facts::Facts;
pub use super::left_out::LeftOut;
pub use super::site::{Instruction, Site};
use crate::binary::{BinaryError, DetourSite, GoBinary, Layouts, VirtAddr};
use crate::executor::Moment;

/// What an instrumentation looks for in a binary, and how it makes probes of what is found.
#[derive(Debug)]
pub struct Instrumentation {
    /// Name for people and for `OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS`, for example `net/http/server`.
    pub name: &'static str,
    /// What is instrumented, in a few words.
    pub description: &'static str,
    /// Versions of the library that are tested; others are tried.
    pub tested_versions: &'static str,
    /// Names of all functions it may probe.
    pub functions: &'static [&'static str],
    /// Full names of all types it may read.
    pub types: &'static [&'static str],
    /// Makes the probes, or says why there are none.
    pub plan: fn(&Facts<'_>) -> Result<Planned, LeftOut>,
}

/// Where an offset came from.
#[derive(Clone, Debug, Serialize)]
pub struct FieldSource {
    /// `type.field`.
    pub field: String,
    /// Byte offset; `None` where the program has no such field.
    pub offset: Option<u64>,
    /// For people: `type descriptor`.
    pub source: &'static str,
}

/// Read-only data of the BPF object that this plan sets.
#[derive(Clone, Debug)]
pub struct Global {
    /// Name of the symbol.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// An instrumentation that will be used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Planned {
    /// [`Instrumentation::name`].
    pub name: &'static str,
    /// The probes.
    pub sites: Vec<Site>,
    /// The offsets they use.
    pub fields: Vec<FieldSource>,
    /// What will be missing from its spans, and why.
    pub missing: Vec<String>,
    /// Layouts for the BPF object.
    #[serde(skip)]
    pub globals: Vec<Global>,
    /// How to go on from a value of a type on the way from a context to its parents, by the type's descriptor.
    #[serde(skip)]
    pub context_types: Vec<(VirtAddr, ContextType)>,
    /// Where the program is made to write what BPF wants written; empty where nothing is written.
    pub detours: Vec<PlannedDetour>,
}

/// A detour for the write executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedDetour {
    /// The function that takes it.
    pub function: String,
    /// The number of the slots that BPF fills for it.
    #[serde(skip)]
    pub site: u32,
    /// Which of them are meant for it.
    #[serde(skip)]
    pub moment: Moment,
    /// The instructions it replaces.
    #[serde(flatten)]
    pub place: DetourSite,
    /// Offset of `runtime.g.stack.hi`, from which the depth of a stack is counted.
    #[serde(skip)]
    pub stack_high: u32,
}

/// What a plan depends on besides the program's file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// Names that the user switched off; a name also covers those below it (`net/http` switches off `net/http/server`).
    pub disabled: &'a [String],
    /// Address in the process minus address in the file. `None` where it is not known: what needs it is not used.
    pub load_bias: Option<u64>,
    /// The program may be made to write into its memory.
    pub may_write: bool,
}

/// What will be done to a binary.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// The instrumentations used.
    pub planned: Vec<Planned>,
    /// The others, with the reason.
    pub left_out: Vec<(&'static str, LeftOut)>,
    /// Address in the process minus address in the file; zero where it is not known, and then nothing planned needs it.
    #[serde(skip)]
    pub load_bias: u64,
    /// Goroutines that are remembered at once; `None` for as many as the object says. For tests: what happens beyond.
    #[serde(skip)]
    pub goroutines: Option<u32>,
}

impl Plan {
    /// Plans for `binary`.
    ///
    /// # Errors
    /// Where the binary's type descriptors cannot be read.
    pub fn new(
        catalog: &[&Instrumentation],
        binary: &GoBinary<'_>,
        circumstances: Circumstances<'_>,
    ) -> Result<Self, BinaryError> {
        let Circumstances { disabled, load_bias, may_write } = circumstances;
        let mut plan = Self { load_bias: load_bias.unwrap_or(0), ..Self::default() };
        let wanted = |instrumentation: &&&Instrumentation| !is_disabled(instrumentation.name, disabled);
        let names: Vec<&str> = catalog.iter().filter(wanted).flat_map(|one| one.functions).copied().collect();
        let functions = binary.functions(&names);
        let layouts = if functions.is_empty() {
            Layouts::default()
        } else {
            let types: Vec<&str> = catalog.iter().filter(wanted).flat_map(|one| one.types).copied().collect();
            binary.layouts(&types)?
        };
        let facts = Facts { binary, functions, layouts, load_bias, may_write, inlined: OnceCell::new() };
        for instrumentation in catalog {
            if is_disabled(instrumentation.name, disabled) {
                plan.left_out.push((instrumentation.name, LeftOut::SwitchedOff));
                continue;
            }
            match (instrumentation.plan)(&facts) {
                Ok(planned) => plan.planned.push(Planned { name: instrumentation.name, ..planned }),
                Err(reason) => plan.left_out.push((instrumentation.name, reason)),
            }
        }
        Ok(plan)
    }

    /// All detours of all instrumentations.
    pub fn detours(&self) -> impl Iterator<Item = &PlannedDetour> {
        self.planned.iter().flat_map(|planned| &planned.detours)
    }

    /// All types of contexts, with their descriptors' addresses in the process.
    pub fn context_types(&self) -> impl Iterator<Item = (u64, ContextType)> {
        let types = self.planned.iter().flat_map(|planned| &planned.context_types);
        types.map(|(address, found)| (address.0.wrapping_add(self.load_bias), *found))
    }

    /// All probes of all instrumentations.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.planned.iter().flat_map(|planned| &planned.sites)
    }
}

fn is_disabled(name: &str, disabled: &[String]) -> bool {
    disabled.iter().any(|off| name.strip_prefix(off.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_switches_off_what_is_below_it() {
        let off = |names: &[&str]| is_disabled("net/http/server", &names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        assert!(off(&["net/http"]));
        assert!(off(&["grpc", "net/http/server"]));
        assert!(!off(&["net"; 0]));
        assert!(!off(&["net/http/client", "net/httpx", "http"]));
    }
}
