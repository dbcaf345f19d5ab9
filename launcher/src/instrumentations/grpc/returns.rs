//! Where it is told that `newClientStream` has returned, other than at its returns: so a unary call, which ends on the same goroutine, pays for
//! no hit there.
//!
//! That is where streams alone come by, which have a goroutine that waits for their contexts; and where a call has failed, in the deferred
//! closure. Whether it is a call's own stream that ends, `(*csAttempt).newStream` says, by its receiver. Before 1.78 nothing tells of a failure.
//!
//! match-go: v1.83.2..: google.golang.org/grpc.newClientStreamWithParams(ctx, desc, cc, method, mc, onCommit, nameResolutionDelayed, opts)
//! match-go: v1.83.2..: google.golang.org/grpc.endOfClientStream(cc, err, opts)

use bpf::config::operations::event;
use bpf::config::{EMPTY_RECIPE, EndRecipe, ResultLocation, Setting};
use bpf::go::abi::INTEGERS;

use super::inject;
use crate::probes::facts::Facts;
use crate::probes::plan::LeftOut;
use crate::probes::probe::{Body, Event, Probe, When};

/// What makes a stream, within the function where calls begin.
const MAKE: &str = "google.golang.org/grpc.newClientStreamWithParams";
/// What a `go` statement calls.
const GO: &str = "runtime.newproc";
/// Where a call begins, and what it defers.
const CALL: [&str; 2] = ["google.golang.org/grpc.newClientStream", "google.golang.org/grpc.newClientStream.func1"];
/// What that calls if the call has failed: the error is its second parameter.
const FAILED: &str = "google.golang.org/grpc.endOfClientStream";
/// The functions, as the linker calls them.
pub(super) const FUNCTIONS: [&str; 4] = [MAKE, GO, CALL[1], FAILED];

/// The results of `newClientStream` that are an error.
const ERROR: [usize; 2] = [2, 3];
/// The arguments of [`FAILED`] that are.
const ERROR_ARGUMENT: [usize; 2] = [1, 2];

/// The probes: ends of the operation, by how their results are read.
pub(super) fn probes(facts: &Facts<'_>) -> Result<Vec<Probe>, LeftOut> {
    inject::notes_calls(facts)?;
    let goes_on = only_call(facts, MAKE, GO, ended("a call goes on as a stream"))?;
    let failure = ended("a call has failed");
    // Its calls are not to be missed.
    facts.at_entry(FAILED, failure)?;
    let failed = CALL.iter().filter_map(|within| only_call(facts, within, FAILED, failure).ok()).collect::<Vec<_>>();
    let [failed] = <[Probe; 1]>::try_from(failed).map_err(|_other| unknown(CALL[0], FAILED))?;
    Ok(vec![read_by(goes_on, &nothing()), read_by(failed, &error())])
}

fn ended(meaning: &'static str) -> Event {
    Event { meaning, when: When::Close, body: Body::Operations, number: event::END }
}

fn unknown(function: &str, called: &str) -> LeftOut {
    LeftOut::NotUnderstood(format!("{function} does not call {called} once"))
}

/// The probe where a function calls another one, which it does once.
pub(super) fn only_call(facts: &Facts<'_>, function: &str, called: &str, event: Event) -> Result<Probe, LeftOut> {
    let entry = facts.function(called)?.entry;
    let calls: Vec<_> = facts.binary.calls(facts.function(function)?)?.filter(|call| call.target == entry).collect();
    let [call] = calls[..] else {
        return Err(unknown(function, called));
    };
    facts.at_call(function, call.site, event)
}

fn read_by(mut probe: Probe, recipe: &EndRecipe) -> Probe {
    for site in &mut probe.sites {
        site.recipes = vec![*recipe];
    }
    probe
}

/// No result is known, and none is an error.
fn nothing() -> EndRecipe {
    EndRecipe { guarded: Setting::new(0), ..EMPTY_RECIPE }
}

/// The error is an argument.
fn error() -> EndRecipe {
    let mut recipe = nothing();
    for (result, argument) in ERROR.into_iter().zip(ERROR_ARGUMENT) {
        let register = INTEGERS.get(argument).and_then(|register| u32::try_from(*register).ok());
        if let (Some(result), Some(register)) = (recipe.results.get_mut(result), register) {
            *result = ResultLocation { base: Setting::new(register), mask: Setting::new(u64::MAX), ..*result };
        }
    }
    recipe
}
