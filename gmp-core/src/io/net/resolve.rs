//! Names to addresses.
//!
//! Owns: the lookups under way, of which there are at most [`MOST`].
//!
//! The C library's `getaddrinfo` cannot be interrupted, and a name server that never answers keeps it for half a minute. So it runs on a thread
//! of its own, and who asked waits for the answer on a channel, with deadline and cancellation, and gives it up when these come. The thread is
//! no machine and the lookup no task: one that was given up holds up neither `wait_idle` nor `shutdown`.
//!
//! Always true:
//!  - L1. The answer has one owner: it is put into the channel and taken out of it, or freed by the thread that found the channel closed.
//!  - L2. A lookup counts until its thread is done with it, also when nobody waits for it any more. Who comes when [`MOST`] are under way waits
//!        for one of them to end, with the same deadline.
//!  - L3. The thread is counted as one that called in: while it asks, nobody is deadlocked.
//!
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.

use super::super::Result;
use super::address::{Endpoint, Host, Network, Port, LONGEST};
use crate::base::alloc::try_box;
use crate::base::clock;
use crate::base::error::Error;
use crate::cancel;
use crate::chan::{Chan, Channel};
use crate::primitive::{AtomicPtr, Ordering::*};
use crate::sched::attach;
use crate::sys::endpoint::Kind;
use crate::sys::errand;
use crate::sys::names::{self, Failure, Question};
use crate::time::{FOREVER, NOWAIT};
use std::ffi::{c_void, CStr};
use std::net::SocketAddr;
use std::ptr::{null, null_mut};

/// Lookups at a time.
pub const MOST: usize = 64;
/// Addresses of one name that are of use.
const ADDRESSES: usize = 64;

type Answer = Result<Vec<SocketAddr>>;

/// What the thread is given.
struct Request {
    host: [u8; LONGEST + 1],
    service: [u8; LONGEST + 1],
    family: i32,
    kind: Kind,
    numeric: bool,
    /// For a pointer to an [`Answer`]; null: there was no memory for one.
    answers: Channel,
    places: Channel,
}

/// The addresses of `endpoint`, best first, never none. `Os(ENOENT)`: there is no such host or service, or it has no address of that
/// network. `Os(EREMOTEIO)`: who should know did not answer, or could not. `Again`: for NOWAIT.
pub fn look_up(network: &Network, endpoint: &Endpoint<'_>, deadline: i64) -> Answer {
    let mut request = request(network, endpoint)?;
    if deadline == NOWAIT {
        return Err(Error::Again);
    }
    if deadline != FOREVER && deadline <= clock::now() {
        return Err(Error::TimedOut);
    }
    if cancel::is_requested() {
        return Err(Error::Canceled);
    }
    request.places = places()?;
    let (answers, places) = (request.answers.clone(), request.places.clone());
    let request = try_box(request)?;
    // SAFETY: its elements have no bytes.
    unsafe { places.send(null(), deadline)? };
    let request = Box::into_raw(request);
    if let Err(e) = errand::start(look_up_there, request.cast()) {
        // SAFETY: there is no thread, so it is still ours.
        drop(unsafe { Box::from_raw(request) });
        leave(&places);
        return Err(e.into());
    }
    let mut answer: *mut Answer = null_mut();
    let place = (&raw mut answer).cast();
    // SAFETY: an element is a pointer.
    if let Err(e) = unsafe { answers.recv(place, deadline) } {
        // From now on nothing is put in; what was before is ours.
        let _was_open = answers.close();
        // SAFETY: as above; L1.
        if unsafe { answers.recv(place, NOWAIT) }.is_ok() && !answer.is_null() {
            // SAFETY: L1.
            drop(unsafe { Box::from_raw(answer) });
        }
        return Err(e);
    }
    if answer.is_null() {
        return Err(Error::NoMemory);
    }
    // SAFETY: L1.
    *unsafe { Box::from_raw(answer) }
}

fn request(network: &Network, endpoint: &Endpoint<'_>) -> Result<Request> {
    let answers = Channel::new(size_of::<*mut Answer>(), 1)?;
    let places = answers.clone();
    let mut request = Request {
        host: [0; LONGEST + 1],
        service: [0; LONGEST + 1],
        family: network.number(),
        kind: network.kind,
        numeric: false,
        answers,
        places,
    };
    match endpoint.host {
        Host::Name(name) => request.host[..name.len()].copy_from_slice(name),
        // Any address does where only the service is asked for; which one it is then, is the caller's.
        Host::None | Host::Literal(..) => {
            let any: &[u8] = if network.number() == libc::AF_INET6 { b"::" } else { b"0.0.0.0" };
            request.host[..any.len()].copy_from_slice(any);
            request.numeric = true;
        }
    }
    match endpoint.port {
        Port::Service(name) => request.service[..name.len()].copy_from_slice(name),
        Port::Number(mut port) => {
            let digits = port.checked_ilog10().unwrap_or(0) as usize + 1;
            for digit in request.service[..digits].iter_mut().rev() {
                *digit = b'0' + (port % 10) as u8;
                port /= 10;
            }
        }
    }
    Ok(request)
}

/// The places, one for each lookup under way: values of a channel. A fork's child has its own.
fn places() -> Result<Channel> {
    static PLACES: AtomicPtr<Chan> = AtomicPtr::new(null_mut());
    loop {
        let there = PLACES.load(Acquire);
        // SAFETY: the static's reference is never given up.
        if let Some(chan) = unsafe { there.as_ref() } {
            if chan.is_here().is_ok() {
                chan.retain();
                // SAFETY: just made.
                return Ok(unsafe { Channel::from_raw(chan.into()) });
            }
        }
        let made = Chan::new(0, MOST)?.as_ptr();
        if PLACES.compare_exchange(there, made, AcqRel, Acquire).is_err() {
            // SAFETY: shown to nobody.
            unsafe { Chan::release(made) };
        }
    }
}

/// Gives a place back.
fn leave(places: &Channel) {
    // SAFETY: its elements have no bytes, and one of them is the caller's.
    let _was_there = unsafe { places.recv(null_mut(), NOWAIT) };
}

/// The thread.
extern "C" fn look_up_there(request: *mut c_void) -> *mut c_void {
    errand::name(c"gmp-lookup");
    attach::note();
    // SAFETY: `look_up` has left it to this thread.
    let request = unsafe { Box::from_raw(request as *mut Request) };
    let answer = try_box(ask(&request)).map_or(null_mut(), Box::into_raw);
    // Before who waits goes on: it may be the next to ask.
    leave(&request.places);
    // SAFETY: an element is a pointer.
    let put = unsafe { request.answers.send((&raw const answer).cast(), NOWAIT) };
    if put.is_err() && !answer.is_null() {
        // SAFETY: L1.
        drop(unsafe { Box::from_raw(answer) });
    }
    null_mut()
}

fn ask(request: &Request) -> Answer {
    let text = |bytes| CStr::from_bytes_until_nul(bytes).unwrap_or(c"");
    let question = Question {
        host: text(&request.host),
        service: text(&request.service),
        family: request.family,
        kind: request.kind,
        numeric: request.numeric,
    };
    let mut found = Vec::new();
    found.try_reserve_exact(ADDRESSES).map_err(|_| Error::NoMemory)?;
    let asked = names::look_up(&question, |address| {
        found.push(address);
        found.len() < ADDRESSES
    });
    match asked {
        Ok(()) if found.is_empty() => Err(Error::Os(libc::ENOENT)),
        Ok(()) => Ok(found),
        Err(Failure::NoName) => Err(Error::Os(libc::ENOENT)),
        Err(Failure::NoAnswer) => Err(Error::Os(libc::EREMOTEIO)),
        Err(Failure::NoMemory) => Err(Error::NoMemory),
        Err(Failure::Invalid) => Err(Error::Invalid),
        Err(Failure::Os(errno)) => Err(errno.into()),
    }
}
