"""Tools that look at threads see tasks: frames, tracebacks, tracers, profilers, debuggers, logs, numbers."""

import cProfile
import logging
import os
import pathlib
import pstats
import re
import subprocess
import sys
import threading
import tracemalloc
import warnings

import gmp_py
import pytest
from support import HANG, child, in_task, ok, wait_until

PARKED = """
import faulthandler, os, sys, time, gmp_py

def waits_inside(gate):
    while not gate:
        gmp_py.sleep(0.001)

def waits(gate):
    waits_inside(gate)

gate = []
tasks = [gmp_py.go(waits, gate) for _ in range(5)]
while not all(task.id in sys._current_frames() for task in tasks):
    gmp_py.yield_()

def end():
    gate.append(True)
    for task in tasks:
        task.join()
"""

patched_threading = pytest.mark.skipif(
    not hasattr(gmp_py.monkey, "patch_threading"), reason="gmp_py.monkey has no patch_threading"
)


def waits_here(gate):
    while not gate:
        gmp_py.sleep(0.001)


def test_current_frames_has_every_task_by_its_id_and_the_caller():
    gate = []
    tasks = [gmp_py.go(waits_here, gate) for _ in range(5)]
    wait_until(lambda: {task.id for task in tasks} <= set(sys._current_frames()))

    def ask():
        return gmp_py.current().id, {key: frame.f_code.co_name for key, frame in sys._current_frames().items()}

    me, names = in_task(ask)
    assert names[me] == "ask"
    assert [names[task.id] for task in tasks] == ["waits_here"] * 5
    assert threading.main_thread().ident in names
    gate.append(True)
    for task in tasks:
        task.join()
    assert not {task.id for task in tasks} & set(sys._current_frames())


def stacks(text):
    """Thread ids and the functions below each, as faulthandler writes them."""
    found = re.findall(r"^(?:Current thread|Thread) 0x([0-9a-f]+).*\n((?:  .*\n)*)", text, re.M)
    return {int(key, 16): re.findall(r" in (\S+)$", lines, re.M) for key, lines in found}


@pytest.mark.parametrize("where", ["faulthandler.dump_traceback(1)", "gmp_py.go(faulthandler.dump_traceback, 1).join()"])
def test_faulthandler_shows_every_task(where):
    out = ok(f"{PARKED}\nprint([task.id for task in tasks], flush=True)\n{where}\nend()")
    ids = [int(word) for word in re.findall(r"\d+", out.splitlines()[0])]
    seen = stacks(out)
    assert len(ids) == 5 and all(seen[key] == ["waits_inside", "waits"] for key in ids)


def test_faulthandler_s_watchdog_shows_every_task():
    out = ok(
        f"""{PARKED}
import tempfile
with tempfile.TemporaryFile() as file:
    faulthandler.dump_traceback_later(0.01, file=file)
    while b"<module>" not in (text := os.pread(file.fileno(), 1 << 20, 0)):
        time.sleep(0.001)
    faulthandler.cancel_dump_traceback_later()
print([task.id for task in tasks])
print(text.decode())
end()
"""
    )
    ids = [int(word) for word in re.findall(r"\d+", out.splitlines()[0])]
    seen = stacks(out)
    assert len(ids) == 5 and all(seen[key][-1:] == ["waits"] for key in ids)


@patched_threading
def test_enumerate_lists_tasks_under_patching():
    ok(
        """
        from gmp_py import monkey
        monkey.patch_threading()
        import threading, gmp_py
        seen, gate = [], []
        def work():
            me = threading.current_thread()
            assert me.ident == threading.get_ident() == gmp_py.current().id
            seen.append(me)
            while not gate:
                gmp_py.sleep(0.001)
        tasks = [gmp_py.go(work) for _ in range(3)]
        while len(seen) < 3:
            gmp_py.sleep(0.001)
        assert set(seen) <= set(threading.enumerate()) and len(set(seen)) == 3
        assert {thread.ident for thread in seen} == {task.id for task in tasks}
        gate.append(True)
        for task in tasks:
            task.join()
        """
    )


def calls_of(profile):
    return {name: entry[0] for (_, _, name), entry in pstats.Stats(profile).stats.items()}


def test_cprofile_in_a_task_counts_its_calls():
    def profiled():
        for _ in range(10):
            gmp_py.yield_()

    def work():
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(7):
            profiled()
        profile.disable()
        return calls_of(profile)

    gate = []
    other = gmp_py.go(waits_here, gate)
    calls = in_task(work)
    gate.append(True)
    other.join()
    assert calls["profiled"] == 7
    assert any("yield_" in name and count == 70 for name, count in calls.items())


def test_threading_setprofile_sees_each_task_s_calls():
    seen = []

    def profile(frame, event, arg):
        if event == "call" and frame.f_code.co_name == "called":
            seen.append(gmp_py.current().id)

    def called():
        gmp_py.yield_()

    def work():
        for _ in range(3):
            called()

    threading.setprofile(profile)
    try:
        tasks = [gmp_py.go(work) for _ in range(4)]
        for task in tasks:
            task.join()
    finally:
        threading.setprofile(None)
    assert sorted(seen) == sorted(task.id for task in tasks for _ in range(3))


def test_threading_settrace_sees_each_task_s_lines():
    seen = []

    def trace(frame, event, arg):
        if frame.f_code.co_name != "traced":
            return None
        if event == "line":
            seen.append((gmp_py.current().id, frame.f_lineno - frame.f_code.co_firstlineno))
        return trace

    def traced():
        x = 1
        gmp_py.yield_()
        return x

    threading.settrace(trace)
    try:
        tasks = [gmp_py.go(traced) for _ in range(3)]
        for task in tasks:
            task.join()
    finally:
        threading.settrace(None)
    assert sorted(seen) == sorted((task.id, line) for task in tasks for line in (1, 2, 3))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="settrace_all_threads is new in 3.12")
def test_settrace_all_threads_reaches_parked_tasks():
    ok(
        f"""{PARKED}
import threading
seen = set()
def trace(frame, event, arg):
    task = gmp_py.current()
    if task is not None and frame.f_code.co_name == "called":
        seen.add(task.id)
def called():
    pass
def waits_inside(gate):
    pass
go_on = []
def work():
    while not go_on:
        gmp_py.sleep(0.001)
    called()
more = [gmp_py.go(work) for _ in range(3)]
while not all(task.id in sys._current_frames() for task in more):
    gmp_py.yield_()
threading.settrace_all_threads(trace)
go_on.append(True)
for task in more:
    task.join()
threading.settrace_all_threads(None)
end()
assert seen == {{task.id for task in more}}, seen
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in 3.12")
def test_sys_monitoring_sees_tasks():
    monitoring = sys.monitoring
    starts, returns = [], []

    def watched():
        gmp_py.yield_()

    def note(into):
        return lambda code, *rest: into.append(gmp_py.current().id)

    tool = monitoring.PROFILER_ID
    monitoring.use_tool_id(tool, "test")
    try:
        events = monitoring.events
        monitoring.register_callback(tool, events.PY_START, note(starts))
        monitoring.register_callback(tool, events.PY_RETURN, note(returns))
        monitoring.set_local_events(tool, watched.__code__, events.PY_START | events.PY_RETURN)
        tasks = [gmp_py.go(watched) for _ in range(4)]
        for task in tasks:
            task.join()
    finally:
        monitoring.free_tool_id(tool)
    ids = [task.id for task in tasks]
    assert sorted(starts) == ids and sorted(returns) == ids


COVERED = """
import gmp_py

def work(n):
    gmp_py.yield_()
    if n == 2:
        found = "two"
        gmp_py.sleep(0.001)
        return found
    return "other"

def never():
    return 1

for task in [gmp_py.go(work, n) for n in range(4)]:
    task.join()
"""


def test_coverage_sees_lines_that_ran_in_tasks(tmp_path):
    pytest.importorskip("coverage", reason="coverage is not installed")
    script = tmp_path / "covered.py"
    script.write_text(COVERED)
    run = [sys.executable, "-m", "coverage"]
    options = dict(cwd=tmp_path, capture_output=True, text=True, timeout=HANG)
    done = subprocess.run([*run, "run", "--concurrency=thread", "covered.py"], **options)
    assert done.returncode == 0, done.stderr
    report = subprocess.run([*run, "report", "-m", "--include=covered.py"], **options)
    line = next(line for line in report.stdout.splitlines() if line.startswith("covered.py"))
    missing = COVERED.splitlines().index("    return 1") + 1
    assert line.split()[-1] == str(missing), report.stdout


def test_pdb_stops_steps_and_goes_on_in_a_task():
    done = child(
        """
        import gmp_py
        def debugged(secret):
            breakpoint()
            gmp_py.sleep(0.001)
            after = secret + 1
            return after
        other = gmp_py.go(gmp_py.sleep, 0.01)
        print("result", gmp_py.go(debugged, 41).join())
        other.join()
        """,
        stdin="p 'secret', secret\np 'me', gmp_py.current() is not None\nnext\nnext\nnext\np 'after', after\ncontinue\n",
    )
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert "('secret', 41)" in done.stdout and "('me', True)" in done.stdout
    assert "('after', 42)" in done.stdout and "result 42" in done.stdout


SPIED = """
import gmp_py, threading

def spied():
    gmp_py.sleep(3600)

tasks = [gmp_py.go(spied) for _ in range(5)]
while gmp_py.stats().tasks_parked < 5:
    gmp_py.yield_()
print("ready", flush=True)
threading.Event().wait()
"""


def test_py_spy_lists_tasks():
    spy = pathlib.Path(sys.executable).parent / "py-spy"
    if not spy.exists():
        pytest.skip("py-spy is not installed")
    with subprocess.Popen([sys.executable, "-c", SPIED], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            command = [spy, "dump", "--pid", str(process.pid)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
        finally:
            process.kill()
    if "Permission" in done.stderr or "permitted" in done.stderr:
        pytest.skip(f"ptrace is not permitted here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^    spied ", done.stdout, re.M)) == 5, done.stdout


def test_tracemalloc_tells_where_a_task_allocated():
    def allocates():
        gmp_py.yield_()
        kept = bytearray(100_000)
        line = sys._getframe().f_lineno - 1
        gmp_py.yield_()
        return tracemalloc.get_object_traceback(kept), line

    tracemalloc.start(5)
    try:
        found = [task.join() for task in [gmp_py.go(allocates) for _ in range(3)]]
    finally:
        tracemalloc.stop()
    for traceback, line in found:
        assert (traceback[-1].filename, traceback[-1].lineno) == (__file__, line)


def test_warnings_name_the_line_in_the_task():
    def warns():
        gmp_py.yield_()
        warnings.warn("from a task")
        return sys._getframe().f_lineno - 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = in_task(warns)
    assert [(str(w.message), w.filename, w.lineno) for w in caught] == [("from a task", __file__, line)]


def test_warnings_as_errors_raise_in_the_task():
    def warns():
        warnings.warn("from a task")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(gmp_py.go(warns).exception(), UserWarning)


class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        gmp_py.yield_()
        self.records.append(record)


def test_log_records_of_tasks_are_whole():
    logger = logging.getLogger("gmp-py-test")
    handler = Records()
    logger.addHandler(handler)

    def work(n):
        gmp_py.yield_()
        logger.warning("from %d", n)
        return sys._getframe().f_lineno - 1

    try:
        lines = {task.join() for task in [gmp_py.go(work, n) for n in range(5)]}
    finally:
        logger.removeHandler(handler)
    assert sorted(record.getMessage() for record in handler.records) == [f"from {n}" for n in range(5)]
    for record in handler.records:
        assert (record.funcName, record.lineno) == ("work", *lines) and record.threadName and record.thread
        assert getattr(record, "taskName", None) is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="taskName is new in 3.12")
def test_log_records_name_the_asyncio_task_inside_a_task():
    import asyncio

    handler = Records()
    logger = logging.getLogger("gmp-py-test")
    logger.addHandler(handler)

    async def named():
        asyncio.current_task().set_name("inner")
        logger.warning("x")

    try:
        in_task(lambda: asyncio.run(named()))
    finally:
        logger.removeHandler(handler)
    assert [record.taskName for record in handler.records] == ["inner"]


@patched_threading
def test_log_records_have_the_task_s_id_under_patching():
    ok(
        """
        from gmp_py import monkey
        monkey.patch_threading()
        import logging, gmp_py
        seen = []
        class Handler(logging.Handler):
            def emit(self, record):
                seen.append((record.thread, gmp_py.current().id))
        logging.getLogger().addHandler(Handler())
        for task in [gmp_py.go(logging.warning, "x") for _ in range(3)]:
            task.join()
        assert len(set(seen)) == 3 and all(thread == task for thread, task in seen), seen
        """
    )


def test_stats_has_every_number_of_the_header():
    header = pathlib.Path(gmp_py.get_include(), "gmprt.h").read_text()
    struct = re.search(r"^struct gmp_stats \{(.*?)^\}", header, re.S | re.M)[1]
    fields = re.sub(r"/\*.*?\*/|//[^\n]*", "", struct, flags=re.S)
    names = re.findall(r"\b(\w+)\s*[,;]", fields)
    assert names[0] == "struct_size" and tuple(names[1:]) == gmp_py.Stats._fields


def test_stats_count_what_happens():
    before = gmp_py.stats()
    gate = []
    tasks = [gmp_py.go(waits_here, gate) for _ in range(10)]
    wait_until(lambda: gmp_py.stats().timers_fired - before.timers_fired >= 10)
    gate.append(True)
    for task in tasks:
        task.join()
    wait_until(lambda: gmp_py.stats().tasks_ended - before.tasks_ended >= 10)
    after = gmp_py.stats()
    assert all(isinstance(value, int) and value >= 0 for value in after)
    assert after.tasks_created - before.tasks_created == 10
    for name in ("switches", "parks", "wakes", "timers_fired"):
        assert getattr(after, name) > getattr(before, name), name
    assert after.procs == gmp_py.max_procs() and after.stack_bytes_reserved > 0
