"""What test_drivers.py and test_drivers_patched.py do with drivers: scripts for a child, without and with the patches.

A call of a driver blocks until another task has done something: who held up the other tasks would wait for ever. Meanwhile
other tasks, Python ones and native ones, start and end.
"""

import textwrap

from support import ok

BEGIN = """
import ctypes, os, socket, sys, threading, time
import gmp_py
from gmp_py import go, go_native
PATCHED = {patched}
if PATCHED:
    gmp_py.monkey.patch_all()
gmp_py.max_procs({procs})
HANG = 60
GETPID = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value

def threads():
    return len(os.listdir("/proc/self/task"))

def others_go_on():
    for _ in range(10):
        gmp_py.sleep(0.001)
        assert go(len, "abc").join(HANG) == 3
        assert go_native(GETPID).join(HANG) == os.getpid()

def blocks_until(call, release):
    '''Calls `call` in a task, which must not return before `release` was called in another.'''
    order = []
    def blocked():
        order.append("begun")
        result = call()
        order.append("returned")
        return result
    def releasing():
        while not order:
            gmp_py.yield_()
        others_go_on()
        order.append("released")
        release()
    task, other = go(blocked), go(releasing)
    other.join(HANG)
    result = task.join(HANG)
    assert order == ["begun", "released", "returned"], order
    return result

def all_of(count, fn):
    return [task.join(HANG) for task in [go(fn, n) for n in range(count)]]
"""


def drive(script: str, procs: int, patched: bool, **values: object) -> None:
    """Runs a script; it must end well, and say nothing."""
    begin = BEGIN.format(procs=procs, patched=patched)
    named = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    assert ok(begin + named + textwrap.dedent(script) + "\nprint('ok')\n") == "ok\n"


SITE = """
import http.server
from gmp_py import servers

class Pages(http.server.BaseHTTPRequestHandler):
    '''/all/N is answered once N requests for it are there; all else with its path.'''
    protocol_version = "HTTP/1.1"
    inside = 0
    released = False
    def do_GET(self):
        if self.path.startswith("/all/"):
            Pages.inside += 1
            while Pages.inside < int(self.path[5:]):
                gmp_py.sleep(0.001)
        while self.path == "/held" and not Pages.released:
            gmp_py.sleep(0.001)
        body = self.path.encode() * 100
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

class Site(servers.TaskMixIn, http.server.HTTPServer):
    block_on_close = False

site = Site(("127.0.0.1", 0), Pages)
serving = go(site.serve_forever, 0.05)
URL = "http://127.0.0.1:%d" % site.server_port
def release():
    Pages.released = True
"""

REQUESTS = (
    SITE
    + """
import requests
assert blocks_until(lambda: requests.get(URL + "/held", timeout=HANG).content, release) == b"/held" * 100
before = threads()
answers = all_of(20, lambda n: requests.get(URL + "/all/20", timeout=HANG).content)
assert answers == [b"/all/20" * 100] * 20
assert not PATCHED or threads() < before + 8, threads()
def session(n):
    with requests.Session() as session:
        for round in range(5):
            path = "/%d/%d" % (n, round)
            assert session.get(URL + path, timeout=HANG).text == path * 100
        assert session.post(URL, data=b"x" * 300_000, timeout=HANG).content == b"x" * 300_000
        return session.get(URL + "/missing", timeout=HANG).status_code
assert all_of(10, session) == [404] * 10
def late():
    try:
        requests.get(URL + "/all/1000", timeout=0.05)
    except requests.exceptions.Timeout:
        return True
assert go(late).join(HANG)
def refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        try:
            requests.get("http://127.0.0.1:%d" % unused.getsockname()[1], timeout=HANG)
        except requests.exceptions.ConnectionError:
            return True
assert go(refused).join(HANG)
site.shutdown()
serving.join(HANG)
"""
)

URLLIB3 = (
    SITE
    + """
import urllib3
with urllib3.PoolManager(maxsize=4, block=True) as pool:
    get = lambda path: pool.request("GET", URL + path, timeout=HANG, retries=False).data
    assert blocks_until(lambda: get("/held"), release) == b"/held" * 100
    # Twelve tasks share four connections: the pool's own locks and queue hand them round.
    assert all_of(12, lambda n: [get("/%d" % n) for _ in range(5)]) == [[b"/%d" % n * 100] * 5 for n in range(12)]
site.shutdown()
serving.join(HANG)
"""
)

REDIS = """
import redis
client = redis.Redis(unix_socket_path=SOCKET)
client.flushall()
def push():
    client.rpush("list", "value")
assert blocks_until(lambda: client.blpop(["list"], timeout=HANG), push) == (b"list", b"value")
assert all_of(20, lambda n: [client.incr("count") for _ in range(20)][-1] > 0) == [True] * 20
assert int(client.get("count")) == 400
def transaction(n):
    def add(pipe):
        value = int(pipe.get("sum") or 0)
        pipe.multi()
        pipe.set("sum", value + n)
    client.transaction(add, "sum")
all_of(10, transaction)
assert int(client.get("sum")) == 45
subscriber = client.pubsub(ignore_subscribe_messages=True)
subscriber.subscribe("news")
def listen():
    while (message := subscriber.get_message(timeout=HANG)) is None:
        pass
    return message["data"]
assert blocks_until(listen, lambda: client.publish("news", "hello")) == b"hello"
subscriber.close()
client.close()
"""

POSTGRES = """
import psycopg
dsn = "host=%s user=postgres dbname=postgres" % SOCKET
holder = psycopg.connect(dsn, autocommit=True)
def locked():
    with psycopg.connect(dsn, autocommit=True) as other:
        return other.execute("SELECT pg_advisory_lock(1), 7").fetchone()[1]
holder.execute("SELECT pg_advisory_lock(1)")
assert blocks_until(locked, lambda: holder.execute("SELECT pg_advisory_unlock(1)")) == 7
holder.execute("DROP TABLE IF EXISTS counts")
holder.execute("CREATE TABLE counts (n int)")
holder.execute("INSERT INTO counts VALUES (0)")
def count(n):
    with psycopg.connect(dsn) as connection:
        for _ in range(5):
            connection.execute("UPDATE counts SET n = n + 1")
            connection.commit()
        try:
            connection.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            connection.rollback()
        return connection.execute("SELECT generate_series(1, 1000)").fetchall()[-1]
assert all_of(10, count) == [(1000,)] * 10
assert holder.execute("SELECT n FROM counts").fetchone() == (50,)
holder.close()
"""

SQLALCHEMY = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
class Base(DeclarativeBase):
    pass
class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]
engine = sa.create_engine(ENGINE, pool_size=4, max_overflow=0, pool_timeout=HANG)
Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    session.add_all(Account(id=n, balance=100) for n in range(4))
def move(n):
    for round in range(5):
        with Session(engine) as session, session.begin():
            for id, by in sorted([(n % 4, -1), ((n + 1) % 4, 1)]):
                session.execute(sa.update(Account).where(Account.id == id).values(balance=Account.balance + by))
    with Session(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Account))
assert all_of(12, move) == [4] * 12
with Session(engine) as session:
    assert session.scalar(sa.select(sa.func.sum(Account.balance))) == 400
# All four connections are taken: the pool waits for one, in a lock of the standard library.
taken = [engine.connect() for _ in range(4)]
def query():
    with engine.connect() as connection:
        return connection.execute(sa.text("SELECT 7")).scalar()
assert blocks_until(query, taken.pop().close) == 7
for connection in taken:
    connection.close()
engine.dispose()
"""

SQLITE_BUSY = """
import sqlite3
holder = sqlite3.connect(FILE, isolation_level=None, check_same_thread=False)
holder.execute("DROP TABLE IF EXISTS t")
holder.execute("CREATE TABLE t (n)")
holder.execute("BEGIN IMMEDIATE")
def write():
    other = sqlite3.connect(FILE, timeout=HANG, isolation_level=None, check_same_thread=False)
    other.execute("INSERT INTO t VALUES (1)")
    other.close()
blocks_until(write, lambda: holder.execute("COMMIT"))
assert holder.execute("SELECT count(*) FROM t").fetchone() == (1,)
holder.close()
"""

SUBPROCESS = """
import subprocess
reader, writer = os.pipe()
def run():
    return subprocess.run(["sh", "-c", "read line <&%d; echo got $line" % reader], pass_fds=[reader], capture_output=True,
                          text=True, timeout=HANG).stdout
assert blocks_until(run, lambda: os.write(writer, b"it\\n")) == "got it\\n"
assert all_of(8, lambda n: subprocess.check_output(["sh", "-c", "echo %d" % n])) == [b"%d\\n" % n for n in range(8)]
def late():
    try:
        subprocess.run(["sleep", "60"], timeout=0.1)
    except subprocess.TimeoutExpired:
        return True
assert go(late).join(HANG)
def talk():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        return cat.communicate(b"x" * 1_000_000)[0] == b"x" * 1_000_000
assert all_of(4, lambda n: talk()) == [True] * 4
"""

FOREIGN = """
import hashlib
libc = ctypes.CDLL(None, use_errno=True)
reader, writer = os.pipe()
room = ctypes.create_string_buffer(10)
assert blocks_until(lambda: libc.read(reader, room, 10), lambda: os.write(writer, b"hello")) == 5 and room.value == b"hello"
assert blocks_until(lambda: os.read(reader, 10), lambda: os.write(writer, b"again")) == b"again"
lock = threading.Lock()
lock.acquire()
assert blocks_until(lambda: lock.acquire(), lock.release)
near, far = socket.socketpair()
assert blocks_until(lambda: near.recv(10), lambda: far.sendall(b"bytes")) == b"bytes"
# Twenty of them at once: each has a thread for as long as it blocks.
barrier = threading.Barrier(20)
assert sorted(all_of(20, lambda n: barrier.wait(HANG))) == list(range(20))
begin, order = time.monotonic(), []
def sleeper(n):
    time.sleep(0.2)
    order.append(n)
tasks = [go(sleeper, n) for n in range(20)]
others_go_on()
for task in tasks:
    task.join(HANG)
assert len(order) == 20
blob = bytes(32 << 20)
hashing = go(lambda: hashlib.sha256(blob).hexdigest())
others_go_on()
assert hashing.join(HANG).startswith("83ee4724")
"""

COMPUTING = """
stop = []
def hog():
    while not stop:
        pass
tasks = [go(hog) for _ in range(2)]
others_go_on()
stop.append(1)
for task in tasks:
    task.join(HANG)
"""
