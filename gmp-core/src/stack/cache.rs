//! A processor's cache of stacks and credits: what makes spawn and start cheap.
//!
//! Owns: for each class, some idle slots and some credits that no task has.
//!
//! Always true: a class has at least as many credits here, or at hand beside it with the same owner, as slots. With that, and with a credit for each task
//! from [`Cache::promise`] to [`Cache::unpromise`], the rule of `depot` holds: every slot is covered.
//!
//! ```text
//! spawn:   promise                         a machine's spare stack: promise once, take, swap at will,
//! start:   take                            give and unpromise when the machine ends
//! finish:  unpromise, then give the stack if the task had one of its own
//! ```
//!
//! Called by: whoever owns the processor, so without a lock. Goes to the depot once in a batch.

use super::{Class, Depot, Stack};
use crate::base::error::{Error, Result};

/// Idle stacks and free credits of one processor.
pub struct Cache {
    shelves: [Shelf; Class::ALL.len()],
}

struct Shelf {
    stacks: Vec<Stack>,
    credits: usize,
}

/// How many slots go to and from the depot at once; twice as many are kept. Big stacks may hold much memory
/// that only the depot gives back, so few of them are kept.
const fn batch(class: Class) -> usize {
    match class {
        Class::Small | Class::Medium => 32,
        Class::Large => 8,
        Class::Larger => 4,
        Class::Huge => 2,
    }
}

impl Default for Cache {
    fn default() -> Cache {
        Cache::new()
    }
}

impl Cache {
    /// An empty cache. Takes no memory.
    pub fn new() -> Cache {
        Cache { shelves: std::array::from_fn(|_| Shelf { stacks: Vec::new(), credits: 0 }) }
    }

    /// A credit for a task to be made: once it has it, [`Cache::take`] gives it a stack on any processor.
    #[inline]
    pub fn promise(&mut self, depot: &Depot, class: Class) -> Result<()> {
        let shelf = &mut self.shelves[class as usize];
        // Fewer than slots: the rest are the owner's (`sched/stacks.rs` keeps some of the default class at hand).
        if shelf.credits <= shelf.stacks.len() {
            shelf.more_credits(depot, class)?;
        }
        shelf.credits -= 1;
        Ok(())
    }

    /// The credit of a task that has ended. To be called before its stack is given back.
    #[inline]
    pub fn unpromise(&mut self, depot: &Depot, class: Class) {
        let shelf = &mut self.shelves[class as usize];
        shelf.credits += 1;
        if shelf.credits.saturating_sub(shelf.stacks.len()) > 4 * batch(class) {
            depot.unreserve(class, 2 * batch(class));
            shelf.credits -= 2 * batch(class);
        }
    }

    /// A stack for whoever has a credit. Fails only if the kernel has no memory for a guard.
    #[inline]
    pub fn take(&mut self, depot: &Depot, class: Class) -> Result<Stack> {
        let shelf = &mut self.shelves[class as usize];
        match shelf.stacks.pop() {
            Some(stack) => Ok(stack),
            None => shelf.refill(depot, class),
        }
    }

    /// An idle stack back, its credit being here or with another idle one.
    #[inline]
    pub fn give(&mut self, depot: &Depot, stack: Stack) {
        let class = stack.class();
        let shelf = &mut self.shelves[class as usize];
        if shelf.stacks.len() == shelf.stacks.capacity() || shelf.stacks.len() >= 2 * batch(class) {
            shelf.overflow(depot, class, stack);
            return;
        }
        shelf.stacks.push(stack);
    }

    /// Everything back to the depot, for a processor that ends or is idle for long.
    pub fn drain(&mut self, depot: &Depot) {
        for (class, shelf) in Class::ALL.into_iter().zip(&mut self.shelves) {
            depot.give(&mut shelf.stacks);
            depot.unreserve(class, std::mem::take(&mut shelf.credits));
        }
    }
}

impl Shelf {
    /// Makes one credit more than there are slots here, a batch more if the system gives it.
    #[cold]
    fn more_credits(&mut self, depot: &Depot, class: Class) -> Result<()> {
        let Err(error) = depot.reserve(class, batch(class)).map(|()| self.credits += batch(class)) else {
            return Ok(());
        };
        // Near the limit: single ones, and credits that cover idle slots here, which go back for that.
        if depot.reserve(class, 1).is_ok() {
            self.credits += 1;
            return Ok(());
        }
        depot.give(&mut self.stacks);
        if self.credits > 0 {
            Ok(())
        } else {
            Err(error)
        }
    }

    /// One for the caller, who has a credit, and as many more as there are credits here.
    #[cold]
    fn refill(&mut self, depot: &Depot, class: Class) -> Result<Stack> {
        debug_assert!(self.stacks.is_empty());
        let wanted = batch(class);
        // Twice, so that `give` has room; without memory for that, the slots still go in and out one by one.
        let _ = self.stacks.try_reserve_exact(2 * wanted);
        if self.credits < wanted - 1 && depot.reserve(class, wanted).is_ok() {
            self.credits += wanted;
        }
        depot.take(class, &mut self.stacks, wanted.min(1 + self.credits))?;
        self.stacks.pop().ok_or(Error::NoMemory)
    }

    /// No room, or not yet: the older half goes back, so that what was used last stays at hand.
    #[cold]
    fn overflow(&mut self, depot: &Depot, class: Class, stack: Stack) {
        let most = 2 * batch(class);
        if self.stacks.len() >= most {
            depot.give_each(class, self.stacks.drain(..batch(class)));
        } else if self.stacks.try_reserve_exact(most - self.stacks.len()).is_err() {
            depot.give_each(class, std::iter::once(stack));
            return;
        }
        self.stacks.push(stack);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        debug_assert!(
            std::thread::panicking() || self.shelves.iter().all(|shelf| shelf.stacks.is_empty()),
            "a cache is drained before it is dropped"
        );
    }
}
