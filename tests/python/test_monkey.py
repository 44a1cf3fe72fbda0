"""gmp_py.monkey as a whole: its documentation, Ctrl-C, forks, descriptors."""

import doctest
import inspect

import pytest
from gmp_py import monkey
from patches import both, patched
from support import ok


@pytest.mark.parametrize("name", monkey.__all__)
def test_doctests_run(name):
    text = inspect.getdoc(getattr(monkey, name))
    parsed = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert parsed.examples and doctest.DocTestRunner().run(parsed).failed == 0
    if isinstance(getattr(monkey, name), type):
        return
    for parameter in inspect.signature(getattr(monkey, name)).parameters:
        assert f"    {parameter}: " in text


def test_importing_the_package_patches_nothing():
    ok(
        """
        import socket, select, sys
        before = socket.socket.recv, select.select, select.epoll
        import gmp_py
        assert before == (socket.socket.recv, select.select, select.epoll)
        assert not any(map(gmp_py.monkey.is_patched, ("socket", "select", "ssl"))) and "ssl" not in sys.modules
        """
    )


@both
def test_unpatched_sockets_in_tasks_work_beside_streams(procs):
    patched(
        """
        from gmp_py import net
        assert not monkey.is_patched("socket")
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        def serve():
            for _ in range(20):
                with listener.accept()[0] as connection:
                    connection.sendall(connection.recv(100).upper())
        thread = threading.Thread(target=serve)
        thread.start()
        def plain(n):
            with socket.create_connection(listener.getsockname(), HANG) as s:
                s.sendall(b"plain")
                return s.recv(100)
        streams = net.listen("tcp", "127.0.0.1:0")
        def echo():
            with streams.accept(HANG) as stream:
                stream.write(stream.readline(timeout=HANG))
        def stream(n):
            with net.dial("tcp", "127.0.0.1:%d" % streams.address[1]) as mine:
                mine.write(b"stream\\n")
                return mine.readline(timeout=HANG)
        servers = [go(echo) for _ in range(20)]
        tasks = [go(kind, n) for n in range(20) for kind in (plain, stream)]
        assert [task.join(HANG) for task in tasks] == [b"PLAIN", b"stream\\n"] * 20
        for task in servers:
            task.join(HANG)
        thread.join(HANG)
        streams.close()
        """,
        procs,
        "pass",
    )


INTERRUPTED = """
import os, signal, threading
import gmp_py
from gmp_py import monkey
monkey.patch_all()
import socket, select
near, far = socket.socketpair()
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


@pytest.mark.parametrize("wait", ["far.recv(1)", "far.recvfrom(1)", "select.select([far], [], [])"])
@pytest.mark.parametrize("call", ["gmp_py.run(wait)", "wait()"], ids=["run", "main thread"])
def test_ctrl_c_while_waiting(wait, call):
    lines = ok(INTERRUPTED.format(wait=wait, call=call)).split()
    assert sorted(lines) == ["cleaned", "interrupted"]


def test_sockets_work_in_a_forked_child():
    patched(
        """
        near, far = socket.socketpair()
        in_task(near.send, b"x")
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                assert far.recv(1) == b"x"
                far.sendall(b"from the child")
                far.close()
                listener = socket.create_server(("127.0.0.1", 0))
                client = socket.create_connection(listener.getsockname())
                client.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert near.recv(100) == b"from the child"
        """
    )


def test_a_thousand_connects_and_closes_leak_no_descriptors():
    patched(
        """
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        def once():
            task = go(listener.accept)
            with socket.create_connection(listener.getsockname()) as s:
                s.sendall(b"x")
                with task.join(HANG)[0] as accepted:
                    assert accepted.recv(1) == b"x"
        in_task(once)
        in_task(select.select, [listener], [], [], 0.001)  # the poller is made for the first who must wait
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(1000):
            in_task(once)
        assert len(os.listdir("/proc/self/fd")) == before
        """
    )
