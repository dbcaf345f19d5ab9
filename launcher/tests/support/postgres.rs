//! A PostgreSQL server of the test's own, with an empty database `shop`.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use super::database_server::{DatabaseServer, command, folder, newest, run};

const READY: &str = "database system is ready to accept connections";

/// A server that answers. It ends with the test.
#[derive(Debug)]
pub(crate) struct Postgres(DatabaseServer);

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = folder();
        let mut init = command(program("initdb"), folder.path());
        init.args(["--pgdata", "data", "--username", "shop", "--auth", "trust", "--encoding", "UTF8", "--no-sync"]);
        run(init);
        // Immediate: whatever the test has left open.
        let server = DatabaseServer::start(folder, READY, Signal::SIGQUIT, serving);
        let mut create = command(program("createdb"), server.folder());
        create.args(["--host", "127.0.0.1", "--username", "shop", "--port"]).arg(server.port.to_string()).arg("shop");
        run(create);
        Self(server)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// A URL by which it is opened, with a password that nobody asks for.
    pub(crate) fn dsn(&self) -> String {
        format!("postgres://shop:s3cret@127.0.0.1:{}/shop?sslmode=disable", self.0.port)
    }

    /// Ends it at once, and starts it again.
    pub(crate) fn restart(&mut self) {
        let again = serving(self.0.folder(), self.0.port);
        self.0.restart(READY, again);
    }
}

fn program(name: &str) -> std::path::PathBuf {
    newest("/usr/lib/postgresql", "bin").join(name)
}

fn serving(folder: &Path, port: u16) -> Command {
    let mut command = command(program("postgres"), folder);
    command.args(["-D", "data", "-p"]).arg(port.to_string());
    for setting in [
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "shared_buffers=16MB",
        "max_connections=1100",
        "deadlock_timeout=100ms",
        "jit=off",
    ] {
        command.args(["-c", setting]);
    }
    command.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
    command
}
