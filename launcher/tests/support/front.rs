//! `headers front` under the launcher: each request it gets makes one, whose headers come back.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;

use super::apps::{self, GoVersion, Variant};
use super::server::{Client, Left, Server};
use super::sink::Sink;

/// The ways of making a request: HTTP/1, HTTP/2 of the standard library, and HTTP/2 of golang.org/x/net.
pub(crate) const LIBRARIES: [&str; 3] = ["http1", "http2", "xnet"];

/// The service, and where its requests go.
#[derive(Debug)]
pub(crate) struct Front {
    sink: Sink,
    server: Server,
}

/// What the sink has received.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    protocol: String,
    headers: BTreeMap<String, Vec<String>>,
}

impl Sent {
    fn parse(body: &[u8], library: &str) -> Self {
        let sent: Self = serde_json::from_slice(body).unwrap();
        assert_eq!(sent.protocol, if library == "http1" { "HTTP/1.1" } else { "HTTP/2.0" });
        sent
    }

    /// All values of a header.
    pub(crate) fn values(&self, name: &str) -> &[String] {
        self.headers.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Front {
    pub(crate) fn start(version: GoVersion, command: Command) -> Self {
        let sink = Sink::of_headers();
        let app = apps::build("headers", version, Variant::Stripped);
        let server = Server::start_with(command, &app, &["front", &sink.url, &sink.secure], 2);
        Self { sink, server }
    }

    /// A connection to it.
    pub(crate) fn client(&self) -> FrontClient {
        FrontClient(Client::connect(self.server.addresses[0]))
    }

    /// A request by HTTP/2 with some headers, on a connection of its own.
    pub(crate) fn by_http2(&self, library: &str, incoming: &[(&str, &str)]) -> Sent {
        let headers = incoming.iter().map(|(name, value)| format!("-H{name}: {value}"));
        let url = format!("https://{}/via?by={library}", self.server.addresses[1]);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--insecure", "--http2"]).args(headers).arg(url);
        let output = curl.output().unwrap_or_else(|error| panic!("curl, which `make setup` installs: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Sent::parse(&output.stdout, library)
    }

    pub(crate) fn end(self) -> Left {
        let left = self.server.end();
        drop(self.sink);
        left
    }
}

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct FrontClient(Client);

impl FrontClient {
    /// Sends a request with some headers; the handler makes one with headers of its own.
    pub(crate) fn via(&mut self, library: &str, incoming: &[(&str, &str)], own: &[(&str, &str)]) -> Sent {
        let incoming = incoming.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let own = own.iter().map(|(name, value)| ("X-Set".to_owned(), format!("{name}: {value}")));
        let headers: Vec<_> = incoming.chain(own).collect();
        assert_eq!(self.0.send("GET", &format!("/via?by={library}"), &headers, ""), Some(200), "{library} {headers:?}");
        Sent::parse(&self.0.body, library)
    }
}
