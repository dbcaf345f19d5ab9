//! `--check`: what would be traced, what not and why, what the process would pay, and from where each fact came. Gathered
//! here, told by [`text`]; nothing is run.

pub mod cost;
pub mod modules;
mod supported;
mod text;

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use serde::Serialize;

use crate::arm::native_obstacle;
use crate::binary::{Architecture, BinaryError, GoBinary};
use crate::config::Config;
use crate::engine::EngineKind;
use crate::engine::bpf::Uprobes;
use crate::engine::native::Detours;
use crate::executor::NOT_FOR_BPF;
use crate::instrumentations::{CATALOG, otel_api};
use crate::kernel::KernelSupport;
use crate::probes::plan::{Circumstances, LeftOut, Plan};
use crate::probes::sdk::Sdk;
use crate::wrappers;

use cost::Price;
use modules::KnownModule;
pub use supported::{supported_versions, supported_versions_json};

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
    /// Why a launch here would trace nothing of what is planned; `None` where it would.
    pub obstacle: Option<String>,
}

/// What a file is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A Go program that can be read.
    Go(Box<GoProgram>),
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
    /// The import path of its main package.
    pub main_package: String,
    /// Its main module, with version.
    pub main_module: Option<String>,
    /// The modules it was built with, as `path version`.
    pub modules: Vec<String>,
    /// Those of them that the catalog knows.
    pub known_modules: Vec<KnownModule>,
    /// What the process would pay for each instrumentation used.
    pub prices: Vec<Price>,
    /// What would carry the probes out.
    pub engine: EngineKind,
    /// Why not the native engine, where it is not that.
    pub not_native: Option<String>,
    /// What becomes of the program's own use of OpenTelemetry; `None` where it has none.
    pub sdk: Option<Sdk>,
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
    /// Reads the file and plans as a launch would; runs nothing.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn new(path: &Path, config: &Config) -> Result<Self, CheckError> {
        let file = std::fs::read(path).map_err(|source| CheckError { path: path.to_owned(), source })?;
        let is_wrapper = wrappers::is_wrapper(path, || None);
        let finding = match GoProgram::read(&file, config) {
            _ if file.starts_with(b"#!") => {
                Finding::Untraceable(format!("a script: a launch follows its interpreter, and {FOLLOWED}"))
            }
            Err(_) if is_wrapper => Finding::Untraceable(followed(path)),
            Ok(program) if is_wrapper && wrappers::is_go_wrapper(&program.main_package) => Finding::Untraceable(followed(path)),
            Ok(program) => Finding::Go(Box::new(program)),
            Err(why) => {
                let detail = why.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
                Finding::Untraceable(format!("{why}{detail}"))
            }
        };
        let kernel = KernelSupport::gather();
        let foreign = matches!(&finding, Finding::Go(program) if program.architecture != Architecture::HERE);
        let foreign = foreign.then(|| format!("only programs for {} are traced by this launcher", Architecture::HERE));
        let chosen = config.untraced_by_choice().map(str::to_owned);
        let of_engine = || match &finding {
            Finding::Go(program) if program.engine == EngineKind::Native => None,
            // The user wants no other.
            Finding::Go(program) if config.engine == Some(EngineKind::Native) => {
                Some(format!("the native engine cannot be used: {}", program.not_native.as_deref().unwrap_or_default()))
            }
            Finding::Go(_) | Finding::Untraceable(_) => kernel.obstacle(),
        };
        let obstacle = chosen.or_else(|| not_executable(path)).or(foreign).or_else(of_engine);
        Ok(Self { program: path.to_owned(), finding, obstacle, kernel })
    }

    /// Whether a launch would trace anything, as far as the program is concerned.
    #[must_use]
    pub fn would_be_traced(&self) -> bool {
        matches!(&self.finding, Finding::Go(program) if !program.plan.planned.is_empty())
    }
}

/// What a launch does with a command that starts others.
const FOLLOWED: &str = "traces each Go program that it starts; name that to --check";

fn followed(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().display();
    format!("{name} is there to start others: a launch follows it, and {FOLLOWED}")
}

fn not_executable(path: &Path) -> Option<String> {
    let is_refused = access(path, AccessFlags::X_OK).is_err();
    is_refused.then(|| format!("{} is not executable; chmod +x it", path.display()))
}

impl GoProgram {
    fn read(file: &[u8], config: &Config) -> Result<Self, BinaryError> {
        let binary = GoBinary::parse(file)?;
        let info = binary.build_info();
        let named = |path: &str, version: Option<&str>| format!("{path} {}", version.unwrap_or("(unknown version)"));
        let disabled = &config.disabled_instrumentations;
        let circumstances = Circumstances {
            functions: &config.functions,
            disabled,
            load_bias: Some(0),
            not_written: config.not_written(),
            not_stored: config.not_stored(),
            sdk: config.sdk,
        };
        let (plan, not_native) = match native_plan(&binary, config, circumstances)? {
            Ok(plan) => (plan, None),
            Err(why) => {
                let is_written = binary.architecture() == Architecture::Amd64;
                let impossible = (!is_written).then_some(NOT_FOR_BPF);
                let not_written = circumstances.not_written.or(impossible);
                let not_stored = circumstances.not_stored.or(impossible);
                let circumstances = Circumstances { not_written, not_stored, ..circumstances };
                (Plan::new(CATALOG, &binary, &Uprobes, circumstances)?, Some(why))
            }
        };
        let engine = if not_native.is_some() { EngineKind::Bpf } else { EngineKind::Native };
        let deps = info.deps.iter().map(|dep| (dep.module.path.as_str(), dep.version()));
        Ok(Self {
            go_version: info.go_version.as_ref().map(|version| version.raw.clone()),
            architecture: binary.architecture(),
            pie: binary.is_pie(),
            main_package: info.path.clone().unwrap_or_default(),
            main_module: info.main.as_ref().map(|main| named(&main.path, Some(&main.version))),
            modules: info.deps.iter().map(|dep| named(&dep.module.path, dep.version())).collect(),
            known_modules: modules::known(CATALOG, &plan, deps),
            prices: prices(&plan),
            engine,
            not_native,
            sdk: uses_open_telemetry(&plan).then_some(config.sdk),
            plan,
        })
    }
}

/// Whether the program uses OpenTelemetry itself, as far as the plan says.
fn uses_open_telemetry(plan: &Plan) -> bool {
    let is_planned = plan.planned.iter().any(|planned| planned.name == otel_api::INSTRUMENTATION.name);
    let is_left_out =
        |(name, why): &(&str, LeftOut)| *name == otel_api::INSTRUMENTATION.name && !matches!(why, LeftOut::NotUsed(_));
    is_planned || plan.left_out.iter().any(is_left_out)
}

/// The plan for the native engine. Within the outer result, why it would not be used in a launch.
fn native_plan(
    binary: &GoBinary<'_>,
    config: &Config,
    circumstances: Circumstances<'_>,
) -> Result<Result<Plan, String>, BinaryError> {
    if let Some(why) = native_obstacle(config) {
        return Ok(Err(why.to_owned()));
    }
    let plan = Plan::new(CATALOG, binary, &Detours, circumstances)?;
    Ok(match &plan.runtime {
        _ if plan.planned.is_empty() && config.engine.is_none() => Err("it finds nothing to observe".to_owned()),
        Some(Err(why)) => Err(why.to_string()),
        Some(Ok(_)) | None => Ok(plan),
    })
}

/// What the process would pay for each instrumentation, and for finding parents.
fn prices(plan: &Plan) -> Vec<Price> {
    let of_planned = plan.planned.iter().map(|planned| Price::of(planned.name, planned.probes.iter()));
    let of_parents = plan.parents.iter().map(|parents| Price::of("parents", parents.probes.iter()));
    of_planned.chain(of_parents.filter(|price| !price.besides.is_empty())).collect()
}
