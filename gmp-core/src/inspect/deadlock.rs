//! What a deadlock's report says.
//!
//! Called by: `sched/deadlock.rs`, on the monitor's thread. Blocks: as the dump, and on standard error.

use super::dump;
use crate::sched::Shared;
use crate::sys::output;

const HEAD: &[u8] = b"gmp: all tasks are asleep: deadlock\n";
const STDERR: i32 = 2;

/// Writes it.
pub fn report(s: &Shared) {
    let text = dump::text(s).unwrap_or_else(|_| b"gmp: no memory for the dump\n".to_vec());
    for part in [HEAD, &text] {
        // There is nobody else to tell.
        let _written = output::write_all(STDERR, part);
    }
}
