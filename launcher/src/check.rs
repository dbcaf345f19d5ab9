//! `--check` and `--supported-versions`: what would be traced, from where each fact came, and why the rest is left out.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::binary::{Architecture, BinaryError, Cost, GoBinary};
use crate::instrumentations::CATALOG;
use crate::kernel::KernelSupport;
use crate::probes::plan::{Circumstances, Plan, Planned, PlannedDetour, Site};

/// What `--check` found out about a program.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The program's file.
    pub program: PathBuf,
    /// What it is, or why it cannot be traced.
    #[serde(flatten)]
    pub finding: Finding,
    /// What the kernel and our capabilities allow.
    pub kernel: KernelSupport,
}

/// What a file is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A Go program that can be read.
    Go(GoProgram),
    /// Something else, or unreadable; why.
    Untraceable(String),
}

/// The facts of a Go program.
#[derive(Debug, Serialize)]
pub struct GoProgram {
    /// As the toolchain calls itself, `go1.26.8` for example.
    pub go_version: Option<String>,
    /// What it was compiled for.
    pub architecture: Architecture,
    /// Whether it is position-independent.
    pub pie: bool,
    /// Its main module, with version.
    pub main_module: Option<String>,
    /// The modules it was built with, as `path version`.
    pub modules: Vec<String>,
    /// What would be done.
    pub plan: Plan,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {source}", path = path.display())]
pub struct CheckError {
    path: PathBuf,
    source: std::io::Error,
}

impl Report {
    /// Reads the file and plans as a launch would; runs nothing. `disabled` are the instrumentations switched off; `may_write`
    /// says whether the program may be made to write into its memory.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn new(path: &Path, disabled: &[String], may_write: bool) -> Result<Self, CheckError> {
        let file = std::fs::read(path).map_err(|source| CheckError { path: path.to_owned(), source })?;
        let finding = match GoProgram::read(&file, disabled, may_write) {
            Ok(program) => Finding::Go(program),
            Err(why) => {
                let detail = why.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
                Finding::Untraceable(format!("{why}{detail}"))
            }
        };
        Ok(Self { program: path.to_owned(), finding, kernel: KernelSupport::gather() })
    }

    /// Whether a launch would trace anything, as far as the program is concerned.
    #[must_use]
    pub fn would_be_traced(&self) -> bool {
        matches!(&self.finding, Finding::Go(program) if !program.plan.planned.is_empty())
    }
}

impl GoProgram {
    fn read(file: &[u8], disabled: &[String], may_write: bool) -> Result<Self, BinaryError> {
        let binary = GoBinary::parse(file)?;
        let info = binary.build_info();
        let named = |path: &str, version: Option<&str>| format!("{path} {}", version.unwrap_or("(unknown version)"));
        Ok(Self {
            go_version: info.go_version.as_ref().map(|version| version.raw.clone()),
            architecture: binary.architecture(),
            pie: binary.is_pie(),
            main_module: info.main.as_ref().map(|main| named(&main.path, Some(&main.version))),
            modules: info.deps.iter().map(|dep| named(&dep.module.path, dep.version())).collect(),
            plan: Plan::new(CATALOG, &binary, Circumstances { disabled, load_bias: Some(0), may_write })?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program       {}", self.program.display())?;
        match &self.finding {
            Finding::Untraceable(why) => writeln!(f, "not traced    {why}")?,
            Finding::Go(program) => write!(f, "{program}")?,
        }
        write!(f, "{}", self.kernel)
    }
}

impl fmt::Display for GoProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { go_version, architecture, pie, main_module, modules, plan } = self;
        let kind = if *pie { ", position-independent" } else { "" };
        writeln!(f, "go            {} for {architecture}{kind}", go_version.as_deref().unwrap_or("unknown version"))?;
        if let Some(main) = main_module {
            writeln!(f, "main module   {main}")?;
        }
        for (index, module) in modules.iter().enumerate() {
            writeln!(f, "{:14}{module}", if index == 0 { "modules" } else { "" })?;
        }
        for planned in &plan.planned {
            write_planned(f, planned)?;
        }
        for (name, reason) in &plan.left_out {
            writeln!(f, "\n{name}: left out\n  {reason}")?;
        }
        Ok(())
    }
}

fn write_planned(f: &mut fmt::Formatter<'_>, planned: &Planned) -> fmt::Result {
    let Planned { name, sites, fields, missing, globals: _, context_types: _, detours } = planned;
    writeln!(f, "\n{name}: traced, {} probes", sites.len())?;
    for Site { function, event, address, instruction, cost, program: _, offset: _, cookie: _ } in sites {
        let cost = match cost {
            Cost::Emulated => "emulated",
            Cost::SingleStep => "single-step",
        };
        writeln!(f, "  {:#x}  {instruction:<8}  {cost}  {function}: {event}", address.0)?;
    }
    if !detours.is_empty() {
        writeln!(f, "  written by the program itself (the write executor; --no-write switches it off)")?;
        for PlannedDetour { function, place, site: _, moment: _, stack_high: _ } in detours {
            writeln!(f, "  {:#x}  detour                {function}", place.address.0)?;
        }
    }
    writeln!(f, "  offsets")?;
    for field in fields {
        match field.offset {
            Some(offset) => writeln!(f, "    {offset:>4}  {}  ({})", field.field, field.source)?,
            None => writeln!(f, "       -  {}  (not in this program)", field.field)?,
        }
    }
    for what in missing {
        writeln!(f, "  missing: {what}")?;
    }
    Ok(())
}

/// The table of supported libraries, as Markdown; README.md holds a copy, and a test compares them.
#[must_use]
pub fn supported_versions() -> String {
    let mut text = String::from("| instrumentation | what | tested versions |\n|---|---|---|\n");
    for one in CATALOG {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {} |", one.name, one.description, one.tested_versions);
    }
    text
}

/// The same for machines.
#[must_use]
pub fn supported_versions_json() -> String {
    let rows: Vec<_> = CATALOG
        .iter()
        .map(|one| serde_json::json!({"name": one.name, "description": one.description, "tested_versions": one.tested_versions}))
        .collect();
    format!("{:#}", serde_json::Value::from(rows))
}
