//! Memory of maps, which other probes may read and write at the same time.
//!
//! What a map holds is handed out as `&`, and its words change through this type alone: so no probe has a `&mut` to memory that
//! another one has too, in whichever way its body is compiled. What must be consistent over several words says so itself
//! ([`crate::trace::sealed`]).

use core::cell::UnsafeCell;

/// What processors read and write at once.
pub trait Word: Copy + Default {}

impl Word for u32 {}
impl Word for u64 {}

/// A word that others may read and write meanwhile.
#[repr(transparent)]
#[derive(Default)]
pub struct Shared<W>(UnsafeCell<W>);

// SAFETY: all access is by single volatile loads and stores of an aligned word.
unsafe impl<W: Word> Sync for Shared<W> {}

impl<W: Word> Shared<W> {
    /// With this value.
    pub const fn new(value: W) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value at this moment.
    #[inline(always)]
    pub fn get(&self) -> W {
        // SAFETY: valid, aligned and initialised; of a word that is written meanwhile, one value or the other is read.
        unsafe { self.0.get().read_volatile() }
    }

    /// Stores a value.
    #[inline(always)]
    pub fn set(&self, value: W) {
        // SAFETY: valid and aligned, and nobody has a reference to what is in it.
        unsafe { self.0.get().write_volatile(value) }
    }

    /// Where it is, for an atomic instruction.
    #[inline(always)]
    pub const fn as_ptr(&self) -> *mut W {
        self.0.get()
    }
}

impl<W: Word> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl<W: Word + core::fmt::Debug> core::fmt::Debug for Shared<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.get().fmt(f)
    }
}

/// Memory in a map that belongs to one probe at a time: whoever has swapped its tag.
#[repr(transparent)]
#[derive(Debug)]
pub struct Taken<T>(UnsafeCell<T>);

// SAFETY: see `Taken::get`.
unsafe impl<T: Send> Sync for Taken<T> {}

impl<T> Taken<T> {
    /// With this value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The memory.
    ///
    /// # Safety
    /// The caller has it: nobody else calls this before it is given back, and no other reference to it is left.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller's contract")]
    pub const unsafe fn get(&self) -> &mut T {
        // SAFETY: valid, aligned and initialised; the caller is the only one who has a reference.
        unsafe { &mut *self.0.get() }
    }

    /// Where it is.
    #[inline(always)]
    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}
