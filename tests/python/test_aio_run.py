"""aio.run: tasks that run coroutines."""

import asyncio
import contextvars
import socket

import gmp_py
import pytest
from gmp_py import aio, go
from loops import everywhere, nap_and
from support import HANG, in_task, ok, wait_until


def test_cancelling_the_task_of_run_cancels_the_coroutine():
    log = []

    async def main():
        try:
            log.append("began")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            log.append("cleaned up")
            raise

    task = go(aio.run, main())
    wait_until(lambda: log)
    task.cancel()
    with pytest.raises(gmp_py.Cancelled):
        task.join(HANG)
    assert log == ["began", "cleaned up"]


def test_run_parks_only_its_task():
    before = gmp_py.max_procs(1)
    try:
        turns = []

        async def wait(started):
            loop = asyncio.get_running_loop()
            event = asyncio.Event()
            started.append(lambda: loop.call_soon_threadsafe(event.set))
            await event.wait()
            return len(turns)

        def main():
            started = []
            tasks = [go(aio.run, wait(started)) for _ in range(10)]
            wait_until(lambda: len(started) == 10)
            for _ in range(100):
                turns.append(go(int).join())
            for release in started:
                release()
            return [task.join() for task in tasks]

        assert in_task(main) == [100] * 10
    finally:
        gmp_py.max_procs(before)


def test_many_event_loops_in_as_many_tasks():
    async def main(n):
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await asyncio.sleep(0.001)
            assert asyncio.get_running_loop() is loop
            assert asyncio.current_task().get_name() == f"main {n}"
            assert await aio.wrap(go(nap_and, n)) == n
        return loop

    async def named(n):
        asyncio.current_task().set_name(f"main {n}")
        return await main(n)

    loops = [task.join() for task in [go(aio.run, named(n)) for n in range(40)]]
    assert len(set(map(id, loops))) == 40 and all(loop.is_closed() for loop in loops)


def test_event_loops_in_tasks_and_threads_talk_to_each_other():
    async def ping(mine, other):
        loop = asyncio.get_running_loop()
        queue = asyncio.Queue()
        mine.append(lambda value: loop.call_soon_threadsafe(queue.put_nowait, value))
        while not other:
            await asyncio.sleep(0.001)
        for n in range(50):
            other[0](n)
            assert await queue.get() == n
        return "done"

    in_tasks, in_thread = ([], []), ([], [])
    tasks = [go(aio.run, ping(*in_tasks)), go(aio.run, ping(*reversed(in_tasks))), go(aio.run, ping(*in_thread))]
    assert asyncio.run(ping(*reversed(in_thread))) == "done"
    assert [task.join() for task in tasks] == ["done"] * 3


def test_sockets_of_asyncio_in_tasks():
    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def serve(addresses, ended):
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            loop, event = asyncio.get_running_loop(), asyncio.Event()
            addresses.append(server.sockets[0].getsockname())
            ended.append(lambda: loop.call_soon_threadsafe(event.set))
            await event.wait()

    async def talk(address, n):
        reader, writer = await asyncio.open_connection(*address)
        for i in range(10):
            writer.write(b"line %d %d\n" % (n, i))
            assert await reader.readline() == b"LINE %d %d\n" % (n, i)
        writer.close()
        await writer.wait_closed()
        return n

    def main():
        addresses, ended = [], []
        server = go(aio.run, serve(addresses, ended))
        wait_until(lambda: ended)
        clients = [go(aio.run, talk(addresses[0], n)) for n in range(10)]
        assert [client.join() for client in clients] == list(range(10))
        ended[0]()
        server.join()

    in_task(main)


def test_a_large_transfer_between_two_event_loops():
    size = 4_000_000

    async def send(sock):
        loop = asyncio.get_running_loop()
        with sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, b"x" * size)

    async def receive(sock):
        loop = asyncio.get_running_loop()
        got = 0
        with sock:
            sock.setblocking(False)
            while data := await loop.sock_recv(sock, 1 << 16):
                got += len(data)
        return got

    a, b = socket.socketpair()
    receiver, sender = go(aio.run, receive(b)), go(aio.run, send(a))
    sender.join()
    assert receiver.join() == size


def test_subprocesses_and_threads_of_asyncio_in_a_task():
    async def main():
        child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        out, _ = await child.communicate(b"hello")
        return out, child.returncode, await asyncio.to_thread(sum, [1, 2])

    assert in_task(aio.run, main()) == (b"hello", 0, 3)


def test_run_gives_what_the_coroutine_gives():
    async def main(error=None):
        await asyncio.sleep(0)
        if error:
            raise error
        return "result"

    class Waitable:
        def __await__(self):
            yield from asyncio.sleep(0.001, "waited").__await__()
            return "waited"

    for run in (aio.run, lambda coro: in_task(aio.run, coro)):
        assert run(main()) == "result"
        assert run(Waitable()) == "waited"
        with pytest.raises(KeyError):
            run(main(KeyError()))
        for wrong in (3, None, main):
            with pytest.raises(TypeError, match="await"):
                run(wrong)


def test_run_refuses_to_nest():
    async def inner():
        return "inner"

    async def outer():
        coro = inner()
        with pytest.raises(gmp_py.Misuse, match="await the coroutine"):
            aio.run(coro)
        return await coro

    assert everywhere(outer) == ["inner"] * 4


def test_the_event_loop_is_closed_and_gone_after_run():
    async def main():
        return asyncio.get_running_loop()

    def work():
        first, second = aio.run(main()), aio.run(main())
        assert first is not second and first.is_closed() and second.is_closed()
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return "fine"

    assert in_task(work) == "fine"


def test_context_variables_of_the_task_reach_the_coroutine():
    variable = contextvars.ContextVar("variable", default="none")

    async def main():
        seen = variable.get()
        variable.set("inside")
        return seen

    def work():
        variable.set("outside")
        return aio.run(main()), variable.get()

    assert in_task(work) == ("outside", "outside")


def test_debug_mode_in_a_task():
    out = ok(
        """
        import asyncio, gmp_py
        from gmp_py import aio, go

        async def main():
            assert asyncio.get_running_loop().get_debug()
            await asyncio.sleep(0.001)
            await aio.wrap(go(gmp_py.sleep, 0.001))
            loop = asyncio.get_running_loop()
            try:
                await aio.wrap(go(loop.call_soon, int))
            except RuntimeError as error:
                return 'threadsafe' in str(error)

        print([task.join() for task in [go(aio.run, main()) for _ in range(3)]])
        """,
        "-X",
        "dev",
    )
    assert out == "[True, True, True]\n"


def test_a_coroutine_in_a_task_cleans_up_at_exit():
    out = ok(
        """
        import asyncio, gmp_py
        from gmp_py import aio, go

        waits = []

        async def main():
            try:
                waits.append(1)
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.001)
                print('cleaned up', flush=True)

        task = go(aio.run, main())
        while not waits:
            gmp_py.yield_()
        """
    )
    assert out == "cleaned up\n"


def test_ctrl_c_reaches_a_coroutine():
    out = ok(
        """
        import asyncio, os, signal, gmp_py
        from gmp_py import aio

        async def main():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.001)
                print('cleaned up', flush=True)

        try:
            gmp_py.run(aio.run, main())
        except KeyboardInterrupt:
            print('interrupted')
        """
    )
    assert sorted(out.splitlines()) == ["cleaned up", "interrupted"]
