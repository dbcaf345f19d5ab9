//! What the engine takes of the program's address space: not where that is scarce, and nothing where it is not used in the end.

use super::NativeError;
use crate::child::Injector;
use crate::executor::ExecutorError;
use crate::executor::process::{call, memory};

/// What was mapped into the program: addresses and sizes.
#[derive(Debug, Default)]
pub(super) struct Mapped(pub(super) Vec<(u64, u64)>);

impl Mapped {
    /// Maps memory, and remembers that; returns where.
    pub(super) fn mmap(&mut self, injector: &mut Injector, arguments: [u64; 6]) -> Result<u64, ExecutorError> {
        let address = call(injector, "mmap", libc::SYS_mmap, arguments)?;
        let [_, size, ..] = arguments;
        self.0.push((address, size));
        Ok(address)
    }

    /// Gives everything back.
    pub(super) fn undo(self, injector: &mut Injector) {
        for (address, size) in self.0 {
            // It fails only for a process that was killed.
            let _ = call(injector, "munmap", libc::SYS_munmap, [address, size, 0, 0, 0, 0]);
        }
    }
}

/// The engine takes no more than this part of what the program may have.
const PART: u64 = 8;

/// Refuses a program which may have so little address space that it might miss what the engine takes: `private` bytes of its own, and
/// `shared` ones of the launcher's file.
///
/// # Errors
/// Where that is so, and where the limits cannot be read.
pub(super) fn is_enough(injector: &mut Injector, private: u64, shared: u64) -> Result<(), NativeError> {
    let taken = [("RLIMIT_AS", libc::RLIMIT_AS, private + shared), ("RLIMIT_DATA", libc::RLIMIT_DATA, private)];
    for (name, resource, bytes) in taken {
        let (limit, needed) = (soft_limit(injector, resource)?, bytes.saturating_mul(PART));
        if limit < needed {
            return Err(NativeError::AddressSpace { name, limit, needed });
        }
    }
    Ok(())
}

/// A limit of the program.
fn soft_limit(injector: &mut Injector, resource: libc::__rlimit_resource_t) -> Result<u64, NativeError> {
    // struct rlimit64: the soft limit comes first.
    let room = injector.scratch(16);
    call(injector, "prlimit", libc::SYS_prlimit64, [0, resource.into(), 0, room, 0, 0])?;
    let limit = injector.read(room, 8).map_err(memory)?;
    Ok(limit.try_into().map_or(u64::MAX, u64::from_ne_bytes))
}
