"""`gmp_py.dump`: every task with its state and its Python frames, from wherever it is called."""

import io
import os
import re
import signal
import sys
import threading

import gmp_py
import pytest
from support import in_task, ok, wait_until


def dumped() -> str:
    text = io.StringIO()
    gmp_py.dump(text)
    return text.getvalue()


def part(text: str, task: gmp_py.Task) -> str:
    """The task's line and those under it."""
    found = re.search(rf"^task {task.id} .*\n(?: .*\n)*", text, re.M)
    assert found, f"task {task.id} is not in the dump:\n{text}"
    return found[0]


def frames(text: str) -> list[str]:
    return re.findall(r'^    File "[^"]*", line \d+, in (\S+)$', text, re.M)


def parked_inside(gate: list) -> None:
    while not gate:
        gmp_py.sleep(0.001)


def parked_outside(gate: list) -> None:
    parked_inside(gate)


@pytest.fixture
def parked():
    gate: list = []
    task = gmp_py.go(parked_outside, gate, name="waits here")
    wait_until(lambda: "parked" in part(dumped(), task))
    yield task
    gate.append(True)
    task.join()


def check(text: str, task: gmp_py.Task) -> None:
    lines = part(text, task)
    assert 'name="waits here"' in lines and 'class="python"' in lines
    assert frames(lines) == ["parked_inside", "parked_outside"]


def test_a_parked_task_stands_with_its_frames_most_recent_first(parked):
    text = dumped()
    check(text, parked)
    assert text.startswith("gmp_py dump python=") and "most recent call first" in text.splitlines()[0]
    assert f'File "{__file__}", line ' in part(text, parked)
    assert text.splitlines()[1].startswith("gmp dump version=")


def test_from_a_task_it_shows_the_caller_too(parked):
    def caller():
        return dumped()

    task = gmp_py.go(caller)
    text = task.join()
    check(text, parked)
    assert "state=running" in part(text, task).splitlines()[0] or "state=blocking" in part(text, task).splitlines()[0]
    assert frames(part(text, task)) == ["dump", "dumped", "caller"]


def test_from_a_thread(parked):
    texts = []
    thread = threading.Thread(target=lambda: texts.append(dumped()))
    thread.start()
    thread.join()
    check(texts[0], parked)


def test_from_a_signal_handler_while_run_waits(parked):
    texts = []
    before = signal.signal(signal.SIGUSR1, lambda *args: texts.append(dumped()))
    try:

        def main():
            os.kill(os.getpid(), signal.SIGUSR1)
            while not texts:
                gmp_py.sleep(0.001)

        gmp_py.run(main)
    finally:
        signal.signal(signal.SIGUSR1, before)
    check(texts[0], parked)


def test_into_a_descriptor(parked, tmp_path):
    with open(tmp_path / "dump", "w+b") as file:
        gmp_py.dump(file.fileno())
        file.seek(0)
        check(file.read().decode(), parked)


def test_a_descriptor_that_does_not_block_gets_it_all():
    gate: list = []
    tasks = [gmp_py.go(parked_outside, gate) for _ in range(300)]
    wait_until(lambda: {task.id for task in tasks} <= set(sys._current_frames()))  # one that has not started takes little room
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got = []

    def read():
        with open(reading, "rb") as file:
            got.append(file.read().decode())

    reader = threading.Thread(target=read)
    reader.start()
    gmp_py.dump(writing)
    os.close(writing)
    reader.join()
    assert len(got[0]) > 65536
    for task in tasks:
        assert part(got[0], task)
    gate.append(True)
    for task in tasks:
        task.join()


def test_to_stderr_by_default(capsys, parked):
    gmp_py.dump()
    check(capsys.readouterr().err, parked)


def test_a_task_that_has_not_started_has_no_frames():
    def main():
        # It may start before the look when this machine gets no CPU for long.
        for _ in range(1000):
            task = gmp_py.go(parked_outside, [True])
            text = dumped()
            task.join()
            if f"task {task.id} state=new" in text:
                return frames(part(text, task))

    assert in_task(main) == []


def test_a_long_stack_is_cut():
    gate: list = []

    def deep(n):
        if n:
            deep(n - 1)
        else:
            parked_inside(gate)

    task = gmp_py.go(deep, 300)
    wait_until(lambda: "parked" in part(dumped(), task))
    lines = part(dumped(), task)
    gate.append(True)
    task.join()
    assert frames(lines) == ["parked_inside", *["deep"] * 99] and lines.endswith("    ...\n")


def test_many_tasks_are_grouped_and_none_is_left_out():
    gate: list = []
    tasks = [gmp_py.go(parked_outside, gate) for _ in range(2000)]
    wait_until(lambda: {task.id for task in tasks} <= set(sys._current_frames()))
    text = dumped()
    gate.append(True)
    for task in tasks:
        task.join()
    shown = len(re.findall(r"^task \d+ .*\n(?: .*\n)*? +File .* in parked_outside$", text, re.M))
    groups = re.findall(r"^python-group tasks=(\d+) examples=[\d,]+\n(?: .*\n)*? +File .* in parked_outside$", text, re.M)
    assert shown >= 3 and shown + sum(map(int, groups)) == 2000


def test_tasks_come_and_go_meanwhile():
    stop: list = []

    def short(n):
        gmp_py.yield_()
        return n

    def storm():
        while not stop:
            for task in [gmp_py.go(short, n) for n in range(20)]:
                task.join()

    storms = [gmp_py.go(storm) for _ in range(3)]
    for _ in range(100):
        text = dumped()
        assert text.splitlines()[0].startswith("gmp_py dump")
    stop.append(True)
    for task in storms:
        task.join()


def test_line_breaks_in_names_do_not_break_lines():
    code = compile("def wait(gate):\n    parked_inside(gate)", "evil\nname.py", "exec")
    scope = {"parked_inside": parked_inside}
    exec(code, scope)
    gate: list = []
    task = gmp_py.go(scope["wait"], gate, name="two\nlines")
    wait_until(lambda: "parked" in part(dumped(), task))
    lines = part(dumped(), task)
    gate.append(True)
    task.join()
    assert 'File "evil\\nname.py", line 2, in wait' in lines


@pytest.mark.parametrize("bad", [True, 1.5, object(), "path", b"path"])
def test_what_cannot_be_written_to_is_refused(bad):
    with pytest.raises(TypeError):
        gmp_py.dump(bad)


def test_bad_descriptors_are_refused():
    with pytest.raises(ValueError):
        gmp_py.dump(-1)
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(OSError):
        gmp_py.dump(reading)
    os.close(reading)


def test_an_error_of_the_file_comes_out():
    class Full:
        def write(self, text):
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        gmp_py.dump(Full())


def test_without_a_runtime_and_in_a_fork_s_child():
    out = ok(
        """
        import gmp_py, os, sys
        gmp_py.dump(1)
        task = gmp_py.go(gmp_py.sleep, 0.2)
        gmp_py.go(gmp_py.yield_).join()
        if os.fork() == 0:
            gmp_py.dump(1)
            os._exit(0)
        os.wait()
        task.join()
        """,
        "-W",
        "ignore::DeprecationWarning",
    )
    assert out.count("not running") == 2 and out.count("python-tasks=0") == 2
