"""The targets: the figures the project set out to reach, one entry a promise.

Owns: TARGETS. Always true: a target is information. No exit status depends on it, because a timing on a shared
machine proves nothing by itself. Called by: report.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    row: str
    metric: str
    limit: float
    against: str | None = None  # a peer: limit is ours / theirs. None: limit is a value in the metric's unit
    procs: int = 1
    more: bool = False  # limit is ours - theirs, of the best repetitions: a difference of noise says nothing

    def __str__(self) -> str:
        of = "value" if self.against is None else f"ours{'-' if self.more else '/'}{self.against}"
        return f"{of} <= {self.limit:.4g}"


TARGETS = (
    Target("yield", "yield", 0.10, "go"),
    Target("spawn_wait", "task", 0.12, "go"),
    Target("spawn_join", "task", 0.06, "go"),
    Target("fib", "total", 0.04, "go"),
    Target("fib", "total", 0.03, "go", procs=2),
    Target("parked", "resident", 4700.0),
    Target("parked", "create", 1.0, "go"),
    Target("parked", "wake_all", 0.3, "go"),
    Target("blocking", "pair", 12.0),
    Target("blocking", "pair", 0.4, "go"),
    Target("blocking_storm", "total", 0.5, "go"),
    Target("undeclared_storm", "total", 1.0, "go"),
    Target("unannounced", "gap_p99", 1.0),
    Target("unannounced", "late_p99", 1.0),
    Target("hog", "mean", 10.0),
    Target("hog", "worst", 20.0),
    Target("hog", "fresh_worst", 20.0),
    Target("hog", "mean", 10.0, procs=2),
    Target("hog", "worst", 20.0, procs=2),
    Target("hog", "fresh_worst", 20.0, procs=2),
    Target("entry", "call", 1.0, "bare", more=True),
    Target("checkpoint", "checkpoint", 3.0),
    Target("quiet", "wakeups", 0.0),
    Target("quiet", "wakeups", 0.0, procs=2),
    Target("ping_pong", "message", 0.20, "go"),
    Target("ping_pong", "message", 0.45, "go", procs=2),
    Target("skynet", "total", 0.12, "go"),
    Target("mpmc", "message", 0.5, "go"),
    Target("mpmc", "message", 0.55, "go", procs=2),
    Target("select", "message", 0.35, "go"),
    Target("select", "ready", 0.35, "go"),
    Target("mutex", "pair", 1.1, "go"),
    Target("mutex", "pair", 0.5, "go", procs=2),
    Target("timers", "over", 0.35, "go"),
    Target("timers", "cpu", 0.35, "go"),
    Target("idle", "between", 100.0),
    Target("idle", "between", 100.0, procs=2),
    *(Target(row, metric, limit, peer)
      for row in ("echo_50", "echo_1000", "echo_8000")
      for metric, limit, peer in (("message", 1 / 1.3, "go"), ("message", 1 / 0.9, "epoll"), ("p99", 1.0, "go"))),
    Target("idle_connections", "resident", 6144.0),
    Target("idle_connections", "cpu", 0.0),
    Target("httpd", "file", 1 / 1.3, "go"),
    Target("httpd", "json", 1 / 1.3, "go"),
    *(Target("kvd", metric, 1 / 0.8, "redis") for metric in ("set", "get", "set_p16", "get_p16")),
    Target("py_yield", "yield", 0.35, "greenlet"),
    Target("py_spawn_join", "task", 0.15, "greenlet"),
    Target("py_queue", "message", 0.15, "gevent"),
    Target("py_parked", "resident", 5400.0),
    *(Target(row, metric, 1.0, "gevent", procs)
      for row in ("py_http", "py_wsgi")
      for metric in ("request", "p99")
      for procs in (1, 2)),
)


def targets_of(row: str, metric: str, procs: int) -> list[Target]:
    return [t for t in TARGETS if (t.row, t.metric, t.procs) == (row, metric, procs)]
