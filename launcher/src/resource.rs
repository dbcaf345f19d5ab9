//! What the program is and where it runs, as an OpenTelemetry resource.
//!
//! [`gather::facts`] asks the system, [`resource`] is pure. What the user says wins over what was found out. The
//! command line's arguments are left out: passwords are passed there.

pub mod container;
pub mod gather;

use std::path::PathBuf;

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector as _, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::{SCHEMA_URL, resource as semconv};

use crate::binary::BuildInfo;

/// What the user says about the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceSettings {
    /// `service.name`
    pub service_name: Option<String>,
    /// `service.version`
    pub service_version: Option<String>,
    /// `deployment.environment.name`
    pub deployment_environment: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`; the three above win over their like in it.
    pub attributes: Vec<(String, String)>,
}

impl From<&crate::config::Resource> for ResourceSettings {
    fn from(said: &crate::config::Resource) -> Self {
        let crate::config::Resource { service_name, service_version, deployment_environment, attributes } = said.clone();
        Self { service_name, service_version, deployment_environment, attributes }
    }
}

/// What was found out. What is `None` could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the binary says about its making.
    pub build: Option<BuildInfo>,
    /// The program's process.
    pub process: ProcessFacts,
    /// The machine.
    pub host: HostFacts,
    /// Distinguishes this run from all others.
    pub instance_id: Option<String>,
}

/// The program's process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Process ID, as the program sees it.
    pub pid: Option<i64>,
    /// Process ID of its parent.
    pub parent_pid: Option<i64>,
    /// The program's file.
    pub executable: Option<PathBuf>,
    /// The first word of its command line.
    pub command: Option<String>,
    /// The name or number of its user.
    pub owner: Option<String>,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's name.
    pub name: Option<String>,
    /// The machine as `uname` calls it.
    pub machine: Option<String>,
    /// The operating system, for people.
    pub os_description: Option<String>,
    /// The container's ID.
    pub container_id: Option<String>,
}

/// `telemetry.distro.name`
const DISTRO: &str = "go-auto-launch";

/// The resource of a program.
#[must_use]
pub fn resource(settings: &ResourceSettings, facts: &Facts) -> Resource {
    let Facts { build, process, host, instance_id } = facts;
    let mut all = Attributes::default();
    telemetry(&mut all);
    all.text(semconv::SERVICE_INSTANCE_ID, instance_id.clone());
    all.text(semconv::SERVICE_NAME, Some(default_name(process)));
    self::process(&mut all, process);
    self::host(&mut all, host);
    if let Some(build) = build {
        self::build(&mut all, build);
    }
    for (key, value) in &settings.attributes {
        all.set(KeyValue::new(Key::new(key.clone()), value.clone()));
    }
    all.text(semconv::SERVICE_NAME, settings.service_name.clone());
    all.text(semconv::SERVICE_VERSION, settings.service_version.clone());
    all.text(semconv::DEPLOYMENT_ENVIRONMENT_NAME, settings.deployment_environment.clone());
    Resource::builder_empty().with_schema_url(all.0, SCHEMA_URL).build()
}

/// Attributes, each key once, the last one wins.
#[derive(Debug, Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn set(&mut self, attribute: KeyValue) {
        self.0.retain(|known| known.key != attribute.key);
        self.0.push(attribute);
    }

    /// Sets a text that is there and not empty.
    fn text(&mut self, key: &'static str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.set(KeyValue::new(key, value));
        }
    }
}

/// The SDK's own attributes. The language is that of the program that is traced, as the conventions have it.
fn telemetry(all: &mut Attributes) {
    for (key, value) in &TelemetryResourceDetector.detect() {
        all.set(KeyValue::new(key.clone(), value.clone()));
    }
    all.set(KeyValue::new(semconv::TELEMETRY_SDK_LANGUAGE, "go"));
    all.set(KeyValue::new(semconv::TELEMETRY_DISTRO_NAME, DISTRO));
    all.set(KeyValue::new(semconv::TELEMETRY_DISTRO_VERSION, env!("CARGO_PKG_VERSION")));
}

fn executable_name(process: &ProcessFacts) -> Option<String> {
    process.executable.as_ref()?.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// A name for a program that was given none: its file's; `unknown_service`, as specified, only without that.
fn default_name(process: &ProcessFacts) -> String {
    let command = || process.command.as_deref().and_then(|command| command.rsplit('/').next()).map(str::to_owned);
    executable_name(process).or_else(command).unwrap_or_else(|| "unknown_service:go".to_owned())
}

fn process(all: &mut Attributes, process: &ProcessFacts) {
    let ProcessFacts { pid, parent_pid, executable, command, owner } = process;
    for (key, id) in [(semconv::PROCESS_PID, pid), (semconv::PROCESS_PARENT_PID, parent_pid)] {
        if let Some(id) = id {
            all.set(KeyValue::new(key, *id));
        }
    }
    all.text(semconv::PROCESS_EXECUTABLE_NAME, executable_name(process));
    all.text(semconv::PROCESS_EXECUTABLE_PATH, executable.as_ref().map(|path| path.to_string_lossy().into_owned()));
    all.text(semconv::PROCESS_COMMAND, command.clone());
    all.text(semconv::PROCESS_OWNER, owner.clone());
}

fn host(all: &mut Attributes, host: &HostFacts) {
    let HostFacts { name, machine, os_description, container_id } = host;
    all.text(semconv::HOST_NAME, name.clone());
    all.text(semconv::HOST_ARCH, machine.as_deref().map(|machine| arch(machine).to_owned()));
    all.text(semconv::OS_TYPE, Some("linux".to_owned()));
    all.text(semconv::OS_DESCRIPTION, os_description.clone());
    all.text(semconv::CONTAINER_ID, container_id.clone());
}

/// The conventions' name of a machine.
fn arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn build(all: &mut Attributes, build: &BuildInfo) {
    all.text(semconv::SERVICE_VERSION, version(build));
    all.text(semconv::VCS_REF_HEAD_REVISION, build.setting("vcs.revision").map(str::to_owned));
    all.text(semconv::PROCESS_RUNTIME_NAME, Some("go".to_owned()));
    if let Some(go) = &build.go_version {
        let [os, arch] = ["GOOS", "GOARCH"].map(|name| build.setting(name));
        let platform = os.zip(arch).map(|(os, arch)| format!(" {os}/{arch}")).unwrap_or_default();
        all.text(semconv::PROCESS_RUNTIME_VERSION, Some(go.raw.clone()));
        all.text(semconv::PROCESS_RUNTIME_DESCRIPTION, Some(format!("go version {}{platform}", go.raw)));
    }
}

/// The main module's version, else the revision that was built; a changed work tree is no revision, which is said as Go
/// does it.
fn version(build: &BuildInfo) -> Option<String> {
    let module = build.main.as_ref().map(|main| main.version.as_str());
    if let Some(version) = module.filter(|version| !version.is_empty() && *version != "(devel)") {
        return Some(version.to_owned());
    }
    let dirty = if build.setting("vcs.modified") == Some("true") { "+dirty" } else { "" };
    build.setting("vcs.revision").map(|revision| format!("{revision}{dirty}"))
}

#[cfg(test)]
mod tests;
