//! Taking a token from a machine whose task stays in foreign code, or a promise from one that stays away (`token.rs`, K4, K5).
//!
//! Owns: nothing: which machine is looked at, and when, is the monitor's; what follows for the token is `token.rs`'s.
//!
//! Always true: a token is taken under the scheduler's lock from a machine that is held outside; claims are sent after the lock.
//! Called by: the monitor, and whoever takes a processor away. Blocks nothing.

use super::retake::Why;
use super::token::{seen, Passing, Token};
use super::{ready, Shared};
use crate::machine::Machine;
use crate::primitive::Ordering::*;

impl Shared {
    /// The tokens that may be taken, with the machine that holds each while tasks wait for it.
    pub fn each_stranded(&self, mut f: impl FnMut(usize, &Token, &Machine)) {
        let mut index = 0;
        loop {
            let token: *const Token = match self.lock.lock().tokens.get(index) {
                Some(token) => &**token,
                None => return,
            };
            // SAFETY: tokens and machines live as long as the runtime.
            unsafe {
                if let Some(m) = (*token).stranded_behind() {
                    f(index, &*token, m);
                }
            }
            index += 1;
        }
    }

    /// Takes the token from `m`, whose task stays outside, with the processor if it has one. False: the machine has come in, or it is
    /// not the class's task that runs there.
    pub fn take_token(&self, token: &Token, m: &Machine, why: Why, since: i64) -> bool {
        let locked = self.lock.lock();
        if !token.is_held_by(m) || !m.hold_outside() {
            return false;
        }
        let Some(left) = self.leave_token(m) else {
            m.let_in();
            return false;
        };
        if m.processor.load(Relaxed).is_null() {
            m.note_taken(self, why, since);
            drop(locked);
            ready::submitted(self);
        } else {
            self.take_away(locked, m, why, since);
        }
        self.pass_on(left);
        true
    }

    /// The token goes from a machine that is held outside, if it may. Under the scheduler's lock; the ticket is in the global queue
    /// when this returns, so the processor that is given away next finds it.
    pub fn leave_token(&self, m: &Machine) -> Option<Left> {
        let token = seen(m).filter(|token| token.is_held_by(m) && token.class().has_own_lock())?;
        // SAFETY: the machine is outside, and comes in through the lock that we hold: its task stays what it is.
        let of_class = unsafe {
            let task = m.current.get();
            !task.is_null() && std::ptr::eq((*task).class(), token.class())
        };
        // K5.
        if !of_class || m.entering.load(Acquire) {
            return None;
        }
        let mut passing = token.leave(m);
        if let Passing::Ticket = passing {
            let ticket = token.class().ticket.get();
            // SAFETY: the class's own record, in no queue.
            unsafe {
                (*ticket).status.arm_ticket();
                self.global.push(ticket);
            }
            passing = Passing::Nothing;
        }
        Some(Left(token, passing))
    }

    /// What [`Shared::leave_token`] has left to do, without the lock.
    pub fn pass_on(&self, Left(token, passing): Left) {
        // SAFETY: tokens live as long as the runtime.
        unsafe { (*token).pass(self, None, passing) };
    }
}

/// A token that was taken, and who is to be told.
#[must_use]
pub struct Left(*const Token, Passing);

/// The processor of a machine that is outside was taken: what it may be promised goes to others. Without the scheduler's lock.
pub fn taken_from(s: &Shared, m: &Machine) {
    // A promise is kept until its claim is taken out of the inbox.
    if m.inbox_len.load(Relaxed) != 0 {
        revoke(s, m);
    }
}

/// A machine that may be promised a token stays away: others get it. Without the scheduler's lock.
pub fn revoke(s: &Shared, m: &Machine) {
    let mut at = 0;
    loop {
        let token: *const Token = match s.lock.lock().tokens.get(at) {
            Some(token) => &**token,
            None => return,
        };
        at += 1;
        // SAFETY: tokens live as long as the runtime.
        let token = unsafe { &*token };
        let Some(passing) = token.revoke_from(m) else { continue };
        token.pass(s, None, passing);
    }
}
