//! The leak report: tasks that have been parked for long, by where they were spawned and what they wait for.
//!
//! Owns: its form (`gmp_dump_leaks` in the C header describes it).
//! Called by: `gmp_dump_leaks`. Blocks: as a dump does (`dump.rs`).

use super::groups::Groups;
use super::machines::Machines;
use super::place;
use super::tasks::{self, State};
use super::text::Text;
use super::trace::Tracer;
use crate::base::error::Result;
use crate::sched::Shared;
use crate::sys::clock;
use crate::task::reason_name;

/// The report on tasks that have been parked for at least `older_than` nanoseconds. `NoMemory`.
pub fn text(s: &Shared, older_than: i64) -> Result<Vec<u8>> {
    let now = clock::now();
    let (mut all, mut parked, mut found) = (0u64, 0u64, 0u64);
    let mut groups = Groups::default();
    // What machines do is no matter: parked tasks have none.
    tasks::each(s, &Machines::default(), now, |seen| {
        all += u64::from(seen.state != State::Ended);
        if seen.state == State::Parked {
            parked += 1;
            if seen.age >= older_than {
                found += 1;
                groups.add(&seen)?;
            }
        }
        Ok(())
    })?;
    let mut text = Text::default();
    text.push(concat!("gmp leaks version=", env!("CARGO_PKG_VERSION"), " older-than=").as_bytes())?;
    text.seconds(older_than)?;
    text.add(format_args!(" found={found} parked={parked} tasks={all}\n"))?;
    let others = groups.others;
    let tracer = Tracer::new();
    for group in groups.by_size() {
        let (_, reason, site) = group.key;
        text.add(format_args!("leak tasks={} reason={} oldest=", group.tasks, reason_name(reason)))?;
        text.seconds(group.oldest.age)?;
        text.add(format_args!(" example={} site=", group.oldest.look.id))?;
        place::write(&mut text, site)?;
        text.push(b"\n")?;
        tracer.write(s, &mut text, &group.oldest)?;
    }
    if others > 0 {
        text.add(format_args!("leak tasks={others} of more groups than are told apart\n"))?;
    }
    Ok(text.into_bytes())
}
