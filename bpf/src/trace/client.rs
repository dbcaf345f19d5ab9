//! What is remembered of a goroutine's outgoing request, and what is injected into it.

use crate::records::SpanIdentity;
use crate::records::http_client::{NO_PEER, Peer};
use crate::target::Target;
use crate::trace::sealed;

/// The outgoing request of a goroutine.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ClientCall {
    /// Its span, and what is injected into it.
    pub injection: Injection,
    /// 1 between its start and its end.
    pub open: u64,
    /// Bytes between its stack pointer and the upper end of the stack, which stay the same when the stack is moved.
    pub depth: u64,
    /// The return address of the function that sends it.
    pub caller: u64,
    /// Requests that were started within it and have not ended.
    pub nested: u64,
    /// Address of the request's header map, the carrier, under which the injection is remembered; 0 where nothing is injected.
    pub header: u64,
    /// That the span is this goroutine's ([`crate::trace::sealed`]): the holder is the address of its `g`.
    pub seal: u64,
}

impl ClientCall {
    /// Whether the span is that of a request of the goroutine at `holder`.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, holder: u64) -> bool {
        sealed::is_of(&self.injection.span, &self.seal, holder)
    }

    /// Forgets a request that has not ended: it never will.
    #[inline(always)]
    pub fn abandon<T: Target>(&mut self, target: &T) {
        if self.open != 0 {
            self.open = target.opaque(0);
            if self.header != 0 {
                target.forget_injection(self.header);
            }
        }
    }
}

/// What is to be injected into an outgoing request. Its carrier is its header map (`http.Header`).
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Injection {
    /// Its span; [`SpanIdentity::propagation`] says which headers it gets.
    pub span: SpanIdentity,
    /// That it is the one of this header map ([`crate::trace::sealed`]): the holder is the address of the map.
    pub seal: u64,
    /// Under which number the texts are remembered that it gets as well.
    pub extracted: u64,
    /// How often its header was written.
    pub writes: u64,
    /// To whom it was written last.
    pub peer: Peer,
}

impl Injection {
    /// Whether it is for the request with the header map at `map`.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, map: u64) -> bool {
        sealed::is_of(&self.span, &self.seal, map)
    }
}

/// Nothing.
pub const NO_INJECTION: Injection = Injection { span: SpanIdentity::NONE, seal: 0, extracted: 0, writes: 0, peer: NO_PEER };

/// No request yet.
pub const NO_CALL: ClientCall =
    ClientCall { injection: NO_INJECTION, open: 0, depth: 0, caller: 0, nested: 0, header: 0, seal: 0 };
