//! Small functions by hand; real ones are in `launcher/tests/end_sites.rs`.

use std::collections::BTreeMap;

use super::*;

mod deferred;

const START: u64 = 0x1000;
/// Where the functions that are called begin.
const CALLEE: u64 = 0x2000;

/// A program of one function, others of which only names are known, and words of data.
#[derive(Default)]
struct Fake {
    names: BTreeMap<u64, &'static str>,
    words: BTreeMap<u64, u64>,
}

impl Surroundings for Fake {
    fn function_at(&self, address: VirtAddr) -> Option<Function> {
        let (entry, name) = self.names.range(..=address.0).next_back()?;
        Some(Function::at(name, VirtAddr(*entry), VirtAddr(entry + 0x100)))
    }

    fn word(&self, address: VirtAddr) -> Option<u64> {
        self.words.get(&address.0).copied()
    }

    fn push_frame(&self, entry: VirtAddr) -> Option<VirtAddr> {
        entry.checked_add(6)
    }

    fn file_offset(&self, address: VirtAddr) -> Option<FileOffset> {
        Some(FileOffset(address.0))
    }
}

fn calling(name: &'static str) -> Fake {
    Fake { names: BTreeMap::from([(CALLEE, name)]), ..Fake::default() }
}

fn analyse(code: &[u8], results: usize, program: &Fake) -> Result<Vec<EndSite>, BinaryError> {
    let function = Function::at("main.f", VirtAddr(START), VirtAddr(START + u64::try_from(code.len()).unwrap()));
    end_sites(Architecture::Amd64, code, &function, results, program)
}

/// Instructions one after the other, with calls to [`CALLEE`] and its successors.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn then(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn at(&self) -> u64 {
        START + u64::try_from(self.0.len()).unwrap()
    }

    fn call(self, target: u64) -> Self {
        let distance = i32::try_from(target.cast_signed() - (self.at() + 5).cast_signed()).unwrap();
        self.then(&[0xe8]).then(&distance.to_le_bytes())
    }

    /// `LEAQ target(RIP), AX`.
    fn lea_ax(self, target: u64) -> Self {
        let distance = i32::try_from(target.cast_signed() - (self.at() + 7).cast_signed()).unwrap();
        self.then(&[0x48, 0x8d, 0x05]).then(&distance.to_le_bytes())
    }
}

const TEST_AX: &[u8] = &[0x48, 0x85, 0xc0];
const BX_TO_AX: &[u8] = &[0x48, 0x89, 0xd8];
const ZERO_AX: &[u8] = &[0x31, 0xc0];
/// `ADDQ $16, SP; POPQ BP; RET`.
const EPILOGUE: &[u8] = &[0x48, 0x83, 0xc4, 0x10, 0x5d, 0xc3];
/// `MOVQ 8(SP), AX`.
const SLOT_TO_AX: &[u8] = &[0x48, 0x8b, 0x44, 0x24, 0x08];
const RET: &[u8] = &[0xc3];

fn register(number: u8) -> ResultLocation {
    ResultLocation::direct(Base::Register(number), 0)
}

fn stack(offset: i64) -> ResultLocation {
    ResultLocation { loads: [Some(0), None, None], ..ResultLocation::direct(Base::Register(4), offset) }
}

fn number(number: i64) -> ResultLocation {
    ResultLocation::direct(Base::Zero, number)
}

#[test]
fn a_branch_counts_in_the_direction_of_its_return() {
    // TESTQ AX, AX; JE +4; MOVQ BX, AX; RET; XORL AX, AX; RET
    let code = Code::default().then(TEST_AX).then(&[0x74, 4]).then(BX_TO_AX).then(RET).then(ZERO_AX).then(RET);
    let sites = analyse(&code.0, 1, &Fake::default()).unwrap();
    let shown: Vec<_> = sites.iter().map(|site| (site.address.0, site.condition, site.results.clone())).collect();
    let (equal, not_equal) = (Some(Condition::new(4)), Some(Condition::new(5)));
    assert_eq!(shown, [(START + 3, not_equal, vec![register(3)]), (START + 3, equal, vec![number(0)])]);
    assert!(sites.iter().all(|site| site.class == EndClass::Emulated && site.cost == Cost::Emulated && !site.may_panic));
    assert_eq!(merge_end_sites(sites).len(), 2, "their results differ");

    let sites = merge_end_sites(analyse(&code.0, 0, &Fake::default()).unwrap());
    assert_eq!(sites.len(), 1);
    assert_eq!((sites[0].condition, sites[0].returns.len()), (None, 2));
}

#[test]
fn both_directions_to_one_return_are_one_site() {
    // TESTQ AX, AX; JE +3; MOVQ BX, CX; RET
    let code = Code::default().then(TEST_AX).then(&[0x74, 3]).then(&[0x48, 0x89, 0xd9]).then(RET);
    let sites = analyse(&code.0, 1, &Fake::default()).unwrap();
    assert_eq!(sites.len(), 1);
    assert_eq!((sites[0].condition, sites[0].results.as_slice()), (None, &[register(0)][..]));
    let sites = analyse(&code.0, 3, &Fake::default()).unwrap();
    assert_eq!(sites.len(), 2, "the third result is in CX or in BX");
}

#[test]
fn behind_a_call_results_lie_on_the_stack() {
    let program = calling("sync.(*Mutex).Unlock");
    let code = Code::default().call(CALLEE).then(SLOT_TO_AX).then(EPILOGUE);
    let sites = analyse(&code.0, 1, &program).unwrap();
    assert_eq!(sites.len(), 1);
    assert_eq!((sites[0].class, sites[0].address.0, sites[0].may_panic), (EndClass::LastCall, START, true));
    assert_eq!(sites[0].results, [stack(8)]);
    // What the callee returns is not known before it runs.
    let code = Code::default().call(CALLEE).then(EPILOGUE);
    assert_eq!(analyse(&code.0, 1, &program).unwrap()[0].class, EndClass::Return);
    assert_eq!(analyse(&code.0, 0, &program).unwrap()[0].class, EndClass::LastCall);
}

#[test]
fn a_slot_whose_address_is_taken_may_be_written_by_the_callee() {
    // LEAQ 8(SP), AX; CALL; MOVQ 8(SP), AX
    let code = Code::default().then(&[0x48, 0x8d, 0x44, 0x24, 0x08]).call(CALLEE).then(SLOT_TO_AX).then(EPILOGUE);
    assert_eq!(analyse(&code.0, 1, &calling("main.fill")).unwrap()[0].class, EndClass::Return);
    assert_eq!(analyse(&code.0, 1, &calling("runtime.deferreturn")).unwrap()[0].class, EndClass::DeferReturn);
}

#[test]
fn calls_that_keep_registers_and_calls_that_do_not_return() {
    let code = Code::default().call(CALLEE).then(RET);
    let sites = analyse(&code.0, 2, &calling("runtime.gcWriteBarrier2")).unwrap();
    assert_eq!((sites[0].class, &sites[0].results[..]), (EndClass::Emulated, &[register(0), register(3)][..]));
    // TESTQ AX, AX; JE +5; CALL; RET
    let code = Code::default().then(TEST_AX).then(&[0x74, 5]).call(CALLEE).then(RET);
    let sites = analyse(&code.0, 1, &calling("runtime.panicIndex")).unwrap();
    assert_eq!((sites.len(), sites[0].condition), (1, Some(Condition::new(4))));
    let sites = analyse(&code.0, 1, &calling("runtime.panicCheck1")).unwrap();
    assert_eq!(sites[0].class, EndClass::Return);
}

#[test]
fn what_is_stored_on_the_way_is_what_is_loaded() {
    // NOP; MOVQ BX, 8(SP); MOVQ 8(SP), AX; RET
    let store = [0x48, 0x89, 0x5c, 0x24, 0x08];
    let code = Code::default().then(&[0x90]).then(&store).then(SLOT_TO_AX).then(RET);
    assert_eq!(analyse(&code.0, 1, &Fake::default()).unwrap()[0].results, [register(3)]);
    // NOP; MOVB BL, 8(SP); MOVQ 8(SP), AX; RET: part of a word is not followed.
    let code = Code::default().then(&[0x90, 0x88, 0x5c, 0x24, 0x08]).then(SLOT_TO_AX).then(RET);
    assert_eq!(analyse(&code.0, 1, &Fake::default()).unwrap()[0].class, EndClass::Return);
    // NOP; MOVUPS X15, 8(SP); MOVQ 16(SP), AX; RET: X15 is zero.
    let zeros = [0x44, 0x0f, 0x11, 0x7c, 0x24, 0x08];
    let code = Code::default().then(&[0x90]).then(&zeros).then(&[0x48, 0x8b, 0x44, 0x24, 0x10]).then(RET);
    assert_eq!(analyse(&code.0, 1, &Fake::default()).unwrap()[0].results, [number(0)]);
}

#[test]
fn string_operations_are_not_followed() {
    // NOP; REP STOSQ; MOVQ 8(SP), AX; RET
    let code = Code::default().then(&[0x90, 0xf3, 0x48, 0xab]).then(SLOT_TO_AX).then(RET);
    assert_eq!(analyse(&code.0, 1, &Fake::default()).unwrap()[0].class, EndClass::Return);
}

#[test]
fn pointers_are_followed_and_may_be_nil() {
    // NOP; MOVQ 8(AX), AX; MOVQ 16(AX), AX; RET
    let code = Code::default().then(&[0x90, 0x48, 0x8b, 0x40, 0x08, 0x48, 0x8b, 0x40, 0x10]).then(RET);
    let sites = analyse(&code.0, 1, &Fake::default()).unwrap();
    let expected = ResultLocation { loads: [Some(16), Some(0), None], ..ResultLocation::direct(Base::Register(0), 8) };
    assert_eq!((sites[0].results.as_slice(), sites[0].may_panic), (&[expected][..], true));
    // A store through a pointer in between: the word may have been changed.
    let code = Code::default().then(&[0x90, 0x48, 0x89, 0x19, 0x48, 0x8b, 0x40, 0x08]).then(RET);
    assert_eq!(analyse(&code.0, 1, &Fake::default()).unwrap()[0].class, EndClass::Return);
}

#[test]
fn the_beginning_of_a_function_is_no_site() {
    let code = Code::default().then(ZERO_AX).then(RET);
    let sites = analyse(&code.0, 1, &Fake::default()).unwrap();
    assert_eq!((sites[0].class, sites[0].cost, sites[0].address.0), (EndClass::Return, Cost::SingleStep, START + 2));
    // PUSHQ BP; XORL AX, AX; POPQ BP; RET
    let code = Code::default().then(&[0x55]).then(ZERO_AX).then(&[0x5d, 0xc3]);
    let sites = analyse(&code.0, 1, &Fake::default()).unwrap();
    assert_eq!((sites[0].instruction, sites[0].results.as_slice()), (EndInstruction::Push, &[number(0)][..]));
}

#[test]
fn jump_tables_are_ways_too() {
    // LEAQ table(RIP), AX; JMP (AX)(CX*8); NOP; XORL AX, AX; RET
    let code = Code::default().lea_ax(0x5000).then(&[0xff, 0x24, 0xc8]).then(&[0x90]).then(ZERO_AX).then(RET);
    let nop = START + 10;
    let to = |target: u64| Fake { words: BTreeMap::from([(0x5000, target)]), ..Fake::default() };
    assert_eq!(analyse(&code.0, 1, &to(nop)).unwrap()[0].class, EndClass::Emulated);
    assert_eq!(analyse(&code.0, 1, &to(nop + 1)).unwrap()[0].class, EndClass::Return, "past the NOP");
    let refused = analyse(&code.0, 1, &Fake::default()).unwrap_err();
    assert_eq!(refused, BinaryError::UnknownEnd { function: "main.f".to_owned(), why: "it jumps to an unknown place" });
}

#[test]
fn an_end_in_another_function_is_refused() {
    let code = Code::default().then(RET).then(&[0xe9, 0, 0x10, 0, 0]);
    assert!(analyse(&code.0, 0, &Fake::default()).is_err());
    assert!(analyse(&[0xff, 0xe0], 0, &Fake::default()).is_err());
    assert!(analyse(&[0x48], 0, &Fake::default()).is_err());
    assert!(analyse(RET, 10, &Fake::default()).is_err());
    assert!(analyse(&[0xc2, 8, 0], 0, &Fake::default()).is_err());
    assert!(analyse(&RET.repeat(257), 0, &Fake::default()).is_err());
    assert!(analyse(&[0x90].repeat((1 << 16) + 1), 0, &Fake::default()).is_err());
}

#[test]
fn arm64_returns() {
    let code: Vec<u8> =
        [0xd280_0020_u32, 0xd65f_03c0, 0x17ff_fffe, 0xd65f_03c0].iter().flat_map(|word| word.to_le_bytes()).collect();
    let sites = arm64::end_sites(&code, START, 2).unwrap();
    let shown: Vec<_> = sites.iter().map(|site| (site.address, site.cost)).collect();
    assert_eq!(shown, [(START + 4, Cost::Emulated), (START + 12, Cost::Emulated)]);
    assert_eq!(sites[0].results, [register(0), register(1)]);
    // B -8 at the beginning leaves the function.
    assert!(arm64::end_sites(&0x17ff_fffe_u32.to_le_bytes(), START, 0).is_err());
}

/// Bytes of all kinds: an answer or a refusal, never a panic, never two sites that count for one way.
#[test]
fn any_bytes() {
    let mut random = 1_u64;
    let pieces: [&[u8]; 12] = [
        TEST_AX,
        BX_TO_AX,
        ZERO_AX,
        EPILOGUE,
        SLOT_TO_AX,
        RET,
        &[0x74, 4],
        &[0xeb, 0xf0],
        &[0x90],
        &[0xff, 0xd1],
        &[0x55],
        &[0xe8, 0, 0, 0, 0],
    ];
    let program = calling("main.g");
    for _ in 0..20_000 {
        let mut code = Code::default();
        for _ in 0..12 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [pick, byte, ..] = (random >> 32).to_le_bytes();
            code = match pieces.get(usize::from(pick % 14)) {
                Some(piece) => code.then(piece),
                None => code.then(&[byte]),
            };
        }
        if let Ok(sites) = analyse(&code.0, 3, &program) {
            let merged = merge_end_sites(sites.clone());
            assert_eq!(merged.iter().map(|site| site.returns.len()).sum::<usize>(), sites.len());
        }
    }
}
