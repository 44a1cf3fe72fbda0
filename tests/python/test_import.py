"""Importing: interrupted anywhere, in every mode of the interpreter, from any thread."""

import subprocess
import sys

import pytest
from support import HANG, ok

# At the n-th module that the import looks for, Ctrl-C comes. Then once more, undisturbed, and a task must run.
INTERRUPTED = """
import os, sys, warnings
warnings.simplefilter('ignore')
def attempt(n):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event == 'import' and seen >= 0:
            seen += 1
            if seen == n:
                seen = -1
                raise KeyboardInterrupt
    sys.addaudithook(hook)
    try:
        import gmp_py
        return 9  # n modules are not looked for
    except KeyboardInterrupt:
        pass
    import gmp_py
    assert gmp_py.run(lambda: gmp_py.go(int, '5').join()) == 5
    return 0
n, status = 0, 0
while status == 0:
    n += 1
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = attempt(n)
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(n, status)
"""


def test_ctrl_c_at_any_moment_of_the_import_leaves_a_second_import_possible():
    moments, status = map(int, ok(INTERRUPTED).split())
    assert status == 9, f"interrupted at module {moments}: exit {status}"
    assert moments > 5


MODES = [("-X", "dev", "-W", "error"), ("-OO",), ("-I", "-S"), ("-E", "-s", "-P"), ("-X", "importtime"), ("-b", "-b"), ("-u", "-v")]


@pytest.mark.parametrize("options", MODES, ids=" ".join)
def test_every_mode_of_the_interpreter(options):
    script = "import sys; sys.path += %r; import gmp_py; print(gmp_py.go(int, '3').join())" % [
        path for path in sys.path if path.endswith("site-packages")
    ]
    done = subprocess.run([sys.executable, *options, "-c", script], capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert done.stderr == "" or options in (("-X", "importtime"), ("-u", "-v"))


def test_the_first_import_may_be_a_threads_or_many_threads():
    out = ok(
        """
        import threading
        def work():
            import gmp_py
            results.append(gmp_py.go(int, '3').join())
        results = []
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        import gmp_py
        print(results == [3] * 8, gmp_py.run(lambda: 4))
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert out == "True 4\n"
