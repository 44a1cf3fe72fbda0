"""run: its result, its rules, and signals while it waits."""

import signal
import subprocess
import sys
import textwrap
import threading

import gmp_py
import pytest
from support import HANG, in_task, ok


def test_run_gives_the_result_of_main():
    assert gmp_py.run(lambda *args: args, 1, 2) == (1, 2)
    assert gmp_py.run(lambda: gmp_py.current() is not None) is True


def test_run_raises_what_main_raises():
    def fail():
        gmp_py.yield_()
        raise KeyError("main")

    with pytest.raises(KeyError, match="main"):
        gmp_py.run(fail)
    with pytest.raises(SystemExit) as caught:
        gmp_py.run(sys.exit, 7)
    assert caught.value.code == 7


def test_run_returns_when_main_returns_and_others_go_on():
    def main():
        return gmp_py.go(lambda: gmp_py.sleep(0.02) or "later")

    assert gmp_py.run(main).join() == "later"


def test_wrong_arguments_of_run():
    with pytest.raises(TypeError, match="function"):
        gmp_py.run()
    with pytest.raises(TypeError, match="not callable"):
        gmp_py.run("main")
    with pytest.raises(TypeError):
        gmp_py.run(main=int)


def test_run_is_for_the_main_thread_and_does_not_nest():
    def nested():
        with pytest.raises(gmp_py.Misuse, match="main thread"):
            gmp_py.run(int)
        return "fine"

    assert gmp_py.run(nested) == "fine"
    results = []

    def elsewhere():
        try:
            gmp_py.run(int)
        except gmp_py.Misuse as error:
            results.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert results == ["run is for the main thread"]
    assert gmp_py.run(int) == 0


def test_run_within_a_handler_of_run_is_misuse():
    seen = []

    def handler(signum, frame):
        try:
            gmp_py.run(int)
        except gmp_py.Misuse as error:
            seen.append(str(error))

    before = signal.signal(signal.SIGUSR1, handler)
    try:

        def main():
            signal.raise_signal(signal.SIGUSR1)
            while not seen:
                gmp_py.sleep(0.001)

        gmp_py.run(main)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["run does not nest"]


class Poke(Exception):
    pass


@pytest.mark.parametrize("wait", ["run", "join", "sleep", "exception"])
def test_what_a_handler_raises_comes_out_of_the_wait(wait):
    def handler(signum, frame):
        raise Poke

    before = signal.signal(signal.SIGALRM, handler)
    stop = []

    def main():
        while not stop:
            gmp_py.sleep(0.001)

    try:
        task = gmp_py.go(main)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Poke):
            if wait == "run":
                gmp_py.run(main)
            elif wait == "sleep":
                gmp_py.sleep(HANG)
            else:
                getattr(task, wait)()
        assert not task.done()
    finally:
        stop.append(True)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    task.join()


def test_a_handler_that_returns_does_not_end_the_wait():
    calls = []
    before = signal.signal(signal.SIGALRM, lambda *_: calls.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)

        def main():
            while len(calls) < 3:
                gmp_py.sleep(0.001)
            return "done"

        assert gmp_py.run(main) == "done"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


MAINS = {
    "spinning": "while True: pass",
    "spinning with calls": "while True: len('x')",
    "yielding": "while True: gmp_py.yield_()",
    "yielding beside others": "[gmp_py.go(yield_for_ever) for _ in range(10)]; yield_for_ever()",
    "spinning with checkpoints": "while True: gmp_py.checkpoint()",
    "sleeping": "gmp_py.sleep(float('inf'))",
    "joining": "gmp_py.go(gmp_py.sleep, float('inf')).join()",
    "blocking": "time.sleep(1000)",
}


@pytest.mark.parametrize("what", MAINS)
def test_ctrl_c_ends_run(what):
    script = textwrap.dedent(
        f"""
        import sys, time, gmp_py
        def yield_for_ever():
            while True: gmp_py.yield_()
        def main():
            print('ready', flush=True)
            {MAINS[what]}
        try:
            gmp_py.run(main)
        except KeyboardInterrupt:
            print('interrupted', flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    finally:
        process.kill()
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


def test_an_uncaught_ctrl_c_ends_the_process_by_the_signal():
    script = "import gmp_py; gmp_py.run(lambda: print('ready', flush=True) or gmp_py.sleep(1000))"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANG)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("main", ["gmp_py.sleep(1000)", "[None for _ in iter(int, 1)]", "gmp_py.go(gmp_py.sleep, 1000).join()"])
def test_an_interrupted_main_is_cancelled_and_cleans_up_first(main):
    out = ok(
        f"""
        import signal, gmp_py
        def main():
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            try:
                {main}
            except gmp_py.Cancelled:
                gmp_py.sleep(0.001)
                print('cleaned up')
                raise
        class Poke(Exception): pass
        def handler(*_):
            raise Poke
        signal.signal(signal.SIGALRM, handler)
        try:
            gmp_py.run(main)
        except Poke:
            print('Poke came out of run')
        print(gmp_py.run(pow, 2, 3))
        """
    )
    assert out == "cleaned up\nPoke came out of run\n8\n"


def test_a_main_that_does_not_clean_up_is_not_waited_for():
    out = ok(
        """
        import signal, time, gmp_py
        def main():
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            while True:
                try:
                    gmp_py.sleep(1000)
                except gmp_py.Cancelled:
                    pass
        def handler(*_):
            raise KeyError
        signal.signal(signal.SIGALRM, handler)
        try:
            gmp_py.run(main)
        except KeyError:
            print('KeyError')
        """
    )
    assert out == "KeyError\n"


def test_signal_handlers_run_in_the_main_thread():
    out = ok(
        """
        import os, signal, threading, gmp_py
        seen = []
        def handler(signum, frame):
            seen.append(threading.current_thread() is threading.main_thread())
        signal.signal(signal.SIGUSR1, handler)
        def main():
            os.kill(os.getpid(), signal.SIGUSR1)
            while not seen:
                gmp_py.yield_()
        gmp_py.run(main)
        print(seen)
        """
    )
    assert out == "[True]\n"


def test_a_task_that_is_no_main_can_join_run_s_siblings():
    def main():
        gate = gmp_py.go(gmp_py.sleep, 0.01)
        return [task.join() for task in [gmp_py.go(gate.join) for _ in range(3)]]

    assert gmp_py.run(main) == [None] * 3
    assert in_task(main) == [None] * 3
