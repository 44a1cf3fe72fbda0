//! What `gmp_py.dump` shows: the runtime's own dump, and where the Python code of every task stands. What `gmp_py.stats` shows.
//!
//! Owns: nothing. The text is made in `python/gmp_py/_dump.py`, the named tuple in `_stats.py`.
//!
//! Always true: between the first and the last frame that is looked at nobody else runs Python code. The GIL is held and
//! the collector, which 3.11 may call from any allocation, is off.
//!
//! Called with the GIL held. Blocks: a plain thread lets go of the GIL while the runtime writes its dump; a task is in
//! a blocking section meanwhile.

use crate::task::Task;
use crate::{abi, docs, errors, live, shim, wait};
use pyo3::ffi;
use std::ffi::{c_char, c_int};
use std::ptr;

type Object = *mut ffi::PyObject;

/// So many frames of a task are shown, as faulthandler does it.
const MOST_FRAMES: usize = 100;

/// `(text, {id: [(file, line, function), ...]})`: the frames of all live Python tasks, most recent call first; one more
/// than [`MOST_FRAMES`] where there are more, none where it does not run yet.
unsafe extern "C" fn look(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; a METH_NOARGS method.
    unsafe {
        if !wait::may_enter() {
            return ptr::null_mut();
        }
        let text = native_text();
        if text.is_null() {
            return text;
        }
        let collects = ffi::PyGC_Disable();
        let stacks = all_stacks();
        if collects != 0 {
            ffi::PyGC_Enable();
        }
        if stacks.is_null() {
            ffi::Py_DECREF(text);
            return stacks;
        }
        let both = ffi::PyTuple_Pack(2, text, stacks);
        ffi::Py_DECREF(text);
        ffi::Py_DECREF(stacks);
        both
    }
}

/// The runtime's dump as bytes; NULL with an exception set.
unsafe fn native_text() -> Object {
    // SAFETY: the GIL is held but for the part in `detached`; the descriptor is this call's own, on its stack, wherever
    // a task goes on.
    unsafe {
        let fd = libc::memfd_create(c"gmp-dump".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return ffi::PyErr_SetFromErrno(ffi::PyExc_OSError);
        }
        let code = match shim::shim_current().is_null() {
            true => wait::detached(|| abi::gmp_dump(fd)),
            false => abi::gmp_dump(fd),
        };
        let text = if code == 0 { contents(fd) } else { errors::raise_io(code) };
        libc::close(fd);
        text
    }
}

unsafe fn contents(fd: c_int) -> Object {
    // SAFETY: the GIL is held; `bytes` is fresh and has room for `size`.
    unsafe {
        let size = libc::lseek(fd, 0, libc::SEEK_END);
        let bytes = ffi::PyBytes_FromStringAndSize(ptr::null::<c_char>(), size.max(0) as ffi::Py_ssize_t);
        if bytes.is_null() {
            return bytes;
        }
        let to = ffi::PyBytes_AsString(bytes);
        let mut done = 0;
        while done < size {
            match libc::pread(fd, to.add(done as usize).cast(), (size - done) as usize, done) {
                n if n > 0 => done += n as libc::off_t,
                _ => {
                    ffi::Py_DECREF(bytes);
                    return ffi::PyErr_SetFromErrno(ffi::PyExc_OSError);
                }
            }
        }
        bytes
    }
}

unsafe fn all_stacks() -> Object {
    // SAFETY: the GIL is held and no Python code runs, so the list of live tasks stands still.
    unsafe {
        let all = ffi::PyDict_New();
        if all.is_null() {
            return all;
        }
        let mut task = live::first();
        while !task.is_null() {
            if !add_stack(all, task) {
                ffi::Py_DECREF(all);
                return ptr::null_mut();
            }
            task = (*task).next;
        }
        all
    }
}

unsafe fn add_stack(all: Object, task: *mut Task) -> bool {
    // SAFETY: as `all_stacks`; a live task's thread state, once there, is there until the task is done.
    unsafe {
        let stack = stack_of((*task).head.ts);
        if stack.is_null() {
            return false;
        }
        let id = ffi::PyLong_FromUnsignedLongLong((*task).head.id);
        let added = !id.is_null() && ffi::PyDict_SetItem(all, id, stack) == 0;
        ffi::Py_XDECREF(id);
        ffi::Py_DECREF(stack);
        added
    }
}

unsafe fn stack_of(state: *mut ffi::PyThreadState) -> Object {
    // SAFETY: as `add_stack`. A frame that runs or waits is held by its task: giving a reference back ends no frame.
    unsafe {
        let stack = ffi::PyList_New(0);
        if stack.is_null() || state.is_null() {
            return stack;
        }
        let mut frame = ffi::PyThreadState_GetFrame(state);
        let mut left = MOST_FRAMES + 1;
        let mut good = true;
        while !frame.is_null() && left > 0 && good {
            let place = place_of(frame);
            good = !place.is_null() && ffi::PyList_Append(stack, place) == 0;
            ffi::Py_XDECREF(place);
            let back = ffi::PyFrame_GetBack(frame);
            ffi::Py_DECREF(frame as Object);
            frame = back;
            left -= 1;
        }
        ffi::Py_XDECREF(frame as Object);
        if !good {
            ffi::Py_DECREF(stack);
            return ptr::null_mut();
        }
        stack
    }
}

unsafe fn place_of(frame: *mut ffi::PyFrameObject) -> Object {
    // SAFETY: a valid frame has code, of which the attributes are plain reads.
    unsafe {
        let code = ffi::PyFrame_GetCode(frame) as Object;
        let file = ffi::PyObject_GetAttrString(code, c"co_filename".as_ptr());
        let name = ffi::PyObject_GetAttrString(code, c"co_name".as_ptr());
        let line = ffi::PyLong_FromLong(ffi::PyFrame_GetLineNumber(frame).into());
        let mut place = ptr::null_mut();
        if !file.is_null() && !name.is_null() && !line.is_null() {
            place = ffi::PyTuple_Pack(3, file, line, name);
        }
        for object in [code, file, name, line] {
            ffi::Py_XDECREF(object);
        }
        place
    }
}

/// The runtime's numbers by name.
unsafe extern "C" fn stats(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; the struct has the size that is told. A getter: it does not enter the scheduler.
    unsafe {
        let mut stats = abi::Stats::default();
        let code = abi::gmp_stats(&mut stats, size_of::<abi::Stats>());
        if code != 0 {
            return errors::raise_code(code);
        }
        let numbers = ffi::PyDict_New();
        if numbers.is_null() {
            return numbers;
        }
        for (name, value) in stats.named() {
            let number = match u64::try_from(value) {
                Ok(value) => ffi::PyLong_FromUnsignedLongLong(value),
                Err(_) => ffi::PyLong_FromLongLong(value as i64),
            };
            let added = !number.is_null() && ffi::PyDict_SetItemString(numbers, name.as_ptr(), number) == 0;
            ffi::Py_XDECREF(number);
            if !added {
                ffi::Py_DECREF(numbers);
                return ptr::null_mut();
            }
        }
        numbers
    }
}

/// The functions. The table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    let row = |(name, doc): docs::Entry, f| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: f },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: doc.as_ptr(),
    };
    Box::leak(Box::new([row(docs::LOOK, look), row(docs::STATS, stats)]))
}
