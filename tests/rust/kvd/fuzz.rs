//! Conversations with the cache under the fuzzer of `fuzz/c`.

use crate::fuzzed::{finds_a_planted_fault, finds_nothing};

#[test]
fn bytes_are_answered_alike_however_they_are_cut() {
    finds_nothing("kvd");
}

#[test]
fn fuzzer_finds_a_planted_fault() {
    finds_a_planted_fault("kvd");
}
