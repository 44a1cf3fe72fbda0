//! Bytes as a program over channels and sync objects, on the library and on the model: `make fuzz`.
//!
//! The same bytes by hand: put the file into `fuzz/seeds`, and run the test `seeds_and_odd_bytes_agree_with_the_model`.

#![no_main]

#[allow(dead_code, reason = "wrong rules are planted by the test only")]
#[path = "../../gmp-core/tests/differential/mod.rs"]
mod differential;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| differential::body(bytes));
