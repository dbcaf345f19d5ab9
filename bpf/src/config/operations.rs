//! How operations of libraries are recognised and captured: recipes that one body interprets for all of them.
//!
//! The launcher compiles them from signatures and expressions of Go (`launcher/src/probes/recipe.rs`), and
//! [`crate::instrumentations::operations`] follows them. They stand in maps: to the verifier they are data, so that verification costs
//! the same for one library and for thirty.

use core::mem::size_of;

use bytemuck::{Pod, Zeroable};

/// One step of a recipe. It works on a value of up to two words: a number, an address, a string (address and length), a slice
/// (address and length), an interface (table or type, and data).
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecipeStep {
    /// One of [`code`].
    pub code: u16,
    /// How many of the following steps are left out: where this one fails, or, from [`code::REQUIRE`] on, where it succeeds.
    pub skip: u16,
    /// What the code says.
    pub argument: u32,
    /// What the code says.
    pub value: u64,
}

/// Values of [`RecipeStep::code`].
pub mod code {
    /// Both words from integer registers, by the processor's numbers: the first is `argument & 31`, the second `argument >> 8 & 31`.
    /// Of the first, only the bits of `value` count.
    pub const REGISTERS: u16 = 0;
    /// Both words from the stack, `value` bytes above the stack pointer.
    pub const STACK: u16 = 1;
    /// Both words from the results of the function: the first is the one with the number `argument & 7`, the second `argument >> 8 & 7`.
    /// Of the first, only the bits of `value` count.
    pub const RESULTS: u16 = 2;
    /// The error that was noted.
    pub const ERROR: u16 = 3;
    /// The object that was noted.
    pub const OBJECT: u16 = 4;
    /// Adds `value` to the first word.
    pub const ADD: u16 = 5;
    /// The word at the first one plus `value`.
    pub const LOAD: u16 = 6;
    /// Both words at the first one plus `value`.
    pub const LOAD_PAIR: u16 = 7;
    /// Keeps the bits of `value` of the first word.
    pub const MASK: u16 = 8;
    /// From an interface with methods to its data, if its type's descriptor is at `value` in the file. It fails where it is another. If
    /// `argument` is not 0, the linker has made a table for it, at `value` plus `argument`, a signed number.
    pub const ASSERT: u16 = 9;
    /// The same for an interface without methods.
    pub const ASSERT_ANY: u16 = 10;
    /// From an interface with methods to the address of its type's descriptor, or, where that is not in memory, to the address of its
    /// table plus [`super::operations::TABLE`]. It fails for a nil interface.
    pub const TYPE_OF: u16 = 11;
    /// From a slice to the address of its element number `value`, of `argument` bytes each. It fails beyond the length.
    pub const INDEX: u16 = 12;
    /// The second word becomes the first.
    pub const SECOND: u16 = 13;
    /// It fails for a nil pointer.
    pub const NOT_NIL: u16 = 14;
    /// If the interface's type's descriptor is at `value` in the file: the interface that lies `argument` bytes behind its data.
    pub const UNWRAP: u16 = 15;
    /// Both words from the stack of the function where the operation began: `value` bytes from where the stack pointer was at its first
    /// instruction.
    pub const FRAME: u16 = 16;
    /// The operation is none unless the first word is `value`; where `argument` is 1, unless it is another.
    pub const REQUIRE: u16 = 17;
    /// Notes an interface as the operation's `context.Context`.
    pub const CONTEXT: u16 = 18;
    /// Notes the first word as the operation's object.
    pub const NOTE_OBJECT: u16 = 19;
    /// Notes an interface as the operation's error.
    pub const NOTE_ERROR: u16 = 20;
    /// Notes the first word as the operation's carrier, the map that came with it.
    pub const NOTE_CARRIER: u16 = 21;
    /// Captures the first word under the number `argument`.
    pub const CAPTURE_WORD: u16 = 22;
    /// Captures the first word under the number `argument`: what is captured behind it is known by that. Where the same was captured less
    /// than [`super::operations::KNOWN_FOR`] ago, `skip` steps are left out.
    pub const CAPTURE_KEY: u16 = 26;
    /// Captures a string under the number `argument`, at most `value` bytes.
    pub const CAPTURE_TEXT: u16 = 23;
    /// Captures under the number `argument` what an interface with methods holds: the address of its type's descriptor, the first
    /// three words of its data, and, if these begin with a plausible string, at most `value` bytes of that.
    pub const CAPTURE_VALUE: u16 = 24;
    /// The same of an interface without methods.
    pub const CAPTURE_ANY: u16 = 25;
}

/// Some of the steps.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The number of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// A function where operations begin, or where their objects end.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationRecipe {
    /// At its start: the condition, the context, the object.
    pub begin: Steps,
    /// At its start: what is captured.
    pub start: Steps,
    /// At its end: error and object, what is captured.
    pub end: Steps,
    /// The layer of its library: one bit, which also switches it off ([`super::instrumentation`]).
    pub layer: u32,
    /// Layers within which it is no operation.
    pub inside: u32,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Which function's end is its end, of those that are called last by several ([`event::TAIL`]); 0: its own is.
    pub tail: u32,
}

/// Bits of [`OperationRecipe::flags`].
pub mod flag {
    /// A request to something outside: goroutines that it creates are not its own.
    pub const IS_CLIENT: u32 = 1;
    /// No operation: something is learnt of the one around.
    pub const IS_ANNOTATION: u32 = 4;
    /// It goes on until its object ends, where it returns one and no error. One that is resumed ends where it returns an error.
    pub const HAS_OBJECT: u32 = 2;
    /// No operation: it ends the object of one; where one is resumed, in any case.
    pub const ENDS_OBJECT: u32 = 8;
    /// No operation: its object is a key, and what is known by it is forgotten.
    pub const FORGETS: u32 = 16;
    /// It serves a request from elsewhere: its context is that of all that is done for it, and its carrier names its parent.
    pub const SERVES: u32 = 32;
    /// Its context is injected into what it sends.
    pub const INJECTS: u32 = 64;
    /// No operation: one goes on, on this goroutine, until the function ends.
    pub const RESUMES: u32 = 128;
    /// An annotation of the request that is served, whatever is open within that. Its object is the request, where that is known.
    pub const ABOUT_SERVED: u32 = 256;
    /// A round trip of `net/http` sends its request, and is no operation of its own.
    pub const BY_HTTP: u32 = 512;
    /// An annotation that is learnt where a function returns: of parameters that it keeps on the stack, so that [`super::OperationRecipe::start`]
    /// is followed; the cookie has the number of the recipe that says to whom.
    pub const RETURNS: u32 = 1_024;
    /// What it ends may end before the function has returned in which it began, on another goroutine: then that is told by the object alone.
    pub const MAY_BE_EARLY: u32 = 2_048;
    /// It is not told when its function returns, unless that is a failure, or it goes on elsewhere: it stays open on its goroutine until its
    /// object ends there, which is told while it is open.
    pub const STAYS: u32 = 4_096;
}

/// What a hit means: the low eight bits of [`super::Cookie::event`]; above it is the number of the [`OperationRecipe`].
pub mod event {
    /// An operation begins.
    pub const BEGIN: u32 = 1;
    /// The function where one began ends; the cookie has the number of the end's recipe.
    pub const END: u32 = 2;
    /// The object of an operation ends, at the start of this function.
    pub const CLOSE: u32 = 3;
    /// The same, with what is known at the function's end, which is [`END`].
    pub const CLOSING: u32 = 4;
    /// Something is known of the operation around.
    pub const ANNOTATE: u32 = 5;
    /// A panic begins: `runtime.gopanic(e any)`.
    pub const PANIC: u32 = 6;
    /// `runtime.Goexit()`.
    pub const GOEXIT: u32 = 7;
    /// The function ends that an operation calls last: the number is that of the function ([`super::OperationRecipe::tail`]), and the cookie
    /// has that of the end's recipe.
    pub const TAIL: u32 = 8;
    /// An operation goes on that has an object, on this goroutine, until the function ends.
    pub const RESUME: u32 = 9;
}

/// Added to the address of an interface's table (`internal/abi.ITab`) where that of a type's descriptor is expected: the table is not in
/// memory, because nothing has touched it yet. Both are aligned.
pub const TABLE: u64 = 1;

/// How long what is known of an object is not captured again, in nanoseconds: an address may be given to another one, although a table
/// says where such an object ends ([`flag::FORGETS`]).
pub const KNOWN_FOR: u64 = 1_000_000_000;

/// Steps that one list has at most.
pub const MAX_STEPS: u32 = 512;

const _: () = assert!(size_of::<RecipeStep>() == 16 && size_of::<OperationRecipe>() == 40);
