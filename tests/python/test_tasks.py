"""The Task object: start, result, error, identity, end."""

import gc
import pickle
import sys
import threading
import traceback
import types
import weakref

import gmp_py
import pytest
from support import in_task, ok


def test_join_gives_the_result():
    assert gmp_py.go(lambda: 42).join() == 42


def test_arguments_reach_the_function():
    assert gmp_py.go(lambda *args: args, 1, "two", None).join() == (1, "two", None)
    assert gmp_py.go(lambda *args: args).join() == ()


def test_a_result_can_be_joined_again():
    task = gmp_py.go(list)
    assert task.join() is task.join()
    assert task.join(timeout=0) is task.join(0)


def test_a_large_argument_list_reaches_the_function():
    assert gmp_py.go(lambda *args: sum(args), *range(5000)).join() == sum(range(5000))


def test_the_exception_comes_out_of_join_with_its_traceback():
    def inner():
        raise KeyError("inner")

    def outer():
        inner()

    with pytest.raises(KeyError) as caught:
        gmp_py.go(outer).join()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["outer", "inner"]


def test_every_join_raises_from_the_task_s_own_traceback():
    def fail():
        raise ValueError("once")

    task = gmp_py.go(fail)
    depths = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            task.join()
        depths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(depths)) == 1


def test_the_context_of_a_joined_exception_is_that_of_the_joiner():
    def fail():
        raise ValueError("task")

    try:
        raise KeyError("joiner")
    except KeyError as outer:
        with pytest.raises(ValueError) as caught:
            gmp_py.go(fail).join()
        assert caught.value.__context__ is outer


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, BaseException])
def test_any_exception_comes_out_of_join(kind):
    def fail():
        raise kind("x")

    with pytest.raises(kind):
        gmp_py.go(fail).join()


def test_exception_gives_the_exception_or_none():
    error = ValueError("x")

    def fail():
        raise error

    assert gmp_py.go(fail).exception() is error
    assert gmp_py.go(fail).exception(timeout=None).__traceback__ is not None
    assert gmp_py.go(int).exception() is None


def test_done_follows_the_task():
    gate = gmp_py.go(gmp_py.sleep, float("inf"))
    assert gate.done() is False
    task = gmp_py.go(int)
    task.join()
    assert task.done() is True


def test_ids_are_unique_and_names_are_kept():
    tasks = [gmp_py.go(int) for _ in range(100)]
    assert len({task.id for task in tasks}) == 100
    assert all(isinstance(task.id, int) and task.id > 0 for task in tasks)
    assert gmp_py.go(int, name="näme").name == "näme"
    assert tasks[0].name == f"task-{tasks[0].id}"


def test_repr_tells_the_state():
    task = gmp_py.go(int, name="r")
    task.join()
    assert repr(task) == f"<gmp_py.Task id={task.id} name='r' done>"
    failed = gmp_py.go(int, "x", name="f")
    failed.exception()
    assert repr(failed) == f"<gmp_py.Task id={failed.id} name='f' failed>"


def test_current_is_the_running_task():
    assert gmp_py.current() is None
    task = gmp_py.go(gmp_py.current)
    assert task.join() is task
    seen = []
    thread = threading.Thread(target=lambda: seen.append(gmp_py.current()))
    thread.start()
    thread.join()
    assert seen == [None]


def test_current_is_right_after_switches():
    def check():
        me = gmp_py.current()
        for _ in range(10):
            gmp_py.yield_()
            assert gmp_py.current() is me
        return me

    tasks = [gmp_py.go(check) for _ in range(10)]
    assert all(task.join() is task for task in tasks)


def test_wrong_arguments_of_go():
    with pytest.raises(TypeError, match="function"):
        gmp_py.go()
    with pytest.raises(TypeError, match="not callable"):
        gmp_py.go(3)
    with pytest.raises(TypeError, match="'colour'"):
        gmp_py.go(int, colour="red")
    with pytest.raises(TypeError, match="name"):
        gmp_py.go(int, name=3)
    with pytest.raises(TypeError, match="context"):
        gmp_py.go(int, context={})
    with pytest.raises(TypeError):
        gmp_py.go(int, stack_size="big")
    for size in (0, -1, 1 << 60):
        with pytest.raises(ValueError):
            gmp_py.go(int, stack_size=size)
    with pytest.raises(UnicodeEncodeError):
        gmp_py.go(int, name="\udc80")


def test_options_of_go_accept_none_and_sizes():
    task = gmp_py.go(int, "7", name=None, stack_size=None, context=None)
    assert task.join() == 7
    for size in (1, 65536, 1 << 20, 4 << 20):
        assert gmp_py.go(int, "7", stack_size=size).join() == 7


def test_tasks_are_made_by_go_only():
    with pytest.raises(TypeError, match="cannot create"):
        gmp_py.Task()
    with pytest.raises(TypeError):
        type("Sub", (gmp_py.Task,), {})
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(gmp_py.go(int))
    with pytest.raises((TypeError, AttributeError)):
        gmp_py.Task.join = None


def test_task_is_generic_at_run_time():
    assert isinstance(gmp_py.Task[int], types.GenericAlias)


def test_exception_types():
    assert issubclass(gmp_py.Stopped, gmp_py.GmpError)
    assert issubclass(gmp_py.Misuse, gmp_py.GmpError) and issubclass(gmp_py.Misuse, RuntimeError)
    assert issubclass(gmp_py.GmpError, Exception)
    assert issubclass(gmp_py.TaskExit, BaseException) and not issubclass(gmp_py.TaskExit, Exception)


def test_weak_references_die_with_the_task():
    class Value:
        pass

    task = gmp_py.go(Value)
    task.join()
    dead = []
    task_ref, value_ref = weakref.ref(task, dead.append), weakref.ref(task.join())
    del task
    assert task_ref() is None and value_ref() is None and len(dead) == 1


def test_the_function_and_its_arguments_are_dropped_at_the_end():
    class Value:
        pass

    value = Value()
    ref = weakref.ref(value)
    task = gmp_py.go(lambda v: None, value)
    del value
    task.join()
    assert ref() is None


def test_a_task_in_a_cycle_is_collected():
    class Value:
        pass

    value = Value()
    value.task = gmp_py.go(lambda: value)
    value.task.join()
    ref = weakref.ref(value)
    del value
    gc.collect()
    assert ref() is None


def test_a_running_task_is_not_collected():
    def wait():
        gmp_py.sleep(0.001)
        gc.collect()
        return "alive"

    task = gmp_py.go(wait)
    gc.collect()
    assert task.join() == "alive"


class Hook:
    """Collects what sys.unraisablehook is given while it is installed."""

    def __enter__(self):
        self.reports = []
        self.before = sys.unraisablehook
        sys.unraisablehook = lambda args: self.reports.append((type(args.exc_value), str(args.exc_value)))
        return self.reports

    def __exit__(self, *_):
        sys.unraisablehook = self.before


def fail(text):
    raise ValueError(text)


def test_an_error_that_nobody_asks_for_is_reported_once():
    with Hook() as reports:
        gmp_py.go(fail, "lost")
        barrier = gmp_py.go(int)
        barrier.join()
        in_task(gmp_py.yield_)
        task = gmp_py.go(fail, "late")
        in_task(lambda: [gmp_py.yield_() for _ in range(3)])
        del task
    assert sorted(reports) == [(ValueError, "late"), (ValueError, "lost")]


def test_an_error_that_someone_was_given_is_not_reported():
    with Hook() as reports:
        task = gmp_py.go(fail, "joined")
        with pytest.raises(ValueError):
            task.join()
        del task
        task = gmp_py.go(fail, "asked")
        task.exception()
        del task
        gc.collect()
    assert reports == []


def test_the_unraisable_hook_may_keep_the_task():
    kept = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda args: kept.append(args.object)
    try:
        task = gmp_py.go(fail, "kept")
        while not task.done():
            gmp_py.yield_()
        del task
    finally:
        sys.unraisablehook = before
    assert len(kept) == 1 and isinstance(kept[0].exception(), ValueError)


def test_a_report_leaves_the_exception_in_flight_alone():
    with Hook() as reports:
        task = gmp_py.go(fail, "reported")
        while not task.done():
            gmp_py.yield_()
        with pytest.raises(KeyError, match="in flight"):
            try:
                raise KeyError("in flight")
            finally:
                del task
    assert reports == [(ValueError, "reported")]


def test_errors_of_tasks_alive_at_exit_are_reported():
    out = ok(
        """
        import sys, gmp_py
        def report(args, write=sys.stdout.write):
            write(f'unraisable {args.exc_value!r}\\n')
        sys.unraisablehook = report
        def fail():
            raise ValueError('x')
        task = gmp_py.go(fail)
        while not task.done():
            gmp_py.yield_()
        del task
        print('end')
        """
    )
    assert out == "unraisable ValueError('x')\nend\n"
