"""Chan under load: tasks and threads mixed; each value arrives once."""

import collections
import threading

import gmp_py
import pytest
from support import HANG


def test_many_senders_and_receivers():
    """Each value arrives once, whoever sends and receives."""
    for capacity in (0, 1, 7):
        chan, results, lock = gmp_py.Chan(capacity), collections.Counter(), threading.Lock()

        def produce(who):
            for n in range(300):
                chan.send((who, n))

        def consume():
            got = list(chan)
            with lock:
                results.update(got)

        consumers = [gmp_py.go(consume) for _ in range(5)]
        threads = [threading.Thread(target=consume) for _ in range(2)]
        producers = [gmp_py.go(produce, n) for n in range(5)]
        others = [threading.Thread(target=produce, args=(n,)) for n in range(5, 7)]
        for thread in threads + others:
            thread.start()
        for task in producers:
            task.join(HANG)
        for thread in others:
            thread.join(HANG)
        chan.close()
        for task in consumers:
            task.join(HANG)
        for thread in threads:
            thread.join(HANG)
        assert results == collections.Counter({(who, n): 1 for who in range(7) for n in range(300)})


def test_values_from_one_sender_stay_in_order():
    chan = gmp_py.Chan(3)

    def produce(who):
        for n in range(500):
            chan.send((who, n))

    tasks = [gmp_py.go(produce, n) for n in range(4)]
    got = [chan.recv(HANG) for _ in range(2000)]
    for task in tasks:
        task.join(HANG)
    for who in range(4):
        assert [n for sender, n in got if sender == who] == list(range(500))


@pytest.mark.parametrize("capacity", [0, 2])
def test_timeouts_that_race_lose_nothing(capacity):
    """Who was told that it timed out has sent or received nothing; everything else arrives once."""
    chan = gmp_py.Chan(capacity)
    sent, received = collections.Counter(), collections.Counter()

    def produce(who):
        for n in range(200):
            try:
                chan.send((who, n), timeout=(n % 7) / 20_000)
                sent[who, n] += 1
            except TimeoutError:
                pass

    def consume():
        n = 0
        while True:
            n += 1
            try:
                received[chan.recv(timeout=(n % 5) / 20_000)] += 1
            except TimeoutError:
                gmp_py.yield_()
            except gmp_py.ChannelClosed:
                return

    consumers = [gmp_py.go(consume) for _ in range(4)]
    producers = [gmp_py.go(produce, n) for n in range(4)]
    threads = [threading.Thread(target=produce, args=(n,)) for n in range(4, 6)]
    threads_in = [threading.Thread(target=consume) for _ in range(2)]
    for thread in threads + threads_in:
        thread.start()
    for task in producers:
        task.join(HANG)
    for thread in threads:
        thread.join(HANG)
    chan.close()
    for task in consumers:
        task.join(HANG)
    for thread in threads_in:
        thread.join(HANG)
    assert sent == received and max(sent.values()) == 1


@pytest.mark.parametrize("procs", [1, 2])
def test_a_pipeline_ends_by_closing(procs):
    before = gmp_py.max_procs(procs)
    try:

        def stage(source, sink):
            for value in source:
                sink.send(value + 1)
            sink.close()

        chans = [gmp_py.Chan(n % 3) for n in range(20)]
        tasks = [gmp_py.go(stage, source, sink) for source, sink in zip(chans, chans[1:])]

        def feed():
            for n in range(100):
                chans[0].send(n)
            chans[0].close()

        tasks.append(gmp_py.go(feed))
        assert list(chans[-1]) == [n + 19 for n in range(100)]
        for task in tasks:
            task.join(HANG)
    finally:
        gmp_py.max_procs(before)
