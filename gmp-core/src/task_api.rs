//! What tasks do about themselves, and the Rust way to start them: closures, results, panics carried to the joiner.
//!
//! Owns: the box that carries a closure in and its result out; the options of a spawn. Always true: a panic of a closure
//! is caught before it reaches the task's first frame, and handed to whoever joins.

use crate::base::error::{Error, Result};
use crate::context::{member, Context};
use crate::primitive::Ordering::Relaxed;
use crate::sched::wait::is_cancelled;
use crate::sched::{enter, entry, park, spawn::Spawn, Shared};
use crate::stack::Class;
use crate::task::class::TaskClass;
use crate::task::extra::{DeferFn, Extra, BOND_CLASS, BOND_STICKY};
use crate::task::handle::Handle;
use crate::task::FLAG_EXACT_STACK;
use crate::time::FOREVER;
use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::Arc;

type Outcome<T> = std::result::Result<T, Box<dyn Any + Send>>;

/// What the task and its handle share.
struct Packet<F, T> {
    closure: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<Outcome<T>>>,
}

// SAFETY: the task alone uses the packet until its end, its joiner after that; the end publishes it.
unsafe impl<F: Send, T: Send> Sync for Packet<F, T> {}
// SAFETY: as above.
unsafe impl<F: Send, T: Send> Send for Packet<F, T> {}

trait Take<T>: Send + Sync {
    /// # Safety
    /// The task has ended, and this is called once.
    unsafe fn take(&self) -> Option<Outcome<T>>;
}

impl<F: Send, T: Send> Take<T> for Packet<F, T> {
    unsafe fn take(&self) -> Option<Outcome<T>> {
        // SAFETY: the caller's promise.
        unsafe { (*self.result.get()).take() }
    }
}

/// A task that can be joined. Dropping it lets the task go on by itself.
#[must_use = "join it, or drop it to let the task go on by itself"]
pub struct JoinHandle<T> {
    handle: u64,
    packet: Arc<dyn Take<T>>,
}

impl<T> std::fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinHandle").field("handle", &Handle::unpack(self.handle)).finish()
    }
}

/// Runs `f` on a new task.
///
/// The task may go on on another thread after each call that can wait: `f` must not keep a thread-local borrow or a
/// `std` lock guard across one (see the crate's documentation).
///
/// # Errors
/// [`Error::NoMemory`], [`Error::Stopped`] after `shutdown`, [`Error::Again`] when no thread can be had at the start.
pub fn spawn<F, T>(f: F) -> Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start(f, |_, what| Ok(what))
}

/// The same on a sticky task: once started it always goes on on the same thread, which other tasks may share. For code that keeps
/// what belongs to a thread. While another task keeps that thread (in foreign code, or locked to it), it waits.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_sticky<F, T>(f: F) -> Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let sticky = Options { sticky: true, ..Options::default() };
    // SAFETY: no class is named.
    start(f, |s, what| unsafe { sticky.apply(s, what) })
}

/// The same as [`spawn`], of which `add` says more.
pub(crate) fn start<F, T>(f: F, add: impl FnOnce(&Shared, Spawn) -> Result<Spawn>) -> Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let packet = Arc::new(Packet { closure: UnsafeCell::new(Some(f)), result: UnsafeCell::new(None) });
    let arg = Arc::into_raw(packet.clone());
    let spawned = crate::global::spawn(|s, _| {
        add(s, Spawn { detached: false, ..Spawn::plain(s, entry::<F, T>, arg as *mut c_void, 0) })
    });
    match spawned {
        Ok(handle) => Ok(JoinHandle { handle, packet }),
        Err(e) => {
            // SAFETY: no task was made, so the task's reference is still ours.
            drop(unsafe { Arc::from_raw(arg) });
            Err(e)
        }
    }
}

unsafe extern "C-unwind" fn entry<F: FnOnce() -> T, T>(arg: *mut c_void) -> *mut c_void {
    // SAFETY: the reference that `spawn` made for the task; nobody else looks into the packet before our end.
    unsafe {
        let packet = Arc::from_raw(arg as *const Packet<F, T>);
        if let Some(f) = (*packet.closure.get()).take() {
            *packet.result.get() = Some(catch_unwind(AssertUnwindSafe(f)));
        }
    }
    null_mut()
}

impl<T> JoinHandle<T> {
    /// Waits for the task and gives its result. A panic of the task goes on here.
    ///
    /// # Errors
    /// [`Error::Deadlock`] when a task joins itself; [`Error::Panicked`] when the task ended by `exit`; [`Error::Canceled`] when
    /// the calling task was cancelled while it waited: the other goes on by itself.
    pub fn join(mut self) -> Result<T> {
        crate::global::join(self.handle, FOREVER)?;
        self.handle = 0;
        // SAFETY: the task has ended, and the handle is used up.
        match unsafe { self.packet.take() } {
            Some(Ok(result)) => Ok(result),
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(Error::Panicked),
        }
    }

    /// Cancels the task: the wait that it is in, and those that it enters, answer [`Error::Canceled`] (unless they are
    /// shielded), and contexts that it made below its own end. The task ends when it returns. Nothing if it has ended.
    ///
    /// Called by: any task or thread. Blocks: nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the runtime was stopped since. The task is cancelled even so, but a function to be called at the
    /// end of one of its contexts was not started: [`Error::NoMemory`], [`Error::Stopped`].
    ///
    /// # Example
    /// ```
    /// let sleeper = gmp_core::spawn(|| gmp_core::time::sleep(i64::MAX))?;
    /// sleeper.cancel()?;
    /// assert_eq!(sleeper.join()?, Err(gmp_core::Error::Canceled));
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn cancel(&self) -> Result<()> {
        crate::context_api::cancel_task(self.handle)
    }

    /// The task's id.
    pub fn id(&self) -> u64 {
        crate::global::task_id(self.handle)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.handle != 0 {
            // A stale handle (the runtime was stopped meanwhile) leaves nothing to do.
            let _ = if std::thread::panicking() {
                // Not from inside: entering may move the task to another thread, and a panic must stay on its own.
                crate::global::look(|s| crate::join::detach(s, None, Handle::unpack(self.handle))).unwrap_or(Ok(()))
            } else {
                crate::global::detach(self.handle)
            };
        }
    }
}

/// Lets other tasks go first; nothing outside a task.
pub fn yield_now() {
    match enter::enter() {
        Some(i) => {
            park::yield_now(i);
            crate::join::exit_current();
        }
        None => std::thread::yield_now(),
    }
}

/// What else a spawn can be told. The default is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Empty: none.
    pub name: &'a [u8],
    /// None: the runtime's default.
    pub stack: Option<Class>,
    /// `task::FLAG_*`.
    pub flags: u8,
    /// Once started it always goes on on the same thread.
    pub sticky: bool,
    pub class: Option<*const TaskClass>,
    pub class_data: *mut c_void,
    /// None: the spawner's.
    pub context: Option<&'a Context>,
}

impl Options<'_> {
    /// Adds them to what is to be spawned.
    ///
    /// # Safety
    /// The class's table is complete and stays valid while the runtime runs.
    pub unsafe fn apply(&self, s: &Shared, mut what: Spawn) -> Result<Spawn> {
        if let Some(stack) = self.stack {
            what.stack = stack;
            what.flags |= FLAG_EXACT_STACK;
        }
        what.flags |= self.flags;
        let class = match self.class {
            // SAFETY: the caller's promise.
            Some(table) => unsafe { s.class(table) }?,
            None => std::ptr::null(),
        };
        if !class.is_null() || !self.name.is_empty() || self.sticky {
            let extra = Extra::new()?;
            // SAFETY: just made, and nobody else's.
            unsafe {
                if let Err(e) = (*extra).set_name(self.name) {
                    Extra::free(extra);
                    return Err(e);
                }
                (*extra).class = class;
                (*extra).class_data = self.class_data;
                (*extra).bonds =
                    if class.is_null() { 0 } else { BOND_CLASS } | if self.sticky { BOND_STICKY } else { 0 };
            }
            what.extra = extra;
        }
        if let Some(context) = self.context {
            if let Err(e) = member::give(s, &mut what, context) {
                // SAFETY: as above.
                unsafe { what.extra.as_mut().map(|extra| Extra::free(extra)) };
                return Err(e);
            }
        }
        Ok(what)
    }
}

/// The calling task's id; 0 outside a task.
#[inline]
pub fn self_id() -> u64 {
    enter::current().map_or(0, |t| t.id.get())
}

/// Lets others go first if they have waited for long; three loads if not. For loops that wait for nothing.
///
/// # Errors
/// [`Error::Canceled`]: the task was cancelled, and does not shield itself.
#[inline]
pub fn checkpoint() -> Result<()> {
    let m = enter::task_machine();
    if m.is_null() {
        return Ok(());
    }
    // SAFETY: this thread's machine, and its current task, which is the caller.
    let (asked, me) = unsafe { ((*m).owner.requested(), &*(*m).current.get()) };
    if asked == 0 && !is_cancelled(me) {
        return Ok(());
    }
    checkpoint_slow()
}

/// Out of line, so that the way through has no frame and reads the thread's word once.
#[cold]
#[inline(never)]
fn checkpoint_slow() -> Result<()> {
    if enter::enter().is_some() {
        // The slow way of `enter` has done what is requested.
        crate::join::exit_current();
    }
    if crate::cancel::is_requested() {
        return Err(Error::Canceled);
    }
    Ok(())
}

/// Has `f(arg)` called at the calling task's end. `Permission` outside a task.
pub fn defer(f: DeferFn, arg: *mut c_void) -> Result<()> {
    let t = enter::current().ok_or(Error::Permission)?;
    if t.extra.get().is_null() {
        t.extra.set(Extra::new()?);
    }
    // SAFETY: the task's own box.
    unsafe { (*t.extra.get()).defer(f, arg) }
}

/// Ends the calling task now. Comes back only when it may not: outside a task, and in a declared blocking section.
///
/// # Safety
/// Destructors of the frames left behind do not run.
pub unsafe fn exit() -> Error {
    let m = enter::task_machine();
    // SAFETY: this thread's machine.
    if m.is_null() || unsafe { (*m).blocking.load(Relaxed) } {
        return Error::Permission;
    }
    // SAFETY: the machine's current task is the caller, which is outside the runtime.
    unsafe { entry::exit_task(&*(*m).current.get()) }
}
