"""The executor below asyncio, at the interpreter's exit, after a fork."""

import asyncio

import gmp_py
import pytest
from gmp_py import Executor
from loops import everywhere, nap_and
from support import child, ok


def test_run_in_executor():
    async def main():
        loop = asyncio.get_running_loop()
        with Executor() as executor:
            calls = [loop.run_in_executor(executor, nap_and, n) for n in range(100)]
            assert await asyncio.gather(*calls) == list(range(100))
            return await loop.run_in_executor(executor, lambda: gmp_py.current() is not None)

    assert everywhere(main) == [True] * 4


def test_the_default_executor_of_an_event_loop():
    async def main():
        asyncio.get_running_loop().set_default_executor(Executor())
        assert await asyncio.gather(*(asyncio.to_thread(nap_and, n) for n in range(50))) == list(range(50))
        return await asyncio.to_thread(lambda: gmp_py.current() is not None)

    assert everywhere(main) == [True] * 4


def test_wrap_future():
    async def main():
        with Executor() as executor:
            return await asyncio.wrap_future(executor.submit(nap_and, 7))

    assert everywhere(main) == [7] * 4


@pytest.mark.parametrize("max_tasks", ["", "1"])
def test_the_interpreter_exits_when_the_calls_have_ended(max_tasks):
    out = ok(
        f"""
        import gmp_py
        executor = gmp_py.Executor({max_tasks})
        def work(n):
            gmp_py.sleep(0.01)
            print('%d ' % n, end='', flush=True)
        for n in range(3):
            executor.submit(work, n)
        executor.shutdown(wait=False)
        del executor
        """
    )
    assert sorted(out.split()) == ["0", "1", "2"]


def test_submit_while_the_interpreter_exits():
    out = ok(
        """
        import atexit
        @atexit.register
        def late():
            try:
                executor.submit(int)
            except RuntimeError as error:
                print(error)
        import gmp_py
        executor = gmp_py.Executor()
        executor.submit(int).result()
        """
    )
    assert out == "cannot schedule new futures after interpreter shutdown\n"


def test_ctrl_c_ends_the_wait_at_exit():
    done = child(
        """
        import os, signal, threading, time, gmp_py
        executor = gmp_py.Executor(1)
        begun = gmp_py.Event()
        def work():
            try:
                begun.set()
                gmp_py.sleep(float('inf'))
            finally:
                print('cleaned up', flush=True)
        def interrupt():
            while not gmp_py._executor._exiting:
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()  # now: from 3.12 on no thread starts at the exit
        executor.submit(work)
        begun.wait()
        executor.submit(print, 'never begins')
        """
    )
    assert done.stdout == "cleaned up\n" and "KeyboardInterrupt" in done.stderr


def test_a_forked_child_begins_anew():
    out = ok(
        """
        import os, warnings, gmp_py
        warnings.simplefilter('ignore')
        executor = gmp_py.Executor(1)
        stop = []
        def hold():
            while not stop:
                gmp_py.yield_()
            return 'parent'
        future = executor.submit(hold)
        while not future.running():
            gmp_py.yield_()
        pid = os.fork()
        if pid == 0:
            for wait in (future.result, future.exception):
                try:
                    wait()
                except gmp_py.GmpError as error:
                    print(error)
            print(executor.submit(int, '5').result(), flush=True)
            executor.shutdown()
        else:
            assert os.waitpid(pid, 0)[1] == 0
            stop.append(True)
            print(future.result())
        """
    )
    assert out == "the task of this future is in the parent process\n" * 2 + "5\nparent\n"


def test_a_finalizer_and_a_signal_handler_may_submit():
    out = ok(
        """
        import os, signal, gmp_py
        executor = gmp_py.Executor(2)
        calls = []
        signal.signal(signal.SIGUSR1, lambda *_: calls.append(executor.submit(int, '1')))
        class Thing:
            def __del__(self):
                calls.append(executor.submit(int, '2'))
        for n in range(300):
            thing = Thing()
            thing.itself = thing
            os.kill(os.getpid(), signal.SIGUSR1)
            executor.submit(int)
        del thing
        import gc
        gc.collect()
        while len(calls) < 600:
            gmp_py.yield_()
        print(sum(call.result() for call in calls))
        """
    )
    assert out == "900\n"
