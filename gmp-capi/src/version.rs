//! The version of the interface and of the library.
//!
//! Owns: the interface's version. Blocks: nothing.

use std::ffi::c_char;

/// The interface that this header describes: major << 16 | minor; 0.1 now. Minor versions only add.
pub const GMP_ABI_VERSION: u32 = 1u32;

/// The interface of the library in use: compare it with GMP_ABI_VERSION, which is that of the header.
///
/// @return  major << 16 | minor.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_abi_version() -> u32 {
    GMP_ABI_VERSION
}

/// The library's version, like "0.1.0".
///
/// @return  A text that stays valid for ever.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
