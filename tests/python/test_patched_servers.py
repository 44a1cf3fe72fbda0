"""The patched select and ssl, and servers of the standard library on them, one child process a test."""

import subprocess

import pytest
from patches import SERVERS, both, patched
from support import HANG


def test_select_poll_epoll_and_selectors_park():
    patched(
        """
        pairs = [socket.socketpair() for _ in range(3)]
        ends = [far for _, far in pairs]
        def by_select():
            return [ends.index(s) for s in select.select(ends, [], [], HANG)[0]]
        def by_poll():
            poll = select.poll()
            for end in ends:
                poll.register(end, select.POLLIN)
            poll.modify(ends[0], 0)
            poll.unregister(ends[0])
            return [[e.fileno() for e in ends].index(fd) for fd, event in poll.poll(HANG * 1000) if event == select.POLLIN]
        def by_epoll():
            with select.epoll() as epoll:
                for end in ends:
                    epoll.register(end, select.EPOLLIN)
                return [[e.fileno() for e in ends].index(fd) for fd, _ in epoll.poll(HANG)]
        def by_selector(kind):
            with kind() as selector:
                for n, end in enumerate(ends):
                    selector.register(end, selectors.EVENT_READ, n)
                return [key.data for key, _ in selector.select(HANG)]
        ways = [by_select, by_poll, by_epoll, lambda: by_selector(selectors.DefaultSelector),
                lambda: by_selector(selectors.PollSelector), lambda: by_selector(selectors.SelectSelector)]
        for way in ways:
            task = go(way)
            for _ in range(3):
                gmp_py.yield_()
            pairs[1][0].send(b"x")
            assert task.join(HANG) == [1], way
            assert way() == [1]                                     # from a plain thread, at once
            ends[1].recv(1)
        def timeouts():
            assert select.select(ends, [], [], 0.01) == ([], [], [])
            assert select.select(ends, [], [], 0) == ([], [], [])
            assert select.select([], [], [], 0.01) == ([], [], [])
            assert select.select([], ends, ends, 0.01) == ([], ends, [])
            assert type(raised(select.select, [], [], [], -1)) is ValueError
            assert type(raised(select.select, [], [], [], "x")) is TypeError
            assert type(raised(select.select, [1.5], [], [], 0)) is TypeError
            poll = select.poll()
            poll.register(ends[0])
            assert poll.poll(0) and poll.poll(-1)
            poll.modify(ends[0], select.POLLIN)
            assert poll.poll(10) == [] and select.poll().poll(1) == []
            with select.epoll() as epoll:
                assert epoll.poll(0.01) == [] and not epoll.closed and epoll.fileno() >= 0
            assert epoll.closed
            file = open(sys.executable, "rb")
            assert select.select([file, *ends], [], [], HANG) == ([file], [], [])
        in_task(timeouts)
        timeouts()
        assert threads() < 20
        """
    )


@both
def test_http_server_and_urllib(procs):
    patched(
        SERVERS
        + """
def use(address):
    def get(n):
        with urllib.request.urlopen("http://%s:%d/%d" % (*address, n), timeout=HANG) as answer:
            return answer.read() == b"/%d" % n * 1000
    assert all(task.join(HANG) for task in [go(get, n) for n in range(100)])
    error = in_task(raised, urllib.request.urlopen, "http://%s:%d/missing" % address)
    assert type(error) is urllib.error.HTTPError and error.code == 404
    error.close()
with_server(Handler, use)
assert threads() < 150, threads()  # two tasks a request; a busy system lets the monitor start threads
""",
        procs,
    )


def test_socketserver_with_stream_and_datagram_handlers():
    patched(
        SERVERS
        + """
class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
def use(address):
    def talk(n):
        with socket.create_connection(address, HANG) as s, s.makefile("rw") as file:
            for round in range(3):
                print("hello", n, file=file, flush=True)
                assert file.readline() == f"HELLO {n}\\n"
    for task in [go(talk, n) for n in range(50)]:
        task.join(HANG)
with_server(Upper, use)
class Datagrams(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)
with socketserver.UDPServer(("127.0.0.1", 0), Datagrams) as server:
    serving = go(server.serve_forever, 0.05)
    def talk():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(HANG)
            s.sendto(b"hello", server.server_address)
            assert s.recv(10) == b"HELLO"
    in_task(talk)
    server.shutdown()
    serving.join(HANG)
"""
    )


def test_asyncio_goes_on_beside_it():
    patched(
        """
        import asyncio
        async def main():
            async def echo(reader, writer):
                writer.write((await reader.readline()).upper())
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            where = server.sockets[0].getsockname()
            def blocking_client():
                with socket.create_connection(where, HANG) as s:
                    s.sendall(b"from a task\\n")
                    return s.recv(100)
            task = go(blocking_client)
            reader, writer = await asyncio.open_connection(*where)
            writer.write(b"hello\\n")
            assert await reader.readline() == b"HELLO\\n"
            writer.close()
            await writer.wait_closed()
            while not task.done():
                await asyncio.sleep(0.001)
            server.close()
            await server.wait_closed()
            return task.join()
        assert asyncio.run(main()) == b"FROM A TASK\\n"
        assert in_task(asyncio.run, main()) == b"FROM A TASK\\n"
        """
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=HANG)
    except FileNotFoundError:
        pytest.skip("missing: openssl")
    return f"""
import ssl
server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain({str(directory / "cert.pem")!r}, {str(directory / "key.pem")!r})
client_context = ssl.create_default_context(cafile={str(directory / "cert.pem")!r})
"""


@both
def test_tls_in_tasks(certificate, procs):
    patched(
        certificate
        + """
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
def serve_one(plain):
    with server_context.wrap_socket(plain, server_side=True) as s:
        while data := s.recv(70_000):
            s.sendall(data)
def serve():
    tasks = [go(serve_one, listener.accept()[0]) for _ in range(40)]
    for task in tasks:
        task.join(HANG)
server = go(serve)
blob = os.urandom(300_000)
def client(n):
    plain = socket.create_connection(listener.getsockname())
    with client_context.wrap_socket(plain, server_hostname="localhost") as s:
        assert s.gettimeout() is None and s.getblocking() and s.version()
        s.settimeout(0.01 if n == 0 else None)
        if n == 0:
            error = raised(s.recv, 1)
            assert type(error) is TimeoutError and str(error) == "The read operation timed out", error
            s.setblocking(False)
            assert type(raised(s.recv, 1)) is ssl.SSLWantReadError and s.timeout == 0.0
            s.settimeout(HANG)
            assert s.timeout == HANG
        writer = go(s.sendall, blob)
        got, room = bytearray(), bytearray(50_000)
        while len(got) < len(blob):
            got += room[: s.recv_into(room)]
        writer.join(HANG)
        assert got == blob
for task in [go(client, n) for n in range(40)]:
    task.join(HANG)
server.join(HANG)
assert threads() < 100, threads()
""",
        procs,
    )


def test_tls_between_tasks_and_plain_threads_and_the_ways_out_of_it(certificate):
    patched(
        certificate
        + """
near, far = socket.socketpair()
def server_side(plain):
    s = server_context.wrap_socket(plain, server_side=True)
    assert s.recv(5) == b"hello"
    s.sendall(b"bye")
    plain = s.unwrap()
    assert plain.gettimeout() is None
    return plain.recv(10)
def client_side(plain):
    s = client_context.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
    s.do_handshake()
    s.sendall(b"hello")
    with s.makefile("rb") as file:
        assert file.read(3) == b"bye"
    plain = s.unwrap()
    plain.sendall(b"plain")
    return True
for server_in_task in (True, False):
    near, far = socket.socketpair()
    results = []
    if server_in_task:
        task = go(server_side, far)
        assert client_side(near) and task.join(HANG) == b"plain"
    else:
        thread = threading.Thread(target=lambda: results.append(server_side(far)))
        thread.start()
        assert in_task(client_side, near)
        thread.join(HANG)
        assert results == [b"plain"]
near, far = socket.socketpair()
server = go(raised, server_context.wrap_socket, far, True)
near.sendall(b"this is no TLS at all, and never will be\\r\\n\\r\\n" * 10)
assert isinstance(server.join(HANG), ssl.SSLError)
near, far = socket.socketpair()
waiting = go(raised, client_context.wrap_socket, near, False, True, True, "localhost")
gmp_py.sleep(0.02)
far.close()
assert isinstance(waiting.join(HANG), (ssl.SSLError, OSError))
"""
    )


def test_https_with_the_standard_library(certificate):
    patched(
        certificate
        + SERVERS
        + """
class Secure(Tasks):
    def serve_one(self, request, address):
        super().serve_one(server_context.wrap_socket(request, server_side=True), address)
with Secure(("127.0.0.1", 0), Handler) as server:
    serving = go(server.serve_forever, 0.05)
    def get(n):
        url = "https://localhost:%d/%d" % (server.server_address[1], n)
        with urllib.request.urlopen(url, timeout=HANG, context=client_context) as answer:
            return answer.read() == b"/%d" % n * 1000
    assert all(task.join(HANG) for task in [go(get, n) for n in range(20)])
    server.shutdown()
    serving.join(HANG)
"""
    )
