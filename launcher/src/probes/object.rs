//! The BPF object: embedded bytes in, maps and verified programs out.
//!
//! Nothing is attached here. Only the programs that the plan needs are given to the verifier.

use std::time::Instant;

use aya::maps::{Array, HashMap, Map, MapData, RingBuf};
use aya::programs::{ProgramError, UProbe};
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};
use bpf::config::parents::{ContextType, MAX_CONTEXT_TYPES};
use bpf::config::{ReadOnlyData as _, SamplerSetting, Setting};
use bpf::trace::Goroutine;
use bpf::trace::parents::Creator;
use bpf::trace::sealed::Sealed;

use super::plan::Global;
use crate::kernel::UprobeKind;
use crate::log;

/// The object that the build script made from the `bpf` package.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/bpf"));

/// What the name of a program ends with that is attached as perf events.
const SINGLE: &str = "_single";

/// Why the object cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The kernel refused a map or the object as a whole.
    #[error("the kernel refused the BPF maps ({}); CAP_BPF (or CAP_SYS_ADMIN) is needed", source_chain(.0))]
    Load(#[source] EbpfError),
    /// The kernel's verifier refused a program.
    #[error("the kernel refused the BPF program {program} ({}); CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) are needed", source_chain(.source))]
    Verify {
        /// Name of the program.
        program: &'static str,
        /// What the kernel said.
        #[source]
        source: ProgramError,
    },
    /// The object lacks what this launcher expects in it: a defect of the build.
    #[error("the embedded BPF object has no {0}; this is a defect of go-auto-launch, please report it")]
    Incomplete(&'static str),
}

/// An error and its causes, in one line; a verifier log is cut to its last line.
pub(crate) fn source_chain(error: &dyn std::error::Error) -> String {
    let mut text = last_line(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = last_line(&cause.to_string());
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The first line, and the last that is not a statistic of the verifier.
fn last_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    match lines.rfind(|line| !line.starts_with("processed ")) {
        Some(last) => format!("{first} … {last}"),
        // The verifier said nothing.
        None => first.trim_end_matches(" Verifier output:").trim_end_matches('.').to_owned(),
    }
}

/// The loaded object: its maps exist, its programs do not yet.
#[derive(Debug)]
pub struct Object {
    ebpf: Ebpf,
}

impl Object {
    /// Creates the maps and fixes the program's layouts, the sampler and the load bias in the object.
    ///
    /// # Errors
    /// Where the kernel refuses the maps.
    pub fn load<'a>(
        globals: impl Iterator<Item = &'a Global>,
        sampler: &SamplerSetting,
        load_bias: u64,
        goroutines: Option<u32>,
    ) -> Result<Self, ObjectError> {
        let mut loader = EbpfLoader::new();
        if let Some(goroutines) = goroutines {
            loader.map_max_entries("GOROUTINES", goroutines);
        }
        let load_bias = Setting::new(load_bias);
        loader.verifier_log_level(VerifierLogLevel::DISABLE).override_global("SAMPLER", sampler.as_bytes(), true);
        loader.override_global("LOAD_BIAS", load_bias.as_bytes(), true);
        // Room for outgoing requests and parents takes a millisecond: only where there are any.
        let (mut has_client, mut has_parents) = (false, false);
        for global in globals {
            has_client |= global.name == "HTTP_CLIENT";
            has_parents |= global.name == "PARENTS";
            loader.override_global(global.name, global.bytes.as_slice(), true);
        }
        if !has_client {
            loader.map_max_entries("INJECTIONS", 1).map_max_entries("EXTRACTED", 1).map_max_entries("SLOTS", 1);
        }
        if !has_parents {
            loader
                .map_max_entries("ANSWERED", 1)
                .map_max_entries("CONTEXTS", 1)
                .map_max_entries("CONTEXT_TYPES", 1)
                .map_max_entries("CREATORS", 1);
        }
        let ebpf = loader.load(OBJECT).map_err(ObjectError::Load)?;
        Ok(Self { ebpf })
    }

    /// The programs called `names` (those of their multi-uprobe forms), not loaded yet, in the object's order.
    ///
    /// # Errors
    /// Where the object lacks one.
    pub fn programs(
        &mut self,
        names: &[&'static str],
        kind: UprobeKind,
    ) -> Result<Vec<(&'static str, &mut UProbe)>, ObjectError> {
        let name_of = |name: &str| {
            let of_multi = match kind {
                UprobeKind::Multi => name,
                UprobeKind::PerfEvent => name.strip_suffix(SINGLE)?,
            };
            names.iter().copied().find(|wanted| *wanted == of_multi)
        };
        let mut programs = Vec::with_capacity(names.len());
        for (name, program) in self.ebpf.programs_mut() {
            if let Some(name) = name_of(name) {
                programs.push((name, program.try_into().map_err(|source| ObjectError::Verify { program: name, source })?));
            }
        }
        match names.iter().find(|name| programs.iter().all(|(found, _)| found != *name)) {
            Some(missing) => Err(ObjectError::Incomplete(missing)),
            None => Ok(programs),
        }
    }

    /// Tells the probes how to go on from the program's contexts to their parents, by the addresses of the descriptors of
    /// their types. What finds no room is left out.
    ///
    /// # Errors
    /// Where the object has no map for them, or the kernel refuses an entry.
    pub fn set_context_types(&mut self, types: impl Iterator<Item = (u64, ContextType)>) -> Result<(), ObjectError> {
        let map = self.ebpf.map_mut("CONTEXT_TYPES").ok_or(ObjectError::Incomplete("CONTEXT_TYPES"))?;
        let mut map: HashMap<_, u64, [u32; 4]> = HashMap::try_from(map).map_err(|error| ObjectError::Load(error.into()))?;
        for (address, found) in types.take(MAX_CONTEXT_TYPES as usize) {
            map.insert(&address, &bytemuck::cast::<ContextType, [u32; 4]>(found), 0)
                .map_err(|error| ObjectError::Load(error.into()))?;
        }
        Ok(())
    }

    /// Forgets what is remembered of goroutines and contexts: the program has begun anew, and others stand at their addresses. What
    /// the kernel refuses stays.
    pub fn forget(&mut self) {
        let Self { ebpf } = self;
        ebpf.map_mut("GOROUTINES").map(clear::<{ size_of::<Goroutine>() }>);
        ebpf.map_mut("CREATORS").map(clear::<{ size_of::<Creator>() }>);
        ebpf.map_mut("CONTEXTS").map(clear::<{ size_of::<Sealed>() }>);
    }

    /// Takes the ring buffer out of the object.
    ///
    /// # Errors
    /// Where the object has none, or it cannot be mapped.
    pub fn take_records(&mut self) -> Result<RingBuf<MapData>, ObjectError> {
        let map = self.ebpf.take_map("RECORDS").ok_or(ObjectError::Incomplete("RECORDS"))?;
        RingBuf::try_from(map).map_err(|error| ObjectError::Load(error.into()))
    }

    /// Takes the map of what the program is to write.
    ///
    /// # Errors
    /// Where the object has none.
    pub fn take_slots(&mut self) -> Result<MapData, ObjectError> {
        match self.ebpf.take_map("SLOTS") {
            Some(Map::Array(map)) => Ok(map),
            Some(_) | None => Err(ObjectError::Incomplete("SLOTS")),
        }
    }

    /// Takes the counters of routes.
    ///
    /// # Errors
    /// Where the object has none.
    pub fn take_routes(&mut self) -> Result<Array<MapData, u64>, ObjectError> {
        let map = self.ebpf.take_map("ROUTES").ok_or(ObjectError::Incomplete("ROUTES"))?;
        Array::try_from(map).map_err(|error| ObjectError::Load(error.into()))
    }

    /// Takes the counters of what nothing came of.
    ///
    /// # Errors
    /// Where the object has none.
    pub fn take_missed(&mut self) -> Result<Array<MapData, u64>, ObjectError> {
        let map = self.ebpf.take_map("MISSED").ok_or(ObjectError::Incomplete("MISSED"))?;
        Array::try_from(map).map_err(|error| ObjectError::Load(error.into()))
    }
}

/// Removes all entries of a hash map with values of `N` bytes.
fn clear<const N: usize>(map: &mut Map) {
    let Ok(mut map) = HashMap::<_, u64, [u8; N]>::try_from(map) else {
        return;
    };
    let keys: Vec<u64> = map.keys().filter_map(Result::ok).collect();
    for key in keys {
        // One that has been removed meanwhile is gone, too.
        let _gone = map.remove(&key);
    }
}

/// Gives a program to the verifier.
///
/// # Errors
/// Where the verifier refuses it.
pub fn verify(name: &'static str, program: &mut UProbe) -> Result<(), ObjectError> {
    let begin = Instant::now();
    program.load().map_err(|source| ObjectError::Verify { program: name, source })?;
    if log::enabled(log::Level::Debug) {
        let verified = program.info().ok().and_then(|info| info.verified_instruction_count());
        log::debug(format_args!("BPF program {name}: {} instructions verified in {:?}", verified.unwrap_or(0), begin.elapsed()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpf::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig};
    use bpf::config::{EMPTY_HTTP_SERVER, EMPTY_SAMPLER, HttpServerConfig, MapLayout, Offset, RequestLayout};

    /// Needs root or `CAP_BPF` and `CAP_PERFMON`; `make test` runs as root.
    #[test]
    fn the_verifier_accepts_every_program() {
        for kind in [UprobeKind::Multi, UprobeKind::PerfEvent] {
            let mut object = Object::load([].iter(), &EMPTY_SAMPLER, 0, None).unwrap();
            for (name, program) in object.programs(&PROGRAMS, kind).unwrap() {
                if let Err(error) = verify(name, program) {
                    panic!("{name}: {error:?}");
                }
            }
        }
    }

    const PROGRAMS: [&str; 4] = ["http_server", "http2_request_start", "http_client", "http_route"];

    /// Instructions that the verifier may look at for each program: a million is its limit, and each costs about a
    /// microsecond of the program's start. Programs are verified at the same time.
    const VERIFIED_AT_MOST: [u32; 4] = [8_000, 8_000, 13_000, 2_000];

    /// Needs root or `CAP_BPF` and `CAP_PERFMON`; `make test` runs as root.
    #[test]
    fn verification_is_short() {
        let at = |offset: u32| Offset::new(offset);
        let request = RequestLayout {
            method: at(0),
            url: at(16),
            proto_major: at(40),
            proto_minor: at(48),
            header: at(56),
            content_length: at(88),
            host: at(128),
            remote_addr: at(176),
            tls: at(208),
            context: at(248),
            pattern: at(232),
            pat: at(264),
        };
        let sampler =
            SamplerSetting { parent_based: Setting::new(1), propagators: Setting::new(3), threshold: Setting::new(1 << 62) };
        for swiss in [0, 1] {
            let header_map = MapLayout {
                swiss: Setting::new(swiss),
                full_from: Setting::new(5 * (1 - swiss)),
                full_count: Setting::new(0x80),
                keys: at(8),
                key_stride: Setting::new(40),
                keys_at_once: Setting::new(4),
                elements: at(24),
                element_stride: Setting::new(40),
                group_size: Setting::new(328),
                count: at(0),
                directory: at(16),
                directory_length: at(if swiss == 1 { 24 } else { 9 }),
                table_groups: at(16),
                table_mask: at(24),
                old_buckets: at(24),
                overflow: at(328),
            };
            let config = HttpServerConfig { request, http2_request: request, header_map, ..EMPTY_HTTP_SERVER };
            let global = Global { name: "HTTP_SERVER", bytes: config.as_bytes().to_vec() };
            let client = HttpClientConfig {
                method: at(0),
                url: at(16),
                header: at(56),
                body: at(64),
                content_length: at(88),
                sent_host: at(128),
                redirect: at(224),
                redirected: at(128),
                scheme: at(0),
                user: at(32),
                host: at(40),
                path: at(56),
                raw_query: at(96),
                header_map,
                ..EMPTY_HTTP_CLIENT
            };
            let of_client = Global { name: "HTTP_CLIENT", bytes: client.as_bytes().to_vec() };
            let mut object = Object::load([global, of_client].iter(), &sampler, 0, None).unwrap();
            for (name, program) in object.programs(&PROGRAMS, UprobeKind::Multi).unwrap() {
                verify(name, program).unwrap();
                let verified = program.info().unwrap().verified_instruction_count().unwrap();
                let at_most = VERIFIED_AT_MOST[PROGRAMS.iter().position(|one| *one == name).unwrap()];
                assert!(verified < at_most, "{name} (swiss {swiss}): {verified} instructions");
            }
        }
    }
}
