//! The code put into a program that stands at its exec stop: memory mapped, code filled in, then one place after the other replaced.
//!
//! Until the first place is replaced nothing of the program has changed but its map of memory. Where something fails behind that,
//! what was replaced is put back.

use std::sync::Arc;

use native::ring::RING_BYTES;
use native::state::{ENABLED_BYTES, State};

use super::NativeError;
use super::blob::Blob;
use super::clock;
use super::image::{self, Addresses};
use super::memory::{CODE_AT, HEAD_BYTES, Memory, RING_AT, SLOTS_AT};
use super::patches::{self, Branch, Patch};
use super::room::{self, Mapped};
use super::thunks::{self, ThunkError, Thunks};
use crate::binary::VirtAddr;
use crate::child::{Auxv, Injector, Stopped};
use crate::engine::Sampling;
use crate::executor::process::{Code, call, close, flag, hand_over, map_code};
use crate::executor::{Detour, MOST_BYTES};
use crate::probes::plan::Plan;
use crate::probes::probe::When;
use crate::probes::runtime::Runtime;

/// What is placed.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) plan: &'a Plan,
    pub(super) runtime: Runtime,
    pub(super) sampling: &'a Sampling,
    pub(super) blob: Blob,
    /// A `SYSCALL` instruction of the program, in the process.
    pub(super) syscall: u64,
    pub(super) auxv: Option<Auxv>,
}

/// The memory for a program.
///
/// # Errors
/// Where there is none.
pub(super) fn prepare(wanted: &Wanted<'_>) -> Result<Arc<Memory>, NativeError> {
    let Wanted { plan, blob, sampling, .. } = wanted;
    let detours = plan.detours().count() * MOST_BYTES;
    let code = image::size(blob, plan, plan.sites().count()) + thunks::most_bytes(plan) + detours + 4_096;
    let memory = Arc::new(Memory::new(code).map_err(NativeError::Memory)?);
    super::probes::set(memory.control(), &sampling.settings);
    Ok(memory)
}

/// Puts the code into the program.
///
/// # Errors
/// Where something is not as expected; the program's code is as it was then.
pub(super) fn place(stopped: &mut Stopped<'_>, wanted: &Wanted<'_>, memory: &Memory) -> Result<(), NativeError> {
    if !stopped.is_unfiltered() {
        return Err(NativeError::Filtered);
    }
    let pid = stopped.pid().as_raw().cast_unsigned();
    let mut injector = stopped.inject(wanted.syscall).map_err(NativeError::Stopped)?;
    let mut mapped = Mapped::default();
    let placed = put(&mut injector, pid, memory, wanted, &mut mapped);
    // Where its code leads there, it stays.
    if placed.as_ref().is_err_and(|error| !error.is_fatal()) {
        mapped.undo(&mut injector);
    }
    placed
}

fn put(injector: &mut Injector, pid: u32, memory: &Memory, wanted: &Wanted<'_>, mapped: &mut Mapped) -> Result<(), NativeError> {
    let addresses = map(injector, pid, memory, wanted, mapped)?;
    let patches = fill(memory, wanted, &addresses)?;
    for patch in &patches {
        let found = injector.read(patch.address, patch.original.len()).map_err(NativeError::Process)?;
        if found != patch.original {
            return Err(NativeError::Unexpected { address: patch.address });
        }
    }
    injector.write(addresses.state, &1_u32.to_ne_bytes()).map_err(NativeError::Process)?;
    replace(injector, &patches)
}

/// Maps all that the program needs; returns where.
fn map(
    injector: &mut Injector,
    pid: u32,
    memory: &Memory,
    wanted: &Wanted<'_>,
    mapped: &mut Mapped,
) -> Result<Addresses, NativeError> {
    let private = size_of::<State>() as u64;
    let shared = (HEAD_BYTES + 2 * RING_BYTES + memory.code_bytes()) as u64;
    room::is_enough(injector, private, shared)?;
    let file = hand_over(injector, pid, memory.file())?;
    let addresses = map_parts(injector, file, memory, wanted, mapped);
    close(injector, file);
    addresses
}

fn map_parts(
    injector: &mut Injector,
    file: u64,
    memory: &Memory,
    wanted: &Wanted<'_>,
    mapped: &mut Mapped,
) -> Result<Addresses, NativeError> {
    let plan = wanted.plan;
    let access = flag(libc::PROT_READ | libc::PROT_WRITE);
    let shared = flag(libc::MAP_SHARED);
    let anonymous = flag(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    let ring_bytes = RING_BYTES as u64;
    let control = mapped.mmap(injector, [0, HEAD_BYTES as u64, access, shared, file, 0])?;
    let ring = mapped.mmap(injector, [0, 2 * ring_bytes, flag(libc::PROT_NONE), anonymous, u64::MAX, 0])?;
    for half in 0..2 {
        let fixed = flag(libc::MAP_SHARED | libc::MAP_FIXED);
        let arguments = [ring + half * ring_bytes, ring_bytes, access, fixed, file, RING_AT as u64];
        call(injector, "mmap", libc::SYS_mmap, arguments)?;
    }
    let state = mapped.mmap(injector, [0, size_of::<State>() as u64, access, anonymous, u64::MAX, 0])?;
    let wiped = [state, ENABLED_BYTES as u64, flag(libc::MADV_WIPEONFORK), 0, 0, 0];
    call(injector, "madvise", libc::SYS_madvise, wiped)?;
    // Touched here and there, it would fill huge pages. Nobody looks for these in a core dump. A kernel may say no.
    let _huge = injector.call(libc::SYS_madvise, [state, size_of::<State>() as u64, flag(libc::MADV_NOHUGEPAGE), 0, 0, 0]);
    for (address, size) in [(state, size_of::<State>() as u64), (ring, 2 * ring_bytes)] {
        let _dumped = injector.call(libc::SYS_madvise, [address, size, flag(libc::MADV_DONTDUMP), 0, 0, 0]);
    }
    let windows = plan.sites().filter_map(|(_, site)| site.patch.as_ref()).map(|window| window.address.0);
    let lowest = windows.chain([wanted.runtime.signal_call.0]).min().unwrap_or_default().wrapping_add(plan.load_bias);
    let code_bytes = memory.code_bytes() as u64;
    let code = map_code(injector, lowest, code_bytes, Code::File(file, CODE_AT as u64))?;
    mapped.0.push((code, code_bytes));
    let writes = plan.probes().any(|probe| matches!(probe.event.when, When::Inject | When::Api));
    let slots = if writes { control + SLOTS_AT as u64 } else { 0 };
    let clock_gettime = match wanted.auxv.and_then(|auxv| auxv.vdso) {
        _ if clock::is_trusted() => 0,
        Some(base) => clock::function(base, |address, size| injector.read(address, size)).ok_or(NativeError::NoClock)?,
        None => return Err(NativeError::NoClock),
    };
    Ok(Addresses { control, slots, ring, state, code, clock_gettime })
}

/// Fills the code in; returns what is to be replaced in the program, the hook for signals first.
fn fill(memory: &Memory, wanted: &Wanted<'_>, addresses: &Addresses) -> Result<Vec<Patch>, NativeError> {
    let Wanted { plan, runtime, sampling, blob, .. } = wanted;
    let base = addresses.code;
    let size = image::size(blob, plan, plan.sites().count()).next_multiple_of(64) as u64;
    let Thunks { code, patches: of_thunks, sites } = thunks::assemble(plan, plan.load_bias, base + size, base + blob.common)?;
    let sites: Vec<native::configuration::Site> = sites
        .iter()
        .map(|site| native::configuration::Site {
            cookie: site.cookie.to_bits(),
            address: site.address,
            body: super::body(site.body),
            stack: site.stack,
        })
        .collect();
    let mut all = image::image(blob, plan, runtime, sampling, addresses, &sites);
    all.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
    all.extend_from_slice(&code);
    all.resize(all.len().next_multiple_of(64), 0);
    let mut patches = vec![hook(runtime, plan.load_bias, base + blob.hook)?];
    patches.extend(of_thunks);
    patches.extend(executor(plan, addresses, base, &mut all)?);
    memory.fill(&all).map_err(NativeError::Memory)?;
    Ok(patches)
}

/// `runtime.sigtramp` calls the hook instead.
fn hook(runtime: &Runtime, load_bias: u64, hook: u64) -> Result<Patch, NativeError> {
    let Runtime { signal_call: VirtAddr(call), ref signal_bytes, .. } = *runtime;
    let address = call.wrapping_add(load_bias);
    let replacement = patches::leading(Branch::Call, address, hook).map_err(ThunkError::from)?;
    Ok(Patch { address, original: signal_bytes.clone(), replacement })
}

/// The detours of the write executor, behind all else.
fn executor(plan: &Plan, addresses: &Addresses, base: u64, all: &mut Vec<u8>) -> Result<Vec<Patch>, NativeError> {
    let detours: Vec<Detour> =
        plan.detours().map(|detour| Detour::new(detour.site, detour.moment, &detour.place, plan.load_bias)).collect();
    let Some(stack_high) = plan.detours().find_map(|detour| i32::try_from(detour.stack_high).ok()) else {
        return Ok(Vec::new());
    };
    let (code, jumps) = crate::executor::code(&detours, addresses.slots, stack_high, base + all.len() as u64)?;
    all.extend_from_slice(&code);
    let patch = |(detour, replacement): (Detour, Vec<u8>)| Patch { address: detour.address, original: detour.bytes, replacement };
    Ok(detours.into_iter().zip(jumps).map(patch).collect())
}

/// Replaces one place after the other, and puts all back where one cannot be replaced.
fn replace(injector: &Injector, patches: &[Patch]) -> Result<(), NativeError> {
    for (number, patch) in patches.iter().enumerate() {
        let replaced = injector.write(patch.address, &patch.replacement).and_then(|()| {
            let found = injector.read(patch.address, patch.replacement.len())?;
            if found == patch.replacement { Ok(()) } else { Err(std::io::Error::other("what was written is not there")) }
        });
        #[cfg(debug_assertions)]
        let replaced = replaced.and_then(|()| super::planted::at_patch(number));
        if let Err(why) = replaced {
            for done in patches.get(..=number).unwrap_or_default().iter().rev() {
                injector.write(done.address, &done.original).map_err(NativeError::HalfWay)?;
            }
            return Err(NativeError::Process(why));
        }
    }
    Ok(())
}

impl From<crate::executor::ExecutorError> for NativeError {
    fn from(error: crate::executor::ExecutorError) -> Self {
        Self::Executor(error)
    }
}
