//! Functions that end with a deferred one.

use super::*;

/// A deferred function, as the compiler calls it: record at 16(SP), its address in slot 32(SP).
fn deferring() -> Code {
    Code::default()
        .lea_ax(CALLEE)
        .then(&[0x48, 0x89, 0x44, 0x24, 0x10]) // MOVQ AX, 16(SP)
        .then(&[0x48, 0x8d, 0x44, 0x24, 0x10]) // LEAQ 16(SP), AX
        .then(&[0x48, 0x89, 0x44, 0x24, 0x20]) // MOVQ AX, 32(SP)
        .then(TEST_AX)
}

/// `MOVQ 32(SP), DX; MOVQ (DX), CX; CALL CX; MOVQ 8(SP), AX; ADDQ $16, SP; POPQ BP; RET`.
fn way_out(code: Code) -> Code {
    let code = code.then(&[0x48, 0x8b, 0x54, 0x24, 0x20]).then(&[0x48, 0x8b, 0x0a]).then(&[0xff, 0xd1]);
    code.then(SLOT_TO_AX).then(EPILOGUE)
}

#[test]
fn a_deferred_function_is_found_through_its_slot() {
    let program = calling("main.f.deferwrap1");
    let before = deferring();
    let back = VirtAddr(before.at() + 5 + 3 + 2);
    let code = way_out(before);
    let sites = analyse(&code.0, 1, &program).unwrap();
    assert_eq!(sites.len(), 1);
    assert_eq!((sites[0].class, sites[0].address.0), (EndClass::OpenCodedDefer, CALLEE + 6));
    assert_eq!(sites[0].guard, Some(Guard { first: back, last: back }));
    assert_eq!(sites[0].results, [stack(16)], "above the return address");
    assert!(sites[0].needs_load_bias());

    // Another closure in the same slot.
    let other = Code::default().lea_ax(CALLEE + 0x100).then(&[0x48, 0x89, 0x44, 0x24, 0x20]).then(&code.0);
    assert_eq!(analyse(&other.0, 1, &program).unwrap()[0].class, EndClass::Return);
}

#[test]
fn ways_out_by_one_deferred_function_become_one_range() {
    let program = calling("main.f.deferwrap1");
    // TESTQ AX, AX; JE over the first way out
    let first = way_out(Code::default());
    let over = u8::try_from(first.0.len()).unwrap();
    let code = way_out(deferring().then(&[0x74, over]).then(&first.0));
    let sites = analyse(&code.0, 1, &program).unwrap();
    assert_eq!(sites.iter().map(|site| site.class).collect::<Vec<_>>(), [EndClass::OpenCodedDefer; 2]);
    let merged = merge_end_sites(sites.clone());
    assert_eq!(merged.len(), 1);
    let (low, high) = (sites[0].guard.unwrap().first, sites[1].guard.unwrap().last);
    assert_eq!(merged[0].guard, Some(Guard { first: low, last: high }));

    // A call of who knows what between them keeps them apart: CALL DX.
    let between = deferring().then(&[0x74, over]).then(&first.0).then(&[0xff, 0xd2]);
    let sites = analyse(&way_out(between).0, 1, &program).unwrap();
    assert_eq!(merge_end_sites(sites).len(), 2);
}
