//! Task-local values.
//!
//! Owns: the C shape of a key: the core's number plus one, so that all-zero is no key. Blocks: nothing.

use crate::boundary::code;
use crate::code::{GMP_EINVAL, GMP_OK};
use gmp_core::global;
use std::ffi::{c_int, c_void};

/// A key of task-local values, as pthread_key_t is of thread-local ones; works on plain threads too. Keys are never
/// freed; a process can have 1024. All-zero is no key.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gmp_key {
    /// The library's business.
    pub opaque: u32,
}

/// See struct gmp_key.
pub type gmp_key_t = gmp_key;

/// Makes a key. Every task and thread has NULL under it.
///
/// @param destroy  Called at the end of a task or thread with its value, unless that is NULL; may be NULL. A destructor
///                 that sets values again makes another round, four in all.
/// @param key_out  The key is written here on success.
/// @return         GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `key_out` is NULL. GMP_EAGAIN: there are 1024 keys already.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_key_create(
    destroy: Option<unsafe extern "C" fn(value: *mut c_void)>,
    key_out: *mut gmp_key_t,
) -> c_int {
    if key_out.is_null() {
        return GMP_EINVAL;
    }
    match global::keys().create(destroy) {
        Ok(key) => {
            // SAFETY: the caller's place for the key.
            unsafe { *key_out = gmp_key { opaque: key + 1 } };
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

/// Sets the calling task's (or plain thread's) value under a key. The value before is not destroyed.
///
/// @param key    The key.
/// @param value  Any pointer.
/// @return       GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: not a key. GMP_ENOMEM. GMP_EAGAIN: the thread has no room for thread-specific data.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_local_set(key: gmp_key_t, value: *mut c_void) -> c_int {
    code(global::local_set(key.opaque.wrapping_sub(1), value))
}

/// The calling task's (or plain thread's) value under a key.
///
/// @param key  The key.
/// @return     The value; NULL when none was set, and for what is no key.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_local_get(key: gmp_key_t) -> *mut c_void {
    global::local_get(key.opaque.wrapping_sub(1))
}
