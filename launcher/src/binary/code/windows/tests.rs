//! Which instructions make a window, and which are refused, on small pieces of machine code.

use super::*;

const START: u64 = 0x1000;
/// `CMPQ SP, 16(R14); JBE +0x40; PUSHQ BP`.
const CHECK: [u8; 7] = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55];
/// `MOVQ SP, BP; SUBQ $0x18, SP`.
const FRAME: [u8; 7] = [0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x18];
const PUSH: VirtAddr = VirtAddr(START + 6);
const RET: u8 = 0xc3;
const INT3: u8 = 0xcc;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// What `find` finds in a function of this code; in that of another language as well if it `is_assembly`.
fn found(
    code: &[u8],
    is_assembly: bool,
    find: impl FnOnce(&mut Windows<'_>) -> Result<Window, Refused>,
) -> Result<Window, Refused> {
    find(&mut Windows::read(code, code.len(), START, is_assembly, || None))
}

fn frame(code: &[u8]) -> Result<Window, Refused> {
    found(code, false, |windows| windows.frame(PUSH))
}

fn first(code: &[u8]) -> Result<Window, Refused> {
    found(code, false, |windows| windows.first(false))
}

/// The end at the last byte.
fn end(code: &[u8]) -> Result<Window, Refused> {
    let ret = VirtAddr(START + code.len() as u64 - 1);
    found(code, false, |windows| windows.end(ret))
}

fn shape(window: Result<Window, Refused>) -> (u64, usize, Turn, u32) {
    let Window { address, bytes, turn, stack } = window.unwrap();
    (address.0 - START, bytes.len(), turn, stack)
}

#[test]
fn a_call_is_called_otherwise() {
    // NOP; CALL +1; RET.
    let code = [0x90, 0xe8, 1, 0, 0, 0, RET];
    let window = found(&code, false, |windows| windows.call(VirtAddr(START + 1)));
    assert_eq!(shape(window), (1, 5, Turn::Call { target: VirtAddr(START + 7) }, 8));
    let refused = |at: u64, code: &[u8]| found(code, false, |windows| windows.call(VirtAddr(START + at))).unwrap_err();
    assert_eq!(refused(2, &code), NO_INSTRUCTION);
    assert_eq!(refused(0, &code), "it is no direct call");
    // CALL AX, and a direct call with a needless prefix.
    assert_eq!(refused(0, &[0xff, 0xd0, RET, RET, RET]), "it is no direct call");
    assert_eq!(refused(0, &[0x48, 0xe8, 1, 0, 0, 0, RET]), "it is no direct call");
}

#[test]
fn a_frame_is_made_in_the_thunk() {
    assert_eq!(shape(frame(&join(&[&CHECK, &FRAME, &[RET]]))), (7, 7, Turn::Before, 8));
    // With an instruction behind it that can be moved, and with a large one, so much is left as a debugger's breakpoint needs.
    assert_eq!(shape(frame(&join(&[&CHECK, &FRAME, &[0x90, RET]]))), (10, 5, Turn::BehindFrame, 0));
    let large = [0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0, 1, 0, 0, RET];
    assert_eq!(shape(frame(&join(&[&CHECK, &large]))), (10, 7, Turn::BehindFrame, 0));
    // ADDQ $-128, SP.
    assert_eq!(shape(frame(&join(&[&CHECK, &[0x48, 0x89, 0xe5, 0x48, 0x83, 0xc4, 0x80, RET]]))), (7, 7, Turn::Before, 8));
}

#[test]
fn without_a_frame_the_stack_check_is_made_in_the_thunk() {
    // PUSHQ BP; MOVQ SP, BP; CALL; POPQ BP; RET.
    let call = [0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0, 0x5d, RET];
    assert_eq!(shape(frame(&join(&[&CHECK, &call]))), (0, 6, Turn::After, 0));
    // The check of a large frame: LEAQ -0x100(SP), R12; CMPQ R12, 16(R14); JBE near; PUSHQ BP.
    let large = [0x4c, 0x8d, 0xa4, 0x24, 0, 0xff, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x40, 0, 0, 0, 0x55];
    let window = found(&join(&[&large, &call]), false, |windows| windows.frame(VirtAddr(START + 18)));
    assert_eq!(shape(window), (0, 18, Turn::After, 0));
    // There is no stack check, but a load that may fault: MOVQ (AX), CX; NOP; NOP; NOP; PUSHQ BP.
    let other = [0x48, 0x8b, 0x08, 0x90, 0x90, 0x90, 0x55];
    assert_eq!(frame(&join(&[&other, &call])).unwrap_err(), NO_ROOM);
}

#[test]
fn what_may_fault_or_calls_or_is_relative_stays() {
    let behind = |rest: &[u8]| found(&join(&[&[0x90; 6], &[0x55, 0x48, 0x89, 0xe5], rest]), false, |windows| windows.frame(PUSH));
    for (rest, what) in [
        (&[0x48, 0x8b, 0x08, RET][..], "MOVQ (AX), CX"),
        (&[0x84, 0x00, RET], "TESTB AX, (AX)"),
        (&[0x48, 0x89, 0x08, RET], "MOVQ CX, (AX)"),
        (&[0x48, 0x8b, 0x0c, 0xc4, RET], "MOVQ (SP)(AX*8), CX"),
        (&[0x48, 0x8d, 0x0d, 0, 0, 0, 0, RET], "LEAQ 0(RIP), CX"),
        (&[0x48, 0x8b, 0x0d, 0, 0, 0, 0, RET], "MOVQ 0(RIP), CX"),
        (&[0xe8, 0, 0, 0, 0, RET], "CALL"),
        (&[0xff, 0xd1, RET], "CALL CX"),
        (&[0x0f, 0x05, RET], "SYSCALL"),
        (&[0x50, 0x58, RET], "PUSHQ AX; POPQ AX"),
        (&[0xf3, 0xa4, RET], "REP MOVSB"),
        (&[0x48, 0x89, 0xc4, RET], "MOVQ AX, SP"),
        (&[0xeb, 0, RET], "JMP"),
        (&[0x0f, 0x0b, RET], "UD2"),
        (&[INT3, INT3, RET], "INT3"),
        (&[0x06, 0x06, RET], "no instruction"),
    ] {
        assert_eq!(behind(rest).unwrap_err(), NO_ROOM, "{what}");
    }
    for (rest, what) in [
        (&[0x48, 0x8b, 0x4c, 0x24, 8, RET][..], "MOVQ 8(SP), CX"),
        (&[0x48, 0x89, 0x4d, 8, RET], "MOVQ CX, 8(BP)"),
        (&[0x48, 0x8d, 0x48, 8, RET], "LEAQ 8(AX), CX"),
        (&[0x0f, 0x57, 0xc0, RET], "XORPS X0, X0"),
        (&[0x0f, 0x1f, 0x40, 0, RET], "NOP 0(AX)"),
    ] {
        assert_eq!(shape(behind(rest)).0, if rest.len() > JUMP { 10 } else { 7 }, "{what}");
    }
}

#[test]
fn in_assembly_bp_may_be_anything() {
    // MOVQ 8(BP), CX; INCQ CX; XORL AX, AX; RET, and seven more before the RET.
    let code = join(&[&[0x48, 0x8b, 0x4d, 8], &[0x90; 8], &[RET]]);
    assert!(first(&code).is_ok());
    assert_eq!(found(&code, true, |windows| windows.first(false)).unwrap_err(), NO_ROOM);
}

#[test]
fn no_jump_may_lead_between_the_instructions() {
    let jumping = |to: i8| join(&[&CHECK, &FRAME, &[0x90, 0x75, to.cast_unsigned(), RET]]);
    // The jump ends at 17: to the first instruction of the window, to the second, behind the last.
    assert_eq!(shape(frame(&jumping(-10))), (10, 5, Turn::BehindFrame, 0));
    // Then the stack check, which leads to no other place than before.
    assert_eq!(shape(frame(&jumping(-7))), (0, 6, Turn::After, 0));
    assert_eq!(shape(frame(&jumping(-3))).0, 7);
    // Before both of them.
    let both = join(&[&CHECK, &FRAME, &[0x75, (-6_i8).cast_unsigned(), 0x75, (-14_i8).cast_unsigned(), RET]]);
    assert_eq!(frame(&both).unwrap_err(), ENTERED);

    // An epilogue, and a jump to its POPQ.
    let epilogue = [0x48, 0x83, 0xc4, 0x18, 0x5d, RET];
    assert_eq!(end(&join(&[&[0x75, 4], &epilogue])).unwrap_err(), ENTERED);
    assert_eq!(shape(end(&join(&[&[0x75, 0], &epilogue]))), (2, 6, Turn::After, 0));
}

#[test]
fn where_jumps_lead_must_be_known() {
    // INCQ AX; JMP AX; RET.
    let code = [0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xff, 0xe0, RET];
    assert_eq!(first(&code).unwrap_err(), UNKNOWN);
    assert_eq!(end(&code).unwrap_err(), UNKNOWN);
    let to = |target: u64| Windows::read(&code, code.len(), START, false, || Some(vec![START + target])).first(false);
    assert_eq!(to(3).unwrap_err(), ENTERED);
    assert_eq!(to(0).unwrap_err(), AGAIN);
    assert_eq!(shape(to(6)), (0, 6, Turn::Before, 0));
    // A frame stands where no such jump leads.
    let usual = join(&[&CHECK, &FRAME, &[0xff, 0xe0]]);
    assert_eq!(shape(frame(&usual)).0, 7);
    let plain = join(&[&[0x90; 6], &[0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xc8, 0xff, 0xe0]]);
    assert_eq!(frame(&plain).unwrap_err(), UNKNOWN);
}

#[test]
fn the_first_instructions_run_once() {
    // TESTQ AX, AX; JE +1; NOP; JMP back to `to`.
    let leaf = |to: i8| [0x48, 0x85, 0xc0, 0x74, 0x01, 0x90, 0xeb, to.cast_unsigned(), RET];
    assert_eq!(shape(first(&leaf(-2))), (0, 5, Turn::Before, 0));
    assert_eq!(first(&leaf(-8)).unwrap_err(), AGAIN);
    let again = found(&leaf(-8), false, |windows| windows.first(true));
    assert_eq!(shape(again).0, 0, "a function that ends the program");
    // A stack check is for these alone.
    let check = join(&[&CHECK[..6], &[0x90, RET]]);
    assert_eq!(first(&check).unwrap_err(), NO_ROOM);
    assert_eq!(shape(found(&check, false, |windows| windows.first(true))), (0, 6, Turn::Before, 0));
}

#[test]
fn ends_give_up_the_frame_in_the_thunk() {
    let call = [0xe8, 0, 0, 0, 0];
    for (epilogue, what) in [
        (&[0x48, 0x83, 0xc4, 0x18, 0x5d, RET][..], "ADDQ $0x18, SP; POPQ BP; RET"),
        (&[0x48, 0x81, 0xc4, 0, 1, 0, 0, 0x5d, RET], "ADDQ $0x100, SP; POPQ BP; RET"),
        (&[0x48, 0x83, 0xec, 0x80, 0x5d, RET], "SUBQ $-128, SP; POPQ BP; RET"),
        (&[0x48, 0x83, 0xc4, 0x18, 0x5d, 0x90, RET], "with a NOP"),
        (&[0x31, 0xc0, 0x31, 0xdb, RET], "XORL AX, AX; XORL BX, BX; RET"),
        (&[0x74, 0xf0, 0x31, 0xc0, RET], "JE; XORL AX, AX; RET"),
    ] {
        assert_eq!(shape(end(&join(&[&call, epilogue]))), (5, epilogue.len(), Turn::After, 0), "{what}");
    }
    // What may fault, and the call itself.
    assert_eq!(end(&[0x48, 0x8b, 0x40, 8, RET]).unwrap_err(), NO_ROOM);
    assert_eq!(end(&join(&[&call, &[0x5d, RET]])).unwrap_err(), NO_ROOM);
    let other = found(&[0x90, 0x90, 0xc2, 8, 0], false, |windows| windows.end(VirtAddr(START + 2)));
    assert_eq!(other.unwrap_err(), "it returns otherwise than by RET");
}

#[test]
fn padding_is_replaced_too() {
    // CALL; POPQ BP; RET, and what lies behind it.
    let call = [0xe8, 0, 0, 0, 0, 0x5d, RET];
    let padded = |padding: usize, find: fn(&mut Windows<'_>) -> Result<Window, Refused>| {
        let code = join(&[&call, &vec![INT3; padding]]);
        find(&mut Windows::read(&code, call.len(), START, false, || None))
    };
    let end = |windows: &mut Windows<'_>| windows.end(VirtAddr(START + 6));
    assert_eq!(shape(padded(4, end)), (6, 5, Turn::After, 0));
    assert_eq!(padded(3, end).unwrap_err(), NO_ROOM);
}

#[test]
fn a_few_instructions_are_replaced_as_a_whole() {
    // INCQ AX; RET.
    let code = [0x48, 0xff, 0xc0, RET, INT3, INT3];
    let mut windows = Windows::read(&code, 4, START, false, || None);
    let (start, end) = (windows.first(false), windows.end(VirtAddr(START + 3)));
    assert!(start.as_ref().unwrap().is_at(end.as_ref().unwrap()));
    assert_eq!(shape(start), (0, 5, Turn::Before, 0));
    assert_eq!(shape(end), (0, 5, Turn::After, 0));
    // Two returns.
    let code = [0x48, 0xff, 0xc0, 0x74, 1, RET, 0x48, 0xff, 0xc0, RET, INT3, INT3, INT3, INT3];
    let mut windows = Windows::read(&code, 10, START, false, || None);
    assert_eq!(shape(windows.first(false)).1, 5);
    assert_eq!(shape(windows.end(VirtAddr(START + 9))).0, 9);
    // Its own instructions, and those of the start.
    let end = windows.end(VirtAddr(START + 5)).unwrap();
    assert!(end.overlaps(&windows.first(false).unwrap()) && !end.is_at(&windows.first(false).unwrap()));
}

#[test]
fn damaged_code_is_refused() {
    for code in [&[][..], &[0x48], &[0x0f], &[0x66; 20]] {
        let mut windows = Windows::read(code, code.len(), START, false, || None);
        assert!(windows.first(true).is_err() && windows.frame(PUSH).is_err(), "{code:x?}");
        assert!(windows.end(VirtAddr(START)).is_err() && windows.call(VirtAddr(START)).is_err(), "{code:x?}");
        assert!(windows.frame(VirtAddr(u64::MAX)).is_err());
    }
}

/// Whatever is found lies in the code, is whole, and has room for a jump.
#[test]
fn any_bytes_are_understood_or_refused() {
    // Bytes with which Go's functions begin and end are more frequent.
    const FREQUENT: [u8; 16] = [0x48, 0x55, 0x5d, RET, 0x89, 0xe5, 0x83, 0xec, 0xc4, 0x74, 0xeb, 0xe8, 0x49, 0x90, INT3, 0xff];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let mut found = 0;
    for round in 0..30_000_u64 {
        let code: Vec<u8> = (0..24).map(|_| if byte() < 160 { FREQUENT[usize::from(byte() % 16)] } else { byte() }).collect();
        let start = if round % 3 == 0 { u64::MAX - 20 } else { START };
        let mut windows = Windows::read(&code, 20, start, round % 2 == 0, || None);
        for at in 0..24 {
            let at = VirtAddr(start.wrapping_add(at));
            for window in [windows.frame(at), windows.end(at), windows.call(at), windows.first(false), windows.first(true)] {
                let Ok(window) = window else { continue };
                let from = usize::try_from(window.address.0.wrapping_sub(start)).unwrap();
                assert!(window.bytes.len() >= JUMP && code[from..from + window.bytes.len()] == window.bytes, "{code:x?}");
                found += 1;
            }
        }
    }
    assert!(found > 1_000, "{found}");
}
