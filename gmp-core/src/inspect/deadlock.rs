//! What a deadlock's report says: that it is one, the cycles, what is waited for, and the dump.
//!
//! Called by: `sched/deadlock.rs`, on the monitor's thread. Blocks: as the dump, and on standard error.

use super::text::Text;
use super::{cycles, dump};
use crate::sched::Shared;
use crate::sys::output;

const HEAD: &[u8] = b"gmp: all tasks are asleep: deadlock\n";
const STDERR: i32 = 2;

/// Writes it.
pub fn report(s: &Shared) {
    let mut cycles = Text::default();
    // Without memory: as far as it came.
    let _written = cycles::write(s, &mut cycles);
    let text = dump::text(s).unwrap_or_default();
    for part in [HEAD, &cycles.into_bytes(), &text] {
        // There is nobody else to tell.
        let _written = output::write_all(STDERR, part);
    }
}
