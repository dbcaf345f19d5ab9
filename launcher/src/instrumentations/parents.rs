//! What finding a span's parent takes: the program's contexts, and a probe where goroutines are created.
//!
//! Only for programs in which something asks for a parent: the probe is paid by each `go` statement.

use bpf::config::parents::{ContextType, EMPTY_PARENTS, ParentsConfig};
use bpf::config::{ReadOnlyData as _, Setting};

use super::contexts;
use super::layouts::FieldReader;
use crate::binary::VirtAddr;
use crate::probes::plan::{Facts, Global, LeftOut, Site};

/// Functions that are probed.
pub const FUNCTIONS: [&str; 2] = [CREATE, QUEUE];
/// Types that are read.
pub const TYPES: [&str; 2] = ["runtime.g", "runtime.m"];

/// Every server of `net/http` has it.
const SERVER: &str = "net/http.serverHandler.ServeHTTP";
/// What each `go` statement executes on the thread's own stack (`runtime/proc.go`, `newproc`), …
///
/// match-go: 1.18..: runtime.newproc(fn)
const CREATE: &str = "runtime.newproc.func1";
/// … and by what it makes the new goroutine, its second argument, run.
const QUEUE: &str = "runtime.runqput";

/// What a plan takes over.
#[derive(Debug, Default)]
pub struct Parents {
    /// The probes.
    pub sites: Vec<Site>,
    /// Settings for the BPF object.
    pub globals: Vec<Global>,
    /// The program's types of contexts.
    pub context_types: Vec<(VirtAddr, ContextType)>,
    /// What will be missing, and why.
    pub missing: Vec<String>,
}

/// Plans for the BPF program `program`, to which the creation of goroutines has this cookie.
#[must_use]
pub fn plan(facts: &Facts<'_>, fields: &mut FieldReader<'_>, program: &'static str, cookie: u32) -> Parents {
    let mut parents = Parents::default();
    // Spans come from served requests; a span of the SDK is found in its context without any of this.
    let has_server = facts.function(SERVER).is_ok();
    let mut config = ParentsConfig { wanted: Setting::new(has_server.into()), ..EMPTY_PARENTS };
    match contexts::find(facts.binary) {
        Ok(_) if facts.load_bias.is_none() => {
            parents
                .missing
                .push("parents are not found through derived contexts: the program's load address is not known".to_owned());
        }
        Ok(found) => {
            config.span_key = Setting::new(found.span_key.map_or(0, |key| key.0));
            config.server_key = Setting::new(found.server_key.map_or(0, |key| key.0));
            parents.context_types = found.types;
        }
        Err(why) => parents.missing.push(format!("parents are not found through derived contexts: {why}")),
    }
    match goroutines(facts, fields, &mut config, program, cookie) {
        Ok(site) if has_server => parents.sites.push(site),
        Ok(_not_needed) => {}
        Err(why) => parents.missing.push(format!("what goroutines do without a context is not part of a trace: {why}")),
    }
    parents.globals.push(Global { name: "PARENTS", bytes: config.as_bytes().to_vec() });
    parents
}

/// The probe where goroutines are created.
fn goroutines(
    facts: &Facts<'_>,
    fields: &mut FieldReader<'_>,
    config: &mut ParentsConfig,
    program: &'static str,
    cookie: u32,
) -> Result<Site, LeftOut> {
    let (function, queue) = (facts.function(CREATE)?, facts.function(QUEUE)?.entry);
    let mut calls = facts.binary.calls(function)?.filter(|call| call.target == queue);
    let (Some(call), None) = (calls.next(), calls.next()) else {
        return Err(LeftOut::NotUnderstood(format!("{CREATE} does not call {QUEUE} once")));
    };
    let site = facts.call_site(CREATE, call.site, "a goroutine is created", program, cookie)?;
    config.goid = fields.required("runtime.g", "goid")?;
    config.status = fields.required("runtime.g", "atomicstatus")?;
    config.g_m = fields.required("runtime.g", "m")?;
    config.m_curg = fields.required("runtime.m", "curg")?;
    Ok(site)
}
