"""gmp_py.servers and gmp_py.net.Socket: servers of the standard library with a task for each connection, nothing patched."""

import doctest
import gc
import http.client
import http.server
import inspect
import io
import os
import socket
import socketserver
import threading
import urllib.error
import urllib.request
import warnings

import gmp_py
import pytest
from gmp_py import go, net, servers
from support import HANG, child, in_task, wait_until


@pytest.mark.parametrize("value", [servers, servers.TaskMixIn, net.Socket], ids=["servers", "TaskMixIn", "Socket"])
def test_doctests_run(value):
    parsed = doctest.DocTestParser().get_doctest(inspect.getdoc(value), {}, "example", None, None)
    assert parsed.examples and doctest.DocTestRunner().run(parsed).failed == 0


@pytest.fixture(params=[1, 2], ids=["P=1", "P=2"])
def procs(request):
    before = gmp_py.max_procs(request.param)
    yield request.param
    gmp_py.max_procs(before)


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/broken":
            raise LookupError("a handler's own")
        self.answer(self.path.encode() * 1000)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])).upper())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Http(servers.TaskMixIn, http.server.HTTPServer):
    pass


class Running:
    """A server that serves in a task while the block runs."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.serving = go(self.server.serve_forever, 0.02)
        return self.server

    def __exit__(self, *_):
        self.server.shutdown()
        self.serving.join(HANG)
        self.server.server_close()


def test_http_server_keeps_connections_and_serves_many(procs):
    with Running(Http(("127.0.0.1", 0), Pages)) as server:
        before = len(os.listdir("/proc/self/task"))

        def client(n):
            with net.Socket() as sock:
                sock.connect(server.server_address)
                with sock.makefile("rb") as answers:
                    for round in range(5):
                        path = b"/%d/%d" % (n, round)
                        sock.sendall(b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n" % path)
                        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                        head = iter(answers.readline, b"\r\n")
                        length = next(int(line[15:]) for line in head if line.startswith(b"Content-Length:"))
                        assert list(head) == [] and answers.read(length) == path * 1000

        for task in [go(client, n) for n in range(100)]:
            task.join(HANG)
        # Two tasks a connection; a busy system lets the monitor start more threads than the processors need.
        assert len(os.listdir("/proc/self/task")) < before + 150


def test_http_client_and_urllib_of_the_standard_library_get_answers_from_plain_threads():
    with Running(Http(("127.0.0.1", 0), Pages)) as server:
        address = "http://127.0.0.1:%d" % server.server_port
        with urllib.request.urlopen(address + "/x", timeout=HANG) as answer:
            assert answer.read() == b"/x" * 1000
        blob = os.urandom(1 << 20).hex().encode()
        with urllib.request.urlopen(address, blob, timeout=HANG) as answer:
            assert answer.read() == blob.upper()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=HANG)
        caught.value.close()
        assert caught.value.code == 501


def test_an_error_of_a_handler_is_told_and_the_server_goes_on(capsys):
    with Running(Http(("127.0.0.1", 0), Pages)) as server:
        connection = http.client.HTTPConnection(*server.server_address, timeout=HANG)
        connection.request("GET", "/broken")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.request("GET", "/well")
        assert connection.getresponse().read() == b"/well" * 1000
        connection.close()
    assert "LookupError: a handler's own" in capsys.readouterr().err


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Tcp(servers.TaskMixIn, socketserver.TCPServer):
    pass


def test_stream_and_datagram_handlers(procs):
    with Running(Tcp(("127.0.0.1", 0), Lines)) as server:

        def talk(n):
            with net.Socket() as sock:
                sock.settimeout(HANG)
                sock.connect(server.server_address)
                with sock.makefile("rw") as file:
                    print("hello", n, file=file, flush=True)
                    assert file.readline() == f"HELLO {n}\n"

        for task in [go(talk, n) for n in range(50)]:
            task.join(HANG)

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            assert type(sock) is net.Socket
            sock.sendto(data.upper(), self.client_address)

    class Udp(servers.TaskMixIn, socketserver.UDPServer):
        pass

    with Running(Udp(("127.0.0.1", 0), Datagrams)) as server:

        def ask():
            with net.Socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(HANG)
                sock.sendto(b"hello", server.server_address)
                return sock.recvfrom(10)[0]

        assert in_task(ask) == b"HELLO"


@pytest.mark.skipif(not hasattr(socketserver, "UnixStreamServer"), reason="no unix sockets")
def test_a_unix_server_that_a_plain_thread_serves(tmp_path):
    class Unix(servers.TaskMixIn, socketserver.UnixStreamServer):
        pass

    server = Unix(str(tmp_path / "socket"), Lines)
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    with socket.socket(socket.AF_UNIX) as near:
        near.connect(server.server_address)
        near.sendall(b"hello\n")
        assert near.recv(100) == b"HELLO\n"
    server.shutdown()
    serving.join(HANG)
    server.server_close()
    assert not serving.is_alive()


def test_closing_a_server_waits_for_requests_unless_told_not_to():
    begun, ended = [], []

    class Slow(socketserver.StreamRequestHandler):
        def handle(self):
            begun.append(1)
            self.rfile.read()
            ended.append(1)

    for waits in (True, False):
        server = Tcp(("127.0.0.1", 0), Slow)
        server.block_on_close = waits
        serving = go(server.serve_forever, 0.02)
        begun.clear()
        ended.clear()
        near = socket.create_connection(server.server_address)
        wait_until(lambda: begun)
        server.shutdown()
        closing = go(server.server_close)
        if waits:
            gmp_py.sleep(0.01)
            assert not closing.done()
            near.close()
        closing.join(HANG)
        assert bool(ended) == waits
        near.close()
        wait_until(lambda: ended)
        serving.join(HANG)


def test_a_server_can_be_shut_down_in_a_handler_and_serve_again():
    class Ends(socketserver.StreamRequestHandler):
        def handle(self):
            self.server.shutdown()
            self.wfile.write(b"ended")

    server = Tcp(("127.0.0.1", 0), Ends)
    for _ in range(2):
        serving = go(server.serve_forever, 0.02)
        with socket.create_connection(server.server_address) as near:
            assert near.recv(100) == b"ended"
        serving.join(HANG)
    server.server_close()


def test_a_connection_that_rests_goes_on_while_a_handler_blocks(procs):
    """A lock of threading, unpatched, holds up a handler until a request comes on a connection that was there before."""
    released = threading.Event()

    class Blocks(Pages):
        def do_GET(self):
            if self.path == "/block":
                assert released.wait(HANG)
            if self.path == "/release":
                released.set()
            self.answer(self.path.encode())

    with Running(Http(("127.0.0.1", 0), Blocks)) as server:
        resting, blocked = [http.client.HTTPConnection(*server.server_address, timeout=HANG) for _ in range(2)]
        for connection, path in ((resting, "/first"), (blocked, "/first"), (blocked, "/block"), (resting, "/release")):
            connection.request("GET", path)
            if path != "/block":
                assert connection.getresponse().read() == path.encode()
        assert blocked.getresponse().read() == b"/block"
        resting.close()
        blocked.close()


def test_ctrl_c_ends_a_server_in_the_main_thread():
    done = child(
        """
        import os, signal, socketserver, gmp_py
        from gmp_py import servers
        class Tcp(servers.TaskMixIn, socketserver.TCPServer):
            def service_actions(self):
                os.kill(os.getpid(), signal.SIGINT)
        with Tcp(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
            try:
                server.serve_forever(0.02)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                server.shutdown()
                print("ended")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


# ------------------------------------------------------------------ sockets


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, net.Socket(far.family, far.type, far.proto, far.detach()) as far:
        yield near, far


def test_a_socket_is_one_of_the_standard_librarys(pair):
    near, far = pair
    assert isinstance(far, socket.socket)
    copy = far.dup()
    assert type(copy) is net.Socket
    copy.close()
    near.sendall(b"from a plain thread")
    assert far.recv(4) == b"from"
    far.setblocking(False)
    assert far.recv(100) == b" a plain thread"
    for where in (far.recv, lambda n: in_task(far.recv, n)):
        with pytest.raises(BlockingIOError):
            where(1)
    far.settimeout(0.01)
    for where in (far.recv, lambda n: in_task(far.recv, n)):
        with pytest.raises(TimeoutError):
            where(1)


def test_a_file_gives_what_a_buffered_reader_gives(pair):
    near, far = pair
    text = b"one\ntwo\n" + b"x" * 200_000 + b"\n" + bytes(range(256)) * 1000 + b"\nthe end"
    calls = ["readline()", "readline(2)", "readline(0)", "read(3)", "readline()", "read(0)", "readline(100_000)",
             "readline()", "read(700)", "next(file)", "readinto(room)", "readinto(empty)", "read()", "read()", "readline()",
             "read(1)", "read1()", "read1(5)", "peek()"]  # fmt: skip

    def results(file):
        room, empty = bytearray(1000), bytearray()
        names = {"file": file, "room": room, "empty": empty}
        return [eval(call if "(file" in call else "file." + call, names) for call in calls] + [bytes(room)]

    def write():
        near.sendall(text)
        near.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    file = far.makefile("rb")
    assert in_task(results, file) == results(io.BufferedReader(io.BytesIO(text)))
    writer.join()
    assert isinstance(file, io.BufferedIOBase) and file.readable() and not file.writable() and not file.closed
    assert file.fileno() == file.name == far.fileno() and file.mode == "rb"
    far.close()
    assert file.fileno() >= 0, "the file holds the socket"
    file.close()
    file.close()
    for call in (file.readline, file.read, file.read1, file.peek):
        with pytest.raises(ValueError):
            call()


def test_a_file_is_part_of_other_files(pair):
    near, far = pair
    near.sendall("größe\nend".encode())
    near.shutdown(socket.SHUT_WR)
    assert list(io.TextIOWrapper(far.makefile("rb"), "utf-8")) == ["größe\n", "end"]


def test_read1_and_peek_give_what_is_there(pair):
    near, far = pair
    near.sendall(b"some")
    file = far.makefile("rb")
    assert file.peek() == b"some" and file.read1(2) == b"so" and file.read1(0) == b""
    reader = go(file.read1)
    assert reader.join(HANG) == b"me"
    room = bytearray(10)
    near.sendall(b"more")
    assert in_task(file.readinto1, room) == 4 and room[:4] == b"more"
    file.close()


def test_all_modes_of_makefile_work(pair):
    near, far = pair
    with far.makefile("rwb") as both, far.makefile("r", encoding="ascii") as text, far.makefile("rb", 0) as raw:
        assert type(both) is io.BufferedRWPair and type(text) is io.TextIOWrapper and type(raw) is socket.SocketIO
        both.write(b"out")
        both.flush()
        assert near.recv(10) == b"out"


def test_an_unclosed_socket_warns(pair):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.Socket()
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning]


def test_nothing_is_patched():
    assert not any(gmp_py.monkey.is_patched(name) for name in ("socket", "ssl", "select"))
