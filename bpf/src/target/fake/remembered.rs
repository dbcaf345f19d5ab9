//! A BPF hash map for unit tests: values by address, that stay where they are.

use core::cell::{RefCell, UnsafeCell};
use std::collections::BTreeMap;

/// Values by an address of the program.
#[derive(Debug)]
pub struct Remembered<T>(RefCell<BTreeMap<u64, Box<UnsafeCell<T>>>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Copy> Remembered<T> {
    /// The value at `address`.
    pub fn get(&self, address: u64) -> Option<&T> {
        // SAFETY: the box stays where it is until it is forgotten, and tests run one probe at a time.
        self.0.borrow().get(&address).map(|value| unsafe { &*value.get() })
    }

    /// The same, to be written to.
    #[expect(clippy::mut_from_ref, reason = "as in the kernel: what is handed out belongs to the map")]
    pub fn get_mut(&self, address: u64) -> Option<&mut T> {
        // SAFETY: as above, and a probe asks for one value at a time.
        self.0.borrow().get(&address).map(|value| unsafe { &mut *value.get() })
    }

    /// Sets the value at `address`.
    pub fn set(&self, address: u64, value: T) {
        self.0.borrow_mut().insert(address, Box::new(UnsafeCell::new(value)));
    }

    /// Forgets the value at `address`.
    pub fn forget(&self, address: u64) {
        self.0.borrow_mut().remove(&address);
    }

    /// Keeps what `keep` wants.
    pub fn retain(&self, mut keep: impl FnMut(u64, &T) -> bool) {
        self.0.borrow_mut().retain(|address, value| keep(*address, value.get_mut()));
    }

    /// The addresses, in order.
    #[must_use]
    pub fn addresses(&self) -> Vec<u64> {
        self.0.borrow().keys().copied().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
