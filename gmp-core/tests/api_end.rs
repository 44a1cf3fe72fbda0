//! What the end of the runtime leaves: in a process of its own, as the runtime is the process's.

mod ledger;

use gmp_core::{call_after, channel, global, runtime, spawn, time, Context, Error, Mutex, Timer};
use ledger::Ledger;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn what_was_made_in_one_runtime_is_harmless_after_it() {
    let ledger = Ledger::new(8);
    let (called, dropped, unused) = (ledger.make(), ledger.make(), ledger.make());
    let mut call = call_after(HOUR, move || drop(called)).unwrap();
    let late = call_after(HOUR, move || drop(dropped)).unwrap();
    let timer = Timer::after(HOUR).unwrap();
    let limit = Context::with_timeout(None, HOUR).unwrap();
    let (to, from) = channel(1).unwrap();
    let m = Mutex::new(1);
    let ended = spawn(|| 7).unwrap();
    global::shutdown(time::FOREVER).unwrap();

    assert_eq!(call_after(HOUR, move || drop(unused)).err(), Some(Error::Stopped));
    assert_eq!(Timer::after(HOUR).err(), Some(Error::Stopped));
    assert_eq!(call.reset(HOUR), Ok(false));
    assert!(call.stop());
    drop(late);
    ledger.balance();
    assert!(!timer.stop());
    assert_eq!(timer.reset(HOUR), Err(Error::Stopped));
    limit.cancel().unwrap();
    assert_eq!((ended.cancel(), ended.join()), (Err(Error::Invalid), Err(Error::Invalid)));
    // Channels and locks belong to no runtime.
    to.send(1).unwrap();
    assert_eq!((from.recv(), *m.lock().unwrap()), (Ok(1), 1));

    global::start(&runtime::Config::default()).unwrap();
    assert_eq!(timer.reset(Duration::ZERO), Ok(false));
    timer.receiver().recv().unwrap();
    assert_eq!(spawn(move || from.try_recv()).unwrap().join(), Ok(Err(Error::Again)));
    drop(to);
}
