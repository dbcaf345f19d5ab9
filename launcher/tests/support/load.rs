//! Many requests at the same time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::Client;

/// Sends the requests 0 to `requests` over keep-alive connections; each must be answered with 200.
pub(crate) fn send(address: SocketAddr, connections: usize, requests: usize, path: impl Fn(usize) -> String + Sync) {
    each(address, connections, requests, |client, number| {
        let path = path(number);
        assert_eq!(client.send("GET", &path, &[], ""), Some(200), "{path}");
    });
}

/// Calls `send` for the numbers 0 to `requests`, on a thread for each connection.
pub(crate) fn each(address: SocketAddr, connections: usize, requests: usize, send: impl Fn(&mut Client, usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    send(&mut client, number);
                }
            });
        }
    });
}
