//! gmp_py: tasks of the gmp runtime for Python.
//!
//! Owns: the extension module `gmp_py._gmp`: what is checked before it loads, and what it holds. The package's Python
//! half (`python/gmp_py`) gives it its public face.
//!
//! The way of a task: calls.rs `go` → task.rs `spawn` → shim/class.c, the runtime's hooks, then `entry` → task.rs
//! `gmp_py_begin`, `gmp_py_end`, `gmp_py_done` → class.c `finish`. The way of a wait: calls.rs or task_type.rs →
//! wait.rs → the runtime → class.c `switch_out`, `switch_in` → back. The way of a wait on a descriptor: stream.rs, net.rs
//! or, under the patched socket, patched.rs → io.rs → the runtime → back.
//!
//! Unsafe code is in every module but docs.rs, chan_docs.rs, select_docs.rs and timer_docs.rs: all of them speak the interpreter's C API below PyO3.

mod abi;
mod address;
mod alarms;
mod args;
mod blocking;
mod calls;
mod case;
mod chan;
mod chan_docs;
mod chan_type;
mod clock;
mod condition;
mod condition_type;
mod docs;
mod errors;
mod event;
mod exit;
mod identity;
mod inspect;
mod io;
mod later;
mod live;
mod lock;
mod lock_type;
mod lock_types;
mod module;
mod mutex;
mod native;
mod net;
mod owner;
mod patched;
mod queue;
mod rlock;
mod rw_lock;
mod scope;
mod scope_type;
mod select;
mod select_docs;
mod semaphore;
mod shield;
mod shim;
mod stream;
mod stream_type;
mod target;
mod task;
mod task_type;
mod timer_docs;
mod timer_type;
mod trace;
mod under;
mod wait;
mod wait_group;
mod wish;
