//! What several integration tests need.
#![allow(dead_code, reason = "each test target uses its own part")]

pub(crate) mod apps;
pub(crate) mod by_hand;
pub(crate) mod database_server;
pub(crate) mod executable;
pub(crate) mod folder;
pub(crate) mod front;
pub(crate) mod load;
pub(crate) mod maps;
pub(crate) mod mariadb;
pub(crate) mod plain;
pub(crate) mod postgres;
pub(crate) mod receiver;
pub(crate) mod routing;
pub(crate) mod seccomp;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod traces;
pub(crate) mod until;
