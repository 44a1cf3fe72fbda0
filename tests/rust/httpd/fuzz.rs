//! The parser's glue under the fuzzer of `fuzz/c`.

use super::llhttp;
use crate::fuzzed::{finds_a_planted_fault, finds_nothing};

#[test]
fn glue_says_the_same_however_the_bytes_are_cut() {
    if llhttp().is_some() {
        finds_nothing("httpd");
    }
}

#[test]
fn fuzzer_finds_a_planted_fault() {
    if llhttp().is_some() {
        finds_a_planted_fault("httpd");
    }
}
