//! The panic that a goroutine is unwinding (`runtime._panic`, `runtime/runtime2.go`).

use crate::config::http_server::PanicLayout;
use crate::target::Memory;

/// A panic under way.
#[derive(Clone, Copy, Debug)]
pub struct Panic {
    /// Type word of the value (`*_type`).
    pub value_type: u64,
    /// Data word of the value.
    pub data: u64,
    /// True for `runtime.Goexit`, which unwinds the same way and has no value.
    pub goexit: bool,
}

/// The innermost panic of the goroutine, if it is panicking.
#[inline(always)]
pub fn current<M: Memory>(memory: &M, layout: &PanicLayout, goroutine: u64) -> Option<Panic> {
    let panic: u64 = memory.read(goroutine.wrapping_add(layout.g_panic.get().into()))?;
    if panic == 0 {
        return None;
    }
    let [value_type, data] = memory.read(panic.wrapping_add(layout.arg.get().into()))?;
    let goexit: u8 = memory.read(panic.wrapping_add(layout.goexit.get().into()))?;
    Some(Panic { value_type, data, goexit: goexit != 0 })
}
