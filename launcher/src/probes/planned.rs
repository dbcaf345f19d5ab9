//! What an instrumentation becomes in one binary: its probes, layouts and detours, and what is missing.

use serde::Serialize;

use super::fields::FieldSource;
use super::operations::PlannedOperation;
use super::probe::{Layout, Probe};
use crate::binary::DetourSite;
use crate::executor::Moment;

/// An instrumentation that will be used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Planned {
    /// [`super::instrumentation::Instrumentation::name`].
    pub name: &'static str,
    /// What is observed.
    pub probes: Vec<Probe>,
    /// The operations that are described by a table.
    #[serde(skip)]
    pub operations: Vec<PlannedOperation>,
    /// The offsets that are used.
    pub fields: Vec<FieldSource>,
    /// What will be missing from its spans, and why.
    pub missing: Vec<String>,
    /// Layouts for the probes' bodies: their bytes.
    #[serde(skip)]
    pub layouts: Vec<(Layout, Vec<u8>)>,
    /// Where the process is made to write what the probes want written; empty where nothing is written.
    pub detours: Vec<PlannedDetour>,
}

/// A detour for the write executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedDetour {
    /// The function that takes it.
    pub function: String,
    /// The number of the slots that are filled for it.
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
