//! Memory and registers in which anything may be wrong: bodies never panic, and what they report has its form.

use super::*;
use crate::target::fake::PAGE;
use crate::target::fake::disturbed::{Numbers, turns};
use crate::trace::wrapped::span_kind;

/// Hits of every event, on memory that is all in order.
fn hits<const STORES: bool>(program: &Program<STORES>) -> Vec<(u32, Vec<u64>)> {
    let [tracer, sdk] = [16, SDK_SCOPE].map(|at| {
        let tracer = program.process.memory.allocate(128);
        program.process.memory.write_words(tracer + at, &program.process.string(WRAPPER));
        tracer
    });
    let served = program.serve_elsewhere(&span(3));
    let elsewhere = program.with_span(served, identity(4, 1, [0x5000, 1, 1], 1));
    let own = program.with_span(served, identity(4, 1, [0x5000, 1, 1], 0));
    let [span, places, options] = [64, 256, 64].map(|size| program.process.memory.allocate(size));
    program.process.memory.write_words(span + 32, &identity(3, 1, [0; 3], 0));
    program.process.memory.write_words(options + SDK_KIND, &[span_kind::SERVER]);
    let [text, length] = program.process.string(&"t".repeat(20_000));
    let [key, key_length] = program.process.string("key");
    let strings = program.process.strings(&["one", "other"]);
    let attributes = program.words(
        &[
            [key, key_length, 4, 0, text, length, 0, 0],
            [key, key_length, 8, 0, 0, 0, program.words(&[32]), strings[0]],
            [key, key_length, 6, 0, 0, 0, program.words(&[16]), program.words(&[1, 2])],
        ]
        .concat(),
    );
    let option = program.interface(ATTRIBUTE_OPTION + BIAS, &[attributes, 3, 3]);
    let timestamp = program.interface(TIMESTAMP_OPTION + BIAS, &[1, 2, 3]);
    let event_options = program.words(&[option, timestamp].concat());
    let error = program.interface(0x51_0000, &[text, length, 1]);
    vec![
        (event::SWITCH, vec![7, 7, 7, places + 200]),
        (event::SWITCH_PROVIDER, vec![7, 7, places + 208, 7]),
        (event::START, vec![tracer, own[0], own[1], 7, places, places + 32, places + 64]),
        (event::START, vec![tracer, elsewhere[0], elsewhere[1], 7, places, places + 32, places + 64]),
        (event::ENDED, vec![span, text, length, length]),
        (event::CURRENT, served.to_vec()),
        (event::SET_ATTRIBUTES, vec![span, attributes, 3, 3]),
        (event::ADD_EVENT, vec![span, key, key_length, event_options, 2, 2]),
        (event::RECORD_ERROR, vec![span, error[0], error[1], event_options, 2, 2]),
        (event::SET_STATUS, vec![span, 1, text, length]),
        (event::SET_NAME, vec![span, text, length]),
        (event::ADD_LINK, vec![span]),
        (event::SDK_START, vec![sdk, elsewhere[0], elsewhere[1], 7, 7, options]),
    ]
}

fn prepared<const STORES: bool>() -> Program<STORES> {
    let program = Program::<STORES>::new().with_stand_ins();
    program.open(flag::IS_CLIENT, &SpanIdentity { span_id: [8; 8], parent_span_id: [3; 8], ..span(3) }, 0);
    program
}

fn registers<const STORES: bool>(program: &Program<STORES>, arguments: &[u64], stack_pointer: u64) {
    let mut registers = Registers::calling(arguments, program.goroutine);
    registers.stack_pointer = stack_pointer;
    registers.integers[crate::go::abi::FRAME_POINTER] = stack_pointer;
    program.process.registers.set(registers);
}

fn does_not_panic<const STORES: bool>(few: u64) {
    for seed in 0..turns(few) {
        let mut numbers = Numbers::of(seed);
        let program = prepared::<STORES>();
        let hits = hits(&program);
        let memory = &program.process.memory;
        let stack = program.words(&[5, 5, 5, 5, 5, 5, 5, 2, 2, 5, 5, 5]);
        for (event, mut arguments) in hits {
            let times = numbers.below(3);
            memory.disturb(&mut numbers, times);
            for argument in &mut arguments {
                if numbers.below(16) == 0 {
                    *argument = memory.wrong(*argument, &mut numbers);
                }
            }
            registers(&program, &arguments, stack);
            program.process.ring_is_full.set(numbers.below(32) == 0);
            let _missed = program.hit_there(event);
            for record in program.process.take_records() {
                assert!([kind::ENCODED_SPAN, kind::SPAN_CALL, kind::SUPERSEDED].contains(&kind_of(&record)));
            }
            if let Some(slot) = program.slot(site::SPAN_STORES) {
                assert!(commands(&slot).iter().all(|(_, bytes)| [1, 24, 57].contains(&bytes.len())));
            }
        }
    }
}

#[test]
fn nothing_panics() {
    does_not_panic::<true>(150);
    does_not_panic::<false>(150);
}

/// Nothing of the program is there: nothing comes of it, and nothing is written.
#[test]
fn of_what_is_not_there_nothing_is_written() {
    let program = prepared::<true>();
    let hits = hits(&program);
    for page in program.process.memory.mapped() {
        program.process.memory.unmap(page);
    }
    for (event, arguments) in hits {
        registers(&program, &arguments, 0xdead_0000);
        assert!(program.hit_there(event).is_err(), "{event}");
        assert_eq!((program.process.take_records().len(), program.process.left.get()), (0, None));
    }
    assert!(program.process.memory.mapped().is_empty() && program.is_idle());
}

/// Each page in turn is missing: what is written lies where the program wants it.
#[test]
fn only_what_the_program_asks_for_is_written() {
    let program = prepared::<true>();
    for (event, arguments) in hits(&program) {
        let memory = &program.process.memory;
        let places = if event == event::START { arguments[4] / PAGE } else { 0 };
        let switched = [3, 2].map(|number| arguments.get(number).map_or(0, |at| at / PAGE));
        for missing in memory.mapped() {
            let bytes = memory.unmap(missing);
            let before = copy_of(memory);
            registers(&program, &arguments, 0xdead_0000);
            let _missed = program.hit_there(event);
            program.process.take_records();
            let written =
                copy_of(memory).into_iter().zip(before).filter(|(now, before)| now != before).map(|((page, _), _)| page);
            let is_wanted = |page: u64| page == places || event <= event::SWITCH_PROVIDER && switched.contains(&page);
            assert!(written.into_iter().all(is_wanted), "{event}");
            memory.map(missing, bytes);
        }
    }
}

fn copy_of(memory: &crate::target::fake::Pages) -> Vec<(u64, [u8; 4096])> {
    memory.mapped().into_iter().map(|page| (page, crate::target::Memory::read(memory, page * PAGE).unwrap())).collect()
}
