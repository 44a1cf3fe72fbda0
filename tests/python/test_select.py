"""select: one of several operations at channels, exactly once, from tasks, threads and the main thread."""

import collections
import gc
import sys
import weakref

import gmp_py
import pytest
from gmp_py import Chan, Selected, recv, select, send
from support import HANG, in_task, ok, wait_until, waiting
from test_chan import anywhere, refuses

NOTHING = Selected(-1, None, False)


def full(capacity, *values):
    chan = Chan(capacity)
    for value in values:
        chan.send(value)
    return chan


@anywhere
def test_the_case_that_is_ready_is_done(call):
    def main():
        empty, one, room = Chan(1), full(1, "value"), Chan(1)
        assert select(recv(empty), recv(one)) == (1, "value", True)
        assert select(recv(empty), send(room, "sent")) == (1, None, True)
        assert select(recv(empty), send(room, "more"), recv(room)) == (2, "sent", True)
        assert [len(chan) for chan in (empty, one, room)] == [0, 0, 0]
        return select(recv(empty), default=True)

    assert call(main) == NOTHING


def test_the_result_is_a_named_tuple():
    result = select(recv(full(1, "value")))
    assert isinstance(result, tuple) and type(result) is Selected
    index, value, ok = result
    assert (index, value, ok) == (result.index, result.value, result.ok) == (result[0], result[1], result[2])
    assert repr(result) == "Selected(index=0, value='value', ok=True)"
    assert hash(result) == hash((0, "value", True)) and result == Selected(0, "value", True)
    assert gc.is_tracked(result) and sys.getrefcount(result) == 2
    assert Selected.__module__ == "gmp_py"


@anywhere
def test_it_waits_for_the_first(call):
    def main():
        chans = [Chan() for _ in range(20)]
        for n in (0, 7, 19):
            task = gmp_py.go(chans[n].send, n)
            assert select(*map(recv, chans), timeout=HANG) == (n, n, True)
            task.join(HANG)
            task = gmp_py.go(chans[n].recv)
            assert select(*(send(chan, i) for i, chan in enumerate(chans)), timeout=HANG) == (n, None, True)
            assert task.join(HANG) == n
        return all(chan.try_recv() == (None, False) and not chan.try_send(1) for chan in chans)

    assert call(main), "nobody may be left waiting at any of them"


@anywhere
def test_closed_channels_are_ready(call):
    def main():
        gone, drains = Chan(1), full(2, 1)
        gone.close()
        drains.close()
        assert select(recv(drains)) == (0, 1, True)
        assert select(recv(drains), default=True) == select(recv(gone), timeout=0) == (0, None, False)
        assert refuses(select, send(gone, 1)) == "ChannelClosed"
        chans, found = [Chan(), Chan()], []
        tasks = [
            gmp_py.go(lambda: found.append(select(recv(Chan()), recv(chans[0])))),
            gmp_py.go(lambda: found.append(refuses(select, recv(Chan()), send(chans[1], 1)))),
        ]
        wait_until(lambda: all(map(waiting, chans)))
        for chan in chans:
            chan.close()
        for task in tasks:
            task.join(HANG)
        return sorted(found, key=str)

    assert call(main) == ["ChannelClosed", (1, None, False)]


@anywhere
def test_timeouts_and_default(call):
    def main():
        a, b = Chan(), full(1, 1)
        found = []
        for timeout in (0, 0.001):
            found.append(refuses(lambda: select(recv(a), send(b, 2), timeout=timeout)))
            found.append(refuses(lambda: select(timeout=timeout)))
            found.append(select(recv(a), send(b, 2), timeout=timeout, default=True))
        found.append(select(default=True))
        assert len(b) == 1 and a.try_recv() == (None, False) and not a.try_send(1)
        return found

    assert call(main) == ["TimeoutError", "TimeoutError", NOTHING] * 2 + [NOTHING]


def test_nothing_to_wait_for_is_misuse():
    for options in ({}, {"timeout": None}, {"timeout": float("inf")}, {"default": False}):
        with pytest.raises(gmp_py.Misuse):
            select(**options)
        with pytest.raises(gmp_py.Misuse):
            in_task(lambda: select(**options))


def test_arguments_are_checked_before_anything_is_done():
    chan = full(2, 1)
    for wrong in (None, chan, 1, (chan,), recv):
        with pytest.raises(TypeError):
            select(recv(chan), wrong)
        with pytest.raises(TypeError):
            select(send(chan, 2), wrong, default=True)
    for call in (
        lambda: recv(),
        lambda: recv(1),
        lambda: recv(chan, 1),
        lambda: recv(chan=chan),
        lambda: send(chan),
        lambda: send(1, 2),
        lambda: send(chan, 1, 2),
        lambda: select(recv(chan), timeout="soon"),
        lambda: select(recv(chan), until=1),
        lambda: type(recv(chan))(),
    ):
        with pytest.raises(TypeError):
            call()
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            select(recv(chan), timeout=wrong)

    class Undecided:
        def __bool__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        select(recv(chan), default=Undecided())
    assert len(chan) == 1 and chan.recv() == 1


def test_cases_are_objects():
    chan = full(3, 1, 2)
    case = recv(chan)
    assert repr(case) == f"gmp_py.recv({chan!r})" and repr(send(chan, "v")) == f"gmp_py.send({chan!r}, 'v')"
    assert [select(case).value for _ in range(2)] == [1, 2], "a case may be used again"
    put = send(chan, "v")
    assert select(put) and select(put) and [*(chan.recv() for _ in range(2))] == ["v", "v"]


def test_cases_are_collected():
    class Thing:
        pass

    thing, chan = Thing(), Chan(1)
    thing.case = send(chan, thing)
    chan.send(recv(chan))
    gone = weakref.ref(thing), weakref.ref(chan)
    del thing, chan
    gc.collect()
    assert gone[0]() is None and gone[1]() is None


def test_references_are_counted_right():
    class Thing:
        pass

    thing = Thing()
    before = sys.getrefcount(thing)

    def main():
        chan, room = Chan(), Chan(1)
        for _ in range(100):
            task = gmp_py.go(select, send(chan, thing), recv(Chan()))
            assert select(recv(Chan()), recv(chan)).value is thing
            task.join()
            select(send(room, thing), send(chan, thing))
            select(send(room, thing), send(chan, thing), default=True)
            refuses(lambda: select(send(room, thing), timeout=0.0001))
            select(recv(room))

    in_task(main)
    assert sys.getrefcount(thing) == before


def test_ready_cases_have_the_same_chance():
    chans = [Chan(1) for _ in range(5)]
    counts = collections.Counter()
    for _ in range(5000):
        for n in (0, 1, 4):
            chans[n].try_send(n)
        counts[select(*map(recv, chans)).index] += 1
    assert set(counts) == {0, 1, 4} and min(counts.values()) > 1300, counts


def test_one_channel_in_several_cases():
    def main():
        chan = Chan()
        # Neither may meet itself.
        assert select(recv(chan), send(chan, 1), default=True) == NOTHING
        assert refuses(lambda: select(recv(chan), send(chan, 1), recv(chan), timeout=0.001)) == "TimeoutError"
        task = gmp_py.go(select, recv(chan), send(chan, "theirs"), recv(chan))
        mine = select(recv(chan), send(chan, "mine"))
        theirs = task.join(HANG)
        return mine, theirs

    seen = {in_task(main) for _ in range(50)}
    assert seen <= {
        ((0, "theirs", True), (1, None, True)),
        ((1, None, True), (0, "mine", True)),
        ((1, None, True), (2, "mine", True)),
    }
    assert len(seen) >= 2


def test_any_number_of_cases():
    count = 3000
    chans = [Chan() for _ in range(count)]
    cases = [recv(chan) for chan in chans]

    def main():
        task = gmp_py.go(select, *cases)
        wait_until(lambda: waiting(chans[-1]) == 1)
        chans[count - 2].send("value", HANG)
        return task.join(HANG)

    assert in_task(main) == (count - 2, "value", True)
    assert not any(chan.try_send(1) for chan in chans)


def test_a_select_that_gave_up_does_not_take_the_turn_of_others():
    chan = Chan()
    hasty = [gmp_py.go(lambda: refuses(lambda: select(recv(chan), recv(Chan()), timeout=0.001))) for _ in range(10)]
    patient = gmp_py.go(chan.recv)
    assert [task.join(HANG) for task in hasty] == ["TimeoutError"] * 10
    chan.send("value", HANG)
    assert patient.join(HANG) == "value"


def test_an_interrupted_select_gives_its_value_back():
    printed = ok(
        """
        import _thread, signal, gmp_py
        from gmp_py import Chan, recv, select
        chan, sent = Chan(), []
        def handler(*args):
            if chan.try_send("value"):
                sent.append(True)
                raise KeyboardInterrupt
        signal.signal(signal.SIGINT, handler)
        def interrupt():
            while not sent:
                gmp_py.sleep(0.05)
                _thread.interrupt_main()
        gmp_py.go(interrupt)
        try:
            print(select(recv(Chan()), recv(chan), timeout=60))
        except KeyboardInterrupt:
            print("interrupted", sent, chan.try_recv(), chan.try_recv())
        """
    )
    assert printed == "interrupted [True] ('value', True) (None, False)\n"


def test_a_cancelled_select_leaves_every_line():
    def main():
        chans = [Chan() for _ in range(10)]
        task = gmp_py.go(select, *map(recv, chans), *(send(chan, 1) for chan in chans))
        wait_until(lambda: all(map(waiting, chans)))
        assert task.cancel()
        assert isinstance(task.exception(HANG), gmp_py.Cancelled)
        return [(chan.try_send(1), chan.try_recv()) for chan in chans]

    assert in_task(main) == [(False, (None, False))] * 10
