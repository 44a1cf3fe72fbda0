//! The spawn site: where in the caller's code a task was started, kept for dumps.
//!
//! Owns: how an exported function learns its return address. Where we have the architecture's text, the function is a
//! naked tail call that hands the address on as one more argument: the inner function returns straight to the caller,
//! so it costs a load and a jump. Elsewhere the site is 0, "unknown".
//!
//! `sited!(inner, a, b)` is the whole body of a function whose arguments are `a, b` in order, all of them words;
//! `inner` takes one `usize` more.

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod x86_64;

#[cfg(target_arch = "aarch64")]
#[macro_use]
mod aarch64;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[macro_use]
mod unknown;

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use crate::runtime::{gmp_run, gmp_wait_idle};
    use crate::task::{gmp_go, gmp_spawn};
    use crate::time::GMP_FOREVER;
    use crate::wait_group::{gmp_wg, gmp_wg_go, gmp_wg_wait};
    use gmp_core::sched::enter::task_machine;
    use std::ffi::c_void;
    use std::ptr::{null, null_mut};

    unsafe extern "C-unwind" fn tell(out: *mut c_void) {
        // SAFETY: runs as a task, with a place for its site.
        unsafe { *out.cast::<usize>() = (*(*task_machine()).current.get()).site.get() };
    }

    unsafe extern "C-unwind" fn tell_with_result(out: *mut c_void) -> *mut c_void {
        // SAFETY: as above.
        unsafe { tell(out) };
        out
    }

    /// A function's address and what its call left as the site.
    fn site_is_in(caller: fn(*mut c_void)) {
        let mut site = 0usize;
        caller((&raw mut site).cast());
        assert_eq!(gmp_wait_idle(GMP_FOREVER), 0);
        let start = caller as usize;
        // SAFETY: written by the task, which has ended.
        let site = unsafe { (&raw const site).read_volatile() };
        assert!((start..start + 1024).contains(&site), "{site:#x} is not near {start:#x}");
    }

    // Each does something after its call, so that it is no tail call.
    fn run(out: *mut c_void) {
        // SAFETY: `tell` may be called with `out`.
        assert_eq!(unsafe { gmp_run(Some(tell), out) }, 0);
    }

    fn go(out: *mut c_void) {
        // SAFETY: as above.
        assert_eq!(unsafe { gmp_go(Some(tell), out) }, 0);
    }

    fn spawn(out: *mut c_void) {
        // SAFETY: as above.
        assert_eq!(unsafe { gmp_spawn(Some(tell_with_result), out, null(), null_mut()) }, 0);
    }

    fn wg_go(out: *mut c_void) {
        let mut group = gmp_wg { opaque: [0; 2] };
        // SAFETY: as above; the group lives until its count is zero.
        unsafe {
            assert_eq!(gmp_wg_go(&mut group, Some(tell), out), 0);
            assert_eq!(gmp_wg_wait(&mut group, GMP_FOREVER), 0);
        }
    }

    #[test]
    fn a_task_knows_where_it_was_spawned() {
        for caller in [run, go, spawn, wg_go] as [fn(*mut c_void); 4] {
            site_is_in(caller);
        }
    }
}
