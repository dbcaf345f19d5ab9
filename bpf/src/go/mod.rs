//! Go's own data structures, as they lie in the program's memory.

pub mod abi;
pub mod baggage;
pub mod header;
pub mod map;
pub mod panic;
pub mod peer;
pub mod results;
pub mod string;
pub mod words;
