//! In which of three formats the descriptor of a map type is.

/// Which of the three formats of a map type's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapFormat {
    /// Buckets with overflow chains: Go ≤ 1.23, or `GOEXPERIMENT=noswissmap`.
    Hmap,
    /// Groups of interleaved slots: Go 1.24 to 1.26.
    Slots,
    /// Groups with strides for keys and elements: Go ≥ 1.27.
    Strides,
}

impl MapFormat {
    /// Length of the descriptor without its uncommon part.
    pub(super) fn descriptor_len(self) -> u64 {
        match self {
            Self::Hmap => 88,
            Self::Slots => 112,
            Self::Strides => 136,
        }
    }
}
