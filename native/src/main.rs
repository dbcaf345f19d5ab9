//! The code that the native engine places into the program: probe bodies, behind an entry that takes care of Go's stacks and registers,
//! and a hook for signals that arrive meanwhile.
//!
//! It is position-independent, has no data of its own, makes no system call but futex(2), touches no vector register, and returns from
//! whatever goes wrong in it as if the probe had not been there.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    target_os = "none",
    expect(clippy::inline_always, reason = "a hit pays for each call"),
    expect(clippy::cast_possible_truncation, reason = "addresses have 64 bits; of what is mixed, any bits will do")
)]

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
mod blob;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    blob::abort()
}
