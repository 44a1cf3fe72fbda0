"""A chat server, two tasks a client: python chat.py [CLIENTS] | python chat.py --listen HOST:PORT

Lines go to everyone else in the room; the first line of a client is its name. What a client does not read in time is not
kept for it: it is sent away. Without --listen it serves on a free port, so many clients (50 if not told) talk to each
other, what they heard is checked, and it ends.
"""

import sys

import gmp_py
from gmp_py import net

LINE_BYTES = 1000
WAITING = 200  # lines that are kept for a client


class Client:
    """Who is in the room: its connection, and the lines that wait to be written to it."""

    def __init__(self, stream: net.Stream) -> None:
        self.stream = stream
        self.lines: list[bytes] = []
        self.wake = gmp_py.Event()
        self.gone = False

    def tell(self, line: bytes) -> None:
        """Never waits: a slow client holds up nobody."""
        if len(self.lines) >= WAITING:
            self.leave()
        else:
            self.lines.append(line)
            self.wake.set()

    def leave(self) -> None:
        self.gone = True
        self.wake.set()

    def write(self) -> None:
        """The client's second task: writes what waits, as much as there is at once."""
        with self.stream:
            while True:
                self.wake.wait()
                self.wake.clear()
                lines, self.lines = self.lines, []
                try:
                    self.stream.write(b"".join(lines), timeout=10)
                except OSError:
                    return
                if self.gone and not self.lines:
                    return


class Room:
    """Everyone who is there."""

    def __init__(self) -> None:
        self.lock = gmp_py.Mutex()
        self.clients: dict[str, Client] = {}

    def tell(self, line: str, but: str) -> None:
        with self.lock:
            for name, client in self.clients.items():
                if name != but:
                    client.tell(line.encode())

    def enter(self, name: str, client: Client) -> bool:
        with self.lock:
            if not name or name in self.clients:
                return False
            self.clients[name] = client
            return True

    def serve(self, stream: net.Stream) -> None:
        """A client's first task: reads its lines."""
        client = Client(stream)
        writer = gmp_py.go(client.write)
        name = line_of(stream)
        if name is None or not self.enter(name, client):
            client.tell(b"* that name is taken\n")
        else:
            client.tell(b"* hello\n")
            self.tell(f"* {name} came\n", name)
            while (line := line_of(stream)) is not None:
                self.tell(f"{name}: {line}\n", name)
            with self.lock:
                del self.clients[name]
            self.tell(f"* {name} left\n", name)
        client.leave()
        writer.join()


def line_of(stream: net.Stream) -> str | None:
    """The next line; None at the end, and for one that is too long."""
    try:
        line = stream.readline(LINE_BYTES)
    except OSError:
        return None
    return line.decode(errors="replace").strip() if line.endswith(b"\n") else None


def serve(listener: net.Listener, room: Room) -> None:
    for stream in listener:
        gmp_py.go(room.serve, stream)


def talk(name: str, address: str, others: int, ready: gmp_py.Chan[str], start: gmp_py.Chan[str]) -> set[str]:
    """One of the clients: says hello once everybody is there, and gives what it heard."""
    with net.dial("tcp", address) as stream:
        stream.write(name.encode() + b"\n")
        assert stream.readline(timeout=60) == b"* hello\n"
        ready.send(name)
        for _ in start:
            pass  # it is closed when all are ready
        stream.write(f"hello from {name}\n".encode())
        heard: set[str] = set()
        while len(heard) < others:
            line = stream.readline(timeout=60).decode()
            if not line.startswith("* "):
                heard.add(line.rstrip("\n"))
        return heard


def main(count: int) -> bool:
    listener = net.listen("tcp", "127.0.0.1:0")
    serving = gmp_py.go(serve, listener, Room())
    address = "127.0.0.1:%d" % listener.address[1]
    ready, start = gmp_py.Chan[str](), gmp_py.Chan[str]()
    names = [f"client {n}" for n in range(count)]
    tasks = {name: gmp_py.go(talk, name, address, count - 1, ready, start) for name in names}
    for _ in names:
        ready.recv(timeout=60)
    start.close()
    good = 0
    for name, task in tasks.items():
        good += task.join() == {f"{other}: hello from {other}" for other in names if other != name}
    listener.close()
    serving.join()
    print(f"{good} of {count} clients heard {count - 1} others")
    return good == count


if __name__ == "__main__":
    if sys.argv[1:2] == ["--listen"]:
        with net.listen("tcp", sys.argv[2]) as opened:
            gmp_py.run(serve, opened, Room())
    else:
        sys.exit(not gmp_py.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 50))
