//! Trace identity: ids, remote parents, sampling, what is remembered of a goroutine.

pub mod answered;
pub mod b3;
pub mod baggage;
pub mod chain;
pub mod contexts;
pub mod creators;
pub mod exports;
pub mod extracted;
pub mod frames;
pub mod goroutine;
pub mod ids;
pub mod injection;
pub mod operation;
pub mod parents;
pub mod proxied;
pub mod remote;
pub mod sampling;
pub mod sealed;
pub mod stand_in;
pub mod traceparent;
pub mod tracestate;
pub mod unsampled;
pub mod unwinding;
pub mod waiting;
pub mod wrapped;
