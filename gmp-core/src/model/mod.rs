//! Loom models of every protocol: the protocol's own code, with all that surrounds it reduced to a stand-in.
//!
//! Owns: the breaking switches, and how a model is run. The stand-ins are in `around/`.
//!
//! Always true: for each protocol there is a test that it holds, and for each breaking switch one that the model fails,
//! for the reason that the protocol's file gives. A lost wake shows as loom's "deadlock": [`crate::sys`] has a futex
//! whose sleepers sleep.
//!
//! A model whose threads and steps are few is explored to the end. The others are bounded by the number of times that
//! a thread is interrupted (`preemptions`); each says so.

#[cfg(test)]
mod attention;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod chan;
#[cfg(test)]
mod cond;
#[cfg(test)]
mod deadlock;
#[cfg(test)]
mod desc;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod idle_ends;
#[cfg(test)]
mod join;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod mutex;
#[cfg(test)]
mod note;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod retake;
#[cfg(test)]
mod ring;
#[cfg(test)]
mod rwlock;
#[cfg(test)]
mod select;
#[cfg(test)]
mod semaphore;
#[cfg(test)]
mod state;
#[cfg(test)]
mod timer;
#[cfg(test)]
mod token;
#[cfg(test)]
mod wait_group;
#[cfg(test)]
mod waiter;

use std::cell::Cell;

/// A step of a protocol that is left out, or done in a wrong way, to see that its model notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The submit side has no fence F1.
    IdleSubmitFence,
    /// The give-up side has no fence F1.
    IdleGiveUpFence,
    /// The give-up side does not look again.
    IdleRecheck,
    /// A search that ends with work has no fence before it looks for more.
    IdleEndFence,
    /// A start that finds no processor leaves the search after it has unlocked.
    IdleStartUnlocked,
    /// A searching machine whose processor is taken out of use leaves the search without fence F1.
    IdleRetireFence,
    /// `enter` has no fence F2.
    OwnerFence,
    /// A monitor that is about to sleep long has no fence F3.
    AttentionFence,
    /// Who waits for a descriptor does not look whether something has happened since its try.
    DescNoLook,
    /// A short read is noted with the count of events after it.
    DescNoteLate,
    /// Who waits for a descriptor does not look at its deadline again under the lock.
    DescNoDeadline,
    /// A registration is not looked at before a wait.
    DescUnasked,
    /// After a close, only who is in the queue already is told.
    DescLateUnlocked,
    /// A machine that comes in without a processor queues its task and does not look for an idle one.
    RetakeQueueUnasked,
    /// `wake` looks and then stores instead of swapping.
    NoteLoadStore,
    /// `claim_shared` looks and then stores instead of comparing and swapping.
    StateLoadStore,
    /// A joiner whose deadline was first does not wait for the waker's last touch.
    JoinNoSettle,
    /// A waker of a joiner claims, and if it has lost says `done`, in two steps.
    JoinTwoSteps,
    /// The deadline looks and then stores instead of comparing and swapping.
    WaiterLoadStore,
    /// The last `done` unlocks before it has taken the list.
    WaitGroupUnlockFirst,
    /// `unlock` looks at the lock again, as one does that may have sleepers to wake.
    LockLooksAgain,
    /// A wait that may be cancelled has no fence F5 between being armed and its look at the mark.
    CancelFence,
    /// Who is going to wait for a channel does not look again under the lock.
    ChanUnlockedCheck,
    /// The last reference takes the memory along, whoever waits.
    ChanFreeUnasked,
    /// The last reference is counted down before the lock is taken.
    ChanCountUnlocked,
    /// A select does not wait for its commit to be through.
    SelectNotEnlisted,
    /// `fire` does not look under the lock whether the timer is still armed.
    TimerFireUnasked,
    /// A mutex that is given to a waiter is given up too.
    MutexGivenUp,
    /// A wait for a condition gives the mutex up before it is queued.
    CondUnlockFirst,
    /// A writer that stops waiting lets nobody in.
    RwLockLeaveAlone,
    /// A request that stops waiting lets nobody go on.
    SemaphoreLeaveAlone,
    /// Who was woken for the mutex, and does not want it any more, tells nobody.
    MutexWakeForgotten,
    /// A thread that was woken is counted as up only when it runs again.
    DeadlockLateRise,
    /// A thread comes back from its wait although a verdict looks at its waiter.
    DeadlockNoHold,
    /// A ring counts a record before it is written.
    RingPutEarly,
    /// A ring gives its slots back before they are read.
    RingTakenEarly,
    /// A task that leaves a machine without its class's token is seen before its state is let go.
    TokenReleaseLate,
    /// A machine does not say that the next task's state is being attached.
    TokenNotEntering,
}

thread_local! {
    // Loom runs all threads of a model on the thread that called it, so each test has a setting of its own.
    static ON: Cell<Option<Break>> = const { Cell::new(None) };
}

impl Break {
    /// True while a model runs that shall fail by this.
    pub fn is_on(self) -> bool {
        ON.get() == Some(self)
    }
}

#[cfg(test)]
pub(crate) use harness::{fails, holds, race, Place};

#[cfg(test)]
mod harness {
    use super::{Break, ON};
    use std::cell::UnsafeCell;
    use std::mem::ManuallyDrop;
    use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
    use std::sync::Arc;

    /// Runs a model: to the end, or with at most so many interruptions of a thread that could go on.
    pub fn holds(preemptions: Option<usize>, model: fn()) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = preemptions;
        builder.check(move || {
            crate::primitive::begin();
            model();
        });
    }

    /// Runs a model with a switch on; it must fail, and say `why`.
    pub fn fails(switch: Break, why: &str, preemptions: Option<usize>, model: fn()) {
        ON.set(Some(switch));
        let end = catch_unwind(AssertUnwindSafe(|| holds(preemptions, model)));
        ON.set(None);
        let Err(payload) = end else { panic!("the model does not notice {switch:?}") };
        let said = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
            (Some(said), _) => said.as_str(),
            (_, Some(said)) => said,
            _ => resume_unwind(payload),
        };
        assert!(said.contains(why), "with {switch:?} the model fails for another reason than {why:?}: {said}");
    }

    /// Runs `parts` at once, the first one on this thread, and gives the world back when all have ended.
    pub fn race<W: Send + Sync + 'static>(world: W, parts: &[fn(&W)]) -> Arc<W> {
        let world = Arc::new(world);
        let (first, others) = parts.split_first().expect("somebody takes part");
        let threads: Vec<_> = others
            .iter()
            .map(|&part| {
                let world = world.clone();
                loom::thread::spawn(move || part(&world))
            })
            .collect();
        first(&world);
        for thread in threads {
            thread.join().expect("loom ends the test when a thread panics");
        }
        world
    }

    /// Something that the threads of a model share as the protocol allows it; what the protocol has wrong, loom sees.
    /// It lies where it is until the end, so an access that comes too late is reported and does no harm.
    pub struct Place<T>(Box<UnsafeCell<ManuallyDrop<T>>>);

    // SAFETY: loom runs the threads of a model in turn, and its cells and atomics check every access.
    unsafe impl<T> Sync for Place<T> {}
    // SAFETY: as above.
    unsafe impl<T> Send for Place<T> {}

    impl<T> Place<T> {
        pub fn new(value: T) -> Place<T> {
            Place(Box::new(UnsafeCell::new(ManuallyDrop::new(value))))
        }

        /// The memory is given back: what is not over by now is an error, which loom reports.
        pub fn free(&self) {
            // SAFETY: the place stays, and no reference to its content is used during the call.
            unsafe { ManuallyDrop::drop(&mut *self.0.get()) };
        }
    }

    impl<T> std::ops::Deref for Place<T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: valid as long as the place; `free` has its `&mut` for one call.
            unsafe { &*self.0.get() }
        }
    }
}
