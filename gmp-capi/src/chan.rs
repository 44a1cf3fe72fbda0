//! Channels.
//!
//! Owns: the C shape of `gmp_core::chan::Chan`. Blocks: `gmp_chan_send`, `gmp_chan_recv`.

use crate::boundary::code;
use crate::code::{GMP_EINVAL, GMP_EMISUSE, GMP_OK};
use crate::time::gmp_time_t;
use gmp_core::chan::{wait, Chan};
use std::ffi::{c_int, c_void};

/// A channel: values of one size, handed from sender to receiver, first in, first out. Tasks and threads may use one
/// together. A NULL channel is allowed wherever a value is sent or received: it is never ready.
///
/// A channel is reference-counted. Its last reference may be dropped as soon as the last value was received, although the
/// other side's call has not returned yet. It may even be dropped while others wait: they are not woken (free does not close),
/// and the memory goes with the last of them.
///
/// In a fork's child a channel of the parent's answers GMP_EFORKED, and gmp_chan_free leaves its memory.
pub struct gmp_chan {
    _private: [u8; 0],
}

/// See struct gmp_chan.
pub type gmp_chan_t = gmp_chan;

#[inline(always)]
pub(crate) unsafe fn chan<'a>(at: *const gmp_chan_t) -> Option<&'a Chan> {
    // SAFETY: the caller's channel, or null.
    unsafe { at.cast::<Chan>().as_ref() }
}

/// Makes a channel with one reference.
///
/// @param elem_size  Bytes of a value, at most 65535. 0: values are only counted.
/// @param capacity   How many values the channel keeps while nobody receives; 0: each send waits for its receive.
/// @param chan_out   The channel is written here on success.
/// @return           GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `chan_out` is NULL, the element is too large, or elem_size * capacity is. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_new(elem_size: usize, capacity: usize, chan_out: *mut *mut gmp_chan_t) -> c_int {
    if chan_out.is_null() {
        return GMP_EINVAL;
    }
    match Chan::new(elem_size, capacity) {
        Ok(made) => {
            // SAFETY: the caller's place.
            unsafe { *chan_out = made.as_ptr().cast() };
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

/// Takes one more reference.
///
/// @param chan  The channel; NULL is fine.
/// @return      `chan`.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_ref(chan: *mut gmp_chan_t) -> *mut gmp_chan_t {
    // SAFETY: the caller's channel.
    if let Some(c) = unsafe { self::chan(chan) } {
        c.retain();
    }
    chan
}

/// Drops one reference. The memory goes with the last one, and with the last who waits. Values still in it are dropped as the
/// bytes they are.
///
/// @param chan  The channel; NULL is fine.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_free(chan: *mut gmp_chan_t) {
    if !chan.is_null() {
        // SAFETY: the caller's reference.
        unsafe { Chan::release(chan.cast()) };
    }
}

/// Sends a value: to the receiver that has waited longest, else into the buffer, else waits for one of them. What the sender
/// did before is visible to who receives the value.
///
/// @param chan      The channel. NULL: never ready.
/// @param value     The value is read from here; not needed for values of 0 bytes.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK: sent. Any code: not sent.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_ECLOSED: the channel is closed, or was while this waited. GMP_EAGAIN: it would wait, and GMP_NOWAIT was given.
///          GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task's context ended. GMP_EINVAL: `value` is NULL.
///          GMP_EMISUSE: a channel of a timer or for signals. GMP_ENOMEM: no room for a deadline. GMP_EFORKED: a channel of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_send(chan: *mut gmp_chan_t, value: *const c_void, deadline: gmp_time_t) -> c_int {
    // SAFETY: the caller's channel.
    let Some(c) = (unsafe { self::chan(chan) }) else { return code(wait::wait_for_ever(deadline)) };
    if value.is_null() && c.elem_size() > 0 {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's channel and value.
    code(unsafe { c.send(value.cast(), deadline) })
}

/// Receives a value: the oldest in the buffer, else from the sender that has waited longest, else waits for one.
///
/// @param chan       The channel. NULL: never ready.
/// @param value_out  The value is written here; with GMP_ECLOSED zeros are; with another code nothing. NULL: it is thrown away.
/// @param deadline   Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return           GMP_OK: received. Any code: not.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_ECLOSED: the channel is closed, and every value was received. GMP_EAGAIN: it would wait, and GMP_NOWAIT was
///          given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task's context ended. GMP_ENOMEM: no room for a
///          deadline. GMP_EFORKED: a channel of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_recv(chan: *mut gmp_chan_t, value_out: *mut c_void, deadline: gmp_time_t) -> c_int {
    // SAFETY: the caller's channel.
    let Some(c) = (unsafe { self::chan(chan) }) else { return code(wait::wait_for_ever(deadline)) };
    // SAFETY: the caller's channel and place.
    code(unsafe { c.recv(value_out.cast(), deadline) })
}

/// Closes the channel. Values in its buffer can still be received; all who wait for more, and all who wait to send, are woken
/// with GMP_ECLOSED.
///
/// @param chan  The channel.
/// @return      GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: NULL, closed already, or a channel of a timer or context, or for signals. GMP_EFORKED: a channel of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_close(chan: *mut gmp_chan_t) -> c_int {
    // SAFETY: the caller's channel.
    match unsafe { self::chan(chan) } {
        Some(c) => code(c.close()),
        None => GMP_EMISUSE,
    }
}

/// How many values are in the buffer: out of date as soon as it is known.
///
/// @param chan  The channel; NULL: 0.
/// @return      The number; 0 for a timer's channel.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_len(chan: *const gmp_chan_t) -> usize {
    // SAFETY: the caller's channel.
    unsafe { self::chan(chan) }.map_or(0, Chan::len)
}

/// How many values the buffer has room for.
///
/// @param chan  The channel; NULL: 0.
/// @return      The number; 0 for a timer's channel.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_chan_cap(chan: *const gmp_chan_t) -> usize {
    // SAFETY: the caller's channel.
    unsafe { self::chan(chan) }.map_or(0, Chan::capacity)
}
