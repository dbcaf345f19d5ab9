//! A MariaDB server of the test's own, with an empty database `shop`.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use super::database_server::{DatabaseServer, command, folder, run};

const READY: &str = "ready for connections";

const INIT: &str = "CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS shop IDENTIFIED BY 's3cret';
GRANT ALL ON shop.* TO shop;
";

/// A server that answers. It ends with the test.
#[derive(Debug)]
pub(crate) struct MariaDb(DatabaseServer);

impl MariaDb {
    pub(crate) fn start() -> Self {
        let folder = folder();
        let mut install = command("/usr/bin/mariadb-install-db", folder.path());
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        install.arg(format!("--datadir={}", folder.path().join("data").display()));
        run(install);
        fs::write(folder.path().join("init.sql"), INIT).unwrap();
        Self(DatabaseServer::start(folder, READY, Signal::SIGKILL, serving))
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// A DSN by which go-sql-driver/mysql opens it.
    pub(crate) fn dsn(&self) -> String {
        format!("shop:s3cret@tcp(127.0.0.1:{})/shop", self.0.port)
    }

    /// Ends it at once, and starts it again.
    pub(crate) fn restart(&mut self) {
        let again = serving(self.0.folder(), self.0.port);
        self.0.restart(READY, again);
    }
}

fn serving(folder: &Path, port: u16) -> Command {
    let mut command = command("/usr/sbin/mariadbd", folder);
    command.arg("--no-defaults").arg(format!("--port={port}"));
    for (name, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid"), ("init-file", "init.sql")] {
        command.arg(format!("--{name}={}", folder.join(file).display()));
    }
    command.args([
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=32M",
        "--max-connections=1100",
    ]);
    command
}
