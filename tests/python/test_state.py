"""What belongs to a task and follows it across switches: exceptions, generators, contexts, locals, tracing, the data
stack; and that none of it leaks into the next task."""

import asyncio
import contextvars
import ctypes
import decimal
import functools
import gc
import itertools
import json
import re
import sys
import threading

import gmp_py
import pytest
from support import in_task, wait_until


def together(fn, count=10):
    """Runs fn(n) in `count` tasks at once and gives the results."""
    return [task.join() for task in [gmp_py.go(fn, n) for n in range(count)]]


def test_exceptions_in_flight_follow_the_task():
    def work(n):
        for _ in range(5):
            try:
                try:
                    raise KeyError(n)
                except KeyError:
                    gmp_py.yield_()
                    assert sys.exc_info()[1].args == (n,)
                    try:
                        raise ValueError(n)
                    finally:
                        gmp_py.yield_()
            except ValueError as error:
                gmp_py.yield_()
                assert error.args == (n,) and error.__context__.args == (n,)
                try:
                    gmp_py.yield_()
                    raise
                except ValueError as again:
                    assert again is error
            assert sys.exc_info() == (None, None, None)
        return n

    assert together(work) == list(range(10))


def test_generators_wait_inside_and_outside():
    def squares(n):
        for i in range(n):
            gmp_py.yield_()
            yield i * i

    def work(n):
        total = 0
        for value in squares(10):
            gmp_py.yield_()
            total += value
        return total + sum(squares(n))

    assert together(work) == [285 + sum(i * i for i in range(n)) for n in range(10)]


def test_a_generator_that_two_tasks_share_is_refused_while_it_runs():
    def numbers():
        yield 1
        gmp_py.sleep(0.01)
        yield 2

    generator = numbers()
    next(generator)
    first = gmp_py.go(next, generator)
    gmp_py.go(gmp_py.yield_).join()
    second = gmp_py.go(next, generator)
    errors = [first.exception(), second.exception()]
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "ValueError"]


def test_a_generator_moves_between_tasks():
    def numbers():
        for n in itertools.count():
            gmp_py.yield_()
            yield n

    generator = numbers()
    assert [in_task(next, generator) for _ in range(20)] == list(range(20))


variable = contextvars.ContextVar("variable", default="default")


def test_context_variables_start_empty_and_stay_apart():
    variable.set("main")

    def work(n):
        assert variable.get() == "default"
        variable.set(n)
        for _ in range(5):
            gmp_py.yield_()
            assert variable.get() == n
        return n

    assert together(work) == list(range(10))
    assert variable.get() == "main"


def test_a_task_runs_in_the_context_it_is_given():
    context = contextvars.copy_context()
    context.run(variable.set, "given")

    def work():
        assert variable.get() == "given"
        gmp_py.yield_()
        variable.set("changed")

    gmp_py.go(work, context=context).join()
    assert context[variable] == "changed"
    assert gmp_py.go(variable.get, context=context).join() == "changed"


def test_a_context_in_use_is_refused():
    context = contextvars.copy_context()
    holder = gmp_py.go(gmp_py.sleep, 0.02, context=context)
    wait_until(lambda: "started" in repr(holder) and "not" not in repr(holder))
    with pytest.raises(RuntimeError, match="already entered"):
        gmp_py.go(int, context=context).join()
    holder.join()
    assert gmp_py.go(int, context=context).join() == 0


def test_thread_locals_are_task_locals():
    local = threading.local()
    local.value = "main"

    def work(n):
        assert not hasattr(local, "value")
        local.value = n
        for _ in range(5):
            gmp_py.yield_()
            assert local.value == n
        return n

    assert together(work) == list(range(10))
    assert local.value == "main"


def test_values_of_locals_die_with_the_task_and_may_wait():
    died = []

    class Value:
        def __del__(self):
            gmp_py.yield_()
            gmp_py.sleep(0.001)
            died.append(gmp_py.current() is not None)

    local = threading.local()

    def work():
        local.value = Value()

    in_task(work)
    assert died == [True]


def test_nothing_leaks_into_the_next_task():
    local = threading.local()

    def dirty():
        local.x = 1
        variable.set("dirty")
        decimal.getcontext().prec = 3
        sys.setprofile(lambda *args: None)
        sys.settrace(lambda *args: None)
        sys.set_asyncgen_hooks(firstiter=lambda g: None)
        sys.set_coroutine_origin_tracking_depth(3)
        loop = asyncio.new_event_loop()
        loop.close()
        asyncio._set_running_loop(loop)
        sys.setprofile(None)

    def clean():
        assert not hasattr(local, "x")
        assert variable.get() == "default"
        assert decimal.getcontext().prec == 28
        assert sys.getprofile() is None and sys.gettrace() is None
        assert sys.get_asyncgen_hooks().firstiter is None
        assert sys.get_coroutine_origin_tracking_depth() == 0
        assert asyncio._get_running_loop() is None
        assert sys.exc_info() == (None, None, None)
        return "clean"

    for _ in range(20):
        in_task(dirty)
        assert in_task(clean) == "clean"


def test_decimal_contexts_stay_apart():
    def work(n):
        decimal.getcontext().prec = n + 1
        gmp_py.yield_()
        return len((decimal.Decimal(1) / 3).as_tuple().digits)

    assert together(work) == list(range(1, 11))


def test_asyncio_runs_in_several_tasks_at_once():
    async def coroutine(n):
        await asyncio.sleep(0)
        gmp_py.yield_()
        await asyncio.sleep(0)
        return n

    assert together(lambda n: asyncio.run(coroutine(n)), 5) == list(range(5))


def test_waiting_below_c_frames():
    class Key:
        def __init__(self, n):
            self.n = n

        def __hash__(self):
            gmp_py.yield_()
            return hash(self.n)

        def __eq__(self, other):
            gmp_py.yield_()
            return self.n == other.n

    def key(n):
        gmp_py.yield_()
        return -n

    def default(value):
        gmp_py.yield_()
        return str(value)

    def work(n):
        assert sorted(range(10), key=key) == list(range(9, -1, -1))
        assert {Key(1): n}[Key(1)] == n
        assert re.sub("a", lambda match: gmp_py.yield_() or "b", "aaa") == "bbb"
        assert json.dumps({"x": {1j}}, default=lambda value: default(sorted(map(str, value)))).startswith("{")
        assert functools.reduce(lambda a, b: gmp_py.yield_() or a + b, range(10)) == 45
        assert list(map(key, range(3))) == [0, -1, -2]
        return n

    assert together(work) == list(range(10))


def test_garbage_is_collected_while_tasks_switch():
    before = gc.get_threshold()
    gc.set_threshold(5)
    try:

        def work(n):
            for _ in range(50):
                cycle = [n]
                cycle.append(cycle)
                gmp_py.yield_()
            return n

        assert together(work) == list(range(10))
    finally:
        gc.set_threshold(*before)


def test_tracing_and_profiling_reach_tasks_as_they_reach_threads():
    calls = []

    def profile(frame, event, arg):
        if event == "call" and frame.f_code.co_name.startswith("traced"):
            calls.append((frame.f_code.co_name, gmp_py.current().name))

    def traced_inner():
        pass

    def traced_outer():
        gmp_py.yield_()
        traced_inner()

    threading.setprofile(profile)
    try:
        tasks = [gmp_py.go(traced_outer, name=name) for name in "ab"]
        for task in tasks:
            task.join()
    finally:
        threading.setprofile(None)
    assert sorted(calls) == [(f, name) for f in ("traced_inner", "traced_outer") for name in "ab"]
    in_task(traced_outer)
    assert len(calls) == 4


def test_a_trace_function_belongs_to_its_task():
    lines = []

    def trace(frame, event, arg):
        if event == "line":
            lines.append(frame.f_code.co_name)
        return trace

    def quiet():
        gmp_py.yield_()
        gmp_py.yield_()

    def loud():
        sys.settrace(trace)
        traced_body()

    def traced_body():
        gmp_py.yield_()

    tasks = [gmp_py.go(loud), gmp_py.go(quiet)]
    for task in tasks:
        task.join()
    assert "traced_body" in lines and "quiet" not in lines


def test_current_frames_lists_every_task():
    def parked_here():
        gmp_py.sleep(0.05)

    tasks = [gmp_py.go(parked_here) for _ in range(10)]
    wait_until(lambda: all("not" not in repr(task) for task in tasks))
    frames = sys._current_frames()
    names = {task.id: frames[task.id].f_code.co_name for task in tasks}
    assert names == {task.id: "parked_here" for task in tasks}
    for task in tasks:
        task.join()
    assert not set(sys._current_frames()) & set(names)


def test_an_asynchronous_exception_reaches_exactly_one_task():
    class Poke(BaseException):
        pass

    stop = []

    def spin():
        while not stop:
            gmp_py.yield_()
        return "calm"

    def main():
        tasks = [gmp_py.go(spin) for _ in range(5)]
        wait_until(lambda: all("not" not in repr(task) for task in tasks))
        poke = ctypes.pythonapi.PyThreadState_SetAsyncExc
        assert poke(ctypes.c_ulong(tasks[2].id), ctypes.py_object(Poke)) == 1
        wait_until(lambda: tasks[2].done())
        stop.append(True)
        return [type(task.exception()).__name__ for task in tasks]

    # 3.11 looks for such exceptions when the GIL is requested, which a plain thread does here.
    helper = threading.Thread(target=lambda: wait_until(lambda: stop))
    helper.start()
    assert in_task(main) == ["NoneType", "NoneType", "Poke", "NoneType", "NoneType"]
    helper.join()


def test_deep_recursion_uses_and_returns_data_stack_chunks():
    def depth(n):
        if n == 0:
            gmp_py.yield_()
            return 0
        return 1 + depth(n - 1)

    def many_arguments(*args):
        gmp_py.yield_()
        return len(args)

    def work(n):
        assert depth(800) == 800
        assert many_arguments(*range(5000)) == 5000
        with pytest.raises(RecursionError):
            depth(10**6)
        assert depth(100) == 100
        return n

    assert together(work) == list(range(10))


def test_an_exception_from_deep_down_returns_the_chunks():
    def dive(n):
        if n == 0:
            raise LookupError("bottom")
        dive(n - 1)

    for _ in range(50):
        with pytest.raises(LookupError):
            gmp_py.go(dive, 900).join()


def test_the_recursion_limit_is_the_interpreter_s():
    def depth(n=0):
        try:
            return depth(n + 1)
        except RecursionError:
            return n

    assert abs(in_task(depth) - sys.getrecursionlimit()) < 50
