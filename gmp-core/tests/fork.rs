//! A fork's child, by the Rust API: what is the parent's says so, its drops are harmless, and the runtime starts afresh. One test, as a
//! process forks as a whole.

use gmp_core::{call_after, channel, group, spawn, time, Context, Error, JoinHandle, Receiver, Sender, Timer};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Runs `child` in a child, which must come to its end.
fn in_child(child: impl FnOnce()) {
    // SAFETY: the child uses what the C library and this crate make usable after a fork, and leaves.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            libc::alarm(30);
            let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
            libc::_exit(if well { 0 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        assert_eq!(status, 0);
    }
}

struct Things {
    to: Sender<String>,
    from: Receiver<String>,
    timer: Timer,
    context: Context,
    task: JoinHandle<i32>,
}

fn make() -> Things {
    let (to, from) = channel(2).unwrap();
    to.send("one".to_string()).unwrap();
    let timer = Timer::after(HOUR).unwrap();
    let context = Context::with_timeout(None, HOUR).unwrap();
    Things { to, from, timer, context, task: spawn(|| 7).unwrap() }
}

fn all_is_the_parents(t: Things) {
    let refused = t.to.send("two".to_string()).unwrap_err();
    assert_eq!((refused.error, refused.value.as_str()), (Error::Forked, "two"));
    assert_eq!(t.from.recv(), Err(Error::Forked));
    assert_eq!(t.from.try_recv(), Err(Error::Forked));
    assert_eq!(t.timer.receiver().recv(), Err(Error::Forked));
    assert!(!t.timer.stop());
    assert_eq!(t.context.cancel(), Err(Error::Forked));
    assert_eq!(t.context.error(), Some(Error::Forked));
    assert_eq!(t.task.join(), Err(Error::Forked));
    drop((t.to, t.from, t.timer, t.context));
    let (to, from) = channel(0).unwrap();
    let task = spawn(move || to.send(5)).unwrap();
    assert_eq!(from.recv(), Ok(5));
    task.join().unwrap().unwrap();
}

#[test]
fn the_child_of_a_fork_starts_afresh() {
    let things = make();
    in_child(|| all_is_the_parents(things));

    let things = make();
    let task = spawn(move || in_child(|| all_is_the_parents(things))).unwrap();
    task.join().unwrap();

    // A closure that is to be called later is not called in the child, nor waited for.
    let call = call_after(HOUR, || unreachable!()).unwrap();
    in_child(move || {
        call.stop();
    });

    // A group whose body forks: there is nobody to wait for in the child.
    group(|g| {
        let (stop, stopped) = channel::<()>(0).unwrap();
        g.spawn(move || match stopped.recv() {
            Err(Error::Closed) => Ok(()),
            other => other,
        })?;
        let mut inner = None;
        in_child(|| {
            inner = Some(g.spawn(|| Ok(())));
            assert_eq!(inner, Some(Err(Error::Forked)));
        });
        drop(stop);
        Ok(())
    })
    .unwrap();

    // The whole group in the child.
    let ended = spawn(|| {
        let mut child = false;
        let result = group(|g| {
            g.spawn(|| time::sleep(20_000_000))?;
            // SAFETY: as above.
            child = unsafe { libc::fork() } == 0;
            Ok(())
        });
        if child {
            // SAFETY: leaves.
            unsafe { libc::_exit(if result == Err(Error::Forked) { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: a place for the status.
        unsafe { libc::wait(&mut status) };
        (result, status)
    });
    assert_eq!(ended.unwrap().join().unwrap(), (Ok(()), 0));
}
