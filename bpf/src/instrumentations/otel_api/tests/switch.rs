//! What switches spans of the API on.

use super::*;

/// The byte is set once, and nothing is where it is set or cannot be read.
fn is_set_once<const STORES: bool>() {
    let program = Program::<STORES>::new();
    let at = program.process.memory.allocate(8);
    program.process.memory.write(at, &[0xee; 8]);
    program.process.memory.write(at + 1, &[0]);
    let switch = |event, arguments: &[u64]| {
        let done = program.hit(event, arguments);
        program.carry_out();
        done
    };
    for (event, arguments) in [(event::SWITCH, [7, 7, 7, at + 1]), (event::SWITCH_PROVIDER, [7, 7, at + 1, 7])] {
        program.process.memory.write(at + 1, &[0]);
        switch(event, &arguments).unwrap();
        assert_eq!(program.process.read(at), Some([0xee_u8, 1, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee]));
        assert_eq!(switch(event, &arguments), Err(Missed::NothingToDo), "it is set");
        assert_eq!(switch(event, &[7, 7, 7, 7]), Err(Missed::NothingToDo), "there is none");
    }
    assert!(program.is_idle());
}

#[test]
fn it_is_set_once() {
    is_set_once::<true>();
    is_set_once::<false>();
}

#[test]
fn without_a_slot_there_is_no_room() {
    let mut program = Program::<false>::new();
    program.process.buckets.clear();
    let at = program.process.memory.allocate(8);
    assert_eq!(program.hit(event::SWITCH, &[7, 7, 7, at]), Err(Missed::NoRoom));
}

/// Everything of the API is.
#[test]
fn it_is_switched_off() {
    let program = Program::<true>::new().with_stand_ins();
    let at = program.process.memory.allocate(128);
    program.process.settings.off.set(crate::config::instrumentation::OTEL_API);
    for event in (event::SWITCH..=event::SDK_START).chain(event::SET_ATTRIBUTES..=event::ADD_LINK) {
        assert_eq!(program.hit(event, &[at; 9]), Err(Missed::NothingToDo), "{event}");
    }
    assert_eq!(program.process.read(at), Some([0_u64; 16]));
    assert!(program.process.take_records().is_empty());
}
