//! A BPF hash map for unit tests: values by address, that stay where they are.

use core::cell::RefCell;
use std::collections::BTreeMap;

/// Values by an address of the process. Those that are replaced or forgotten stay valid memory, as in the kernel.
#[derive(Debug)]
pub struct Remembered<T: 'static>(RefCell<BTreeMap<u64, &'static T>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Remembered<T> {
    /// The value at `address`.
    pub fn get(&self, address: u64) -> Option<&T> {
        self.0.borrow().get(&address).copied()
    }

    /// Sets the value at `address`.
    pub fn set(&self, address: u64, value: T) {
        self.0.borrow_mut().insert(address, Box::leak(Box::new(value)));
    }

    /// Forgets the value at `address`.
    pub fn forget(&self, address: u64) {
        self.0.borrow_mut().remove(&address);
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
