//! Plans into thunks: what is assembled, decoded again, and what is refused.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Register};

use super::*;
use crate::binary::{Cost, DetourSite, FileOffset};
use crate::executor::Moment;
use crate::probes::plan::{Planned, PlannedDetour};
use crate::probes::probe::{Event, Point, When};
use crate::probes::site::Instruction as Kind;

const BIAS: u64 = 0x5000_0000;
const CODE: u64 = 0x4000_0000;
const COMMON: u64 = 0x4100_0000;
/// `MOVQ SP, BP; SUBQ $0x18, SP`.
const FRAME: [u8; 7] = [0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x18];

fn window(address: u64, bytes: &[u8], turn: Turn, stack: u32) -> Window {
    Window { address: VirtAddr(address), bytes: bytes.to_vec(), turn, stack }
}

fn probe(function: &str, number: u32, address: u64, patch: Option<Window>) -> Probe {
    let event = Event { meaning: "", when: When::Start, body: Body::HttpServer, number };
    let (recipes, cost) = (Vec::new(), Cost::Detour);
    let site =
        Site { address: VirtAddr(address), offset: FileOffset(0), instruction: Kind::First, cost, recipes, recipe: 7, patch };
    Probe { function: function.to_owned(), event, point: Point::Entry, sites: vec![site] }
}

fn plan(probes: Vec<Probe>) -> Plan {
    Plan { planned: vec![Planned { probes, ..Planned::default() }], ..Plan::default() }
}

/// The instructions from `thunk` on, up to the first trap.
fn decoded(thunks: &Thunks, thunk: usize) -> Vec<Instruction> {
    let code = Decoder::with_ip(64, &thunks.code, CODE, DecoderOptions::NONE).into_iter();
    let rest = code.skip_while(move |one| one.ip() < CODE + (thunk * ALIGNMENT) as u64);
    rest.take_while(|one| one.code() != Code::Int3).collect()
}

fn codes(instructions: &[Instruction]) -> Vec<Code> {
    instructions.iter().map(Instruction::code).collect()
}

/// A hit with this number is the next three of these.
fn assert_hit(instructions: &[Instruction], number: i32) {
    let [push, call, lea] = instructions else { panic!("{instructions:?}") };
    assert!(matches!(push.code(), Code::Pushq_imm8 | Code::Pushq_imm32));
    assert_eq!(push.immediate(0).cast_signed(), i64::from(number));
    assert_eq!((call.code(), call.near_branch_target()), (Code::Call_rel32_64, COMMON));
    assert_eq!((lea.code(), lea.op0_register(), lea.memory_base()), (Code::Lea_r64_m, Register::RSP, Register::RSP));
    assert_eq!((lea.memory_displacement64(), lea.memory_index()), (8, Register::None));
}

#[test]
fn a_call_goes_on_to_its_callee() {
    let call = window(0x1001, &[0xe8, 1, 0, 0, 0], Turn::Call { target: VirtAddr(0x1007) }, 8);
    let thunks = assemble(&plan(vec![probe("f", 3, 0x1001, Some(call))]), BIAS, CODE, COMMON).unwrap();
    let [hit @ .., tail] = &decoded(&thunks, 0)[..] else { panic!() };
    assert_hit(hit, 0);
    assert_eq!((tail.code(), tail.near_branch_target()), (Code::Jmp_rel32_64, BIAS + 0x1007));
    let [Patch { address, original, replacement }] = &thunks.patches[..] else { panic!() };
    assert_eq!((*address, original.as_slice()), (BIAS + 0x1001, &[0xe8, 1, 0, 0, 0][..]));
    let call = Decoder::with_ip(64, replacement, *address, 0).decode();
    assert_eq!((call.code(), call.near_branch_target(), replacement.len()), (Code::Call_rel32_64, CODE, 5));
    let cookie = Cookie { event: 3, recipe: 7 };
    assert_eq!(thunks.sites, [SiteEntry { body: Body::HttpServer, cookie, address: BIAS + 0x1001, stack: 8 }]);
}

#[test]
fn a_start_goes_back_and_two_probes_are_two_hits_in_order() {
    let entry = || Some(window(0x1007, &FRAME, Turn::Before, 8));
    let end = window(0x1100, &[0x48, 0x83, 0xc4, 0x18, 0x5d, 0xc3], Turn::After, 0);
    let probes = vec![probe("f", 1, 0x1006, entry()), probe("f", 2, 0x1105, Some(end)), probe("f", 3, 0x1006, entry())];
    let thunks = assemble(&plan(probes), BIAS, CODE, COMMON).unwrap();
    let start = decoded(&thunks, 0);
    assert_hit(&start[..3], 0);
    assert_hit(&start[3..6], 2);
    assert_eq!(codes(&start[6..]), [Code::Mov_rm64_r64, Code::Sub_rm64_imm8, Code::Jmp_rel32_64]);
    assert_eq!(start[8].near_branch_target(), BIAS + 0x100e);
    assert_eq!(thunks.patches.len(), 2);
    let [jump, rest @ ..] =
        &Decoder::with_ip(64, &thunks.patches[0].replacement, BIAS + 0x1007, 0).iter().collect::<Vec<_>>()[..]
    else {
        panic!()
    };
    assert_eq!((jump.code(), jump.near_branch_target()), (Code::Jmp_rel32_64, CODE));
    assert!(rest.len() == 2 && rest.iter().all(|one| one.code() == Code::Int3));
    // The end has the second thunk.
    let second = usize::try_from((thunks.patches[1].replacement_target() - CODE) / 32).unwrap();
    let end = decoded(&thunks, second);
    assert_eq!(codes(&end[..2]), [Code::Add_rm64_imm8, Code::Pop_r64]);
    assert_hit(&end[2..5], 1);
    assert_eq!(codes(&end[5..]), [Code::Retnq]);
    let stacks: Vec<(u64, u32)> = thunks.sites.iter().map(|site| (site.address - BIAS, site.stack)).collect();
    assert_eq!(stacks, [(0x1006, 8), (0x1105, 0), (0x1006, 8)]);
}

impl Patch {
    /// Where the jump leads.
    fn replacement_target(&self) -> u64 {
        Decoder::with_ip(64, &self.replacement, self.address, 0).decode().near_branch_target()
    }
}

#[test]
fn jumps_lead_where_they_led() {
    // CMPQ SP, 16(R14); JBE +0x40.
    let check = window(0x1000, &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x40], Turn::After, 0);
    let thunks = assemble(&plan(vec![probe("f", 1, 0x1006, Some(check))]), BIAS, CODE, COMMON).unwrap();
    let found = decoded(&thunks, 0);
    assert_eq!(codes(&found[..2]), [Code::Cmp_r64_rm64, Code::Jbe_rel32_64]);
    assert_eq!(found[1].near_branch_target(), BIAS + 0x1046);
    assert_hit(&found[2..5], 0);
    assert_eq!(found[5].near_branch_target(), BIAS + 0x1006);
}

#[test]
fn a_whole_function_is_hit_before_and_behind() {
    let code = [0x48, 0xff, 0xc0, 0xc3, machine::TRAP];
    let [start, end] = [Turn::Before, Turn::After].map(|turn| Some(window(0x1000, &code, turn, 0)));
    let probes = vec![probe("f", 1, 0x1000, start), probe("f", 2, 0x1003, end)];
    let thunks = assemble(&plan(probes), BIAS, CODE, COMMON).unwrap();
    let found = decoded(&thunks, 0);
    assert_hit(&found[..3], 0);
    assert_eq!(found[3].code(), Code::Inc_rm64);
    assert_hit(&found[4..7], 1);
    assert_eq!(codes(&found[7..]), [Code::Retnq]);
    assert_eq!(thunks.patches.len(), 1);
}

#[test]
fn what_overlaps_is_refused() {
    let entry = |address: u64| Some(window(address, &FRAME, Turn::Before, 8));
    let overlapping = plan(vec![probe("f", 1, 0x1006, entry(0x1007)), probe("g", 2, 0x100a, entry(0x100b))]);
    let error = assemble(&overlapping, BIAS, CODE, COMMON).unwrap_err();
    assert_eq!(
        error.to_string(),
        "detours overlap: of the probe of f at 0x1007 and of the probe of g at 0x100b; leave one of them out"
    );
    // The same place with other bytes, and a call at the place of a start.
    let other = window(0x1007, &FRAME[..3], Turn::Before, 8);
    let call = window(0x1007, &[0xe8, 0, 0, 0, 0], Turn::Call { target: VirtAddr(0) }, 8);
    for window in [other, call] {
        let plan = plan(vec![probe("f", 1, 0x1006, entry(0x1007)), probe("f", 2, 0x1006, Some(window))]);
        assert!(matches!(assemble(&plan, BIAS, CODE, COMMON), Err(ThunkError::Patch(PatchError::Overlap(..)))));
    }
    // One behind the other.
    let apart = plan(vec![probe("f", 1, 0x1006, entry(0x1007)), probe("g", 2, 0x100d, entry(0x100e))]);
    assert_eq!(assemble(&apart, BIAS, CODE, COMMON).unwrap().patches.len(), 2);
}

#[test]
fn a_detour_of_the_executor_is_continued() {
    let mut plan = plan(vec![probe("f", 1, 0x1006, Some(window(0x1007, &FRAME, Turn::Before, 8)))]);
    let place = DetourSite { address: VirtAddr(0x1007), bytes: FRAME.to_vec() };
    let detour = PlannedDetour { function: "f".to_owned(), site: 1, moment: Moment::Depth, place, stack_high: 8 };
    plan.planned[0].detours.push(detour);
    let error = assemble(&plan, BIAS, CODE, COMMON).unwrap_err();
    assert_eq!(
        error.to_string(),
        "detours overlap: of the probe of f at 0x1007 and of the write executor's detour of f at 0x1007; leave one of them out"
    );
    assert_eq!(shared(&plan, BIAS), [BIAS + 0x1007]);
    let then = Then { window: BIAS + 0x1007, code: CODE + 0x1000 };
    let thunks = assemble_before(&plan, BIAS, CODE, COMMON, &[then]).unwrap();
    let [hit @ .., tail] = &decoded(&thunks, 0)[..] else { panic!() };
    assert_hit(hit, 0);
    assert_eq!((tail.code(), tail.near_branch_target()), (Code::Jmp_rel32_64, CODE + 0x1000));
    // Not where the executor replaces other bytes.
    plan.planned[0].detours[0].place.bytes.push(0x90);
    assert!(assemble_before(&plan, BIAS, CODE, COMMON, &[then]).is_err());
}

#[test]
fn what_cannot_be_is_refused() {
    let none = plan(vec![probe("f", 1, 0x1006, None)]);
    assert_eq!(assemble(&none, BIAS, CODE, COMMON).unwrap_err().to_string(), "nothing is planned to be replaced at 0x1006 in f");
    let some = plan(vec![probe("f", 1, 0x1006, Some(window(0x1007, &FRAME, Turn::Before, 8)))]);
    let far = BIAS + (4 << 30);
    assert!(matches!(assemble(&some, BIAS, far, far + 0x1000), Err(ThunkError::Code { .. })));
    assert!(matches!(assemble(&some, BIAS, CODE, far), Err(ThunkError::Code { .. })));
    let [call] = [window(0x1007, &[0xe8, 0, 0, 0, 0], Turn::Call { target: VirtAddr(far - BIAS) }, 8)];
    let calling = plan(vec![probe("f", 1, 0x1007, Some(call))]);
    assert!(matches!(assemble(&calling, BIAS, far, far + 0x1000), Err(ThunkError::Patch(PatchError::OutOfReach { .. }))));
}

#[test]
fn thunks_are_apart_and_not_longer_than_said() {
    let probes = (0..200_u64).map(|at| probe("f", 1, 0x1000 + at * 16, Some(window(0x1000 + at * 16, &FRAME, Turn::Before, 8))));
    let plan = plan(probes.collect());
    let thunks = assemble(&plan, BIAS, CODE, COMMON).unwrap();
    assert!(thunks.code.len() <= most_bytes(&plan), "{} {}", thunks.code.len(), most_bytes(&plan));
    let targets: Vec<u64> = thunks.patches.iter().map(Patch::replacement_target).collect();
    assert!(targets.iter().all(|target| target.is_multiple_of(ALIGNMENT as u64)));
    assert!(targets.array_windows().all(|[one, next]| one < next));
    let last = decoded(&thunks, thunks.code.len() / ALIGNMENT - 1);
    assert_hit(&last[..3], 199);
}
