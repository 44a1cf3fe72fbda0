//! Arguments of the raw methods: what the interpreter's fastcall protocol hands over, checked and converted.
//!
//! Owns: nothing. Called with the GIL held; on failure an exception is set. Blocks nothing, but for what a
//! `__float__` or `__index__` of the caller does.

use crate::abi;
use pyo3::ffi;
use std::ffi::CStr;
use std::ptr;

/// Spreads positional and keyword arguments over the parameters `names`, all optional: absent ones are NULL.
/// The references are borrowed from the caller's.
///
/// # Safety
/// `values`, `count` and `keywords` are those of a fastcall in progress.
pub unsafe fn parse<const N: usize>(
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
    names: [&CStr; N],
) -> Option<[*mut ffi::PyObject; N]> {
    let mut found = [ptr::null_mut(); N];
    let count = count as usize;
    if count > N {
        // SAFETY: the format matches its arguments.
        unsafe {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"expected at most %zu positional arguments, got %zu".as_ptr(),
                N,
                count,
            );
        }
        return None;
    }
    for (i, slot) in found.iter_mut().enumerate().take(count) {
        // SAFETY: i < count.
        *slot = unsafe { *values.add(i) };
    }
    // SAFETY: the keywords' values follow the positional ones.
    unsafe { take_keywords(values.wrapping_add(count), keywords, names, &mut found) }.then_some(found)
}

/// Spreads keyword arguments only.
///
/// # Safety
/// `keywords` is NULL or a tuple of str, and `values` points to as many values.
pub unsafe fn take_keywords<const N: usize>(
    values: *const *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
    names: [&CStr; N],
    found: &mut [*mut ffi::PyObject; N],
) -> bool {
    if keywords.is_null() {
        return true;
    }
    // SAFETY: as the caller promises; formats match their arguments.
    unsafe {
        for i in 0..ffi::PyTuple_Size(keywords) {
            let key = ffi::PyTuple_GetItem(keywords, i);
            let at = names.iter().position(|n| ffi::PyUnicode_CompareWithASCIIString(key, n.as_ptr()) == 0);
            let Some(slot) = at.and_then(|at| found.get_mut(at)) else {
                ffi::PyErr_Format(ffi::PyExc_TypeError, c"unexpected keyword argument %R".as_ptr(), key);
                return false;
            };
            if !slot.is_null() {
                ffi::PyErr_Format(ffi::PyExc_TypeError, c"argument %R was given twice".as_ptr(), key);
                return false;
            }
            *slot = *values.offset(i);
        }
    }
    true
}

/// As `parse`, for the tuple and the dict (or NULL) that an `__init__` is called with.
///
/// # Safety
/// The GIL is held; the references are borrowed from `values` and `keywords`.
pub unsafe fn parse_call<const N: usize>(
    values: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
    names: [&CStr; N],
) -> Option<[*mut ffi::PyObject; N]> {
    // SAFETY: as the caller promises; formats match their arguments.
    unsafe {
        let count = ffi::PyTuple_Size(values);
        let mut given = [ptr::null_mut(); N];
        for (i, slot) in given.iter_mut().enumerate().take(count as usize) {
            *slot = ffi::PyTuple_GetItem(values, i as ffi::Py_ssize_t);
        }
        let mut found = parse(given.as_ptr(), count, ptr::null_mut(), names)?;
        let (mut at, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
        while !keywords.is_null() && ffi::PyDict_Next(keywords, &mut at, &mut key, &mut value) != 0 {
            let place = names.iter().position(|n| ffi::PyUnicode_CompareWithASCIIString(key, n.as_ptr()) == 0);
            let Some(slot) = place.and_then(|place| found.get_mut(place)) else {
                ffi::PyErr_Format(ffi::PyExc_TypeError, c"unexpected keyword argument %R".as_ptr(), key);
                return None;
            };
            if !slot.is_null() {
                ffi::PyErr_Format(ffi::PyExc_TypeError, c"argument %R was given twice".as_ptr(), key);
                return None;
            }
            *slot = value;
        }
        Some(found)
    }
}

/// An optional int argument.
///
/// # Safety
/// The GIL is held.
pub unsafe fn count(value: *mut ffi::PyObject, default: ffi::Py_ssize_t) -> Option<ffi::Py_ssize_t> {
    if value.is_null() {
        return Some(default);
    }
    // SAFETY: the GIL is held.
    unsafe {
        let number = ffi::PyNumber_AsSsize_t(value, ffi::PyExc_OverflowError);
        (number != -1 || ffi::PyErr_Occurred().is_null()).then_some(number)
    }
}

/// Whether an optional argument was left out or is None.
pub fn is_none(value: *mut ffi::PyObject) -> bool {
    // SAFETY: only the address of None is used.
    value.is_null() || value == unsafe { ffi::Py_None() }
}

/// Seconds as nanoseconds, saturating: infinity and more than 292 years are `FOREVER`.
///
/// # Safety
/// The GIL is held.
pub unsafe fn nanoseconds(seconds: *mut ffi::PyObject) -> Option<i64> {
    // SAFETY: the GIL is held.
    unsafe {
        let mut value = ffi::PyFloat_AsDouble(seconds);
        if value == -1.0 && !ffi::PyErr_Occurred().is_null() {
            if ffi::PyErr_ExceptionMatches(ffi::PyExc_OverflowError) == 0 {
                return None;
            }
            ffi::PyErr_Clear(); // an int beyond any float: its sign is all that counts
            let zero = ffi::PyLong_FromLong(0);
            let negative = ffi::PyObject_RichCompareBool(seconds, zero, ffi::Py_LT);
            ffi::Py_XDECREF(zero);
            match negative {
                0 => value = f64::INFINITY,
                1 => value = f64::NEG_INFINITY,
                _ => return None,
            }
        }
        if value.is_nan() || value < 0.0 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"seconds must not be negative or NaN".as_ptr());
            return None;
        }
        Some((value * 1e9) as i64) // `as` saturates
    }
}

/// A timeout as a deadline. Zero is "do not wait", NULL, None and infinity are "for ever".
///
/// # Safety
/// The GIL is held.
pub unsafe fn deadline(timeout: *mut ffi::PyObject) -> Option<i64> {
    if is_none(timeout) {
        return Some(abi::FOREVER);
    }
    // SAFETY: the GIL is held.
    unsafe {
        Some(match nanoseconds(timeout)? {
            0 => abi::NOWAIT,
            ns => abi::gmp_after_ns(ns),
        })
    }
}

/// The arguments of a lock's `acquire(blocking=True, timeout=-1)` as a deadline.
///
/// # Safety
/// As `parse`.
#[inline(always)]
pub unsafe fn acquire(
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> Option<i64> {
    if count == 0 && keywords.is_null() {
        return Some(abi::FOREVER);
    }
    // SAFETY: as the caller promises.
    unsafe { acquire_with(values, count, keywords) }
}

#[inline(never)]
unsafe fn acquire_with(
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> Option<i64> {
    // SAFETY: as `parse`.
    unsafe {
        let [blocking, timeout] = parse(values, count, keywords, [c"blocking", c"timeout"])?;
        let blocks = if blocking.is_null() { 1 } else { ffi::PyObject_IsTrue(blocking) };
        match blocks {
            1 => lock_deadline(timeout),
            0 => {
                if lock_deadline(timeout)? != abi::FOREVER {
                    let message = c"can't specify a timeout for a non-blocking call";
                    ffi::PyErr_SetString(ffi::PyExc_ValueError, message.as_ptr());
                    return None;
                }
                Some(abi::NOWAIT)
            }
            _ => None,
        }
    }
}

/// The timeout of a class with a twin in the standard library, as a deadline: there -1 too is "for ever", and what is
/// finite but beyond the clock is an OverflowError.
///
/// # Safety
/// The GIL is held.
pub unsafe fn lock_deadline(timeout: *mut ffi::PyObject) -> Option<i64> {
    if is_none(timeout) {
        return Some(abi::FOREVER);
    }
    // SAFETY: the GIL is held.
    unsafe {
        let value = ffi::PyFloat_AsDouble(timeout);
        if value == -1.0 {
            return ffi::PyErr_Occurred().is_null().then_some(abi::FOREVER);
        }
        if value.is_nan() || value < 0.0 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"timeout must be -1 or a non-negative number".as_ptr());
            return None;
        }
        let ns = value * 1e9;
        if value.is_finite() && ns >= i64::MAX as f64 {
            ffi::PyErr_SetString(ffi::PyExc_OverflowError, c"timeout is too large".as_ptr());
            return None;
        }
        Some(match ns {
            0.0 => abi::NOWAIT,
            f64::INFINITY => abi::FOREVER,
            ns => abi::gmp_after_ns((ns as i64).max(1)),
        })
    }
}
