"""One of CPython's own test modules in this process: cpython_child.py MODE MODULE OUT [-x=PART ...] [-d=TEST ...] [TEST ...].

MODE is `plain`, `main` (patched, in the main thread), `task` (patched, in a task) or `bare` (in a task, nothing patched). Tests whose id contains a PART are
left out, as are those that are done; with TESTs only those are run. OUT gets a line when a test begins and one with its outcome when it ends, so that
a reader knows where a process was that hung or died. cpython_patched.py compares such files.
"""

import sys
import unittest


class Result(unittest.TestResult):
    """Writes what happens; the worst of a test's subtests is the test's."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.outcome = ""

    def tell(self, *words):
        print(*words, sep="\t", file=self.out, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.outcome = "ok"
        self.tell("begin", test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self.tell("end", test.id(), self.outcome)
        # A test that is over is not to keep its threads and sockets alive.
        self.failures.clear()
        self.errors.clear()

    def _bad(self, outcome, test, error):
        self.outcome = outcome
        text = self._exc_info_to_string(error, test)
        print(f"{outcome.upper()} {test.id()}\n{text}", file=sys.stderr, flush=True)
        if not isinstance(test, unittest.TestCase):  # the fixture of a class or a module
            self.tell("end", test.id(), outcome)

    def addError(self, test, error):
        self._bad("error", test, error)

    def addFailure(self, test, error):
        self._bad("fail", test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._bad("fail" if issubclass(error[0], test.failureException) else "error", test, error)

    def addSkip(self, test, reason):
        self.outcome = "skip"
        if not isinstance(test, unittest.TestCase):
            self.tell("end", test.id(), "skip")

    def addExpectedFailure(self, test, error):
        self.outcome = "expected failure"

    def addUnexpectedSuccess(self, test):
        self.outcome = "unexpected success"


def flat(suite):
    for test in suite:
        yield from flat(test) if isinstance(test, unittest.TestSuite) else [test]


def run(module, out, left_out, done, only):
    from test import support

    # What needs the network or huge files is left out in every mode.
    support.use_resources = ("cpu", "subprocess", "walltime")
    try:
        loaded = unittest.defaultTestLoader.loadTestsFromName("test." + module)
    except unittest.SkipTest:
        loaded = unittest.TestSuite()
    tests = [t for t in flat(loaded) if not any(part in t.id() for part in left_out)]
    suite = unittest.TestSuite(t for t in tests if t.id() not in done and (not only or t.id() in only))
    with open(out, "a") as file:
        result = Result(file)
        suite.run(result)
        result.tell("done")


def main():
    mode, module, out, *rest = sys.argv[1:]
    left_out = [word.removeprefix("-x=") for word in rest if word.startswith("-x=")]
    done = {word.removeprefix("-d=") for word in rest if word.startswith("-d=")}
    only = {word for word in rest if not word.startswith("-")}
    if mode == "plain":
        run(module, out, left_out, done, only)
        return
    import gmp_py

    if mode == "bare":
        gmp_py.run(run, module, out, left_out, done, only)
        return
    from gmp_py import monkey

    monkey.patch_all()
    if mode == "main":
        run(module, out, left_out, done, only)
    else:
        gmp_py.run(run, module, out, left_out, done, only)


if __name__ == "__main__":
    main()
