//! What is remembered of a goroutine: its open operations, one within the other.

use crate::shared::Shared;
use crate::target::Target;
use crate::trace::operation::Operation;

/// Operations that may be open within each other. A request that is served, and one that is made for it: more kinds there are
/// not yet.
pub const MAX_OPERATIONS: usize = 2;

/// A goroutine.
///
/// The entry stays when its operations have ended: the runtime uses a `g` again, so their number is bounded. Only the goroutine's
/// own thread writes to it, unless the kernel gives the memory to another one.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// The address of its `g`: written when the memory is given to it, and never again.
    holder: Shared<u64>,
    /// How many operations are open.
    open: Shared<u64>,
    /// The pattern that a `ServeMux` has found for the request that is served, which it noted in a copy perhaps: address and length.
    pub route: [Shared<u64>; 2],
    /// The open operations, the innermost last.
    operations: [Operation; MAX_OPERATIONS],
}

/// One of which nothing is known yet.
pub const NEW_GOROUTINE: Goroutine = Goroutine {
    holder: Shared::new(0),
    open: Shared::new(0),
    route: [const { Shared::new(0) }; 2],
    operations: [const { Operation::NONE }; MAX_OPERATIONS],
};

impl Goroutine {
    /// Where the number of open operations lies in an entry: for tests that look at the map.
    pub const OPEN_AT: usize = core::mem::offset_of!(Self, open);

    /// The memory is now that of the goroutine whose `g` is at `holder`.
    #[inline(always)]
    pub fn give_to(&self, holder: u64) {
        self.holder.set(holder);
    }

    /// Whether this memory is still that of the goroutine at `holder`.
    #[inline(always)]
    #[must_use]
    pub fn is_held_by(&self, holder: u64) -> bool {
        self.holder.get() == holder
    }

    /// How many operations are open.
    #[inline(always)]
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.get()
    }

    /// The open operation with this number, from 0 for the outermost.
    #[inline(always)]
    #[must_use]
    pub fn operation(&self, number: u64) -> Option<&Operation> {
        #[expect(clippy::cast_possible_truncation, reason = "compared before")]
        if number < self.open.get() { self.operations.get(number as usize) } else { None }
    }

    /// The innermost open operation that serves a request, or that does not, and its number.
    #[inline(always)]
    fn innermost(&self, is_server: bool) -> Option<(u64, &Operation)> {
        let open = self.open.get();
        let inside_out = (0..MAX_OPERATIONS as u64).rev().zip(self.operations.iter().rev());
        inside_out.filter(|(number, _)| *number < open).find(|(_, operation)| operation.is_server() == is_server)
    }

    /// The request that it serves.
    #[inline(always)]
    #[must_use]
    pub fn served(&self) -> Option<(u64, &Operation)> {
        self.innermost(true)
    }

    /// The round trip that it makes.
    #[inline(always)]
    #[must_use]
    pub fn round_trip(&self) -> Option<(u64, &Operation)> {
        self.innermost(false)
    }

    /// What the goroutine does for others: the parent of what it begins, and of the goroutines that it creates. What runs within
    /// a round trip is part of that, and of what it is made for.
    #[inline(always)]
    #[must_use]
    pub fn active(&self) -> Option<&Operation> {
        self.served().map(|(_, operation)| operation)
    }

    /// The memory for one more operation, within those that are open. It is open once [`Self::opened`] is called. `None` where
    /// there are too many.
    #[inline(always)]
    #[must_use]
    pub fn next(&self) -> Option<&Operation> {
        #[expect(clippy::cast_possible_truncation, reason = "at most the number of operations")]
        self.operations.get(self.open.get() as usize)
    }

    /// That operation is open now.
    #[inline(always)]
    pub fn opened(&self) {
        self.open.set(self.open.get() + 1);
    }

    /// Closes the operation with this number and what is open within it: their ends will never come, for they were unwound by a
    /// panic or by `runtime.Goexit`.
    ///
    /// A call of its own in BPF: what it branches on is forgotten when it returns.
    #[inline(never)]
    pub fn abandon<T: Target>(&self, target: &T, number: u64) {
        let open = self.open.get();
        if open <= number {
            return;
        }
        for (at, operation) in (0..).zip(&self.operations) {
            if at >= number && at < open {
                operation.forget(target);
            }
        }
        self.open.set(number);
    }
}

const _: () = assert!(size_of::<Goroutine>() == 32 + MAX_OPERATIONS * size_of::<Operation>());
