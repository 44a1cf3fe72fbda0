//! select: one call that does whichever of several operations can be done first.
//!
//! Owns: the class of its results, which the package's Python half makes; the dice for cases that are ready together.
//!
//! Always true: exactly one operation is done, or none and the call says so. All cases are checked before the first
//! look at a channel, and from that look to the last push nothing lets others run.
//!
//! Called by the interpreter with the GIL held. Blocks its caller.

use crate::case::{Call, Case};
use crate::chan::{self, Chan, Tried};
use crate::wait::Wake;
use crate::{abi, args, docs, errors, select_docs, wait, wish};
use pyo3::ffi;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

type Object = *mut ffi::PyObject;

/// So many cases wait without asking for memory.
const FEW: usize = 8;

static SELECTED: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());
static DICE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);

/// A number below `n`; the GIL orders the throws.
fn throw(n: u64) -> u64 {
    let mut x = DICE.load(Ordering::Relaxed);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    DICE.store(x, Ordering::Relaxed);
    ((x >> 32) * n) >> 32
}

/// The result; steals `value`. NULL with an exception set when there is no memory: the caller then still owns it.
unsafe fn selected(index: ffi::Py_ssize_t, value: Object, ok: bool) -> Object {
    // SAFETY: the GIL is held; the class is a named tuple of three fields, kept for ever.
    unsafe {
        let class = SELECTED.load(Ordering::Relaxed) as *mut ffi::PyTypeObject;
        let number = ffi::PyLong_FromSsize_t(index);
        let made = if number.is_null() { number } else { new_tuple(class) };
        if made.is_null() {
            ffi::Py_XDECREF(number);
            return made;
        }
        ffi::PyTuple_SET_ITEM(made, 0, number);
        ffi::PyTuple_SET_ITEM(made, 1, value);
        ffi::PyTuple_SET_ITEM(made, 2, ffi::PyBool_FromLong(ok.into()));
        made
    }
}

/// An instance of a subclass of tuple, its three items to be filled.
#[cfg(not(Py_3_14))]
unsafe fn new_tuple(class: *mut ffi::PyTypeObject) -> Object {
    // SAFETY: the GIL is held; the class adds nothing to a tuple.
    unsafe { ffi::PyType_GenericAlloc(class, 3) }
}

/// From 3.14 a tuple keeps its hash, in a field that its own constructor fills.
#[cfg(Py_3_14)]
unsafe fn new_tuple(class: *mut ffi::PyTypeObject) -> Object {
    // SAFETY: the GIL is held; None is no more than borrowed by the tuple that is overwritten.
    unsafe {
        let none = ffi::Py_None();
        let items = ffi::PyTuple_Pack(3, none, none, none);
        let outer = if items.is_null() { items } else { ffi::PyTuple_Pack(1, items) };
        ffi::Py_XDECREF(items);
        if outer.is_null() {
            return outer;
        }
        let new: ffi::newfunc = std::mem::transmute(ffi::PyType_GetSlot(&raw mut ffi::PyTuple_Type, ffi::Py_tp_new));
        let made = new(class, outer, ptr::null_mut());
        ffi::Py_DECREF(outer);
        for i in 0..if made.is_null() { 0 } else { 3 } {
            ffi::Py_DECREF(ffi::PyTuple_GET_ITEM(made, i));
        }
        made
    }
}

/// What `_select.py` gives at import: the class of the results.
unsafe extern "C" fn set_selected(_: Object, class: Object) -> Object {
    // SAFETY: the GIL is held; the class is kept for ever.
    unsafe {
        SELECTED.store(ffi::Py_NewRef(class), Ordering::Relaxed);
        ffi::Py_NewRef(ffi::Py_None())
    }
}

/// Ends a call whose operation at `chan` is done: `value` is what was received, or NULL.
unsafe fn finish(chan: *mut Chan, index: usize, value: Object, ok: bool) -> Object {
    // SAFETY: the GIL is held; the caller keeps `chan`. Without memory for the result a value goes back.
    unsafe {
        let held = if value.is_null() { ffi::Py_NewRef(ffi::Py_None()) } else { value };
        let result = selected(index as ffi::Py_ssize_t, held, ok);
        if result.is_null() {
            if value.is_null() {
                ffi::Py_DECREF(held);
            } else {
                Call::signal((*chan).give_back(value));
            }
        }
        result
    }
}

unsafe extern "C" fn select(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol: the caller holds references to the cases, which hold their channels.
    unsafe {
        let mut options = [ptr::null_mut(); 2];
        if !args::take_keywords(values.offset(count), keywords, [c"timeout", c"default"], &mut options) {
            return ptr::null_mut();
        }
        let [timeout, default] = options;
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let default = if default.is_null() { 0 } else { ffi::PyObject_IsTrue(default) };
        if default < 0 || !wait::may_enter() {
            return ptr::null_mut();
        }
        let wishes = std::slice::from_raw_parts(if count == 0 { ptr::dangling() } else { values }, count as usize);
        for &wish in wishes {
            let Some((chan, _)) = wish::parts(wish) else {
                let format = c"select takes what recv and send of this package give, not %R";
                ffi::PyErr_Format(ffi::PyExc_TypeError, format.as_ptr(), wish);
                return ptr::null_mut();
            };
            if !chan::may_use(chan) {
                return ptr::null_mut();
            }
        }
        if let Some(index) = ready(wishes) {
            return do_ready(wishes, index);
        }
        if default != 0 {
            return selected(-1, ffi::Py_NewRef(ffi::Py_None()), false);
        }
        if deadline == abi::NOWAIT {
            return timed_out();
        }
        if wishes.is_empty() && deadline == abi::FOREVER {
            errors::MISUSE.raise(c"select has nothing to wait for");
            return ptr::null_mut();
        }
        let mut few = [const { MaybeUninit::<Case>::uninit() }; FEW];
        if wishes.len() <= FEW {
            return wait_for(wishes, few.as_mut_ptr() as *mut Case, deadline);
        }
        let mut many = Vec::<Case>::new();
        if many.try_reserve_exact(wishes.len()).is_err() {
            return ffi::PyErr_NoMemory();
        }
        wait_for(wishes, many.as_mut_ptr(), deadline)
    }
}

/// One of the cases that can be done now, each with the same chance.
unsafe fn ready(wishes: &[Object]) -> Option<usize> {
    let mut found = None;
    let mut count = 0;
    for (i, &wish) in wishes.iter().enumerate() {
        // SAFETY: checked by `select`; the channels live.
        let can = unsafe {
            wish::parts(wish).is_some_and(|(chan, value)| match value.is_null() {
                true => (*chan).can_recv(),
                false => (*chan).can_send(),
            })
        };
        if can {
            count += 1;
            if count == 1 || throw(count) == 0 {
                found = Some(i);
            }
        }
    }
    found
}

/// Does a case that is ready.
unsafe fn do_ready(wishes: &[Object], index: usize) -> Object {
    // SAFETY: checked by `select`; nothing came between the look and this.
    unsafe {
        let Some((chan, value)) = wish::parts(wishes[index]) else { return ptr::null_mut() };
        let tried = if value.is_null() { (*chan).try_recv() } else { (*chan).try_send(value) };
        match tried {
            Tried::Done(received, peer) => {
                Call::signal(peer);
                finish(chan, index, received, true)
            }
            Tried::Closed if value.is_null() => finish(chan, index, ptr::null_mut(), false),
            Tried::Closed => {
                chan::raise_closed();
                ptr::null_mut()
            }
            Tried::Blocked | Tried::NoMemory => ffi::PyErr_NoMemory(),
        }
    }
}

/// Waits with all cases in line. `cases` has room for as many as there are wishes, and needs no drop.
unsafe fn wait_for(wishes: &[Object], cases: *mut Case, deadline: i64) -> Object {
    // SAFETY: the call and its cases stay in place until every case has left its line, before this returns.
    unsafe {
        let mut call = Call::new();
        let call = &raw mut call;
        for (i, &wish) in wishes.iter().enumerate() {
            let Some((chan, value)) = wish::parts(wish) else { continue };
            let case = cases.add(i);
            case.write(Case::new(call, value));
            if value.is_null() {
                (*chan).receivers.push(case);
            } else {
                (*chan).senders.push(case);
            }
        }
        let woke = Call::wait(call, deadline);
        for i in 0..wishes.len() {
            (*cases.add(i)).unlink();
        }
        let chosen = (*call).chosen;
        if chosen.is_null() {
            return if woke == Wake::Raised { ptr::null_mut() } else { timed_out() };
        }
        let index = chosen.offset_from(cases) as usize;
        let Some((chan, value)) = wish::parts(wishes[index]) else { return ptr::null_mut() };
        let received = if value.is_null() { (*chosen).value } else { ptr::null_mut() };
        if woke == Wake::Raised {
            if !received.is_null() {
                Call::signal((*chan).give_back(received));
            }
            return ptr::null_mut();
        }
        if (*chosen).closed && !value.is_null() {
            chan::raise_closed();
            return ptr::null_mut();
        }
        finish(chan, index, received, !(*chosen).closed)
    }
}

unsafe fn timed_out() -> Object {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_TimeoutError, c"no channel was ready in time".as_ptr()) };
    ptr::null_mut()
}

/// The functions; the table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    use ffi::PyMethodDefPointer as F;
    let method = |(name, doc): docs::Entry, ml_meth, ml_flags: c_int| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth,
        ml_flags,
        ml_doc: doc.as_ptr(),
    };
    const FAST_KEYWORDS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    Box::leak(Box::new([
        method(select_docs::SELECT, F { PyCFunctionFastWithKeywords: select }, FAST_KEYWORDS),
        method(select_docs::RECV, F { PyCFunction: wish::recv }, ffi::METH_O),
        method(select_docs::SEND, F { PyCFunctionFast: wish::send }, ffi::METH_FASTCALL),
        method(select_docs::SET_SELECTED, F { PyCFunction: set_selected }, ffi::METH_O),
    ]))
}
