//! The C shim as Rust sees it: the mirror of shim/shim.h.
//!
//! Owns: nothing. All functions need the GIL except `shim_attach`, `shim_thread_enter` and `shim_thread_attach` (take
//! it), `shim_drain`, `shim_caller`, `shim_current` and the exit flags.

use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void};

/// The head of a Task: what the class's hooks touch. Only shim/class.c writes `ts`, `top`, `tid`, `detached`, `cleared` and
/// `start_error`; all of it is written with the GIL held.
#[repr(C)]
pub struct PyTask {
    pub ob_base: ffi::PyObject,
    pub ts: *mut ffi::PyThreadState,
    top: *const c_char,
    tid: i64,
    pub func: *mut ffi::PyObject,
    pub args: *mut ffi::PyObject,
    pub id: u64,
    pub start_error: i32,
    pub detached: u8,
    pub cleared: u8,
    pub done: u8,
    pub unused: u8,
}
const _: () = assert!(std::mem::size_of::<PyTask>() == 72);

pub const CALLER_THREAD: c_int = 0;
pub const CALLER_TASK: c_int = 1;
pub const CALLER_NATIVE_TASK: c_int = 2;
pub const CALLER_HOOK: c_int = 3;

extern "C" {
    pub fn shim_init() -> c_int;
    pub fn shim_spawn(task: *mut PyTask, name: *const c_char, stack_size: usize) -> c_int;
    pub fn shim_spawn_native(
        entry: crate::abi::TaskFn,
        arg: *mut c_void,
        id_out: *mut u64,
        handle_out: *mut *mut c_void,
    ) -> c_int;
    pub fn shim_default_stack() -> usize;
    pub fn shim_take_exception() -> *mut ffi::PyObject;
    pub fn shim_current() -> *mut PyTask;
    pub fn shim_caller() -> c_int;
    pub fn shim_detach() -> *mut ffi::PyThreadState;
    pub fn shim_attach(state: *mut ffi::PyThreadState);
    pub fn shim_restore_exception(error: *mut ffi::PyObject);
    pub fn shim_thread_enter();
    pub fn shim_thread_attach(state: *mut ffi::PyThreadState);
    pub fn shim_at_jump(state: *mut ffi::PyThreadState, ident: u64) -> c_int;
    pub fn shim_live(delta: i64);
    pub fn shim_stop();
    pub fn shim_stopping() -> c_int;
    pub fn shim_close();
    pub fn shim_closing() -> c_int;
    pub fn shim_drain(ns: i64) -> c_int;
    pub fn shim_after_fork();
    pub fn shim_capsule() -> *mut ffi::PyObject;
}
