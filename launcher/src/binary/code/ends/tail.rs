//! A function that calls another one last, and returns what that returns, or what lies on its own stack then: so that the end of the
//! other is its end. amd64.
//!
//! Where nothing between that call and the `RET` is emulated by the kernel, the ends of what is called may be cheaper to observe.

use iced_x86::{Code, FlowControl, InstructionInfoFactory};

use super::super::super::VirtAddr;
use super::flow::Flow;
use super::values::{STACK_POINTER, State};
use super::{Base, ResultLocation, Surroundings};

/// The longest way from the call to the `RET`.
const MAX_STEPS: usize = 40;

/// A result word of the calling function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailResult {
    /// The result word with this number of the function that is called.
    Called(u8),
    /// On the stack, so many bytes from where the stack pointer was at the first instruction of the calling function.
    Local(i32),
}

/// The numbers of the registers of integer results (RAX, RBX, RCX, RDI, RSI, R8 to R11).
const RESULTS: [u8; 9] = [0, 3, 1, 7, 6, 8, 9, 10, 11];

/// Where the first `results` result words of the function at `start` are when the function at `callee` has returned, if it calls that
/// last on every way out.
pub(super) fn tail(
    code: &[u8],
    start: u64,
    callee: VirtAddr,
    results: usize,
    surroundings: &impl Surroundings,
) -> Option<Vec<TailResult>> {
    let flow = Flow::read(code, start, surroundings).ok()?;
    let is_return = |(_, instruction): &(usize, &iced_x86::Instruction)| instruction.flow_control() == FlowControl::Return;
    let returns = flow.instructions.iter().enumerate().filter(is_return);
    let mut found = returns.map(|(ret, _)| behind_call(&flow, ret, callee, results));
    let first = found.next()??;
    found.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// The same for one `RET`.
fn behind_call(flow: &Flow, ret: usize, callee: VirtAddr, results: usize) -> Option<Vec<TailResult>> {
    (flow.instructions.get(ret)?.code() == Code::Retnq).then_some(())?;
    let mut at = ret;
    let call = loop {
        (ret - at < MAX_STEPS && flow.ways_to(at).next().is_none()).then_some(())?;
        at = at.checked_sub(1)?;
        let instruction = flow.instructions.get(at)?;
        match instruction.flow_control() {
            FlowControl::Next => {}
            FlowControl::Call if instruction.near_branch_target() == callee.0 => break at,
            FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::ConditionalBranch
            | FlowControl::Return
            | FlowControl::Call
            | FlowControl::IndirectCall
            | FlowControl::Interrupt
            | FlowControl::XbeginXabortXend
            | FlowControl::Exception => return None,
        }
    };
    let (mut state, mut info) = (State::at_site(), InstructionInfoFactory::new());
    for instruction in flow.instructions.get(call + 1..ret)? {
        state.run(&mut info, instruction)?;
    }
    // At the `RET` the stack pointer is what it was at the start.
    let frame = state.stack_pointer()?;
    state.results(results)?.into_iter().map(|result| place(&result, frame)).collect()
}

fn place(result: &ResultLocation, frame: i64) -> Option<TailResult> {
    let ResultLocation { base: Base::Register(register), offset, loads, bits: 64 } = *result else {
        return None;
    };
    match loads {
        [None, ..] if offset == 0 => {
            let number = RESULTS.iter().position(|&one| one == register)?;
            Some(TailResult::Called(u8::try_from(number).ok()?))
        }
        [Some(0), None, ..] if register == STACK_POINTER => {
            Some(TailResult::Local(i32::try_from(offset.checked_sub(frame)?).ok()?))
        }
        _ => None,
    }
}
