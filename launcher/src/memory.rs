//! What the launcher keeps of memory that it does not need: as little as can be, for it stays as long as the command. Reading and
//! planning take some MiB for a moment; tracing takes little.
//!
//! The C library's allocator gives back what was freed, and the kernel takes back the pages of our own code and constants that only a
//! start needs.

/// One arena for all threads, instead of one for each: no two of them allocate much at the same time, and what one has freed the
/// others may use. Called before there are threads.
pub fn share() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only sets a number within the allocator (`mallopt(3)`), which takes its own lock for that.
    let _refused = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives the kernel back what is free, and the pages of our own code and constants: those that are used come back from the page cache,
/// at once and as they are used. It takes some 100 µs, in which other threads may wait for the allocator.
pub fn trim() {
    // SAFETY: the callback has the type that is asked for, and needs no data.
    unsafe { libc::dl_iterate_phdr(Some(forget_constant), std::ptr::null_mut()) };
    #[cfg(target_env = "gnu")]
    // SAFETY: touches free memory only (`malloc_trim(3)`), under the allocator's own lock.
    let _nothing = unsafe { libc::malloc_trim(0) };
}

/// Drops the mapped pages of an object's code and constants: of the launcher itself, and of the C library where that is apart.
unsafe extern "C" fn forget_constant(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the dynamic linker (or the C library, of a static program) passes a valid object with its
    // program headers.
    let headers = unsafe {
        let object = &*object;
        std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into())
            .iter()
            .map(move |header| (object.dlpi_addr, header))
    };
    let constant = headers.filter(|(_, header)| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    for (base, header) in constant {
        let begin = (base + header.p_vaddr).next_multiple_of(PAGE);
        let end = (base + header.p_vaddr + header.p_filesz) / PAGE * PAGE;
        if let Ok(length @ 1..) = usize::try_from(end.saturating_sub(begin)) {
            // SAFETY: whole pages of a segment that is mapped from our file, private, and not writable. Nothing in it is written by
            // us or by the linker (which refuses relocations there): what is touched again is what it was. Only somebody else's
            // breakpoints in our own code would go.
            let _stays = unsafe { libc::madvise(begin as *mut libc::c_void, length, libc::MADV_DONTNEED) };
        }
    }
    0
}

/// The largest page of an architecture that we are built for.
const PAGE: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    /// KiB of our own code that are mapped.
    fn resident() -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let own = std::env::current_exe().unwrap();
        let mut lines = maps.lines().skip_while(|line| !(line.contains(" r-xp ") && line.ends_with(own.to_str().unwrap())));
        let size = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        size.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_is_given_back_of_our_code_comes_again() {
        let before = resident();
        super::trim();
        let after = resident();
        assert!(after < before, "{before} KiB, then {after}");
    }
}
