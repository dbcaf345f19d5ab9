//! What the C library's allocator keeps of memory that was freed: as little as can be, for the launcher stays as long as the
//! program. Reading and planning take some MiB for a moment; tracing takes little.

/// One arena for all threads, instead of one for each: no two of them allocate much at the same time, and what one has freed the
/// others may use. Called before there are threads.
pub fn share() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only sets a number within the allocator (`mallopt(3)`), which takes its own lock for that.
    let _refused = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives the kernel back what is free. It takes some 100 µs, in which other threads may wait for the allocator.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches free memory only (`malloc_trim(3)`), under the allocator's own lock.
    let _nothing = unsafe { libc::malloc_trim(0) };
}
