//! The launcher's BPF maps, as the kernel has them.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use aya::maps::{MapInfo, MapType};
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

/// The ids of the maps that the process has open.
fn ids(process: Pid) -> Vec<u32> {
    let files = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.filter_map(|text| text.lines().find_map(|line| line.strip_prefix("map_id:")?.trim().parse().ok())).collect()
}

/// What `BPF_MAP_GET_NEXT_KEY` is told (`union bpf_attr`).
#[repr(C)]
struct NextKey {
    map: u64,
    key: u64,
    next: u64,
}

/// `BPF_MAP_GET_NEXT_KEY` of `enum bpf_cmd`.
const GET_NEXT_KEY: libc::c_int = 4;

/// How many keys a map has. Nobody removes any meanwhile, or it may begin anew: the kernel does so behind a key that is gone.
fn count(map: BorrowedFd<'_>) -> usize {
    let (mut key, mut next, mut keys) = (0_u64, 0_u64, 0);
    loop {
        let before = if keys == 0 { 0 } else { &raw const key as u64 };
        let attributes = NextKey { map: map.as_raw_fd().unsigned_abs().into(), key: before, next: &raw mut next as u64 };
        // SAFETY: the pointers lead to eight bytes each, which is the size of a key, and live until the call returns.
        let result = unsafe { libc::syscall(libc::SYS_bpf, GET_NEXT_KEY, &raw const attributes, size_of::<NextKey>()) };
        if result != 0 {
            return keys;
        }
        key = next;
        keys += 1;
        assert!(keys < 1_000_000, "the map changes all the time");
    }
}
