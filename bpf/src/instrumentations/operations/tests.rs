//! Operations from start to end, as the launcher sees them.
