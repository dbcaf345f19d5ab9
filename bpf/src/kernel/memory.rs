//! The process's memory by the kernel's helpers.

use core::ffi::c_void;
use core::mem::{MaybeUninit, size_of};

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use bpf::records::{MAX_TEXT, RecordBuffer};
use bpf::target::Memory;
use bytemuck::AnyBitPattern;

/// Zero, in memory that could be written: so the verifier does not know it.
static ZERO: Zero = Zero(core::cell::UnsafeCell::new(0));

/// A number that nobody writes.
struct Zero(core::cell::UnsafeCell<u64>);

// SAFETY: nobody writes it.
unsafe impl Sync for Zero {}

/// The process's memory, as the current task sees it.
pub(crate) struct UserMemory;

impl Memory for UserMemory {
    #[inline(always)]
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the helper writes exactly `size_of::<T>()` bytes to `value` or reports an error.
        let result = unsafe { bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const c_void) };
        // SAFETY: all bytes were written, and any bytes are a valid `T` (`AnyBitPattern`).
        (result == 0).then(|| unsafe { value.assume_init() })
    }

    #[inline(always)]
    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the helper writes exactly `size_of::<T>()` bytes to `value`: zeros where it cannot read
        // (`bpf_probe_read_user_common`, kernel/trace/bpf_trace.c). Any bytes are a valid `T` (`AnyBitPattern`).
        unsafe {
            bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const c_void);
            value.assume_init()
        }
    }

    #[inline(always)]
    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        let length = length.min((N * 8) as u32);
        // SAFETY: `length` is at most the size of `words`.
        unsafe { bpf_probe_read_user(words.as_mut_ptr().cast(), length, address as *const c_void) == 0 }
    }

    #[inline(always)]
    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        // SAFETY: the helper writes exactly `size_of::<T>()` bytes to `value` or reports an error.
        let result = unsafe { bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const c_void) };
        // SAFETY: all bytes were written, and any bytes are a valid `T` (`AnyBitPattern`).
        (result == 0).then(|| unsafe { value.assume_init_ref() })
    }

    #[inline(always)]
    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        let length = length.min(N as u32);
        // SAFETY: `length` is at most the size of `bytes`.
        unsafe { bpf_probe_read_user(bytes.as_mut_ptr().cast(), length, address as *const c_void) == 0 }
    }

    #[inline(always)]
    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool {
        // No record is so long that anything is cut: the verifier wants to see that.
        let at = record.length.min((size_of_val(&record.bytes) - MAX_TEXT) as u64);
        let length = length.min(MAX_TEXT as u32);
        // SAFETY: `at + MAX_TEXT` bytes lie within the record, and `length` is at most `MAX_TEXT`.
        unsafe { bpf_probe_read_user(record.bytes.as_mut_ptr().add(at as usize).cast(), length, address as *const c_void) == 0 }
    }

    #[inline(always)]
    fn opaque(&self, value: u64) -> u64 {
        // SAFETY: a valid, aligned, initialised number that nobody writes.
        value + unsafe { ZERO.0.get().read_volatile() }
    }
}
