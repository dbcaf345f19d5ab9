//! What the process would pay, counted from the planned probes: how often an operation hits one, and what is single-stepped.
//!
//! Where a library has several sites of one kind (a start for each protocol, an end for each return), an operation hits one of
//! them: so each kind counts once.

use std::fmt;

use serde::Serialize;

use crate::binary::{Cost, VirtAddr};
use crate::probes::plan::{Planned, Site};

/// When a probe is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// An operation begins.
    Start,
    /// A request is written, and the trace context injected.
    Inject,
    /// An operation ends.
    End,
    /// A mux has found a request's route. The probe is taken away where it is not needed.
    Route,
    /// A `go` statement is executed, whoever's.
    GoStatement,
    /// A connection ends, or an operation by a panic.
    Connection,
    /// The process ends.
    Exit,
    /// Something else, in the words of the site.
    Other(&'static str),
}

impl When {
    fn of(site: &Site) -> Self {
        match site.event {
            "a handler is called" | "an HTTP/2 handler is called" | "a round trip begins" => Self::Start,
            "the header of a request is written" | "the header fields of a request are encoded" => Self::Inject,
            "the handler has returned" | "the HTTP/2 handler has returned or panicked" | "a round trip ends" => Self::End,
            "a mux has found the route" => Self::Route,
            "a goroutine is created" => Self::GoStatement,
            "the connection ends, or a handler has panicked" => Self::Connection,
            "the program ends" => Self::Exit,
            other => Self::Other(other),
        }
    }

    /// Whether each operation has it.
    fn is_of_each_operation(self) -> bool {
        match self {
            Self::Start | Self::Inject | Self::End => true,
            Self::Route | Self::GoStatement | Self::Connection | Self::Exit | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Inject => "inject",
            Self::End => "end",
            Self::Route => "1 where only a mux knows the route",
            Self::GoStatement => "1 for each go statement",
            Self::Connection => "1 for each connection",
            Self::Exit => "1 as the process ends",
            Self::Other(event) => event,
        })
    }
}

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
    pub(super) fn of(planned: &Planned) -> Self {
        let mut kinds: Vec<When> = planned.sites.iter().map(When::of).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let (each_operation, besides) = kinds.into_iter().partition(|when| when.is_of_each_operation());
        let stepped = planned.sites.iter().filter(|site| site.cost == Cost::SingleStep);
        let single_stepped =
            stepped.map(|site| SingleStep { function: site.function.clone(), address: site.address, when: When::of(site) });
        Self { name: planned.name, each_operation, besides, single_stepped: single_stepped.collect() }
    }
}

impl fmt::Display for Price {
    /// `2 probe hits for each operation (start, end); besides 1 for each connection; 0 single-stepped sites`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name: _, each_operation, besides, single_stepped } = self;
        let words = |kinds: &[When]| kinds.iter().map(When::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{} probe hits for each operation ({})", each_operation.len(), words(each_operation))?;
        if !besides.is_empty() {
            write!(f, "; besides {}", words(besides))?;
        }
        match single_stepped.len() {
            1 => write!(f, "; 1 single-stepped site"),
            count => write!(f, "; {count} single-stepped sites"),
        }?;
        for (index, SingleStep { function, address, when: _ }) in single_stepped.iter().enumerate() {
            let is_first = index == 0 || single_stepped[index - 1].function != *function;
            match (index, is_first) {
                (0, _) => write!(f, ": {function} {:#x}", address.0),
                (_, true) => write!(f, ", {function} {:#x}", address.0),
                (_, false) => write!(f, " {:#x}", address.0),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::FileOffset;
    use crate::probes::plan::Instruction;

    fn site(function: &str, event: &'static str, cost: Cost) -> Site {
        Site {
            function: function.to_owned(),
            event,
            program: "http_client",
            address: VirtAddr(0x40_1000),
            offset: FileOffset(0x1000),
            instruction: Instruction::Return,
            cost,
            cookie: 0,
        }
    }

    #[test]
    fn each_kind_of_site_is_one_hit_of_an_operation() {
        let sites = vec![
            site("f", "a round trip ends", Cost::SingleStep),
            site("f", "a round trip begins", Cost::Emulated),
            site("f", "a round trip ends", Cost::SingleStep),
            site("g", "a goroutine is created", Cost::Emulated),
            site("g", "a moon rises", Cost::SingleStep),
        ];
        let price = Price::of(&Planned { name: "some/client", sites, ..Planned::default() });
        assert_eq!(
            price.to_string(),
            "2 probe hits for each operation (start, end); besides 1 for each go statement, a moon rises; \
             3 single-stepped sites: f 0x401000 0x401000, g 0x401000"
        );
    }
}
