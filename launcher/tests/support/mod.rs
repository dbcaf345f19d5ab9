//! What several integration tests need.
#![allow(dead_code, reason = "each test target uses its own part")]

pub(crate) mod apps;
pub(crate) mod executable;
pub(crate) mod folder;
pub(crate) mod receiver;
pub(crate) mod server;
