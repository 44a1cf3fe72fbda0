//! Signals.
//!
//! Owns: nothing. Blocks: nothing.

use crate::boundary::guarded;
use crate::chan::gmp_chan_t;
use crate::code::{GMP_EINVAL, GMP_OK};
use gmp_core::io::signal;
use std::ffi::c_int;

/// Makes a channel that gets the signal's number, an int32_t, each time that the process gets the signal. It has room for 64; what comes
/// while it is full is dropped. Any number of channels may be made for a signal: each gets it.
///
/// Signals: this library handles, blocks and sends none, but for those asked for here (and GMP_CONFIG_OVERFLOW_HANDLER's). With
/// the first channel of a signal a handler is installed for it; when the last reference to the last channel is dropped (gmp_chan_free), what
/// was there before is put back, unless somebody has installed another handler meanwhile: theirs stays. As long as a channel is
/// there, the signal's default action does not happen, nor is it ignored. A handler that the program had installed before is still called, with
/// the same arguments and under its own mask and flags; one that it installs later takes the signal away from the channels, unless it hands on. What is
/// still under way to a thread when the last channel goes, does what it did before.
///
/// The handler only counts, and wakes a thread (named "gmp-signals", there while a channel is) that fills the channels and accepts the
/// signals asked for, so that they come even where all threads of the program block them. No mask of another thread is changed. The channel
/// works before gmp_start and across gmp_shutdown, which does not wait for it. While there is one, waiting tasks are no deadlock: a signal
/// may come.
///
/// Only the library sends into the channel, and nobody closes it (GMP_EMISUSE). In a fork's child the channel answers GMP_EFORKED, and
/// the signal does what it did before it was asked for; the child may ask anew.
///
/// @param signum    The signal.
/// @param chan_out  The channel is written here on success. The caller frees it.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `chan_out` is NULL; no such signal; SIGKILL and SIGSTOP, which cannot be caught; SIGSEGV, SIGBUS, SIGFPE, SIGILL,
///          SIGTRAP and SIGSYS, which a fault raises where it happens. GMP_ENOMEM. GMP_EAGAIN: no thread can be had.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_signal_chan(signum: c_int, chan_out: *mut *mut gmp_chan_t) -> c_int {
    if chan_out.is_null() {
        return GMP_EINVAL;
    }
    guarded(|| match signal::channel(signum) {
        Ok(chan) => {
            // SAFETY: the caller's place.
            unsafe { *chan_out = chan.into_raw().cast() };
            GMP_OK
        }
        Err(e) => e.code(),
    })
}
