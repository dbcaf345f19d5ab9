//! What the launcher does to the code in the program once that runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use bpf::config::Settings;
use native::control::{Control, disabled};

use super::memory::Memory;
use crate::engine::Probes;

/// The code in a program. It stays there until the program ends.
#[derive(Debug)]
pub(super) struct NativeProbes(pub(super) Arc<Memory>);

/// Sets the sampler, and what is switched off.
pub(super) fn set(control: &Control, settings: &Settings) {
    let Settings { parent_based, off, threshold } = settings;
    control.settings.parent_based.set(parent_based.get());
    control.settings.off.set(off.get());
    control.settings.threshold.set(threshold.get());
}

impl NativeProbes {
    /// The code does nothing from now on.
    fn disable(&self) {
        self.0.control().disabled.store(disabled::FOR_GOOD, Ordering::Relaxed);
    }
}

impl Probes for NativeProbes {
    fn set(&mut self, settings: &Settings) -> std::io::Result<()> {
        set(self.0.control(), settings);
        Ok(())
    }

    /// What is remembered is in the program's own memory, which has gone with it.
    fn forget(&mut self) {}

    /// The mux's is too cheap to be taken away.
    fn judge(&mut self) -> Option<JoinHandle<()>> {
        None
    }

    fn detach(self: Box<Self>) -> Vec<JoinHandle<()>> {
        self.disable();
        Vec::new()
    }

    /// A running program's code is not touched: what stands there does nothing any more.
    fn leave_until_exit(self: Box<Self>) {
        self.disable();
    }
}
