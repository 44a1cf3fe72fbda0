"""Chan: values between tasks, threads and the main thread; order, closing, timeouts, garbage, bad input."""

import copy
import gc
import pickle
import sys
import threading
import weakref

import gmp_py
import pytest
from support import HANG, in_task, ok, wait_until, waiting


def in_thread(fn, *args):
    """Calls fn in a plain thread and gives its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(fn(*args)))
    thread.start()
    thread.join(HANG)
    assert not thread.is_alive()
    return results[0]


anywhere = pytest.mark.parametrize("call", [lambda fn, *args: fn(*args), in_task, in_thread], ids=["main", "task", "thread"])


def refuses(call, *args):
    """The name of the exception that the call raises."""
    try:
        call(*args)
    except Exception as error:
        return type(error).__name__
    return None


@anywhere
def test_a_buffered_channel_keeps_values_in_order(call):
    def main():
        chan = gmp_py.Chan(3)
        for n in range(3):
            assert chan.send(n) is None
        assert len(chan) == 3 and not chan.try_send(3)
        return [chan.recv() for _ in range(3)], len(chan)

    assert call(main) == ([0, 1, 2], 0)


@anywhere
def test_an_unbuffered_channel_hands_over(call):
    def main():
        chan = gmp_py.Chan()
        assert not chan.try_send(0) and chan.try_recv() == (None, False)
        task = gmp_py.go(lambda: [chan.send(n) for n in range(5)])
        got = [chan.recv(HANG) for _ in range(5)]
        task.join(HANG)
        thread = threading.Thread(target=lambda: [chan.send(n) for n in range(5)])
        thread.start()
        got += [chan.recv(HANG) for _ in range(5)]
        wait_until(lambda: not thread.is_alive())
        return got

    assert call(main) == [*range(5), *range(5)]


@anywhere
def test_a_send_waits_for_the_receiver(call):
    def main():
        chan = gmp_py.Chan()
        steps = []

        def send():
            chan.send("value")
            steps.append("sent")

        task = gmp_py.go(send)
        wait_until(lambda: waiting(chan) == 1)
        assert steps == []
        assert chan.recv(HANG) == "value"
        task.join(HANG)
        return steps

    assert call(main) == ["sent"]


def test_who_waits_longer_is_served_first():
    def main():
        chan, order = gmp_py.Chan(), []

        def receive(n):
            order.append((n, chan.recv()))

        tasks = []
        for n in range(10):
            tasks.append(gmp_py.go(receive, n))
            wait_until(lambda: waiting(chan) == n + 1)
        for n in range(10):
            chan.send(n)
        for task in tasks:
            task.join()
        assert sorted(order) == [(n, n) for n in range(10)]

        def send(n):
            chan.send(n)

        for n in range(10):
            tasks.append(gmp_py.go(send, n))
            wait_until(lambda: waiting(chan) == n + 1)
        return [chan.recv() for _ in range(10)]

    assert in_task(main) == list(range(10))


def test_waiting_senders_move_up_into_the_buffer():
    def main():
        chan = gmp_py.Chan(2)
        tasks = []
        for n in range(6):
            tasks.append(gmp_py.go(chan.send, n))
            wait_until(lambda: len(chan) + waiting(chan) == n + 1)
        assert len(chan) == 2 and waiting(chan) == 4
        got = [chan.recv() for _ in range(6)]
        for task in tasks:
            task.join()
        return got, len(chan)

    assert in_task(main) == (list(range(6)), 0)


@anywhere
def test_receivers_drain_a_closed_channel(call):
    def main():
        chan = gmp_py.Chan(4)
        for n in range(3):
            chan.send(n)
        chan.close()
        assert chan.closed and len(chan) == 3
        assert chan.recv() == 0 and chan.try_recv() == (1, True)
        assert list(chan) == [2] and list(chan) == []
        return [refuses(f) for f in (chan.recv, chan.try_recv, chan.close, lambda: chan.recv(0), lambda: next(chan))]

    assert call(main) == ["ChannelClosed"] * 4 + ["StopIteration"]


@anywhere
def test_nothing_is_sent_to_a_closed_channel(call):
    def main():
        chan = gmp_py.Chan(4)
        chan.close()
        found = [refuses(f, 1) for f in (chan.send, chan.try_send, lambda v: chan.send(v, timeout=0))]
        return found, len(chan)

    assert call(main) == (["ChannelClosed"] * 3, 0)


@pytest.mark.parametrize("start", ["task", "thread"])
def test_close_wakes_everybody(start):
    def beginning(fn):
        if start == "task":
            return gmp_py.go(fn).join
        thread = threading.Thread(target=fn)
        thread.start()
        return thread.join

    for wait in ("recv", "send", "loop"):
        chan, results = gmp_py.Chan(), []

        def work():
            if wait == "recv":
                results.append(refuses(chan.recv))
            elif wait == "send":
                results.append(refuses(chan.send, 1))
            else:
                results.append(list(chan))

        ends = [beginning(work) for _ in range(8)]
        wait_until(lambda: waiting(chan) == 8)
        chan.close()
        for end in ends:
            end(HANG)
        assert results == [[] if wait == "loop" else "ChannelClosed"] * 8
        assert len(chan) == 0 and refuses(chan.recv) == "ChannelClosed"


@anywhere
def test_timeouts(call):
    def main():
        chan = gmp_py.Chan()
        found = []
        for timeout in (0, 0.0, 0.001, 0.01):
            found.append(refuses(lambda: chan.recv(timeout)))
            found.append(refuses(lambda: chan.recv(timeout=timeout)))
            found.append(refuses(lambda: chan.send(1, timeout)))
            found.append(refuses(lambda: chan.send(1, timeout=timeout)))
        chan = gmp_py.Chan(1)
        chan.send("kept", 0)
        assert chan.recv(0) == "kept"
        chan.send("kept", timeout=float("inf"))
        assert refuses(lambda: chan.send("lost", timeout=0.001)) == "TimeoutError"
        assert chan.recv(None) == "kept" and chan.try_recv() == (None, False)
        return set(found)

    assert call(main) == {"TimeoutError"}


def test_arguments_are_checked():
    chan = gmp_py.Chan(1)
    for wrong in (-1, float("nan"), float("-inf")):
        with pytest.raises(ValueError):
            chan.recv(wrong)
        with pytest.raises(ValueError):
            chan.send(1, timeout=wrong)
    for wrong in ("soon", [], 1j):
        with pytest.raises(TypeError):
            chan.recv(timeout=wrong)
        with pytest.raises(TypeError):
            chan.send(1, wrong)
    for call in (
        lambda: chan.send(),
        lambda: chan.send(1, 2, 3),
        lambda: chan.send(1, 2, timeout=3),
        lambda: chan.send(timeout=3),
        lambda: chan.recv(1, 2),
        lambda: chan.recv(until=1),
        lambda: chan.try_send(),
        lambda: chan.try_recv(1),
        lambda: chan.close(1),
        lambda: gmp_py.Chan("1"),
        lambda: gmp_py.Chan(1.0),
        lambda: gmp_py.Chan(None),
        lambda: gmp_py.Chan(1, 2),
        lambda: gmp_py.Chan(room=1),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        gmp_py.Chan(-1)
    with pytest.raises(OverflowError):
        gmp_py.Chan(1 << 70)
    assert len(chan) == 0 and not chan.closed, "bad input must change nothing"
    assert gmp_py.Chan(capacity=7).capacity == 7 and gmp_py.Chan(True).capacity == 1
    with pytest.raises(AttributeError):
        chan.capacity = 2
    with pytest.raises(AttributeError):
        chan.other = 2
    with pytest.raises(TypeError):
        type("Sub", (gmp_py.Chan,), {})


def test_a_huge_capacity_costs_what_is_in_it():
    chan = gmp_py.Chan(sys.maxsize)
    for n in range(1000):
        chan.send(n)
    assert chan.capacity == sys.maxsize and len(chan) == 1000
    assert [chan.recv() for _ in range(1000)] == list(range(1000))


def test_how_it_looks():
    chan = gmp_py.Chan(2)
    chan.send(1)
    assert repr(chan).startswith("<gmp_py.Chan at 0x") and repr(chan).endswith(" capacity=2 len=1>")
    chan.close()
    assert repr(chan).endswith(" len=1 closed>")
    full, empty = gmp_py.Chan(), gmp_py.Chan()
    tasks = [gmp_py.go(full.send, 1), gmp_py.go(empty.recv), gmp_py.go(empty.recv)]
    wait_until(lambda: repr(full).endswith(" len=0 senders=1>") and repr(empty).endswith(" len=0 receivers=2>"))
    for task in tasks:
        task.cancel()
        task.exception(HANG)
    assert waiting(full) == waiting(empty) == 0
    assert gmp_py.Chan() and bool(chan), "an empty channel is true"
    assert type(chan).__module__ == "gmp_py" and str(gmp_py.Chan[int]) == "gmp_py.Chan[int]"
    assert iter(chan) is chan and hash(chan) == hash(chan) and chan != gmp_py.Chan(2)
    assert gmp_py.ChannelClosed.__mro__[1] is gmp_py.GmpError


def test_it_is_not_pickled_or_copied():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(gmp_py.Chan(), protocol)
    for call in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            call(gmp_py.Chan())


class Thing:
    """What weak references can be made to."""


def test_values_that_are_never_received_die_with_the_channel():
    chan = gmp_py.Chan(3)
    things = [Thing(), Thing()]
    watch = [weakref.ref(thing) for thing in things]
    for thing in things:
        chan.send(thing)
    del things, thing
    gc.collect()
    assert all(ref() for ref in watch)
    gone = weakref.ref(chan)
    del chan
    assert gone() is None and not any(ref() for ref in watch)


def test_a_cycle_through_a_buffer_is_collected():
    chan = gmp_py.Chan(3)
    thing = Thing()
    thing.chan = chan
    chan.send(thing)
    chan.send(chan)
    watch = weakref.ref(thing), weakref.ref(chan)
    del chan, thing
    gc.collect()
    assert watch[0]() is None and watch[1]() is None


def test_references_are_counted_right():
    thing = Thing()
    before = sys.getrefcount(thing)

    def main():
        chan, full = gmp_py.Chan(), gmp_py.Chan(2)
        for _ in range(100):
            task = gmp_py.go(chan.send, thing)
            chan.recv()
            task.join()
            full.send(thing)
            full.try_send(thing)
            refuses(lambda: full.send(thing, 0.0001))
            full.try_recv()
            refuses(lambda: chan.send(thing, 0))
            full.recv()
        full.send(thing)

    in_task(main)
    assert sys.getrefcount(thing) == before


def test_a_long_chain_of_channels_is_freed():
    ok(
        """
        import gmp_py
        def main():
            chan = None
            for _ in range(300_000):
                outer = gmp_py.Chan(1)
                outer.send(chan)
                chan = outer
            del outer
            chan = None
        main()
        gmp_py.run(main)
        """
    )


def test_a_value_whose_end_uses_the_channel():
    ends = []

    class Ends:
        def __init__(self, chan):
            self.chan = chan

        def __del__(self):
            ends.append((refuses(self.chan.send, 1), len(self.chan)))

    def main():
        chan = gmp_py.Chan(2)
        chan.send(Ends(chan))
        chan.send(2)
        chan.recv()
        chan.recv()
        return len(chan)

    assert in_task(main) in (0, 1) and ends and ends[0][0] is None


def test_an_interrupted_receiver_gives_its_value_back():
    printed = ok(
        """
        import _thread, signal, time, gmp_py
        chan = gmp_py.Chan()
        def handler(*args):
            # What is sent inside the wait is for a call that this exception ends.
            if chan.try_send("value"):
                sent.append(True)
                raise KeyboardInterrupt
        sent = []
        signal.signal(signal.SIGINT, handler)
        def interrupt():
            while not sent:
                gmp_py.sleep(0.05)
                _thread.interrupt_main()
        gmp_py.go(interrupt)
        try:
            chan.recv(60)
            print("received")
        except KeyboardInterrupt:
            print("interrupted", sent, chan.try_recv(), chan.try_recv())
        """
    )
    assert printed == "interrupted [True] ('value', True) (None, False)\n"


def test_tasks_that_wait_at_exit_are_told():
    printed = ok(
        """
        import gmp_py
        chan = gmp_py.Chan()
        other = gmp_py.Chan()
        def wait(call, *args):
            try:
                call(*args)
            except gmp_py.TaskExit:
                print("told", flush=True)
                raise
        gmp_py.go(wait, chan.recv)
        gmp_py.go(wait, other.send, 1)
        gmp_py.go(wait, list, chan)
        while "receivers=2" not in repr(chan) or "senders=1" not in repr(other):
            gmp_py.sleep(0.001)
        """
    )
    assert printed == "told\n" * 3


def test_a_channel_stays_with_the_parent_of_a_fork():
    printed = ok(
        """
        import os, sys, gmp_py
        chan = gmp_py.Chan(1)
        chan.send(1)
        waits = gmp_py.Chan()
        task = gmp_py.go(waits.recv)
        while "receivers=1" not in repr(waits):
            gmp_py.sleep(0.001)
        pid = os.fork()
        if pid == 0:
            for call in (chan.recv, chan.try_recv, chan.close, lambda: chan.send(1), lambda: waits.send(1),
                         lambda: waits.try_send(1), lambda: next(waits)):
                try:
                    call()
                    print("worked")
                except gmp_py.GmpError as error:
                    print(type(error).__name__)
            own = gmp_py.Chan(1)
            gmp_py.go(own.send, 5)
            print(own.recv(), len(chan), chan.closed)
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        waits.send("on")
        print(task.join(), chan.recv())
        """,
        "-W",
        "ignore::DeprecationWarning",  # from 3.12 on a fork with threads is warned of
    )
    assert printed == "GmpError\n" * 7 + "5 1 False\non 1\n"


def test_use_from_a_native_task_is_refused():
    import ctypes

    found = []
    chan = gmp_py.Chan(1)

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def native(_):
        found.extend(refuses(f) for f in (chan.recv, chan.try_recv, chan.close, lambda: chan.try_send(1)))
        return 0

    gmp_py.go_native(ctypes.cast(native, ctypes.c_void_p).value).join()
    assert found == ["Misuse"] * 4 and not chan.closed and len(chan) == 0
