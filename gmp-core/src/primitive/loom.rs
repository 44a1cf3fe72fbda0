//! Loom's forms, for `cfg(loom)`: every access is a point where the model may switch threads.
//!
//! Who waits for another thread's store in a loop (`base/lock.rs` [`Pause`](crate::base::lock::Pause)) does not loop here: two that do
//! would give way to each other without end, in loom's eyes. It looks once more, at what is newest, and then sleeps until
//! somebody else stores something ([`wait_for_a_store`]); so the atomics are wrapped, and say when they store.

pub use loom::cell::{Cell, UnsafeCell};
use loom::sync::atomic as plain;
pub use loom::sync::atomic::{fence, Ordering};
pub use loom::sync::{Mutex as LoomMutex, MutexGuard};
use loom::thread::{current, Thread, ThreadId};
use std::cell::RefCell;

#[derive(Default)]
struct Stores {
    /// How many there were, and by whom.
    number: u32,
    by: Vec<(ThreadId, u32)>,
    waiting: Vec<Thread>,
    /// Threads whose loads find what is newest, until their next store.
    looking: Vec<ThreadId>,
}

impl Stores {
    fn by(&mut self, thread: ThreadId) -> &mut u32 {
        let at = self.by.iter().position(|(other, _)| *other == thread).unwrap_or_else(|| {
            self.by.push((thread, 0));
            self.by.len() - 1
        });
        &mut self.by[at].1
    }

    /// More than 0.
    fn by_others(&mut self, me: ThreadId) -> u32 {
        1 + self.number - *self.by(me)
    }
}

thread_local! {
    // Loom runs all threads of a model on one, and this is touched between two of its steps.
    static STORES: RefCell<Stores> = RefCell::default();
}

/// A run of a model begins: nobody waits. (One that failed may have left somebody.)
pub fn begin() {
    STORES.take();
}

/// Somebody has stored something.
fn stored() {
    let me = current().id();
    let waiting = STORES.with_borrow_mut(|stores| {
        stores.number += 1;
        *stores.by(me) += 1;
        stores.looking.retain(|other| *other != me);
        std::mem::take(&mut stores.waiting)
    });
    waiting.iter().for_each(Thread::unpark);
}

/// One round of waiting for another thread's store. Takes what the round before gave, 0 at first.
#[track_caller]
pub fn wait_for_a_store(last: u32) -> u32 {
    let me = current();
    if last == STORES.with_borrow_mut(|stores| stores.by_others(me.id())) {
        STORES.with_borrow_mut(|stores| stores.waiting.push(me.clone()));
        loom::thread::park();
    }
    STORES.with_borrow_mut(|stores| {
        stores.looking.push(me.id());
        stores.by_others(me.id())
    })
}

/// True when the calling thread's loads find what is newest.
fn looks() -> bool {
    STORES.with_borrow(|stores| !stores.looking.is_empty() && stores.looking.contains(&current().id()))
}

macro_rules! atomic {
    ($name:ident, $t:ty, $never:expr $(, $of:ident)?) => {
        #[derive(Debug)]
        pub struct $name$(<$of>)?(plain::$name$(<$of>)?);

        impl$(<$of>)? $name$(<$of>)? {
            #[track_caller]
            pub fn new(value: $t) -> Self {
                Self(plain::$name::new(value))
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $t {
                if looks() {
                    // What would change a value in one step finds the newest one.
                    return self.0.compare_exchange($never, $never, order, order).unwrap_or_else(|now| now);
                }
                self.0.load(order)
            }

            #[track_caller]
            pub fn store(&self, value: $t, order: Ordering) {
                self.0.store(value, order);
                stored();
            }

            #[track_caller]
            pub fn swap(&self, value: $t, order: Ordering) -> $t {
                let before = self.0.swap(value, order);
                stored();
                before
            }

            #[track_caller]
            pub fn compare_exchange(&self, from: $t, to: $t, yes: Ordering, no: Ordering) -> Result<$t, $t> {
                let result = self.0.compare_exchange(from, to, yes, no);
                if result.is_ok() {
                    stored();
                }
                result
            }

            #[track_caller]
            pub fn compare_exchange_weak(&self, from: $t, to: $t, yes: Ordering, no: Ordering) -> Result<$t, $t> {
                self.compare_exchange(from, to, yes, no)
            }
        }
    };
}

macro_rules! number {
    ($name:ident, $t:ty) => {
        atomic!($name, $t, <$t>::MAX - 77);

        impl $name {
            #[track_caller]
            pub fn fetch_add(&self, value: $t, order: Ordering) -> $t {
                let before = self.0.fetch_add(value, order);
                stored();
                before
            }

            #[track_caller]
            pub fn fetch_sub(&self, value: $t, order: Ordering) -> $t {
                let before = self.0.fetch_sub(value, order);
                stored();
                before
            }

            #[track_caller]
            pub fn fetch_or(&self, value: $t, order: Ordering) -> $t {
                let before = self.0.fetch_or(value, order);
                stored();
                before
            }

            #[track_caller]
            pub fn fetch_and(&self, value: $t, order: Ordering) -> $t {
                let before = self.0.fetch_and(value, order);
                stored();
                before
            }

            #[track_caller]
            pub fn with_mut<R>(&mut self, f: impl FnOnce(&mut $t) -> R) -> R {
                self.0.with_mut(f)
            }
        }

        impl Default for $name {
            #[track_caller]
            fn default() -> Self {
                Self::new(0)
            }
        }
    };
}

atomic!(AtomicPtr, *mut T, std::ptr::without_provenance_mut(1), T);
number!(AtomicI32, i32);
number!(AtomicI64, i64);
number!(AtomicU8, u8);
number!(AtomicU16, u16);
number!(AtomicU32, u32);
number!(AtomicU64, u64);
number!(AtomicUsize, usize);

impl<T> AtomicPtr<T> {
    #[track_caller]
    pub fn with_mut<R>(&mut self, f: impl FnOnce(&mut *mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

impl<T> Default for AtomicPtr<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(std::ptr::null_mut())
    }
}

/// As a number, so that there is a value that it never has.
#[derive(Debug, Default)]
pub struct AtomicBool(AtomicU8);

impl AtomicBool {
    #[track_caller]
    pub fn new(value: bool) -> AtomicBool {
        AtomicBool(AtomicU8::new(value as u8))
    }

    #[track_caller]
    pub fn load(&self, order: Ordering) -> bool {
        self.0.load(order) != 0
    }

    #[track_caller]
    pub fn store(&self, value: bool, order: Ordering) {
        self.0.store(value as u8, order);
    }

    #[track_caller]
    pub fn swap(&self, value: bool, order: Ordering) -> bool {
        self.0.swap(value as u8, order) != 0
    }

    #[track_caller]
    pub fn with_mut<R>(&mut self, f: impl FnOnce(&mut bool) -> R) -> R {
        self.0.with_mut(|value| {
            let mut now = *value != 0;
            let result = f(&mut now);
            *value = now as u8;
            result
        })
    }
}

/// `parking_lot`'s shape over loom's mutex: `lock` cannot fail.
#[derive(Debug, Default)]
pub struct Mutex<T>(LoomMutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex(LoomMutex::new(value))
    }
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// A compiler fence orders nothing between threads, so the model has nothing to do.
pub fn compiler_fence(_: Ordering) {}

/// Lets loom run another thread.
pub fn spin_hint() {
    loom::thread::yield_now();
}

/// Lets loom run another thread.
pub fn yield_thread() {
    loom::thread::yield_now();
}
