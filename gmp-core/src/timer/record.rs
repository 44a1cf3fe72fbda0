//! A timer's record: stopping and setting it.
//!
//! Owns: the states of `mod.rs`. Always true: T1, T2 there; a reference is counted for the owner, and one while `heap` is not
//! null. Blocks: on the timer's lock, and under it on leaf locks; a thread's earliest timer also takes the scheduler's.

use super::fire::{fire, look};
use crate::base::alloc::try_box;
use crate::base::clock;
use crate::base::error::{Error, Result};
use crate::base::lock::{Lock, Pause};
use crate::chan::{Channel, Source};
use crate::primitive::{forks, AtomicU32, Cell, Ordering::*};
use crate::sched::{timing, Inside, Shared};
use crate::source::timer::{Timed, Timers};
use crate::task::TaskFn;
use std::ffi::c_void;
use std::ptr::{null, NonNull};

/// What happens when it fires.
#[derive(Debug)]
pub(super) enum Kind {
    Func { entry: TaskFn, arg: *mut c_void, site: usize },
    Channel { chan: Channel, ticks: bool },
}

/// See `mod.rs`. The heap knows it by its first field.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Record {
    timed: Timed,
    refs: AtomicU32,
    /// The process that made it (`forks`).
    process: u32,
    /// A function's; for the others the channel's is used.
    lock: Lock,
    pub(super) armed: Cell<bool>,
    /// The heap it was put into, until `fire` or a `take_out`.
    pub(super) heap: Cell<*const Timers>,
    /// When it is due, while armed. In the heap it may have an earlier time, at which nothing happens.
    pub(super) when: Cell<i64>,
    /// A ticker's.
    pub(super) period: Cell<i64>,
    pub(super) kind: Kind,
}

/// A million may be pending.
#[cfg(not(loom))]
const _: () = assert!(std::mem::size_of::<Record>() <= 80);

impl Record {
    /// In no heap, with one reference.
    pub fn new(kind: Kind) -> Result<NonNull<Record>> {
        let record = try_box(Record {
            timed: Timed::timer(fire),
            refs: AtomicU32::new(1),
            process: forks(),
            lock: Lock::new(),
            armed: Cell::new(false),
            heap: Cell::new(null()),
            when: Cell::new(0),
            period: Cell::new(0),
            kind,
        })?;
        let at = NonNull::from(Box::leak(record));
        // SAFETY: just made.
        if let Some(chan) = unsafe { at.as_ref() }.chan() {
            // SAFETY: nobody else knows the channel; `retire` takes this back before the owner's reference goes.
            unsafe { chan.set_source(Some(Source { look, timer: at.as_ptr() as *const () })) };
        }
        Ok(at)
    }

    /// Drops a reference.
    ///
    /// # Safety
    /// The reference is the caller's, and not used after.
    pub unsafe fn release(this: *const Record) {
        // SAFETY: the caller's reference keeps it until the count is down. Release: what was done through this reference
        // comes before the end; Acquire: all of it.
        unsafe {
            if (*this).refs.fetch_sub(1, AcqRel) == 1 {
                drop(Box::from_raw(this as *mut Record));
            }
        }
    }

    #[cfg(all(test, not(loom)))]
    pub fn refs(&self) -> u32 {
        self.refs.load(Relaxed)
    }

    /// `Forked` for the copy of a timer of a fork's parent.
    pub fn is_here(&self) -> Result<()> {
        if self.process == forks() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    pub fn chan(&self) -> Option<&Channel> {
        match &self.kind {
            Kind::Func { .. } => None,
            Kind::Channel { chan, .. } => Some(chan),
        }
    }

    pub fn ticks(&self) -> bool {
        matches!(self.kind, Kind::Channel { ticks: true, .. })
    }

    pub(super) fn lock(&self) {
        match self.chan() {
            None => self.lock.lock(),
            Some(chan) => chan.lock_for_timer(),
        }
    }

    /// The last touch, for a caller who has no reference any more.
    pub(super) fn unlock(&self) {
        match self.chan() {
            None => self.lock.unlock(),
            Some(chan) => chan.unlock_for_timer(),
        }
    }

    /// With the lock held: ends the setting in force. True: there was one, or an unread value of it.
    fn disarm(&self) -> bool {
        // A value that nobody has received goes, also when the next setting is in force already (a ticker's).
        let unread = self.chan().is_some_and(|chan| chan.take_back());
        self.armed.replace(false) || unread
    }

    /// With the lock held: takes it out of its heap. True: with the heap's reference. None: it is in flight.
    pub(super) fn take_out(&self) -> Option<bool> {
        // SAFETY: T3.
        match unsafe { self.heap.get().as_ref() } {
            None => Some(false),
            Some(heap) if heap.remove(&self.timed) => {
                self.heap.set(null());
                Some(true)
            }
            Some(_) => None,
        }
    }

    /// With the lock held, in no heap: puts it into one, to be due at `when`. It takes a reference of the caller's along.
    pub(super) fn put_in(&self, s: &Shared, i: Option<Inside>, when: i64) -> Result<()> {
        debug_assert!(self.heap.get().is_null());
        // SAFETY: in no heap (T2), and the reference keeps it.
        let heap = unsafe { timing::start(s, i, when, &self.timed) };
        self.heap.set(heap.or_else(|e| self.squeeze_in(s, when).ok_or(e))?);
        Ok(())
    }

    /// There is no memory for a larger heap: looks for one with room.
    #[cold]
    fn squeeze_in(&self, s: &Shared, when: i64) -> Option<*const Timers> {
        let timers = s.procs().map(|p| &p.timers).find(|timers| timers.reserve().is_ok())?;
        // SAFETY: as in `put_in`.
        if unsafe { timers.insert(when, &self.timed) } {
            s.monitor.attend_until(when);
        }
        Some(timers)
    }

    /// Drops a reference that the heap had, while the owner has one.
    pub(super) fn drop_heaps(&self) {
        self.refs.fetch_sub(1, Release);
    }

    /// See [`super::Timer::stop`].
    pub fn stop(&self) -> bool {
        if self.is_here().is_err() {
            return false;
        }
        self.lock();
        let prevented = self.stop_locked();
        self.unlock();
        prevented
    }

    fn stop_locked(&self) -> bool {
        let prevented = self.disarm();
        if self.take_out() == Some(true) {
            self.drop_heaps();
        }
        prevented
    }

    /// Stops it, and gives the owner's reference up.
    ///
    /// # Safety
    /// As for [`Record::release`].
    pub unsafe fn retire(this: *const Record) {
        // SAFETY: the caller's reference.
        unsafe {
            if (*this).is_here().is_err() {
                return;
            }
            (*this).lock();
            (*this).stop_locked();
            if let Some(chan) = (*this).chan() {
                chan.set_source(None);
            }
            (*this).unlock();
            Record::release(this);
        }
    }

    /// See [`super::Timer::reset`]. `ns` fits the kind.
    pub fn reset(&self, i: Option<Inside>, s: &Shared, ns: i64) -> Result<bool> {
        self.is_here()?;
        if matches!(self.kind, Kind::Func { .. }) && s.refusing.load(Relaxed) {
            return Err(Error::Stopped);
        }
        let when = clock::now().saturating_add(ns.max(0));
        let taken = self.lock_taken_out();
        let prevented = self.disarm();
        if self.ticks() {
            self.period.set(ns);
        }
        if !taken {
            self.refs.fetch_add(1, Relaxed);
        }
        self.when.set(when);
        let put = self.put_in(s, i, when);
        self.armed.set(put.is_ok());
        self.unlock();
        match put {
            // From here on the timer may have fired, and its function have freed it.
            Ok(()) => Ok(prevented),
            Err(e) => {
                self.drop_heaps();
                Err(e)
            }
        }
    }

    /// Takes the lock, at a moment when the timer is not in flight, and the timer out of its heap (T2). True: with the heap's
    /// reference.
    fn lock_taken_out(&self) -> bool {
        let mut pause = Pause::new();
        loop {
            self.lock();
            if let Some(taken) = self.take_out() {
                return taken;
            }
            self.unlock();
            // Whoever took it out does nothing else before it takes the lock.
            pause.once();
        }
    }
}
