//! Catalog × binary → plan: what is observed, with which layouts, and why the rest is left out. Pure.

use std::cell::OnceCell;

use bpf::config::EndRecipe;
use serde::Serialize;

use super::disabled::is_disabled;
pub use super::facts::Facts;
pub use super::fields::FieldSource;
pub use super::instrumentation::{How, Instrumentation};
use super::layers;
pub use super::left_out::LeftOut;
use super::operations::Operations;
use super::parents::{self, Parents};
pub use super::planned::{Planned, PlannedDetour};
pub use super::probe::Layout;
use super::probe::Probe;
use super::runtime::{self, Runtime};
use super::sdk::Sdk;
use super::site::{Placement, Site};
use super::{baggage, tables, user_functions};
use crate::binary::{BinaryError, GoBinary, Layouts};
use crate::user_function::UserFunction;

/// What a plan depends on besides the program's file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The user's own functions of which each call is a span.
    pub functions: &'a [UserFunction],
    /// Names that the user switched off; a name also covers those below it (`net/http` switches off `net/http/server`).
    pub disabled: &'a [String],
    /// Address in the process minus address in the file. `None` where it is not known: what needs it is not used.
    pub load_bias: Option<u64>,
    /// Why nothing is injected by the process; `None` where something may be.
    pub not_written: Option<&'a str>,
    /// Why the process may not be made to write into its memory at all; `None` where it may.
    pub not_stored: Option<&'a str>,
    /// What becomes of the program's own use of OpenTelemetry.
    pub sdk: Sdk,
}

/// What operations of tables lack where it is not known where the program was loaded.
const WITHOUT_TYPES: &str = "what types say (the driver, kinds of errors): the program's load address is not known";

/// What will be done to a binary.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// The instrumentations used.
    pub planned: Vec<Planned>,
    /// How parents are found, where one of these asks for them.
    pub parents: Option<Parents>,
    /// What an engine within the process needs to know of Go's runtime, or why it cannot be there.
    #[serde(skip)]
    pub runtime: Option<Result<Runtime, LeftOut>>,
    /// The others, with the reason.
    pub left_out: Vec<(&'static str, LeftOut)>,
    /// How operations of tables are captured, and what becomes of their records, by their numbers; nothing where there are none.
    #[serde(skip)]
    pub operations: Operations,
    /// How ends are read, by the numbers that the sites have ([`Site::recipe`]).
    #[serde(skip)]
    pub recipes: Vec<EndRecipe>,
    /// Address in the process minus address in the file; zero where it is not known, and then nothing planned needs it.
    #[serde(skip)]
    pub load_bias: u64,
    /// Goroutines that are remembered at once; `None` for as many as the engine says. For tests: what happens beyond.
    #[serde(skip)]
    pub goroutines: Option<u32>,
}

impl Plan {
    /// Plans for `binary`; `placement` is that of the engine that will carry it out.
    ///
    /// # Errors
    /// Where the binary's type descriptors cannot be read.
    pub fn new(
        catalog: &[&Instrumentation],
        binary: &GoBinary<'_>,
        placement: &dyn Placement,
        circumstances: Circumstances<'_>,
    ) -> Result<Self, BinaryError> {
        let Circumstances { functions: own, disabled, load_bias, not_written, not_stored, sdk } = circumstances;
        let mut plan = Self { load_bias: load_bias.unwrap_or(0), ..Self::default() };
        let wanted = |instrumentation: &&&Instrumentation| !is_disabled(instrumentation.name, disabled);
        let of_catalog: Vec<String> = catalog.iter().filter(wanted).flat_map(|one| one.function_names()).collect();
        let of_user: Vec<String> = own.iter().map(|function| function.signature.symbol()).collect();
        let names: Vec<&str> =
            of_catalog.iter().chain(&of_user).map(String::as_str).chain(parents::FUNCTIONS).chain(runtime::FUNCTIONS).collect();
        let functions = binary.functions(&names);
        let layouts = if functions.is_empty() {
            Layouts::default()
        } else {
            let of_catalog = catalog.iter().filter(wanted).flat_map(|one| one.types);
            binary.layouts(&of_catalog.chain(&parents::TYPES).chain(&runtime::TYPES).copied().collect::<Vec<_>>())?
        };
        let facts = Facts { binary, functions, layouts, placement, load_bias, not_written, not_stored, inlined: OnceCell::new() };
        let mut has_parents = false;
        for instrumentation in catalog {
            if is_disabled(instrumentation.name, disabled) {
                plan.left_out.push((instrumentation.name, LeftOut::SwitchedOff));
                continue;
            }
            if instrumentation.is_of_sdk && sdk != Sdk::Join {
                plan.left_out.push((instrumentation.name, LeftOut::BySdk(sdk.name())));
                continue;
            }
            let planned = match instrumentation.how {
                How::Code(plan) => plan(&facts),
                How::Table(library) => tables::plan(library, &facts),
            };
            match planned {
                Ok(planned) => {
                    has_parents |= instrumentation.has_parents;
                    plan.planned.push(Planned { name: instrumentation.name, ..planned });
                }
                Err(reason) => plan.left_out.push((instrumentation.name, reason)),
            }
        }
        if !own.is_empty() && !is_disabled(user_functions::NAME, disabled) {
            match user_functions::plan(own, &facts, &plan.planned) {
                Ok(planned) => {
                    has_parents = true;
                    plan.planned.push(Planned { name: user_functions::NAME, ..planned });
                }
                Err(reason) => plan.left_out.push((user_functions::NAME, reason)),
            }
        }
        if load_bias.is_none() {
            let of_tables = plan.planned.iter_mut().filter(|planned| !planned.operations.is_empty());
            of_tables.for_each(|planned| planned.missing.push(WITHOUT_TYPES.to_owned()));
        }
        plan.deal_detours();
        plan.operations = Operations::deal(&mut plan.planned, catalog);
        if has_parents {
            let used: Vec<&str> = plan.planned.iter().filter(|_| sdk == Sdk::Join).map(|planned| planned.name).collect();
            let wrappers = layers::wrappers(catalog, &used);
            let gives_baggage = baggage::is_given(&plan.planned);
            plan.parents = Some(parents::plan(&facts, &plan.operations, &wrappers, (sdk, gives_baggage)));
        } else if !plan.operations.is_empty() {
            plan.parents = Some(parents::of_stacks(&facts));
        }
        plan.deal_recipes();
        plan.runtime = Some(runtime::find(&facts));
        Ok(plan)
    }

    /// Several protocols may be written through the same function, which takes one detour.
    fn deal_detours(&mut self) {
        let mut known: Vec<PlannedDetour> = Vec::new();
        for planned in &mut self.planned {
            planned.detours.retain(|detour| {
                let is_new = !known.contains(detour);
                known.extend(is_new.then(|| detour.clone()));
                is_new
            });
        }
    }

    /// Gives each recipe its number.
    fn deal_recipes(&mut self) {
        let Self { planned, recipes, .. } = self;
        for site in planned.iter_mut().flat_map(|planned| &mut planned.probes).flat_map(|probe| &mut probe.sites) {
            site.recipe = u32::try_from(recipes.len()).unwrap_or(u32::MAX);
            recipes.extend_from_slice(&site.recipes);
        }
    }

    /// What of the user's own functions has no spans, or less than was asked for, and why.
    pub fn without_spans(&self) -> impl Iterator<Item = String> {
        let own = |name: &str| name == user_functions::NAME;
        let left_out = self.left_out.iter().filter(move |(name, why)| own(name) && *why != LeftOut::SwitchedOff);
        let missing = self.planned.iter().filter(move |planned| own(planned.name)).flat_map(|planned| &planned.missing);
        left_out.map(|(_, why)| format!("no spans of {why}")).chain(missing.cloned())
    }

    /// All detours of all instrumentations.
    pub fn detours(&self) -> impl Iterator<Item = &PlannedDetour> {
        self.planned.iter().flat_map(|planned| &planned.detours)
    }

    /// All layouts.
    pub fn layouts(&self) -> impl Iterator<Item = &(Layout, Vec<u8>)> {
        self.planned.iter().flat_map(|planned| &planned.layouts).chain(self.parents.iter().map(|parents| &parents.layout))
    }

    /// All that is observed.
    pub fn probes(&self) -> impl Iterator<Item = &Probe> {
        let of_parents = self.parents.iter().flat_map(|parents| &parents.probes);
        self.planned.iter().flat_map(|planned| &planned.probes).chain(of_parents)
    }

    /// All places where that is done, each with what is observed there.
    pub fn sites(&self) -> impl Iterator<Item = (&Probe, &Site)> {
        self.probes().flat_map(|probe| probe.sites.iter().map(move |site| (probe, site)))
    }

    /// What will be missing, and why.
    pub fn missing(&self) -> impl Iterator<Item = &String> {
        let of_parents = self.parents.iter().flat_map(|parents| &parents.missing);
        self.planned.iter().flat_map(|planned| &planned.missing).chain(of_parents)
    }
}
