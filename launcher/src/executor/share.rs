//! How the program gets the slots: over a socket that it opens itself, in system calls that the launcher makes in its name.
//! A descriptor cannot be put into another process, and one that is inherited would stand in all that a shell starts.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, sockopt};

/// A descriptor that one process may fetch.
#[derive(Debug)]
pub struct Offer {
    listener: UnixListener,
    /// The name of the socket, without the zero byte that makes it abstract.
    name: Vec<u8>,
}

impl Offer {
    /// Listens on a socket with a name that cannot be guessed, which is in no file system.
    ///
    /// # Errors
    /// Where the kernel gives no socket.
    pub fn new() -> io::Result<Self> {
        let name = format!("go-auto-launch-{:032x}", fastrand::u128(..)).into_bytes();
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, name })
    }

    /// `struct sockaddr_un` for the program to connect to.
    #[must_use]
    pub fn address(&self) -> Vec<u8> {
        let family = u16::try_from(libc::AF_UNIX).unwrap_or(1).to_ne_bytes();
        [family.as_slice(), &[0], &self.name].concat()
    }

    /// Sends `fd` to the process that has connected, if it is `pid`.
    ///
    /// # Errors
    /// Where nobody has connected, or somebody else.
    pub fn send(&self, fd: BorrowedFd<'_>, pid: u32) -> io::Result<()> {
        let (stream, _) = self.listener.accept()?;
        let peer = nix::sys::socket::getsockopt(&stream, sockopt::PeerCredentials)?;
        if u32::try_from(peer.pid()) != Ok(pid) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another process has connected"));
        }
        let fds = [fd.as_raw_fd()];
        let message = [ControlMessage::ScmRights(&fds)];
        sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(b"s")], &message, MsgFlags::empty(), None)?;
        Ok(())
    }
}
