//! Select (§20): the first of several sends and receives that can be done, chosen evenly among those that can.
//!
//! Owns: the order of a select, and the scratch memory for its cases.
//!
//! Always true:
//!  - D1. What is answered was so at one moment: a case that is taken was ready when its channel was locked, and "none is"
//!        (default, or the wait) is found with all channels locked, in the order of their addresses.
//!  - D2. A fresh random order decides among the ready ones, so each is equally likely.
//!  - D3. Of a waiting select one node lies in each channel; who claims the waiter takes its node out, the others stay until
//!        the select takes them out itself. So each channel that it touches after the wake is kept by its node.
//!  - D4. The commit unlocks one channel after the other, so the select may be woken before it is through: `enlisted` is its
//!        last touch, and the select waits for it.
//!
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.
//! Model: `model/select.rs`, breaking switch `SelectNotEnlisted`.

use super::wait::inside;
use super::{Chan, Moved};
use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
use crate::base::rng::Rng;
use crate::join::exit_current;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicBool, Ordering::*};
use crate::sched::wait::{self, Enlisted, Object};
use crate::sched::{enter, ready, Inside};
use crate::sys::clock;
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::null;

/// The most cases (§20.1).
pub const MAX_CASES: usize = 65_536;
/// So many need no allocation.
const SMALL: usize = 8;

/// [`Case::op`]: send.
pub const SEND: i32 = 1;
/// [`Case::op`]: receive.
pub const RECV: i32 = 2;

/// One case. The C ABI's layout.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// [`SEND`] or [`RECV`].
    pub op: i32,
    /// Out, of the chosen case: 0, or the code of [`Error::Closed`].
    pub status: i32,
    /// Null: never ready.
    pub chan: *const Chan,
    /// Where to read from, or to write to (null: the value is thrown away).
    pub value: *mut u8,
}

/// What a select needs for a case when it has to look at all channels at once.
struct Place {
    /// The case that is this one in the order of the channels' addresses.
    sorted: u32,
    /// This case's own.
    node: Cell<Node>,
}

impl Place {
    fn new(n: usize) -> Place {
        Place { sorted: n as u32, node: Cell::new(Node::new(null(), 0, 0)) }
    }
}

/// Takes one of `cases`; which. `Invalid`: a foolish case; `Forked`: a channel of a fork's parent; nothing was done.
///
/// # Safety
/// The caller has references to the channels; the values are readable or writable for an element until the call returns.
pub unsafe fn select(cases: &mut [Case], deadline: i64) -> Result<usize> {
    if cases.len() > MAX_CASES {
        return Err(Error::Invalid);
    }
    for case in cases.iter() {
        // SAFETY: the caller's channels.
        let chan = unsafe { case.chan.as_ref() };
        match (case.op, chan) {
            (SEND, Some(chan)) if case.value.is_null() && chan.elem_size() > 0 => return Err(Error::Invalid),
            (SEND, Some(chan)) if !chan.is_plain() => return Err(Error::Misuse),
            (SEND | RECV, Some(chan)) => chan.is_here()?,
            (SEND | RECV, None) => {}
            _ => return Err(Error::Invalid),
        }
    }
    let i = enter::enter();
    let result = if cases.len() <= SMALL {
        let mut drawn = [0, 1, 2, 3, 4, 5, 6, 7];
        let mut places = [const { MaybeUninit::uninit() }; SMALL];
        // SAFETY: the caller's promise.
        unsafe { choose(i, cases, &mut drawn[..cases.len()], &mut places[..cases.len()], deadline) }
    } else {
        // SAFETY: as above.
        unsafe { choose_among_many(i, cases, deadline) }
    };
    if i.is_some() {
        exit_current();
    }
    let (chosen, closed) = result?;
    cases[chosen].status = if closed { Error::Closed.code() } else { 0 };
    Ok(chosen)
}

#[cold]
unsafe fn choose_among_many(i: Option<Inside>, cases: &[Case], deadline: i64) -> Result<(usize, bool)> {
    let (mut drawn, mut places) = (Vec::new(), Vec::new());
    drawn.try_reserve_exact(cases.len()).map_err(|_| Error::NoMemory)?;
    places.try_reserve_exact(cases.len()).map_err(|_| Error::NoMemory)?;
    drawn.extend(0..cases.len() as u32);
    // SAFETY: the caller's promise. What is not initialised is of a type for which that is fine.
    unsafe {
        places.set_len(cases.len());
        choose(i, cases, &mut drawn, &mut places, deadline)
    }
}

/// The chosen case, and whether its channel was closed.
#[inline(always)]
unsafe fn choose(
    i: Option<Inside>,
    cases: &[Case],
    drawn: &mut [u32],
    places: &mut [MaybeUninit<Place>],
    deadline: i64,
) -> Result<(usize, bool)> {
    draw(i, drawn);
    for &n in drawn.iter() {
        let case = &cases[n as usize];
        // SAFETY: the caller's channels.
        let Some(chan) = (unsafe { case.chan.as_ref() }) else { continue };
        let sends = case.op == SEND;
        if !(if sends { chan.can_send() } else { chan.can_recv() }) {
            continue;
        }
        // SAFETY: the caller's promise.
        let moved = unsafe {
            if sends {
                chan.try_now::<true>(i, case.value)
            } else {
                chan.try_now::<false>(i, case.value)
            }
        };
        if moved != Moved::No {
            return Ok((n as usize, moved == Moved::Closed));
        }
    }
    // SAFETY: the caller's promise.
    unsafe { choose_slowly(i, cases, drawn, places, deadline) }
}

#[inline(never)]
unsafe fn choose_slowly(
    i: Option<Inside>,
    cases: &[Case],
    drawn: &[u32],
    places: &mut [MaybeUninit<Place>],
    deadline: i64,
) -> Result<(usize, bool)> {
    for (n, place) in places.iter_mut().enumerate() {
        place.write(Place::new(n));
    }
    // SAFETY: written just now; the layout is the same.
    let places = unsafe { &mut *(places as *mut [MaybeUninit<Place>] as *mut [Place]) };
    sort(cases, places);
    let found = Cell::new(None);
    let among = Among { cases, drawn, places, found: &found, enlisted: AtomicBool::new(false) };
    if let Err(e) = wait::may_wait(i, deadline) {
        // SAFETY: the caller's promise.
        return unsafe { among.try_all(i) }.ok_or(e);
    }
    // SAFETY: inside if a task. The waiter stands while the closure runs.
    let ended = unsafe {
        wait::wait(i, Reason::Select, deadline, &among, |waiter| {
            let chosen = waiter.chosen.get() as usize;
            found.set(Some((chosen, waiter.closed.get())));
            among.leave_others(Some(chosen));
        })
    };
    ended.map(|_| found.get().expect("a select that ended well has chosen"))
}

/// A fresh random order (Fisher and Yates).
#[inline(always)]
fn draw(i: Option<Inside>, drawn: &mut [u32]) {
    if drawn.len() < 2 {
        return;
    }
    let mut own;
    let rng = match i {
        // SAFETY: the generator belongs to the processor, which is ours while inside.
        Some(i) => unsafe { &mut *i.p().rng.get() },
        None => {
            own = Rng::new(clock::now() as u64 ^ drawn.as_ptr() as u64);
            &mut own
        }
    };
    for k in (1..drawn.len()).rev() {
        drawn.swap(k, rng.below(k as u32 + 1) as usize);
    }
}

/// The order of locking.
#[inline(always)]
fn sort(cases: &[Case], places: &mut [Place]) {
    let key = |n: u32| cases[n as usize].chan as usize;
    if places.len() <= SMALL {
        for k in 1..places.len() {
            let n = places[k].sorted;
            let mut at = k;
            while at > 0 && key(places[at - 1].sorted) > key(n) {
                places[at].sorted = places[at - 1].sorted;
                at -= 1;
            }
            places[at].sorted = n;
        }
        return;
    }
    // The nodes move along, but they are not in use yet.
    places.sort_unstable_by_key(|place| key(place.sorted));
}

struct Among<'a> {
    cases: &'a [Case],
    /// The random order.
    drawn: &'a [u32],
    places: &'a [Place],
    found: &'a Cell<Option<(usize, bool)>>,
    enlisted: AtomicBool,
}

impl Among<'_> {
    /// Each channel once, in the order of locking.
    #[inline(always)]
    fn channels(&self) -> impl Iterator<Item = &Chan> {
        let mut last: *const Chan = null();
        self.places.iter().filter_map(move |place| {
            let chan = self.cases[place.sorted as usize].chan;
            if std::ptr::eq(chan, last) {
                return None;
            }
            last = chan;
            // SAFETY: the caller's channels.
            unsafe { chan.as_ref() }
        })
    }

    /// With all locked: takes the first ready case in the random order.
    unsafe fn take_ready(&self, claimed: &mut Claimed) -> Option<(usize, bool)> {
        self.drawn.iter().find_map(|&n| {
            let case = &self.cases[n as usize];
            // SAFETY: the caller's channels, locked, and its memory for values.
            let moved = unsafe {
                let chan = case.chan.as_ref()?;
                if case.op == SEND {
                    chan.try_locked::<true>(case.value, claimed)
                } else {
                    chan.try_locked::<false>(case.value, claimed)
                }
            };
            (moved != Moved::No).then_some((n as usize, moved == Moved::Closed))
        })
    }

    /// The default's look: all channels at one moment (D1).
    unsafe fn try_all(&self, i: Option<Inside>) -> Option<(usize, bool)> {
        let mut claimed = Claimed::none();
        self.channels().for_each(|chan| chan.lock.lock());
        // SAFETY: locked.
        let found = unsafe { self.take_ready(&mut claimed) };
        self.channels().for_each(|chan| chan.lock.unlock());
        // SAFETY: claimed by us.
        unsafe { ready::finish_all(i, claimed) };
        found
    }

    /// After the wait: takes the nodes out that nobody has taken out.
    fn leave_others(&self, chosen: Option<usize>) {
        let mut pause = Pause::new();
        #[cfg(loom)]
        if Break::SelectNotEnlisted.is_on() {
            self.enlisted.store(true, Relaxed);
        }
        while !self.enlisted.load(Acquire) {
            pause.once();
        }
        for (n, case) in self.cases.iter().enumerate() {
            if Some(n) == chosen || case.chan.is_null() {
                continue;
            }
            // SAFETY: D3: our own node, which keeps the channel.
            unsafe { Chan::leave(case.chan, self.node(n), case.op == SEND) };
        }
    }

    fn node(&self, n: usize) -> &Node {
        // SAFETY: the places stay as long as the select.
        unsafe { &*self.places[n].node.as_ptr() }
    }
}

#[cfg(loom)]
impl Drop for Among<'_> {
    /// Its memory and the nodes' are given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.enlisted.with_mut(|_| ());
            self.places.iter().for_each(|place| place.node.set(Node::new(null(), 0, 0)));
        }
    }
}

// SAFETY: armed with all channels locked, right before the unlocks.
unsafe impl Object for Among<'_> {
    const ONE: bool = false;

    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        let mut claimed = Claimed::none();
        self.channels().for_each(|chan| chan.lock.lock());
        // SAFETY: locked.
        if let Some(found) = unsafe { self.take_ready(&mut claimed) } {
            self.channels().for_each(|chan| chan.lock.unlock());
            self.found.set(Some(found));
            // SAFETY: claimed by us; in a commit we are inside, else a thread.
            unsafe { ready::finish_all(inside(waiter), claimed) };
            return Enlisted::Done;
        }
        for (n, case) in self.cases.iter().enumerate() {
            // SAFETY: the caller's channels.
            let Some(chan) = (unsafe { case.chan.as_ref() }) else { continue };
            self.places[n].node.set(Node::new(waiter, case.value as usize, n as u32));
            if case.op == SEND { &chan.senders } else { &chan.receivers }.push(self.node(n));
        }
        let armed = waiter.arm();
        if !armed {
            for (n, case) in self.cases.iter().enumerate() {
                // SAFETY: as above.
                let Some(chan) = (unsafe { case.chan.as_ref() }) else { continue };
                if case.op == SEND { &chan.senders } else { &chan.receivers }.remove(self.node(n));
            }
        }
        self.channels().for_each(|chan| chan.lock.unlock());
        self.enlisted.store(true, Release); // D4
        if armed {
            Enlisted::Waits
        } else {
            Enlisted::Expired
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {
        self.leave_others(None);
    }
}
