//! Which loaded object an address lies in, for a signal handler.
//!
//! Owns: the address of glibc's `_dl_find_object`, which takes no lock (`dladdr` takes the loader's). Where there is none, as before glibc 2.35,
//! nothing is known.
//! Called by: `fault`'s install (`prepare`), then from handlers. Never blocks there.

use super::errno;
use crate::primitive::{AtomicPtr, Ordering::*};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

/// glibc's `struct dl_find_object`, as far as it is used; the reserve covers what every architecture has.
#[repr(C)]
struct Found {
    flags: u64,
    start: *mut c_void,
    end: *mut c_void,
    link_map: *const LinkMap,
    rest: [u64; 12],
}

/// The public head of the loader's `struct link_map`.
#[repr(C)]
struct LinkMap {
    addr: usize,
    name: *const c_char,
}

type FindObject = unsafe extern "C" fn(*mut c_void, *mut Found) -> c_int;

static FIND_OBJECT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// A loaded object and a place in it.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// The last part of its path.
    name: [u8; 64],
    len: usize,
    /// As `addr2line` wants it.
    pub offset: usize,
}

impl Module {
    /// The last part of its path, cut at 64 bytes.
    pub fn name(&self) -> &[u8] {
        self.name.get(..self.len).unwrap_or_default()
    }

    fn take_name(&mut self, path: &[u8]) {
        let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        self.len = file.len().min(self.name.len());
        for (to, from) in self.name.iter_mut().zip(file) {
            *to = *from;
        }
    }
}

/// Finds the loader's function, with the loader's lock: not for handlers.
pub fn prepare() {
    // SAFETY: a constant name.
    let symbol = errno::keep(|| unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) });
    FIND_OBJECT.store(symbol, Relaxed);
}

/// Where `address` lies. No lock, no memory.
pub fn module_of(address: usize) -> Option<Module> {
    let find = FIND_OBJECT.load(Relaxed);
    // SAFETY: null is None, and the symbol is a function of that type.
    let find = unsafe { std::mem::transmute::<*mut c_void, Option<FindObject>>(find) }?;
    let mut found = std::mem::MaybeUninit::<Found>::zeroed();
    // SAFETY: `found` is as large as the loader's struct, and valid as zeros; the loader's record stays while the object is loaded.
    let (bias, path) = unsafe {
        if find(std::ptr::without_provenance_mut(address), found.as_mut_ptr()) != 0 {
            return None;
        }
        let map = found.assume_init().link_map.as_ref()?;
        let path = if map.name.is_null() { &[] } else { std::ffi::CStr::from_ptr(map.name).to_bytes() };
        (map.addr, path)
    };
    let mut module = Module { name: [0; 64], len: 0, offset: address.wrapping_sub(bias) };
    if path.is_empty() {
        // The program itself has no name there.
        let mut program = [0u8; 512];
        // SAFETY: writes at most the buffer's length.
        let read = errno::keep(|| unsafe {
            libc::readlink(c"/proc/self/exe".as_ptr(), program.as_mut_ptr() as *mut c_char, program.len())
        });
        module.take_name(program.get(..read.max(0) as usize).unwrap_or_default());
    } else {
        module.take_name(path);
    }
    Some(module)
}
