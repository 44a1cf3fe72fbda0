"""Runs one of CPython's own test modules in a task, patched or not: cpython_in_task.py MODULE [--plain] [-v] [-x=PART ...] [NAME ...].

Tests whose name contains a PART are left out. Prints one line for every test that did not pass, then a count. What differs from a run with --plain, which uses neither
tasks nor patches, is in docs/TESTING.md.
"""

import faulthandler
import sys
import unittest

LIMIT = 1200  # seconds; then every thread's stack is printed and the process ends


class Result(unittest.TestResult):
    """Tells what it is at, so that a hang names its test."""

    def startTest(self, test):
        super().startTest(test)
        print("...", test.id(), file=sys.stderr, flush=True)


def flat(suite):
    for test in suite:
        yield from flat(test) if isinstance(test, unittest.TestSuite) else [test]


def run(module: str, names: list[str], left_out: list[str]) -> Result:
    prefix = "test." + module
    names = [f"{prefix}.{name}" for name in names] or [prefix]
    loaded = unittest.defaultTestLoader.loadTestsFromNames(names)
    # Sorted by class within a suite still, so that the fixtures of classes and modules run as they should.
    suite = unittest.TestSuite(t for t in flat(loaded) if not any(part in t.id() for part in left_out))
    result = Result()
    suite.run(result)
    return result


def main() -> int:
    arguments = sys.argv[1:]
    plain = "--plain" in arguments
    left_out = [a.removeprefix("-x=") for a in arguments if a.startswith("-x=")]
    module, *names = [a for a in arguments if not a.startswith("-")]
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    if plain:
        result = run(module, names, left_out)
    else:
        import gmp_py
        from gmp_py import monkey

        monkey.patch_all()
        result = gmp_py.run(run, module, names, left_out)
    for kind, found in (("FAIL", result.failures), ("ERROR", result.errors)):
        for test, text in found:
            print(kind, test.id())
            if "-v" in arguments:
                print(text)
    print(f"{result.testsRun} run, {len(result.failures) + len(result.errors)} failed, {len(result.skipped)} skipped")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
