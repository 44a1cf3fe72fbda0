"""How the process ends while tasks are alive: finally blocks run, the exit status stays, nothing hangs or crashes."""

import pytest
from support import child, ok

TASKS = {
    "sleeping": "gmp_py.sleep(1000)",
    "sleeping for ever": "gmp_py.sleep(float('inf'))",
    "joining": "sleeper.join()",
    "joining with a timeout": "sleeper.join(1000)",
    # 3.11 and 3.12 raise it outside of the try when a loop is the first thing in there.
    "yielding": "n = 0\n    while True: gmp_py.yield_()",
    "spinning": "n = 0\n    while True: n += 1",
    "in a generator": "list(gmp_py.sleep(1000) for _ in range(3))",
    "below C": "sorted([2, 1], key=lambda _: gmp_py.sleep(1000))",
}

SCRIPT = """
import sys, gmp_py
sleeper = gmp_py.go(gmp_py.sleep, 1000)
started = []
def work():
  started.append(1)
  try:
    {body}
  except BaseException as error:
    print('raised', type(error).__name__)
    raise
  finally:
    print('finally', flush=True)
task = gmp_py.go(work)
while not started:
    gmp_py.yield_()
{end}
"""


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("what", TASKS)
def test_finally_runs_in_a_task_that_is(what, options):
    out = ok(SCRIPT.format(body=TASKS[what], end=""), *options)
    assert out == "raised TaskExit\nfinally\n"


@pytest.mark.parametrize("end, status", [("sys.exit(3)", 3), ("raise SystemExit", 0), ("1 / 0", 1)])
def test_the_exit_status_stays(end, status):
    done = child(SCRIPT.format(body=TASKS["sleeping"], end=end))
    assert (done.returncode, done.stdout) == (status, "raised TaskExit\nfinally\n")
    assert ("ZeroDivisionError" in done.stderr) == (end == "1 / 0")


def test_many_parked_tasks_at_exit():
    out = ok(
        """
        import gmp_py
        ended = []
        def work(n):
            try:
                gmp_py.sleep(1000) if n % 2 else gate.join()
            finally:
                ended.append(n)
        gate = gmp_py.go(gmp_py.sleep, 1000)
        tasks = [gmp_py.go(work, n) for n in range(2000)]
        import atexit
        gmp_py.go(lambda: None).join()
        class Last:
            def __del__(self, ended=ended, write=print):
                write(len(ended))
        last = Last()
        """
    )
    assert out == "2000\n"


def test_tasks_that_have_not_started_never_run():
    out = ok(
        """
        import sys, gmp_py
        sys.setswitchinterval(1000)  # nobody takes the GIL from the main thread
        for _ in range(10):
            gmp_py.go(print, 'never')
        """
    )
    assert out == ""


def test_clean_up_may_wait():
    out = ok(
        """
        import gmp_py
        def work():
            started.append(1)
            try:
                gmp_py.sleep(1000)
            finally:
                gmp_py.sleep(0.01)
                gmp_py.yield_()
                print('cleaned up', flush=True)
        started = []
        task = gmp_py.go(work)
        while not started:
            gmp_py.yield_()
        """
    )
    assert out == "cleaned up\n"


STUBBORN = {
    "sleeps again": "try: gmp_py.sleep(1000)\n    except BaseException: pass",
    "spins on": "try:\n      n = 0\n      while True: n += 1\n    except BaseException: pass",
    "yields on": "try: gmp_py.yield_()\n    except BaseException: pass",
    "blocks": "time.sleep(1000)",
    "blocks in a callback": "sorted([1], key=lambda _: time.sleep(1000))",
}


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("what", STUBBORN)
def test_a_task_that_will_not_end_is_left_behind(what, options):
    out = ok(
        f"""
import sys, time, gmp_py
def work():
  started.append(1)
  while True:
    {STUBBORN[what]}
started = []
tasks = [gmp_py.go(work) for _ in range(3)]
while not started:
    gmp_py.yield_()
print('end', flush=True)
""",
        *options,
    )
    assert out == "end\n"


def test_go_is_refused_while_exiting():
    out = ok(
        """
        import gmp_py
        def work():
            started.append(1)
            try:
                gmp_py.sleep(1000)
            finally:
                for start in (lambda: gmp_py.go(int), lambda: gmp_py.go_native(1)):
                    try:
                        start()
                    except gmp_py.Stopped as error:
                        print('Stopped:', error, flush=True)
        started = []
        task = gmp_py.go(work)
        while not started:
            gmp_py.yield_()
        """
    )
    assert out == 2 * "Stopped: the interpreter is exiting: no new tasks\n"


def test_calls_after_the_end_do_not_hang():
    out = ok(
        """
        import atexit
        def late():
            print(gmp_py.current(), gmp_py.num_tasks() >= 1)
            gmp_py.yield_()
            gmp_py.sleep(0.001)
            for call in (lambda: gmp_py.go(int), lambda: gmp_py.run(int), stubborn.join, lambda: stubborn.join(5)):
                try:
                    call()
                except gmp_py.Stopped:
                    print('Stopped')
        atexit.register(late)  # runs after gmp_py's own
        import gmp_py
        def hold():
            started.append(1)
            while True:
                try:
                    gmp_py.sleep(1000)
                except BaseException:
                    pass
        started = []
        stubborn = gmp_py.go(hold)
        while not started:
            gmp_py.yield_()
        """
    )
    assert out == "None True\n" + 4 * "Stopped\n"


def test_a_daemon_thread_that_joins_at_exit():
    out = ok(
        """
        import threading, gmp_py
        task = gmp_py.go(gmp_py.sleep, 1000)
        threading.Thread(target=task.exception, daemon=True).start()
        print('end')
        """
    )
    assert out == "end\n"


def test_exit_from_within_a_task():
    out = child("import gmp_py, sys; gmp_py.run(lambda: gmp_py.go(sys.exit, 5).join())")
    assert (out.returncode, out.stdout, out.stderr) == (5, "", "")
    out = child("import gmp_py, os; gmp_py.run(os._exit, 6)")
    assert out.returncode == 6


def test_importing_alone_starts_nothing():
    out = ok("import gmp_py, os; print(len(os.listdir('/proc/self/task')), gmp_py.num_tasks())")
    assert out == "1 0\n"
