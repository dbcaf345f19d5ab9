//! Why a probe has not done what it is there for. What is lost is counted by kind; the launcher says how often.

/// What a probe's body returns.
pub type Done = Result<(), Missed>;

/// Why nothing came of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Missed {
    /// The ring buffer was full.
    RingFull = 0,
    /// Memory of the program could not be read.
    Fault = 1,
    /// No room to remember a goroutine.
    NoRoom = 2,
    /// What was remembered had been given to another goroutine, request or context, of which there were too many.
    Evicted = 3,
    /// The context of a request that was answered long ago: its span is not remembered any more.
    ContextForgotten = 4,
    /// A request was sent without trace context: its header could not be reached, or there was no room for what belongs into it.
    NotInjected = 5,
    /// There was nothing to do. Not counted.
    NothingToDo = 6,
}

/// Kinds that are counted: those below [`Missed::NothingToDo`].
pub const COUNTED: u32 = Missed::NothingToDo as u32;
