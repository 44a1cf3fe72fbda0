//! A waiter: one task or thread waiting, for one thing or for the first of several, perhaps with a deadline.
//!
//! Owns: what the parties of a wait tell each other. It lies on the waiting side's stack.
//!
//! Always true:
//!  - V1. A waker that has claimed a task's waiter may touch it until it makes the task ready; one that has claimed a
//!        thread's, until it says [`Waiter::finish_thread`] (the futex call gets an address that may be gone, which is
//!        harmless). Whoever has not claimed it touches it only while it is in an object, under that object's lock.
//!  - V2. A waker that took the waiter out of its object without a lock and then loses the claim says `done` in the step
//!        in which it loses; the waiter waits for that in [`Waiter::settle`] (the join cell does so).
//!
//! Model: `model/waiter.rs`, breaking switch (with the join cell) `JoinNoSettle`.

use super::wait_word::{Armed, Ended, Enders, WaitWord};
use super::Task;
use crate::base::attached::Attached;
use crate::base::chaos::{self, Bug};
use crate::base::lock::Pause;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{sanitizer, Cell};
use crate::source::timer::Timed;
use std::ptr::null;

/// See the module.
#[repr(C)]
#[derive(Debug)]
pub struct Waiter {
    /// Its place in a timer heap. First: the heap finds the waiter by it.
    pub timed: Timed,
    /// Of a thread; a task's lies in its record.
    own: WaitWord,
    word: *const WaitWord,
    armed: Cell<Armed>,
    has_deadline: Cell<bool>,
    /// What the claimer found: the number of the chosen case, and whether it was a closed channel. Its own after the claim.
    pub chosen: Cell<u32>,
    pub closed: Cell<bool>,
    /// The next in a list of claimed waiters.
    pub next: Cell<*const Waiter>,
    /// Touched by whoever touches the waiter.
    #[cfg(loom)]
    stands: Cell<()>,
    /// The waiting task; null for a thread.
    task: *const Task,
    /// The task's runtime (`sched::Shared`). Of a thread that lies while it waits, what counts it (`base/attached.rs`).
    pub shared: *const (),
}

impl Waiter {
    /// For a task, whose word is `word`.
    #[inline(always)]
    pub fn for_task(task: *const Task, word: *const WaitWord, shared: *const ()) -> Waiter {
        Waiter {
            timed: Timed::waiter(),
            own: WaitWord::new(),
            word,
            armed: Cell::new(Armed::default()),
            has_deadline: Cell::new(false),
            chosen: Cell::new(0),
            closed: Cell::new(false),
            next: Cell::new(null()),
            #[cfg(loom)]
            stands: Cell::new(()),
            task,
            shared,
        }
    }

    /// For the calling thread; `all` counts it while it waits, null: nothing does.
    pub fn for_thread(all: *const Attached) -> Waiter {
        Waiter::for_task(null(), null(), all as *const ())
    }

    /// The waiting task; null for a thread.
    #[inline(always)]
    pub fn task(&self) -> *const Task {
        self.task
    }

    /// Where the wait is decided.
    #[inline(always)]
    pub fn word(&self) -> &WaitWord {
        #[cfg(loom)]
        self.stands.get();
        if self.word.is_null() {
            return &self.own;
        }
        // SAFETY: a task's record stays while the runtime lives.
        unsafe { &*self.word }
    }

    /// The wait begins; not claimable yet.
    #[inline(always)]
    pub fn begin(&self, enders: Enders, has_deadline: bool) -> Armed {
        let armed = self.word().begin(enders);
        self.armed.set(armed);
        self.has_deadline.set(has_deadline);
        armed
    }

    /// Under the object's lock, with the waiter in place: it can be claimed from here on. False: the deadline has passed
    /// already; take it out again.
    #[inline(always)]
    #[must_use]
    pub fn arm(&self) -> bool {
        if self.has_deadline.get() && !self.word.is_null() {
            return self.word().arm_timed(self.armed.get());
        }
        self.word().arm(self.armed.get());
        true
    }

    /// The same for an object that others may have touched the waiter through before: a waker may have said `done`, or the
    /// deadline has passed. False: so it was.
    #[must_use]
    pub fn arm_contended(&self) -> bool {
        self.word().arm_timed(self.armed.get())
    }

    /// True when its wait has a deadline.
    pub fn has_deadline(&self) -> bool {
        self.has_deadline.get()
    }

    /// How the wait ended; None while it goes on.
    #[inline(always)]
    pub fn ended(&self) -> Option<Ended> {
        self.word().ended()
    }

    /// V2: waits for the last touch of a waker that has lost.
    pub fn settle(&self) {
        #[cfg(loom)]
        if Break::JoinNoSettle.is_on() {
            return;
        }
        let mut pause = Pause::new();
        while !self.word().is_done() {
            pause.once();
        }
    }

    /// Ends the wait of a thread whose waiter the caller has claimed.
    ///
    /// # Safety
    /// `this` is valid until the word says `done`.
    pub unsafe fn finish_thread(this: *const Waiter) {
        // SAFETY: the caller's promise; after `done` only the address is used. What counts threads is never freed.
        unsafe {
            sanitizer::released(this);
            let word = std::ptr::addr_of!((*this).own);
            let all = ((*this).shared as *const Attached).as_ref();
            // Before the thread can go on: A1.
            #[cfg(loom)]
            let all = all.filter(|_| !Break::DeadlockLateRise.is_on());
            if let Some(all) = all.filter(|_| !chaos::plants(Bug::LateRise)) {
                all.get_up();
            }
            (*word).done();
            crate::sys::futex::wake(word.cast(), 1);
        }
    }

    /// A thread's wait has ended other than by a waker: the thread shall see it.
    pub fn wake_ended(&self) {
        crate::sys::futex::wake(self.own.raw().0, 1);
    }

    /// Blocks this thread until its wait has ended.
    pub fn sleep_thread(&self, deadline: Option<i64>) -> Ended {
        use crate::sys::futex::{wait, Wait};
        // Nobody moves the virtual time on for a thread: it waits as long as that is really.
        let deadline = deadline.map(crate::base::clock::real);
        loop {
            let (word, value) = self.own.raw();
            match self.own.ended() {
                Some(Ended::Woken) if self.own.is_done() => {
                    sanitizer::acquired(self);
                    return Ended::Woken;
                }
                Some(Ended::Woken) | None => {}
                Some(other) => return other,
            }
            let until = if self.own.ended().is_none() { deadline } else { None };
            if wait(word, value, until) == Wait::TimedOut {
                // Lost: it is being woken just now.
                let _found = self.own.expire();
            }
        }
    }
}

#[cfg(loom)]
impl Drop for Waiter {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stands.set(());
            self.chosen.set(0);
            self.closed.set(false);
            self.next.set(null());
        }
    }
}
