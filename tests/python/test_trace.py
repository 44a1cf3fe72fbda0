"""`gmp_py.trace`: a file of events that a program can read, with the tasks under their names."""

import collections
import json
import os
import pathlib
import threading

import gmp_py
import pytest
from support import in_task, ok


def read(path):
    return json.loads(pathlib.Path(path).read_text())


def slices(document, name=None):
    return [
        event
        for event in document["traceEvents"]
        if event["ph"] == "X" and event.get("cat") == "task" and name in (None, event["name"])
    ]


def waits():
    gmp_py.sleep(0.002)
    gmp_py.yield_()


def test_tasks_are_slices_under_their_names_with_how_they_left(tmp_path):
    with gmp_py.trace(tmp_path / "trace"):
        tasks = [gmp_py.go(waits, name=f"named {n}") for n in range(3)]
        unnamed = gmp_py.go(waits)
        for task in [*tasks, unnamed]:
            task.join()
    document = read(tmp_path / "trace")
    for task in tasks:
        found = slices(document, task.name)
        assert found and {event["args"]["task"] for event in found} == {task.id}
        left = [event["args"]["left"] for event in sorted(found, key=lambda event: event["ts"])]
        # Who joins is told a moment before the task is over.
        assert left[-1] in ("ended", "trace-stopped") and "wait-group" in left[:-1]
    assert {event["args"]["task"] for event in slices(document, f"task {unnamed.id}")} == {unnamed.id}
    assert document["otherData"]["lost"] == 0


def test_slices_of_a_track_do_not_overlap_and_arrows_have_two_ends(tmp_path):
    def pair(n):
        for _ in range(20):
            gmp_py.yield_()
            gmp_py.sleep(0.0001)
        gmp_py.go(waits, name="child").join()

    with gmp_py.trace(tmp_path / "trace"):
        for task in [gmp_py.go(pair, n) for n in range(10)]:
            task.join()
    document = read(tmp_path / "trace")
    tracks = collections.defaultdict(list)
    for event in slices(document):
        start = round(event["ts"] * 1000)
        tracks[event["tid"]].append((start, start + round(event["dur"] * 1000)))
    assert tracks
    for found in tracks.values():
        found.sort()
        assert all(before[1] <= after[0] for before, after in zip(found, found[1:]))
    ends = collections.Counter((event["ph"], event["id"]) for event in document["traceEvents"] if event["ph"] in "sf")
    arrows = {arrow for _, arrow in ends}
    assert arrows and ends == collections.Counter((ph, arrow) for arrow in arrows for ph in "sf")
    threads = {e["args"]["name"] for e in document["traceEvents"] if e["name"] == "thread_name"}
    assert any(name.startswith("machine ") for name in threads) and any(n.startswith("processor ") for n in threads)


def test_a_task_may_trace_and_the_path_may_be_bytes(tmp_path):
    path = os.fsencode(tmp_path / "trace")

    def main():
        with gmp_py.trace(path):
            gmp_py.go(waits, name="inner").join()

    in_task(main)
    assert slices(read(os.fsdecode(path)), "inner")


def test_a_second_trace_is_refused_and_the_first_goes_on(tmp_path):
    with gmp_py.trace(str(tmp_path / "first")):
        with pytest.raises(gmp_py.Misuse):
            with gmp_py.trace(tmp_path / "second"):
                pass
        gmp_py.go(waits, name="still traced").join()
    assert slices(read(tmp_path / "first"), "still traced") and not (tmp_path / "second").exists()
    with gmp_py.trace(tmp_path / "second"):
        pass
    read(tmp_path / "second")


def test_an_exception_ends_the_trace_and_comes_out(tmp_path):
    with pytest.raises(KeyError, match="mine"):
        with gmp_py.trace(tmp_path / "trace"):
            raise KeyError("mine")
    read(tmp_path / "trace")


def test_bad_paths(tmp_path):
    for bad in (None, 1, 1.5, object()):
        with pytest.raises(TypeError):
            gmp_py.trace(bad)
    with pytest.raises(ValueError):
        with gmp_py.trace("null\0byte"):
            pass
    with pytest.raises(FileNotFoundError) as caught:
        with gmp_py.trace(tmp_path / "missing" / "trace"):
            pass
    assert caught.value.filename == str(tmp_path / "missing" / "trace")
    with pytest.raises(IsADirectoryError):
        with gmp_py.trace(tmp_path):
            pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_file_that_could_not_be_written_is_told_at_the_end():
    with pytest.raises(OSError, match="space"):
        with gmp_py.trace("/dev/full"):
            gmp_py.go(waits).join()


def test_threads_trace_while_tasks_run(tmp_path):
    stop = []

    def busy():
        while not stop:
            gmp_py.go(gmp_py.yield_).join()
            gmp_py.sleep(0.0005)

    tasks = [gmp_py.go(busy) for _ in range(3)]

    def work():
        for n in range(10):
            with gmp_py.trace(tmp_path / "trace"):
                gmp_py.sleep(0.001)
            assert read(tmp_path / "trace")["otherData"]["producer"].startswith("gmp ")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    stop.append(True)
    for task in tasks:
        task.join()


def test_exit_inside_a_trace_and_a_fork_inside_one(tmp_path):
    ok(
        f"""
        import gmp_py, os
        with gmp_py.trace({str(tmp_path / "forked")!r}):
            gmp_py.go(gmp_py.yield_, name="parent").join()
            if os.fork() == 0:
                gmp_py.go(gmp_py.yield_, name="child").join()
                leave = os._exit
            else:
                leave = None
                os.wait()
        if leave:
            leave(0)
        gmp_py.trace({str(tmp_path / "open")!r}).__enter__()
        gmp_py.go(gmp_py.yield_).join()
        """,
        "-W",
        "ignore::DeprecationWarning",
    )
    document = read(tmp_path / "forked")
    assert slices(document, "parent") and not slices(document, "child")
    assert (tmp_path / "open").exists()
