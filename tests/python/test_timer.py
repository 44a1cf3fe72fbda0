"""Timer, Ticker and after: when they fire, that stop stops them, and that nothing of them stays."""

import gc
import sys
import threading
import time
import weakref

import gmp_py
import pytest
from gmp_py import Chan, Ticker, Timer, after, recv, select
from support import HANG, in_task, ok, wait_until
from test_chan import anywhere, refuses

LONG = 10_000


def idle():
    """Waits until no timer is pending: the task that serves them ends then."""
    end = time.monotonic() + HANG
    while any(task.name == "gmp_py timers" for task in gmp_py._gmp._running_tasks()):
        assert time.monotonic() < end, "a timer stays"
        gmp_py.sleep(0.001)


@anywhere
def test_a_timer_runs_its_function_in_a_task(call):
    def main():
        chan = Chan()
        before = time.monotonic()
        timer = Timer(0.02, lambda: chan.send((time.monotonic(), gmp_py.current())))
        then, task = chan.recv(HANG)
        assert then - before >= 0.02 and isinstance(task, gmp_py.Task)
        return timer.stop()

    assert call(main) is False


@anywhere
def test_a_stopped_timer_does_not_run(call):
    def main():
        ran = []
        timers = [Timer(0.02, lambda: ran.append(1)) for _ in range(10)]
        stopped = [timer.stop() for timer in timers]
        again = [timer.stop() for timer in timers]
        after(0.06).recv(HANG)
        return ran, stopped, again

    ran, stopped, again = call(main)
    assert len(ran) == stopped.count(False) and again == [False] * 10


def test_stop_says_whether_the_function_runs():
    """Whatever the race, the number that ran is the number that could not be stopped."""
    ran, kept = [], 0
    for n in range(200):
        timer = Timer((n % 10) / 10_000, lambda: ran.append(1))
        gmp_py.sleep((n % 7) / 10_000)
        kept += not timer.stop()
    idle()
    wait_until(lambda: len(ran) >= kept)
    assert len(ran) == kept


def test_timers_do_not_fire_early():
    ran, start = [], time.monotonic()
    timers = [Timer(n / 50, lambda n=n: ran.append((n, time.monotonic() - start))) for n in (5, 1, 4, 2, 3)]
    wait_until(lambda: len(ran) == 5 or gmp_py.sleep(0.001))
    assert sorted(n for n, _ in ran) == [1, 2, 3, 4, 5] and all(then >= n / 50 for n, then in ran)
    assert not any(timer.stop() for timer in timers)


def test_a_timer_goes_on_without_its_object():
    ran = []
    Timer(0.01, lambda: ran.append(1))
    gc.collect()
    wait_until(lambda: ran or gmp_py.sleep(0.001))
    idle()


def test_zero_is_at_once_and_infinity_is_never():
    ran = []
    Timer(0, lambda: ran.append(1))
    wait_until(lambda: ran or gmp_py.sleep(0.001))
    for never in (float("inf"), 1e300, 10**400):
        timer = Timer(never, lambda: ran.append(2))
        chan = after(never)
        ticker = Ticker(never)
        assert after(0.002).recv(HANG) and chan.try_recv() == ticker.c.try_recv() == (None, False)
        assert timer.stop()
        ticker.stop()
    assert ran == [1]
    del chan
    idle()


def test_an_earlier_timer_is_not_kept_waiting_by_a_later_one():
    late = [Timer(LONG, print) for _ in range(3)]
    assert after(0.005).recv(HANG)
    assert after(0).recv(HANG)
    assert all(timer.stop() for timer in late)
    idle()


def test_an_error_of_the_function_is_reported(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda arguments: seen.append(arguments.exc_type))
    Timer(0, lambda: 1 / 0)
    wait_until(lambda: seen or gmp_py.sleep(0.001))
    assert seen == [ZeroDivisionError]


@anywhere
def test_after_sends_once(call):
    def main():
        before = time.monotonic()
        chan = after(0.01)
        assert chan.capacity == 1
        due = chan.recv(HANG)
        assert isinstance(due, float) and before + 0.01 <= due <= time.monotonic()
        return select(recv(chan), recv(after(0.02))).index, chan.try_recv()

    assert call(main) == (1, (None, False))


@anywhere
def test_a_ticker_ticks_in_step(call):
    def main():
        ticker = Ticker(0.005)
        first = ticker.c.recv(HANG)
        ticks = [ticker.c.recv(HANG) for _ in range(5)]
        ticker.stop()
        steps = [(tick - first) / 0.005 for tick in ticks]
        return sorted(set(steps)) == steps and all(abs(step - round(step)) < 0.01 for step in steps)

    assert call(main)


def test_a_ticker_drops_ticks_that_nobody_takes():
    ticker = Ticker(0.001)
    assert ticker.c.capacity == 1

    def gap():
        wait_until(lambda: len(ticker.c) == 1)
        gmp_py.sleep(0.02)
        assert len(ticker.c) == 1
        return ticker.c.recv(HANG) - ticker.c.recv(HANG)

    wait_until(lambda: gap() < -0.01)
    ticker.stop()
    ticker.stop()
    while ticker.c.try_recv()[1]:
        pass
    assert refuses(lambda: ticker.c.recv(0.02)) == "TimeoutError"
    idle()


def test_a_ticker_ends_when_its_channel_is_closed():
    ticker = Ticker(0.001)
    ticker.c.close()
    idle()
    ticker.stop()


def test_a_ticker_that_nobody_holds_costs_nothing():
    count = 0
    for due in Ticker(0.001).c:  # the channel alone keeps it going
        count += 1
        if count == 3:
            break
    del due
    gone = weakref.ref(Ticker(LONG)), weakref.ref(after(LONG)), weakref.ref(Ticker(LONG).c)
    assert [ref() for ref in gone] == [None] * 3
    idle()


def test_a_channel_of_after_in_a_cycle_is_collected():
    chan = after(LONG)
    chan.send(chan)
    gone = weakref.ref(chan)
    del chan
    gc.collect()
    assert gone() is None
    idle()


def test_what_was_stopped_is_given_back():
    class Call:
        def __call__(self):
            raise AssertionError("it was stopped")

    call = Call()
    watch, count = weakref.ref(call), sys.getrefcount(call)
    timers = [Timer(LONG + n % 100, call) for n in range(10_000)]
    for timer in timers[::2] + timers[1::2]:
        assert timer.stop()
    assert sys.getrefcount(call) == count
    del call
    assert watch() is None
    idle()


def test_many_at_once():
    count = 20_000
    done = Chan(count)
    chans = [after(n % 97 / 1000) for n in range(count // 2)]
    for n in range(count // 2):
        Timer(n % 89 / 1000, lambda: done.send(1))
    assert all(chan.recv(HANG) for chan in chans)
    assert sum(done.recv(HANG) for _ in range(count // 2)) == count // 2
    idle()


def test_threads_and_tasks_set_and_stop():
    ran, kept = [], []

    def work(n):
        for i in range(100):
            timer = Timer((i * n % 11) / 10_000, lambda: ran.append(1))
            if i % 3:
                gmp_py.yield_()
            if not timer.stop():
                kept.append(1)
            select(recv(after(LONG)), recv(after(0.0001)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    tasks = [gmp_py.go(work, n) for n in range(3, 9)]
    for task in tasks:
        task.join(HANG)
    for thread in threads:
        thread.join(HANG)
    idle()
    wait_until(lambda: len(ran) >= len(kept))
    assert len(ran) == len(kept)


def test_arguments_are_checked():
    for call in (
        lambda: Timer(),
        lambda: Timer(1),
        lambda: Timer("1", print),
        lambda: Timer(None, print),
        lambda: Timer(1, None),
        lambda: Timer(1, print, 2),
        lambda: Ticker(),
        lambda: Ticker("1"),
        lambda: Ticker(None),
        lambda: after(),
        lambda: after("1"),
        lambda: after(None),
        lambda: type("Sub", (Timer,), {}),
    ):
        with pytest.raises(TypeError):
            call()
    for wrong in (-1, float("nan"), float("-inf")):
        for call in (lambda: Timer(wrong, print), lambda: Ticker(wrong), lambda: after(wrong)):
            with pytest.raises(ValueError):
                call()
    with pytest.raises(ValueError):
        Ticker(0)
    timer = Timer(seconds=LONG, fn=print)
    assert timer.stop()
    with pytest.raises(AttributeError):
        Ticker(LONG).c = 1
    idle()


def test_pending_timers_do_not_delay_the_exit():
    before = time.monotonic()
    printed = ok(
        """
        import gmp_py
        timers = [gmp_py.Timer(1000, print), gmp_py.Ticker(0.0001), gmp_py.after(1000)]
        gmp_py.sleep(0.01)
        print("end")
        """,
        "-X",
        "dev",
    )
    assert printed == "end\n" and time.monotonic() - before < HANG


def test_timers_stay_with_the_parent_of_a_fork():
    printed = ok(
        """
        import os, sys, gmp_py
        ran = []
        timer, ticker = gmp_py.Timer(1000, print), gmp_py.Ticker(1000)
        pid = os.fork()
        if pid == 0:
            for old in (timer, ticker):
                try:
                    old.stop()
                except gmp_py.GmpError as error:
                    print(type(error).__name__)
            del ticker, old
            own = gmp_py.Timer(1000, print)
            print(gmp_py.after(0.001).recv() > 0, own.stop())
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(timer.stop(), ticker.stop())
        """,
        "-W",
        "ignore::DeprecationWarning",  # from 3.12 on a fork with threads is warned of
    )
    assert printed == "GmpError\n" * 2 + "True True\nTrue None\n"


def test_the_serving_task_comes_back_when_it_was_cancelled():
    def main():
        chan = after(LONG)
        for task in gmp_py._gmp._running_tasks():
            if task.name == "gmp_py timers":
                task.cancel()
                assert isinstance(task.exception(HANG), gmp_py.Cancelled)
        assert after(0.001).recv(HANG)
        return chan.try_recv()

    assert in_task(main) == (None, False)
    idle()
