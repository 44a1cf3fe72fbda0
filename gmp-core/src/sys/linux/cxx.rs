//! C++ exception state: finding it without linking to C++.
//!
//! A C++ runtime keeps two words a thread (the exceptions being handled, the count of those in flight). A task
//! that changes threads must take them along. Which C++ runtime there is, if any, is the host's affair, and it
//! may come late: a Python process loads it with its first C++ extension.
//!
//! Owns: the address of `__cxa_get_globals`, once found, and how many objects had been loaded at the last look.
//!
//! Always true:
//!  - C1. The loader's lock, which is held while constructors of a library run, is taken only when there is
//!    something to find: at the very first look, and when a C++ runtime has appeared since. Otherwise the
//!    monitor would stop whenever a constructor blocks.
//!  - C2. The library that the address is in is never unloaded: looking pins it.
//!  - C3. A thread of a fork's parent that was just looking is not waited for in the child.

use super::errno;
use crate::primitive::{forks, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::ffi::{c_char, c_void, CStr};

type GetGlobals = unsafe extern "C" fn() -> *mut [usize; 2];

/// The function, once it was found.
static GET_GLOBALS: AtomicUsize = AtomicUsize::new(0);
/// `dlpi_adds` of the last look; 0 before the first. Who looks has it.
static LOADED: AtomicU64 = AtomicU64::new(0);
/// Somebody is looking: the number of its process (`forks`), plus one.
static LOOKING: AtomicU32 = AtomicU32::new(0);

const SYMBOL: &CStr = c"__cxa_get_globals";

/// The calling thread's exception state, or null while no C++ runtime has been found. The address is the
/// thread's for its life.
pub fn cxx_globals() -> *mut [usize; 2] {
    if found().is_none() {
        cxx_probe();
    }
    // SAFETY: the Itanium C++ ABI: no arguments, returns the thread's own two words, allocates at most once.
    found().map_or(std::ptr::null_mut(), |get| errno::keep(|| unsafe { get() }))
}

fn found() -> Option<GetGlobals> {
    // SAFETY: null, or stored by `cxx_probe` from this type.
    unsafe { std::mem::transmute::<usize, Option<GetGlobals>>(GET_GLOBALS.load(Acquire)) }
}

/// Looks again whether there is a C++ runtime now. True the one time that it is found. Costs well under a
/// microsecond when nothing was loaded since; may wait for the loader's lock when a C++ runtime was.
pub fn cxx_probe() -> bool {
    if found().is_some() {
        return false;
    }
    let (looking, here) = (LOOKING.load(Relaxed), forks() + 1);
    if looking == here || LOOKING.compare_exchange(looking, here, Acquire, Relaxed).is_err() {
        // Somebody else is looking, and will find what there is.
        return false;
    }
    let loaded = LOADED.load(Relaxed);
    let first = loaded == 0;
    let mut look = Look { since: loaded, seen: 0, path: [0; 4096], found: false };
    let symbol = errno::keep(|| {
        // SAFETY: the callback gets exactly this `Look`, for the length of the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), &mut look as *mut Look as *mut c_void) };
        LOADED.store(look.seen.max(1), Relaxed);
        match (first, look.found) {
            (true, _) => everywhere().or_else(|| look.found.then(|| inside(look.path())).flatten()),
            (false, true) => inside(look.path()),
            (false, false) => None,
        }
    });
    if let Some(get) = symbol {
        GET_GLOBALS.store(get as usize, Release);
    }
    LOOKING.store(0, Release);
    symbol.is_some()
}

/// What one walk over the loaded objects is after.
struct Look {
    since: u64,
    seen: u64,
    path: [u8; 4096],
    found: bool,
}

impl Look {
    fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.path).unwrap_or_default()
    }
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, look: *mut c_void) -> i32 {
    // SAFETY: the loader hands us a valid record, and `cxx_probe` its own `Look`; names are NUL-terminated.
    let (look, adds, name) = unsafe {
        let info = &*info;
        let name = if info.dlpi_name.is_null() { c"" } else { CStr::from_ptr(info.dlpi_name) };
        (&mut *(look as *mut Look), info.dlpi_adds, name.to_bytes_with_nul())
    };
    look.seen = adds;
    if adds == look.since {
        return 1;
    }
    let file = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    let ours = file.starts_with(b"libstdc++.so") || file.starts_with(b"libc++abi.so") || file.starts_with(b"libc++_");
    if ours && name.len() <= look.path.len() {
        look.path[..name.len()].copy_from_slice(name);
        look.found = true;
        return 1;
    }
    0
}

/// The symbol as the program itself would find it.
fn everywhere() -> Option<GetGlobals> {
    // SAFETY: constant strings; `place` is written on success only, and read only then.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, SYMBOL.as_ptr());
        let mut place = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        if !symbol.is_null() && libc::dladdr(symbol, place.as_mut_ptr()) != 0 {
            pin(place.assume_init().dli_fname);
        }
        as_function(symbol)
    }
}

/// The symbol in one loaded library that the program itself does not see.
fn inside(path: &CStr) -> Option<GetGlobals> {
    // SAFETY: a constant name, and a handle that was just opened and is never closed.
    unsafe {
        let library = pin(path.as_ptr());
        if library.is_null() {
            return None;
        }
        as_function(libc::dlsym(library, SYMBOL.as_ptr()))
    }
}

/// Opens a library that is loaded already, and keeps it loaded.
///
/// # Safety
/// `path` is a NUL-terminated string.
unsafe fn pin(path: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise; NOLOAD runs no constructor.
    unsafe { libc::dlopen(path, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) }
}

/// # Safety
/// `symbol` is null or `__cxa_get_globals`.
unsafe fn as_function(symbol: *mut c_void) -> Option<GetGlobals> {
    // SAFETY: null is None, and the symbol is a function of that type.
    unsafe { std::mem::transmute::<*mut c_void, Option<GetGlobals>>(symbol) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::thread;

    extern "C" fn ask(arg: *mut c_void) -> *mut c_void {
        // SAFETY: the spawner joins before it reads.
        unsafe { *(arg as *mut usize) = cxx_globals() as usize };
        std::ptr::null_mut()
    }

    #[test]
    fn a_cxx_runtime_that_comes_late_is_found_once_and_each_thread_has_its_own_state() {
        let early = cxx_globals();
        // SAFETY: a library name; its constructors are those of the C++ runtime.
        let library = unsafe { libc::dlopen(c"libstdc++.so.6".as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            assert!(early.is_null(), "a C++ runtime that is not on this machine was found");
            return;
        }
        assert_eq!(cxx_probe(), early.is_null());
        assert!(!cxx_probe());
        let here = cxx_globals();
        assert!(!here.is_null());
        assert_eq!(here, cxx_globals());
        // SAFETY: nothing is being thrown in this thread, and the two words are its own.
        assert_eq!(unsafe { *here }, [0, 0]);
        let mut there = 0usize;
        let stacks = thread::Stacks { size: 0, alternate: 0 };
        let arg = &mut there as *mut usize as *mut c_void;
        thread::spawn(c"cxx", stacks, thread::Mask::current(), ask, arg).unwrap().join();
        assert!(there != 0 && there != here as usize);
    }
}
