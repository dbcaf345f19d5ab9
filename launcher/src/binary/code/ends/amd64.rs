//! amd64: from each `RET` back to the first instructions on every way to it that the kernel emulates.
//!
//! The walk is linear: a jump into the line is a site itself, and a jump out of it ends the walk. So between a site and
//! its `RET` there is no other site of that `RET`, and no way out.

use iced_x86::{Code, FlowControl, InstructionInfoFactory, Register};

use super::super::amd64::cost;
use super::super::{Cost, VirtAddr};
use super::deferred;
use super::flow::{Flow, Way};
use super::values::{STACK_POINTER, State};
use super::{Base, Condition, EndClass, EndInstruction, Found, ResultLocation, Surroundings};

/// The longest way back. Real code needs less than 30.
const MAX_STEPS: usize = 80;
/// The most sites for one `RET`. Real code has less than 10.
const MAX_WAYS: usize = 40;

/// The sites of the function at `start`; why not, where it may end without a `RET`.
pub(super) fn end_sites(
    code: &[u8],
    start: u64,
    results: usize,
    surroundings: &impl Surroundings,
) -> Result<Vec<Found>, &'static str> {
    let flow = Flow::read(code, start, surroundings)?;
    let mut search = Search { flow: &flow, surroundings, results, info: InstructionInfoFactory::new() };
    let mut sites = Vec::new();
    for at in returns(&flow) {
        match search.sites_of(at) {
            Some(found) => sites.extend(found),
            None => sites.push(search.ret(at).ok_or(NO_RET)?),
        }
    }
    deferred::number_runs(&flow, &mut sites, surroundings);
    Ok(sites)
}

/// The `RET`s themselves, of a function that does not end otherwise.
pub(super) fn return_sites(
    code: &[u8],
    start: u64,
    results: usize,
    surroundings: &impl Surroundings,
) -> Result<Vec<Found>, &'static str> {
    let flow = Flow::read(code, start, surroundings)?;
    let search = Search { flow: &flow, surroundings, results, info: InstructionInfoFactory::new() };
    returns(&flow).map(|at| search.ret(at).ok_or(NO_RET)).collect()
}

/// The function has a return that is not a plain `RET`.
const NO_RET: &str = "it returns otherwise than by RET";

fn returns(flow: &Flow) -> impl Iterator<Item = usize> {
    let ends = flow.instructions.iter().enumerate();
    ends.filter(|(_, instruction)| instruction.flow_control() == FlowControl::Return).map(|(at, _)| at)
}

struct Search<'a, S> {
    flow: &'a Flow,
    surroundings: &'a S,
    results: usize,
    info: InstructionInfoFactory,
}

/// What a site is, and how the line to the `RET` begins behind it.
struct Site {
    address: u64,
    class: EndClass,
    instruction: EndInstruction,
    condition: Option<Condition>,
    guard: Option<u64>,
    state: State,
    /// The first instruction of the line that runs behind the site.
    next: usize,
}

impl<S: Surroundings> Search<'_, S> {
    /// The `RET` itself.
    fn ret(&self, at: usize) -> Option<Found> {
        let instruction = self.flow.instructions.get(at)?;
        (instruction.code() == Code::Retnq).then_some(())?;
        Some(Found {
            ret: instruction.ip(),
            address: instruction.ip(),
            class: EndClass::Return,
            instruction: EndInstruction::Return,
            cost: cost(instruction),
            condition: None,
            guard: None,
            run: 0,
            may_panic: false,
            has_stored: false,
            results: State::at_site().results(self.results)?,
        })
    }

    /// The sites of the `RET` with this index; `None` where one of the ways to it has none.
    fn sites_of(&mut self, ret: usize) -> Option<Vec<Found>> {
        let mut found: Vec<Found> = Vec::new();
        for site in self.walk(ret)? {
            let mut state = site.state;
            for instruction in self.flow.instructions.get(site.next..ret)? {
                state.run(&mut self.info, instruction)?;
            }
            let results = state.results(self.results)?;
            let own = matches!(site.class, EndClass::Emulated | EndClass::LastCall);
            if own && state.wrote_elsewhere() && results.iter().any(|found| self.address_is_taken(found)) {
                return None;
            }
            found.push(Found {
                ret: self.flow.instructions.get(ret)?.ip(),
                address: site.address,
                class: site.class,
                instruction: site.instruction,
                cost: Cost::Emulated,
                condition: site.condition,
                guard: site.guard,
                run: 0,
                may_panic: state.may_panic(),
                has_stored: state.has_stored(),
                results,
            });
        }
        super::merge::join_both_directions(&mut found);
        Some(found)
    }

    /// The first sites on every way back from `ret`.
    fn walk(&self, ret: usize) -> Option<Vec<Site>> {
        let mut sites = Vec::new();
        let mut at = ret;
        for _ in 0..MAX_STEPS {
            for (from, way) in self.flow.ways_to(at) {
                sites.push(self.jump(from, way, at)?);
            }
            (sites.len() <= MAX_WAYS).then_some(())?;
            // At the function's first instruction there is no site before it.
            let before = at.checked_sub(1)?;
            let instruction = self.flow.instructions.get(before)?;
            let control = instruction.flow_control();
            if control == FlowControl::Next && cost(instruction) == Cost::SingleStep {
                at = before;
                continue;
            }
            if control == FlowControl::Next {
                let push = instruction.code() == Code::Push_r64;
                let kind = if push { EndInstruction::Push } else { EndInstruction::Nop };
                // The instruction itself belongs to the line.
                sites.push(self.branch(before, kind, None, before)?);
            } else if control == FlowControl::ConditionalBranch {
                let condition = condition(instruction)?.negated();
                sites.push(self.branch(before, EndInstruction::ConditionalJump, Some(condition), at)?);
            } else if control == FlowControl::Call {
                self.call(before, at, &mut sites)?;
            } else if control == FlowControl::IndirectCall {
                sites.push(self.deferred(before, at)?);
            } else if !matches!(
                control,
                FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return | FlowControl::Exception
            ) {
                return None;
            }
            // Nobody comes here: the end of a function that never returns otherwise.
            return (!sites.is_empty()).then_some(sites);
        }
        None
    }

    fn branch(&self, index: usize, instruction: EndInstruction, condition: Option<Condition>, next: usize) -> Option<Site> {
        let at = self.flow.instructions.get(index)?;
        (cost(at) == Cost::Emulated).then_some(())?;
        let (class, state) = (EndClass::Emulated, State::at_site());
        Some(Site { address: at.ip(), class, instruction, condition, guard: None, state, next })
    }

    /// A jump into the line, at its instruction `to`.
    fn jump(&self, from: usize, way: Way, to: usize) -> Option<Site> {
        match way {
            Way::Taken => {
                let condition = condition(self.flow.instructions.get(from)?)?;
                self.branch(from, EndInstruction::ConditionalJump, Some(condition), to)
            }
            Way::Jump => self.branch(from, EndInstruction::Jump, None, to),
            Way::Table => None,
        }
    }

    /// A direct call in front of the line: no site if it does not come back.
    fn call(&self, index: usize, next: usize, sites: &mut Vec<Site>) -> Option<()> {
        let call = self.flow.instructions.get(index)?;
        (call.code() == Code::Call_rel32_64 && cost(call) == Cost::Emulated).then_some(())?;
        let target = VirtAddr(call.near_branch_target());
        let callee = self.surroundings.function_at(target);
        let (class, state) = match callee.as_ref().map_or("", |callee| &callee.name) {
            name if never_returns(name) => return Some(()),
            // Keeps all registers but R11 (`runtime/asm_amd64.s`), and neither panics nor looks at the stack.
            name if name.starts_with("runtime.gcWriteBarrier") => (EndClass::Emulated, State::at_site().forget(&[Register::R11])),
            // Copies within the stack or to a caller's frame: keep all registers but these (`runtime/duff_amd64.s`).
            "runtime.duffcopy" | "runtime.duffzero" => {
                (EndClass::LastCall, State::at_site().forget(&[Register::RDI, Register::RSI]))
            }
            "runtime.deferreturn" => (EndClass::DeferReturn, State::behind_call(0)),
            _ => (EndClass::LastCall, State::behind_call(0)),
        };
        let instruction = EndInstruction::Call;
        sites.push(Site { address: call.ip(), class, instruction, condition: None, guard: None, state, next });
        Some(())
    }

    /// A call through a register in front of the line: of a deferred function that is known.
    fn deferred(&self, index: usize, next: usize) -> Option<Site> {
        let closure = deferred::callee(self.flow, index, self.surroundings)?;
        Some(Site {
            address: self.surroundings.push_frame(closure)?.0,
            class: EndClass::OpenCodedDefer,
            instruction: EndInstruction::Push,
            condition: None,
            guard: Some(self.flow.instructions.get(index)?.next_ip()),
            // At the start of the callee the return address lies on the stack as well.
            state: State::behind_call(8),
            next,
        })
    }

    /// Whether a result lies in something on the stack whose address the function takes: so a callee, or a store through
    /// a pointer, may change it.
    ///
    /// The size of what the address is taken of is not known; few results lie further than this behind its beginning.
    fn address_is_taken(&self, location: &ResultLocation) -> bool {
        const REACH: i64 = 256;
        location.base == Base::Register(STACK_POINTER)
            && self.flow.instructions.iter().any(|instruction| {
                let taken = instruction.code() == Code::Lea_r64_m && instruction.memory_base() == Register::RSP;
                let begin = instruction.memory_displacement64().cast_signed();
                let reach = begin..begin.saturating_add(REACH);
                taken && instruction.op0_register() != Register::RSP && reach.contains(&location.offset)
            })
    }
}

/// The condition of a conditional jump that the kernel emulates: `70+cc` and `0F 80+cc`.
fn condition(jump: &iced_x86::Instruction) -> Option<Condition> {
    use iced_x86::ConditionCode;
    const ORDER: [ConditionCode; 16] = [
        ConditionCode::o,
        ConditionCode::no,
        ConditionCode::b,
        ConditionCode::ae,
        ConditionCode::e,
        ConditionCode::ne,
        ConditionCode::be,
        ConditionCode::a,
        ConditionCode::s,
        ConditionCode::ns,
        ConditionCode::p,
        ConditionCode::np,
        ConditionCode::l,
        ConditionCode::ge,
        ConditionCode::le,
        ConditionCode::g,
    ];
    jump.is_jcc_short_or_near().then_some(())?;
    let position = ORDER.iter().position(|code| *code == jump.condition_code())?;
    Some(Condition::new(u8::try_from(position).ok()?))
}

/// What compiled code calls to panic, to end the program, or to leave the stack. (`panicCheck1` and `panicCheck2` return.)
fn never_returns(name: &str) -> bool {
    const ENDS: [&str; 5] = ["runtime.gopanic", "runtime.throw", "runtime.fatal", "runtime.block", "runtime.gogo"];
    ENDS.contains(&name)
        || name.starts_with("runtime.goPanic")
        || name.strip_prefix("runtime.panic").is_some_and(|rest| !rest.starts_with("Check"))
}
