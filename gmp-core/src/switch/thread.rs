//! Each context on an OS thread, of which one runs at a time: for Miri, which cannot run assembly, and for tools
//! that do not understand a switch. Slow, and leaks a thread for each stack: never for use.
//!
//! An [`Sp`] here is the address of the thread's [`Mailbox`]: a switch puts a letter in the destination's and waits
//! at its own. The machine word travels in the letter, as the machine goes on with another thread.
//!
//! A context that has ended waits for ever in its last switch. When [`init`] gets its stack again, its thread
//! starts the new entry from there, above the dead frames; after [`REUSES`] of them a fresh thread takes over.

pub use super::unwinding::{call, call_above, exit_to, CAN_EXIT, CAN_TRACE};
use super::Sp;
use crate::primitive::{tls, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::thread::{self, Thread};

/// See [`super::USES_STACK`].
pub const USES_STACK: bool = false;

const REUSES: usize = 500;
const STACK_SIZE: usize = 64 << 20;

type Entry = unsafe extern "C" fn(usize) -> !;

enum Letter {
    /// Goes on, or starts what the last `Begin` named.
    Go { arg: usize, machine: usize },
    /// Forgets what it did and waits to start `Entry`.
    Begin(Entry),
}

/// One for each thread, never freed: a sender may still be at the lock when the owner has gone on and ended.
struct Mailbox {
    owner: Thread,
    letters: Mutex<VecDeque<Letter>>,
}

impl Mailbox {
    fn send(&self, letter: Letter) {
        self.letters.lock().push_back(letter);
        self.owner.unpark();
    }

    /// Waits for `Go`, and returns its `arg`.
    fn wait(&self) -> usize {
        loop {
            let letter = self.letters.lock().pop_front();
            match letter {
                None => thread::park(),
                Some(Letter::Begin(entry)) => self.run(entry),
                Some(Letter::Go { arg, machine }) => {
                    tls::set(machine as *mut ());
                    return arg;
                }
            }
        }
    }

    fn run(&self, entry: Entry) -> ! {
        let arg = self.wait();
        // SAFETY: `init`'s caller gave the entry, and the first switch its argument.
        unsafe { entry(arg) }
    }
}

thread_local! {
    // Right here only: on this backend a context never changes its thread.
    static MAILBOX: &'static Mailbox =
        Box::leak(Box::new(Mailbox { owner: thread::current(), letters: Mutex::new(VecDeque::new()) }));
}

/// The thread that serves a stack, and how often it has.
struct Worker {
    mailbox: &'static Mailbox,
    uses: usize,
}

/// By the top of the stack.
static WORKERS: Mutex<BTreeMap<usize, Worker>> = Mutex::new(BTreeMap::new());

/// See [`super::init`].
pub unsafe fn init(top: *mut u8, _limit: *mut u8, entry: Entry) -> Sp {
    let mut hosts = WORKERS.lock();
    let host = hosts.entry(top as usize).or_insert_with(start);
    if host.uses == REUSES {
        *host = start();
    }
    host.uses += 1;
    host.mailbox.send(Letter::Begin(entry));
    host.mailbox as *const Mailbox as Sp
}

fn start() -> Worker {
    let (tell, told) = std::sync::mpsc::channel();
    thread::Builder::new()
        .name("gmp-context".into())
        .stack_size(STACK_SIZE)
        .spawn(move || {
            let mailbox = MAILBOX.with(|m| *m);
            tell.send(mailbox).unwrap();
            mailbox.wait();
        })
        .expect("no thread for a context");
    Worker { mailbox: told.recv().unwrap(), uses: 0 }
}

/// See [`super::switch`].
pub unsafe fn switch(save: *mut Sp, to: Sp, arg: usize) -> usize {
    let mailbox = MAILBOX.with(|m| *m);
    // SAFETY: by the contract `save` may be written and `to` is a parked context; mailboxes are never freed.
    unsafe {
        *save = mailbox as *const Mailbox as Sp;
        (*(to as *const Mailbox)).send(Letter::Go { arg, machine: tls::get() as usize });
    }
    mailbox.wait()
}
