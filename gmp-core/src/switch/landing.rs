//! What happens to an exception that leaves a task's function: the personality of the `call` frame, and the end
//! of the exception.
//!
//! Owns: the decision who destroys an exception. Always true: the search phase finds a handler in every `call`
//! frame, so no handler above it is ever asked; a forced unwind (`pthread_exit`, `pthread_cancel`) passes.
//! Called by: the unwinder, and the landing pad in the backend. Blocks: for the dynamic linker's lock, only when
//! an exception has come.
//!
//! An exception is destroyed by the runtime that threw it:
//!  - C++: by `__cxa_begin_catch` and `__cxa_end_catch` of the very C++ library that made the object (a process can
//!    hold several), so that its destructor runs and `std::uncaught_exceptions()` counts right;
//!  - a Rust panic of the standard library that this code is linked with: caught by `catch_unwind`;
//!  - a Rust panic of another copy of the standard library: its object can only be rethrown (its destructor
//!    aborts the process), so it is leaked, and that copy's `thread::panicking()` stays true on this thread;
//!  - anything else: `_Unwind_DeleteException`.

use super::{Function, Sp};
use std::ffi::{c_int, c_void, CStr};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// The head that all languages share; what follows is the thrower's.
#[repr(C)]
pub struct Exception {
    class: u64,
    cleanup: usize,
}

extern "C-unwind" {
    fn _Unwind_RaiseException(exception: *mut Exception) -> c_int;
    fn _Unwind_Backtrace(visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int, arg: *mut c_void) -> c_int;
    fn _Unwind_DeleteException(exception: *mut Exception);
    fn _Unwind_GetLanguageSpecificData(context: *mut c_void) -> usize;
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
}

const SEARCH_PHASE: c_int = 1;
const HANDLER_FRAME: c_int = 4;
const FORCE_UNWIND: c_int = 8;

const FATAL_PHASE1_ERROR: c_int = 3;
const NORMAL_STOP: c_int = 4;
const HANDLER_FOUND: c_int = 6;
const INSTALL_CONTEXT: c_int = 7;
const CONTINUE_UNWIND: c_int = 8;

/// The register that hands the exception to a landing pad: rax and x0 both have the DWARF number 0.
const EXCEPTION_REGISTER: c_int = 0;

/// Vendor and language, in the first seven bytes; the eighth tells C++'s dependent exceptions.
const CXX_CLASSES: [u64; 2] = [u64::from_be_bytes(*b"GNUCC++\0"), u64::from_be_bytes(*b"CLNGC++\0")];
/// Older standard libraries wrote it most significant byte first, as C++ does; newer ones in memory order.
const RUST_CLASSES: [u64; 2] = [u64::from_ne_bytes(*b"MOZ\0RUST"), u64::from_be_bytes(*b"MOZ\0RUST")];

/// The routine the unwinder asks about a `call` frame.
pub unsafe extern "C" fn personality(
    version: c_int,
    actions: c_int,
    _class: u64,
    exception: *mut Exception,
    context: *mut c_void,
) -> c_int {
    if version != 1 {
        return FATAL_PHASE1_ERROR;
    }
    if actions & FORCE_UNWIND != 0 {
        return CONTINUE_UNWIND;
    }
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    if actions & HANDLER_FRAME == 0 {
        return CONTINUE_UNWIND;
    }
    // SAFETY: the unwinder's own context, for this frame; its language data is the address of its landing pad.
    unsafe {
        // A host linked with `-static-libgcc` unwinds with a libgcc of its own. The one we call must have set up its
        // tables for `_Unwind_SetGR` to work, which it does at the start of its first walk.
        _Unwind_Backtrace(stop, std::ptr::null_mut());
        _Unwind_SetGR(context, EXCEPTION_REGISTER, exception as usize);
        _Unwind_SetIP(context, _Unwind_GetLanguageSpecificData(context));
    }
    INSTALL_CONTEXT
}

extern "C" fn stop(_context: *mut c_void, _arg: *mut c_void) -> c_int {
    NORMAL_STOP
}

/// Destroys the exception that left `f`. Called by the landing pad; what it returns is the `value` of the call.
pub unsafe extern "C" fn landed(exception: *mut Exception, f: Function) -> *mut c_void {
    // SAFETY: the unwinder handed us a live exception, and nobody else will see it again.
    unsafe {
        let class = (*exception).class;
        if CXX_CLASSES.contains(&(class & !0xff)) {
            destroy_cxx(exception);
        } else if !RUST_CLASSES.contains(&class) {
            _Unwind_DeleteException(exception);
        } else if std::ptr::fn_addr_eq(f, probe as Function) {
            let cleanup = (*exception).cleanup;
            destroy_our_panic(exception);
            return cleanup as *mut c_void;
        } else if (*exception).cleanup == cleanup_of_our_panics() {
            destroy_our_panic(exception);
        }
    }
    std::ptr::null_mut()
}

type BeginCatch = unsafe extern "C" fn(*mut Exception) -> *mut c_void;
type EndCatch = unsafe extern "C" fn();

unsafe fn destroy_cxx(exception: *mut Exception) {
    // SAFETY: a live C++ exception; `cleanup` is a function of the library that threw it. The handle is closed, and
    // that library stays: its exception is in flight, and this runs in a frame of its unwinder's making.
    unsafe {
        let library = library_of((*exception).cleanup as *const c_void);
        let begin = symbol::<BeginCatch>(library, c"__cxa_begin_catch");
        let end = symbol::<EndCatch>(library, c"__cxa_end_catch");
        if !library.is_null() {
            libc::dlclose(library);
        }
        match (begin, end) {
            (Some(begin), Some(end)) => {
                begin(exception);
                end();
            }
            // A C++ library linked in statically, its symbols hidden: the object is destroyed all the same, but that
            // library goes on counting one uncaught exception on this thread.
            _ => _Unwind_DeleteException(exception),
        }
    }
}

/// A handle of the library that `address` is in, or null.
unsafe fn library_of(address: *const c_void) -> *mut c_void {
    // SAFETY: dladdr writes `info` only, and its file name lives as long as the library.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address, &mut info) == 0 || info.dli_fname.is_null() {
            return std::ptr::null_mut();
        }
        libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD)
    }
}

/// The function `name` of `library`, else of whatever library exports it.
unsafe fn symbol<F: Copy>(library: *mut c_void, name: &CStr) -> Option<F> {
    // SAFETY: a handle or null, which is not asked; the callers name functions of type `F`.
    unsafe {
        let mut found = std::ptr::null_mut();
        if !library.is_null() {
            found = libc::dlsym(library, name.as_ptr());
        }
        if found.is_null() {
            found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        }
        (!found.is_null()).then(|| std::mem::transmute_copy(&found))
    }
}

/// The `cleanup` function in the panics of our own standard library: what tells them from those of another copy.
/// Found by throwing one, each time: a panic is rare, and knowing it for good would take a static.
fn cleanup_of_our_panics() -> usize {
    let mut frame: Sp = 0;
    // SAFETY: `probe` takes no argument, and `landed` knows it.
    unsafe { super::call(probe, std::ptr::null_mut(), &mut frame) }.value as usize
}

unsafe extern "C-unwind" fn probe(_: *mut c_void) -> *mut c_void {
    resume_unwind(Box::new(()))
}

unsafe fn destroy_our_panic(exception: *mut Exception) {
    // SAFETY: a live exception that nobody else will see. Raised again, it is caught by the closure's caller.
    let rethrow = || unsafe { _Unwind_RaiseException(exception) };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(rethrow)) {
        super::drop_payload(payload);
    }
}
