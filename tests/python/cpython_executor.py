"""Runs CPython's own tests of thread pools on `gmp_py.Executor`: cpython_executor.py [--task] [-v] [NAME ...].

With --task the tests themselves run in a task. Prints one line for every test that did not pass, then a count. An
installation that lacks these tests finds them in Debian's package of them, or in the directory of tests that
GMP_CPYTHON_TESTS names; where there are none it ends with status 77.
"""

import concurrent.futures
import faulthandler
import importlib
import os
import re
import sys
import test
import test.support
import unittest

import gmp_py

LIMIT = 300  # seconds; then every thread's stack is printed and the process ends
NO_TESTS = 77
MODULES = ["executor", "util", "test_thread_pool", "test_init", "test_shutdown", "test_wait", "test_as_completed", "test_future"]

THREADS = "looks at the pool's threads; there are none"
# What is known to differ, and why. It only gets shorter.
LEFT_OUT = {
    "ThreadPoolExecutorTest.test_saturation": THREADS,
    "ThreadPoolExecutorTest.test_idle_thread_reuse": THREADS,
    "ThreadPoolShutdownTest.test_threads_terminate": THREADS,
    "ThreadPoolShutdownTest.test_context_manager_shutdown": THREADS,
    "ThreadPoolShutdownTest.test_del_shutdown": THREADS,
    "ThreadPoolShutdownTest.test_shutdown_no_wait": THREADS,
    "ThreadPoolShutdownTest.test_thread_names_assigned": THREADS,
    "ThreadPoolShutdownTest.test_thread_names_default": THREADS,
}
if sys.version_info < (3, 12):
    # 3.12's and later ones allow both.
    name = "ThreadPoolShutdownTest.test_cancel_futures_wait_false"
    LEFT_OUT[name] = "a call that has not begun is cancelled, in an executor without a limit too"

if "--task" in sys.argv:
    LEFT_OUT["ThreadPoolShutdownTest.test_hang_gh94440"] = "calls signal.signal, which is for the main thread"


class TaskExecutor(gmp_py.Executor):
    """With the name that the tests know the argument by."""

    def __init__(self, max_workers=None, **kwargs):
        try:
            super().__init__(max_workers, **kwargs)
        except ValueError as error:
            raise ValueError(str(error).replace("max_tasks", "max_workers")) from None


def translate(script: str) -> str:
    """A script that a test gives to another interpreter, with our executor in it."""
    script = re.sub(r"from concurrent.futures import (\w+Executor)\n", r"from gmp_py import Executor as \1\n", script)
    return f"import sys, test; test.__path__[:] = {list(test.__path__)!r}\n" + script.replace("max_workers=", "max_tasks=")


def load() -> list:
    """The modules of the tests, with our executor and our future in the place of theirs."""
    test.__path__.append(os.environ.get("GMP_CPYTHON_TESTS", f"/usr/lib/python3.{sys.version_info[1]}/test"))
    test.support.__dict__.setdefault("Py_GIL_DISABLED", False)
    try:
        package = importlib.import_module("test.test_concurrent_futures")
    except ImportError:
        print("this python has no test.test_concurrent_futures")
        sys.exit(NO_TESTS)
    is_package = hasattr(package, "__path__")
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in MODULES] if is_package else [package]
    future = type(gmp_py.Executor().submit(int))
    concurrent.futures.ThreadPoolExecutor = TaskExecutor
    for module in modules:
        if hasattr(module, "ThreadPoolMixin"):
            module.ThreadPoolMixin.executor_type = TaskExecutor
        if hasattr(module, "Future"):
            module.Future = future
        if hasattr(module, "assert_python_ok"):
            own = module.assert_python_ok
            module.assert_python_ok = lambda *args, own=own: own(*map(translate_if_script, args))
    return modules


def translate_if_script(argument: str) -> str:
    return argument if argument == "-c" else translate("if True:\n" + argument if argument[0] == " " else argument)


def flat(suite):
    for found in suite:
        yield from flat(found) if isinstance(found, unittest.TestSuite) else [found]


def is_ours(found: unittest.TestCase) -> bool:
    return not re.search(r"ProcessPool|Deadlock|FailingInitializerResources", type(found).__name__)


class Result(unittest.TestResult):
    """Tells what it is at, so that a hang names its test."""

    def startTest(self, test):
        super().startTest(test)
        print("...", test.id(), file=sys.stderr, flush=True)


def run(names: list[str]) -> Result:
    found = {}
    for module in load():
        for each in flat(unittest.defaultTestLoader.loadTestsFromModule(module)):
            name = ".".join(each.id().split(".")[-2:])
            if is_ours(each) and (not names or any(part in name for part in names)):
                found[name] = each
    if not names:
        missing = {name for name in LEFT_OUT if LEFT_OUT[name] == THREADS} - found.keys()
        assert not missing, f"left out, but not there: {missing}"
    for name in LEFT_OUT:
        found.pop(name, None)
    result = Result()
    unittest.TestSuite(found.values()).run(result)
    return result


def main() -> int:
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    result = gmp_py.run(run, names) if "--task" in sys.argv else run(names)
    for found, text in result.failures + result.errors:
        print("FAIL", ".".join(found.id().split(".")[-2:]))
        if "-v" in sys.argv:
            print(text)
    print(f"{result.testsRun} run, {len(result.failures) + len(result.errors)} failed, {len(result.skipped)} skipped")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
