//! The span of a context, where it is one of ours.

use super::*;
use crate::instrumentations::otel_api::SUPERSEDED;
use crate::target::fake::PAGE;
use crate::trace::stand_in::OBJECT_AT;

/// What the function is to return: an itab and an object.
type Words = [u64; 2];

impl<const STORES: bool> Program<STORES> {
    fn current(&self, context: [u64; 2]) -> Result<Words, Missed> {
        let done = self.hit(event::CURRENT, &context);
        let words =
            if STORES { self.process.left.take().map(returned) } else { self.slot(site::CURRENT_SPAN).as_ref().map(words_of) };
        assert!(self.is_idle());
        assert_eq!(done.is_ok(), words.is_some());
        done.map(|()| words.unwrap())
    }

    /// What stands in at an address.
    fn stand_in(&self, [_, object]: Words) -> &StandIn {
        let at = usize::try_from(object - FIRST - OBJECT_AT).unwrap();
        assert_eq!(at % size_of::<StandIn>(), 0);
        &self.process.stand_ins[at / size_of::<StandIn>()]
    }

    /// The `trace.SpanContext` of what stands in.
    fn identity(&self, words: Words) -> [u64; 8] {
        let object = self.stand_in(words).object.each_ref().map(crate::shared::Shared::get);
        *object[4..].first_chunk().unwrap()
    }
}

fn words_of(slot: &Slot) -> Words {
    assert_eq!(slot.meant_for[meant_for::DEPTH], STACK_HIGH - STACK + 8);
    returned(*slot.words.first_chunk().unwrap())
}

/// No other function takes the place of this one.
fn returned([table, object, function]: [u64; 3]) -> Words {
    assert_eq!(function, 0);
    [table, object]
}

/// Runs a test where probes write, and where the program does.
fn both(one: fn(&Program<true>), other: fn(&Program<false>)) {
    one(&Program::new().with_stand_ins());
    other(&Program::new().with_stand_ins());
}

fn ours<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_elsewhere(&span(3));
    let one = program.current(served).unwrap();
    assert_eq!(one[0], FIRST + (u64::from(TABLE) * size_of::<StandIn>() as u64 + OBJECT_AT));
    assert_eq!(program.identity(one), identity(3, 1, [0; 3], 0));
    let [table, ..] =
        program.process.stand_ins[TABLE as usize].object.first_chunk::<6>().unwrap().each_ref().map(crate::shared::Shared::get);
    assert_eq!(table, 1);
    // The same span has the same object, by whichever context.
    assert_eq!(program.current(program.cancel(served)), Ok(one));
    // Another one has another, and that of one which is not sampled says so, and that it is not recorded.
    let other = program.current(program.serve_elsewhere(&SpanIdentity { trace_flags: 0, ..span(5) })).unwrap();
    assert_eq!(program.identity(other), identity(5, 0, [0; 3], 0));
    assert_ne!(other[0], one[0]);
    assert_ne!(other[1], one[1]);
    assert_eq!(program.identity(one), identity(3, 1, [0; 3], 0));
}

#[test]
fn one_of_ours_has_what_stands_in_for_it() {
    both(ours, ours);
}

fn innermost<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve(program.goroutine, &span(3));
    program.open(0, &SpanIdentity { span_id: [8; 8], parent_span_id: [3; 8], ..span(3) }, 0);
    let words = program.current(served).unwrap();
    assert_eq!(program.identity(words)[2], u64::from_ne_bytes([8; 8]));
    assert_eq!(program.stand_in(words).holder.get(), frames::holder(program.goroutine, 0));
}

#[test]
fn it_is_the_innermost() {
    both(innermost, innermost);
}

fn nothing<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_elsewhere(&span(3));
    let nearer = [identity(4, 1, [0; 3], 0), identity(4, 0, [0; 3], 0), identity(4, 1, [0; 3], 1)];
    let contexts = nearer.map(|identity| program.with_span(served, identity));
    let [_, data] = served;
    for context in contexts.into_iter().chain([[0, 0], [0, data], program.cancel([0, 0]), [0xdead_0000, 0xdead_0000]]) {
        assert_eq!(program.current(context), Err(Missed::NothingToDo), "{context:x?}");
    }
    // Farther than the request.
    let inner = program.with_span([0, 0], identity(4, 1, [0; 3], 1));
    program.process.memory.write_words(served[1], &inner);
    assert_eq!(program.identity(program.current(served).unwrap())[2], u64::from_ne_bytes([3; 8]));
    program.process.forget_context(data);
    assert_eq!(program.current(served), Err(Missed::NothingToDo));
}

#[test]
fn what_is_not_ours_or_not_the_nearest_has_nothing() {
    both(nothing, nothing);
}

/// Memory of the process at the object that stands in, as the process has it mapped.
fn mapped<const STORES: bool>(program: &Program<STORES>, words: Words) -> [u64; 2] {
    let [_, object] = words;
    let identity = program.identity(words);
    program.process.memory.map(object / PAGE, vec![0; 4096]);
    program.process.memory.write_words(object + 32, &identity);
    program.interface(VALUE, &[0, 0, KEY + BIAS, 0, SPAN, object])
}

fn elsewhere<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_elsewhere(&span(3));
    let words = program.current(served).unwrap();
    // Taken out of its context and put into another one.
    assert_eq!(program.current(mapped(program, words)), Ok(words));
    let unsampled = program.current(program.serve_elsewhere(&SpanIdentity { trace_flags: 0, ..span(5) })).unwrap();
    assert_eq!(program.current(mapped(program, unsampled)), Ok(unsampled));
    assert_ne!(words[0], unsampled[0]);
}

#[test]
fn in_another_context_it_stays_what_it_is() {
    both(elsewhere, elsewhere);
}

fn superseded<const STORES: bool>(program: &Program<STORES>) {
    let by = program.process.goroutine_struct();
    let served = program.serve(by, &span(3));
    let operation = program.process.goroutine(by).unwrap().active().unwrap();
    operation.is_reported.set(SUPERSEDED);
    assert_eq!(program.current(served), Err(Missed::NothingToDo));
    operation.is_reported.set(0);
    assert!(program.current(served).is_ok());
    let context = program.cancel([0, 0]);
    let frame = program.open(flag::SERVES, &span(5), context[1]);
    program.process.remember_context(context[1], frames::holder(program.goroutine, 0));
    assert!(program.current(context).is_ok());
    frame.is_reported.set(SUPERSEDED);
    assert_eq!(program.current(context), Err(Missed::NothingToDo));
}

#[test]
fn whose_place_the_sdk_has_taken_has_nothing() {
    both(superseded, superseded);
}

#[test]
fn a_program_without_a_type_for_it_has_nothing() {
    let mut program = Program::<true>::new().with_stand_ins();
    program.config.stand_in_table = Setting::new(0);
    assert_eq!(program.current(program.serve_elsewhere(&span(3))), Err(Missed::NothingToDo));
}

/// Where the method that is ours is not known, the type is as it is.
#[test]
fn without_a_method_of_its_own_it_has_the_programs_table() {
    let mut program = Program::<true>::new().with_stand_ins();
    program.config.is_recording = Setting::new(0);
    let [table, _] = program.current(program.serve_elsewhere(&span(3))).unwrap();
    assert_eq!(table, program.config.stand_in_table.get() + BIAS);
}

/// A table that cannot be read would have no methods.
#[test]
fn without_the_table_there_is_nothing() {
    let program = Program::<true>::new().with_stand_ins();
    let table = program.config.stand_in_table.get() + BIAS;
    let served = program.serve_elsewhere(&span(3));
    let page = table / crate::target::fake::PAGE;
    let bytes = program.process.memory.unmap(page);
    assert_eq!(program.current(served), Err(Missed::NoRoom));
    program.process.memory.map(page, bytes);
    assert!(program.current(served).is_ok());
}

#[test]
fn without_room_there_is_nothing() {
    let mut program = Program::<false>::new().with_stand_ins();
    let served = program.serve_elsewhere(&span(3));
    program.process.stand_ins.iter().for_each(|stand_in| stand_in.taken.set(1));
    assert_eq!(program.current(served), Err(Missed::NoRoom));
    program.process.stand_ins.iter().for_each(|stand_in| stand_in.taken.set(0));
    program.process.buckets.clear();
    assert_eq!(program.hit(event::CURRENT, &served), Err(Missed::NoRoom));
}
