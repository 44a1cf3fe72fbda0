//! Tasks of a class: their run, and the token of an exclusive class.
//!
//! Owns: who holds an exclusive class's token, and who gets it next. The hooks' calls are in `hooks.rs`.
//!
//! Always true:
//!  - K1. Ready tasks of an exclusive class are in their token's queue, among its claims, or in the inbox of the machine that they
//!        are pinned to. Only the machine that holds the token takes one up.
//!  - K2. If the queue or the claims are not empty, the token is held (its holder looks before it lets go, under the token's
//!        lock), or the class's ticket stands in a run queue or inbox, or the token is promised to a machine on its way.
//!  - K3. A started task of an exclusive class is pinned to the machine that it last ran on. Another one may take it over only if
//!        the class has a lock of its own ([`OWN_LOCK`]) and `may_migrate` says so, asked by the machine that would.
//!  - K4. The token is taken from a machine only if its class has a lock of its own: the task that runs there goes on in foreign
//!        code until its next call of the runtime, and only that lock keeps it and the next holder's task apart.
//!  - K5. A task that others can see has left nothing on the thread that it parked on: while its machine holds the token nobody else
//!        takes it up, the token is not taken before the next task's `switch_in` is through ([`Machine::entering`]), and a machine
//!        that does not hold it any more calls `release` first (`hooks::leaving`).
//!
//! A machine that serves a token runs the class's tasks back to back: a leaving task switches straight to the next
//! started one; everything else goes through a loop (`serving.rs`). A machine whose token was taken serves on, in name:
//! its task leaves at its next park or yield, and then the machine gives up the class's lock (`release`).
//!
//! A pinned task that is ready goes to its machine. If the token is elsewhere then, it becomes a *claim*; who lets the token go
//! promises it to the first claim's machine, if that is on its way, and sends the claim there.

use super::{bound, hooks, inbox, taking, Inside, Shared};
use crate::base::alloc::try_box;
use crate::base::error::{Error, Result};
use crate::machine::Machine;
use crate::primitive::{AtomicBool, AtomicPtr, AtomicU32, Mutex, Ordering::*};
use crate::task::class::{Class, TaskClass, EXCLUSIVE};
use crate::task::extra::BOND_CLASS;
use crate::task::ready_list::ReadyList;
use crate::task::{Kind, Task};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

struct State {
    queue: ReadyList,
    claims: ReadyList,
    /// The token is free and for this machine only, which is on its way to take it.
    promised: *const Machine,
    /// The ticket is in a run queue or an inbox.
    queued: bool,
}

// SAFETY: names of machines, compared and handed on under the lock.
unsafe impl Send for State {}

/// An exclusive class's token and its ready tasks.
pub struct Token {
    class: *const Class,
    state: Mutex<State>,
    /// Who holds it; null: nobody. Written under the lock.
    holder: AtomicPtr<Machine>,
    /// How many tasks wait in the queue and the claims, to look without the lock.
    len: AtomicU32,
    /// The last holder got the class's lock when its processor was gone: the next may keep its own while it waits for the lock.
    patient: AtomicBool,
}

/// What has to be done about a token that was let go, after its lock.
#[must_use]
pub enum Passing {
    Nothing,
    /// The ticket is to be submitted.
    Ticket,
    /// This one is to be sent to its machine.
    Claim(*mut Task),
}

impl Shared {
    /// The class of `table` in this runtime, made at its first use.
    ///
    /// # Safety
    /// `table` points to a complete table that stays valid.
    pub unsafe fn class(&self, table: *const TaskClass) -> Result<*const Class> {
        let mut locked = self.lock.lock();
        if let Some(class) = locked.classes.iter().find(|c| c.key == table) {
            return Ok(&**class);
        }
        let no_memory = |_| Error::NoMemory;
        locked.classes.try_reserve(1).map_err(no_memory)?;
        locked.tokens.try_reserve(1).map_err(no_memory)?;
        // SAFETY: the caller's promise.
        let hooks = unsafe { *table };
        let index = locked.classes.len();
        let class = try_box(Class { key: table, hooks, index, ticket: std::cell::Cell::new(null_mut()) })?;
        let key: *const Class = &*class;
        if hooks.flags & EXCLUSIVE != 0 {
            let state = State { queue: ReadyList::new(), claims: ReadyList::new(), promised: null(), queued: false };
            let token = try_box(Token {
                class: key,
                state: Mutex::new(state),
                holder: AtomicPtr::new(null_mut()),
                len: AtomicU32::new(0),
                patient: AtomicBool::new(false),
            })?;
            let arg = &*token as *const Token as *mut c_void;
            class.ticket.set(self.new_ticket(Kind::ClassTicket, arg)?);
            locked.tokens.push(token);
        }
        locked.classes.push(class);
        Ok(key)
    }
}

/// The token of an exclusive class.
pub fn token_of<'a>(class: &Class) -> &'a Token {
    // SAFETY: an exclusive class's ticket carries its token, which lives as long as the runtime.
    unsafe { &*((*class.ticket.get()).arg.get() as *const Token) }
}

fn pin_of(task: *mut Task) -> *const Machine {
    // SAFETY: a class task has an extra; who asks has it in hand or under its queue's lock.
    unsafe { (*(*task).extra.get()).pin as *const Machine }
}

/// Queues a task of an exclusive class that is `Ready` or `NewGlobal`.
///
/// # Safety
/// The caller has the right to queue it.
pub unsafe fn route(s: &Shared, i: Option<Inside>, task: *mut Task, class: &Class) {
    // SAFETY: the caller's promise; classes and machines live as long as the runtime.
    unsafe {
        let token = token_of(class);
        let pin = pin_of(task);
        let mut state = token.state.lock();
        let holder = token.holder.load(Relaxed) as *const Machine;
        if !pin.is_null() && !std::ptr::eq(pin, holder) && !class.has_own_lock() {
            drop(state);
            return inbox::deliver(s, &*pin, task);
        }
        // Whoever comes upon it may take it over; if not, it goes to its machine from there.
        state.queue.push(task);
        token.count(&state);
        let submit = token.is_free(&state) && !std::mem::replace(&mut state.queued, true);
        drop(state);
        if submit {
            submit_ticket(s, i, class.ticket.get());
        } else {
            // The holder may have a task that never parks.
            s.monitor.attend();
        }
    }
}

unsafe fn submit_ticket(s: &Shared, i: Option<Inside>, ticket: *mut Task) {
    // SAFETY: the class's own record, in no queue (`queued` was false).
    unsafe {
        (*ticket).status.arm_ticket();
        inbox::route(s, i, ticket, null());
    }
}

/// True when another task of the class whose token this machine serves is ready, or when the token was taken from it.
pub fn others_wait(i: Inside) -> bool {
    // SAFETY: a non-null token lives as long as the runtime.
    let token = unsafe { &*(i.m().token.get() as *const Token) };
    token.len.load(Relaxed) > 0 || !token.is_held_by(i.m())
}

/// The token that `m` serves, for others' eyes: a hint, but a token lives as long as the runtime.
pub fn seen(m: &Machine) -> Option<&Token> {
    // SAFETY: as said.
    unsafe { (m.seen_token() as *const Token).as_ref() }
}

/// Something waits that `m` alone may run, while it runs something else: in its inbox, or for the token that it holds. For others'
/// eyes: a hint.
pub fn waits_behind(m: &Machine) -> bool {
    m.inbox_len.load(Relaxed) != 0 || seen(m).is_some_and(|token| token.len.load(Relaxed) > 0 && token.is_held_by(m))
}

/// `m` waits for the lock of a class whose last holders always got it too late: it keeps its processor for a while. A hint.
pub fn is_patient(m: &Machine) -> bool {
    !m.runs_task() && seen(m).is_some_and(|token| token.is_held_by(m) && token.patient.load(Relaxed))
}

impl Token {
    /// It is promised to `m` no more. None: it was not.
    pub fn revoke_from(&self, m: &Machine) -> Option<Passing> {
        let mut state = self.state.lock();
        if !std::ptr::eq(state.promised, m) {
            return None;
        }
        state.promised = null();
        Some(self.next(&mut state))
    }

    pub fn class(&self) -> &Class {
        // SAFETY: classes live as long as the runtime.
        unsafe { &*self.class }
    }

    pub fn has_claims(&self) -> bool {
        !self.state.lock().claims.is_empty()
    }

    /// Whether the machine that asks for the class's lock next keeps its processor for a while.
    pub fn is_patient(&self) -> bool {
        self.patient.load(Relaxed)
    }

    pub fn set_patient(&self, patient: bool) {
        self.patient.store(patient, Relaxed);
    }

    /// The class's ticket was taken by `m`. True: and so is the token.
    pub fn answer_ticket(&self, m: &Machine) -> bool {
        let mut state = self.state.lock();
        state.queued = false;
        !state.queue.is_empty() && self.take(&mut state, m)
    }

    /// Takes the token for a task of `m`'s inbox. False: the task is a claim now.
    ///
    /// # Safety
    /// `task` is `Running`, in no queue, and the caller's.
    pub unsafe fn take_or_claim(&self, m: &Machine, task: *mut Task) -> bool {
        let mut state = self.state.lock();
        let taken = self.take(&mut state, m);
        if !taken {
            // SAFETY: the caller's promise.
            unsafe { self.claim(&mut state, task) };
        }
        taken
    }

    /// A task in the holder's hand goes back.
    ///
    /// # Safety
    /// As for [`Token::take_or_claim`].
    pub unsafe fn put_back(&self, task: *mut Task) {
        // SAFETY: the caller's promise.
        unsafe { self.claim(&mut self.state.lock(), task) };
    }

    unsafe fn claim(&self, state: &mut State, task: *mut Task) {
        // SAFETY: the callers' promise.
        unsafe {
            (*task).status.requeue();
            state.claims.push(task);
        }
        self.count(state);
    }

    /// The first task, already `Running`, if it is `m`'s own and `m` holds the token.
    pub fn pop_started(&self, m: &Machine) -> Option<*mut Task> {
        let mut state = self.state.lock();
        let first = state.queue.first()?;
        // SAFETY: in the queue: a valid record.
        if !self.is_held_by(m) || unsafe { (*first).sp.get() } == 0 || !std::ptr::eq(pin_of(first), m) {
            return None;
        }
        state.queue.pop();
        self.count(&state);
        // SAFETY: taken from the queue: ours.
        unsafe { (*first).status.start() };
        Some(first)
    }

    /// The machine that holds the token, and runs a task with it, if others wait and it may be taken. A hint.
    pub fn stranded_behind(&self) -> Option<&Machine> {
        if !self.class().has_own_lock() || self.len.load(Relaxed) == 0 {
            return None;
        }
        // SAFETY: machines live as long as the runtime.
        unsafe { self.holder.load(Relaxed).as_ref() }.filter(|m| m.runs_task())
    }

    pub fn is_held_by(&self, m: &Machine) -> bool {
        std::ptr::eq(self.holder.load(Relaxed), m)
    }

    fn count(&self, state: &State) {
        self.len.store((state.queue.len() + state.claims.len()) as u32, Relaxed);
    }

    /// Under the token's lock: `m` holds it from now on, if it may.
    fn take(&self, state: &mut State, m: &Machine) -> bool {
        let promised = std::ptr::eq(state.promised, m) && self.holder.load(Relaxed).is_null();
        if !promised && !self.is_free(state) {
            return false;
        }
        state.promised = null();
        self.holder.store(m as *const Machine as *mut Machine, Relaxed);
        true
    }

    /// Under the token's lock, which nobody holds now: who gets it.
    fn next(&self, state: &mut State) -> Passing {
        if let Some(claim) = state.claims.pop() {
            self.count(state);
            return Passing::Claim(claim);
        }
        if !state.queue.is_empty() && !std::mem::replace(&mut state.queued, true) {
            return Passing::Ticket;
        }
        Passing::Nothing
    }

    /// The token is free, unless it was taken from `m` before.
    pub fn leave(&self, m: &Machine) -> Passing {
        let mut state = self.state.lock();
        if !self.is_held_by(m) {
            return Passing::Nothing;
        }
        self.holder.store(null_mut(), Relaxed);
        self.next(&mut state)
    }

    /// Does what [`Passing`] says.
    pub fn pass(&self, s: &Shared, i: Option<Inside>, mut passing: Passing) {
        loop {
            match passing {
                Passing::Nothing => return,
                // SAFETY: the class lives as long as the runtime; its ticket is in no queue.
                Passing::Ticket => return unsafe { submit_ticket(s, i, (*self.class).ticket.get()) },
                Passing::Claim(task) => {
                    self.send(s, task);
                    let mut state = self.state.lock();
                    if !self.is_free(&state) {
                        return;
                    }
                    passing = self.next(&mut state);
                }
            }
        }
    }

    /// Sends a claim to its machine, and promises it the token if it is on its way.
    fn send(&self, s: &Shared, task: *mut Task) {
        // SAFETY: machines are not freed while the runtime lives; a claim is pinned, and ours.
        let m = unsafe { &*pin_of(task) };
        // One that is away in foreign code without a processor comes when it comes.
        let comes = || m.asleep.get() || !m.processor.load(Relaxed).is_null();
        let promised = {
            let _locked = s.lock.lock();
            let mut state = self.state.lock();
            let promised = comes() && self.is_free(&state);
            if promised {
                state.promised = m;
            }
            promised
        };
        // SAFETY: as above.
        unsafe { inbox::deliver(s, m, task) };
        // Who took its processor before the claim lay there saw no reason to revoke.
        let gone = promised && {
            let _locked = s.lock.lock();
            !comes()
        };
        if gone {
            taking::revoke(s, m);
        }
    }

    /// Nobody holds it, and it is promised to nobody.
    fn is_free(&self, state: &State) -> bool {
        self.holder.load(Relaxed).is_null() && state.promised.is_null()
    }

    /// The first task that may run on the machine; those before it go to theirs. None: there is none, or the token was taken.
    pub fn pop(&self, i: Inside) -> Option<*mut Task> {
        loop {
            let task = {
                let mut state = self.state.lock();
                if !self.is_held_by(i.m()) {
                    return None;
                }
                let task = state.queue.pop()?;
                self.count(&state);
                task
            };
            // SAFETY: taken from the queue: ours; machines are not freed while the runtime lives.
            unsafe {
                if take_over(i.m(), &*task, self.class()) {
                    (*task).status.start();
                    return Some(task);
                }
                inbox::deliver(i.s(), &*pin_of(task), task);
            }
        }
    }
}

/// Whether `m` may run the task: it is not started, or it belongs here, or its class lets it move (then it belongs here from now
/// on).
///
/// # Safety
/// `t` is ready and ours; on the machine's own stack.
unsafe fn take_over(m: &Machine, t: &Task, class: &Class) -> bool {
    let extra = t.extra.get();
    // SAFETY: a class task has an extra, and it is ours; the hook is the class's own.
    unsafe {
        let pin = (*extra).pin as *const Machine;
        if pin.is_null() || std::ptr::eq(pin, m) {
            return true;
        }
        if t.bonds() != BOND_CLASS || (*extra).locks != 0 || !class.has_own_lock() {
            return false;
        }
        let Some(may_migrate) = class.hooks.may_migrate else { return false };
        if may_migrate(class.hooks.user, hooks::data(t), t.sp.get() as *const c_void) == 0 {
            return false;
        }
        bound::pin(extra, m);
        true
    }
}
