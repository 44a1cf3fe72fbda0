"""The patched socket: the standard library's semantics in tasks, one child process a test."""

from patches import both, patched


@both
def test_an_echo_server_of_tasks_serves_a_thousand_connections(procs):
    patched(
        """
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        def echo(connection):
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)
        def serve():
            tasks = []
            for _ in range(COUNT):
                connection, address = listener.accept()
                assert connection.getpeername() == address
                tasks.append(go(echo, connection))
            for task in tasks:
                task.join(HANG)
        def client(n):
            with socket.create_connection(listener.getsockname(), timeout=HANG) as mine:
                for round in range(3):
                    mine.sendall(b"%6d" % n)
                    got = b""
                    while len(got) < 6:
                        got += mine.recv(6 - len(got))
                    assert int(got) == n
        COUNT = 1000
        server = go(serve)
        for first in range(0, COUNT, 100):
            for task in [go(client, n) for n in range(first, min(first + 100, COUNT))]:
                task.join(HANG)
        server.join(HANG)
        assert threads() < 20, threads()
        """,
        procs,
    )


def test_existing_sockets_subclasses_and_plain_threads_are_served():
    patched(
        """
        from socket import socket as imported_before
        class Mine(socket.socket):
            def recv(self, *args):
                return b"mine " + super().recv(*args)
        near, far = socket.socketpair()
        monkey.patch_all()
        monkey.patch_all()
        assert socket.socket is imported_before and isinstance(near, socket.socket)
        mine = Mine(fileno=far.detach())
        reader = go(mine.recv, 10)
        near.sendall(b"x")
        assert reader.join(HANG) == b"mine x"
        got = []
        thread = threading.Thread(target=lambda: got.append(near.recv(10)))
        thread.start()
        in_task(mine.sendall, b"from a task")
        thread.join(HANG)
        assert got == [b"from a tas"], got
        assert near.recv(5) == b"k"
        """,
        patch="pass",
    )


@both
def test_many_waiting_receivers_need_no_threads(procs):
    patched(
        """
        pairs = [socket.socketpair() for _ in range(200)]
        readers = [go(far.recv, 10) for _, far in pairs]
        gmp_py.sleep(0.3)  # long enough for a monitor that would have to help
        assert threads() < 20, threads()
        for near, _ in pairs:
            near.send(b"x")
        assert [r.join(HANG) for r in readers] == [b"x"] * 200
        """,
        procs,
    )


def test_timeouts_and_modes_are_those_of_the_standard_library():
    patched(
        """
        import fcntl
        near, far = socket.socketpair()
        def flags():
            return bool(fcntl.fcntl(far, fcntl.F_GETFL) & os.O_NONBLOCK)
        def body():
            assert far.gettimeout() is None and far.getblocking() and not flags()
            far.settimeout(0.02)
            assert flags()
            room = bytearray(4)
            for call in (lambda: far.recv(1), lambda: far.recv_into(room), lambda: far.recvfrom(1),
                         lambda: far.recvfrom_into(room), lambda: far.recvmsg(1), lambda: far.recvmsg_into([room])):
                before = time.monotonic()
                error = raised(call)
                assert type(error) is TimeoutError is socket.timeout and str(error) == "timed out", error
                assert time.monotonic() - before >= 0.02
            far.setblocking(False)
            error = raised(far.recv, 1)
            assert type(error) is BlockingIOError and error.errno == errno.EAGAIN
            error = raised(lambda: [near.send(b"x" * 65536, socket.MSG_DONTWAIT) for _ in range(1000)])
            assert type(error) is BlockingIOError
            far.settimeout(None)
            assert not flags() and far.recv(1) == b"x"
            assert raised(far.settimeout, -1).args and far.gettimeout() is None
            near.settimeout(0.02)
            error = raised(near.sendall, bytes(1 << 24))
            assert type(error) is TimeoutError
            assert raised(far.recv, -1).args == ("negative buffersize in recv",)
            assert type(raised(far.recv, "x")) is TypeError and type(raised(far.recv)) is TypeError
            assert type(raised(far.send, "text")) is TypeError and type(raised(far.recv_into, b"x")) is TypeError
            assert far.recv(0) == b"" and far.recv_into(bytearray(2), nbytes=1, flags=socket.MSG_PEEK) == 1
            assert type(raised(far.recv_into, bytearray(2), 3)) is ValueError
        in_task(body)
        """
    )


@both
def test_close_in_mid_wait_ends_the_wait(procs):
    patched(
        """
        listener = socket.create_server(("127.0.0.1", 0))
        near, far = socket.socketpair()
        waits = [go(raised, far.recv, 1), go(raised, far.recvfrom, 1), go(raised, listener.accept)]
        gmp_py.sleep(0.02)
        far.close()
        threading.Thread(target=listener.close).start()
        errors = [w.join(HANG) for w in waits]
        assert [type(e) for e in errors] == [OSError] * 3 and {e.errno for e in errors} == {errno.EBADF}, errors
        assert near.recv(1) == b""
        assert raised(in_task, far.recv, 1).errno == errno.EBADF
        far.close()
        """,
        procs,
    )


def test_shutdown_and_a_peers_reset_end_the_wait():
    patched(
        """
        import struct
        near, far = socket.socketpair()
        reader = go(far.recv, 1)
        gmp_py.sleep(0.01)
        far.shutdown(socket.SHUT_RD)
        assert reader.join(HANG) == b""
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
        reader = go(raised, served.recv, 1)
        gmp_py.sleep(0.01)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert type(reader.join(HANG)) is ConnectionResetError
        assert type(in_task(raised, lambda: [served.sendall(b"x" * 100_000) for _ in range(100)])) is BrokenPipeError
        """
    )


def test_dup_fromfd_detach_and_fileno_reuse():
    patched(
        """
        near, far = socket.socketpair()
        copy = far.dup()
        again = socket.fromfd(far.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        readers = [go(copy.recv, 1)]
        gmp_py.sleep(0.01)
        again.close()
        far.close()                   # the copy goes on
        near.send(b"1")
        assert readers[0].join(HANG) == b"1"
        fd = copy.detach()
        assert copy.fileno() == -1 and raised(in_task, copy.recv, 1).errno == errno.EBADF
        third = socket.socket(fileno=fd)
        assert third.family == socket.AF_UNIX
        for _ in range(200):          # the same numbers again and again, each closed while it is waited on
            a, b = socket.socketpair()
            reader = go(raised, a.recv, 1)
            gmp_py.yield_()
            a.close()
            assert reader.join(HANG).errno == errno.EBADF
            b.close()
        near.send(b"2")
        assert in_task(third.recv, 1) == b"2"
        """
    )


def test_makefile_reads_and_writes():
    patched(
        """
        near, far = socket.socketpair()
        def writer():
            with near.makefile("w", encoding="utf-8", newline="\\n") as file:
                for n in range(1000):
                    print("line", n, file=file)
                    if n % 100 == 0:
                        file.flush()
                        gmp_py.sleep(0.001)
            near.shutdown(socket.SHUT_WR)
        task = go(writer)
        def reader():
            with far.makefile(encoding="utf-8") as file:
                return [line for line in file]
        assert in_task(reader) == [f"line {n}\\n" for n in range(1000)]
        task.join(HANG)
        raw = near.makefile("rb", buffering=0)
        near.settimeout(0.01)
        assert type(in_task(raised, raw.read, 1)) is TimeoutError
        file = near.makefile("rb")
        near.close()
        assert near.fileno() >= 0, "the file holds it"
        raw.close(), file.close()
        assert near.fileno() == -1
        """
    )


def test_datagrams_and_ancillary_data():
    patched(
        """
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        def serve():
            for _ in range(3):
                data, address = server.recvfrom(100)
                server.sendto(data.upper(), address)
            room = bytearray(10)
            n, address = server.recvfrom_into(room)
            server.sendto(bytes(room[:n]), 0, address)
        task = go(serve)
        def client():
            mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            mine.settimeout(HANG)
            for word in (b"a", b"b", b"c"):
                mine.sendto(word, server.getsockname())
                assert mine.recvfrom(10) == (word.upper(), server.getsockname())
            mine.connect(server.getsockname())
            mine.send(b"into")
            assert mine.recv(10) == b"into"
        in_task(client)
        task.join(HANG)
        near, far = socket.socketpair()
        receiver = go(socket.recv_fds, far, 10, 2)
        gmp_py.sleep(0.01)
        read, write = os.pipe()
        in_task(socket.send_fds, near, [b"fds"], [write])
        data, fds, flags, address = receiver.join(HANG)
        assert data == b"fds" and len(fds) == 1
        os.write(fds[0], b"through")
        assert os.read(read, 10) == b"through"
        """
    )


def test_connect_in_every_way():
    patched(
        """
        listener = socket.create_server(("127.0.0.1", 0))
        where = listener.getsockname()
        closed = socket.socket()
        closed.bind(("127.0.0.1", 0))
        def body():
            for timeout in (None, HANG):
                with socket.socket() as s:
                    s.settimeout(timeout)
                    assert s.connect(("localhost", where[1])) is None
                    assert s.gettimeout() == timeout and s.getpeername() == where
                    # With a timeout the kernel tells the next call that the first succeeded.
                    assert s.connect_ex(where) == (0 if timeout else errno.EISCONN)
                with socket.socket() as s:
                    s.settimeout(timeout)
                    assert s.connect_ex(where) == 0
                with socket.socket() as s:
                    s.settimeout(timeout)
                    assert type(raised(s.connect, closed.getsockname())) is ConnectionRefusedError
                with socket.socket() as s:
                    s.settimeout(timeout)
                    assert s.connect_ex(closed.getsockname()) == errno.ECONNREFUSED
                with socket.socket() as s:
                    assert type(raised(s.connect, ("127.0.0.1", "x"))) is TypeError
                    assert type(raised(s.connect, ("127.0.0.1", 1 << 20))) is OverflowError
                    assert type(raised(s.connect, ("no-such-host.invalid", 1))) is socket.gaierror
            with socket.socket() as s:
                s.setblocking(False)
                assert s.connect_ex(where) in (0, errno.EINPROGRESS)
            assert type(raised(socket.create_connection, closed.getsockname(), HANG)) is ConnectionRefusedError
            with socket.create_connection(("localhost", where[1]), timeout=HANG, source_address=("127.0.0.1", 0)) as s:
                assert s.gettimeout() == HANG
            path = "\\0gmp-py-test-%d" % os.getpid()
            with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as s:
                server.bind(path)
                server.listen()
                s.connect(path)
                accepted, address = server.accept()
                accepted.close()
        in_task(body)
        """
    )


def test_a_connect_that_gets_no_answer_times_out():
    patched(
        """
        # A listener whose queue is full answers nobody.
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filled = []
        def body():
            for _ in range(16):
                s = socket.socket()
                s.settimeout(0.1)
                filled.append(s)
                error = s.connect_ex(listener.getsockname())
                if error:
                    return error, s.gettimeout(), raised(socket.create_connection, listener.getsockname(), 0.05)
        error, timeout, other = in_task(body)
        assert error == errno.EWOULDBLOCK and timeout == 0.1
        assert type(other) is TimeoutError and str(other) == "timed out", other
        """
    )


def test_names_are_looked_up_while_others_run():
    patched(
        """
        import _socket
        def body():
            assert socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4] == ("127.0.0.1", 80)
            assert socket.gethostbyname("localhost") == "127.0.0.1"
            assert socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
            assert type(raised(socket.getaddrinfo, "no-such-host.invalid", 1)) is socket.gaierror
            assert type(raised(socket.getaddrinfo)) is TypeError
        in_task(body)
        body()
        # A look-up that hangs: the stand-in releases the GIL and blocks, as the real one does.
        from gmp_py._elsewhere import call_elsewhere
        read, write = os.pipe()
        stuck = [go(call_elsewhere, os.read, read, 1) for _ in range(50)]
        assert [in_task(int, str(n)) for n in range(100)] == list(range(100))
        os.write(write, b"x" * 50)
        assert [task.join(HANG) for task in stuck] == [b"x"] * 50
        assert type(raised(in_task, call_elsewhere, int, "x")) is ValueError
        """
    )


def test_sendfile_sends_files_and_falls_back(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 20_000)
    patched(
        f"""
        import io
        data = open({str(path)!r}, "rb").read()
        listener = socket.create_server(("127.0.0.1", 0))
        def receive():
            with listener.accept()[0] as s:
                got = bytearray()
                while part := s.recv(100_000):
                    got += part
                return bytes(got)
        def send(file, timeout, *args):
            with socket.create_connection(listener.getsockname()) as s:
                s.settimeout(timeout)
                return s.sendfile(file, *args), file.tell()
        for timeout in (None, HANG):
            for args, part in (((), data), ((1000,), data[1000:]), ((5, 100_000), data[5:100_005])):
                for make in (lambda: open({str(path)!r}, "rb"), lambda: io.BytesIO(data)):
                    task = go(receive)
                    with make() as file:
                        assert in_task(send, file, timeout, *args)[0] == len(part)
                    assert task.join(HANG) == part
        s = socket.socketpair()[0]
        s.setblocking(False)
        assert type(in_task(raised, s.sendfile, open({str(path)!r}, "rb"))) is ValueError
        """
    )
