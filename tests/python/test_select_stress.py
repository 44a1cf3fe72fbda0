"""Channels and select under load: tasks and threads, timeouts and cancellation; every value is accounted for."""

import collections
import random
import threading

import gmp_py
import pytest
from gmp_py import Chan, recv, select, send
from support import HANG, wait_until, waiting


class Ledger:
    """What was sent and received, as those say who did it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.received = collections.Counter(), collections.Counter()

    def add(self, sent, received):
        with self.lock:
            self.sent.update(sent)
            self.received.update(received)


def trade(seed, chans, ledger, rounds):
    """Does `rounds` operations at random channels in random ways; whatever gives up has done nothing."""
    dice, sent, received = random.Random(str(seed)), [], []
    for n in range(rounds):
        value = (seed, n)
        chan, other = dice.choice(chans), dice.choice(chans)
        timeout = dice.choice((0, 0.00005, 0.001))
        try:
            way = dice.randrange(6)
            if way == 0:
                chan.send(value, timeout)
                sent.append(value)
            elif way == 1:
                received.append(chan.recv(timeout))
            elif way == 2:
                if chan.try_send(value):
                    sent.append(value)
            elif way == 3:
                got, there = chan.try_recv()
                if there:
                    received.append(got)
            else:
                result = select(recv(chan), send(other, value), recv(other), timeout=timeout, default=way == 5)
                if result.index == 1:
                    sent.append(value)
                elif result.index >= 0:
                    received.append(result.value)
        except TimeoutError:
            gmp_py.yield_()
    ledger.add(sent, received)


@pytest.mark.parametrize("procs", [1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_value_is_accounted_for(procs, seed):
    before = gmp_py.max_procs(procs)
    try:
        chans = [Chan(n) for n in (0, 0, 1, 5)]
        ledger = Ledger()
        threads = [threading.Thread(target=trade, args=((seed, n), chans, ledger, 150)) for n in range(3)]
        for thread in threads:
            thread.start()
        tasks = [gmp_py.go(trade, (seed, n), chans, ledger, 150) for n in range(3, 15)]
        trade((seed, 15), chans, ledger, 150)
        for task in tasks:
            task.join(HANG)
        for thread in threads:
            thread.join(HANG)
        for chan in chans:
            chan.close()
            ledger.add([], list(chan))
        assert ledger.sent == ledger.received
        assert ledger.sent and max(ledger.sent.values()) == 1
    finally:
        gmp_py.max_procs(before)


@pytest.mark.parametrize("procs", [1, 2])
@pytest.mark.parametrize("way", ["recv", "select"])
def test_cancelled_receivers_lose_nothing(procs, way):
    """A receiver that was cancelled has taken nothing: the sum of what came out is what went in."""
    before = gmp_py.max_procs(procs)
    try:
        chan, never = Chan(), Chan()
        received = []

        def consume():
            while True:
                value = chan.recv() if way == "recv" else select(recv(never), recv(chan)).value
                received.append(value)

        consumers = [gmp_py.go(consume) for _ in range(8)]
        dice = random.Random(7)
        for n in range(400):
            at = dice.randrange(8)
            # All of them wait: one that runs would get its Cancelled between the value and the list.
            wait_until(lambda: waiting(chan) == 8)
            consumers[at].cancel()
            chan.send(n, HANG)
            assert isinstance(consumers[at].exception(HANG), gmp_py.Cancelled)
            consumers[at] = gmp_py.go(consume)
        wait_until(lambda: waiting(chan) == 8)
        for task in consumers:
            task.cancel()
        for task in consumers:
            assert isinstance(task.exception(HANG), gmp_py.Cancelled)
        assert sorted(received) == list(range(400))
        assert not chan.try_send(1)
    finally:
        gmp_py.max_procs(before)


@pytest.mark.parametrize("procs", [1, 2])
@pytest.mark.parametrize("way", ["send", "select"])
def test_cancelled_senders_have_sent_or_not(procs, way):
    """What went without its sender's knowing is from senders that were cancelled just then; nothing went twice."""
    before = gmp_py.max_procs(procs)
    try:
        chan, never = Chan(1), Chan()
        sent, received, cancelled = [], [], set()

        def produce(n):
            if way == "send":
                chan.send(n)
            else:
                assert select(recv(never), send(chan, n)).index == 1
            sent.append(n)

        dice = random.Random(11)
        for start in range(0, 400, 20):
            tasks = [gmp_py.go(produce, n) for n in range(start, start + 20)]
            for _ in range(dice.randrange(30)):
                gmp_py.yield_()
            for n in dice.sample(range(20), 8):
                tasks[n].cancel()
                cancelled.add(start + n)
                value, there = chan.try_recv()
                if there:
                    received.append(value)
            while not all(task.done() for task in tasks):
                value, there = chan.try_recv()
                if there:
                    received.append(value)
                gmp_py.yield_()
        chan.close()
        received.extend(chan)
        assert len(received) == len(set(received)) and set(sent) <= set(received) <= set(sent) | cancelled
    finally:
        gmp_py.max_procs(before)


def test_closing_under_load():
    """Each sender is told what became of its value, whenever the channel is closed."""
    for turn in range(30):
        chan = Chan(turn % 3)
        sent, received = [], []

        def produce(n):
            try:
                if n % 2:
                    chan.send(n)
                else:
                    select(send(chan, n), recv(Chan()))
                sent.append(n)
            except gmp_py.ChannelClosed:
                pass

        def consume():
            received.extend(chan)

        tasks = [gmp_py.go(produce, n) for n in range(20)] + [gmp_py.go(consume) for _ in range(3)]
        thread = threading.Thread(target=consume)
        thread.start()
        for _ in range(turn):
            gmp_py.yield_()
        chan.close()
        for task in tasks:
            task.join(HANG)
        thread.join(HANG)
        assert sorted(sent) == sorted(received)
