//! Tasks that belong to one thread: sticky ones, which share it, and locked ones, which have it for themselves (§14).
//!
//! Owns: `Extra::pin`, the machine that alone may continue a task, with its count in `Machine::pins`; the lock of a task and a
//! thread to each other; a machine's own loop while it is locked.
//!
//! A task locks itself to the machine that it runs on ([`lock`]). When it parks it goes to the machine's own stack; the machine
//! hands its processor over and sleeps, out of the list of idle machines. Made ready, the task is left in `Machine::ready`
//! (`inbox::deliver`), and its machine gets an idle processor, or that of whoever comes upon its ticket in the global queue.
//!
//! Always true:
//!  - B1. A pin is set and taken away by its task, or by what ends it, on the pinned thread; or by the machine that takes a parked
//!        task of a class over (`token.rs`).
//!  - B2. While a machine's duty is `Locked`, its thread runs no task but the locked one. Others that are pinned there wait; a
//!        plain task that locks itself is moved to a thread without pins first.
//!  - B3. A task that ends locked ends its thread, whose state it may have changed for good (§14.3), unless others are pinned to it.
//!  - B4. Tasks of an exclusive class share the thread that they are pinned to: their locks are only counted, and keep them there.
//!
//! Called by: the task itself, the switch, the machine's loop. Blocks: the task, while it moves to a thread of its own.
//!
//! Tried and dropped: leaving the parked task's processor with the sleeping machine until the monitor takes it (others would wait
//! 20 µs and more at each of its parks).

use super::{inbox, run, switching, token, Inside, Shared};
use crate::base::error::{Error, Result};
use crate::machine::owner::INBOX;
use crate::machine::{Commit, Duty, Machine};
use crate::primitive::Ordering::*;
use crate::task::extra::{Extra, BOND_LOCKED, BOND_STICKY};
use crate::task::Task;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// From now on only `m` may continue the task; null: any.
///
/// # Safety
/// `extra` is the current task's, or that of one that has just ended on its machine.
pub unsafe fn pin(extra: *mut Extra, m: *const Machine) {
    // SAFETY: the caller's promise; machines are not freed while the runtime lives.
    unsafe {
        let before = std::mem::replace(&mut (*extra).pin, m as *const c_void) as *const Machine;
        if std::ptr::eq(before, m) {
            return;
        }
        if let Some(m) = m.as_ref() {
            m.pin();
        }
        if let Some(before) = before.as_ref() {
            before.unpin();
        }
    }
}

/// True when the task's thread is its own.
#[inline]
pub fn is_locked(t: &Task) -> bool {
    t.bonds() & BOND_LOCKED != 0
}

/// A task with bonds leaves its stack: if it is sticky, this is its thread.
///
/// # Safety
/// `me` is the current task of `m`, the calling thread's.
pub unsafe fn leaving(m: &Machine, me: &Task) {
    if me.bonds() & BOND_STICKY == 0 {
        return;
    }
    let extra = me.extra.get();
    // SAFETY: the task's own box, which it has if it has bonds.
    unsafe {
        if (*extra).pin.is_null() {
            pin(extra, m);
        }
    }
}

/// Queues a task with bonds that is `Ready` or `NewGlobal`.
///
/// # Safety
/// The caller has the right to queue it.
#[cold]
pub unsafe fn route(s: &Shared, i: Option<Inside>, task: *mut Task) {
    // SAFETY: the caller's promise; a task with bonds has an `Extra`, and classes live as long as the runtime.
    unsafe {
        match (*task).class().as_ref() {
            Some(class) if class.is_exclusive() => token::route(s, i, task, class),
            _ => inbox::route(s, i, task, (*(*task).extra.get()).pin as *const Machine),
        }
    }
}

/// Locks the calling task to its thread once more; how often it is locked now. `NoMemory`; `Again`: the thread is shared with
/// pinned tasks, and no other can be had; `Misuse`: locked 2³¹ − 1 times. The task may go on on another thread.
pub fn lock(i: Inside) -> Result<u32> {
    let t = super::park::me(i);
    if t.extra.get().is_null() {
        t.extra.set(Extra::new()?);
    }
    // SAFETY: the task's own box.
    let e = unsafe { &mut *t.extra.get() };
    if e.locks >= i32::MAX as u32 {
        return Err(Error::Misuse);
    }
    // SAFETY: classes live as long as the runtime.
    let exclusive = unsafe { e.class.as_ref() }.is_some_and(|class| class.is_exclusive());
    if e.locks == 0 && !exclusive {
        let (s, m) = (i.s(), i.m());
        if e.bonds == 0 && m.pins.load(Relaxed) != 0 {
            move_out(i, t)?;
        } else {
            m.duty.set(Duty::Locked);
            s.locked_machines.fetch_add(1, Relaxed);
            // SAFETY: the current task's.
            unsafe { pin(e, m) };
            e.bonds |= BOND_LOCKED;
        }
    }
    e.locks += 1;
    Ok(e.locks)
}

/// Unlocks once; how often the task is still locked. `Misuse` when it was not.
///
/// # Safety
/// `t` is the current task of `m`, the calling thread's.
pub unsafe fn unlock(m: &Machine, t: &Task) -> Result<u32> {
    // SAFETY: the task's own box.
    let Some(e) = (unsafe { t.extra.get().as_mut() }) else { return Err(Error::Misuse) };
    if e.locks == 0 {
        return Err(Error::Misuse);
    }
    e.locks -= 1;
    if e.locks != 0 || e.bonds & BOND_LOCKED == 0 {
        return Ok(e.locks);
    }
    e.bonds &= !BOND_LOCKED;
    // SAFETY: a class and the runtime live long enough; the pin is the current task's.
    unsafe {
        // At its next park a class says anew whether the task may move.
        let asks = e.class.as_ref().is_some_and(|class| class.hooks.may_migrate.is_some());
        if e.bonds & BOND_STICKY == 0 && !asks {
            pin(e, null());
        }
        (*(m.shared as *const Shared)).locked_machines.fetch_sub(1, Relaxed);
    }
    release(m, Duty::Any);
    Ok(0)
}

/// The machine is locked to nobody any more. On its own thread.
fn release(m: &Machine, duty: Duty) {
    m.duty.set(duty);
    if m.inbox_len.load(Relaxed) != 0 {
        // What waited for this.
        m.owner.request(INBOX);
    }
}

/// Moves a task that locks itself away from a thread that others are pinned to: to an idle one, else to a new one.
fn move_out(i: Inside, t: &Task) -> Result<()> {
    let s = i.s();
    let mut locked = s.lock.lock();
    // SAFETY: machines are not freed while the runtime lives.
    let idle = locked.idle_machines.iter().rposition(|&m| unsafe { !(*m).is_needed() });
    let m = if let Some(at) = idle {
        // SAFETY: as above.
        let m = unsafe { &*locked.idle_machines.remove(at) };
        m.duty.set(Duty::Locked);
        // Before the unlock: it may wake to end.
        m.pin();
        if std::ptr::eq(locked.watcher, m) {
            locked.watcher = null();
        }
        drop(locked);
        // Perhaps nobody watches the timers now.
        s.monitor.attend();
        m
    } else {
        s.make_machine_for(Duty::Locked, locked, None, false)?
    };
    s.locked_machines.fetch_add(1, Relaxed);
    // SAFETY: the current task and its box; pinned to a machine that nobody else can use, and that has been pinned
    // for us since it was chosen.
    unsafe {
        pin(t.extra.get(), m);
        m.unpin();
        (*t.extra.get()).bonds |= BOND_LOCKED;
        switching::leave(i, t, Commit::Global(t as *const Task as *mut Task));
    }
    Ok(())
}

/// A task with an `Extra` is over: it gives up its thread. True: the thread shall end with it.
///
/// # Safety
/// `t` was the current task of `m`, the calling thread's, and its fields are ours.
#[cold]
pub unsafe fn ended(s: &Shared, m: &Machine, t: &Task) -> bool {
    // SAFETY: the caller's promise.
    unsafe { pin(t.extra.get(), null()) };
    if !is_locked(t) {
        return false;
    }
    s.locked_machines.fetch_sub(1, Relaxed);
    let ends = m.pins.load(Relaxed) == 0;
    release(m, if ends { Duty::End } else { Duty::Any });
    ends
}

/// A turn of the loop of a machine with a duty of its own, which has a processor. `slept`: it was given that just now.
pub fn turn(i: Inside, slept: bool) {
    let m = i.m();
    let task = m.ready.load(Relaxed);
    // Given a processor, it uses it; else it lets those go first that wait, as any task that comes from a queue would.
    if task.is_null() || !slept && others_wait(i) {
        return hand_over(i, !task.is_null());
    }
    m.ready.store(null_mut(), Relaxed);
    // SAFETY: delivered to this machine: ours to run; on the machine's own stack, inside with a processor.
    unsafe {
        let t = &*task;
        t.status.start();
        run::start(i, t);
    }
}

fn others_wait(i: Inside) -> bool {
    i.p().runq.private_len() > 0 || i.s().has_published_work()
}

/// Gives the processor of a machine that has no use for it to others. `queued`: the machine waits behind them for the next.
pub fn hand_over(i: Inside, queued: bool) {
    let (m, s) = (i.m(), i.s());
    let locked = s.lock.lock();
    if queued {
        inbox::queue_ticket(s, m);
    }
    let p = s.unassign(m);
    s.give_away(locked, p);
    if !s.idle.has_idle() {
        return;
    }
    // F1's heavy half: the processor went to the idle list, and somebody may have published meanwhile.
    if !s.barrier.heavy() {
        s.monitor.attend();
    }
    if (s.has_published_work() || s.has_private_work()) && s.idle.wants_searcher() {
        s.start_searcher();
    }
}
