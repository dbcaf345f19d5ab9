//! The memory of a synthetic program: pages, any of which can be taken away.

use core::cell::{Cell, RefCell};
use core::mem::{MaybeUninit, size_of};
use std::collections::BTreeMap;

use bytemuck::AnyBitPattern;

use crate::records::RecordBuffer;
use crate::target::Memory;

/// Size of a page.
pub const PAGE: u64 = 4096;
/// Where the synthetic heap begins, as in Go.
const HEAP: u64 = 0xc0_0000_0000;

/// A sparse memory image. A read fails as a whole where one of its pages is not mapped.
#[derive(Debug, Default)]
pub struct Pages {
    pages: RefCell<BTreeMap<u64, Vec<u8>>>,
    next: Cell<u64>,
}

impl Pages {
    /// Zeroed memory on pages of its own, with a page that is not mapped behind it.
    pub fn allocate(&self, size: u64) -> u64 {
        let count = size.div_ceil(PAGE).max(1);
        let address = HEAP + self.next.get() * PAGE;
        self.next.set(self.next.get() + count + 1);
        for page in 0..count {
            self.pages.borrow_mut().insert(address / PAGE + page, vec![0; usize::try_from(PAGE).unwrap()]);
        }
        address
    }

    /// Overwrites mapped memory.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        let mut pages = self.pages.borrow_mut();
        for (at, byte) in (address..).zip(bytes) {
            pages.get_mut(&(at / PAGE)).unwrap()[usize::try_from(at % PAGE).unwrap()] = *byte;
        }
    }

    /// Overwrites memory; nothing and false where it is not mapped.
    #[must_use]
    pub fn store(&self, address: u64, bytes: &[u8]) -> bool {
        let is_mapped = self.copy(address, &mut vec![0; bytes.len()]);
        if is_mapped {
            self.write(address, bytes);
        }
        is_mapped
    }

    /// Overwrites mapped memory with words.
    pub fn write_words(&self, address: u64, words: &[u64]) {
        self.write(address, bytemuck::cast_slice(words));
    }

    /// The numbers of all mapped pages.
    #[must_use]
    pub fn mapped(&self) -> Vec<u64> {
        self.pages.borrow().keys().copied().collect()
    }

    /// Takes a page away; gives it back with [`Pages::map`].
    pub fn unmap(&self, page: u64) -> Vec<u8> {
        self.pages.borrow_mut().remove(&page).unwrap()
    }

    /// Puts a page where it was.
    pub fn map(&self, page: u64, bytes: Vec<u8>) {
        self.pages.borrow_mut().insert(page, bytes);
    }

    /// Fills `bytes` from `address`; all zero and false where one of them is not mapped, as the kernel does.
    fn copy(&self, address: u64, bytes: &mut [u8]) -> bool {
        let pages = self.pages.borrow();
        let (mut at, mut left) = (address, &mut *bytes);
        while !left.is_empty() {
            let Some(page) = pages.get(&(at / PAGE)) else {
                bytes.fill(0);
                return false;
            };
            let page = &page[usize::try_from(at % PAGE).unwrap()..];
            let (part, behind) = left.split_at_mut(page.len().min(left.len()));
            part.copy_from_slice(&page[..part.len()]);
            at = at.wrapping_add(part.len() as u64);
            left = behind;
        }
        true
    }
}

impl Memory for Pages {
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        let mut bytes = vec![0; size_of::<T>()];
        self.copy(address, &mut bytes).then(|| bytemuck::pod_read_unaligned(&bytes))
    }

    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        self.read(address).unwrap_or_else(T::zeroed)
    }

    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        let length = bytes.len().min(length as usize);
        self.copy(address, &mut bytes[..length])
    }

    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        let read = self.read(address)?;
        Some(value.write(read))
    }

    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        let length = bytes.len().min(length as usize);
        self.copy(address, &mut bytes[..length])
    }

    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool {
        let at = usize::try_from(record.length).unwrap();
        self.copy(address, &mut record.bytes[at..][..length as usize])
    }

    fn opaque(&self, value: u64) -> u64 {
        value
    }
}
