//! Task classes: what another language's runtime supplies so that its tasks can be scheduled.
//!
//! Owns: the C shape of the table, which is that of `gmp_core::task::class::TaskClass` (checked below).

use crate::boundary::input;
use gmp_core::task::class::{TaskClass, EXCLUSIVE, OWN_LOCK};
use gmp_core::{Error, Result};
use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

/// A task class: what another language's runtime supplies so that its tasks can be scheduled (Python thread states, Lua
/// states ...). Set all members (= {0} first); struct_size is sizeof(gmp_task_class_t). Any function may be NULL. The
/// table must stay as it is until gmp_shutdown has returned: its address is the class, its contents are read at the
/// first spawn.
///
/// The functions are called on the machine that leaves or enters the task, and none may wait in this library. machine_start,
/// acquire, first_run, finish, release and machine_end are called on the machine's own stack and may block; switch_in on
/// the entered task's stack; switch_out and may_migrate on the leaving task's stack: these two must not block, nor call
/// into this library. The topmost 2048 bytes of the stack that first_run is told of are the class's own: the task's frames begin
/// below. Two tasks of a class that follow each other are switch_out(a), switch_in(b). `user` is the table's, `m` what machine_start
/// stored for that machine, `t` the task's class_data. Of a class with GMP_CLASS_OWN_LOCK whose token was taken, release is called on
/// the leaving task's stack, right after its switch_out, and must not block nor call into this library then.
#[repr(C)]
pub struct gmp_task_class {
    /// sizeof(gmp_task_class_t).
    pub struct_size: usize,
    /// For dumps; may be NULL.
    pub name: *const c_char,
    /// Handed to every function.
    pub user: *mut c_void,
    /// GMP_CLASS_* flags.
    pub flags: u32,
    /// Once per machine, before its first task of the class; what it stores in `*m_out` is the machine's `m`. A result
    /// other than 0 makes the class's tasks fail on this machine with that code.
    pub machine_start: Option<unsafe extern "C" fn(user: *mut c_void, m_out: *mut *mut c_void) -> c_int>,
    /// Once per machine that machine_start was called on, before its thread ends.
    pub machine_end: Option<unsafe extern "C" fn(user: *mut c_void, m: *mut c_void)>,
    /// GMP_CLASS_EXCLUSIVE: this machine now holds the class's token ...
    pub acquire: Option<unsafe extern "C" fn(user: *mut c_void, m: *mut c_void)>,
    /// ... and gives it up (nothing to run, or others have waited), or learns that it was taken (GMP_CLASS_OWN_LOCK).
    pub release: Option<unsafe extern "C" fn(user: *mut c_void, m: *mut c_void)>,
    /// Before the task's first instruction, with the stack it will have. A result other than 0: the task ends without
    /// having run, and its join answers that code (make it negative).
    pub first_run: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            m: *mut c_void,
            t: *mut c_void,
            stack_low: *mut c_void,
            stack_size: usize,
        ) -> c_int,
    >,
    /// The task goes on on this machine: at its start and after each park.
    pub switch_in: Option<unsafe extern "C" fn(user: *mut c_void, m: *mut c_void, t: *mut c_void)>,
    /// The task leaves this machine: at each park and at its end.
    pub switch_out: Option<unsafe extern "C" fn(user: *mut c_void, m: *mut c_void, t: *mut c_void)>,
    /// After the task's last instruction, off its stack.
    pub finish: Option<unsafe extern "C" fn(user: *mut c_void, m: *mut c_void, t: *mut c_void)>,
    /// May the parked task resume on another thread? `sp`: where it is parked, or, at a park, a place in the frames that lie below.
    /// Asked at each park, on the leaving task's stack; NULL: yes. Of classes with GMP_CLASS_OWN_LOCK it is asked by the machine that
    /// would take the task over, on its own stack; NULL: no. Of other exclusive classes it is not asked: their started tasks stay.
    pub may_migrate: Option<unsafe extern "C" fn(user: *mut c_void, t: *mut c_void, sp: *const c_void) -> c_int>,
    /// The monitor asks, from its own thread, of a task that seems to compute while work waits behind it: not 0 if the task waits for
    /// something in foreign code. It must not call this library, nor wait: everything stands still meanwhile. NULL: no.
    pub is_blocked: Option<unsafe extern "C" fn(user: *mut c_void, t: *mut c_void) -> c_int>,
    /// gmp_task_cancel was called: on the canceller's thread, while the task may be running. It must not wait for anything that
    /// the class's tasks hold: a task that ends waits for it.
    pub cancel: Option<unsafe extern "C" fn(user: *mut c_void, t: *mut c_void)>,
}

/// See struct gmp_task_class.
pub type gmp_task_class_t = gmp_task_class;

/// Class flag: one task of the class runs at a time (a GIL). The token's holder runs its tasks back to back; others wait
/// in a queue, so that no machine ever blocks for the token.
pub const GMP_CLASS_EXCLUSIVE: u32 = 1u32;

/// Class flag, with GMP_CLASS_EXCLUSIVE: the class has a lock of its own, which acquire takes and release gives up, and which foreign
/// code under its tasks may give up and take again by itself (as Python's GIL). Then the token is taken from a task that stays in
/// foreign code: as soon as is_blocked says so, or, as the processor, after 10 ms of computing. The next holder's acquire waits for
/// the lock in the ordinary way; the task goes on without the token until its next call of this library that may wait.
pub const GMP_CLASS_OWN_LOCK: u32 = 2u32;

const _: () = {
    assert!(GMP_CLASS_EXCLUSIVE == EXCLUSIVE && GMP_CLASS_OWN_LOCK == OWN_LOCK);
    assert!(size_of::<gmp_task_class>() == size_of::<TaskClass>());
    assert!(offset_of!(gmp_task_class, user) == offset_of!(TaskClass, user));
    assert!(offset_of!(gmp_task_class, flags) == offset_of!(TaskClass, flags));
    assert!(offset_of!(gmp_task_class, machine_start) == offset_of!(TaskClass, machine_start));
    assert!(offset_of!(gmp_task_class, machine_end) == offset_of!(TaskClass, machine_end));
    assert!(offset_of!(gmp_task_class, acquire) == offset_of!(TaskClass, acquire));
    assert!(offset_of!(gmp_task_class, release) == offset_of!(TaskClass, release));
    assert!(offset_of!(gmp_task_class, first_run) == offset_of!(TaskClass, first_run));
    assert!(offset_of!(gmp_task_class, switch_in) == offset_of!(TaskClass, switch_in));
    assert!(offset_of!(gmp_task_class, switch_out) == offset_of!(TaskClass, switch_out));
    assert!(offset_of!(gmp_task_class, finish) == offset_of!(TaskClass, finish));
    assert!(offset_of!(gmp_task_class, may_migrate) == offset_of!(TaskClass, may_migrate));
    assert!(offset_of!(gmp_task_class, is_blocked) == offset_of!(TaskClass, is_blocked));
    assert!(offset_of!(gmp_task_class, cancel) == offset_of!(TaskClass, cancel));
};

/// The core's view of a table; None for NULL.
///
/// # Safety
/// `class` is null or names a table.
pub(crate) unsafe fn table(class: *const gmp_task_class_t) -> Result<Option<*const TaskClass>> {
    if class.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let known = unsafe { input(class) }?;
    let exclusive = known.flags & GMP_CLASS_EXCLUSIVE != 0;
    if known.flags & !(GMP_CLASS_EXCLUSIVE | GMP_CLASS_OWN_LOCK) != 0 || known.flags != 0 && !exclusive {
        return Err(Error::Invalid);
    }
    Ok(Some(class.cast()))
}

/// The frames of a parked task, for a class's may_migrate.
///
/// @param sp     Where it is parked, as may_migrate is told.
/// @param top    Where its frames begin: the end of the stack that first_run was told of, less 2048 bytes.
/// @param at     Receives the return addresses, newest first.
/// @param most   How many `at` has room for.
/// @return       Their number.
/// @context      any thread or task; from may_migrate too, unlike the rest of this library.
/// @blocks       nothing; about 20 µs.
/// @errors       GMP_EINVAL: a NULL, `sp` not below `top`, or more frames than `most` or than 32; GMP_EAGAIN: another thread asks;
///               GMP_ENOTSUP: the platform has no unwinder.
/// @since        0.1
///
/// # Safety
/// The context is parked at `sp` until this returns, and the memory up to `top` is its stack's.
#[no_mangle]
pub unsafe extern "C" fn gmp_parked_frames(
    sp: *const c_void,
    top: *const c_void,
    at: *mut *mut c_void,
    most: usize,
) -> c_int {
    if sp.is_null() || top.is_null() || at.is_null() {
        return Error::Invalid.code();
    }
    let most = most.min(isize::MAX as usize / size_of::<usize>());
    // SAFETY: the caller's promise; addresses are as long as pointers.
    let out = unsafe { std::slice::from_raw_parts_mut(at.cast::<usize>(), most) };
    // SAFETY: as above.
    match unsafe { gmp_core::inspect::parked::parked_frames(sp as usize, top as usize, out) } {
        Ok(n) => n as c_int,
        Err(error) => error.code(),
    }
}
