//! A note: one thread sleeps on it, any thread wakes it. Race-free, one sleeper.
//!
//! Owns: one word. Always true: a wake that comes before the sleep is not lost; `wake` touches nothing after
//! it has published the wake except the address of the word (which may be gone by then: harmless).
//! Blocks: the thread. Never used on a task's way, except by threads that are not machines.
//!
//! Model: `model/note.rs`, breaking switch `NoteLoadStore`.

#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicI32, AtomicU32, Ordering::*};

const EMPTY: u32 = 0;
const SLEEPING: u32 = 1;
const WOKEN: u32 = 2;
/// The sleeper waits for something else too, and hears a bell.
const LISTENS: u32 = 3;

/// See the module.
#[derive(Debug)]
pub struct Note(AtomicU32, AtomicI32);

impl Default for Note {
    fn default() -> Note {
        Note::new()
    }
}

impl Note {
    pub fn new() -> Note {
        Note(AtomicU32::new(EMPTY), AtomicI32::new(-1))
    }

    /// Sleeps until woken or until `deadline` (monotonic nanoseconds). True when woken; the wake is consumed.
    pub fn sleep(&self, deadline: Option<i64>) -> bool {
        // Acquire pairs with the Release in `wake`: what the waker wrote before is visible after.
        if self.0.compare_exchange(EMPTY, SLEEPING, Acquire, Acquire).is_err() {
            self.0.swap(EMPTY, Acquire);
            return true;
        }
        loop {
            let expired = wait(&self.0, SLEEPING, deadline);
            if self.0.load(Acquire) == WOKEN {
                self.0.swap(EMPTY, Acquire);
                return true;
            }
            if expired {
                // A wake may come between the load above and here: then it is taken as such.
                return match self.0.compare_exchange(SLEEPING, EMPTY, Acquire, Acquire) {
                    Ok(_) => false,
                    Err(_) => {
                        self.0.swap(EMPTY, Acquire);
                        true
                    }
                };
            }
        }
    }

    /// Instead of [`Note::sleep`]: the sleeper waits for something of its own that this `bell` ends. False: it was woken already, and the
    /// wake is consumed.
    #[must_use]
    pub fn begin_listening(&self, bell: i32) -> bool {
        self.1.store(bell, Relaxed);
        // Release: a waker that sees it sees the bell.
        if self.0.compare_exchange(EMPTY, LISTENS, AcqRel, Acquire).is_err() {
            self.0.swap(EMPTY, Acquire);
            return false;
        }
        true
    }

    /// After that wait. True when woken; the wake is consumed.
    pub fn end_listening(&self) -> bool {
        self.0.swap(EMPTY, Acquire) == WOKEN
    }

    /// Wakes the sleeper, or lets the next sleep return at once.
    pub fn wake(&self) {
        #[cfg(loom)]
        if Break::NoteLoadStore.is_on() {
            let before = self.0.load(Relaxed);
            self.0.store(WOKEN, Release);
            if before == SLEEPING {
                notify(&self.0);
            }
            return;
        }
        match self.0.swap(WOKEN, AcqRel) {
            SLEEPING => notify(&self.0),
            // Who listens is a machine, whose record stays.
            LISTENS => crate::sys::poll::ring(self.1.load(Relaxed)),
            _ => {}
        }
    }
}

fn wait(word: &AtomicU32, expected: u32, deadline: Option<i64>) -> bool {
    crate::sys::futex::wait(word, expected, deadline) == crate::sys::futex::Wait::TimedOut
}

fn notify(word: *const AtomicU32) {
    crate::sys::futex::wake(word, 1);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn wake_before_sleep_is_not_lost() {
        let n = Note::new();
        n.wake();
        assert!(n.sleep(None));
        assert!(!n.sleep(Some(crate::sys::clock::now() + 1000)));
    }

    #[test]
    fn wakes_the_sleeper() {
        let n = std::sync::Arc::new(Note::new());
        let other = n.clone();
        let t = std::thread::spawn(move || other.sleep(None));
        n.wake();
        assert!(t.join().unwrap());
    }
}
