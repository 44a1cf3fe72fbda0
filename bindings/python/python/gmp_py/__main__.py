"""``python -m gmp_py``: what is installed, how it is configured, and whether it works."""

import platform
import sys

import gmp_py
from gmp_py import _gmp


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


def main() -> int:
    """Prints the configuration and the result of every check; 1 when one failed."""
    for name, value in configuration():
        print(f"{name:10} {value}")
    failed = 0
    for check in (check_tasks, check_errors, check_sleep, check_native):
        try:
            check()
            result = "ok"
        except Exception as error:
            result = f"FAILED: {error!r}"
            failed += 1
        print(f"{check.__name__:13} {result}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
