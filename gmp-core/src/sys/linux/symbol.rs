//! Which code lies at an address.
//!
//! Always true: nothing is kept; the names are the loaded object's own, valid while it is not unloaded, so they are lent for
//! the length of one call.
//! Called by: dumps. Blocks on the dynamic loader's lock: while another thread loads a library.

use std::ffi::{c_void, CStr};

/// What the dynamic loader knows of an address.
#[derive(Clone, Copy, Debug)]
pub struct Symbol<'a> {
    /// The file of the program or library.
    pub object: &'a [u8],
    /// Where that is loaded.
    pub base: usize,
    /// The exported function around the address, and where it starts; None: the address is in none.
    pub function: Option<(&'a [u8], usize)>,
}

/// Calls `f` with what is known of `address`; None if no loaded object has it.
pub fn find<R>(address: usize, f: impl FnOnce(Symbol<'_>) -> R) -> Option<R> {
    // SAFETY: dladdr fills the struct or says that it did not; its strings are the object's, NUL-terminated.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address as *const c_void, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let function = (!info.dli_sname.is_null() && info.dli_saddr as usize <= address)
            .then(|| (CStr::from_ptr(info.dli_sname).to_bytes(), info.dli_saddr as usize));
        let object = CStr::from_ptr(info.dli_fname).to_bytes();
        Some(f(Symbol { object, base: info.dli_fbase as usize, function }))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_function_of_the_c_library_has_its_name_and_nothing_has_none() {
        let address = libc::getpid as *const () as usize;
        let found = super::find(address + 1, |symbol| {
            assert!(symbol.base <= address && !symbol.object.is_empty());
            symbol.function.map(|(name, start)| (name.to_vec(), start))
        });
        // Where the program is linked so that the address is a stub of its own there may be no name.
        if let Some(Some((name, start))) = found {
            assert!(start <= address + 1 && !name.is_empty());
        }
        assert!(super::find(8, |_| ()).is_none());
    }
}
