//! Threads that do one thing and are waited for by nobody.
//!
//! Always true: such a thread blocks every signal from its beginning on, so that none of the host's handlers runs there. It starts
//! no process, so nobody inherits that.
//! Called by: lookups of names, and what hands signals on. Blocks: nothing.

use super::errno;
use super::thread::Entry;
use crate::primitive::yield_thread;
use crate::sys::Errno;
use std::ffi::{c_void, CStr};
use std::ptr::null_mut;

/// What the C library's resolver, or a handler of the host's, may need.
const STACK: usize = 1 << 20;
/// How often a thread that could not be had is asked for again, at once.
const RETRIES: u32 = 3;

/// Starts a thread for `entry`.
#[allow(clippy::not_unsafe_ptr_arg_deref, reason = "handed on to `entry`, which says what it is")]
pub fn start(entry: Entry, arg: *mut c_void) -> Result<(), Errno> {
    // SAFETY: sets and attributes are written before they are read, and the attributes are destroyed once.
    errno::keep(|| unsafe {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        match libc::pthread_attr_init(attributes.as_mut_ptr()) {
            0 => {}
            code => return Err(Errno(code)),
        }
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
        let (mut all, mut old) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let mut id = std::mem::MaybeUninit::uninit();
        let mut code = libc::EAGAIN;
        for round in 0..=RETRIES {
            code = libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), entry, arg);
            if code != libc::EAGAIN {
                break;
            }
            if round < RETRIES {
                yield_thread();
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, null_mut());
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        match code {
            0 => Ok(()),
            code => Err(Errno(code)),
        }
    })
}

/// Gives the calling thread its name, of at most 15 bytes.
pub fn name(name: &CStr) {
    // SAFETY: a string.
    errno::keep(|| unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) });
}
