"""``async for`` over a channel: coroutines take what tasks send, and nothing is lost."""

import asyncio
import contextlib

import gmp_py
import pytest
from gmp_py import Chan, aio, go
from loops import everywhere
from support import in_task


def send_all(chan, values, pause=False):
    for value in values:
        chan.send(value)
        if pause:
            gmp_py.sleep(0.0005)
    chan.close()


@pytest.mark.parametrize("capacity", [0, 1, 100])
@pytest.mark.parametrize("pause", [False, True], ids=["fast", "slow"])
def test_a_coroutine_takes_what_a_task_sends(capacity, pause):
    async def main():
        chan = Chan(capacity)
        go(send_all, chan, range(200), pause)
        return [value async for value in chan]

    assert everywhere(main) == [list(range(200))] * 4


def test_many_coroutines_share_a_channel():
    async def take(chan):
        return [value async for value in chan]

    async def main():
        chan = Chan()
        go(send_all, chan, range(300))
        taken = await asyncio.gather(*(take(chan) for _ in range(10)))
        return sorted(value for values in taken for value in values)

    assert everywhere(main) == [list(range(300))] * 4


def test_a_closed_channel_ends_the_loop():
    async def main():
        chan = Chan(3)
        for value in "abc":
            chan.send(value)
        chan.close()
        taken = [value async for value in chan]
        return taken, [value async for value in chan]

    assert everywhere(main) == [(["a", "b", "c"], [])] * 4


def test_a_channel_that_closes_while_a_coroutine_waits():
    async def main():
        chan = Chan()

        def close():
            gmp_py.sleep(0.005)
            chan.close()

        go(close)
        return [value async for value in chan]

    assert everywhere(main) == [[]] * 4


def test_values_that_are_always_there_leave_the_event_loop_its_turns():
    async def main():
        chan, turns = Chan(1000), []
        for value in range(1000):
            chan.send(value)
        chan.close()

        async def other():
            while len(turns) < 5:
                turns.append(len(chan))
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        count = 0
        async for _ in chan:
            count += 1
        await task
        return count, sum(1 for left in turns if left) >= 5

    assert everywhere(main) == [(1000, True)] * 4


def test_leaving_the_loop_leaves_the_rest_in_the_channel():
    async def main():
        chan = Chan()
        sender = go(send_all, chan, range(10))
        async for value in chan:
            if value == 3:
                break
        rest = [await aio.wrap(go(chan.recv)) for _ in range(6)]
        await aio.wrap(sender)
        return value, rest

    assert everywhere(main) == [(3, [4, 5, 6, 7, 8, 9])] * 4


def test_nothing_is_lost_when_coroutines_give_up():
    count = 300

    async def main():
        chan, taken = Chan(), []

        async def take():
            async for value in chan:
                taken.append(value)

        go(send_all, chan, range(count), True)
        while not chan.closed:
            hasty = [asyncio.create_task(take()) for _ in range(3)]
            await asyncio.sleep(0.001)
            for each in hasty:
                each.cancel()
            await asyncio.gather(*hasty, return_exceptions=True)
        # Those that gave up last may not have given back yet.
        while len(taken) < count:
            with contextlib.suppress(gmp_py.ChannelClosed):
                value, got = chan.try_recv()
                if got:
                    taken.append(value)
            await asyncio.sleep(0.001)
        return sorted(taken)

    assert everywhere(main) == [list(range(count))] * 4


def test_a_value_that_came_with_the_cancel_is_given_back():
    async def main():
        chan = Chan()
        values = aiter(chan)
        waiting = asyncio.ensure_future(anext(values))
        await asyncio.sleep(0.001)
        await aio.wrap(go(chan.send, "kept"))
        # The value is on its way to the coroutine, or with it, when the coroutine is told to end.
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await aio.wrap(go(chan.recv))

    assert everywhere(main) == ["kept"] * 4


def test_who_waits_no_longer_takes_nothing():
    async def main():
        chan = Chan()
        before = gmp_py.num_tasks()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(aiter(chan)), 0.005)
        while gmp_py.num_tasks() > before:
            await asyncio.sleep(0.001)
        assert not chan.try_send("nobody")

    everywhere(main)


def test_give_back_makes_a_value_the_next_one():
    chan = Chan(2)
    for value in "ab":
        chan.send(value)
    chan._give_back(chan.recv())
    assert (chan.recv(), chan.recv()) == ("a", "b")
    waiting = go(chan.recv)
    for _ in range(100):  # it waits by then, as a rule; if not, it finds the value
        gmp_py.yield_()
    chan._give_back("c")
    assert waiting.join() == "c"
    chan.close()
    chan._give_back("d")
    assert chan.recv() == "d"
    with pytest.raises(gmp_py.ChannelClosed):
        chan.recv()


def test_threads_and_tasks_talk_by_a_channel_with_coroutines():
    async def answer(questions, answers):
        async for question in questions:
            await aio.wrap(go(answers.send, question * 2))
        answers.close()

    def main():
        questions, answers = Chan(), Chan()
        go(aio.run, answer(questions, answers))
        go(send_all, questions, range(50))
        return list(answers)

    assert in_task(main) == main() == [2 * n for n in range(50)]
