//! The memory that the launcher makes for a program: one file of memory, parts of which both map.
//!
//! ```text
//! control │ slots │ ring │ code, configuration, thunks
//! shared, writable ──────┘ │ private to the program, executable, and not writable there
//! ```

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use bpf::slots::{BUCKETS, Bucket};
use memmap2::{MmapOptions, MmapRaw};
use native::control::{CONTROL_BYTES, Control};
use native::ring::{RING_BYTES, Ring};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use super::visible::make_visible;

/// The largest page that a kernel may have: parts of the file begin at multiples of it.
const PAGE: usize = if cfg!(target_arch = "aarch64") { 65_536 } else { 4_096 };
/// Bytes of the [`bpf::slots`].
const SLOTS_BYTES: usize = BUCKETS as usize * size_of::<Bucket>();
/// Where the slots begin.
pub(super) const SLOTS_AT: usize = CONTROL_BYTES;
/// Bytes of control and slots, which are mapped at once, in whole pages.
pub(super) const HEAD_BYTES: usize = (CONTROL_BYTES + SLOTS_BYTES).next_multiple_of(PAGE);
/// Where the ring begins.
pub(super) const RING_AT: usize = HEAD_BYTES;
/// Where the code begins.
pub(super) const CODE_AT: usize = RING_AT + RING_BYTES;

/// What the file is called in `/proc/PID/maps`.
const NAME: &CStr = c"go-auto-launch";
/// `MFD_NOEXEC_SEAL` (`linux/memfd.h`, since Linux 6.3): with `vm.memfd_noexec=2` there is no other file. Its mappings may be executable
/// all the same; it is only not a file that can be executed.
const MFD_NOEXEC_SEAL: libc::c_uint = 0x8;

/// The file, and the launcher's mappings of it.
#[derive(Debug)]
pub(super) struct Memory {
    file: OwnedFd,
    head: MmapRaw,
    /// The ring, twice in a row.
    ring: TwiceMapped,
    /// Bytes of the code.
    code_bytes: usize,
}

impl Memory {
    /// Makes the file, with room for `code_bytes` of code, in whole pages.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn new(code_bytes: usize) -> io::Result<Self> {
        let code_bytes = code_bytes.next_multiple_of(PAGE);
        let file = memory_file()?;
        let size = libc::off_t::try_from(CODE_AT + code_bytes).map_err(io::Error::other)?;
        nix::unistd::ftruncate(&file, size)?;
        // Whoever has it mapped is never surprised by SIGBUS.
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL))?;
        let head = MmapOptions::new().len(HEAD_BYTES).map_raw(&file)?;
        let ring = TwiceMapped::new(file.as_fd())?;
        Ok(Self { file, head, ring, code_bytes })
    }

    /// The file.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Bytes of the code, in whole pages.
    pub(super) fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// Puts the code into the file. The program has not looked at it yet.
    ///
    /// # Errors
    /// Where it does not fit, or what the kernel says.
    pub(super) fn fill(&self, code: &[u8]) -> io::Result<()> {
        if code.len() > self.code_bytes {
            return Err(io::Error::other("the code is longer than was thought"));
        }
        let map = MmapOptions::new().offset(CODE_AT as u64).len(self.code_bytes).map_raw(&self.file)?;
        // SAFETY: so many bytes are mapped there, and nothing else refers to them.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), map.as_mut_ptr(), code.len()) };
        make_visible(map.as_ptr(), code.len());
        Ok(())
    }

    /// The head.
    pub(super) fn control(&self) -> &Control {
        // SAFETY: mapped, larger than the head, aligned to a page, and zero at first, which is a head; all its words are atomic or shared.
        unsafe { &*self.head.as_ptr().cast() }
    }

    /// The ring.
    pub(super) fn ring(&self) -> Ring<'_> {
        // SAFETY: mapped twice in a row for as long as this lives, and touched by rings only.
        unsafe { Ring::new(self.control(), self.ring.address, RING_BYTES) }
    }
}

/// A file of memory that can be sealed.
fn memory_file() -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    let create = |flags: libc::c_uint| {
        // SAFETY: the name is a string that ends with a zero byte; the call touches no other memory.
        let fd = Errno::result(unsafe { libc::memfd_create(NAME.as_ptr(), flags) })?;
        // SAFETY: a new descriptor, which is nobody else's.
        Ok::<_, Errno>(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    match create(flags | MFD_NOEXEC_SEAL) {
        // A kernel that does not know the flag has no such rule.
        Err(Errno::EINVAL) => Ok(create(flags)?),
        other => Ok(other?),
    }
}

/// The ring's part of the file, twice in a row.
#[derive(Debug)]
struct TwiceMapped {
    address: *const AtomicU64,
}

// SAFETY: an address of memory that only rings touch, by atomic words.
unsafe impl Send for TwiceMapped {}
// SAFETY: as above.
unsafe impl Sync for TwiceMapped {}

impl TwiceMapped {
    fn new(file: BorrowedFd<'_>) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping where the kernel finds room.
        let room = unsafe { libc::mmap(std::ptr::null_mut(), 2 * RING_BYTES, libc::PROT_NONE, anonymous, -1, 0) };
        if room == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let twice = Self { address: room.cast_const().cast() };
        let offset = libc::off_t::try_from(RING_AT).map_err(io::Error::other)?;
        for half in 0..2 {
            // SAFETY: within the room, which is nobody else's.
            let mapped = unsafe {
                let at = room.byte_add(half * RING_BYTES);
                let access = libc::PROT_READ | libc::PROT_WRITE;
                libc::mmap(at, RING_BYTES, access, libc::MAP_SHARED | libc::MAP_FIXED, file.as_raw_fd(), offset)
            };
            if mapped == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(twice)
    }
}

impl Drop for TwiceMapped {
    fn drop(&mut self) {
        // SAFETY: what `new` has mapped; nobody has a reference to it any more (`Memory::ring`).
        unsafe { libc::munmap(self.address.cast_mut().cast(), 2 * RING_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use native::ring::Consumer;

    /// Records of a size that does not divide the ring, some of which are always left, so that producers are not sent back to its
    /// beginning.
    #[test]
    fn records_cross_the_end_of_the_ring() {
        const SIZE: usize = 5_000;
        let memory = Memory::new(1).unwrap();
        let mut consumer = Box::new(Consumer::new(memory.ring()));
        let bytes = |number: usize| [u8::try_from(number % 251).unwrap(); SIZE];
        memory.ring().reserve(SIZE).unwrap().commit(&bytes(0));
        for number in 0..20_000 {
            memory.ring().reserve(SIZE).unwrap().commit(&bytes(number + 1));
            assert!(consumer.next(&mut |record| assert_eq!(record, bytes(number))).unwrap());
        }
        let produced = memory.control().producer.0.load(std::sync::atomic::Ordering::Relaxed);
        assert!(produced > 2 * RING_BYTES as u64);
    }
}
