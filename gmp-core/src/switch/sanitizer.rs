//! Tells AddressSanitizer and ThreadSanitizer about switches, when the host has them.
//!
//! Owns: the hooks, looked up by name once, at the start of a runtime. Always true: without a sanitizer every
//! function here is one predicted branch. With one, and not told, ASan reports overflows that are none at the
//! first exception in a task, and TSan sees races between a task and itself.
//!
//! Called by: `sched`, around each switch, in this order: on the source [`Hooks::before`], the switch, on the
//! destination [`Hooks::after`], each as close to the switch as can be. Blocks: nothing.

use std::ffi::{c_uint, c_void, CStr};
use std::ptr::{null, null_mut};

type StartSwitch = unsafe extern "C" fn(*mut *mut c_void, *const c_void, usize);
type FinishSwitch = unsafe extern "C" fn(*mut c_void, *mut *const c_void, *mut usize);
type CurrentFiber = unsafe extern "C" fn() -> *mut c_void;
type CreateFiber = unsafe extern "C" fn(c_uint) -> *mut c_void;
type SwitchToFiber = unsafe extern "C" fn(*mut c_void, c_uint);
type DestroyFiber = unsafe extern "C" fn(*mut c_void);
type NoReturn = unsafe extern "C" fn();

/// What the sanitizers keep for one context. All null without them.
#[derive(Clone, Copy, Debug)]
pub struct Fiber {
    asan: *mut c_void,
    tsan: *mut c_void,
}

impl Fiber {
    /// Of a context that the sanitizers do not know.
    pub const NONE: Fiber = Fiber { asan: null_mut(), tsan: null_mut() };
}

/// The hooks that the host has.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    present: bool,
    start_switch: Option<StartSwitch>,
    finish_switch: Option<FinishSwitch>,
    no_return: Option<NoReturn>,
    current_fiber: Option<CurrentFiber>,
    create_fiber: Option<CreateFiber>,
    switch_to_fiber: Option<SwitchToFiber>,
    destroy_fiber: Option<DestroyFiber>,
}

/// The address of `name` in the process, as a function of type `F`.
///
/// # Safety
/// A symbol of that name has that type.
unsafe fn look_up<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: dlsym takes any name; by the contract what it finds is an `F`, which is a function pointer.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!found.is_null()).then(|| std::mem::transmute_copy(&found))
    }
}

impl Hooks {
    /// Looks for the hooks in the process.
    pub fn find() -> Hooks {
        // SAFETY: the types are those of the sanitizers' public interface headers.
        unsafe {
            let mut hooks = Hooks {
                present: false,
                start_switch: look_up(c"__sanitizer_start_switch_fiber"),
                finish_switch: look_up(c"__sanitizer_finish_switch_fiber"),
                no_return: look_up(c"__asan_handle_no_return"),
                current_fiber: look_up(c"__tsan_get_current_fiber"),
                create_fiber: look_up(c"__tsan_create_fiber"),
                switch_to_fiber: look_up(c"__tsan_switch_to_fiber"),
                destroy_fiber: look_up(c"__tsan_destroy_fiber"),
            };
            hooks.present = hooks.start_switch.is_some() || hooks.switch_to_fiber.is_some();
            hooks
        }
    }

    /// True when a sanitizer is in the process.
    #[inline(always)]
    pub fn present(&self) -> bool {
        self.present
    }

    /// The fiber of a context about to be started.
    pub fn create(&self) -> Fiber {
        // SAFETY: takes no pointer.
        Fiber { tsan: self.create_fiber.map_or(null_mut(), |create| unsafe { create(0) }), ..Fiber::NONE }
    }

    /// The fiber of the calling thread's own context (a machine's own stack).
    pub fn current(&self) -> Fiber {
        // SAFETY: takes no pointer.
        Fiber { tsan: self.current_fiber.map_or(null_mut(), |current| unsafe { current() }), ..Fiber::NONE }
    }

    /// Ends the fiber of a context that will not run again.
    ///
    /// # Safety
    /// It came from [`Hooks::create`] and is not the one that runs.
    pub unsafe fn destroy(&self, fiber: Fiber) {
        if let (Some(destroy), false) = (self.destroy_fiber, fiber.tsan.is_null()) {
            // SAFETY: by the contract a live fiber.
            unsafe { destroy(fiber.tsan) }
        }
    }

    /// Before a switch from `from` (null: it will not run again) to `to`, whose stack is `bottom..bottom + size`.
    ///
    /// # Safety
    /// A switch to that context follows at once.
    #[inline(always)]
    pub unsafe fn before(&self, from: *mut Fiber, to: *const Fiber, bottom: *const u8, size: usize) {
        if self.present {
            // SAFETY: the same contract.
            unsafe { self.before_cold(from, to, bottom, size) }
        }
    }

    #[cold]
    unsafe fn before_cold(&self, from: *mut Fiber, to: *const Fiber, bottom: *const u8, size: usize) {
        // SAFETY: by the contract both fibers are alive, and the switch is next.
        unsafe {
            if let Some(start) = self.start_switch {
                start(if from.is_null() { null_mut() } else { &raw mut (*from).asan }, bottom.cast(), size);
            }
            // Flag 0: what the source did happens before what the destination does.
            if let (Some(switch), false) = (self.switch_to_fiber, (*to).tsan.is_null()) {
                switch((*to).tsan, 0);
            }
        }
    }

    /// After a switch, on the side of `me`. Returns bottom and size of the stack that was left, where ASan
    /// knows them (this is how a machine learns its own), else zeros.
    ///
    /// # Safety
    /// `me` is the fiber that the switch went to.
    #[inline(always)]
    pub unsafe fn after(&self, me: *const Fiber) -> (usize, usize) {
        if !self.present {
            return (0, 0);
        }
        // SAFETY: the same contract.
        unsafe { self.after_cold(me) }
    }

    #[cold]
    unsafe fn after_cold(&self, me: *const Fiber) -> (usize, usize) {
        let (mut bottom, mut size) = (null(), 0);
        if let Some(finish) = self.finish_switch {
            // SAFETY: by the contract `me` is alive, and a switch to it has just been.
            unsafe { finish((*me).asan, &mut bottom, &mut size) }
        }
        (bottom as usize, size)
    }

    /// Before [`super::exit_to`]: the frames that it abandons leave no poisoned bytes behind.
    #[inline(always)]
    pub fn abandon(&self) {
        if let Some(no_return) = self.no_return {
            // SAFETY: takes no pointer, and only unpoisons the running stack.
            unsafe { no_return() }
        }
    }
}
