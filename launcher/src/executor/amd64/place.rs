//! The executor put into a program that stands at its exec stop: slots mapped, code written, jumps placed.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bpf::slots::{BUCKETS, Bucket};
use bpf::trace::stand_in::{STAND_INS, StandIn, TABLE};

use super::stub::{Places, Stub};
use crate::child::Injector;
use crate::executor::process::{Code, call, close, flag, hand_over, map_code, memory};
use crate::executor::{Detour, ExecutorError, Memory, Moment};

/// Size of what stands in for spans.
const STAND_INS_SIZE: u64 = (STAND_INS as u64 + 1) * size_of::<StandIn>() as u64;
/// The method by which spans that stand in for ours say that they are recorded: `MOVL $1, AX; RET`.
const IS_RECORDING: [u8; 6] = [0xb8, 1, 0, 0, 0, 0xc3];
/// Size of the shared memory.
const SLOTS_SIZE: u64 = BUCKETS as u64 * size_of::<Bucket>() as u64;

/// Makes the program write what BPF puts into `maps` when it comes to one of `detours`. `pid` is the program's
/// process as the kernel tells it to us, `stack_high` the offset of `runtime.g.stack.hi`.
///
/// # Errors
/// Where something is not as expected; the program's code is as it was then.
pub fn place(
    injector: &mut Injector,
    pid: u32,
    maps: Memory<'_>,
    stack_high: i32,
    detours: &[Detour],
) -> Result<(), ExecutorError> {
    for detour in detours {
        let found = injector.read(detour.address, detour.bytes.len()).map_err(memory)?;
        if found != detour.bytes {
            return Err(ExecutorError::Unexpected { address: detour.address });
        }
    }
    let needs_stand_ins = detours.iter().any(|detour| detour.moment == Moment::Return);
    let stand_ins = if needs_stand_ins { map(injector, pid, maps.stand_ins, STAND_INS_SIZE)? } else { 0 };
    let places = Places { slots: map(injector, pid, maps.slots, SLOTS_SIZE)?, stack_high };
    let lowest = detours.iter().map(|detour| detour.address).min().unwrap_or_default();
    let size = (detours.len() * super::stub::MOST_BYTES + IS_RECORDING.len()).next_multiple_of(4096) as u64;
    let address = map_code(injector, lowest, size, Code::Anonymous)?;
    let stub = Stub::assemble(detours, places, address)?;
    injector.write(address, &[stub.code.as_slice(), &IS_RECORDING].concat()).map_err(memory)?;
    if stand_ins != 0 {
        let table = stand_ins + u64::from(TABLE) * size_of::<StandIn>() as u64;
        let is_recording = address + stub.code.len() as u64;
        injector.write(table + offset_of!(StandIn, holder) as u64, &is_recording.to_le_bytes()).map_err(memory)?;
        injector.write(table + offset_of!(StandIn, made) as u64, &stand_ins.to_le_bytes()).map_err(memory)?;
    }
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

/// Maps a map into the program; returns where.
fn map(injector: &mut Injector, pid: u32, map: BorrowedFd<'_>, size: u64) -> Result<u64, ExecutorError> {
    let fd = hand_over(injector, pid, map)?;
    let access = flag(libc::PROT_READ | libc::PROT_WRITE);
    let mapped = call(injector, "mmap", libc::SYS_mmap, [0, size, access, flag(libc::MAP_SHARED), fd, 0]);
    close(injector, fd);
    mapped
}
