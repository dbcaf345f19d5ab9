//! The launcher's BPF maps, as the kernel has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use aya::maps::{MapInfo, MapType};
use aya::programs::loaded_programs;
use nix::unistd::Pid;

/// How many entries each hash map has that this launcher holds, by name. Its keys have eight bytes.
pub(crate) fn entries(launcher: Pid) -> BTreeMap<String, usize> {
    let of = |id: u32| {
        // One that has been closed in between is no more.
        let info = MapInfo::from_id(id).ok()?;
        let is_hash = matches!(info.map_type().ok()?, MapType::Hash | MapType::LruHash);
        let map = info.fd().ok()?;
        (is_hash && info.key_size() == 8).then(|| (info.name_as_str().unwrap().to_owned(), count(map.as_fd())))
    };
    ids(launcher).into_iter().filter_map(of).collect()
}

/// The names of all maps that this launcher holds.
pub(crate) fn names(launcher: Pid) -> BTreeSet<String> {
    let name = |id: u32| Some(MapInfo::from_id(id).ok()?.name_as_str()?.to_owned());
    ids(launcher).into_iter().filter_map(name).collect()
}

/// The values of the map called `name`, whose keys have at most eight bytes. Nobody removes any meanwhile. The launcher may hold it by a program
/// alone.
pub(crate) fn values(launcher: Pid, name: &str) -> Vec<Vec<u8>> {
    let infos = ids(launcher).into_iter().chain(ids_of_programs(launcher)).filter_map(|id| MapInfo::from_id(id).ok());
    let info = infos.into_iter().find(|info| info.name_as_str() == Some(name)).unwrap();
    let (map, size) = (info.fd().unwrap(), info.value_size() as usize);
    keys(map.as_fd()).into_iter().filter_map(|key| value(map.as_fd(), key, size)).collect()
}

/// The value of a key; `None` where it has gone.
fn value(map: BorrowedFd<'_>, key: u64, size: usize) -> Option<Vec<u8>> {
    let mut value = vec![0_u8; size];
    let attributes = Lookup {
        map: map.as_raw_fd().unsigned_abs().into(),
        key: &raw const key as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    // SAFETY: the pointers lead to a key and to room for a value of the map's sizes, and live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_ELEM, &raw const attributes, size_of::<Lookup>()) };
    (result == 0).then_some(value)
}

/// The ids of the maps that the process has open.
fn ids(process: Pid) -> Vec<u32> {
    open(process, "map_id:")
}

/// The ids of the maps that the BPF programs use which the process has open.
fn ids_of_programs(process: Pid) -> Vec<u32> {
    let programs = open(process, "prog_id:");
    let infos = loaded_programs().flatten().filter(|program| programs.contains(&program.id()));
    infos.filter_map(|program| program.map_ids().ok().flatten()).flatten().collect()
}

/// The numbers of this name in what the kernel says of the descriptors that the process has open.
fn open(process: Pid, name: &str) -> Vec<u32> {
    let files = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.filter_map(|text| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())).collect()
}

/// What `BPF_MAP_GET_NEXT_KEY` is told (`union bpf_attr`).
#[repr(C)]
struct NextKey {
    map: u64,
    key: u64,
    next: u64,
}

/// What `BPF_MAP_LOOKUP_ELEM` is told.
#[repr(C)]
struct Lookup {
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// `BPF_MAP_LOOKUP_ELEM` of `enum bpf_cmd`.
const LOOKUP_ELEM: libc::c_int = 1;
/// `BPF_MAP_GET_NEXT_KEY` of `enum bpf_cmd`.
const GET_NEXT_KEY: libc::c_int = 4;

/// How many keys a map has.
fn count(map: BorrowedFd<'_>) -> usize {
    keys(map).len()
}

/// The keys of a map. Nobody removes any meanwhile, or it may begin anew: the kernel does so behind a key that is gone.
fn keys(map: BorrowedFd<'_>) -> Vec<u64> {
    let (mut key, mut next, mut keys) = (0_u64, 0_u64, Vec::new());
    loop {
        let before = if keys.is_empty() { 0 } else { &raw const key as u64 };
        let attributes = NextKey { map: map.as_raw_fd().unsigned_abs().into(), key: before, next: &raw mut next as u64 };
        // SAFETY: the pointers lead to eight bytes each, which is the size of a key, and live until the call returns.
        let result = unsafe { libc::syscall(libc::SYS_bpf, GET_NEXT_KEY, &raw const attributes, size_of::<NextKey>()) };
        if result != 0 {
            return keys;
        }
        key = next;
        keys.push(key);
        assert!(keys.len() < 1_000_000, "the map changes all the time");
    }
}
