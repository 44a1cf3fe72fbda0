//! The extension module: refuses what it cannot serve, then fills itself.
//!
//! Owns: the order of start-up. Runs once, at import, in the main interpreter. The only user of PyO3 beyond its C
//! declarations, since nothing here waits in the runtime.

use crate::{
    abi, blocking, calls, chan_type, errors, exit, identity, inspect, later, lock_types, net, scope_type, select,
    shield, shim, stream_type, target, task_type, timer_type, trace, wait, wish,
};
use pyo3::exceptions::{PyImportError, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

/// Not importable outside of its package: see `gmp_py`.
#[pymodule(gil_used = true)]
#[pyo3(name = "_gmp")]
fn gmp(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    refuse_subinterpreter()?;
    refuse_other_runtime()?;
    // SAFETY: the GIL is held.
    if unsafe { errors::make() != 0 || target::make() != 0 } {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: called once, before any task exists.
    let code = unsafe { shim::shim_init() };
    if code != 0 {
        return Err(PyImportError::new_err(format!("this interpreter cannot run tasks ({})", message(code))));
    }
    let threading = py.import("threading")?;
    let main_ident: u64 = threading.call_method0("main_thread")?.getattr("ident")?.extract()?;
    wait::set_main_thread(main_ident);
    // SAFETY: the GIL is held; the handler is async-signal-safe and lives as long as the process.
    unsafe {
        exit::set_threading(threading.dict().as_ptr());
        if libc::pthread_atfork(None, None, Some(exit::after_fork)) != 0 {
            return Err(PyRuntimeError::new_err("pthread_atfork failed"));
        }
    }
    add_types(module)?;
    add_functions(module)?;
    // SAFETY: the GIL is held; NULL means an exception is set.
    module.add("_C_API", unsafe { Bound::from_owned_ptr_or_err(py, shim::shim_capsule()) }?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("runtime_version", text(runtime_version()))?;
    module.delattr("__all__")?; // PyO3 keeps one; the package's is the one that counts
    py.import("atexit")?.call_method1("register", (module.getattr("_at_exit")?,))?;
    Ok(())
}

fn runtime_version() -> &'static CStr {
    // SAFETY: the runtime's version is a string that lives as long as the library, which is never unloaded.
    unsafe { CStr::from_ptr(abi::gmp_version_string()) }
}

fn text(string: &CStr) -> String {
    string.to_string_lossy().into_owned()
}

fn message(code: i32) -> String {
    // SAFETY: never NULL, for any code.
    text(unsafe { CStr::from_ptr(abi::gmp_strerror(code)) })
}

/// The task class and its machines belong to the process; so do the types that this module makes.
fn refuse_subinterpreter() -> PyResult<()> {
    // SAFETY: the GIL is held.
    if unsafe { ffi::PyInterpreterState_Get() != ffi::PyInterpreterState_Main() } {
        return Err(PyImportError::new_err("gmp_py works in the main interpreter only, not in subinterpreters"));
    }
    Ok(())
}

/// Two runtimes in one process would each believe that they own its tasks; an older one lacks what is called here.
fn refuse_other_runtime() -> PyResult<()> {
    // SAFETY: no precondition.
    let found = unsafe { abi::gmp_abi_version() };
    if found >> 16 != abi::ABI_VERSION >> 16 || found < abi::ABI_VERSION {
        return Err(PyImportError::new_err(format!(
            "libgmprt has interface {}.{}, gmp_py needs {}.{}",
            found >> 16,
            found & 0xffff,
            abi::ABI_VERSION >> 16,
            abi::ABI_VERSION & 0xffff
        )));
    }
    if let Some(path) = second_runtime() {
        return Err(PyImportError::new_err(format!(
            "a second copy of the gmp runtime is loaded: {path}; one process can have one only. \
             Link extensions to libgmprt.so.0 in gmp_py.get_library_dir()"
        )));
    }
    Ok(())
}

/// The first loaded library that has, or brings, a runtime other than ours.
fn second_runtime() -> Option<String> {
    let ours = abi::gmp_abi_version as *const () as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let libraries: BTreeSet<&str> =
        maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..])).filter(|p| p.contains(".so")).collect();
    let other = libraries.iter().find(|path| runtime_of(path).is_some_and(|found| found != ours));
    other.map(ToString::to_string)
}

/// Where `gmp_abi_version` lies for someone who looks it up in a loaded library.
fn runtime_of(path: &str) -> Option<usize> {
    let path = CString::new(path).ok()?;
    // SAFETY: RTLD_NOLOAD runs no initialiser; the handle is given back after its last use.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if library.is_null() {
            return None;
        }
        let symbol = libc::dlsym(library, c"gmp_abi_version".as_ptr());
        libc::dlclose(library);
        (!symbol.is_null()).then_some(symbol as usize)
    }
}

fn add_types(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    // SAFETY: the GIL is held, once a process.
    let task = unsafe { task_type::make() } as *mut ffi::PyObject;
    // SAFETY: as above.
    let stream = unsafe { stream_type::make() } as *mut ffi::PyObject;
    // SAFETY: as above.
    let scope = unsafe { scope_type::make() } as *mut ffi::PyObject;
    // SAFETY: as above.
    let shield = unsafe { shield::make() } as *mut ffi::PyObject;
    // SAFETY: as above.
    let later = unsafe { later::make() } as *mut ffi::PyObject;
    let types = [
        ("Task", task),
        ("cancel_scope", scope),
        ("_Shield", shield),
        ("_Later", later),
        ("Stream", stream),
        ("GmpError", errors::GMP_ERROR.get()),
        ("Stopped", errors::STOPPED.get()),
        ("Misuse", errors::MISUSE.get()),
        ("TaskExit", errors::TASK_EXIT.get()),
        ("Cancelled", errors::CANCELLED.get()),
        ("ChannelClosed", errors::CHANNEL_CLOSED.get()),
    ];
    // SAFETY: as above.
    let locks = unsafe { lock_types::make() };
    // SAFETY: as above.
    let chans = unsafe {
        [
            ("Chan", chan_type::make()),
            ("Case", wish::make()),
            ("Timer", timer_type::make_timer()),
            ("Ticker", timer_type::make_ticker()),
        ]
    };
    for (name, object) in types.into_iter().chain(locks).chain(chans.map(|(name, made)| (name, made as *mut _))) {
        // SAFETY: the types were made above and are kept for ever by their statics; NULL means an exception is set.
        let object = unsafe { Bound::from_borrowed_ptr_or_err(py, object) }?;
        module.add(name, object)?;
    }
    Ok(())
}

fn add_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let package = pyo3::types::PyString::new(py, "gmp_py");
    let tables = [
        blocking::methods(),
        calls::methods(),
        net::methods(),
        identity::methods(),
        inspect::methods(),
        select::methods(),
        timer_type::methods(),
        trace::methods(),
    ];
    for method in tables.into_iter().flat_map(|table| table.iter_mut()) {
        // SAFETY: the table is never freed; the module name is a str.
        let function = unsafe {
            let raw = ffi::PyCFunction_NewEx(method, std::ptr::null_mut(), package.as_ptr());
            Bound::from_owned_ptr_or_err(py, raw)?
        };
        module.add(function.getattr("__name__")?.extract::<String>()?.as_str(), function)?;
    }
    Ok(())
}
