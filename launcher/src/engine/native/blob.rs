//! The code that the build script made of `native`, and where its parts are.

/// The code, from the head to where the configuration begins. Empty on machines for which there is none.
static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/blob.bin"));

/// The embedded code, whose head was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob {
    /// The code.
    pub(super) code: &'static [u8],
    /// Where thunks enter, in bytes from its beginning.
    pub(super) common: u64,
    /// What `runtime.sigtramp` calls.
    pub(super) hook: u64,
}

impl Blob {
    /// The code for this machine; `None` where there is none.
    pub(super) fn embedded() -> Option<Self> {
        #[cfg(debug_assertions)]
        if super::planted::in_code() != 0 {
            return Self::read(super::planted::CODE);
        }
        Self::read(CODE)
    }

    fn read(code: &'static [u8]) -> Option<Self> {
        // The head (`native/src/blob/entry.rs`).
        let number = |at: usize| Some(u64::from(u32::from_le_bytes(code.get(at..at + 4)?.try_into().ok()?)));
        let (common, hook, configuration) = (number(0)?, number(4)?, number(8)?);
        (configuration == code.len() as u64).then_some(Self { code, common, hook })
    }
}
