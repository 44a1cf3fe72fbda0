"""``python -m gmp_py``: what is installed, how it is configured, and whether it works."""

import faulthandler
import os
import platform
import sys
import warnings

import gmp_py
from gmp_py import _gmp


HANG = 60  # seconds; then the stacks are printed and the check has failed


def configuration() -> list[tuple[str, str]]:
    """Gives what a report of a problem should contain, as name and value."""
    return [
        ("gmp_py", gmp_py.__version__),
        ("runtime", _gmp.runtime_version),
        ("python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("platform", platform.platform()),
        ("library", gmp_py.get_library_dir()),
        ("include", gmp_py.get_include()),
        ("max_procs", str(gmp_py.max_procs())),
        ("threads", str(gmp_py.stats().threads)),
    ]


def check_tasks() -> None:
    """Tasks run, wait for each other and give results."""

    def square(n: int) -> int:
        gmp_py.yield_()
        return n * n

    def main() -> int:
        return sum(task.join() for task in [gmp_py.go(square, n) for n in range(100)])

    assert gmp_py.run(main) == 328350


def check_errors() -> None:
    """An exception comes out of join with its traceback."""

    def fail() -> None:
        raise KeyError("expected")

    error = gmp_py.go(fail).exception()
    assert isinstance(error, KeyError) and error.__traceback__ is not None


def check_sleep() -> None:
    """Sleeping tasks sleep at the same time."""
    order: list[int] = []

    def nap(n: int) -> None:
        gmp_py.sleep(n / 100)
        order.append(n)

    for task in [gmp_py.go(nap, n) for n in (3, 1, 2)]:
        task.join()
    assert order == [1, 2, 3]


def check_native() -> None:
    """A C function runs as a task."""
    import ctypes

    labs = ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value
    assert labs is not None and gmp_py.go_native(labs, 42).join() == 42


def check_chan() -> None:
    """Values go from task to task in their order, and the end of them too."""

    def produce(chan: gmp_py.Chan[int]) -> None:
        for n in range(10):
            chan.send(n)
        chan.close()

    chan = gmp_py.Chan[int](3)
    gmp_py.go(produce, chan)
    assert gmp_py.run(list, chan) == list(range(10))


def check_blocking() -> None:
    """A task that blocks in foreign code, knowing nothing of tasks, keeps no other one waiting."""
    read, write = os.pipe()
    blocked = gmp_py.go(os.read, read, 1)
    gmp_py.go(os.write, write, b"x").join()
    assert blocked.join() == b"x"
    os.close(read)
    os.close(write)


def check_fork() -> None:
    """The child of a fork begins with an empty runtime, which works."""

    def fork() -> int:
        parked = gmp_py.go(gmp_py.sleep, 0.01)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if gmp_py.num_tasks() == 0 and gmp_py.go(int, "3").join() == 3 else 1)
        parked.join()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of a fork beside threads
        assert gmp_py.run(fork) == 0


CHECKS = (check_tasks, check_errors, check_sleep, check_native, check_chan, check_blocking, check_fork)


def main() -> int:
    """Prints the configuration and the result of every check; 1 when one failed."""
    for name, value in configuration():
        print(f"{name:14} {value}", flush=True)
    failed = 0
    faulthandler.dump_traceback_later(HANG, exit=True)
    for check in CHECKS:
        try:
            check()
            result = "ok"
        except (Exception, gmp_py.Cancelled, gmp_py.TaskExit) as error:
            result = f"FAILED: {error!r}"
            failed += 1
        print(f"{check.__name__:14} {result}", flush=True)  # before the next one may fork
    faulthandler.cancel_dump_traceback_later()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
