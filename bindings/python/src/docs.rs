//! Names, signatures and documentation of the module's functions, as `help` shows them and the doctests run them.
//!
//! Owns: text only.

use std::ffi::CStr;

/// A function's name and its documentation, which opens with the signature.
pub type Entry = (&'static CStr, &'static CStr);

pub const GO: Entry = (
    c"go",
    c"go(fn, /, *args, name=None, stack_size=None, context=None)\n--\n\nStarts ``fn(*args)`` as a task.

Tasks take turns: one runs until it waits in this package, then another goes on. `threading.local` and context
variables start empty, as in a new thread.

Args:
    fn: Any callable.
    *args: Its arguments.
    name: A name for the task; shown in dumps.
    stack_size: Bytes of C stack it may use, rounded up; needed by code that recurses deeply in C. Stack that is not
        touched costs no memory. The default is what this interpreter needs to be safe; less is raised to it.
    context: The contextvars.Context to run in, such as ``contextvars.copy_context()``.

Returns:
    The task.

Raises:
    TypeError: An argument is of the wrong type.
    ValueError: stack_size is not positive, or larger than the runtime has.
    MemoryError: There is no memory for the task.
    Stopped: The interpreter is exiting.

Example:
    >>> import gmp_py
    >>> tasks = [gmp_py.go(pow, n, 2) for n in range(5)]
    >>> [task.join() for task in tasks]
    [0, 1, 4, 9, 16]
",
);

pub const RUN: Entry = (
    c"run",
    c"run(main, /, *args)\n--\n\nRuns ``main(*args)`` as a task and gives its result.

For the main thread, which goes on answering signals: Ctrl-C raises KeyboardInterrupt here. Other tasks go on when it
returns; those that still wait when the interpreter exits get TaskExit, so that their ``finally`` blocks run.

Args:
    main: Any callable.
    *args: Its arguments.

Returns:
    What main returned.

Raises:
    Misuse: Not called from the main thread, or from within another run.
    Stopped: The interpreter is exiting.
    BaseException: Whatever main or a signal handler raised.

Example:
    >>> import gmp_py
    >>> def main(name):
    ...     task = gmp_py.go(str.upper, name)
    ...     return 'hello ' + task.join()
    >>> gmp_py.run(main, 'world')
    'hello WORLD'
",
);

pub const CURRENT: Entry = (
    c"current",
    c"current()\n--\n\nGives the task that calls.

Returns:
    The running task, or None outside of Python tasks.

Example:
    >>> import gmp_py
    >>> gmp_py.current() is None
    True
    >>> gmp_py.go(lambda: gmp_py.current().name, name='me').join()
    'me'
",
);

pub const YIELD: Entry = (
    c"yield_",
    c"yield_()\n--\n\nLets other tasks run.

The caller goes on when those that were ready before it have had their turn. From a plain thread it lets other threads
run.

Example:
    >>> import gmp_py
    >>> order = []
    >>> def count(name):
    ...     for n in range(2):
    ...         order.append((name, n))
    ...         gmp_py.yield_()
    >>> for task in [gmp_py.go(count, 'a'), gmp_py.go(count, 'b')]:
    ...     task.join()
    >>> sorted(order)
    [('a', 0), ('a', 1), ('b', 0), ('b', 1)]
",
);

pub const SLEEP: Entry = (
    c"sleep",
    c"sleep(seconds, /)\n--\n\nWaits while others run.

Args:
    seconds: How long, as an int or float. Zero lets other tasks run once; infinity waits until the interpreter exits.

Raises:
    TypeError: seconds is not a number.
    ValueError: seconds is negative or NaN.

Example:
    >>> import gmp_py
    >>> gmp_py.sleep(0.001)
    >>> gmp_py.go(gmp_py.sleep, 0.001).join()
",
);

pub const CHECKPOINT: Entry = (
    c"checkpoint",
    c"checkpoint()\n--\n\nLets other tasks run if they have waited for long; for loops that compute.

Cheap when there is nothing to do. Does nothing outside of tasks.

Example:
    >>> import gmp_py
    >>> def total(n):
    ...     result = 0
    ...     for i in range(n):
    ...         result += i
    ...         if i % 100 == 0:
    ...             gmp_py.checkpoint()
    ...     return result
    >>> gmp_py.go(total, 1000).join()
    499500
",
);

pub const BLOCKING: Entry = (
    c"blocking",
    c"blocking(fn, /, *args, **kwargs)\n--\n\nCalls ``fn(*args, **kwargs)``, which is known to block for long.

The others are not held up by a blocking call in any case: it is noticed after a fraction of a millisecond. This says it
beforehand, so they go on about 20 microseconds after it has begun. It is for calls that block in foreign code; a call of
this package needs it not. From a plain thread it is a plain call.

Args:
    fn: Any callable.
    *args: Its arguments.
    **kwargs: Its keyword arguments.

Returns:
    What it returns; an exception of its own comes out as it is.

Example:
    >>> import gmp_py, os
    >>> ours, theirs = os.pipe()
    >>> task = gmp_py.go(gmp_py.blocking, os.read, ours, 5)
    >>> gmp_py.go(os.write, theirs, b'bytes').join()
    5
    >>> task.join()
    b'bytes'
    >>> os.close(ours); os.close(theirs)
",
);

pub const GO_NATIVE: Entry = (
    c"go_native",
    c"go_native(address, arg=0)\n--\n\nStarts a C function as a task: without the GIL, in parallel.

The function has the C type ``void *(*)(void *)``. It may call anything of gmprt.h. It may call back into Python,
where it cannot start tasks or wait (Misuse). The caller keeps the function and what `arg` points to alive until the
task has ended.

Args:
    address: The function's address, as from ctypes, cffi or numba.cfunc.
    arg: The pointer to hand to it.

Returns:
    The task; its `join` gives the returned pointer as an int.

Raises:
    TypeError: address or arg is not an int.
    ValueError: address is 0.
    OverflowError: address or arg is no pointer.
    Stopped: The interpreter is exiting.

Example:
    >>> import ctypes, gmp_py
    >>> labs = ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value
    >>> gmp_py.go_native(labs, 42).join()
    42
",
);

pub const MAX_PROCS: Entry = (
    c"max_procs",
    c"max_procs(n=None)\n--\n\nGives, and with `n` sets, how many tasks run at the same instant.

At most one of them is a Python task, which the GIL sees to; native tasks use the others.

Args:
    n: The new number of processors; None leaves it.

Returns:
    The number before the call.

Raises:
    TypeError: n is not an int.
    ValueError: n is not positive.

Example:
    >>> import gmp_py
    >>> before = gmp_py.max_procs(3)
    >>> gmp_py.max_procs(before)
    3
",
);

pub const NUM_TASKS: Entry = (
    c"num_tasks",
    c"num_tasks()\n--\n\nCounts the tasks of this process that have not ended, native ones included.

Example:
    >>> import gmp_py
    >>> task = gmp_py.go(gmp_py.sleep, 0.05)
    >>> gmp_py.num_tasks() >= 1
    True
    >>> task.join()
",
);

pub const GO_CHILD: Entry = (
    c"_go_child",
    c"_go_child(on_error, fn, /, *args, name=None, stack_size=None, context=None)\n--\n\nAs go; on_error gets the error.",
);

pub const MASKED: Entry =
    (c"_masked", c"_masked(fn, /, *args)\n--\n\nCalls fn(*args); only its waits may be interrupted meanwhile.");

pub const AT_EXIT: Entry = (c"_at_exit", c"_at_exit()\n--\n\nEnds the tasks when the interpreter exits.");

pub const LOOK: Entry = (c"_look", c"_look()\n--\n\nGives the runtime's dump and the frames of every Python task.");

pub const STATS: Entry = (c"_stats", c"_stats()\n--\n\nGives the runtime's numbers by name.");

pub const TRACE_START: Entry = (c"_trace_start", c"_trace_start(path, /)\n--\n\nBegins a trace into a file.");
pub const TRACE_STOP: Entry = (c"_trace_stop", c"_trace_stop()\n--\n\nEnds the trace.");
