//! What finding a span's parent takes: the program's contexts, and a probe where goroutines are created.
//!
//! Only for programs in which something asks for a parent: the probe is paid by each `go` statement.

use bpf::config::parents::{ContextType, EMPTY_PARENTS, NEW_GOROUTINE_ENDS, ParentsConfig};
use bpf::config::{ReadOnlyData as _, Setting};

use super::contexts;
use super::layouts::FieldReader;
use crate::binary::VirtAddr;
use crate::probes::plan::{Facts, Global, LeftOut, Site};

/// Functions that are probed.
pub const FUNCTIONS: [&str; 1] = [NEW_GOROUTINE];
/// Types that are read.
pub const TYPES: [&str; 2] = ["runtime.g", "runtime.m"];

/// Creates every goroutine (`runtime/proc.go`); its result is the new `*g`.
const NEW_GOROUTINE: &str = "runtime.newproc1";

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

/// Plans for the BPF program `program`, to which the ends of the creation of goroutines have cookies from `first_cookie` on.
#[must_use]
pub fn plan(facts: &Facts<'_>, fields: &mut FieldReader<'_>, program: &'static str, first_cookie: u32) -> Parents {
    let mut parents = Parents::default();
    let mut config = ParentsConfig { wanted: Setting::new(1), ..EMPTY_PARENTS };
    match contexts::find(facts.binary) {
        Ok(_) if facts.load_bias.is_none() => {
            parents
                .missing
                .push("parents are not found through derived contexts: the program's load address is not known".to_owned());
        }
        Ok(found) => {
            config.span_key = Setting::new(found.span_key.map_or(0, |key| key.0));
            parents.context_types = found.types;
        }
        Err(why) => parents.missing.push(format!("parents are not found through derived contexts: {why}")),
    }
    match goroutines(facts, fields, &mut config, program, first_cookie) {
        Ok((sites, table)) => {
            parents.sites = sites;
            parents.globals.push(table);
        }
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
    first_cookie: u32,
) -> Result<(Vec<Site>, Global), LeftOut> {
    let ends = facts.end_sites(NEW_GOROUTINE, 1, "a goroutine is created", program, first_cookie)?;
    if ends.recipes.len() != ends.sites.len() {
        return Err(LeftOut::NotUnderstood(format!("several ends of {NEW_GOROUTINE} have one site")));
    }
    let table = ends.table::<NEW_GOROUTINE_ENDS>("NEW_GOROUTINE")?;
    config.goid = fields.required("runtime.g", "goid")?;
    config.status = fields.required("runtime.g", "atomicstatus")?;
    config.g_m = fields.required("runtime.g", "m")?;
    config.m_curg = fields.required("runtime.m", "curg")?;
    Ok((ends.sites, table))
}
