"""The rows: what is measured, at which size, by whom, and why a peer has a smaller size or is left out.

Owns: ROWS. Always true: a row's programs do the same work for each peer; where that is not wholly so, the program's
first lines say it. `size` is the --n of each program unless `sizes` names the peer.
Called by: harness, report, plot (through the summary), run.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    name: str
    what: str
    scales: bool = False  # grows with the size: compared only between peers that ran the same size
    rate: bool = False  # ns that each of many takes: shown as so many a second too


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    size: int
    quick: int
    reps: int
    metrics: tuple[Metric, ...]
    sizes: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    procs: tuple[int, ...] | None = None  # None: those the command line names
    watcher: str | None = None  # its programs run under this script, which adds a figure
    driver: str | None = None  # its programs are servers: this script starts each, loads it and gives all figures
    program: str | None = None  # of the peers; None: named as the row

    def size_for(self, peer: str, size: int) -> int:
        return min(size, self.sizes.get(peer, size))


STACKLESS = "its tasks have no stack, their memory is not like for like"
MAPPINGS = "two memory mappings a live coroutine: about 30,000 fit under vm.max_map_count"
ITS_WORKER = "who blocks, blocks its worker thread"
FOR_EVER = "what computes keeps its worker thread: the new task never runs"
NO_BOUND = "its channels have no bound: a sender never waits"
PARKED = (
    Metric("resident", "bytes resident per parked task"),
    Metric("create", "from the first spawn until all wait", scales=True),
    Metric("wake_all", "from the wake until all have ended", scales=True),
)
SERVED = "n connections, 64 bytes under way on each, server on one CPU and load on another"
ECHO = (
    Metric("message", "a message there and back", rate=True),
    Metric("p50", "half of the messages are back"),
    Metric("p99", "99 of 100 are back"),
    Metric("p999", "999 of 1000 are back"),
)
KVD = tuple(
    metric
    for name in ("set", "get")
    for metric in (
        Metric(name, f"a {name.upper()}, one request under way on each connection", rate=True),
        Metric(f"{name}_p99", "the same, 99 of 100 are answered"),
        Metric(f"{name}_p16", f"a {name.upper()}, sixteen under way", rate=True),
    )
)
WEB = "an answer of 100 bytes, server on one CPU and load on another"
REQUEST = (Metric("request", "a request", rate=True), Metric("p99", "99 of 100 are answered"))
NO_HANDLER = "a protocol by hand that reads nothing of a request: what its loop costs"
NO_SERVER = "has no server here"
ITS_STREAMS = "its sockets are its streams: see py_echo"

ROWS = (
    Row("yield", "two tasks yield to each other", 1_000_000, 100_000, 3, (Metric("yield", "per yield"),),
        sizes={"pthread": 200_000}),
    Row("spawn_wait", "one task spawns n no-op tasks and waits on a wait group", 1_000_000, 100_000, 2,
        (Metric("task", "per task"),), sizes={"may": 20_000, "pthread": 10_000}),
    Row("spawn_join", "spawn one task, join it, n times", 1_000_000, 100_000, 2, (Metric("task", "per task"),),
        sizes={"may": 100_000, "pthread": 20_000}),
    Row("fib", "fib(n), one task per left call, joined", 32, 25, 1,
        (Metric("total", "whole computation", scales=True), Metric("task", "per task")),
        sizes={"boost": 23, "may": 21},
        left_out={"pthread": "a thread per call: millions of threads"}),
    Row("parked", "n tasks wait on one object, then are woken at once", 100_000, 10_000, 1, PARKED,
        sizes={"may": 20_000, "pthread": 10_000}),
    Row("blocking", "announce a blocking call and come back, nothing between", 5_000_000, 500_000, 3,
        (Metric("pair", "per enter and exit"),),
        left_out={"may": "has no such call", "boost": "has no such call", "pthread": "needs no such call"}),
    Row("blocking_storm", "n tasks at once, each blocked 10 ms in nanosleep", 1000, 1000, 3,
        (Metric("total", "until all have ended", scales=True),),
        left_out={"may": "cannot hand its thread over", "boost": "cannot hand its thread over"}),
    Row("undeclared_storm", "the same, without saying so", 1000, 1000, 3,
        (Metric("total", "until all have ended", scales=True),),
        left_out={"tokio": ITS_WORKER, "may": ITS_WORKER, "boost": ITS_WORKER,
                  "pthread": "as in blocking_storm: threads have nothing to declare"}),
    Row("unannounced", "one task blocks 50 ms at a time without saying so, n times; others yield and sleep", 60, 12, 1,
        tuple(Metric(f"{what}_{share}", f"{text}, {share}")
              for what, text in (("gap", "longest time without the yielding task, each time that the other blocked"),
                                 ("late", "lateness of a sleep of 1 ms"))
              for share in ("p50", "p99", "worst")),
        left_out={"go": "its system calls are always announced", "tokio": ITS_WORKER, "may": ITS_WORKER,
                  "boost": ITS_WORKER, "pthread": "the kernel runs another thread, as ever"}, procs=(1,)),
    Row("hog", "P tasks compute without a call, n times: delay of a new task", 50, 10, 2,
        (Metric("mean", "of a task that a timer makes at any time, mean"),
         Metric("worst", "the same, worst of one process", scales=True),
         Metric("fresh_mean", "of a task made as the last one begins, mean"),
         Metric("fresh_worst", "the same, worst of one process", scales=True)),
        left_out={"tokio": FOR_EVER, "may": FOR_EVER, "boost": FOR_EVER, "pthread": "the kernel's slices, not a library's"}),
    Row("checkpoint", "ask whether others wait, n times; none does", 50_000_000, 5_000_000, 3,
        (Metric("checkpoint", "per call"),), procs=(1,)),
    Row("entry", "a call that enters the runtime and has nothing to do there", 50_000_000, 5_000_000, 3,
        (Metric("call", "per call"),), procs=(1,)),
    Row("ping_pong", "two tasks, two unbuffered channels, n messages each way", 1_000_000, 100_000, 3,
        (Metric("message", "per message"),), sizes={"pthread": 20_000}),
    Row("skynet", "a tree of tasks with n leaves, ten below each node, sums sent up unbuffered channels",
        1_000_000, 100_000, 2, (Metric("total", "whole tree", scales=True), Metric("task", "per task")),
        sizes={"boost": 10_000, "may": 10_000},
        left_out={"pthread": "a thread per node: a million threads"}),
    Row("mpmc", "4 producers, 4 consumers, a channel of 128, n messages in all", 4_000_000, 400_000, 3,
        (Metric("message", "per message"),), sizes={"pthread": 1_000_000},
        left_out={"may": "its channels have no bound"}),
    Row("select", "two channels that are ready in turn", 1_000_000, 100_000, 2,
        (Metric("message", "per message, another task sends, unbuffered"),
         Metric("ready", "per send and select, one task alone, capacity 1")),
        left_out={"may": "its select can take a message from both channels", "boost": "has no select",
                  "pthread": "has no select"}),
    Row("mutex", "8 tasks lock, count, unlock, n times in all", 8_000_000, 800_000, 3,
        (Metric("pair", "per lock and unlock"),)),
    Row("timers", "n tasks sleep 0 to 100 ms, drawn alike for each peer", 100_000, 10_000, 3,
        (Metric("over", "until all have ended, beyond the longest sleep", scales=True),
         Metric("cpu", "CPU time of the process", scales=True)),
        sizes={"may": 20_000}, left_out={"pthread": "a thread per sleeper: a hundred thousand threads"}),
    Row("idle", "n tasks sleep 200 ms again and again, in step", 100, 100, 1,
        (Metric("cpu", "CPU time a second", scales=True),
         Metric("between", "CPU time a second while all sleep", scales=True)), watcher="watch.py"),
    Row("quiet", "n tasks are parked, and nothing happens", 100, 100, 1,
        (Metric("wakeups", "times a second that a thread woke"),), watcher="wakeups.py",
        left_out={"tokio": "not asked", "may": "not asked", "boost": "not asked", "pthread": "threads that sleep"}),
    *(Row(f"echo_{n}", f"TCP echo: {SERVED}", n, n, 1, ECHO, procs=(1,), driver="serve_echo.py", program="echo")
      for n in (50, 1000, 8000)),
    Row("idle_connections", "n TCP connections that have had one message each, then nothing", 10_000, 1000, 1,
        (Metric("resident", "bytes of the process, a connection"),
         Metric("cpu", "CPU time a second of the process", scales=True)),
        procs=(1,), driver="serve_idle.py", program="echo"),
    Row("httpd", "HTTP/1.1 by wrk on n connections: a file of 1 KiB, a JSON answer", 50, 50, 1,
        (Metric("file", "a request for the file", rate=True), Metric("file_p99", "99 of 100 of these are answered"),
         Metric("json", "a request for JSON", rate=True), Metric("json_p99", "99 of 100 of these are answered")),
        left_out={"tokio": NO_SERVER}, procs=(1,), driver="serve_httpd.py"),
    Row("kvd", "a cache of Redis's protocol by redis-benchmark on n connections, values of 64 bytes", 50, 50, 1, KVD,
        left_out={"go": NO_SERVER, "tokio": NO_SERVER}, procs=(1,), driver="serve_kvd.py"),
    Row("py_yield", "two Python tasks yield to each other", 200_000, 20_000, 3, (Metric("yield", "per yield"),),
        sizes={"threads": 5_000}, procs=(1,)),
    Row("py_spawn_join", "spawn one Python task, join it, n times", 50_000, 5_000, 3, (Metric("task", "per task"),),
        sizes={"threads": 2_000}, procs=(1,)),
    Row("py_queue", "two Python tasks, a channel or queue each way, n messages each way", 100_000, 10_000, 3,
        (Metric("message", "per message"),), sizes={"threads": 10_000}, procs=(1,)),
    Row("py_parked", "n Python tasks wait on one event, then are woken at once", 20_000, 5_000, 1, PARKED,
        sizes={"threads": 2_000}, procs=(1,)),
    Row("py_echo", f"TCP echo by Python's tasks and streams: {SERVED}", 50, 50, 1, ECHO,
        left_out={"greenlet": "has no sockets"}, procs=(1,), driver="serve_echo.py"),
    Row("py_echo_socket", f"the same by sockets of the standard library, made to park: {SERVED}", 50, 50, 1, ECHO,
        left_out={"greenlet": "has no sockets", "asyncio": ITS_STREAMS, "uvloop": ITS_STREAMS},
        procs=(1,), driver="serve_echo.py"),
    Row("py_http", f"http.server's handler by wrk on n connections: {WEB}", 50, 50, 1, REQUEST,
        left_out={"greenlet": "has no sockets"}, procs=(1, 2), driver="serve_web.py"),
    Row("py_wsgi", f"a WSGI application by wrk on n connections: {WEB}", 50, 50, 1, REQUEST,
        left_out={"greenlet": "has no sockets", "asyncio": "serves no WSGI", "uvloop": "serves no WSGI"},
        procs=(1, 2), driver="serve_web.py"),
)

REMARKS = {
    ("parked", "tokio"): STACKLESS,
    ("py_queue", "gmp"): "unbuffered; the others' queues have no bound",
    ("py_queue", "greenlet"): "the switch itself carries the value: no queue, no scheduler",
    ("py_parked", "asyncio"): STACKLESS,
    ("py_parked", "uvloop"): STACKLESS,
    ("spawn_wait", "boost"): "child-first: each fiber runs to its end before the next is spawned",
    ("spawn_wait", "may"): MAPPINGS,
    ("fib", "may"): MAPPINGS,
    ("fib", "boost"): "most of the tree is live at once, 128 KiB a fiber",
    ("parked", "may"): MAPPINGS,
    ("blocking", "go"): "a difference of two system call loops: noisy",
    ("blocking", "tokio"): "no hand-over after the first call of the loop",
    ("ping_pong", "tokio"): "capacity 1: it has no unbuffered channel",
    ("ping_pong", "may"): NO_BOUND,
    ("skynet", "tokio"): "capacity 1: it has no unbuffered channel",
    ("skynet", "may"): f"{NO_BOUND}; {MAPPINGS}",
    ("skynet", "boost"): "most of the tree is live at once, 128 KiB a fiber",
    ("mpmc", "tokio"): "async-channel: tokio's own channels have one receiver",
    ("mpmc", "boost"): "holds 127: one slot of its ring stays free",
    ("select", "tokio"): "capacity 1 in both: it has no unbuffered channel",
    ("mutex", "tokio"): "fair: an unlock hands it to the first waiter",
    ("timers", "tokio"): "whole milliseconds, rounded up",
    ("timers", "may"): MAPPINGS,
    ("idle", "pthread"): "a thread per task, which sleeps in the kernel",
    **{(row, "epoll"): "one thread, no tasks: recv and send by hand" for row in ("echo_50", "echo_1000", "echo_8000")},
    ("idle_connections", "tokio"): STACKLESS,
    ("idle_connections", "epoll"): "no task, no state: the floor",
    ("py_http", "asyncio"): NO_HANDLER,
    ("py_http", "uvloop"): NO_HANDLER,
    ("py_wsgi", "threads"): "wsgiref, made to keep connections",
    ("py_yield", "greenlet"): "names its successor: no scheduler",
    ("py_yield", "threads"): "gives the GIL up; the other thread need not have run",
}


def like_for_like(row: str, metric: str, peer: str) -> bool:
    """May the peer be called best? Not by other work, by the memory of tasks that have no stack, nor without tasks."""
    remark = REMARKS.get((row, peer))
    return remark != NO_HANDLER and (metric != "resident" or (remark != STACKLESS and peer != "epoll"))


def row_named(name: str) -> Row:
    for row in ROWS:
        if row.name == name:
            return row
    raise KeyError(f"no row is named {name}; there are {', '.join(row.name for row in ROWS)}")
