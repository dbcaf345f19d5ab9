//! What is remembered of a goroutine: its open operations, one within the other.

use crate::go::string::GoString;
use crate::missed::Missed;
use crate::records::http_server::PATTERNS as ROUTES;
use crate::shared::Shared;
use crate::target::Target;
use crate::trace::operation::Operation;

/// Operations that may be open within each other. A request that is served, and one that is made for it: more kinds there are
/// not yet.
pub const MAX_OPERATIONS: usize = 2;
/// The same, as their numbers are counted.
const NUMBERS: u32 = 2;
const _: () = assert!(NUMBERS as usize == MAX_OPERATIONS);

/// A goroutine.
///
/// The entry stays when its operations have ended: the runtime uses a `g` again, so their number is bounded. Only the goroutine's
/// own thread writes to it, unless the kernel gives the memory to another one.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// The address of its `g`. What is written to memory that the kernel has given to another goroutine meanwhile shows here.
    holder: Shared<u64>,
    /// How many operations are open.
    open: Shared<u32>,
    /// Bits of [`unopened`], and from the bit [`FRAMES_FROM`] on how many operations of tables are open ([`crate::trace::frames`]), within
    /// the request that is served.
    unopened: Shared<u32>,
    /// The patterns that `ServeMux`es within each other have found for the request that is served, which they noted in copies perhaps: the
    /// address, and from the bit [`LENGTH_FROM`] on the length; 0 where there is none.
    routes: [Shared<u64>; ROUTES],
    /// The open operations, the innermost last.
    operations: [Operation; MAX_OPERATIONS],
}

/// What has begun without an operation: it was switched off, could not be read, or is no request. Its end is no loss.
pub mod unopened {
    /// A request that is served.
    pub const SERVED: u32 = 1;
    /// A round trip.
    pub const ROUND_TRIP: u32 = 2;
}

/// A panic has begun within an operation that is open, or was open then: of [`Goroutine::unopened`], too.
const PANICKED: u32 = 4;
/// Addresses have less bits; the patterns of muxes are shorter than what the others hold.
const LENGTH_FROM: u32 = 48;
/// See [`Goroutine::frames`].
const FRAMES_FROM: u32 = 8;

/// One of which nothing is known yet.
pub const NEW_GOROUTINE: Goroutine = Goroutine {
    holder: Shared::new(0),
    open: Shared::new(0),
    unopened: Shared::new(0),
    routes: [const { Shared::new(0) }; ROUTES],
    operations: [const { Operation::NONE }; MAX_OPERATIONS],
};

impl Goroutine {
    /// Where the number of open operations lies in an entry: for tests that look at the map.
    pub const OPEN_AT: usize = core::mem::offset_of!(Self, open);

    /// The memory is now that of the goroutine whose `g` is at `holder`, of which nothing is known.
    #[inline(always)]
    pub fn give_to(&self, holder: u64) {
        self.open.set(0);
        self.unopened.set(0);
        self.holder.set(holder);
    }

    /// Forgets the routes that muxes have found.
    #[inline(always)]
    pub fn forget_routes(&self) {
        for route in &self.routes {
            route.set(0);
        }
    }

    /// A mux has found a route for the request that is served.
    #[inline(always)]
    pub fn found_route(&self, found: GoString) {
        let [others @ .., last] = &self.routes;
        let free = others.iter().find(|route| route.get() == 0).unwrap_or(last);
        free.set(found.address | found.length << LENGTH_FROM);
    }

    /// The routes that muxes have found, the outermost first.
    #[inline(always)]
    #[must_use]
    pub fn routes(&self) -> [GoString; ROUTES] {
        self.routes.each_ref().map(|route| {
            let route = route.get();
            GoString { address: route & ((1 << LENGTH_FROM) - 1), length: route >> LENGTH_FROM }
        })
    }

    /// How many operations of tables are open.
    #[inline(always)]
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.unopened.get() >> FRAMES_FROM
    }

    /// So many operations of tables are open from now on.
    #[inline(always)]
    pub fn set_frames(&self, open: u32) {
        let kept = if open == 0 { (1 << FRAMES_FROM) - 1 - PANICKED } else { (1 << FRAMES_FROM) - 1 };
        self.unopened.set(self.unopened.get() & kept | open << FRAMES_FROM);
    }

    /// A panic begins within an operation of a table, which it may unwind.
    #[inline(always)]
    pub fn panics(&self) {
        self.unopened.set(self.unopened.get() | PANICKED);
    }

    /// Whether a panic has begun, since the last time that no operation of a table was open.
    #[inline(always)]
    #[must_use]
    pub fn has_panicked(&self) -> bool {
        self.unopened.get() & PANICKED != 0
    }

    /// Whose memory it is: the address of the `g`.
    #[inline(always)]
    #[must_use]
    pub fn holder(&self) -> u64 {
        self.holder.get()
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
    pub fn open(&self) -> u32 {
        self.open.get()
    }

    /// Something of this kind has begun without an operation ([`unopened`]).
    #[inline(always)]
    pub fn not_opened(&self, kind: u32) {
        self.unopened.set(self.unopened.get() | kind);
    }

    /// What the end of something of this kind ([`unopened`]) is that has no operation: a loss, unless it has begun so.
    #[inline(always)]
    #[must_use]
    pub fn end_without_operation(&self, kind: u32) -> Missed {
        let unopened = self.unopened.get();
        self.unopened.set(unopened & !kind);
        if unopened & kind == 0 { Missed::Evicted } else { Missed::NothingToDo }
    }

    /// The innermost open operation that serves a request, or that does not, and its number, from 0 for the outermost.
    #[inline(always)]
    fn innermost(&self, is_server: bool) -> Option<(u32, &Operation)> {
        let open = self.open.get();
        let inside_out = (0..NUMBERS).rev().zip(self.operations.iter().rev());
        inside_out.filter(|(number, _)| *number < open).find(|(_, operation)| operation.is_server() == is_server)
    }

    /// The request that it serves.
    #[inline(always)]
    #[must_use]
    pub fn served(&self) -> Option<(u32, &Operation)> {
        self.innermost(true)
    }

    /// The round trip that it makes.
    #[inline(always)]
    #[must_use]
    pub fn round_trip(&self) -> Option<(u32, &Operation)> {
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
        self.operations.get(self.open.get() as usize)
    }

    /// That operation is open now, which begins something of this kind ([`unopened`]).
    #[inline(always)]
    pub fn opened(&self, kind: u32) {
        self.unopened.set(self.unopened.get() & !kind);
        self.open.set(self.open.get() + 1);
    }

    /// Closes the operation with this number, which has ended, and what is open within it: that will never end, for it was unwound by a
    /// panic or by `runtime.Goexit`.
    ///
    /// A call of its own in BPF: what it branches on is forgotten when it returns.
    #[inline(never)]
    pub fn close<T: Target>(&self, target: &T, number: u32) {
        let open = self.open.get();
        if open <= number {
            return;
        }
        for (at, operation) in (0..).zip(&self.operations) {
            if at >= number && at < open {
                operation.forget(target, self.holder.get());
            }
        }
        self.open.set(number);
    }
}

const _: () = assert!(size_of::<Goroutine>() == 16 + 8 * ROUTES + MAX_OPERATIONS * size_of::<Operation>());
