//! What the process would pay, counted from the planned probes: how often an operation hits one, and what is single-stepped.
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
    /// All sites that are single-stepped; the others are emulated.
    pub single_stepped: Vec<SingleStep>,
}

impl Price {
    /// What the probes of `name` cost.
    pub(super) fn of<'p>(name: &'static str, probes: impl Iterator<Item = &'p Probe>) -> Self {
        let (mut kinds, mut single_stepped) = (Vec::new(), Vec::new());
        for Probe { function, event, point: _, sites } in probes {
            kinds.push(event.when);
            let stepped = sites.iter().filter(|site| site.cost == Cost::SingleStep);
            let stepped = stepped.map(|site| SingleStep { function: function.clone(), address: site.address, when: event.when });
            single_stepped.extend(stepped);
        }
        kinds.sort_unstable();
        kinds.dedup();
        let (each_operation, besides) = kinds.into_iter().partition(|when| when.is_of_each_operation());
        Self { name, each_operation, besides, single_stepped }
    }
}

impl fmt::Display for Price {
    /// `2 hits for each operation (start, end), 1 for each connection; 0 single-stepped sites`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name: _, each_operation, besides, single_stepped } = self;
        let words = |kinds: &[When]| kinds.iter().map(When::to_string).collect::<Vec<_>>().join(", ");
        if each_operation.is_empty() {
            write!(f, "{}", words(besides))?;
        } else {
            write!(f, "{} hits for each operation ({})", each_operation.len(), words(each_operation))?;
            if !besides.is_empty() {
                write!(f, ", {}", words(besides))?;
            }
        }
        match single_stepped.len() {
            1 => write!(f, "; 1 single-stepped site"),
            count => write!(f, "; {count} single-stepped sites"),
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
        let of_parents = [probe("g", When::GoStatement, &[Cost::Emulated])];
        assert_eq!(Price::of("parents", of_parents.iter()).to_string(), "1 for each go statement; 0 single-stepped sites");
    }
}
