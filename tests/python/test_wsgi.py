"""examples/python/wsgi.py: a WSGI server is held to PEP 3333, to HTTP/1.1, and to its limits."""

import http.client
import io
import os
import pathlib
import socket
import sys
import threading
import wsgiref.validate

import gmp_py
import pytest
from gmp_py import go, net
from support import HANG, wait_until

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)
sys.path.insert(0, str(EXAMPLES))

import wsgi  # noqa: E402
import wsgi_request  # noqa: E402


@pytest.fixture(params=[1, 2], ids=["P=1", "P=2"])
def procs(request):
    before = gmp_py.max_procs(request.param)
    yield request.param
    gmp_py.max_procs(before)


def echo(environ, start_response):
    """Answers with the body, or with what the path names."""
    name = environ["PATH_INFO"]
    if name == "/environ":
        body = repr(sorted((k, v) for k, v in environ.items() if isinstance(v, str))).encode()
    elif name == "/lines":
        body = b"|".join(environ["wsgi.input"].readlines())
    elif name == "/unread":
        body = b"unread"
    else:
        body = environ["wsgi.input"].read() or name.encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


class Running:
    def __init__(self, app):
        self.app = app

    def __enter__(self):
        self.server = wsgi.Server(self.app, net.listen("tcp", "127.0.0.1:0"))
        self.server.environ["wsgi.errors"] = self.errors = io.StringIO()
        self.serving = go(self.server.serve)
        return self

    def __exit__(self, *_):
        self.server.stop()
        self.serving.join(HANG)
        assert not self.server.connections

    def dial(self):
        return socket.create_connection(self.server.listener.address, HANG)

    def ask(self, data):
        """All that comes back for bytes after which the client says nothing more."""
        with self.dial() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.fixture(scope="module")
def served():
    with Running(echo) as running:
        yield running


def request(line, *headers, body=b""):
    head = [line, *(headers or ["Host: here"])]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]


def test_the_validator_of_the_standard_library_has_no_complaint(procs):
    def app(environ, start_response):
        body = environ["wsgi.input"].read(10) if environ["REQUEST_METHOD"] == "POST" else b"nothing"
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    with Running(wsgiref.validate.validator(app)) as running:

        def client():
            client = http.client.HTTPConnection(*running.server.listener.address, timeout=HANG)
            for _ in range(3):
                for method, body in (("GET", None), ("POST", b"0123456789"), ("POST", [b"01234", b"56789"])):
                    client.request(method, "/a%20b?c=d", body, encode_chunked=isinstance(body, list))
                    answer = client.getresponse()
                    assert (answer.status, answer.read()) == (200, b"0123456789" if body else b"nothing")
            client.close()

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        assert running.errors.getvalue() == ""


def test_pipelined_requests_are_answered_in_order(served):
    data = b"".join(request(f"GET /{n} HTTP/1.1") for n in range(20))
    answers = served.ask(data)
    assert [part.rpartition(b"\r\n\r\n")[2] for part in answers.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"/%d" % n for n in range(20)
    ]


def test_the_environment(served):
    answer = served.ask(request("GET http://x/environ?a=%20b HTTP/1.1", "Host: here", "X-A: 1", "x-a:  2 ", "X_A: 3"))
    environ = dict(eval(body_of(answer)))
    expected = {"PATH_INFO": "/environ", "QUERY_STRING": "a=%20b", "REQUEST_METHOD": "GET", "SCRIPT_NAME": "",
                "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "here", "HTTP_X_A": "1, 2", "REMOTE_ADDR": "127.0.0.1",
                "wsgi.url_scheme": "http"}  # fmt: skip
    assert {key: environ.get(key) for key in expected} == expected
    assert body_of(served.ask(request("GET /gr%C3%B6%C3%9Fe HTTP/1.1"))) == "/größe".encode()


@pytest.mark.parametrize("version, header, kept", [
    ("1.1", "X: y", True), ("1.1", "Connection: close", False), ("1.1", "Connection: Keep-Alive, CLOSE", False),
    ("1.0", "X: y", False), ("1.0", "Connection: keep-alive", True),
])  # fmt: skip
def test_connections_are_kept_as_the_client_says(served, version, header, kept):
    with served.dial() as sock, sock.makefile("rb") as file:
        for _ in range(2 if kept else 1):
            sock.sendall(request(f"GET /x HTTP/{version}", "Host: here", header))
            head = list(iter(file.readline, b"\r\n"))
            assert head[0] == b"HTTP/%b 200 OK\r\n" % version.encode() and file.read(2) == b"/x"
            assert (b"Connection: close\r\n" in head) is not kept
        if not kept:
            assert file.read() == b""


CHUNKED = ("Host: here", "Transfer-Encoding: chunked")


def test_bodies(served):
    whole = b"4;a=b\r\none\n\r\n3\r\ntwo\r\n0\r\nTrailer: x\r\n\r\n"
    assert body_of(served.ask(request("POST / HTTP/1.1", *CHUNKED, body=whole))) == b"one\ntwo"
    assert body_of(served.ask(request("POST /lines HTTP/1.1", *CHUNKED, body=whole))) == b"one\n|two"
    blob = os.urandom(1 << 20)
    plain = request("POST / HTTP/1.0", f"Content-Length: {len(blob)}", body=blob)
    assert body_of(served.ask(plain)) == blob
    unread = request("POST /unread HTTP/1.1", "Host: here", "Content-Length: 5", body=b"12345")
    assert served.ask(unread * 2).count(b"unread") == 2, "a small body that nobody read is skipped"
    large = request("POST /unread HTTP/1.1", "Host: here", "Content-Length: 1000000", body=bytes(1000000))
    with served.dial() as sock, sock.makefile("rb") as file:
        sock.sendall(large[:200000])
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_client_that_waits_is_told_to_go_on(served):
    with served.dial() as sock, sock.makefile("rb") as file:
        sock.sendall(request("POST / HTTP/1.1", "Host: here", "Content-Length: 4", "Expect: 100-continue"))
        assert file.readline() == b"HTTP/1.1 100 Continue\r\n" and file.readline() == b"\r\n"
        sock.sendall(b"body")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        while file.readline() != b"\r\n":
            pass
        assert file.read(4) == b"body"
        sock.sendall(request("POST /unread HTTP/1.1", "Host: here", "Content-Length: 4", "Expect: 100-continue"))
        rest = file.read()
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n") and rest.endswith(b"unread"), "not read: closed"


HEADERS = ["Host: here", *(f"H{n}: x" for n in range(101))]


@pytest.mark.parametrize("status, data", [
    (400, request("GET /")), (400, request("GET  / HTTP/1.1")), (400, request("GET x HTTP/1.1")),
    (400, request("G@T / HTTP/1.1")), (400, request("GET / HTTP/1.1", "X: y")), (400, request("GET / HTTP/1.1", "Host: a", "Host: b")),
    (400, request("GET / HTTP/1.1", "Host: here", "Folded: a", " b")), (400, request("GET / HTTP/1.1", "Host : here")),
    (400, request("GET / HTTP/1.1", "Host: here", "no colon")), (400, request("GET / HTTP/1.1", "Host: a\0b")),
    (400, request("GET / HTTP/1.1", "Host: here\nX: y")), (400, request("GET / HTTP/1.1", "Host: here\rX: y")),
    (400, request("POST / HTTP/1.1", "Host: here", "Content-Length: +1")),
    (400, request("POST / HTTP/1.1", "Host: here", "Content-Length: 1", "Content-Length: 1", body=b"x")),
    (400, request("POST / HTTP/1.1", *CHUNKED, "Content-Length: 3", body=b"0\r\n\r\n")),
    (400, request("POST / HTTP/1.1", *CHUNKED, body=b"x\r\n\r\n")), (400, request("POST / HTTP/1.1", *CHUNKED, body=b"1\r\nxy\r\n")),
    (400, request("POST / HTTP/1.1", *CHUNKED, body=b"1" * 2000)), (413, request("POST / HTTP/1.1", *CHUNKED, body=b"fffffffff\r\n")),
    (413, request("POST / HTTP/1.1", "Host: here", "Content-Length: 999999999")),
    (431, request("GET / HTTP/1.1", "Host: here", "Long: " + "x" * 20000)), (431, b"GET /" + b"x" * 20000),
    (431, request("GET / HTTP/1.1", *HEADERS)), (431, request("POST / HTTP/1.1", *CHUNKED, body=b"0\r\n" + b"T: x\r\n" * 200)),
    (501, request("POST / HTTP/1.1", "Host: here", "Transfer-Encoding: gzip, chunked")),
    (505, request("GET / HTTP/2.0")), (400, request("GET / HTTPS")),
])  # fmt: skip
def test_what_is_refused(served, status, data):
    answer = served.ask(data)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.count(b"HTTP/1.1") == 1, answer


def test_a_request_that_does_not_come_in_is_given_up(monkeypatch):
    limits = wsgi_request.Limits(idle=0.05, request=0.05)
    monkeypatch.setattr(wsgi, "LIMITS", limits)
    monkeypatch.setattr(wsgi_request, "LIMITS", limits)
    with Running(echo) as running:
        for data, status in ((b"", b""), (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 408 "),
                             (request("POST / HTTP/1.1", "Host: here", "Content-Length: 4", body=b"x"), b"HTTP/1.1 408 ")):  # fmt: skip
            with running.dial() as sock, sock.makefile("rb") as file:
                sock.sendall(data)
                assert file.read().startswith(status)


def app_of(status="200 OK", headers=(), result=(b"body",), fail=None):
    def app(environ, start_response):
        write = start_response(status, list(headers))
        if fail == "late":
            write(b"begun")
        if fail:
            raise LookupError("an application's own")
        return result() if callable(result) else result

    return app


def generated(*pieces):
    def result():
        yield from pieces

    return result


@pytest.mark.parametrize("app, line, expected", [
    (app_of(result=generated(b"a", b"", b"bc")), "GET / HTTP/1.1", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
    (app_of(result=generated(b"a", b"bc")), "GET / HTTP/1.0", b"abc"),
    (app_of(result=generated()), "GET / HTTP/1.1", b""),
    (app_of(result=generated(b"a")), "HEAD / HTTP/1.1", b""), (app_of(), "HEAD / HTTP/1.1", b""),
    (app_of(result=[b"a", b"bc"]), "GET / HTTP/1.1", b"abc"),
    (app_of("204 No Content", result=[]), "GET / HTTP/1.1", b""), (app_of("304 Not Modified", result=[b"x"]), "GET / HTTP/1.1", b""),
    (app_of(headers=[("Content-Length", "4")], result=generated(b"bo", b"dy")), "GET / HTTP/1.1", b"body"),
])  # fmt: skip
def test_results(app, line, expected):
    with Running(app) as running:
        answers = running.ask(request(line, "Host: here", "Connection: keep-alive") * 1)
        assert body_of(answers) == expected and running.errors.getvalue() == ""
        head = answers.partition(b"\r\n\r\n")[0]
        assert b"\r\nDate: " in head and (b"204" not in head or b"Content-Length" not in head)


@pytest.mark.parametrize("app, answered, told", [
    (app_of(fail="early"), b"HTTP/1.1 500 ", "LookupError"), (app_of(fail="late"), b"HTTP/1.1 200 ", "LookupError"),
    (app_of("200\r\nX: y"), b"HTTP/1.1 500 ", "ValueError"), (app_of("OK"), b"HTTP/1.1 500 ", "ValueError"),
    (app_of(headers=[("A", "b\r\nC: d")]), b"HTTP/1.1 500 ", "ValueError"),
    (app_of(headers=[("Connection", "close")]), b"HTTP/1.1 500 ", "ValueError"),
    (lambda environ, start_response: [b"x"], b"HTTP/1.1 500 ", "RuntimeError"),
    (app_of(headers=[("Content-Length", "3")]), b"HTTP/1.1 500 ", "RuntimeError"),
    (app_of(headers=[("Content-Length", "9")]), b"HTTP/1.1 200 ", "RuntimeError"),
])  # fmt: skip
def test_an_application_that_fails(app, answered, told):
    with Running(app) as running:
        answer = running.ask(request("GET / HTTP/1.1") * 2)
        assert answer.startswith(answered) and answer.count(b"HTTP/1.1") == 1, "and the connection is closed"
        assert told in running.errors.getvalue() and b"LookupError" not in answer


def test_results_are_closed_and_exc_info_replaces_a_head():
    closed = []

    class Result:
        def __iter__(self):
            yield b"x"

        def close(self):
            closed.append(1)

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise LookupError
        except LookupError:
            start_response("404 Not Found", [], sys.exc_info())
        return Result()

    with Running(app) as running:
        assert running.ask(request("GET / HTTP/1.1")).startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert closed == [1]


def test_blocking_in_an_application_does_not_stop_others():
    """A lock of the standard library, unpatched: five requests have to be inside at once."""
    barrier = threading.Barrier(5)

    def app(environ, start_response):
        barrier.wait(HANG)
        return echo(environ, start_response)

    with Running(app) as running:
        socks = [running.dial() for _ in range(5)]
        for sock in socks:
            sock.sendall(request("GET / HTTP/1.1", "Host: here", "Connection: close"))
        for sock in socks:
            assert b"".join(iter(lambda: sock.recv(65536), b"")).endswith(b"/")
            sock.close()


def test_stop_answers_what_is_under_way_and_closes_what_rests():
    begun, may_go = [], []

    def app(environ, start_response):
        begun.append(1)
        while not may_go:
            gmp_py.sleep(0.001)
        return echo(environ, start_response)

    with Running(app) as running:
        with running.dial() as resting, running.dial() as busy:
            busy.sendall(request("GET /busy HTTP/1.1"))
            wait_until(lambda: begun and len(running.server.connections) == 2)
            stopping = go(running.server.stop)
            assert resting.recv(1) == b""
            may_go.append(1)
            answer = b"".join(iter(lambda: busy.recv(65536), b""))
            assert answer.endswith(b"/busy")
            stopping.join(HANG)
