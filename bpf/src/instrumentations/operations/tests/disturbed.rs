//! Memory and registers in which anything may be wrong: bodies never panic, and what they report has its form.

use super::losses::{Call, all_kinds};
use super::*;
use crate::target::fake::disturbed::{Numbers, turns};

fn has_its_form(record: &[u8]) {
    match kind_of(record) {
        kind::OPERATION_START => _ = decode::<OperationStart>(record),
        _ => _ = decode::<OperationEvent>(record),
    }
}

#[test]
fn nothing_panics() {
    for seed in 0..turns(300) {
        let mut numbers = Numbers::of(seed);
        let mut program = Program::new();
        let function = all_kinds(&mut program);
        let inner = program.add(Function::with_context());
        let stack = program.process.memory.allocate(4_096);
        program.process.memory.write_words(stack + 4_096 - 256, &(0..32).collect::<Vec<u64>>());
        program.process.memory.write_words(program.goroutine + STACK_HIGH_AT, &[stack + 4_096]);
        let (call, memory) = (Call::new(&program), &program.process.memory);
        let depth = STACK_HIGH - (stack + 4_096) + 256;
        let results = |first| [call.results[0], call.results[1], call.results[2], first, 0, 0, 0, 0, 0];
        let hits = [
            (event::BEGIN, function, depth, call.arguments),
            (event::BEGIN, inner, depth + 64, call.arguments),
            (event::ANNOTATE, inner, depth + 80, call.arguments),
            (event::END, inner, depth + 64, results(1)),
            (event::END, function, depth, results(2)),
            // `runtime.gopanic`.
            (event::BEGIN, function, depth, call.arguments),
            (event::BEGIN, 0, depth + 64, call.arguments),
            (event::END, function, depth, results(3)),
        ];
        for (event, number, depth, arguments) in hits {
            let times = numbers.below(3);
            memory.disturb(&mut numbers, times);
            let wrong = |word| if numbers.below(16) == 0 { memory.wrong(word, &mut numbers) } else { word };
            let arguments = arguments.map(wrong);
            let depth = if numbers.below(32) == 0 { numbers.any() } else { depth };
            let depth = STACK_HIGH.wrapping_sub(depth);
            let registers = Registers { stack_pointer: depth, ..Registers::calling(&arguments, program.goroutine) };
            program.process.registers.set(registers);
            program.process.cookie.set(Cookie { event: event | number << 8, recipe: 0 });
            let _missed = if event == event::ANNOTATE { super::super::annotate(&program.process) } else { any(&program.process) };
            program.process.take_records().iter().for_each(|record| has_its_form(record));
        }
    }
}
