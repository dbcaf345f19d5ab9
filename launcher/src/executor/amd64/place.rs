//! The executor put into a program that stands at its exec stop: slots mapped, code written, jumps placed.

use std::io;
use std::os::fd::BorrowedFd;

use bpf::slots::{BUCKETS, Bucket};

use super::ExecutorError;
use super::share::Offer;
use super::stub::{Places, Stub};
use crate::child::Injector;
use crate::executor::Detour;

/// Size of the shared memory.
const SLOTS_SIZE: u64 = BUCKETS as u64 * size_of::<Bucket>() as u64;
/// How far below the program a place for the code is looked for, in steps.
const TRIES: u64 = 256;
const STEP: u64 = 64 << 10;

/// Makes the program write what BPF puts into the map `slots` when it comes to one of `detours`. `pid` is the program's
/// process as the kernel tells it to us, `stack_high` the offset of `runtime.g.stack.hi`.
///
/// # Errors
/// Where something is not as expected; the program's code is as it was then.
pub fn place(
    injector: &mut Injector,
    pid: u32,
    slots: BorrowedFd<'_>,
    stack_high: i32,
    detours: &[Detour],
) -> Result<(), ExecutorError> {
    for detour in detours {
        let found = injector.read(detour.address, detour.bytes.len()).map_err(memory)?;
        if found != detour.bytes {
            return Err(ExecutorError::Unexpected { address: detour.address });
        }
    }
    let places = Places { slots: map_slots(injector, pid, slots)?, stack_high };
    let address = map_code(injector, detours)?;
    let stub = Stub::assemble(detours, places, address)?;
    injector.write(address, &stub.code).map_err(memory)?;
    for (index, detour) in detours.iter().enumerate() {
        let jump = stub.entries.get(index).and_then(|entry| Stub::jump(detour, *entry));
        let written = match jump {
            Some(jump) => injector.write(detour.address, &jump).map_err(memory),
            None => Err(ExecutorError::Unexpected { address }),
        };
        if let Err(error) = written {
            for placed in detours.get(..=index).unwrap_or_default() {
                // What was written a moment ago can be written again.
                let _ = injector.write(placed.address, &placed.bytes);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn memory(source: io::Error) -> ExecutorError {
    ExecutorError::Call { call: "ptrace", source }
}

fn call(injector: &mut Injector, name: &'static str, number: libc::c_long, arguments: [u64; 6]) -> Result<u64, ExecutorError> {
    injector.call(number, arguments).map_err(|source| ExecutorError::Call { call: name, source })
}

/// A number of the kernel's interface as an argument of a system call.
fn flag(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

/// Maps the map into the program; returns where.
fn map_slots(injector: &mut Injector, pid: u32, slots: BorrowedFd<'_>) -> Result<u64, ExecutorError> {
    let offer = Offer::new().map_err(ExecutorError::Share)?;
    let kind = flag(libc::SOCK_STREAM | libc::SOCK_CLOEXEC);
    let socket = call(injector, "socket", libc::SYS_socket, [flag(libc::AF_UNIX), kind, 0, 0, 0, 0])?;
    let received = receive(injector, socket, &offer, pid, slots);
    let _ = call(injector, "close", libc::SYS_close, [socket, 0, 0, 0, 0, 0]);
    let fd = received?;
    let access = flag(libc::PROT_READ | libc::PROT_WRITE);
    let mapped = call(injector, "mmap", libc::SYS_mmap, [0, SLOTS_SIZE, access, flag(libc::MAP_SHARED), fd, 0]);
    let _ = call(injector, "close", libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
    mapped
}

/// The program connects and receives the descriptor; returns its number there.
fn receive(injector: &mut Injector, socket: u64, offer: &Offer, pid: u32, slots: BorrowedFd<'_>) -> Result<u64, ExecutorError> {
    let address = offer.address();
    let scratch = injector.scratch(SCRATCH);
    injector.write(scratch, &address).map_err(memory)?;
    call(injector, "connect", libc::SYS_connect, [socket, scratch, address.len() as u64, 0, 0, 0])?;
    offer.send(slots, pid).map_err(ExecutorError::Share)?;
    // struct msghdr, struct iovec, a byte of data, and the control message.
    let (iovec, data, control) = (scratch + 64, scratch + 80, scratch + 96);
    let header = [0, 0, iovec, 1, control, CONTROL as u64, 0];
    injector.write(scratch, &words(&header)).map_err(memory)?;
    injector.write(iovec, &words(&[data, 1])).map_err(memory)?;
    injector.write(control, &[0; CONTROL]).map_err(memory)?;
    call(injector, "recvmsg", libc::SYS_recvmsg, [socket, scratch, flag(libc::MSG_CMSG_CLOEXEC), 0, 0, 0])?;
    // struct cmsghdr: length, level, type; then the descriptor.
    let message = injector.read(control, CONTROL).map_err(memory)?;
    let number = |at: usize| message.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (number(8), number(12), number(16)) {
        (Some(libc::SOL_SOCKET), Some(libc::SCM_RIGHTS), Some(fd)) if fd >= 0 => Ok(flag(fd)),
        _ => Err(ExecutorError::Share(io::Error::other("the program received no descriptor"))),
    }
}

/// Bytes used on the program's stack.
const SCRATCH: u64 = 192;
/// `CMSG_SPACE(sizeof(int))`.
const CONTROL: usize = 24;

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Maps memory for the code within reach of the detours; returns where.
fn map_code(injector: &mut Injector, detours: &[Detour]) -> Result<u64, ExecutorError> {
    let lowest = detours.iter().map(|detour| detour.address).min().unwrap_or_default() & !(STEP - 1);
    let size = (detours.len() * super::stub::MOST_BYTES).next_multiple_of(4096) as u64;
    let access = flag(libc::PROT_READ | libc::PROT_EXEC);
    let kind = flag(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE);
    let mut last = None;
    // Below the program: above it, at some distance, follows the heap.
    for try_ in 1..TRIES {
        let Some(hint) = lowest.checked_sub(try_ * STEP).filter(|hint| *hint >= STEP) else {
            break;
        };
        match injector.call(libc::SYS_mmap, [hint, size, access, kind, u64::MAX, 0]) {
            Ok(address) if address == hint => return Ok(address),
            // A kernel before 4.17 takes the address for a hint.
            Ok(address) => {
                let _ = injector.call(libc::SYS_munmap, [address, size, 0, 0, 0, 0]);
            }
            Err(error) => last = Some(error),
        }
    }
    let source = last.unwrap_or_else(|| io::Error::other("no room within reach of the program's code"));
    Err(ExecutorError::Call { call: "mmap", source })
}
