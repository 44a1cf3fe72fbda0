"""gmp_py.net: dial, listen, streams; in tasks, in plain threads, with one processor and with two."""

import doctest
import errno
import gc
import inspect
import os
import re
import socket
import subprocess
import sys
import threading
import time
import warnings

import gmp_py
import pytest
from gmp_py import go, net
from support import HANG, child, in_task, ok, wait_until

METHODS = [(f"{kind.__name__}.{n}", getattr(kind, n)) for kind in (net.Stream, net.Listener) for n in dir(kind)]
DOCUMENTED = [
    ("net", net),
    ("Stream", net.Stream),
    *((name, getattr(net, name)) for name in ("Listener", "dial", "listen")),
    *((name, value) for name, value in METHODS if inspect.isroutine(value) and "._" not in name),
]


@pytest.mark.parametrize("name, value", DOCUMENTED)
def test_doctests_run(name, value):
    text = inspect.getdoc(value)
    parsed = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert parsed.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(parsed).failed == 0
    if inspect.isroutine(value):
        for parameter in inspect.signature(value).parameters.values():
            assert parameter.name == "self" or re.search(rf"^\s+{parameter.name}: ", text, re.M), parameter


@pytest.fixture(params=[1, 2], ids=["P=1", "P=2"])
def procs(request):
    before = gmp_py.max_procs(request.param)
    yield request.param
    gmp_py.max_procs(before)


@pytest.fixture
def listener():
    with net.listen("tcp", "127.0.0.1:0") as opened:
        yield opened


def dial(listener, timeout=HANG):
    return net.dial("tcp", "%s:%d" % listener.address[:2], timeout)


@pytest.fixture
def pair(listener):
    """The two ends of one connection."""
    near = dial(listener)
    far = listener.accept(HANG)
    with near, far:
        yield near, far


def echo(stream):
    with stream:
        while data := stream.read(65536):
            stream.write(data)


def serve(listener, handle, count):
    """Accepts so many connections, each with a task of its own, and waits for those."""
    for task in [go(handle, listener.accept(HANG)) for _ in range(count)]:
        task.join()


def test_a_thousand_connections_echo(listener, procs):
    open_at_once, ready = [], gmp_py.go(int)
    ready.join()

    def client(n):
        with dial(listener) as stream:
            open_at_once.append(n)
            wait_until(lambda: len(open_at_once) == 100 * (1 + (len(open_at_once) - 1) // 100))
            for round in range(3):
                message = b"%d of %d\n" % (round, n)
                assert stream.write(message, timeout=HANG) == len(message)
                assert stream.readline(timeout=HANG) == message
            return n

    count = 1000
    server = go(serve, listener, echo, count)
    done = 0
    for first in range(0, count, 100):  # a hundred at a time: RLIMIT_NOFILE may be 1024
        clients = [go(client, n) for n in range(first, first + 100)]
        done += len([task.join(HANG * 3) for task in clients])
    server.join(HANG)
    assert done == count


def test_a_large_write_to_a_slow_reader_arrives_whole(pair, procs):
    near, far = pair
    data = os.urandom(1 << 20) * 16
    writer = go(near.write, memoryview(data))

    def read_all():
        got, room = bytearray(), bytearray(70_001)
        while len(got) < len(data):
            got += room[: far.readinto(room, timeout=HANG)]
            gmp_py.yield_()
        return bytes(got)

    assert in_task(read_all) == data
    assert writer.join(HANG) == len(data)


def test_lines_are_found_wherever_they_are_cut(pair):
    near, far = pair
    lines = [b"x" * n + b"\n" for n in (0, 1, 8190, 8191, 8192, 8193, 100_000)] + [b"the end has no newline"]
    text = b"".join(lines)

    def trickle():
        for at in range(0, len(text), 5000):
            near.write(text[at : at + 5000])
            gmp_py.yield_()
        near.close_write()

    writer = go(trickle)
    assert in_task(lambda: [far.readline(timeout=HANG) for _ in lines]) == lines
    assert far.readline() == far.read(10) == far.read() == b""
    writer.join()


def test_what_was_read_ahead_is_given_to_every_kind_of_read(pair):
    near, far = pair
    near.write(b"one\ntwothreefour\nfive\nsix")
    near.close_write()
    assert far.readline() == b"one\n"
    room = bytearray(3)
    assert far.readinto(room, HANG) == 3 and room == b"two"
    assert far.read(5) == b"three" and far.read(0) == b"" and far.readline(2) == b"fo"
    assert far.readline() == b"ur\n"
    assert next(far) == b"five\n" and list(far) == [b"six"] and far.read() == b""


def test_timeouts_lose_nothing(pair):
    near, far = pair

    def reader():
        for call in (far.read, far.readline, lambda timeout: far.read(1, timeout)):
            with pytest.raises(TimeoutError):
                call(timeout=0.01)
        with pytest.raises(TimeoutError):
            far.read(1, timeout=0)
        near.write(b"half a li")
        with pytest.raises(TimeoutError):
            far.readline(timeout=0.01)
        with pytest.raises(TimeoutError):
            far.read(timeout=0.01)
        near.write(b"ne\n")
        return far.readline(timeout=HANG)

    assert in_task(reader) == b"half a line\n"
    near.write(b"again\n")
    assert far.readline(timeout=float("inf")) == b"again\n", "from a plain thread, for ever"
    with pytest.raises(TimeoutError):
        far.read(1, timeout=0.01)


def test_a_write_that_nobody_reads_times_out(pair):
    near, _ = pair
    with pytest.raises(TimeoutError):
        go(near.write, bytes(64 << 20), 0.05).join(HANG)


@pytest.mark.parametrize("method", ["read", "readline"])
@pytest.mark.parametrize("by", ["task", "thread"])
def test_close_ends_the_wait_of_a_task_and_of_a_thread(pair, method, by):
    near, far = pair
    errors, begun = [], threading.Event()

    def wait():
        begun.set()
        with pytest.raises(OSError) as caught:
            getattr(far, method)()
        errors.append(caught.value.errno)

    if by == "task":
        waiting = go(wait)
    else:
        waiting = threading.Thread(target=wait)
        waiting.start()
    begun.wait(HANG)
    for _ in range(20):
        gmp_py.sleep(0.001)  # it is in its wait by now, or will find the stream closed
    in_task(far.close)
    waiting.join(HANG)
    assert errors == [errno.EBADF] and far.closed and far.fileno() == -1
    far.close()
    for call in (far.read, far.readline, lambda: far.write(b"x"), far.close_write, lambda: far.local_address):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.EBADF


def test_closing_a_listener_ends_its_accepts_and_iteration(listener):
    def loop():
        return len(list(listener))

    def wait():
        with pytest.raises(OSError) as caught:
            listener.accept()
        return caught.value.errno

    looping, waiting = go(loop), go(wait)
    gmp_py.sleep(0.01)
    listener.close()
    assert (looping.join(HANG), waiting.join(HANG)) == (0, errno.EBADF)
    with pytest.raises(OSError):
        listener.accept()


def test_errors_are_the_kinds_of_oserror(listener, tmp_path):
    with pytest.raises(ConnectionRefusedError):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            in_task(net.dial, "tcp", "127.0.0.1:%d" % unused.getsockname()[1])
    with pytest.raises(OSError) as caught:
        net.listen("tcp", "127.0.0.1:%d" % listener.address[1])
    assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(FileNotFoundError):
        net.dial("unix", str(tmp_path / "nobody"))
    near = dial(listener)
    far = listener.accept()
    near.write(b"unread")
    far.close()  # with data unread: a reset
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while in_task(near.read, 1):
            pass
        for _ in range(1000):
            in_task(near.write, b"x" * 1000)
    near.close()


@pytest.mark.parametrize("network, address", [("tpc", "127.0.0.1:1"), ("tcp", "127.0.0.1"), ("", "")])
def test_malformed_names_are_value_errors(network, address):
    with pytest.raises(ValueError):
        net.dial(network, address)
    with pytest.raises(ValueError):
        in_task(net.listen, network, address)


def test_bad_arguments_are_refused(pair):
    near, far = pair
    wrong = [
        (TypeError, lambda: net.dial("tcp")),
        (TypeError, lambda: net.dial("tcp", 1)),
        (TypeError, lambda: net.listen(None, "127.0.0.1:0")),
        (ValueError, lambda: net.dial("tcp", "a\0b:1")),
        (ValueError, lambda: net.dial("tcp", "127.0.0.1:1", -1)),
        (TypeError, lambda: near.read("x")),
        (TypeError, lambda: near.read(1, timeout="x")),
        (ValueError, lambda: near.read(1, timeout=float("nan"))),
        (OverflowError, lambda: near.read(1 << 80)),
        (MemoryError, lambda: near.read(sys.maxsize - 100)),
        (TypeError, lambda: near.read(1, 2, 3)),
        (TypeError, lambda: near.write("text")),
        (TypeError, lambda: near.write()),
        (BufferError, lambda: near.write(memoryview(bytes(10))[::2])),
        (BufferError, lambda: near.readinto(b"constant")),
        (TypeError, lambda: near.readinto(1)),
        (TypeError, lambda: net.Stream()),
    ]
    for kind, call in wrong:
        for where in (lambda: call(), lambda: in_task(call)):
            with pytest.raises(kind):
                where()
    near.write(b"")
    near.write(bytearray(b"still "))
    near.write(memoryview(b"fine"))
    assert far.read(6) + far.read(4) == b"still fine"


def test_unix_streams_and_their_addresses(tmp_path):
    path = str(tmp_path / "socket")
    with net.listen("unix", path) as listener:
        assert listener.address == path
        near = net.dial("unix", path)
        far = listener.accept()
        with near, far:
            assert near.remote_address == far.local_address == path and near.local_address == ""
            near.write(b"x\n")
            assert far.readline() == b"x\n"


def test_addresses_and_descriptors(pair, listener):
    near, far = pair
    assert near.remote_address == far.local_address == listener.address
    assert near.local_address == far.remote_address
    assert near.fileno() != far.fileno() and not os.get_inheritable(near.fileno())
    assert "Stream fd=%d" % near.fileno() in repr(near) and "closed" not in repr(listener)
    near.close()
    assert "closed" in repr(near)


def test_a_stream_that_is_dropped_open_is_closed_with_a_warning(listener):
    near = dial(listener)
    with listener.accept() as far:
        fd = near.fileno()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del near
            gc.collect()
        assert [w.category for w in caught] == [ResourceWarning] and str(fd) in str(caught[0].message)
        assert far.read(1, timeout=HANG) == b""


def test_two_tasks_that_read_one_stream_share_its_lines(pair):
    near, far = pair
    count = 2000

    def read():
        return [line for line in far]

    readers = [go(read) for _ in range(3)]

    def feed():
        for n in range(count):
            near.write(b"%d\n" % n)
            if n % 7 == 0:
                gmp_py.yield_()
        near.close_write()

    go(feed).join(HANG)
    got = [line for task in readers for line in task.join(HANG)]
    assert sorted(map(int, got)) == list(range(count))


def test_others_run_while_a_task_waits_for_a_stream(pair, procs):
    near, far = pair
    waiting = go(far.read, 1)
    thread_ran = []
    thread = threading.Thread(target=lambda: thread_ran.append(1))
    thread.start()
    thread.join(HANG)
    assert thread_ran and in_task(lambda: 1) == 1 and not waiting.done()
    near.write(b"x")
    assert waiting.join(HANG) == b"x"


def test_a_thread_and_a_task_talk(pair):
    near, far = pair
    got = []

    def thread():
        for _ in range(50):
            got.append(near.readline())
            near.write(b"pong\n")

    other = threading.Thread(target=thread)
    other.start()

    def task():
        for _ in range(50):
            far.write(b"ping\n")
            assert far.readline(timeout=HANG) == b"pong\n"

    in_task(task)
    other.join(HANG)
    assert got == [b"ping\n"] * 50


INTERRUPTED = """
import os, signal, threading
import gmp_py
from gmp_py import net
listener = net.listen("tcp", "127.0.0.1:0")
stream = net.dial("tcp", "127.0.0.1:%d" % listener.address[1])
cleaned = []
def wait():
    try:
        {wait}
    finally:
        print("cleaned", flush=True)
def interrupt():
    gmp_py.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("wait", ["stream.read(1)", "stream.readline()", "listener.accept(); listener.accept()"])
def test_ctrl_c_ends_a_run_whose_main_waits_and_cleans_up_first(wait):
    done = child(INTERRUPTED.format(wait=wait, call="gmp_py.run(wait)"))
    assert (done.returncode, done.stdout) == (0, "cleaned\ninterrupted\n"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wait", ["stream.read(1)", "listener.accept(); listener.accept()"])
def test_ctrl_c_ends_a_wait_of_the_main_thread(wait):
    done = child(INTERRUPTED.format(wait=wait, call="wait()"))
    assert (done.returncode, done.stdout) == (0, "cleaned\ninterrupted\n"), done.stderr


def test_clean_up_at_exit_may_still_talk():
    out = ok(
        """
        import gmp_py
        from gmp_py import net
        listener = net.listen("tcp", "127.0.0.1:0")
        near = net.dial("tcp", "127.0.0.1:%d" % listener.address[1])
        far = listener.accept()
        def wait():
            try:
                far.read(1)
            finally:
                near.write(b"bye")
                print(far.read(3, timeout=5), flush=True)
        task = gmp_py.go(wait)
        gmp_py.sleep(0.05)
        gmp_py.go(lambda: None).join()
        import atexit
        atexit.register(lambda: None)
        """,
        "-W",
        "ignore::ResourceWarning",
    )
    assert out == "b'bye'\n"


def test_a_forked_child_can_use_the_streams_it_inherited(pair):
    near, far = pair
    in_task(near.write, b"first")
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if far.read(5) == b"first" and far.write(b"from child") == 10 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert near.read(10) == b"from child"


def test_idle_connections_do_not_use_the_processor(listener):
    server = [go(listener.accept, HANG) for _ in range(20)]
    streams = [dial(listener) for _ in range(20)]
    far = [task.join(HANG) for task in server]
    waiting = [go(stream.read, 1) for stream in far]
    gmp_py.sleep(0.05)
    before = time.process_time()
    time.sleep(0.5)
    used = time.process_time() - before
    for stream in streams:
        stream.close()
    assert [task.join(HANG) for task in waiting] == [b""] * 20
    for stream in far:
        stream.close()
    assert used < 0.25, f"{used:.3f} s of processor time in half a second of waiting"


def test_stubs_type_what_is_returned(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "typed.py").write_text(
        "from typing import assert_type\n"
        "from gmp_py import monkey, net\n"
        "listener = net.listen('tcp', '127.0.0.1:0')\n"
        "assert_type(listener, net.Listener)\n"
        "assert_type(listener.accept(1.5), net.Stream)\n"
        "stream = net.dial('tcp', 'x:1', timeout=2)\n"
        "assert_type(stream.read(1), bytes)\n"
        "assert_type(stream.write(memoryview(b'')), int)\n"
        "with stream as s:\n"
        "    for line in s:\n"
        "        assert_type(line, bytes)\n"
        "monkey.patch_all(ssl=False)\n"
        "stream.write('text')  # expect\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "typed.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert errors and all(line.startswith("typed.py:13:") for line in errors), done.stdout
