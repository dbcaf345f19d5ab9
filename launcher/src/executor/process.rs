//! System calls in the name of a program that stands at its exec stop: it receives a descriptor, and maps memory.

use std::io;
use std::os::fd::BorrowedFd;

use super::ExecutorError;
use super::share::Offer;
use crate::child::Injector;

/// How far below the program a place for the code is looked for, in steps.
const TRIES: u64 = 256;
const STEP: u64 = 64 << 10;
/// The same above it. On arm64 programs begin so low that nothing has room below them, and a branch reaches 128 MiB.
const TRIES_ABOVE: usize = if cfg!(target_arch = "aarch64") { 120 } else { 0 };
const STEP_ABOVE: u64 = 1 << 20;

/// What reading or writing the program's memory says.
pub(crate) fn memory(source: io::Error) -> ExecutorError {
    ExecutorError::Call { call: "ptrace", source }
}

/// Makes a system call.
///
/// # Errors
/// What the call says, by its name.
pub(crate) fn call(
    injector: &mut Injector,
    name: &'static str,
    number: libc::c_long,
    arguments: [u64; 6],
) -> Result<u64, ExecutorError> {
    injector.call(number, arguments).map_err(|source| ExecutorError::Call { call: name, source })
}

/// A number of the kernel's interface as an argument of a system call.
#[must_use]
pub(crate) fn flag(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

/// Gives the program the descriptor `file`; returns its number there. `pid` is the program's process as the kernel tells it to us.
///
/// # Errors
/// Where a call fails.
pub(crate) fn hand_over(injector: &mut Injector, pid: u32, file: BorrowedFd<'_>) -> Result<u64, ExecutorError> {
    let offer = Offer::new().map_err(ExecutorError::Share)?;
    let kind = flag(libc::SOCK_STREAM | libc::SOCK_CLOEXEC);
    let socket = call(injector, "socket", libc::SYS_socket, [flag(libc::AF_UNIX), kind, 0, 0, 0, 0])?;
    let received = receive(injector, socket, &offer, pid, file);
    let _ = call(injector, "close", libc::SYS_close, [socket, 0, 0, 0, 0, 0]);
    received
}

/// Closes a descriptor of the program.
pub(crate) fn close(injector: &mut Injector, file: u64) {
    let _ = call(injector, "close", libc::SYS_close, [file, 0, 0, 0, 0, 0]);
}

/// The program connects and receives the descriptor; returns its number there.
fn receive(injector: &mut Injector, socket: u64, offer: &Offer, pid: u32, file: BorrowedFd<'_>) -> Result<u64, ExecutorError> {
    let address = offer.address();
    let scratch = injector.scratch(SCRATCH);
    injector.write(scratch, &address).map_err(memory)?;
    call(injector, "connect", libc::SYS_connect, [socket, scratch, address.len() as u64, 0, 0, 0])?;
    offer.send(file, pid).map_err(ExecutorError::Share)?;
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

/// What memory for code is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    /// Nothing yet.
    #[cfg(target_arch = "x86_64")]
    Anonymous,
    /// This descriptor of the program, from this byte on.
    File(u64, u64),
}

/// Maps executable memory for code within reach of what lies at `lowest` and above it; returns where.
///
/// # Errors
/// Where there is no room.
pub(crate) fn map_code(injector: &mut Injector, lowest: u64, size: u64, code: Code) -> Result<u64, ExecutorError> {
    let lowest = lowest & !(STEP - 1);
    let access = flag(libc::PROT_READ | libc::PROT_EXEC);
    let (anonymous, file, offset) = match code {
        #[cfg(target_arch = "x86_64")]
        Code::Anonymous => (libc::MAP_ANONYMOUS, u64::MAX, 0),
        Code::File(file, offset) => (0, file, offset),
    };
    let kind = flag(libc::MAP_PRIVATE | libc::MAP_FIXED_NOREPLACE | anonymous);
    let mut last = None;
    // Below the program rather: above it, at some distance, follows the heap.
    let below = (1..TRIES).map_while(|try_| lowest.checked_sub(try_ * STEP).filter(|hint| *hint >= STEP));
    let above = (1..TRIES).take(TRIES_ABOVE).map(|try_| (lowest & !(STEP_ABOVE - 1)).saturating_add(try_ * STEP_ABOVE));
    for hint in below.chain(above) {
        match injector.call(libc::SYS_mmap, [hint, size, access, kind, file, offset]) {
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
