//! Tasks of a class: their run, and the token of an exclusive class.
//!
//! Owns: who holds an exclusive class's token. The hooks' calls are in `hooks.rs`.
//!
//! Always true:
//!  - K1. Tasks of an exclusive class are ready in their token's queue only, and run on the machine that holds the
//!        token only.
//!  - K2. If that queue is not empty, the token is held (its holder looks before it lets go, under the token's lock)
//!        or the class's ticket stands in a run queue or inbox.
//!  - K3. The token stays with its home machine as long as a started task of the class lives: its tasks may not move
//!        (what may move, and when, is `may_migrate`'s answer for other classes).
//!
//! A machine that serves a token runs the class's tasks back to back: a leaving task switches straight to the next
//! started one ([`successor`]); everything else goes through [`serve`]'s loop.

use super::hooks::{away, data, outside, slot, start_here};
use super::{entry, inbox, run, stacks, switching, Inside, Shared};
use crate::base::alloc::try_box;
use crate::base::error::{Error, Result};
use crate::machine::Machine;
use crate::primitive::{AtomicU32, Mutex, Ordering::*};
use crate::task::class::{Class, TaskClass, EXCLUSIVE, STACK_RESERVE};
use crate::task::ready_list::ReadyList;
use crate::task::{Kind, Task};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Class tasks that run back to back before other work of the processor is let through.
const BUDGET: u32 = 64;

struct State {
    queue: ReadyList,
    holder: *const Machine,
    home: *const Machine,
    /// Started tasks that have not ended.
    started: usize,
    /// The ticket is in a run queue or an inbox.
    queued: bool,
}

// SAFETY: names of machines, compared and handed on under the lock.
unsafe impl Send for State {}

/// An exclusive class's token and its ready tasks.
pub struct Token {
    class: *const Class,
    state: Mutex<State>,
    /// The queue's length, to look without the lock.
    len: AtomicU32,
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
            let state = State { queue: ReadyList::new(), holder: null(), home: null(), started: 0, queued: false };
            let token = try_box(Token { class: key, state: Mutex::new(state), len: AtomicU32::new(0) })?;
            let arg = &*token as *const Token as *mut c_void;
            class.ticket.set(self.new_ticket(Kind::ClassTicket, arg)?);
            locked.tokens.push(token);
        }
        locked.classes.push(class);
        Ok(key)
    }
}

fn token_of<'a>(class: &Class) -> &'a Token {
    // SAFETY: an exclusive class's ticket carries its token, which lives as long as the runtime.
    unsafe { &*((*class.ticket.get()).arg.get() as *const Token) }
}

/// Queues a task of an exclusive class that is `Ready` or `NewGlobal`.
///
/// # Safety
/// The caller has the right to queue it.
pub unsafe fn route(s: &Shared, i: Option<Inside>, task: *mut Task, class: &Class) {
    // SAFETY: the caller's promise; classes live as long as the runtime.
    unsafe {
        let token = token_of(class);
        let submit = {
            let mut state = token.state.lock();
            state.queue.push(task);
            token.len.store(state.queue.len() as u32, Relaxed);
            state.holder.is_null() && !std::mem::replace(&mut state.queued, true)
        };
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

/// True when another task of the class whose token this machine holds is ready.
pub fn others_wait(i: Inside) -> bool {
    // SAFETY: a non-null token lives as long as the runtime.
    unsafe { (*(i.m().token.get() as *const Token)).len.load(Relaxed) > 0 }
}

/// Something waits that `m` alone may run, while it runs something else: in its inbox, or for the token that it holds. For others'
/// eyes: a hint.
pub fn waits_behind(m: &Machine) -> bool {
    let token = m.seen_token() as *const Token;
    // SAFETY: a token lives as long as the runtime.
    m.inbox_len.load(Relaxed) != 0 || unsafe { token.as_ref() }.is_some_and(|token| token.len.load(Relaxed) > 0)
}

/// The next started task of the class, for a direct switch; None: go to the machine's own stack.
///
/// # Safety
/// `class` is the leaving task's.
pub unsafe fn successor(i: Inside, class: &Class) -> Option<*mut Task> {
    let m = i.m();
    if m.token.get().is_null() {
        return None;
    }
    let token = token_of(class);
    let runs = m.token_runs.get() + 1;
    m.token_runs.set(runs);
    if runs >= BUDGET && runs.is_multiple_of(BUDGET) && other_work(i) || m.owner.requested() != 0 {
        return None;
    }
    let mut state = token.state.lock();
    let first = state.queue.first()?;
    // SAFETY: in the queue: a valid record.
    if unsafe { (*first).sp.get() } == 0 {
        return None;
    }
    state.queue.pop();
    token.len.store(state.queue.len() as u32, Relaxed);
    // SAFETY: taken from the queue: ours.
    unsafe { (*first).status.start() };
    Some(first)
}

/// True when the leaving task must go to the machine's own stack rather than to other work.
pub fn must_go_home(i: Inside, class: &Class) -> bool {
    class.is_exclusive() && !i.m().token.get().is_null()
}

/// Work of the processor that is not the token's class.
fn other_work(i: Inside) -> bool {
    let p = i.p();
    p.runq.private_len() > 0 || !i.s().global.is_empty() || p.runq.has_shared()
}

/// A class ticket was taken: this machine serves the class, or hands the ticket to the class's home.
///
/// # Safety
/// On the machine's own stack; `ticket` is a class's, just taken from a queue.
pub unsafe fn serve(i: Inside, ticket: &Task) {
    let m = i.m();
    // SAFETY: a class ticket's argument is its token, and the class lives as long as the runtime.
    let (token, class) = unsafe {
        let token = &*(ticket.arg.get() as *const Token);
        (token, &*token.class)
    };
    let home = {
        let mut state = token.state.lock();
        if !state.home.is_null() && !std::ptr::eq(state.home, m) {
            // Until the ticket is delivered: the home may let go meanwhile.
            // SAFETY: machines are not freed while the runtime lives.
            unsafe { (*state.home).pin() };
            state.home
        } else {
            state.queued = false;
            if state.queue.is_empty() {
                return;
            }
            state.holder = m;
            if state.home.is_null() {
                m.pin();
            }
            state.home = m;
            null()
        }
    };
    if !home.is_null() {
        ticket.status.arm_ticket();
        // SAFETY: the ticket is ours to hand on; machines live as long as the runtime.
        unsafe {
            inbox::deliver(i.s(), &*home, ticket as *const Task as *mut Task);
            (*home).unpin();
        }
        return;
    }
    m.token.set(token as *const Token as *const c_void);
    m.token_runs.set(0);
    let started = start_here(m, class);
    let slot = slot(m, class);
    if let Some(acquire) = class.hooks.acquire {
        // SAFETY: the class's own hook.
        away(m, true, || unsafe { acquire(class.hooks.user, slot) });
    }
    // Without a processor the token is let go again at once: nobody waits for a processor with it in hand.
    let mut run_on = !m.processor.load(Relaxed).is_null();
    while let Some(task) = if run_on { token.pop() } else { None } {
        // SAFETY: popped: ours.
        let t = unsafe { &*task };
        if t.sp.get() == 0 {
            token.state.lock().started += 1;
        }
        // SAFETY: inside with a processor, on the machine's own stack, with the token; `t` is ours to run.
        if unsafe { !run_here(Inside::assume(m), t, class, started) } {
            token.state.lock().started -= 1;
            break;
        }
        run_on = !m.processor.load(Relaxed).is_null() && m.owner.requested() == 0;
        if run_on && m.token_runs.get() >= BUDGET {
            m.token_runs.set(0);
            // SAFETY: inside with a processor.
            run_on = !other_work(unsafe { Inside::assume(m) });
        }
    }
    put_down(m);
}

/// Gives up the token that the machine holds, if it holds one.
pub fn put_down(m: &Machine) {
    // SAFETY: tokens and classes live as long as the runtime.
    let Some((token, class)) =
        (unsafe { (m.token.get() as *const Token).as_ref().map(|token| (token, &*token.class)) })
    else {
        return;
    };
    if let Some(release) = class.hooks.release {
        let slot = slot(m, class);
        // SAFETY: the class's own hook. If the processor is gone afterwards the loop finds out.
        away(m, false, || unsafe { release(class.hooks.user, slot) });
    }
    m.token.set(null());
    token.let_go(m, class);
}

impl Token {
    fn pop(&self) -> Option<*mut Task> {
        let mut state = self.state.lock();
        let task = state.queue.pop()?;
        self.len.store(state.queue.len() as u32, Relaxed);
        // SAFETY: taken from the queue: ours.
        unsafe { (*task).status.start() };
        Some(task)
    }

    fn let_go(&self, m: &Machine, class: &Class) {
        let submit = {
            let mut state = self.state.lock();
            state.holder = null();
            if state.started == 0 {
                state.home = null();
                m.unpin();
            }
            !state.queue.is_empty() && !std::mem::replace(&mut state.queued, true)
        };
        if submit {
            // SAFETY: the runtime outlives its machines; the ticket is in no queue.
            unsafe {
                let s = &*(m.shared as *const Shared);
                let has = !m.processor.load(Relaxed).is_null() && m.owner.requested() == 0;
                submit_ticket(s, has.then(|| Inside::assume(m)), class.ticket.get());
            }
        }
    }
}

/// Runs a class task from the machine's own stack until something needs this stack again. False: it could not have a
/// stack just now and was put back. `code` ≠ 0: the class cannot run here, the task fails with it.
unsafe fn run_here(mut i: Inside, t: &Task, class: &Class, code: i32) -> bool {
    let m = i.m();
    let mut sp = t.sp.get();
    // SAFETY: the caller's promise: ours to run, on the machine's own stack.
    unsafe {
        if sp == 0 {
            if !stacks::equip(i, t) {
                run::postpone(i, t);
                return false;
            }
            sp = entry::first_frame(t, STACK_RESERVE);
            let view = stacks::view(t.stack.get());
            let (low, size) = (view.limit(), view.top() as usize - view.limit() as usize);
            let slot = slot(m, class);
            let result = match class.hooks.first_run {
                Some(hook) if code == 0 => {
                    outside(m, false, || hook(class.hooks.user, slot, data(t), low as *mut c_void, size))
                }
                _ => code,
            };
            i = Inside::assume(m);
            if result != 0 {
                t.arg.set(null_mut());
                t.end_code.set(result);
                finish(i, t, class);
                return true;
            }
        }
        switching::run_from_home(i, t, sp);
        let ended = m.ended.replace(null_mut());
        if !ended.is_null() {
            let t = &*ended;
            finish(Inside::assume(m), t, &*t.class());
        }
    }
    true
}

/// A class task is over: its `finish` hook, then the ordinary end.
///
/// # Safety
/// On the machine's own stack; `t` ran on this machine, and its result is stored.
pub unsafe fn finish(i: Inside, t: &Task, class: &Class) {
    let m = i.m();
    // SAFETY: a class task is over, and has an `Extra`.
    outside(m, true, || unsafe { super::cancel::close_extra(i.s(), t) });
    if let Some(hook) = class.hooks.finish {
        let slot = slot(m, class);
        // SAFETY: the class's own hook.
        outside(m, false, || unsafe { hook(class.hooks.user, slot, data(t)) });
    }
    if class.is_exclusive() {
        token_of(class).state.lock().started -= 1;
    }
    let stack = t.stack.get();
    // SAFETY: the task is over, nobody runs on its stack, and `outside` came back inside with a processor.
    unsafe {
        let i = Inside::assume(m);
        entry::conclude(i, t);
        if stack != 0 {
            stacks::recycle(i, stack);
        }
    }
}

/// Runs a task of a class that is not exclusive.
///
/// # Safety
/// On the machine's own stack; `t` is ours to run.
pub unsafe fn run_unshared(i: Inside, t: &Task) {
    // SAFETY: classes live as long as the runtime; the caller's promise.
    unsafe {
        let class = &*t.class();
        let code = start_here(i.m(), class);
        run_here(Inside::assume(i.m()), t, class, code);
    }
}
