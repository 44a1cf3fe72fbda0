//! The order that a seed draws: which ready task runs next, where a task is interrupted, and when time goes on.
//!
//! Owns: the seed's generator, the trace of what was drawn, and virtual time's next step.
//!
//! A runtime without a seed pays two instructions at a call's end, no load: a seeded one's one processor's `attention` stays set, so
//! that every choice of the next task comes here; its machines always have [`SEEDED`] requested, so that every call of a task takes the slow way and may yield
//! before it begins; the highest bit of their ticks is set, so that it may yield after it has ended.
//!
//! Always true:
//!  - S1. What is drawn, and how often, depends on the tasks' calls alone: not on the clock (patience is measured in calls),
//!        addresses, threads, or how often a machine looked in vain. Draws happen only for a task's call, and for a
//!        choice among two or more.
//!  - S2. All of it happens with the one processor in hand.
//!  - S3. Virtual time moves only when every task is parked.
//!
//! Not in the promise: what comes from outside (other threads, real timers), code that stays away for so long that the
//! processor is retaken ([`PATIENCE`]), and the order within an exclusive task class.
//!
//! Called by: `find::local` and `find::anywhere`, `enter::slow`, `Inside::exit`. Blocks: nothing; [`advance`] pauses a
//! machine when time goes on for nobody.

use super::{enter, find, inbox, ready, Inside, Shared};
use crate::base::clock;
use crate::base::rng::Rng;
use crate::machine::owner::SEEDED;
use crate::machine::Machine;
use crate::primitive::{AtomicU64, Mutex, Ordering::*};
use crate::processor::runq::RING;
use crate::source::timer::NEVER;
use crate::task::Task;

/// The bit of a machine's tick that says so.
pub const TICK: u32 = 1 << 31;
/// A processor stays with code that sleeps in the kernel, or said that it blocks, for so long, in ns. Nothing less may tell on
/// the order.
pub const PATIENCE: i64 = 100_000_000;
/// The same for code that runs: a busy computer keeps a thread from running for some time too.
pub const PATIENCE_RUNNING: i64 = 1_000_000_000;
/// A task is interrupted at one in 2 to 2^5 of its calls' ends: how many is the seed's first draw.
const RATES: u32 = 5;
/// So many steps of virtual time may make no task ready before the machine pauses between them.
const FRUITLESS: u32 = 1000;
const PAUSE: i64 = 1_000_000;
/// FNV-1a, 64 bits.
const HASH: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01B3;

/// What the trace tells apart.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A task was chosen to go on.
    Chosen = 1,
    /// A task's call began or ended, and it went on.
    Called = 2,
    /// A task's call began or ended, and it yielded if others waited.
    Yields = 3,
}

struct Order {
    rng: Rng,
    rate: u32,
    hash: u64,
}

impl Order {
    fn note(&mut self, event: Event, task: u64) {
        for word in [event as u64, task] {
            for byte in word.to_le_bytes() {
                self.hash = (self.hash ^ byte as u64).wrapping_mul(PRIME);
            }
        }
    }
}

/// The seed's part of a runtime.
pub struct Seeded {
    order: Mutex<Order>,
    /// `Order::hash`, to read from anywhere.
    hash: AtomicU64,
}

impl Seeded {
    /// Unused without a seed.
    pub fn new(seed: u64) -> Seeded {
        let mut rng = Rng::new(seed);
        let rate = 2 << rng.below(RATES);
        Seeded { order: Mutex::new(Order { rng, rate, hash: HASH }), hash: AtomicU64::new(HASH) }
    }

    /// A machine was made.
    pub fn prepare(&self, s: &Shared, m: &Machine) {
        if s.settings.seeded {
            m.tick.set(TICK);
            m.owner.request(SEEDED);
        }
    }

    /// The hash of all that was drawn so far, and by which task.
    pub fn trace(&self) -> u64 {
        self.hash.load(Relaxed)
    }

    fn draw<R>(&self, f: impl FnOnce(&mut Order) -> R) -> R {
        let mut order = self.order.lock();
        let result = f(&mut order);
        self.hash.store(order.hash, Relaxed);
        result
    }
}

/// Any of the tasks that are ready, each as likely, `Running`. Of more than [`RING`] the oldest are looked at.
pub fn choose(i: Inside) -> Option<*mut Task> {
    let (m, p, s) = (i.m(), i.p(), i.s());
    find::expire_own(i);
    loop {
        ready::demote_next(i);
        gather(i);
        let (ring, inbox) = (p.runq.ring_len(), m.inbox_len.load(Relaxed));
        let n = match ring + inbox {
            0 => return None,
            1 => 0,
            many => s.seeded.draw(|order| order.rng.below(many)),
        };
        let task = if n < ring { p.runq.pop_at(n) } else { inbox::take(i) };
        if let Some(task) = task {
            // SAFETY: ours to run: a valid record.
            let id = unsafe { (*task).id.get() };
            s.seeded.draw(|order| order.note(Event::Chosen, id));
            return Some(task);
        }
    }
}

/// Fills the ring from the global queue.
fn gather(i: Inside) {
    while i.p().runq.ring_len() < RING {
        let Some(task) = i.s().global.pop() else { return };
        // SAFETY: just taken from the queue.
        let pushed = i.p().runq.push_back(unsafe { find::entry_of(task) });
        debug_assert!(pushed.is_ok(), "there was room");
    }
}

/// At a task's call: whether it yields here.
pub fn yields(i: Inside) -> bool {
    clock::called();
    // Whether a joiner may run them in place depends on who joins it, and when, from outside.
    ready::demote_next(i);
    i.p().runq.make_special();
    let id = super::park::me(i).id.get();
    i.s().seeded.draw(|order| {
        let yields = order.rng.below(order.rate) == 0;
        order.note(if yields { Event::Yields } else { Event::Called }, id);
        yields
    })
}

/// After a task's call: it may yield here too, as what follows the call is to be interrupted from what the call did.
#[cold]
pub fn called() {
    let m = enter::task_machine();
    // SAFETY: this thread's machine, if it runs a task, and the runtime outlives it.
    let Some((m, s)) = (unsafe { m.as_ref().map(|m| (m, &*(m.shared as *const Shared))) }) else { return };
    if !s.settings.seeded {
        // Two thousand million calls have set the bit.
        m.tick.set(2);
        return;
    }
    // If as many have cleared it.
    m.tick.set(m.tick.get() | TICK);
    if let Some(i) = enter::enter() {
        i.m().exit();
    }
}

/// Nothing is ready: time goes on until something is. False: it must not, or there is nothing to come.
#[cold]
pub fn advance(i: Inside) -> bool {
    let (s, p) = (i.s(), i.p());
    let mut fruitless = 0;
    while s.can_advance() && !s.stopping.load(Relaxed) {
        clock::advance(p.timers.earliest());
        find::expire_own(i);
        if p.runq.private_len() > 0 || !s.global.is_empty() || i.m().inbox_len.load(Relaxed) > 0 {
            return true;
        }
        fruitless += 1;
        if fruitless > FRUITLESS {
            // A ticker that nobody hears, while all wait for another thread.
            i.m().note.sleep(Some(crate::sys::clock::now() + PAUSE));
        }
    }
    false
}

impl Shared {
    /// With virtual time: a timer is pending, and no task could do anything before (S3).
    pub fn can_advance(&self) -> bool {
        if self.procs().all(|p| p.timers.earliest() == NEVER) {
            return false;
        }
        // In this order: a task that is woken meanwhile is not taken for parked.
        let parks = self.sum(|c| c.parks.get());
        let wakes = self.sum(|c| c.wakes.get());
        self.tasks() == parks as i64 - wakes as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a seed draws in its first steps, and the trace of it.
    fn steps(seed: u64) -> (Vec<u32>, u64) {
        let seeded = Seeded::new(seed);
        let draw = |task| {
            seeded.draw(|order| {
                order.note(Event::Chosen, task);
                order.rng.below(1000)
            })
        };
        ((1..20).map(draw).collect(), seeded.trace())
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_does_not() {
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7).0, steps(8).0);
    }

    #[test]
    fn the_trace_tells_tasks_kinds_and_orders_apart() {
        let trace = |events: &[(Event, u64)]| {
            let seeded = Seeded::new(1);
            events.iter().for_each(|&(event, task)| seeded.draw(|order| order.note(event, task)));
            seeded.trace()
        };
        let traces = [
            trace(&[]),
            trace(&[(Event::Chosen, 1), (Event::Chosen, 2)]),
            trace(&[(Event::Chosen, 2), (Event::Chosen, 1)]),
            trace(&[(Event::Called, 1), (Event::Chosen, 2)]),
            trace(&[(Event::Yields, 1), (Event::Chosen, 2)]),
        ];
        for (n, one) in traces.iter().enumerate() {
            assert!(!traces[..n].contains(one), "{n}");
        }
    }
}
