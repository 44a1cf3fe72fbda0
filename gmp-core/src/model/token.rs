//! The token of a class with a lock of its own (`sched/token.rs`, K5): it is taken from a machine whose task stays outside, and the
//! taker runs what parked there.
//!
//! Threads: a machine that runs task A, which goes outside, parks and is followed by task B; a taker that tries twice to take the
//! token, and goes on with A as soon as it is ready. What a task leaves on the thread that it parked on (its thread state) is a plain
//! number. The token's own lock is a stand-in; the owner's words are the real ones.
//! Checked: whoever attaches A's state sees that its last thread has let it go.

use super::{fails, holds, race, Break, Place};
use crate::base::fence::Barrier;
use crate::machine::owner::Owner;
use crate::primitive::{AtomicBool, Cell, Mutex, Ordering::*};

struct Token {
    /// The machine holds it; else the taker does.
    held: bool,
    /// A is ready.
    ready: bool,
}

struct World {
    owner: Owner,
    /// The machine's processor is gone. Changes under the lock only.
    taken: AtomicBool,
    entering: AtomicBool,
    /// The scheduler's lock.
    lock: Mutex<()>,
    token: Mutex<Token>,
    /// A's thread state: how often it was attached or let go.
    state: Place<Cell<u32>>,
}

impl World {
    /// The machine runs A, outside, and holds the token.
    fn new() -> World {
        let owner = Owner::new(Barrier::fences());
        owner.exit(2);
        World {
            owner,
            taken: AtomicBool::new(false),
            entering: AtomicBool::new(false),
            lock: Mutex::new(()),
            token: Mutex::new(Token { held: true, ready: false }),
            state: Place::new(Cell::new(0)),
        }
    }

    fn touch_state(&self) {
        self.state.set(self.state.get() + 1);
    }

    fn machine(&self) {
        if !self.owner.enter() {
            let _locked = self.lock.lock();
            self.owner.take_requests();
        }
        // `hooks::leaving`
        let held = self.token.lock().held;
        let early = Break::TokenReleaseLate.is_on();
        if !held && !early {
            self.touch_state();
        }
        // A has left its stack: it is seen.
        self.token.lock().ready = true;
        if !held {
            if early {
                self.touch_state();
            }
            return;
        }
        // `hooks::entered`: B's state is attached, for which A's is let go.
        self.entering.store(!Break::TokenNotEntering.is_on(), Relaxed);
        self.owner.exit(4);
        self.touch_state();
        self.entering.store(false, Release);
    }

    /// True: the taker has the token.
    fn take(&self) -> bool {
        let _locked = self.lock.lock();
        if self.taken.load(Relaxed) {
            return true;
        }
        if !self.owner.seize() {
            return false;
        }
        if self.entering.load(Acquire) {
            self.owner.withdraw();
            return false;
        }
        self.taken.store(true, Relaxed);
        self.token.lock().held = false;
        true
    }

    fn taker(&self) {
        for _ in 0..2 {
            if self.take() && self.token.lock().ready {
                self.touch_state();
                return;
            }
        }
    }
}

fn park_against_take() {
    race(World::new(), &[World::machine, World::taker]);
}

#[test]
fn model_token_holds() {
    holds(None, park_against_take);
}

#[test]
fn model_token_fails_if_a_task_is_seen_before_its_state_is_let_go() {
    fails(Break::TokenReleaseLate, "Causality violation", None, park_against_take);
}

#[test]
fn model_token_fails_if_it_is_taken_while_the_next_task_comes_in() {
    fails(Break::TokenNotEntering, "Causality violation", None, park_against_take);
}
