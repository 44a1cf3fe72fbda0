//! The wait group as tasks and threads use it: the protocol of `wait_group.rs` with parking and waking.
//!
//! Always true: the waker touches nothing of the group after the count became zero (G1).
//! Called by: any task or thread. Blocks: `wait` parks the task, or blocks a thread that is no task.

use super::wait_group::{Found, WaitGroup};
use crate::base::error::{Error, Result};
use crate::sched::{enter, park, ready, Inside, Shared};
use crate::source::timer::Timers;
use crate::sys::clock;
use crate::task::waiter::Waiter;
use crate::task::{Reason, Task};
use crate::time::FOREVER;
use std::ffi::c_void;
use std::ptr::null;

impl WaitGroup {
    /// [`WaitGroup::add`], waking whoever waited. `s` is the runtime for a caller that is no task; without one
    /// only threads can be waiting.
    pub fn change(&self, n: i64, s: Option<&Shared>) -> Result<()> {
        match enter::enter() {
            Some(i) => {
                let result = self.change_inside(i, n);
                i.exit();
                result
            }
            None => {
                let list = self.add(n)?;
                // SAFETY: taken out of the group by us: ours to wake.
                unsafe { wake_all(list, |w| wake_foreign(s, w)) };
                Ok(())
            }
        }
    }

    /// The same inside the runtime.
    #[inline(always)]
    pub fn change_inside(&self, i: Inside, n: i64) -> Result<()> {
        let list = self.add(n)?;
        if !list.is_null() {
            // SAFETY: taken out of the group by us: ours to wake.
            unsafe { wake_all(list, |w| ready::wake(i.s(), Some(i), w)) };
        }
        Ok(())
    }

    /// Waits until the count is zero. `Again` where it would wait and may not (`deadline` 0), `TimedOut`.
    pub fn wait(&self, deadline: i64) -> Result<()> {
        if self.is_zero() {
            return Ok(());
        }
        if deadline == 0 {
            return Err(Error::Again);
        }
        if deadline != FOREVER && deadline <= clock::now() {
            return Err(Error::TimedOut);
        }
        match enter::enter() {
            Some(i) => {
                let result = self.wait_task(i, deadline);
                // SAFETY: a task that was inside goes on inside.
                unsafe { Inside::current() }.exit();
                result
            }
            None => self.wait_thread(deadline),
        }
    }

    fn wait_task(&self, i: Inside, deadline: i64) -> Result<()> {
        let waiter = Waiter::new(park::me(i));
        let timers: *const Timers = if deadline == FOREVER { null() } else { &i.p().timers };
        if !timers.is_null() {
            i.p().timers.reserve()?;
        }
        let mut publish = Publish { group: self, timers, deadline, waiter: &waiter };
        // SAFETY: whoever takes the waiter out of the group or of the timers makes us ready, or the commit does;
        // `publish` lies on our stack, which stands until then.
        unsafe { park::park(i, Reason::WaitGroup, Publish::commit, &mut publish as *mut Publish as *mut c_void) };
        if !timers.is_null() {
            // SAFETY: processors are not freed while the runtime lives.
            unsafe { (*timers).remove(&waiter) };
        }
        self.settle(&waiter)
    }

    fn wait_thread(&self, deadline: i64) -> Result<()> {
        let waiter = Waiter::new(null());
        if self.lock_unless_zero() == Found::Zero {
            return Ok(());
        }
        self.push(&waiter);
        self.unlock();
        waiter.sleep_thread((deadline != FOREVER).then_some(deadline));
        self.settle(&waiter)
    }

    fn settle(&self, waiter: &Waiter) -> Result<()> {
        if !waiter.has_expired() {
            return Ok(());
        }
        if self.leave(waiter) {
            return Err(Error::TimedOut);
        }
        // The count became zero at the same time: that counts, once the waker has let go of the waiter.
        waiter.settle();
        Ok(())
    }
}

struct Publish {
    group: *const WaitGroup,
    timers: *const Timers,
    deadline: i64,
    waiter: *const Waiter,
}

impl Publish {
    /// The park's commit: from the first unlock on the task may go on elsewhere.
    unsafe fn commit(data: *mut c_void) {
        // SAFETY: `data` is the parked task's `Publish`, valid until it may go on; both objects outlive its wait.
        unsafe {
            let Publish { group, timers, deadline, waiter } = std::ptr::read(data as *const Publish);
            let task = (*waiter).task() as *mut Task;
            // The heap stays locked until the group is told: the deadline cannot pass in between, and a task that it
            // lets go on finds itself in the group's list.
            if let Some(timers) = timers.as_ref() {
                timers.insert_locked(deadline, &*waiter);
            }
            let found = (*group).lock_unless_zero();
            if found == Found::Locked {
                (*group).push(&*waiter);
                (*group).unlock();
            }
            let Some(timers) = timers.as_ref() else {
                if found == Found::Zero && Waiter::wake(waiter) {
                    ready::ready(Inside::current(), task);
                }
                return;
            };
            // Zero meanwhile: nobody else knows of us.
            let again = found == Found::Zero && Waiter::wake(waiter);
            if again {
                timers.remove_locked(&*waiter);
            }
            timers.unlock();
            if again {
                ready::ready(Inside::current(), task);
            }
        }
    }
}

/// Wakes a list of waiters, in its order.
///
/// # Safety
/// The list was taken out of its object by the caller.
unsafe fn wake_all(mut list: *const Waiter, mut wake: impl FnMut(*const Waiter)) {
    while !list.is_null() {
        // SAFETY: a waiter is valid until it is woken; the next one is read before.
        let next = unsafe { (*list).next.get() };
        wake(list);
        list = next;
    }
}

unsafe fn wake_foreign(s: Option<&Shared>, waiter: *const Waiter) {
    // SAFETY: the caller's promise. Without a runtime no task exists, so the waiter is a thread's.
    unsafe {
        match s {
            Some(s) => ready::wake(s, None, waiter),
            None => {
                if Waiter::wake(waiter) {
                    Waiter::notify_thread(waiter);
                }
            }
        }
    }
}
