//! What the process would pay, counted from the planned probes: how often an operation hits one, and what is single-stepped, or by
//! way of a detour.
//!
//! Where a library has several sites of one kind (a start for each protocol, an end for each return), an operation hits one of
//! them: so each kind counts once.

use std::fmt;

use serde::Serialize;

use crate::binary::{Cost, VirtAddr};
use crate::probes::probe::{Probe, When};

/// A site that the kernel single-steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SingleStep {
    /// The function.
    pub function: String,
    /// The instruction, in the program's address space before relocation.
    pub address: VirtAddr,
    /// When it is hit.
    pub when: When,
}

/// What one instrumentation costs the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// The instrumentation.
    pub name: &'static str,
    /// The probes that an operation hits, a hit each.
    pub each_operation: Vec<When>,
    /// What else is hit.
    pub besides: Vec<When>,
    /// All sites that are single-stepped; the others are emulated, or detours.
    pub single_stepped: Vec<SingleStep>,
    /// How many sites are detours, of which the kernel knows nothing.
    #[serde(skip_serializing_if = "is_zero")]
    pub detours: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Price {
    /// What the probes of `name` cost.
    pub(super) fn of<'p>(name: &'static str, probes: impl Iterator<Item = &'p Probe>) -> Self {
        let (mut kinds, mut single_stepped, mut detours) = (Vec::new(), Vec::new(), 0);
        for Probe { function, event, point: _, sites } in probes {
            kinds.push(event.when);
            let stepped = sites.iter().filter(|site| site.cost == Cost::SingleStep);
            let stepped = stepped.map(|site| SingleStep { function: function.clone(), address: site.address, when: event.when });
            single_stepped.extend(stepped);
            detours += sites.iter().filter(|site| site.cost == Cost::Detour).count();
        }
        kinds.sort_unstable();
        kinds.dedup();
        let (each_operation, besides) = kinds.into_iter().partition(|when| when.is_of_each_operation());
        Self { name, each_operation, besides, single_stepped, detours }
    }
}

impl fmt::Display for Price {
    /// `2 hits for each operation (start, end), 1 for each connection; 0 single-stepped sites`, or `by detours, some 10 ns each`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name: _, each_operation, besides, single_stepped, detours } = self;
        let words = |kinds: &[When]| kinds.iter().map(When::to_string).collect::<Vec<_>>().join(", ");
        if each_operation.is_empty() {
            write!(f, "{}", words(besides))?;
        } else {
            write!(f, "{} hits for each operation ({})", each_operation.len(), words(each_operation))?;
            if !besides.is_empty() {
                write!(f, ", {}", words(besides))?;
            }
        }
        match (single_stepped.len(), detours) {
            (0, 1..) => write!(f, "; by detours, some 10 ns each besides what the probe does"),
            (1, _) => write!(f, "; 1 single-stepped site"),
            (count, _) => write!(f, "; {count} single-stepped sites"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::FileOffset;
    use crate::probes::probe::{Body, Event, Point};
    use crate::probes::site::{Instruction, Site};

    fn probe(function: &str, when: When, costs: &[Cost]) -> Probe {
        let site = |cost: &Cost| Site {
            address: VirtAddr(0x40_1000),
            offset: FileOffset(0x1000),
            instruction: Instruction::Return,
            cost: *cost,
            recipes: Vec::new(),
            recipe: 0,
            patch: None,
        };
        let event = Event { meaning: "", when, body: Body::HttpClient, number: 0 };
        Probe { function: function.to_owned(), event, point: Point::End, sites: costs.iter().map(site).collect() }
    }

    #[test]
    fn each_kind_of_site_is_one_hit_of_an_operation() {
        let probes = [
            probe("f", When::End, &[Cost::SingleStep, Cost::SingleStep]),
            probe("f", When::Start, &[Cost::Emulated]),
            probe("g", When::End, &[Cost::SingleStep]),
            probe("g", When::Connection, &[Cost::Emulated]),
        ];
        assert_eq!(
            Price::of("some/client", probes.iter()).to_string(),
            "2 hits for each operation (start, end), 1 for each connection; 3 single-stepped sites"
        );
        let native = [probe("f", When::Start, &[Cost::Detour]), probe("f", When::End, &[Cost::Detour, Cost::Detour])];
        assert_eq!(
            Price::of("some/client", native.iter()).to_string(),
            "2 hits for each operation (start, end); by detours, some 10 ns each besides what the probe does"
        );
        let of_parents = [probe("g", When::GoStatement, &[Cost::Emulated])];
        assert_eq!(Price::of("parents", of_parents.iter()).to_string(), "1 for each go statement; 0 single-stepped sites");
    }
}
